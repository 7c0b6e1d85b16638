package sim

import (
	"time"

	"github.com/postroad/postroad/mesh"
)

// checkRoutes holds published routes against the links and the paths that there are.
func (r *Router) checkRoutes() {
	w := r.world
	if n := r.Node(); n != nil && n.Settled() && len(w.Routers) <= smallWorld {
		r.checkDetours(n)
	}
	for number := range r.routes.Len() {
		for _, l := range r.routes.Links(number) {
			e, ok := r.ends[l]
			if !ok {
				w.problem(r, "next-hop-is-neighbor: routes have link %d to router %d, which is not up", l, number)
				continue
			}
			at := e.cable.routers[1-e.side]
			if p := r.peer(number); p == nil || p.id != at.ID && at.Kind != Liar {
				w.problem(r, "next-hop-is-neighbor: routes have link %d to router %d, which is not at its end", l, number)
			}
		}
		route, ok := r.routes.To(number)
		p := r.peer(number)
		if reached := p != nil && p.reached; ok != reached {
			w.problem(r, "next-hop-is-neighbor: routes to router %d: %v, path: %v", number, ok, reached)
			continue
		}
		if !ok {
			continue
		}
		if route.Next[0].Router != p.path.Router || route.Cost != p.path.Cost || len(route.Next) != len(p.path.Equal) {
			w.problem(r, "next-hop-is-neighbor: route to %s is %+v, path %+v", p.id, route, p.path)
		}
		for _, h := range route.Next {
			if len(r.routes.Links(h.Router)) == 0 {
				w.problem(r, "next-hop-is-neighbor: route to %s by router %d, to which no link is up", p.id, h.Router)
			}
			if a := h.Alternate.Router; a != 0 && (a == h.Router || len(r.routes.Links(a)) == 0) {
				w.problem(r, "next-hop-is-neighbor: alternate of %d to %s is router %d", h.Router, p.id, a)
			}
		}
	}
}

// silent does what a router does with a dead connection: it ends it.
func (r *Router) silent(e *mesh.Event) {
	end, ok := r.ends[e.Link]
	if !ok {
		r.world.problem(r, "link %d is silent, but it is not up", e.Link)
		return
	}
	w, c := r.world, end.cable
	other := c.routers[1-end.side]
	w.log("%s hears nothing of %s", r.ID, other.ID)
	if !c.joined[end.side] || c.links[end.side] != e.Link {
		return // the connection has ended already, which this router has not noticed
	}
	excused := w.now.Sub(w.lossy) < 5*time.Second || w.Hostile || r.Kind != Postroad || other.Kind != Postroad ||
		w.now.Sub(other.stalled) < time.Second
	if c.Whole() && !excused {
		w.problem(r, "no-false-alarm: takes %s for dead, which runs", other.ID)
	}
	c.Reconnect()
}
