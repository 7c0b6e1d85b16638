package router

import (
	"maps"
	"slices"

	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/mesh"
	"github.com/postroad/postroad/router/route"
)

// This file sends a message over two paths that have no router in common, or at least no connection, where its address
// says so (redundant): what happens to one path, happens to the sender no more. The ingress router chooses the egress
// router and both paths, and writes them into the message, with a number; the routers on them follow (steer.go). The
// egress router takes the copy that comes first, and gives the outcome to both (copies.go). Of these outcomes the first
// that a consumer has given is the message's; what a path has done to its copy counts only when the other one is lost,
// too.

// annotatePair adds the paths of the two copies of a message to its annotations.
func (c *Endpoint) annotatePair(r *message.RouterAnnotations, t *route.Target) {
	r.Number = c.plane.copies.Add(1)
	r.Egress, r.Paths, r.PathCount = t.Remote.Router.Octets, t.Pair.Paths, t.Pair.Count
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
		p.Direct.Store(k.linkTo(routes, p.Number).face())
	}
	if !k.redundant {
		return
	}
	wanted := make(map[*route.Router]struct{})
	for _, a := range k.addresses {
		if a.Main().Redundant > 1 {
			for _, m := range a.remotes {
				wanted[m.Router] = struct{}{}
			}
		}
	}
	for _, p := range k.peers {
		if _, ok := wanted[p]; !ok {
			p.Pair.Store(nil)
			p.Paired = false
		}
	}
	k.pairUp(routes, slices.Collect(maps.Keys(wanted)))
}

// pairUp publishes the pairs of disjoint paths to some routers. With routers in the mesh that do not tell copies apart,
// there are none.
func (k *control) pairUp(routes *mesh.Routes, peers []*route.Router) {
	var paths map[int][2][]int
	if !routes.Mixed() {
		numbers := make([]int, len(peers))
		for i, p := range peers {
			numbers[i] = p.Number
		}
		paths = k.mesh.Disjoint(numbers)
	}
	for _, p := range peers {
		p.Paired = true
		p.Pair.Store(k.pairOf(routes, paths[p.Number]))
	}
}

// pairFor publishes the pair of disjoint paths to a router that has consumers of an address now.
func (k *control) pairFor(a *entry, p *route.Router) {
	if a.Main().Redundant > 1 && !p.Paired {
		k.pairUp(k.mesh.Routes(), []*route.Router{p})
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
func (k *control) pairOf(routes *mesh.Routes, paths [2][]int) *route.Pair {
	pair := new(route.Pair)
	for i, path := range paths {
		if len(path) == 0 {
			return nil
		}
		if pair.First[i] = k.linkTo(routes, path[0]).face(); pair.First[i] == nil {
			return nil
		}
		for _, number := range path {
			p := k.peers[number]
			if p == nil {
				return nil
			}
			pair.Paths = wire.AppendString(pair.Paths, p.Node)
			pair.Count++
		}
	}
	return pair
}
