package netlab

import (
	"testing"
	"time"
)

func TestManyRoutersThatStartAtOnceFindEachOther(t *testing.T) {
	for name, target := range map[string]time.Duration{"ring": time.Second, "mesh-30": 3 * time.Second} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, named(t, name), Options{Logs: "notice+"})
			began := time.Now()
			must(t, l.Launch())
			must(t, l.Converge(limited(t)))
			if d := time.Since(began); d > 10*target {
				t.Errorf("all paths are known after %v, more than ten times %v", d, target)
			}
		})
	}
}

func TestEveryTopologyCarriesItsClientsMessages(t *testing.T) {
	for _, name := range []string{"three-clouds", "hub-and-leaves", "two-data-centres"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topology := named(t, name)
			l := startLab(t, topology, Options{})
			for _, c := range topology.Clients {
				if c.Receives != "" {
					from := topology.Routers[0].ID
					if from == c.Router {
						from = topology.Routers[len(topology.Routers)-1].ID
					}
					account(t, flowingTo(t, l, from, c.Router, c.Name, 500), allowed{})
				}
			}
		})
	}
}
