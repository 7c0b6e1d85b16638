package mesh

import (
	"slices"

	"github.com/postroad/postroad/mesh/spf"
)

// Routes says where messages to each router may go. It never changes after it was published (EventRoutes,
// Node.Routes) and may be used by any number of goroutines. It holds what a data plane needs to go on by itself when a
// connection ends, before any path is computed anew.
type Routes struct {
	mixed bool
	to    []Route    // by number of the router
	links [][]LinkID // by number of the neighbor: its control links that are up, the one in use first
}

// Route is the way to one router.
type Route struct {
	Cost int
	Hops int
	// Next are the neighbors on which a path of this cost begins. The first one is that of Path; all others are as good
	// and may be used in turn. Empty if there is no path.
	Next []NextHop
	// Forks says that several paths of this cost lead there, wherever they part.
	Forks bool
}

// NextHop is a neighbor on which a cheapest path to a destination begins.
type NextHop struct {
	Router    int // number of the neighbor
	Alternate Alternate
}

// Alternate is the neighbor to which messages to a destination go when their next hop is lost (RFC 5286): none of its
// cheapest paths comes back to this router.
type Alternate struct {
	Router int // number of the neighbor; 0 for none
	Cost   int // of the way through it
	// Node says that it helps too when the next hop itself is dead, not only the connection to it.
	Node bool
	// Downstream says that it is nearer to the destination than this router.
	Downstream bool
}

// Mixed tells whether some of the routers may not be of our kind. Those pass on only what comes along the one path of its
// ingress router's tree, so that nothing but the first of Route.Next leads through them.
func (r *Routes) Mixed() bool { return r == nil || r.mixed }

// Len returns one more than the highest number of a router for which there may be a route.
func (r *Routes) Len() int {
	if r == nil {
		return 0
	}
	return len(r.to)
}

// To returns the way to the router with the number, and false if there is none.
func (r *Routes) To(number int) (Route, bool) {
	if r == nil || number <= 0 || number >= len(r.to) || len(r.to[number].Next) == 0 {
		return Route{}, false
	}
	return r.to[number], true
}

// Links returns the control links to a neighbor that are up, the one in use first: several connections between two
// routers are one adjacency, in which one takes the place of the other. The caller must not change the slice.
func (r *Routes) Links(neighbor int) []LinkID {
	if r == nil || neighbor < 0 || neighbor >= len(r.links) {
		return nil
	}
	return r.links[neighbor]
}

// Ways appends to links the control links on which a message to the router may go, in the order in which the data plane
// tries them: the next hop of the path and its other connections, then the other next hops, which are as good, then the
// alternates, first of all those that help if a next hop itself is dead. What none of them takes is kept or given back,
// never sent in a loop.
//
// With routers in the mesh that are not of our kind only the connections to the first next hop count, see Mixed.
func (r *Routes) Ways(links []LinkID, number int) []LinkID {
	route, ok := r.To(number)
	if !ok {
		return links
	}
	first := len(links)
	add := func(neighbor int) {
		for _, l := range r.Links(neighbor) {
			if !slices.Contains(links[first:], l) {
				links = append(links, l)
			}
		}
	}
	add(route.Next[0].Router)
	if r.Mixed() {
		return links
	}
	for _, n := range route.Next[1:] {
		add(n.Router)
	}
	for _, node := range []bool{true, false} {
		for _, n := range route.Next {
			if a := n.Alternate; a.Router != 0 && (a.Node || !node) {
				add(a.Router)
			}
		}
	}
	return links
}

// routesOf makes the routes of a computation.
func (n *Node) routesOf(g *spf.Graph, tree *spf.Tree, next []int, equal []spf.Set) *Routes {
	leaving := spf.NewSet(len(n.numbers))
	for _, r := range n.numbers {
		if r != nil && r.ls.overload {
			leaving.Add(r.number)
		}
	}
	alternates, forks := g.Alternates(tree, equal, leaving), g.Forks(tree)
	routes := &Routes{to: make([]Route, len(n.numbers)), links: n.linkTable()}
	hop := func(dest, via int) NextHop {
		h := NextHop{Router: via}
		if a := alternates.For(dest, via); a.Via != spf.None {
			h.Alternate = Alternate{Router: a.Via, Cost: a.Cost - n.raised, Node: a.Node, Downstream: a.Downstream}
		}
		return h
	}
	for _, r := range n.numbers {
		if r == nil || next[r.number] == spf.None {
			continue
		}
		routes.mixed = routes.mixed || r.ls.instances == nil
		route := Route{Cost: tree.Cost[r.number] - n.raised, Hops: tree.Hops[r.number], Forks: forks.Has(r.number)}
		route.Next = append(route.Next, hop(r.number, next[r.number]))
		for via := range equal[r.number].All() {
			if via != next[r.number] {
				route.Next = append(route.Next, hop(r.number, via))
			}
		}
		routes.to[r.number] = route
	}
	return routes
}

// linkTable returns the links of Routes.
func (n *Node) linkTable() [][]LinkID {
	table := make([][]LinkID, len(n.numbers))
	for _, r := range n.neighbors {
		table[r.number] = []LinkID{r.link.id}
	}
	standby := make([]*link, 0, len(n.links))
	for _, l := range n.links {
		if r := n.routers[l.peer]; l.up && r != nil && r.link != nil && r.link != l {
			standby = append(standby, l)
		}
	}
	slices.SortStableFunc(standby, func(a, b *link) int { return a.cost - b.cost })
	for _, l := range standby {
		number := n.routers[l.peer].number
		table[number] = append(table[number], l.id)
	}
	return table
}

// publish emits the routes if they have changed.
func (n *Node) publish(routes *Routes) {
	if n.routes.equal(routes) {
		return
	}
	n.routes = routes
	n.emit(Event{Kind: EventRoutes, Routes: routes})
}

func (r *Routes) equal(o *Routes) bool {
	if r == nil || o == nil {
		return r == o
	}
	return r.mixed == o.mixed && slices.EqualFunc(r.to, o.to, func(a, b Route) bool {
		return a.Cost == b.Cost && a.Hops == b.Hops && slices.Equal(a.Next, b.Next)
	}) && slices.EqualFunc(r.links, o.links, slices.Equal[[]LinkID])
}

// withdrawRoute publishes routes without the one to a router that is forgotten, before its number is used again.
func (n *Node) withdrawRoute(number int) {
	if number >= len(n.routes.to) {
		return
	}
	routes := &Routes{mixed: n.routes.mixed, to: slices.Clone(n.routes.to), links: slices.Clone(n.routes.links)}
	routes.to[number] = Route{}
	if number < len(routes.links) {
		routes.links[number] = nil
	}
	for i, route := range routes.to {
		if !slices.ContainsFunc(route.Next, func(h NextHop) bool { return h.Router == number || h.Alternate.Router == number }) {
			continue
		}
		next := slices.DeleteFunc(slices.Clone(route.Next), func(h NextHop) bool { return h.Router == number })
		for j := range next {
			if next[j].Alternate.Router == number {
				next[j].Alternate = Alternate{}
			}
		}
		routes.to[i].Next = next
	}
	n.publish(routes)
}

// switchOver does what the data plane has done when neighbors are lost and paths cannot be computed at once: paths that
// began there go on with another next hop of the same cost or the alternate, or end.
func (n *Node) switchOver() {
	n.topology = 0
	routes := &Routes{mixed: n.routes.Mixed(), to: make([]Route, len(n.numbers)), links: n.linkTable()}
	alive := func(number int) bool { return len(routes.Links(number)) > 0 }
	for _, r := range n.numbers {
		if r == nil || !r.reached {
			continue
		}
		route, _ := n.routes.To(r.number)
		kept := Route{Cost: route.Cost, Hops: route.Hops}
		for _, h := range route.Next {
			if alive(h.Router) {
				if !alive(h.Alternate.Router) {
					h.Alternate = Alternate{}
				}
				kept.Next = append(kept.Next, h)
			}
		}
		for _, h := range route.Next {
			if a := h.Alternate; len(kept.Next) == 0 && a.Router != 0 && alive(a.Router) {
				kept = Route{Cost: a.Cost, Hops: route.Hops, Next: []NextHop{{Router: a.Router}}}
			}
		}
		if len(kept.Next) == 0 {
			n.pathDown(r)
			continue
		}
		routes.to[r.number] = kept
		path := Path{Router: kept.Next[0].Router, NextHop: routes.Links(kept.Next[0].Router)[0], Cost: kept.Cost, Hops: kept.Hops}
		for _, h := range kept.Next {
			path.Equal = append(path.Equal, routes.Links(h.Router)[0])
		}
		slices.Sort(path.Equal)
		n.pathUp(r, path)
	}
	n.publish(routes)
}
