package topologies_test

import (
	"testing"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/mesh/sim"
	"github.com/postroad/postroad/topologies"
)

// world plays a topology in the simulator: its routers, links and consumers.
func world(t *topologies.Topology, seed uint64) *sim.World {
	w := sim.NewWorld(seed)
	routers := map[string]*sim.Router{}
	for _, r := range t.Routers {
		routers[r.ID] = w.AddRouter(r.ID, sim.Postroad)
		routers[r.ID].Boot()
	}
	for _, l := range t.Links {
		w.Connect(routers[l.A], routers[l.B], l.Cost, w.Between(time.Millisecond, 20*time.Millisecond))
	}
	for _, c := range t.Clients {
		if c.Receives != "" {
			hint := addressing.DistributionBalanced
			switch t.Distribution(c.Receives) {
			case "multicast":
				hint = addressing.DistributionMulticast
			case "closest":
				hint = addressing.DistributionClosest
			}
			routers[c.Router].AddAddress("M0"+c.Receives, hint)
		}
	}
	return w
}

// check fails the test if something is not as it has to be when all is quiet.
func check(t *testing.T, w *sim.World, when string) {
	t.Helper()
	if err := w.Check(); err != nil {
		t.Errorf("%s: %v", when, err)
	}
	for _, p := range w.Problems() {
		t.Errorf("%s: %s", when, p)
	}
}

// TestSimulated: in the simulator every topology converges, as it is, without one of its routers, and again when that is
// back.
func TestSimulated(t *testing.T) {
	t.Parallel()
	const quiet = 30 * time.Second
	for _, name := range topologies.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topology, err := topologies.Named(name)
			if err != nil {
				t.Fatal(err)
			}
			w := world(topology, 1)
			w.Run(quiet)
			check(t, w, "at the start")
			for _, r := range []*sim.Router{w.Routers[0], w.Routers[len(w.Routers)/2]} {
				r.Crash()
				w.Run(quiet)
				check(t, w, "without "+r.ID)
				r.Boot()
				w.Run(quiet)
				check(t, w, "with "+r.ID+" again")
			}
		})
	}
}
