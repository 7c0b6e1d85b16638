package sim

import (
	"testing"
	"time"

	"github.com/postroad/postroad/mesh"
)

// checkMeasured holds the costs of all connections against their latencies. What a message waits for on its way may make a
// cost higher, and costs do not follow each small change.
func (w *World) checkMeasured(t testing.TB) {
	for _, c := range w.Cables {
		low, high := mesh.RTTCost(2*c.Latency), mesh.RTTCost(2*(c.Latency+c.Jitter))
		for side := range c.routers {
			if got := c.cost(side); got < low-max(6, low/2) || got > high+max(6, high/2) {
				t.Errorf("at %v: %s-%s takes %v to %v, and costs %d at end %d, want %d to %d", w.Since(), c.routers[0].ID,
					c.routers[1].ID, c.Latency, c.Latency+c.Jitter, got, side, low, high)
			}
		}
	}
}

// changes counts how often link states have changed.
func (w *World) changes() (total int64) {
	for _, r := range w.Routers {
		_, seq, _ := r.Node().LinkState(r.ID)
		total += seq
	}
	return total
}

func TestCostsFollowRoundTripTimes(t *testing.T) {
	stories(t, 4, func(t testing.TB, w *World) {
		w.Measured = true
		build(w, 3+w.Rand.IntN(6), 6, true, postroad)
		for _, c := range w.Cables {
			c.Jitter /= 10
		}
		w.Run(2 * time.Second)
		for range 3 {
			w.checkMeasured(t)
			if err := w.Check(); err != nil {
				t.Fatal(err)
			}
			before := w.changes()
			w.Run(time.Minute)
			if n := w.changes() - before; n > int64(len(w.Cables)) { // a first time may have been too high
				t.Errorf("%d changes though nothing has changed", n)
			}
			for range 1 + w.Rand.IntN(len(w.Cables)) {
				w.Cables[w.Rand.IntN(len(w.Cables))].SetLatency(w.Between(0, 40*time.Millisecond))
			}
			w.Run(time.Minute)
		}
	})
}

// The way that is used becomes slow, because it is used. Costs must not send the traffic to and fro for ever.
func TestCostsDoNotSwingWithTheTrafficThatTheyMove(t *testing.T) {
	stories(t, 20, func(t testing.TB, w *World) {
		w.Measured = true
		for _, id := range []string{"A", "B", "C", "D"} {
			w.AddRouter(id, Postroad).Boot()
		}
		a, d := w.Routers[0], w.Routers[3]
		ways := [2]*Cable{}
		for i, r := range w.Routers[1:3] {
			ways[i] = w.Connect(a, r, 1, w.Between(time.Millisecond, 2*time.Millisecond))
			w.Connect(r, d, 1, time.Millisecond)
		}
		w.Run(5 * time.Second)
		swings, used := 0, a.ends[a.findRouter(d).path.NextHop].cable
		for range 1800 { // half an hour
			for _, c := range ways {
				c.Latency = time.Millisecond
			}
			used.Latency = 10 * time.Millisecond
			w.Run(time.Second)
			if now := a.ends[a.findRouter(d).path.NextHop].cable; now != used {
				used, swings = now, swings+1
			}
		}
		if swings > 20 {
			t.Errorf("traffic went to and fro %d times in half an hour", swings)
		}
	})
}
