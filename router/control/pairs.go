package control

import (
	"maps"
	"slices"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/mesh"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/route"
)

// pairAll publishes the pairs of disjoint paths to the routers that have consumers of redundant addresses. It runs in the
// control loop, when routes have changed.
func (k *Control) pairAll(routes *mesh.Routes) {
	for _, p := range k.Routers { // also for the copies of others
		p.Direct.Store(k.linkTo(routes, p.Number).Face())
	}
	if !k.Redundant {
		return
	}
	wanted := make(map[*route.Router]struct{})
	for _, a := range k.Addresses {
		if a.Main().Redundant > 1 {
			for _, m := range a.Remotes {
				wanted[m.Router] = struct{}{}
			}
		}
	}
	for _, p := range k.Routers {
		if _, ok := wanted[p]; !ok {
			p.Pair.Store(nil)
			p.Paired = false
		}
	}
	k.pairUp(routes, slices.Collect(maps.Keys(wanted)))
}

// pairUp publishes the pairs of disjoint paths to some routers. With routers in the mesh that do not tell copies apart,
// there are none.
func (k *Control) pairUp(routes *mesh.Routes, peers []*route.Router) {
	var paths map[int][2][]int
	if !routes.Mixed() {
		numbers := make([]int, len(peers))
		for i, p := range peers {
			numbers[i] = p.Number
		}
		paths = k.Mesh.Disjoint(numbers)
	}
	for _, p := range peers {
		p.Paired = true
		p.Pair.Store(k.pairOf(routes, paths[p.Number]))
	}
}

// pairFor publishes the pair of disjoint paths to a router that has consumers of an address now.
func (k *Control) pairFor(a *Entry, p *route.Router) {
	if a.Main().Redundant > 1 && !p.Paired {
		k.pairUp(k.Mesh.Routes(), []*route.Router{p})
	}
}

// linkTo returns the connection in use to a neighbor, nil for a router that is none.
func (k *Control) linkTo(routes *mesh.Routes, number int) *forwarding.Endpoint {
	links := routes.Links(number)
	if len(links) == 0 {
		return nil
	}
	return k.Neighbors[links[0]]
}

// pairOf makes a pair of two paths, given as the routers behind this one; nil if there are none.
func (k *Control) pairOf(routes *mesh.Routes, paths [2][]int) *route.Pair {
	pair := new(route.Pair)
	for i, path := range paths {
		if len(path) == 0 {
			return nil
		}
		if pair.First[i] = k.linkTo(routes, path[0]).Face(); pair.First[i] == nil {
			return nil
		}
		for _, number := range path {
			p := k.Routers[number]
			if p == nil {
				return nil
			}
			pair.Paths = wire.AppendString(pair.Paths, p.Node)
			pair.Count++
		}
	}
	return pair
}
