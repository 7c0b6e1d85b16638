package control

import (
	"fmt"
	"time"

	"github.com/postroad/postroad/mesh"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/route"
)

// asked are the requests to withhold credit that were sent lately: many consumers may want the same.
type asked struct {
	since time.Time
	of    map[request]struct{}
}

// request is what an ingress router, by number, is asked to withhold credit for.
type request struct {
	ingress int
	key     string
}

// ask asks the router where messages of an address came into the mesh to hold back their senders, but once in the time
// between two looks. Mu is held.
func (k *Control) ask(now time.Time, e *forwarding.Event) {
	if now.Sub(k.asked.since) >= forwarding.WithholdPause*3/4 {
		k.asked = asked{since: now, of: make(map[request]struct{})}
	}
	r := request{e.Ingress, e.Address.Key}
	if _, ok := k.asked.of[r]; ok || k.Mesh == nil {
		return
	}
	k.asked.of[r] = struct{}{}
	if k.Mesh.Withhold(now, e.Ingress, e.Address.Key, forwarding.WithholdLease) {
		k.drainMesh(now)
	}
}

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
