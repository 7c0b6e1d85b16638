package spf

import (
	"math/bits"
	"slices"
)

// ValidOrigins returns for each destination the set of the nodes whose path to it leads through self, self being
// neither the one nor the other. Only nodes that self can reach count as origins. A multicast message from one of them
// is to be forwarded by self towards the destination; one from any other origin gets there by another way.
//
// It takes one run of Dijkstra's algorithm for 64 origins each, stopped as soon as no path through self can be found any
// more. An origin whose edges all lead to one neighbor needs none: its paths are those of that neighbor.
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
	alone   int   // how many of them are no pendants
	pendant []int // by node: the only node its edges lead to, if that one is searched for itself; None
	wave    *wave
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
	s.wave = newWave(g, s.self)
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
	s.alone = len(s.pending)
	s.pending = append(s.pending, pendants...)
	s.reached = own.settled[1:]
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
			done = min(s.alone, waveOrigins)
			s.takeTogether(s.pending[:done])
			s.alone -= done
		} else {
			s.takePendant(s.pending[0])
		}
		s.pending = s.pending[done:]
		count -= done
	}
	return len(s.pending) == 0
}

// takeTogether does up to waveOrigins origins.
func (s *OriginSearch) takeTogether(origins []int) {
	s.wave.run(origins, func(node int, through uint64) {
		for b := through; b != 0; b &= b - 1 {
			s.sets[node].Add(origins[bits.TrailingZeros64(b)])
		}
	})
	for bit, origin := range origins {
		s.last[origin] = s.wave.reached(bit)
	}
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
