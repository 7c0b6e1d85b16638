package spf

import (
	"math/bits"
	"slices"
)

// ValidOrigins returns for each destination the set of the nodes whose path to it leads through self, self being
// neither the one nor the other. Only nodes that self can reach count as origins. A multicast message from one of them
// is to be forwarded by self towards the destination; one from any other origin gets there by another way.
//
// It takes one run of Dijkstra's algorithm for 64 origins each where few different costs occur, and one for each origin
// where there are many, stopped as soon as no path through self can be found any more. Some origins need none. The paths
// of one whose edges all lead to one neighbor are those of that neighbor. And self is at the end of all paths from an
// origin from which each neighbor of self is reached more cheaply by another way, which a run to each of them shows.
func (g *Graph) ValidOrigins(self int) []Set {
	s := g.OriginSearch(g.Tree(self))
	s.Step(g.Len())
	return s.Origins()
}

// OriginSearch computes what ValidOrigins returns, a few origins at a time.
type OriginSearch struct {
	graph   *Graph
	self    int32   // rank
	pending []int   // origins to come: those of pendants last
	alone   int     // how many of them are no pendants
	pendant []int   // by node: the only node its edges lead to, if that one is searched for itself; None
	wave    *wave   // where few costs occur, else …
	solver  *solver // … and …
	via     []bool  // … by rank: the path of the current run leads through self
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
	if g.isNarrow() {
		s.wave = newWave(g, s.self)
	} else {
		s.solver, s.via = newSolver(g), make([]bool, n)
	}
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
	s.leaveOut()
	s.alone = len(s.pending)
	s.pending = append(s.pending, pendants...)
	s.reached = own.settled[1:]
}

// leaveOut takes those out of the pending origins that have no path through self, if that can be worth a run to each
// neighbor.
func (s *OriginSearch) leaveOut() {
	g, back := s.graph, s.graph.reversed()
	out, outCost := g.edges(s.self)
	in, inCost := back.edges(s.self)
	runs := len(s.pending) / 4 // so many cost about as much as all pending origins can cost
	if s.wave != nil {
		runs = len(s.pending) / waveOrigins
	}
	if len(out) >= runs {
		return
	}
	solver := newSolver(back)
	whole := solver.costs(back, s.self)
	to := make(map[int32][]int64) // by neighbor: the cost from each origin
	for _, r := range slices.Concat(out, in) {
		if to[r] == nil {
			to[r] = solver.costs(back, r)
		}
	}
	s.pending = slices.DeleteFunc(s.pending, func(origin int) bool {
		o := g.rank[origin]
		if whole[o] == Unreachable {
			return true
		}
		for i, r := range out {
			if there := to[r][o]; there == Unreachable || there >= whole[o]+int64(outCost[i]) {
				return false
			}
		}
		last := int32(None)
		for i, r := range in {
			there := to[r][o]
			if there != Unreachable && there+int64(inCost[i]) == whole[o] &&
				(last == None || there < to[last][o] || there == to[last][o] && r < last) {
				last = r
			}
		}
		s.last[origin] = int(g.node[last])
		return true
	})
}

// takePendant does an origin whose paths are those of its only neighbor.
func (s *OriginSearch) takePendant(origin int) {
	n := s.pendant[origin]
	switch {
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

// Step takes up to count more origins, or the few more that are done at once with them, and reports whether all have
// been taken.
func (s *OriginSearch) Step(count int) bool {
	for count > 0 && len(s.pending) > 0 {
		done := 1
		if s.alone > 0 {
			done = s.takeSome(s.pending[:s.alone])
			s.alone -= done
		} else {
			s.takePendant(s.pending[0])
		}
		s.pending = s.pending[done:]
		count -= done
	}
	return len(s.pending) == 0
}

// takeSome does some of the origins, and returns how many.
func (s *OriginSearch) takeSome(origins []int) int {
	if s.wave == nil {
		s.mark(origins[0])
		return 1
	}
	origins = origins[:min(len(origins), waveOrigins)]
	s.wave.run(origins, func(node int, through uint64) {
		for b := through; b != 0; b &= b - 1 {
			s.sets[node].Add(origins[bits.TrailingZeros64(b)])
		}
	})
	for bit, origin := range origins {
		s.last[origin] = s.wave.reached(bit)
	}
	return len(origins)
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
