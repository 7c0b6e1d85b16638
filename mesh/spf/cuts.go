package spf

import "slices"

// The questions of this file are about connections: two nodes have one if each has an edge to the other.

// Without returns the graph without some of its nodes, which stay as numbers that no edge leads to or from, and without
// the edges between some pairs of nodes, in both directions.
func (g *Graph) Without(nodes Set, pairs [][2]int) *Graph {
	h := &Graph{node: g.node, rank: g.rank, first: make([]int32, len(g.first))}
	for r, node := range g.node {
		to, cost := g.edges(int32(r))
		for i, w := range to {
			a, b := int(node), int(g.node[w])
			if nodes.Has(a) || nodes.Has(b) || slices.Contains(pairs, [2]int{a, b}) || slices.Contains(pairs, [2]int{b, a}) {
				continue
			}
			h.to, h.cost = append(h.to, w), append(h.cost, cost[i])
		}
		h.first[r+1] = int32(len(h.to))
	}
	return h
}

// connections returns for each node its neighbors in ascending order, each once.
func (g *Graph) connections() [][]int {
	has := make([][]int, g.Len())
	for r, node := range g.node {
		to, _ := g.edges(int32(r))
		for _, w := range to {
			has[node] = append(has[node], int(g.node[w]))
		}
	}
	for i := range has {
		slices.Sort(has[i])
		has[i] = slices.Compact(has[i])
	}
	both := make([][]int, len(has))
	for i := range has {
		for _, j := range has[i] {
			if _, found := slices.BinarySearch(has[j], i); found {
				both[i] = append(both[i], j)
			}
		}
	}
	return both
}

// Components returns for each node the lowest number of the nodes that it is connected with, its own one included.
func (g *Graph) Components() []int {
	conns := g.connections()
	of := slices.Repeat([]int{None}, len(conns))
	for i := range conns {
		if of[i] != None {
			continue
		}
		of[i] = i
		for queue := []int{i}; len(queue) > 0; {
			v := queue[len(queue)-1]
			queue = queue[:len(queue)-1]
			for _, w := range conns[v] {
				if of[w] == None {
					of[w] = i
					queue = append(queue, w)
				}
			}
		}
	}
	return of
}

// Cuts is what a network cannot lose without falling into more pieces than it has.
type Cuts struct {
	Nodes []int    // in ascending order
	Pairs [][2]int // connections, the lower number first, in ascending order
}

// Cuts returns the single nodes and connections whose loss would separate others. (Tarjan's lowpoints, without
// recursion.)
func (g *Graph) Cuts() Cuts {
	conns := g.connections()
	n := len(conns)
	order, low, parent, at := make([]int, n), make([]int, n), slices.Repeat([]int{None}, n), make([]int, n)
	cut := NewSet(n)
	var c Cuts
	count := 0
	for root := range conns {
		if order[root] != 0 {
			continue
		}
		children := 0
		count++
		order[root], low[root] = count, count
		for v := root; v != None; {
			if at[v] == len(conns[v]) { // done with v
				p := parent[v]
				if p != None {
					low[p] = min(low[p], low[v])
					if low[v] > order[p] {
						c.Pairs = append(c.Pairs, [2]int{min(p, v), max(p, v)})
					}
					if p == root {
						children++
					} else if low[v] >= order[p] {
						cut.Add(p)
					}
				}
				v = p
				continue
			}
			w := conns[v][at[v]]
			at[v]++
			switch {
			case order[w] == 0:
				count++
				order[w], low[w], parent[w] = count, count, v
				v = w
			case w != parent[v]:
				low[v] = min(low[v], order[w])
			}
		}
		if children > 1 {
			cut.Add(root)
		}
	}
	c.Nodes = slices.Collect(cut.All())
	slices.SortFunc(c.Pairs, func(a, b [2]int) int { return slices.Compare(a[:], b[:]) })
	return c
}

// Between returns how many paths there are at most between two nodes that have no node in common but these, counting
// up to limit.
func (g *Graph) Between(a, b, limit int) int {
	if a == b {
		return limit
	}
	return g.mutual().between(a, b, limit)
}

func (g *Graph) between(a, b, limit int) int {
	f := g.flow(true)
	count := 0
	for count < limit && f.augment(f.out(int(g.rank[a])), f.in(int(g.rank[b]))) {
		count++
	}
	return count
}

// mutual returns the graph of the connections, each with cost 1 in both directions.
func (g *Graph) mutual() *Graph {
	conns := g.connections()
	edges, ranks := make([][]Edge, len(conns)), make([]int, len(conns))
	for i, c := range conns {
		ranks[i] = int(g.rank[i])
		for _, j := range c {
			edges[i] = append(edges[i], Edge{j, 1})
		}
	}
	m, _ := NewGraph(edges, ranks) // of a graph that is one
	return m
}

// Connectivity returns how many of the given nodes have to go at least before two of the others cannot reach each other
// by way of given nodes any more, counting up to limit. It is one less than there are nodes where each is connected with
// each.
func (g *Graph) Connectivity(nodes Set, limit int) int {
	var members []int
	rest := NewSet(g.Len())
	for i := range g.Len() {
		if nodes.Has(i) {
			members = append(members, i)
		} else {
			rest.Add(i)
		}
	}
	if len(members) < 2 {
		return 0
	}
	m := g.Without(rest, nil).mutual()
	conns := m.connections()
	k := min(limit, len(members)-1)
	least := members[0]
	for _, v := range members {
		if len(conns[v]) < len(conns[least]) {
			least = v
		}
	}
	// Either the node with the fewest connections survives the smallest cut, and is separated from another one; or it is
	// in the cut, and two of its neighbors are separated (Esfahanian and Hakimi).
	k = min(k, len(conns[least]))
	for _, v := range members {
		if v != least && !slices.Contains(conns[least], v) {
			k = min(k, m.between(least, v, k))
		}
	}
	for i, v := range conns[least] {
		for _, w := range conns[least][:i] {
			if !slices.Contains(conns[v], w) {
				k = min(k, m.between(v, w, k))
			}
		}
	}
	return k
}
