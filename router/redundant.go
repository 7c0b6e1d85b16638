package router

import (
	"maps"
	"slices"

	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/mesh"
)

// This file sends a message over two paths that have no router in common, or at least no connection, where its address
// says so (redundant): what happens to one path, happens to the sender no more. The ingress router chooses the egress
// router and both paths, and writes them into the message, with a number; the routers on them follow (steer.go). The
// egress router takes the copy that comes first, and gives the outcome to both (copies.go). Of these outcomes the first
// that a consumer has given is the message's; what a path has done to its copy counts only when the other one is lost,
// too.

// pair is two disjoint paths to a router. It never changes.
type pair struct {
	first [2]*Endpoint // on which they begin
	paths []byte       // as in annotations
	count int
}

// twice makes two targets of one that is behind another router, if the message is to go there twice and there are two
// paths.
func (c *Endpoint) twice(ts []target, t trip) []target {
	d := t.d
	if len(ts) != 1 || d.transit || !d.wanted || d.settled || d.link == nil || d.link.kind != linkEndpoint || ts[0].remote == nil {
		return ts
	}
	if d.address.main().redundant < 2 {
		return ts
	}
	p := ts[0].remote.router.pair.Load()
	if p == nil || !c.mayUse(p.first[0], t) || !c.mayUse(p.first[1], t) {
		return ts
	}
	ts[0].to, ts[0].pair = p.first[0], p
	return append(ts, target{to: p.first[1], pair: p})
}

// annotatePair adds the paths of the two copies of a message to its annotations.
func (c *Endpoint) annotatePair(r *message.RouterAnnotations, t *target) {
	r.Number = c.plane.copies.Add(1)
	r.Egress, r.Paths, r.PathCount = t.remote.router.octets, t.pair.paths, t.pair.count
}

// along is the connection on which a copy that has come from another router goes on along its path, nil if it cannot.
func (c *Endpoint) along(t trip) *Endpoint {
	next, ok := t.e.NextOnPath(c.peer.node, c.plane.nodeName)
	if !ok {
		return nil
	}
	p := c.plane.table.peer(next)
	if p == nil {
		return nil
	}
	if direct := p.direct.Load(); direct != nil && c.mayUse(direct, t) {
		return direct
	}
	return nil
}

// decides tells whether an outcome of one copy is that of the message: it is what a consumer has said. Anything else may
// be what became of this copy on its way, and the other one is waited for.
func decides(s wire.State) bool { return s.Kind == wire.StateAccepted || s.Kind == wire.StateRejected }

// recall gives up the copies of a message that has its outcome.
func (c *Endpoint) recall(d *delivery) {
	d.branches(func(b *branch) {
		if b.over {
			return
		}
		b.over = true
		d.pending--
		d.refs.Add(1)
		if !c.wakes.post(b.link.conn, note{kind: noteSettled, branch: b, on: true}) {
			d.drop(true)
		}
	})
}

// pairAll publishes the pairs of disjoint paths to the routers that have consumers of redundant addresses. It runs in the
// control loop, when routes have changed.
func (k *control) pairAll(routes *mesh.Routes) {
	for _, p := range k.peers { // also for the copies of others
		p.direct.Store(k.linkTo(routes, p.number))
	}
	if !k.router.redundant {
		return
	}
	wanted := make(map[*peer]struct{})
	for _, a := range k.plane.table.byKey { // only this loop writes the map
		if a.main().redundant > 1 {
			for _, m := range a.remotes {
				wanted[m.router] = struct{}{}
			}
		}
	}
	for _, p := range k.peers {
		if _, ok := wanted[p]; !ok {
			p.pair.Store(nil)
			p.paired = false
		}
	}
	k.pairUp(routes, slices.Collect(maps.Keys(wanted)))
}

// pairUp publishes the pairs of disjoint paths to some routers. With routers in the mesh that do not tell copies apart,
// there are none.
func (k *control) pairUp(routes *mesh.Routes, peers []*peer) {
	var paths map[int][2][]int
	if !routes.Mixed() {
		numbers := make([]int, len(peers))
		for i, p := range peers {
			numbers[i] = p.number
		}
		paths = k.mesh.Disjoint(numbers)
	}
	for _, p := range peers {
		p.paired = true
		p.pair.Store(k.pairOf(routes, paths[p.number]))
	}
}

// pairFor publishes the pair of disjoint paths to a router that has consumers of an address now.
func (k *control) pairFor(a *address, p *peer) {
	if a.main().redundant > 1 && !p.paired {
		k.pairUp(k.mesh.Routes(), []*peer{p})
	}
}

// linkTo returns the connection in use to a neighbor, nil for a router that is none.
func (k *control) linkTo(routes *mesh.Routes, number int) *Endpoint {
	links := routes.Links(number)
	if len(links) == 0 {
		return nil
	}
	return k.neighbors[links[0]]
}

// pairOf makes a pair of two paths, given as the routers behind this one; nil if there are none.
func (k *control) pairOf(routes *mesh.Routes, paths [2][]int) *pair {
	pair := new(pair)
	for i, path := range paths {
		if len(path) == 0 {
			return nil
		}
		if pair.first[i] = k.linkTo(routes, path[0]); pair.first[i] == nil {
			return nil
		}
		for _, number := range path {
			p := k.peers[number]
			if p == nil {
				return nil
			}
			pair.paths = wire.AppendString(pair.paths, p.node)
			pair.count++
		}
	}
	return pair
}
