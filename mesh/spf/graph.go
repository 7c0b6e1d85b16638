package spf

import (
	"fmt"
	"math"
	"slices"
)

// MaxCost is the highest cost of an edge, the highest that an AMQP int can carry.
const MaxCost = math.MaxInt32

// maxNodes keeps the cost of a path, at most maxNodes × MaxCost, inside an int64.
const maxNodes = 1 << 24

// Edge is one direction of a connection between two routers, as the router at its beginning reports it.
type Edge struct {
	To   int
	Cost int // 1 … MaxCost
}

// Graph is a set of nodes 0 … n−1 and directed edges between them. It is immutable and safe for concurrent use.
//
// Inside, nodes are numbered by rank, so that comparing two numbers is comparing two ids.
type Graph struct {
	node  []int32 // by rank
	rank  []int32 // by node
	first []int32 // by rank: where its edges begin in to and cost; one more at the end
	to    []int32 // ranks
	cost  []int32
}

// NewGraph returns a graph of len(edges) nodes, edges[i] being those that leave node i. The ranks order the nodes where
// costs are equal: rank[i] < rank[j] means that the id of i is lower. Nil ranks mean the order of the numbers.
//
// It is an error if ranks has another length or contains a rank twice, or if an edge leads nowhere or has a cost
// outside 1 … MaxCost. Of several edges to the same node the cheapest counts; edges to the node itself never count.
func NewGraph(edges [][]Edge, ranks []int) (*Graph, error) {
	n := len(edges)
	if n > maxNodes {
		return nil, fmt.Errorf("%d nodes: at most %d are possible", n, maxNodes)
	}
	g := &Graph{node: make([]int32, n), rank: make([]int32, n), first: make([]int32, n+1)}
	for i := range g.node {
		g.node[i] = int32(i)
	}
	if ranks != nil {
		if len(ranks) != n {
			return nil, fmt.Errorf("%d ranks for %d nodes: each node needs one", len(ranks), n)
		}
		slices.SortFunc(g.node, func(a, b int32) int { return ranks[a] - ranks[b] })
	}
	for r, node := range g.node {
		if ranks != nil && r > 0 && ranks[node] == ranks[g.node[r-1]] {
			return nil, fmt.Errorf("nodes %d and %d have the same rank %d", g.node[r-1], node, ranks[node])
		}
		g.rank[node] = int32(r)
	}
	total := 0
	for _, es := range edges {
		total += len(es)
	}
	g.to, g.cost = make([]int32, 0, total), make([]int32, 0, total)
	for r, node := range g.node {
		for _, e := range edges[node] {
			if e.To < 0 || e.To >= n {
				return nil, fmt.Errorf("edge from node %d to %d: there are nodes 0 … %d only", node, e.To, n-1)
			}
			if e.Cost < 1 || e.Cost > MaxCost {
				return nil, fmt.Errorf("edge from node %d to %d costs %d: must be 1 … %d", node, e.To, e.Cost, MaxCost)
			}
			if e.To == int(node) {
				continue
			}
			g.to = append(g.to, g.rank[e.To])
			g.cost = append(g.cost, int32(e.Cost))
		}
		g.first[r+1] = int32(len(g.to))
	}
	return g, nil
}

// Len returns the number of nodes.
func (g *Graph) Len() int { return len(g.node) }

// edges returns the targets and costs of the edges that leave the node of rank r.
func (g *Graph) edges(r int32) (to, cost []int32) {
	from, end := g.first[r], g.first[r+1]
	return g.to[from:end], g.cost[from:end]
}

// reversed returns the graph with all edges the other way round.
func (g *Graph) reversed() *Graph {
	n := g.Len()
	b := &Graph{node: g.node, rank: g.rank, first: make([]int32, n+1), to: make([]int32, len(g.to)),
		cost: make([]int32, len(g.cost))}
	for _, w := range g.to {
		b.first[w+1]++
	}
	for r := range n {
		b.first[r+1] += b.first[r]
	}
	next := slices.Clone(b.first[:n])
	for r := range int32(n) {
		to, cost := g.edges(r)
		for i, w := range to {
			b.to[next[w]], b.cost[next[w]] = r, cost[i]
			next[w]++
		}
	}
	return b
}
