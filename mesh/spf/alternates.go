package spf

import "slices"

// maxCandidates bounds how many neighbors of a root are looked at as alternates: each one costs a run of Dijkstra's
// algorithm. The cheapest ones are.
const maxCandidates = 32

// Alternate is a neighbor that takes what cannot go to the next hop any more, before anybody has computed new paths
// (RFC 5286).
type Alternate struct {
	Via int // the neighbor; None if there is no such one
	// Node says that none of the neighbor's cheapest paths to the destination leads through the lost next hop. Otherwise
	// the alternate helps only if the connection to the next hop is lost, and not the next hop itself.
	Node bool
	// Downstream says that the neighbor is nearer to the destination than the root is. Messages that follow downstream
	// alternates only never loop, whatever else has failed.
	Downstream bool
	Cost       int // from the root by way of the neighbor to the destination
}

// Alternates knows the loop-free alternates of one root. It does not change and is safe for concurrent use.
type Alternates struct {
	own    *Tree
	equal  []Set
	first  []int   // by node: the cost of the edge from the root, Unreachable if there is none
	trees  []*Tree // of the candidates, in the order of preference where nothing else decides
	leaves Set     // neighbors that have no edges but to the root: alternates for themselves only
	avoid  Set
}

// Alternates computes the alternates at the root of own, which must be a tree of g; equal must be what EqualCost
// returns for it. Nodes in avoid are no alternates but for themselves: they are about to leave.
//
// A neighbor N of the root S is loop-free for the destination D if cost(N, D) < cost(N, S) + cost(S, D), so that none of
// its cheapest paths comes back [RFC 5286, 3.1]. Costs may differ in the two directions of a connection.
func (g *Graph) Alternates(own *Tree, equal []Set, avoid Set) *Alternates {
	a := &Alternates{own: own, equal: equal, first: make([]int, g.Len()), leaves: NewSet(g.Len()),
		avoid: avoid}
	for i := range a.first {
		a.first[i] = Unreachable
	}
	to, cost := g.edges(g.rank[own.Root])
	var candidates []int
	for i, r := range to {
		v := int(g.node[r])
		if a.first[v] == Unreachable {
			candidates = append(candidates, v)
		}
		if c := int(cost[i]); a.first[v] == Unreachable || c < a.first[v] {
			a.first[v] = c
		}
	}
	slices.SortFunc(candidates, func(x, y int) int {
		if a.first[x] != a.first[y] {
			return a.first[x] - a.first[y]
		}
		return int(g.rank[x] - g.rank[y])
	})
	for _, v := range candidates {
		switch {
		case g.onlyTo(g.rank[v], g.rank[own.Root]):
			a.leaves.Add(v)
		case len(a.trees) < maxCandidates:
			a.trees = append(a.trees, g.Tree(v))
		}
	}
	return a
}

// onlyTo reports whether all edges that leave the node of rank r lead to the node of rank s.
func (g *Graph) onlyTo(r, s int32) bool {
	to, _ := g.edges(r)
	return !slices.ContainsFunc(to, func(w int32) bool { return w != s })
}

// For returns the best alternate for messages to dest that would go to next, one of the equal-cost first hops to dest.
// Better is who protects against the loss of the node next too, then who is downstream, then the lower cost.
func (a *Alternates) For(dest, next int) Alternate {
	best := Alternate{Via: None}
	for _, t := range a.trees {
		x, ok := a.candidate(t, dest, next)
		if ok && (best.Via == None || x.better(best)) {
			best = x
		}
	}
	if a.leaves.Has(dest) && dest != next {
		x := Alternate{Via: dest, Node: true, Downstream: true, Cost: a.first[dest]}
		if best.Via == None || x.better(best) {
			return x
		}
	}
	return best
}

func (a *Alternates) candidate(t *Tree, dest, next int) (Alternate, bool) {
	n, whole := t.Root, a.own.Cost[dest]
	if n == next || t.Cost[dest] == Unreachable || whole == Unreachable || dest == a.own.Root ||
		n != dest && a.avoid.Has(n) {
		return Alternate{}, false
	}
	if back := t.Cost[a.own.Root]; back != Unreachable && t.Cost[dest] >= back+whole {
		return Alternate{}, false // [RFC 5286, 3.1, inequality 1]
	}
	// Inequality 3: the cost from next on is known, because next is on a cheapest path.
	there := t.Cost[next]
	node := dest != next && (there == Unreachable || t.Cost[dest] < there+whole-a.first[next])
	return Alternate{Via: n, Node: node, Downstream: t.Cost[dest] < whole, Cost: a.first[n] + t.Cost[dest]}, true
}

func (x Alternate) better(y Alternate) bool {
	switch {
	case x.Node != y.Node:
		return x.Node
	case x.Downstream != y.Downstream:
		return x.Downstream
	}
	return x.Cost < y.Cost
}
