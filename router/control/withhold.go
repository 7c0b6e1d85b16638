package control

import (
	"fmt"

	"github.com/postroad/postroad/mesh"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/route"
)

// Foreign adds the numbers of routers that do not understand a request to withhold credit.
func (k *Control) Foreign(numbers map[int]bool) {
	for n := range k.Routers {
		if !k.Mesh.Understands(n) {
			numbers[n] = true
		}
	}
}

// askToWithhold asks the router where messages of an address came into the mesh to hold back their senders.
func (k *Control) askToWithhold(e *forwarding.Event) {
	if k.Mesh != nil && k.Mesh.Withhold(k.Now, e.Ingress, e.Address.Key, forwarding.WithholdLease) {
		k.drainMesh(k.Now)
	}
}

// withhold holds back the senders of an address, since another router wants that. Those of a main address may send to
// its fallback. Credit is given again by itself when the time is over.
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
