package spf

import "slices"

// ValidOrigins returns for each destination the set of the nodes whose path to it leads through self, self being
// neither the one nor the other. Only nodes that self can reach count as origins. A multicast message from one of them
// is to be forwarded by self towards the destination; one from any other origin gets there by another way.
//
// It takes one run of Dijkstra's algorithm per origin, stopped as soon as no path through self can be found any more.
// An origin whose edges all lead to one neighbor needs none: its paths are those of that neighbor.
func (g *Graph) ValidOrigins(self int) []Set {
	s := g.OriginSearch(g.Tree(self))
	s.Step(g.Len())
	return s.Origins()
}

// OriginSearch computes what ValidOrigins returns, a few origins at a time.
type OriginSearch struct {
	graph   *Graph
	self    int32 // rank
	pending []int // origins to come: those of pendants last
	pendant []int // by node: the only node its edges lead to, if that one is searched for itself; None
	solver  *solver
	via     []bool // by rank: the path of the current run leads through self
	sets    []Set
	last    []int // by origin
	reached []int // nodes that self reaches
}

// OriginSearch begins a search for the valid origins at the root of own, which must be a tree of g. A search is not
// safe for concurrent use.
func (g *Graph) OriginSearch(own *Tree) *OriginSearch {
	n := g.Len()
	s := &OriginSearch{graph: g, self: g.rank[own.Root], sets: newSets(n, n), last: make([]int, n)}
	for i := range s.last {
		s.last[i] = None
	}
	if neighbor, ok := g.deadEnd(s.self); ok {
		for _, origin := range own.settled[1:] {
			s.last[origin] = int(g.node[neighbor])
		}
		return s
	}
	s.solver, s.via = newSolver(g), make([]bool, n)
	s.order(own)
	return s
}

// order finds out which origins need no run of their own, and puts them behind those that they depend on.
func (s *OriginSearch) order(own *Tree) {
	g := s.graph
	s.pendant = slices.Repeat([]int{None}, g.Len())
	for _, v := range own.settled[1:] {
		if to, _ := g.edges(g.rank[v]); len(to) > 0 && g.onlyTo(g.rank[v], to[0]) {
			s.pendant[v] = int(g.node[to[0]])
		}
	}
	var pendants []int
	for _, v := range own.settled[1:] {
		n := s.pendant[v]
		if n != None && n != own.Root && (s.pendant[n] != None || own.Cost[n] == Unreachable) {
			n = None
		}
		if n == None {
			s.pending = append(s.pending, v)
		} else {
			pendants = append(pendants, v)
		}
	}
	for _, v := range s.pending {
		s.pendant[v] = None
	}
	s.pending = append(s.pending, pendants...)
	s.reached = own.settled[1:]
}

// take does one origin.
func (s *OriginSearch) take(origin int) {
	n := s.pendant[origin]
	switch {
	case n == None:
		s.mark(origin)
	case s.graph.rank[n] == s.self:
		for _, dest := range s.reached {
			if dest != origin {
				s.sets[dest].Add(origin)
			}
		}
		s.last[origin] = origin
	default:
		for _, dest := range s.reached {
			if dest != origin && s.sets[dest].Has(n) {
				s.sets[dest].Add(origin)
			}
		}
		s.last[origin] = s.last[n]
	}
}

// Step takes up to count more origins, and reports whether all have been taken.
func (s *OriginSearch) Step(count int) bool {
	count = min(count, len(s.pending))
	for _, origin := range s.pending[:count] {
		s.take(origin)
	}
	s.pending = s.pending[count:]
	return len(s.pending) == 0
}

// Origins returns the sets by destination. They are complete when Step has returned true.
func (s *OriginSearch) Origins() []Set { return s.sets }

// Last returns for each origin the last node before the root on the origin's path to it, through which its multicast
// messages come; None where no path leads. A root with one neighbor expects everything from it. It is complete when
// Step has returned true.
func (s *OriginSearch) Last() []int { return s.last }

// deadEnd reports whether the node of rank r has edges from and to one other node only, so that no path leads on, and
// which one that is.
func (g *Graph) deadEnd(r int32) (neighbor int32, ok bool) {
	neighbor = int32(None)
	for from := range int32(g.Len()) {
		to, _ := g.edges(from)
		for _, w := range to {
			other := w
			if w == r {
				other = from
			} else if from != r {
				continue
			}
			if neighbor != None && neighbor != other {
				return None, false
			}
			neighbor = other
		}
	}
	return neighbor, neighbor != None
}

// mark adds origin to the sets of the destinations that it reaches through self.
func (s *OriginSearch) mark(origin int) {
	g, v := s.graph, s.solver
	v.begin(g.rank[origin])
	s.via[g.rank[origin]] = false
	open := 0 // nodes in the queue with a path through self
	passed := false
	for !passed || open > 0 {
		r, ok := v.settle()
		if !ok {
			return
		}
		switch {
		case r == s.self:
			passed = true
			s.last[origin] = int(g.node[v.previous[r]])
		case s.via[r]:
			open--
			s.sets[g.node[r]].Add(origin)
		}
		through := r == s.self || s.via[r]
		to, cost := g.edges(r)
		for i, w := range to {
			before := v.run[w] == v.current && s.via[w]
			if !v.offer(r, w, v.cost[r]+int64(cost[i])) {
				continue
			}
			s.via[w] = through
			switch {
			case through && !before:
				open++
			case before && !through:
				open--
			}
		}
	}
}
