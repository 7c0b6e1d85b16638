package spf

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// bothWays adds to each edge one that leads back, at the same cost or another.
func bothWays(t *rapid.T, edges [][]Edge) {
	for i := range edges {
		for _, e := range slices.Clone(edges[i]) {
			if !slices.ContainsFunc(edges[e.To], func(b Edge) bool { return b.To == i }) {
				edges[e.To] = append(edges[e.To], Edge{i, rapid.IntRange(1, 4).Draw(t, "cost back")})
			}
		}
	}
}

// routes are the first hops and alternates of every node.
type routes struct {
	trees      []*Tree
	equal      [][]Set
	alternates []*Alternates
}

func allRoutes(g *Graph, avoid Set) routes {
	var r routes
	for v := range g.Len() {
		t := g.Tree(v)
		equal := g.EqualCost(t)
		r.trees, r.equal = append(r.trees, t), append(r.equal, equal)
		r.alternates = append(r.alternates, g.Alternates(t, equal, avoid))
	}
	return r
}

// follow takes a message by every way that routers may choose to dest, after the connection between a and b has gone and
// before anybody has computed anything. It calls lost where a node has no alternate.
func (r routes) follow(t *rapid.T, way []int, dest, a, b int, lost func(at int)) {
	at := way[len(way)-1]
	if at == dest {
		return
	}
	if len(way) > len(r.trees) {
		t.Fatalf("the way %v to %d is a loop without %d-%d", way, dest, a, b)
	}
	for next := range r.equal[at][dest].All() {
		if at == a && next == b || at == b && next == a {
			x := r.alternates[at].For(dest, next)
			if x.Via == None {
				lost(at)
				continue
			}
			next = x.Via
		}
		r.follow(t, append(slices.Clone(way), next), dest, a, b, lost)
	}
}

func TestAlternatesNeverLoopWhateverConnectionGoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		edges, ranks := draw(t)
		bothWays(t, edges)
		r := allRoutes(graph(t, edges, ranks), nil)
		for a := range edges {
			for _, e := range edges[a] {
				for from := range edges {
					for dest := range edges {
						if r.trees[from].Cost[dest] != Unreachable {
							r.follow(t, []int{from}, dest, a, e.To, func(int) {})
						}
					}
				}
			}
		}
	})
}

// Node alternates keep clear of the lost node by every way that routers may choose, and need no second alternate.
func TestNodeProtectingAlternatesAvoidTheLostNode(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		edges, ranks := draw(t)
		bothWays(t, edges)
		r := allRoutes(graph(t, edges, ranks), nil)
		for s := range edges {
			for dest := range edges {
				if dest == s || r.trees[s].Cost[dest] == Unreachable {
					continue
				}
				for next := range r.equal[s][dest].All() {
					x := r.alternates[s].For(dest, next)
					if x.Via == None || !x.Node {
						continue
					}
					var visit func(at int)
					visit = func(at int) {
						if at == next || at == s {
							t.Fatalf("alternate %d of %d to %d by %d comes to %d", x.Via, s, dest, next, at)
						}
						for n := range r.equal[at][dest].All() {
							visit(n)
						}
					}
					visit(x.Via)
				}
			}
		}
	})
}

// There is an alternate whenever a neighbor exists whose cheapest paths do not come back, by costs that another
// algorithm computed; it protects the node whenever one does; and it is the cheapest of the best kind.
func TestAlternateIsFoundWheneverThereIsOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		edges, ranks := draw(t)
		avoid := NewSet(len(edges))
		for i := range edges {
			if rapid.IntRange(0, 5).Draw(t, "leaves") == 0 {
				avoid.Add(i)
			}
		}
		g := graph(t, edges, ranks)
		r := allRoutes(g, avoid)
		cost := make([][]int, len(edges))
		for v := range edges {
			cost[v] = bellmanFord(edges, v)
		}
		less := func(a, b int) bool { return a != Unreachable && (b == Unreachable || a < b) }
		sum := func(a, b int) int {
			if a == Unreachable || b == Unreachable {
				return Unreachable
			}
			return a + b
		}
		for s := range edges {
			for dest := range edges {
				for next := range r.equal[s][dest].All() {
					want := Alternate{Via: None}
					for _, e := range edges[s] {
						n := e.To
						if n == s || n == next || n != dest && avoid.Has(n) ||
							!less(cost[n][dest], sum(cost[n][s], cost[s][dest])) {
							continue
						}
						x := Alternate{n, dest != next && less(cost[n][dest], sum(cost[n][next], cost[next][dest])),
							cost[n][dest] < cost[s][dest], e.Cost + cost[n][dest]}
						if want.Via == None || x.better(want) {
							want = x
						}
					}
					got := r.alternates[s].For(dest, next)
					if got.Via == None != (want.Via == None) || want.better(got) || got.better(want) {
						t.Fatalf("%d to %d by %d: %+v, want one as good as %+v", s, dest, next, got, want)
					}
				}
			}
		}
	})
}

func TestLeavesAreAlternatesForThemselvesOnly(t *testing.T) {
	t.Parallel()
	// Nodes 1, 2, 3 hang on 0; the way to 3 by 1 is cheaper than the direct one.
	edges := [][]Edge{{{1, 1}, {2, 1}, {3, 5}}, {{0, 1}, {3, 1}}, {{0, 1}}, {{0, 5}}}
	g := graph(t, edges, nil)
	own := g.Tree(0)
	a := g.Alternates(own, g.EqualCost(own), nil)
	if got, want := a.For(3, 1), (Alternate{Via: 3, Node: true, Downstream: true, Cost: 5}); got != want {
		t.Errorf("to 3 by 1: %+v, want %+v", got, want)
	}
	if got := a.For(1, 1); got.Via != None {
		t.Errorf("to 1: %+v, want none", got)
	}
}
