package mesh

import (
	"cmp"
	"slices"
	"time"

	"github.com/postroad/postroad/mesh/spf"
)

// computePaths computes the paths to all routers from the link states, and emits what has changed.
//
// As in Interconnect an edge counts if the router at its beginning reports it. A router whose link state is not known
// yet is the end of a path, never in the middle of one.
func (n *Node) computePaths() {
	n.counters.PathComputations++
	defer n.timed()()
	g, err := n.graph()
	if err != nil { // cannot be: all costs have been checked
		n.log(LevelCritical, ModuleLS, "Paths cannot be computed: %v", err)
		return
	}
	before := len(n.events)
	tree := g.Tree(0)
	next, equal := tree.NextHops(), g.EqualCost(tree)
	for _, r := range n.numbers {
		if r != nil && next[r.number] == spf.None {
			n.pathDown(r)
		}
	}
	more, reached := false, 0
	for _, r := range n.numbers {
		if r == nil || next[r.number] == spf.None {
			continue
		}
		reached++
		hop := n.numbers[next[r.number]]
		path := Path{NextHop: hop.link.id, Router: hop.number, Cost: tree.Cost[r.number] - n.raised,
			Hops: tree.Hops[r.number]}
		for i := range equal[r.number].All() {
			path.Equal = append(path.Equal, n.numbers[i].link.id)
		}
		slices.Sort(path.Equal)
		more = more || !r.reached
		n.pathUp(r, path)
	}
	if radius := tree.Radius(); radius != n.radius {
		n.radius = radius
		n.emit(Event{Kind: EventRadius, Radius: radius})
	}
	if more {
		n.raReach.min = raAgain * time.Duration(1+len(n.routers)/crowd)
		n.raReach.max = n.raReach.min
		n.raReach.request(n.now) // so that those who did not hear my last RA hear one
	}
	n.publish(n.routesOf(g, tree, next, equal))
	n.search = g.OriginSearch(tree)
	n.topology = n.digest(next)
	level := LevelDebug
	if len(n.events) > before {
		level = LevelInfo
	}
	n.log(level, ModuleLS, "Computed paths to %d of %d routers, radius: %d", reached, len(n.routers), n.radius)
}

// digest is a number of the link states that paths were computed from: of this router and of all that next leads to. The
// order does not matter, as routers have other numbers elsewhere.
func (n *Node) digest(next []int) uint64 {
	sum := digestOf(n.config.ID, n.own.peers)
	for _, r := range n.numbers {
		if r != nil && next[r.number] != spf.None {
			sum += digestOf(r.id, r.ls.peers)
		}
	}
	return max(sum, 1)
}

// digestOf is the part of one router, by FNV-1a. Its peers are in the order of their ids.
func digestOf(id string, peers []PeerCost) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	text := func(s string) {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * prime
		}
		h *= prime // an octet of zero, which no id has
	}
	text(id)
	for _, p := range peers {
		text(p.ID)
		for shift := 0; shift < 32; shift += 8 {
			h = (h ^ uint64(p.Cost)>>shift&0xff) * prime
		}
	}
	return h
}

// graph makes the graph of all routers. Its nodes are the numbers of the routers, its order is that of their ids.
func (n *Node) graph() (*spf.Graph, error) {
	edges, ranks := make([][]spf.Edge, len(n.numbers)), make([]int, len(n.numbers))
	ordered := make([]int, len(n.numbers))
	for i := range ordered {
		ordered[i] = i
	}
	slices.SortFunc(ordered, func(a, b int) int {
		return cmp.Or(cmp.Compare(n.idOf(a), n.idOf(b)), a-b)
	})
	for rank, number := range ordered {
		ranks[number] = rank
	}
	toEdges := func(peers []PeerCost) []spf.Edge {
		list := make([]spf.Edge, 0, len(peers))
		for _, p := range peers {
			if p.ID == n.config.ID {
				list = append(list, spf.Edge{To: 0, Cost: p.Cost})
			} else if r := n.routers[p.ID]; r != nil {
				list = append(list, spf.Edge{To: r.number, Cost: p.Cost})
			}
		}
		return list
	}
	edges[0] = toEdges(n.own.peers)
	for _, r := range n.numbers {
		if r != nil {
			edges[r.number] = toEdges(r.ls.peers)
		}
	}
	return spf.NewGraph(edges, ranks)
}

// idOf returns the id of the router with the number, "" if the number is free.
func (n *Node) idOf(number int) string {
	switch {
	case number == 0:
		return n.config.ID
	case n.numbers[number] == nil:
		return ""
	}
	return n.numbers[number].id
}

func (n *Node) pathUp(r *router, path Path) {
	if r.reached && r.path.equal(path) {
		return
	}
	before := r.reached
	r.path, r.reached = path, true
	n.emit(Event{Kind: EventPathUp, Router: r.number, ID: r.id, Path: path})
	if !before {
		n.wakeRouters(n.now) // there may be questions to put
		n.showAddresses(r)
	}
}

func (n *Node) pathDown(r *router) {
	if !r.reached {
		return
	}
	r.reached, r.path, r.origins, r.upstream = false, Path{}, nil, ""
	n.emit(Event{Kind: EventPathDown, Router: r.number, ID: r.id})
	n.hideAddresses(r)
}

// searchOrigins goes on with the computation of valid origins, which takes long in a large mesh, and emits what has
// changed when it is complete.
func (n *Node) searchOrigins() {
	if n.search == nil {
		return
	}
	step := searchFew
	if len(n.routers) <= searchAll {
		step = len(n.routers) + 1
	}
	stop := n.timed()
	done := n.search.Step(step)
	stop()
	if !done {
		return
	}
	n.counters.PathTime.add(n.computing)
	n.computing = 0
	sets, last := n.search.Origins(), n.search.Last()
	n.search = nil
	for _, r := range n.numbers {
		if r == nil || !r.reached {
			continue
		}
		set := sets[r.number]
		set.Add(0)
		upstream := n.idOf(max(last[r.number], 0))
		if !set.Equal(r.origins) || upstream != r.upstream {
			r.origins, r.upstream = set, upstream
			n.emit(Event{Kind: EventOrigins, Router: r.number, ID: r.id, Origins: set, Upstream: upstream})
		}
	}
}
