package control

import (
	"fmt"
	"slices"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/mesh"
	"github.com/postroad/postroad/router/route"
)

// Heard returns when something came last from the neighbor on a link, the zero time for an unknown link. The mesh calls
// it, under Mu.
func (k *Control) Heard(id mesh.LinkID) time.Time {
	if c := k.Neighbors[id]; c != nil {
		return time.Unix(0, c.Heard.Load())
	}
	return time.Time{}
}

// drainMesh takes the events of the mesh and does what they want done.
func (k *Control) drainMesh(now time.Time) {
	events := k.Mesh.Events()
	published, topology := &k.Plane.Table.Topology, k.Mesh.Topology()
	if published.Load() != topology {
		published.Store(0)
	}
	for i := range events {
		k.try(func() { k.meshEvent(&events[i]) })
	}
	if published.Load() != topology {
		published.Store(topology)
	}
}

// meshEvent gives an event of the mesh to its function.
func (k *Control) meshEvent(e *mesh.Event) {
	switch e.Kind {
	case mesh.EventSend:
		if c := k.Neighbors[e.Link]; c != nil {
			k.Voice.SendControl(k.Now, c.Neighbor, e.Payload, &k.Wakes)
		}
	case mesh.EventRouterUp:
		k.routerUp(e)
	case mesh.EventRouterDown:
		k.routerDown(e)
	case mesh.EventPathUp, mesh.EventPathDown, mesh.EventOrigins:
		k.pathChanged(e)
	case mesh.EventRoutes:
		k.routesChanged(e.Routes)
	case mesh.EventRadius:
		k.Plane.Table.Radius.Store(int32(e.Radius))
	case mesh.EventAddressUp:
		k.addressUp(e)
	case mesh.EventAddressDown:
		k.addressDown(e)
	case mesh.EventLinkSilent: // deliveries given to the neighbor fail at once, and not at the idle time-out
		if c := k.Neighbors[e.Link]; c != nil {
			k.Journal.Line(mesh.ModuleRouter, mesh.LevelWarning,
				fmt.Sprintf("[C%d] Nothing comes from router %s any more: the connection is cut", c.Number, e.ID))
			c.Driver.Abort()
		}
	case mesh.EventWithhold:
		k.withhold(e)
	case mesh.EventLog:
		k.Journal.Line(e.Module, e.Level, e.Text)
	}
}

// routerUp puts a router that has become known into the table, though there is no path to it yet.
func (k *Control) routerUp(e *mesh.Event) {
	p := route.NewRouter(e.ID, e.Router)
	k.Plane.Table.AddRouter(p)
	k.Routers[e.Router] = p
	a := k.Address("R" + e.ID)
	a.Distribution = addressing.DistributionClosest
	a.Remotes = append(a.Remotes, &route.Remote{Router: p})
	k.changed(a)
}

// routerDown takes a router out of the table that the mesh does not know any more.
func (k *Control) routerDown(e *mesh.Event) {
	p := k.Routers[e.Router]
	if p == nil {
		return
	}
	p.Hop.Store(nil)
	delete(k.Routers, e.Router)
	k.Plane.Table.RemoveRouter(p)
	k.withdraw(k.Address("R"+p.ID), p)
}

// pathChanged publishes the next hop to a router, or its valid origins: those whose messages may go there through here.
func (k *Control) pathChanged(e *mesh.Event) {
	p := k.Routers[e.Router]
	if p == nil {
		return
	}
	before := p.Hop.Load()
	switch e.Kind {
	case mesh.EventPathDown:
		p.Hop.Store(nil)
		p.Origins = nil
	case mesh.EventPathUp:
		c := k.Neighbors[e.Path.NextHop]
		if c == nil {
			p.Hop.Store(nil)
			break
		}
		h := &route.Hop{Next: c.Face(), Cost: e.Path.Cost, Hops: e.Path.Hops, Origins: p.Origins}
		if before != nil && before.Next == c.Face() { // until EventRoutes says otherwise
			h.Others, h.Equal, h.Forks = before.Others, before.Equal, before.Forks
		}
		h.Inherit(before, k.Now)
		p.Hop.Store(h)
	case mesh.EventOrigins:
		p.Origins = e.Origins
		p.Upstream.Store(nil)
		if e.Upstream != "" {
			upstream := e.Upstream // the mesh reuses the memory of its events
			p.Upstream.Store(&upstream)
		}
		if before != nil {
			h := *before
			h.Origins = e.Origins
			h.Inherit(before, k.Now)
			p.Hop.Store(&h)
		}
	}
	k.Plane.Holders.WakeAll(&k.Wakes)
	if after := p.Hop.Load(); (before == nil) != (after == nil) {
		for _, a := range k.addressesOf(p) {
			k.changed(a)
		}
	}
}

// routesChanged publishes the alternates and the equal ways of all routers, and pairs of disjoint paths.
func (k *Control) routesChanged(routes *mesh.Routes) {
	var ways []mesh.LinkID
	for _, p := range k.Routers {
		before := p.Hop.Load()
		ways = routes.Ways(ways[:0], p.Number)
		if before == nil || len(ways) == 0 {
			continue
		}
		var others []*route.Neighbor
		for _, id := range ways {
			if c := k.Neighbors[id]; c != nil && c.Face() != before.Next {
				others = append(others, c.Face())
			}
		}
		equal, forks := k.equalWays(routes, p.Number)
		if slices.Equal(others, before.Others) && slices.Equal(equal, before.Equal) && forks == before.Forks {
			continue
		}
		h := *before
		h.Others, h.Equal, h.Forks = others, equal, forks
		p.Hop.Store(&h)
	}
	k.pairAll(routes)
	k.Plane.Holders.WakeAll(&k.Wakes)
}

// equalWays returns the neighbors on which equal ways to a router begin, nil if there is only one. forks reports
// whether paths fork here or further on. Routers that are not of our kind never leave the one path in the ingress
// router's tree: as long as the mesh has such routers, there is one way.
func (k *Control) equalWays(routes *mesh.Routes, router int) (equal []*route.Neighbor, forks bool) {
	route, ok := routes.To(router)
	if !ok || !route.Forks || routes.Mixed() {
		return nil, false
	}
	for _, n := range route.Next {
		if c := k.linkTo(routes, n.Router); c != nil {
			equal = append(equal, c.Face())
		}
	}
	if len(equal) < 2 {
		equal = nil
	}
	return equal, true
}

// addressesOf returns the addresses that a router consumes, its own one included, in no order.
func (k *Control) addressesOf(p *route.Router) []*Entry {
	var list []*Entry
	for _, a := range k.Addresses {
		if slices.ContainsFunc(a.Remotes, func(m *route.Remote) bool { return m.Router == p }) {
			list = append(list, a)
		}
	}
	return list
}

// addressUp adds a router to the consumers of an address.
func (k *Control) addressUp(e *mesh.Event) {
	p := k.Routers[e.Router]
	parsed, ok := addressing.ParseKey(e.Key)
	if p == nil || !ok || parsed.Class != addressing.ClassMobile {
		return // link routes and edge routers are announced, too, but not built yet
	}
	known := k.Addresses[e.Key] != nil
	a := k.Address(e.Key)
	if !known && !a.Configured && e.HasHint && e.Hint <= addressing.DistributionBalanced &&
		e.Hint != addressing.DistributionFlood {
		a.Distribution = e.Hint
	}
	if !slices.ContainsFunc(a.Remotes, func(m *route.Remote) bool { return m.Router == p }) {
		a.Remotes = append(a.Remotes, &route.Remote{Router: p})
		slices.SortFunc(a.Remotes, func(x, y *route.Remote) int { return x.Router.Number - y.Router.Number })
		k.pairFor(a, p)
	}
	k.changed(a)
}

// addressDown takes a router out of the consumers of an address that it does not announce any more.
func (k *Control) addressDown(e *mesh.Event) {
	p := k.Routers[e.Router]
	if a := k.Addresses[e.Key]; a != nil && p != nil {
		k.withdraw(a, p)
	}
}

// withdraw takes a router out of the consumers of an address.
func (k *Control) withdraw(a *Entry, p *route.Router) {
	a.Remotes = slices.DeleteFunc(slices.Clone(a.Remotes), func(m *route.Remote) bool { return m.Router == p })
	k.changed(a)
}
