package spf

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// simplePaths returns all paths without a node twice.
func simplePaths(edges [][]Edge, from, to int) [][]int {
	var all [][]int
	var walk func(way []int)
	walk = func(way []int) {
		at := way[len(way)-1]
		if at == to {
			all = append(all, slices.Clone(way))
			return
		}
		seen := make(map[int]bool)
		for _, e := range edges[at] {
			if !slices.Contains(way, e.To) && !seen[e.To] {
				seen[e.To] = true
				walk(append(way, e.To))
			}
		}
	}
	walk([]int{from})
	return all
}

func pathCost(edges [][]Edge, way []int) int {
	cost := 0
	for i := 1; i < len(way); i++ {
		least := math.MaxInt
		for _, e := range edges[way[i-1]] {
			if e.To == way[i] {
				least = min(least, e.Cost)
			}
		}
		if least == math.MaxInt {
			return -1
		}
		cost += least
	}
	return cost
}

// together returns whether two paths have an edge, in whatever direction, or a node but their ends in common.
func together(p, q []int) (edge, node bool) {
	for i := 1; i < len(p); i++ {
		for j := 1; j < len(q); j++ {
			edge = edge || p[i-1] == q[j-1] && p[i] == q[j] || p[i-1] == q[j] && p[i] == q[j-1]
		}
		node = node || i < len(p)-1 && slices.Contains(q, p[i])
	}
	return edge, node
}

func TestDisjointPathsAreTheCheapestThereAre(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		edges, ranks := drawOf(t, 7, 14)
		from, to := rapid.IntRange(0, len(edges)-1).Draw(t, "from"), rapid.IntRange(0, len(edges)-1).Draw(t, "to")
		got := graph(t, edges, ranks).Disjoint(from, to)
		if from == to {
			if got.First != nil || got.Second != nil {
				t.Fatalf("to itself: %+v", got)
			}
			return
		}
		paths := simplePaths(edges, from, to)
		single, byEdge, byNode := math.MaxInt, math.MaxInt, math.MaxInt
		for i, p := range paths {
			single = min(single, pathCost(edges, p))
			for _, q := range paths[:i] {
				edge, node := together(p, q)
				cost := pathCost(edges, p) + pathCost(edges, q)
				if !edge {
					byEdge = min(byEdge, cost)
				}
				if !edge && !node {
					byNode = min(byNode, cost)
				}
			}
		}
		if len(paths) == 0 {
			if got.First != nil {
				t.Fatalf("there is no path: %+v", got)
			}
			return
		}
		if c := pathCost(edges, got.First); c != got.FirstCost || got.First[0] != from || got.First[len(got.First)-1] != to {
			t.Fatalf("first path %v costs %d: %+v", got.First, c, got)
		}
		if byEdge == math.MaxInt {
			if got.Second != nil || got.FirstCost != single || got.Nodes {
				t.Fatalf("%+v, want one path of cost %d", got, single)
			}
			return
		}
		if c := pathCost(edges, got.Second); c != got.SecondCost || got.Second[0] != from ||
			got.Second[len(got.Second)-1] != to || got.SecondCost < got.FirstCost {
			t.Fatalf("second path %v costs %d: %+v", got.Second, c, got)
		}
		edge, node := together(got.First, got.Second)
		want := byEdge
		if byNode < math.MaxInt {
			want = byNode
		}
		if edge || node && byNode < math.MaxInt || got.Nodes != (byNode < math.MaxInt) || got.FirstCost+got.SecondCost != want {
			t.Fatalf("%+v, want two paths of cost %d", got, want)
		}
	})
}

func TestDisjointPathsOfALargeMeshAreFoundOnDemand(t *testing.T) {
	t.Parallel()
	g := graph(t, mesh(1000, 6), nil)
	found := 0
	for i := range 20 {
		if p := g.Disjoint(i, 999-i); p.Second != nil {
			found++
		}
	}
	if found == 0 {
		t.Error("no pair of disjoint paths in a mesh of degree 6")
	}
}

// reach returns the nodes that i is connected with, by the closure of connections.
func reach(edges [][]Edge, i int, without Set, pair [2]int) Set {
	has := func(a, b int) bool {
		return slices.ContainsFunc(edges[a], func(e Edge) bool { return e.To == b })
	}
	s := NewSet(len(edges))
	s.Add(i)
	for changed := true; changed; {
		changed = false
		for a := range edges {
			for b := range edges {
				if s.Has(a) && !s.Has(b) && has(a, b) && has(b, a) && !without.Has(a) && !without.Has(b) &&
					[2]int{min(a, b), max(a, b)} != pair {
					s.Add(b)
					changed = true
				}
			}
		}
	}
	return s
}

var noPair = [2]int{None, None}

func TestCutsAreWhatSeparatesOthers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		edges, ranks := drawOf(t, 9, 20)
		g := graph(t, edges, ranks)
		got, of := g.Cuts(), g.Components()
		var want Cuts
		for v := range edges {
			gone := NewSet(len(edges))
			gone.Add(v)
			cut := false
			for a := range edges {
				whole := reach(edges, a, nil, noPair)
				if !whole.Equal(reach(edges, of[a], nil, noPair)) || slices.Min(slices.Collect(whole.All())) != of[a] {
					t.Fatalf("node %d is in the component of %d", a, of[a])
				}
				if a == v || !whole.Has(v) {
					continue
				}
				rest := reach(edges, a, gone, noPair)
				cut = cut || rest.Len() < whole.Len()-1
				if without := g.Without(gone, nil).Components(); rest.Has(0) != (without[a] == without[0]) {
					t.Fatalf("without %d: component of %d", v, a)
				}
			}
			if cut {
				want.Nodes = append(want.Nodes, v)
			}
			for b := v + 1; b < len(edges); b++ {
				if reach(edges, v, nil, noPair).Has(b) && !reach(edges, v, nil, [2]int{v, b}).Has(b) {
					want.Pairs = append(want.Pairs, [2]int{v, b})
					if without := g.Without(nil, [][2]int{{b, v}}).Components(); without[v] == without[b] {
						t.Fatalf("%d and %d are still connected", v, b)
					}
				}
			}
		}
		if !slices.Equal(got.Nodes, want.Nodes) || !slices.Equal(got.Pairs, want.Pairs) {
			t.Fatalf("%+v, want %+v", got, want)
		}
	})
}

func TestConnectivityIsHowManyNodesMayGo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		edges, ranks := drawOf(t, 7, 20)
		bothWays(t, edges)
		n := len(edges)
		g := graph(t, edges, ranks)
		all := NewSet(n)
		for i := range n {
			all.Add(i)
		}
		want := n - 1
		for mask := range 1 << n {
			gone := Set{uint64(mask)}
			rest := n - gone.Len()
			if rest < 2 {
				continue
			}
			for i := range n {
				if !gone.Has(i) && reach(edges, i, gone, noPair).Len() < rest {
					want = min(want, gone.Len())
				}
			}
		}
		limit := rapid.IntRange(1, 6).Draw(t, "limit")
		if got := g.Connectivity(all, limit); got != min(want, limit) {
			t.Fatalf("%d up to %d, want %d", got, limit, want)
		}
		a, b := rapid.IntRange(0, n-1).Draw(t, "a"), rapid.IntRange(0, n-1).Draw(t, "b")
		if got := g.Between(a, b, limit); a != b && got < min(want, limit) {
			t.Fatalf("%d paths between %d and %d of a network that is %d-connected", got, a, b, want)
		}
	})
}
