package spf

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// draw returns a random graph in which costs are often equal, and the ranks of its nodes.
func draw(t *rapid.T) ([][]Edge, []int) { return drawOf(t, 12, 48) }

// drawOf returns one of at most so many nodes and connections.
func drawOf(t *rapid.T, nodes, connections int) ([][]Edge, []int) {
	n := rapid.IntRange(1, nodes).Draw(t, "nodes")
	edges := make([][]Edge, n)
	for range rapid.IntRange(0, min(4*n, connections)).Draw(t, "edges") {
		from, to := rapid.IntRange(0, n-1).Draw(t, "from"), rapid.IntRange(0, n-1).Draw(t, "to")
		cost := rapid.IntRange(1, 4).Draw(t, "cost")
		if rapid.IntRange(0, 9).Draw(t, "far") == 0 { // of an overloaded router, or a slow connection
			cost += rapid.SampledFrom([]int{windowSize - 2, windowSize, 1000, 1 << 24}).Draw(t, "more")
		}
		edges[from] = append(edges[from], Edge{to, cost})
		if rapid.IntRange(0, 4).Draw(t, "both ways") > 0 {
			edges[to] = append(edges[to], Edge{from, cost})
		}
	}
	ranks := rapid.Permutation(slices.Collect(func(yield func(int) bool) {
		for i := range n {
			yield(i)
		}
	})).Draw(t, "ranks")
	return edges, ranks
}

func graph(t interface{ Fatal(...any) }, edges [][]Edge, ranks []int) *Graph {
	g, err := NewGraph(edges, ranks)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// bellmanFord returns the cheapest costs by relaxing every edge until nothing changes.
func bellmanFord(edges [][]Edge, root int) []int {
	cost := make([]int, len(edges))
	for i := range cost {
		cost[i] = Unreachable
	}
	cost[root] = 0
	for changed := true; changed; {
		changed = false
		for u := range edges {
			for _, e := range edges[u] {
				if c := cost[u] + e.Cost; cost[u] != Unreachable && (cost[e.To] == Unreachable || c < cost[e.To]) {
					cost[e.To], changed = c, true
				}
			}
		}
	}
	return cost
}

// previous is the predecessor of v by the rule: lowest cost, then lowest rank, of all that lie on a cheapest path to v.
func previous(edges [][]Edge, ranks, cost []int, root, v int) int {
	best := None
	for u := range edges {
		for _, e := range edges[u] {
			if e.To != v || v == root || u == v || cost[u] == Unreachable || cost[u]+e.Cost != cost[v] {
				continue
			}
			if best == None || cost[u] < cost[best] || cost[u] == cost[best] && ranks[u] < ranks[best] {
				best = u
			}
		}
	}
	return best
}

func TestTreeHoldsCheapestPathsInTheOrderOfIDs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		edges, ranks := draw(t)
		root := rapid.IntRange(0, len(edges)-1).Draw(t, "root")
		tree := graph(t, edges, ranks).Tree(root)
		want := bellmanFord(edges, root)
		if !slices.Equal(tree.Cost, want) {
			t.Fatalf("costs are %v, want %v", tree.Cost, want)
		}
		next, radius := tree.NextHops(), 0
		for v := range edges {
			if got, want := tree.Previous[v], previous(edges, ranks, want, root, v); got != want {
				t.Fatalf("predecessor of %d is %d, want %d", v, got, want)
			}
			hops, first := 0, None
			for u := v; u != root && u != None; u = tree.Previous[u] {
				hops, first = hops+1, u
			}
			if want[v] == Unreachable {
				hops, first = Unreachable, None
			}
			if tree.Hops[v] != hops || next[v] != first {
				t.Fatalf("node %d: %d hops by way of %d, want %d by way of %d", v, tree.Hops[v], next[v], hops, first)
			}
			radius = max(radius, hops)
		}
		if tree.Radius() != radius {
			t.Fatalf("radius is %d, want %d", tree.Radius(), radius)
		}
	})
}

func TestValidOriginsAreThoseWhosePathLeadsThroughSelf(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		edges, ranks := draw(t)
		self := rapid.IntRange(0, len(edges)-1).Draw(t, "self")
		g := graph(t, edges, ranks)
		own := g.Tree(self)
		search := g.OriginSearch(own)
		for !search.Step(rapid.IntRange(1, 3).Draw(t, "step")) {
		}
		got := search.Origins()
		for origin := range edges {
			tree := g.Tree(origin)
			for dest := range edges {
				want := false
				if origin != self && dest != self && own.Cost[origin] != Unreachable && tree.Cost[dest] != Unreachable {
					for u := tree.Previous[dest]; u != None && u != origin; u = tree.Previous[u] {
						want = want || u == self
					}
				}
				if got[dest].Has(origin) != want {
					t.Fatalf("origin %d, destination %d: valid is %v, want %v", origin, dest, !want, want)
				}
			}
		}
	})
}

// Origins are searched for 64 at a time: meshes of more must not mix them up.
func TestValidOriginsOfALargeMeshAreThoseWhosePathLeadsThroughSelf(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(4, 2))
	for _, most := range []int{1, 4, 5, 100, 101, 300, 301, 1 << 24, 1<<24 + 1} {
		const n = 600
		edges := make([][]Edge, n)
		for i := 1; i < 3*n; i++ {
			a, b := i%n, random.IntN(max(1, i%n))
			edges[a] = append(edges[a], Edge{b, 1 + random.IntN(most)})
			edges[b] = append(edges[b], Edge{a, 1 + random.IntN(most)})
		}
		g, self := graph(t, edges, random.Perm(n)), random.IntN(n)
		if most%2 == 0 { // in the middle, and at the edge
			self = 0
		}
		search := g.OriginSearch(g.Tree(self))
		for !search.Step(1 + random.IntN(100)) {
		}
		for origin := range edges {
			tree := g.Tree(origin)
			if want := tree.Previous[self]; search.Last()[origin] != want {
				t.Errorf("costs to %d: messages of %d come through %d, want %d", most, origin, search.Last()[origin], want)
			}
			for dest := range edges {
				want := false
				for u := tree.Previous[dest]; dest != self && origin != self && u != None && u != origin; u = tree.Previous[u] {
					want = want || u == self
				}
				if got := search.Origins()[dest].Has(origin); got != want {
					t.Fatalf("costs to %d, origin %d, destination %d: valid is %v, want %v", most, origin, dest, got, want)
				}
			}
		}
	}
}

// A multicast message that each router forwards only for valid origins must reach every router exactly once, and from
// the node that the router expects it from.
func TestForwardingToValidOriginsReachesEachNodeOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		edges, ranks := draw(t)
		g := graph(t, edges, ranks)
		origin := rapid.IntRange(0, len(edges)-1).Draw(t, "origin")
		for i, es := range edges { // both ways
			for _, e := range es {
				if !slices.ContainsFunc(edges[e.To], func(b Edge) bool { return b.To == i }) {
					edges[e.To] = append(edges[e.To], Edge{i, e.Cost})
				}
			}
		}
		g = graph(t, edges, ranks)
		copies := make([]int, len(edges))
		var visit func(node, from int)
		visit = func(node, from int) {
			if copies[node]++; copies[node] > 1 {
				t.Fatalf("node %d has a second copy, from %d", node, from)
			}
			search := g.OriginSearch(g.Tree(node))
			search.Step(len(edges))
			if last := search.Last()[origin]; last != from {
				t.Fatalf("node %d has its copy from %d and expects it from %d", node, from, last)
			}
			origins, next := search.Origins(), g.Tree(node).NextHops()
			hops := NewSet(len(edges))
			for dest := range edges {
				if next[dest] != None && (node == origin || origins[dest].Has(origin)) {
					hops.Add(next[dest])
				}
			}
			for h := range hops.All() {
				visit(h, node)
			}
		}
		visit(origin, None)
		for v, c := range g.Tree(origin).Cost {
			if c != Unreachable && copies[v] != 1 {
				t.Fatalf("node %d has %d copies", v, copies[v])
			}
		}
	})
}

func TestEqualCostHasEveryFirstHopOfACheapestPath(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		edges, ranks := draw(t)
		root := rapid.IntRange(0, len(edges)-1).Draw(t, "root")
		g := graph(t, edges, ranks)
		tree := g.Tree(root)
		got := g.EqualCost(tree)
		for dest, c := range tree.Cost {
			want := NewSet(len(edges))
			for _, e := range edges[root] {
				rest := bellmanFord(edges, e.To)[dest]
				if e.To != root && dest != root && rest != Unreachable && e.Cost+rest == c {
					want.Add(e.To)
				}
			}
			if !got[dest].Equal(want) {
				t.Fatalf("first hops to %d are %v, want %v", dest, slices.Collect(got[dest].All()),
					slices.Collect(want.All()))
			}
			if next := tree.NextHops()[dest]; next != None && !want.Has(next) {
				t.Fatalf("next hop %d to %d is not on a cheapest path", next, dest)
			}
		}
	})
}

func TestForksHasEveryNodeWithSeveralCheapestPaths(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		edges, ranks := draw(t)
		root := rapid.IntRange(0, len(edges)-1).Draw(t, "root")
		g := graph(t, edges, ranks)
		tree := g.Tree(root)
		var paths func(dest int) int // cheapest ones, by the edge that each ends with
		paths = func(dest int) (n int) {
			if dest == root {
				return 1
			}
			for v := range edges {
				for _, e := range edges[v] {
					if e.To == dest && tree.Cost[v] != Unreachable && tree.Cost[v]+e.Cost == tree.Cost[dest] {
						n = min(n+paths(v), 2)
					}
				}
			}
			return n
		}
		forks := g.Forks(tree)
		for dest := range edges {
			if want := tree.Cost[dest] != Unreachable && paths(dest) > 1; forks.Has(dest) != want {
				t.Fatalf("several cheapest paths to %d: %v, want %v", dest, forks.Has(dest), want)
			}
		}
	})
}

func TestGraphRefusesWhatIsNoGraph(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func() error{
		"edge to nowhere":    func() error { _, err := NewGraph([][]Edge{{{1, 1}}}, nil); return err },
		"negative node":      func() error { _, err := NewGraph([][]Edge{{{-1, 1}}}, nil); return err },
		"cost 0":             func() error { _, err := NewGraph([][]Edge{{{1, 0}}, {}}, nil); return err },
		"negative cost":      func() error { _, err := NewGraph([][]Edge{{{1, -5}}, {}}, nil); return err },
		"cost beyond an int": func() error { _, err := NewGraph([][]Edge{{{1, MaxCost + 1}}, {}}, nil); return err },
		"rank missing":       func() error { _, err := NewGraph([][]Edge{{}, {}}, []int{1}); return err },
		"rank twice":         func() error { _, err := NewGraph([][]Edge{{}, {}}, []int{7, 7}); return err },
	} {
		if err := f(); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
	g, err := NewGraph([][]Edge{{{1, MaxCost}, {0, 1}}, {{0, 1}}}, nil)
	if err != nil || g.Len() != 2 || g.Tree(0).Cost[1] != MaxCost {
		t.Errorf("the highest cost: %v", err)
	}
	if g, err = NewGraph(nil, nil); err != nil || g.Len() != 0 {
		t.Errorf("the empty graph: %v", err)
	}
}

func TestSetsCompareByMembers(t *testing.T) {
	t.Parallel()
	a, b := NewSet(64), NewSet(200)
	a.Add(63)
	b.Add(63)
	if !a.Equal(b) || !b.Equal(a) || a.Len() != 1 || a.Has(64) || a.Has(-1) || Set(nil).Has(0) {
		t.Error("sets with the same member differ")
	}
	if b.Add(199); a.Equal(b) || b.Equal(a) {
		t.Error("sets with different members are equal")
	}
	for i := range b.All() {
		if i != 63 {
			t.Errorf("first member is %d, want 63", i)
		}
		break
	}
}

// mesh returns a connected graph of n nodes with about degree edges each, and few different costs.
func mesh(n, degree int) [][]Edge {
	rnd := rand.New(rand.NewPCG(1, 2))
	edges := make([][]Edge, n)
	link := func(a, b int) {
		cost := 1 + rnd.IntN(5)
		edges[a], edges[b] = append(edges[a], Edge{b, cost}), append(edges[b], Edge{a, cost})
	}
	for i := 1; i < n; i++ {
		link(i, rnd.IntN(i))
	}
	for range n * (degree - 2) / 2 {
		link(rnd.IntN(n), rnd.IntN(n))
	}
	return edges
}

func BenchmarkPaths(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		edges := mesh(n, 6)
		g := graph(b, edges, nil)
		hub := 0
		for i := range edges {
			if len(edges[i]) > len(edges[hub]) {
				hub = i
			}
		}
		b.Run(fmt.Sprintf("new/%d", n), func(b *testing.B) {
			for b.Loop() {
				graph(b, edges, nil)
			}
		})
		b.Run(fmt.Sprintf("tree/%d", n), func(b *testing.B) {
			for b.Loop() {
				g.Tree(hub).NextHops()
			}
		})
		b.Run(fmt.Sprintf("equalcost/%d", n), func(b *testing.B) {
			t := g.Tree(hub)
			for b.Loop() {
				g.EqualCost(t)
			}
		})
		b.Run(fmt.Sprintf("alternates/%d", n), func(b *testing.B) {
			t := g.Tree(hub)
			equal := g.EqualCost(t)
			for b.Loop() {
				a := g.Alternates(t, equal, nil)
				for dest := range edges {
					for next := range equal[dest].All() {
						a.For(dest, next)
					}
				}
			}
		})
		b.Run(fmt.Sprintf("disjoint/%d", n), func(b *testing.B) {
			for b.Loop() {
				g.Disjoint(hub, n-1)
			}
		})
		b.Run(fmt.Sprintf("connectivity/%d", n), func(b *testing.B) {
			all := NewSet(n)
			for i := range n {
				all.Add(i)
			}
			for b.Loop() {
				g.Connectivity(all, 3)
			}
		})
		b.Run(fmt.Sprintf("origins/hub/%d", n), func(b *testing.B) {
			for b.Loop() {
				g.ValidOrigins(hub)
			}
		})
		b.Run(fmt.Sprintf("origins/last/%d", n), func(b *testing.B) {
			for b.Loop() {
				g.ValidOrigins(n - 1)
			}
		})
	}
}
