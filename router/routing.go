package router

import (
	"fmt"
	"slices"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/mesh"
	"github.com/postroad/postroad/router/route"
)

// newMesh makes the link-state engine of an interior router.
func (r *Router) newMesh() (*mesh.Node, error) {
	s := &r.cfg.Router
	return mesh.New(mesh.Config{
		ID:                r.plane.id,
		Instance:          r.plane.began.UnixMilli(), // Interconnect takes seconds; two starts within one must differ
		HelloInterval:     seconds(s.HelloIntervalSeconds),
		HelloMaxAge:       seconds(s.HelloMaxAgeSeconds),
		FastHelloInterval: time.Duration(s.FastHelloMilliseconds) * time.Millisecond,
		RAInterval:        seconds(s.RAIntervalSeconds),
		RAIntervalFlux:    seconds(s.RAIntervalFluxSeconds),
		LSMaxAge:          seconds(s.RemoteLSMaxAgeSeconds),
		LogLevel:          r.meshLogLevel(),
		Received:          r.control.heard,
		Clock:             time.Now,
	})
}

// heard tells the mesh when something came last from the neighbor on a link. It runs in the control loop.
func (k *control) heard(id mesh.LinkID) time.Time {
	if c := k.neighbors[id]; c != nil {
		return time.Unix(0, c.heard.Load())
	}
	return time.Time{}
}

// meshLogLevel is the lowest level that a module of the mesh logs at the start.
func (r *Router) meshLogLevel() mesh.Level {
	level := mesh.LevelTrace
	for ; level < mesh.LevelCritical; level++ {
		for _, m := range []logging.Module{logging.Router, logging.RouterHello, logging.RouterLS, logging.RouterMA} {
			if r.host.log(m).Enabled(logging.Level(level)) {
				return level
			}
		}
	}
	return level
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// drainMesh does what the mesh wants done. It runs in the control loop.
func (k *control) drainMesh(now time.Time) {
	events := k.mesh.Events()
	published, topology := &k.plane.table.Topology, k.mesh.Topology()
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

func (k *control) meshEvent(e *mesh.Event) {
	switch e.Kind {
	case mesh.EventSend:
		if c := k.neighbors[e.Link]; c != nil {
			k.voice.sendControl(k.now, c.neighbor, e.Payload, &k.wakes)
		}
	case mesh.EventRouterUp:
		k.peerUp(e)
	case mesh.EventRouterDown:
		k.peerDown(e)
	case mesh.EventPathUp, mesh.EventPathDown, mesh.EventOrigins:
		k.pathChanged(e)
	case mesh.EventRoutes:
		k.routesChanged(e.Routes)
	case mesh.EventRadius:
		k.plane.table.Radius.Store(int32(e.Radius))
	case mesh.EventAddressUp:
		k.addressUp(e)
	case mesh.EventAddressDown:
		k.addressDown(e)
	case mesh.EventLinkSilent: // what was given to the neighbor is failed at once, not at the idle time-out
		if c := k.neighbors[e.Link]; c != nil {
			k.journal.line(mesh.ModuleRouter, mesh.LevelWarning,
				fmt.Sprintf("[C%d] Nothing comes from router %s any more: the connection is cut", c.number, e.ID))
			c.driver.abort()
		}
	case mesh.EventLog:
		k.journal.line(e.Module, e.Level, e.Text)
	}
}

// peerUp makes a router that became known addressable, though there is no way to it yet.
func (k *control) peerUp(e *mesh.Event) {
	p := route.NewRouter(e.ID, e.Router)
	k.plane.table.AddRouter(p)
	k.peers[e.Router] = p
	a := k.address("R" + e.ID)
	a.distribution = addressing.DistributionClosest
	a.remotes = append(a.remotes, &route.Remote{Router: p})
	k.changed(a)
}

func (k *control) peerDown(e *mesh.Event) {
	p := k.peers[e.Router]
	if p == nil {
		return
	}
	p.Hop.Store(nil)
	delete(k.peers, e.Router)
	k.plane.table.RemoveRouter(p)
	k.withdraw(k.address("R"+p.ID), p)
}

// pathChanged publishes the next hop to a router and the origins whose messages may go there through here.
func (k *control) pathChanged(e *mesh.Event) {
	p := k.peers[e.Router]
	if p == nil {
		return
	}
	before := p.Hop.Load()
	switch e.Kind {
	case mesh.EventPathDown:
		p.Hop.Store(nil)
		p.Origins = nil
	case mesh.EventPathUp:
		c := k.neighbors[e.Path.NextHop]
		if c == nil {
			p.Hop.Store(nil)
			break
		}
		h := &route.Hop{Next: c.face(), Cost: e.Path.Cost, Hops: e.Path.Hops, Origins: p.Origins}
		if before != nil && before.Next == c.face() { // until EventRoutes says otherwise
			h.Others, h.Equal, h.Forks = before.Others, before.Equal, before.Forks
		}
		h.Inherit(before, k.now)
		p.Hop.Store(h)
	case mesh.EventOrigins:
		p.Origins = e.Origins
		p.Upstream.Store(nil)
		if e.Upstream != "" {
			upstream := e.Upstream // the mesh uses the memory of its events again
			p.Upstream.Store(&upstream)
		}
		if before != nil {
			h := *before
			h.Origins = e.Origins
			h.Inherit(before, k.now)
			p.Hop.Store(&h)
		}
	}
	k.plane.holders.wakeAll(&k.wakes)
	if after := p.Hop.Load(); (before == nil) != (after == nil) {
		for _, a := range k.addressesOf(p) {
			k.changed(a)
		}
	}
}

// routesChanged publishes the ways that take over when a next hop is lost.
func (k *control) routesChanged(routes *mesh.Routes) {
	var ways []mesh.LinkID
	for _, p := range k.peers {
		before := p.Hop.Load()
		ways = routes.Ways(ways[:0], p.Number)
		if before == nil || len(ways) == 0 {
			continue
		}
		var others []*route.Neighbor
		for _, id := range ways {
			if c := k.neighbors[id]; c != nil && c.face() != before.Next {
				others = append(others, c.face())
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
	k.plane.holders.wakeAll(&k.wakes)
}

// equalWays returns the connections to the neighbors on which equal ways to a router begin, nil if there is only one, and
// tells whether there are several ways at all. Routers that are not of our kind do not leave the one path that the ingress
// router's tree has: with such in the mesh, there is one way.
func (k *control) equalWays(routes *mesh.Routes, router int) (equal []*route.Neighbor, forks bool) {
	route, ok := routes.To(router)
	if !ok || !route.Forks || routes.Mixed() {
		return nil, false
	}
	for _, n := range route.Next {
		if c := k.linkTo(routes, n.Router); c != nil {
			equal = append(equal, c.face())
		}
	}
	if len(equal) < 2 {
		equal = nil
	}
	return equal, true
}

// addressesOf lists the addresses that a router consumes, its own one included.
func (k *control) addressesOf(p *route.Router) []*entry {
	var list []*entry
	for _, a := range k.addresses {
		if slices.ContainsFunc(a.remotes, func(m *route.Remote) bool { return m.Router == p }) {
			list = append(list, a)
		}
	}
	return list
}

// addressUp adds a router to the consumers of an address.
func (k *control) addressUp(e *mesh.Event) {
	p := k.peers[e.Router]
	parsed, ok := addressing.ParseKey(e.Key)
	if p == nil || !ok || parsed.Class != addressing.ClassMobile {
		return // link routes and edges are announced too; their issues build on this
	}
	known := k.addresses[e.Key] != nil
	a := k.address(e.Key)
	if !known && !a.configured && e.HasHint && e.Hint <= addressing.DistributionBalanced &&
		e.Hint != addressing.DistributionFlood {
		a.distribution = e.Hint
	}
	if !slices.ContainsFunc(a.remotes, func(m *route.Remote) bool { return m.Router == p }) {
		a.remotes = append(a.remotes, &route.Remote{Router: p})
		slices.SortFunc(a.remotes, func(x, y *route.Remote) int { return x.Router.Number - y.Router.Number })
		k.pairFor(a, p)
	}
	k.changed(a)
}

func (k *control) addressDown(e *mesh.Event) {
	p := k.peers[e.Router]
	if a := k.addresses[e.Key]; a != nil && p != nil {
		k.withdraw(a, p)
	}
}

// withdraw takes a router out of the consumers of an address.
func (k *control) withdraw(a *entry, p *route.Router) {
	a.remotes = slices.DeleteFunc(slices.Clone(a.remotes), func(m *route.Remote) bool { return m.Router == p })
	k.changed(a)
}
