package sim

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/mesh"
)

// plague makes a world as unfriendly as its seed wants it.
func plague(w *World) {
	chance := func(n int) bool { return w.Rand.IntN(n) == 0 }
	if chance(3) {
		w.Loss, w.Double = w.Rand.Float64()*0.3, w.Rand.Float64()*0.3
	}
	if chance(3) {
		w.Overtake = w.Rand.Float64() * 0.1
	}
	w.Skew = chance(2)
	if chance(4) {
		w.Config.Sequence = math.MaxInt64 - w.Rand.Int64N(12)
	}
	if !chance(3) { // the rest with the usual time
		w.Config.FastHelloInterval = w.Between(50*time.Millisecond, time.Second)
	}
	w.Measured = chance(4)
	if !chance(4) { // the rest with the usual times, which take long to heal what got lost
		w.Config.RAInterval, w.Config.LSMaxAge = 8*time.Second, 20*time.Second
	}
}

// size is how many routers a world has: few as a rule, because with few more happens to each.
func size(w *World) int {
	switch n := w.Rand.IntN(400); {
	case n == 0:
		return 31 + w.Rand.IntN(70)
	case n < 16:
		return 13 + w.Rand.IntN(18)
	}
	return 3 + w.Rand.IntN(10)
}

// disturbAll does one thing at random of all that can happen to a mesh.
func disturbAll(w *World) {
	r := w.Routers[w.Rand.IntN(len(w.Routers))]
	if r.stalled.After(w.now) {
		w.After(r.stalled.Sub(w.now), func() { disturbAll(w) })
		return
	}
	switch w.Rand.IntN(9) {
	case 0:
		r.Stall(w.Between(time.Millisecond, 2*time.Second))
	case 1:
		r.SetOverload(!r.overload)
	case 2:
		r.Leave()
	case 3:
		partition(w)
	case 4:
		w.Cables[w.Rand.IntN(len(w.Cables))].SetLatency(w.Between(0, 20*time.Millisecond))
	default:
		disturb(w)
	}
}

// partition cuts all cables between two parts of the mesh, and restores them after a while.
func partition(w *World) {
	part := make(map[*Router]bool)
	for _, r := range w.Routers {
		part[r] = w.Rand.IntN(2) == 0
	}
	var cut []*Cable
	for _, c := range w.Cables {
		if part[c.routers[0]] != part[c.routers[1]] {
			cut = append(cut, c)
			c.Cut()
		}
	}
	w.After(w.Between(10*time.Millisecond, 8*time.Second), func() {
		for _, c := range cut {
			c.Restore()
		}
	})
}

// TestMeshKeepsItsInvariants lets everything happen that can happen to a mesh of 3 to 100 routers: loss, delay,
// reordering and doubling of messages, cables that are cut or swallow everything, partitions, crashes, restarts, routers
// that leave, that are overloaded, and that do not run for a while, costs that follow from times that change, clocks that
// differ and drift, and sequence numbers that come to their end. The invariants are named in the documentation of the package. What must hold at every instant
// is checked all the time, the rest after a quiet time.
func TestMeshKeepsItsInvariants(t *testing.T) {
	stories(t, 1, func(t testing.TB, w *World) {
		plague(w)
		n := size(w)
		build(w, n, n, true, postroad)
		end := w.Since() + 12*time.Second
		for w.Since() < end {
			w.Run(time.Duration(w.Rand.ExpFloat64() * float64([]time.Duration{time.Millisecond, 100 * time.Millisecond,
				2 * time.Second}[w.Rand.IntN(3)])))
			disturbAll(w)
			w.CheckInstant()
		}
		if w.Rand.IntN(2) == 0 {
			for _, r := range w.Routers {
				r.Boot()
			}
			for _, c := range w.Cables {
				c.Restore()
			}
		}
		w.Run(8 * time.Second)     // partitions end by themselves
		settle := 10 * time.Second // a router that was restarted with an earlier time is believed after four, and asked
		switch {
		case w.Loss > 0 || w.Double > 0 || w.Overtake > 0:
			settle = interval // the last RA before the quiet may have been lost
			if w.Config.RAInterval > 0 {
				settle = w.Config.RAInterval + 5*time.Second
			}
		case w.Config.FastHelloInterval > 0:
			settle += 3 * time.Second
		}
		w.Loss, w.Double, w.Overtake = 0, 0, 0
		for range 10 {
			w.Run(settle / 10)
			w.CheckInstant()
		}
		for tries := 0; w.Measured && tries < 20 && !w.agreed(); tries++ { // a cost may just have changed
			w.Run(50 * time.Millisecond)
		}
		if err := w.Check(); err != nil {
			w.Run(interval) // does it get there at all?
			later := "and nothing is wrong a while later"
			if err := w.Check(); err != nil {
				later = fmt.Sprintf("and a while later: %v", err)
			}
			t.Fatalf("at %v: %v\n%s", w.Since(), err, later)
		}
	})
}

// A chain of five routers is the longest way that the contract names.
func TestNewConsumerIsUsableAcrossFiveRoutersWithinATenthOfASecond(t *testing.T) {
	stories(t, 4, func(t testing.TB, w *World) {
		for i := range 5 {
			w.AddRouter(fmt.Sprintf("R%d", i), Postroad).Boot()
			if i > 0 {
				w.Connect(w.Routers[i-1], w.Routers[i], 1, w.Between(0, 2*time.Millisecond)).Jitter = time.Millisecond
			}
		}
		w.Run(12 * time.Second)
		churn := w.Rand.IntN(2) == 0 // others come and go meanwhile
		for i := range 100 {
			if churn {
				w.Routers[4].AddAddress(fmt.Sprintf("M0churn%d", i), addressing.DistributionClosest)
			}
			w.Run(7 * time.Millisecond)
		}
		w.Routers[4].AddAddress("M0new", addressing.DistributionClosest)
		w.Run(100 * time.Millisecond)
		for _, r := range w.Routers[:4] {
			if _, ok := r.find("R4").addresses["M0new"]; !ok {
				t.Errorf("%s does not know the address after 100 ms", r.ID)
			}
		}
	})
}

// A busy machine may keep a router from running for long: it must not take its neighbors for dead, which were not
// stalled themselves, and they take it for dead only when it was silent for three hellos.
func TestStalledRouterRaisesNoFalseAlarm(t *testing.T) {
	stories(t, 4, func(t testing.TB, w *World) {
		steady(t, w, 3+w.Rand.IntN(5), 5)
		for range 20 {
			w.Routers[w.Rand.IntN(len(w.Routers))].Stall(w.Between(time.Millisecond, 150*time.Millisecond))
			w.Run(w.Between(0, 300*time.Millisecond))
		}
		for _, r := range w.Routers {
			for _, l := range r.Node().Links() {
				if !l.Up {
					t.Errorf("%s has lost %s", r.ID, l.Router)
				}
			}
		}
		w.Run(quiet)
		if err := w.Check(); err != nil {
			t.Error(err)
		}
	})
}

func TestTrafficGoesAroundAnOverloadedRouter(t *testing.T) {
	stories(t, 4, func(t testing.TB, w *World) {
		steady(t, w, 4+w.Rand.IntN(8), 12)
		busy := w.Routers[w.Rand.IntN(len(w.Routers))]
		busy.SetOverload(true)
		w.Run(reach(w))
		if err := w.Check(); err != nil { // of the costs that an overloaded router announces
			t.Fatal(err)
		}
		all := w.costs()
		for _, r := range w.Routers {
			for _, o := range w.Routers {
				if r == o || r == busy || o == busy || all[r][o] >= mesh.OverloadCost {
					continue
				}
				for at := r; at != o; {
					e := at.ends[at.find(o.ID).path.NextHop]
					if at = e.cable.routers[1-e.side]; at == busy {
						t.Fatalf("the way from %s to %s leads through %s, though there is another one", r.ID, o.ID, busy.ID)
					}
				}
			}
		}
		busy.SetOverload(false)
		w.Run(reach(w))
		if err := w.Check(); err != nil {
			t.Error(err)
		}
	})
}

func TestRouterThatLeavesIsUnknownEverywhereAfterOneWay(t *testing.T) {
	stories(t, 4, func(t testing.TB, w *World) {
		steady(t, w, 3+w.Rand.IntN(8), 8)
		r := w.Routers[w.Rand.IntN(len(w.Routers))]
		r.AddAddress("M0x", addressing.DistributionClosest)
		w.Run(reach(w))
		r.Leave()
		w.Run(reach(w))
		if err := w.Check(); err != nil {
			t.Fatal(err)
		}
	})
}

// Somebody starts a copy of a router, with its id, somewhere else in the mesh.
func TestTwinIsFoundAnywhereAndRefused(t *testing.T) {
	stories(t, 4, func(t testing.TB, w *World) {
		w.Hostile = true // everybody complains
		steady(t, w, 3+w.Rand.IntN(8), 8)
		twin := w.AddRouter(w.Routers[0].ID, Postroad)
		for range 1 + w.Rand.IntN(2) {
			w.Connect(twin, w.Routers[1+w.Rand.IntN(len(w.Routers)-2)], 1, time.Millisecond)
		}
		twin.Boot()
		w.Run(40 * time.Second)
		told := func(r *Router) bool {
			return slices.ContainsFunc(r.duplicates, func(e mesh.Event) bool { return e.ID == twin.ID })
		}
		if !told(twin) || !slices.ContainsFunc(w.Routers[1:len(w.Routers)-1], told) {
			t.Error("nobody has noticed, or the twin was not told")
		}
		for _, l := range twin.Node().Links() {
			if l.Up {
				t.Errorf("the twin is a neighbor of %s", l.Router)
			}
		}
		w.Routers = w.Routers[:len(w.Routers)-1] // all others are as if it were not there
		for _, r := range w.Routers[1:] {
			if err := w.walk(r, w.Routers[0]); err != nil {
				t.Errorf("from %s to the true one: %v", r.ID, err)
			}
		}
		w.Routers = append(w.Routers, twin)
		twin.Crash()
		w.Run(interval) // what is known of it elsewhere may be kept until the true one says something
		w.Routers = w.Routers[:len(w.Routers)-1]
		if err := w.Check(); err != nil {
			t.Error(err)
		}
	})
}
