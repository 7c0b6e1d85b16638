package control

import (
	"fmt"

	"github.com/postroad/postroad/mesh"
	"github.com/postroad/postroad/router/route"
)

// withhold holds back the senders of an address, since another router wants that. Those of a main address may send to
// its fallback. Credit is given again by itself when the time is over. Mu is held.
func (k *Control) withhold(e *mesh.Event) {
	a := k.Addresses[e.Key]
	if a == nil {
		return
	}
	until := int64(k.Now.Add(e.Lease).Sub(k.Plane.Began)) + 1
	for _, a := range []*route.Address{a.Address, a.FallbackFor} {
		if a == nil || a.Withheld.Load() >= until {
			continue
		}
		if a.Withheld.Swap(until) <= int64(k.Now.Sub(k.Plane.Began)) {
			k.Journal.Line(mesh.ModuleRouter, mesh.LevelWarning,
				fmt.Sprintf("Router %s is short of memory: senders to %q get no credit", e.ID, a.Text))
		}
	}
}
