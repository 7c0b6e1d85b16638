package sim

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postroad/postroad/addressing"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run only the story of this seed, and tell it")
	seedsFlag = flag.Int("seeds", 0, "how many stories of the most important kind to run, of others a part of it; 120")
	firstFlag = flag.Uint64("seeds.first", 1, "the first seed of those")
)

// stories runs a story for a part of all seeds. A story that fails says how to hear it again.
func stories(t *testing.T, part int, story func(t testing.TB, w *World)) {
	t.Parallel()
	run := func(seed uint64) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := NewWorld(seed)
			if *seedFlag != 0 {
				w.Log, w.Config.LogLevel = t.Logf, 0
			}
			defer func() { // a story that fails ends there
				if t.Failed() {
					story, _, _ := strings.Cut(t.Name(), "/")
					t.Logf("to hear it again: go test ./mesh/sim -run '^%s$' -seed %d -v", story, seed)
				}
			}()
			story(t, w)
		})
	}
	if *seedFlag != 0 {
		run(*seedFlag)
		return
	}
	for seed := range uint64(max(1, howMany()/part)) {
		run(*firstFlag + seed)
	}
}

// howMany returns how many stories of the most important kind to run.
func howMany() int {
	switch {
	case *seedsFlag > 0:
		return *seedsFlag
	case raceEnabled, testing.Short():
		return 24
	}
	return 120
}

// build makes a connected mesh of n routers with up to extra more cables, which may be parallel to others.
func build(w *World, n, extra int, parallel bool, kind func(i int) Kind) {
	for i := range n {
		// The order of ids must not be that of numbers.
		w.AddRouter(fmt.Sprintf("%c%d", 'Z'-rune((i*7)%26), i), kind(i)).Boot()
	}
	connect := func(a, b int) {
		latency := time.Duration(w.Rand.Int64N(int64(20 * time.Millisecond)))
		c := w.Connect(w.Routers[a], w.Routers[b], 1+w.Rand.IntN(4), latency)
		c.Jitter = time.Duration(w.Rand.Int64N(int64(jitter)))
	}
	for i := 1; i < n; i++ {
		connect(i, w.Rand.IntN(i))
	}
	for range w.Rand.IntN(extra + 1) {
		if a, b := w.Rand.IntN(n), w.Rand.IntN(n); a != b && (parallel || !connected(w, a, b)) {
			connect(a, b)
		}
	}
}

// jitter is the most that a message is late on a cable.
const jitter = 5 * time.Millisecond

func postroad(int) Kind { return Postroad }

func connected(w *World, a, b int) bool {
	for _, c := range w.Cables {
		if c.routers == [2]*Router{w.Routers[a], w.Routers[b]} || c.routers == [2]*Router{w.Routers[b], w.Routers[a]} {
			return true
		}
	}
	return false
}

var keys = []string{"M0orders", "M0prices", "M1orders", "MFq", "HE1", "Cbroker", "M0x"}

// disturb does one thing at random.
func disturb(w *World) {
	r := w.Routers[w.Rand.IntN(len(w.Routers))]
	c := w.Cables[w.Rand.IntN(len(w.Cables))]
	switch w.Rand.IntN(10) {
	case 0:
		r.Crash()
	case 1, 2:
		r.Boot()
	case 3:
		c.Cut()
	case 4:
		c.Kill()
	case 5, 6:
		c.Restore()
	case 7, 8:
		r.AddAddress(keys[w.Rand.IntN(len(keys))], addressing.Distribution(1+w.Rand.IntN(3)))
	case 9:
		if had := sortedKeys(r.Addresses); len(had) > 0 {
			r.RemoveAddress(had[w.Rand.IntN(len(had))])
		}
	}
}

// trouble disturbs the world for a while, with quiet moments of all lengths.
func trouble(w *World, d time.Duration) {
	end := w.Since() + d
	for w.Since() < end {
		w.Run(time.Duration(w.Rand.ExpFloat64() * float64([]time.Duration{time.Millisecond, 100 * time.Millisecond,
			2 * time.Second}[w.Rand.IntN(3)])))
		disturb(w)
	}
}

// The settling time after trouble without loss.
const quiet = 6 * time.Second

func TestMeshConvergesAfterTrouble(t *testing.T) {
	stories(t, 1, func(t testing.TB, w *World) {
		build(w, 2+w.Rand.IntN(9), 8, true, postroad)
		w.Run(2 * time.Second)
		if err := w.Check(); err != nil {
			t.Fatalf("after the start: %v", err)
		}
		for range 3 {
			trouble(w, 15*time.Second)
			w.Run(quiet)
			if err := w.Check(); err != nil {
				t.Fatalf("after trouble, at %v: %v", w.Since(), err)
			}
		}
		for _, r := range w.Routers {
			r.Boot()
		}
		for _, c := range w.Cables {
			c.Restore()
		}
		w.Run(2 * time.Second) // what the delivery contract promises for a partition that has healed
		if err := w.Check(); err != nil {
			t.Fatalf("after healing, at %v: %v", w.Since(), err)
		}
	})
}

// Control links are reliable, but a router may lose pre-settled messages under pressure. Whatever gets lost or doubled,
// everything is repeated until it is known.
func TestMeshConvergesAfterLossAndDoubling(t *testing.T) {
	stories(t, 2, func(t testing.TB, w *World) {
		w.Loss, w.Double = w.Rand.Float64()*0.5, w.Rand.Float64()*0.3
		build(w, 2+w.Rand.IntN(9), 8, true, postroad)
		trouble(w, 30*time.Second)
		w.Loss, w.Double = 0, 0
		w.Run(interval)
		if err := w.Check(); err != nil {
			t.Fatalf("after trouble, at %v: %v", w.Since(), err)
		}
	})
}

// interval is the longest time until every router has sent an RA and everybody has asked what that leads to.
const interval = 35 * time.Second

// Interconnect acts on ticks and repeats only some of its messages, so a mixed mesh takes the time that it takes.
func TestMixedMeshConvergesAfterTrouble(t *testing.T) {
	stories(t, 4, func(t testing.TB, w *World) {
		odd := w.Rand.IntN(2)
		build(w, 2+w.Rand.IntN(7), 6, false, func(i int) Kind {
			if i == odd || w.Rand.IntN(2) == 0 {
				return Interconnect
			}
			return Postroad
		})
		w.Run(15 * time.Second)
		if err := w.Check(); err != nil {
			t.Fatalf("after the start: %v", err)
		}
		for range 2 {
			trouble(w, 15*time.Second)
			w.Run(90 * time.Second)
			if err := w.Check(); err != nil {
				t.Fatalf("after trouble, at %v: %v", w.Since(), err)
			}
		}
	})
}

func TestMeshOfInterconnectsConverges(t *testing.T) {
	stories(t, 10, func(t testing.TB, w *World) {
		build(w, 2+w.Rand.IntN(7), 6, false, func(int) Kind { return Interconnect })
		w.Run(15 * time.Second)
		trouble(w, 15*time.Second)
		w.Run(90 * time.Second)
		if err := w.Check(); err != nil {
			t.Fatalf("the model itself is wrong: %v", err)
		}
	})
}

// steady builds a mesh and lets it come to rest.
func steady(t testing.TB, w *World, n, extra int) {
	build(w, n, extra, true, postroad)
	w.Run(12 * time.Second)
	if err := w.Check(); err != nil {
		t.Fatalf("after the start: %v", err)
	}
}

// reach is how long a message takes at most from one end of the mesh to the other, and a little more.
func reach(w *World) time.Duration {
	return 30*time.Millisecond + time.Duration(len(w.Routers))*25*time.Millisecond
}

func TestLossOfACableIsKnownEverywhereAfterOneWay(t *testing.T) {
	stories(t, 2, func(t testing.TB, w *World) {
		steady(t, w, 3+w.Rand.IntN(10), 10)
		w.Cables[w.Rand.IntN(len(w.Cables))].Cut()
		w.Run(reach(w))
		if err := w.Check(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestLossOfARouterIsKnownEverywhereAfterOneWay(t *testing.T) {
	stories(t, 2, func(t testing.TB, w *World) {
		steady(t, w, 3+w.Rand.IntN(10), 10)
		w.Routers[w.Rand.IntN(len(w.Routers))].Crash()
		w.Run(reach(w))
		if err := w.Check(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestNewAddressIsKnownEverywhereAfterOneWay(t *testing.T) {
	stories(t, 4, func(t testing.TB, w *World) {
		steady(t, w, 3+w.Rand.IntN(10), 10)
		w.Routers[w.Rand.IntN(len(w.Routers))].AddAddress("M0new", addressing.DistributionClosest)
		w.Run(reach(w))
		if err := w.Check(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestSilentLossIsKnownAfterThreeHellos(t *testing.T) {
	stories(t, 4, func(t testing.TB, w *World) {
		steady(t, w, 3+w.Rand.IntN(10), 10)
		w.Cables[w.Rand.IntN(len(w.Cables))].Kill()
		w.Run(300*time.Millisecond + 4*jitter + reach(w))
		if err := w.Check(); err != nil {
			t.Fatal(err)
		}
	})
}

// A change of addresses costs one message for each other router: it follows the shortest paths, and the RA that comes
// after it goes over each cable at most twice.
func TestAddressTravelsAlongShortestPaths(t *testing.T) {
	stories(t, 10, func(t testing.TB, w *World) {
		steady(t, w, 4+w.Rand.IntN(10), 20)
		w.Run(interval)
		kinds := make(map[string]int)
		w.Deliver = func(_, _ *Router, payload []byte) {
			if m, ok := decode(payload); ok {
				kinds[m.opcode]++
			}
		}
		w.Routers[0].AddAddress("M0new", addressing.DistributionClosest)
		w.Run(150 * time.Millisecond)
		if got, want := kinds["MAU"], len(w.Routers)-1; got != want {
			t.Errorf("%d MAUs for %d other routers", got, want)
		}
		if got := kinds["MAR"] + kinds["LSR"] + kinds["LSU"]; got != 0 {
			t.Errorf("it leads to questions: %v", kinds)
		}
	})
}

func TestQuietMeshSendsLittle(t *testing.T) {
	stories(t, 20, func(t testing.TB, w *World) {
		steady(t, w, 12, 20)
		w.Run(interval)
		before := w.Messages()
		w.Run(time.Minute)
		// In each direction of a cable ten HELLOs a second, and a copy of two RAs of each router.
		ends := uint64(2 * len(w.Cables))
		if got, most := w.Messages()-before, ends*(600+1+2*uint64(len(w.Routers))+3); got > most {
			t.Errorf("%d messages in a minute, want at most %d", got, most)
		}
	})
}

func TestFlappingCableDoesNotFloodTheMesh(t *testing.T) {
	stories(t, 20, func(t testing.TB, w *World) {
		steady(t, w, 12, 20)
		before := w.Messages()
		c := w.Cables[w.Rand.IntN(len(w.Cables))]
		for range 300 { // 30 s
			c.Cut()
			w.Run(40 * time.Millisecond)
			c.Restore()
			w.Run(60 * time.Millisecond)
		}
		rate := float64(w.Messages()-before) / 30 / float64(2*len(w.Cables))
		if rate > 10+15 {
			t.Errorf("%.1f messages a second in each direction of a cable, want a few and ten HELLOs", rate)
		}
		w.Run(quiet)
		if err := w.Check(); err != nil {
			t.Error(err)
		}
	})
}

func TestLargeMeshStartsWithinSeconds(t *testing.T) {
	t.Parallel()
	w := NewWorld(1)
	build(w, 60, 120, true, postroad)
	w.Run(2 * time.Second)
	if err := w.Check(); err != nil {
		t.Fatal(err)
	}
}

// Whatever a router says that should not have been let in: nobody breaks the contract or sends without bounds, and some
// time after it has been thrown out everything is as if it had never been there.
func TestMeshRecoversFromALiar(t *testing.T) {
	stories(t, 2, func(t testing.TB, w *World) {
		w.Hostile = true
		build(w, 3+w.Rand.IntN(6), 6, true, postroad)
		w.Run(2 * time.Second)
		l := w.AddRouter("liar", Liar)
		for range 1 + w.Rand.IntN(3) {
			w.Connect(l, w.Routers[w.Rand.IntN(len(w.Routers)-1)], 1, time.Millisecond)
		}
		l.Boot()
		before := w.Messages()
		for range 5 {
			w.Run(2 * time.Second)
			r := w.Routers[w.Rand.IntN(len(w.Routers)-1)]
			r.AddAddress(keys[w.Rand.IntN(len(keys))], addressing.DistributionClosest)
		}
		said := l.Sent()
		if got := w.Messages() - before; got > 20000+200*said {
			t.Errorf("%d messages of a liar make %d messages", said, got)
		}
		l.Crash()
		w.Run(100 * time.Second) // its routers are forgotten when their link states are too old
		if err := w.Check(); err != nil {
			t.Fatal(err)
		}
	})
}
