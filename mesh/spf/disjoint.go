package spf

import (
	"container/heap"
	"math"
	"slices"
)

// Pair is two paths between the same nodes that have as little in common as possible, with the lowest sum of costs
// that two such paths can have. A path lists its nodes, both ends included.
type Pair struct {
	First, Second         []int // First is not dearer than Second; nil where there is none
	FirstCost, SecondCost int
	// Nodes says that the paths have no node in common but their ends. Otherwise they have no edge in common; then the
	// network has no two paths without a common node.
	Nodes bool
}

// Disjoint returns a pair of disjoint paths from one node to another: without a common node if there are such, else
// without a common edge, else the cheapest path alone, else nothing. An edge and the one that leads back are never in
// different paths. (Suurballe's algorithm: two rounds of Dijkstra's with reduced costs.)
func (g *Graph) Disjoint(from, to int) Pair {
	if from == to {
		return Pair{}
	}
	for _, nodes := range []bool{true, false} {
		f := g.flow(nodes)
		count := 0
		for count < 2 && f.augment(f.out(int(g.rank[from])), f.in(int(g.rank[to]))) {
			count++
		}
		if count == 0 {
			return Pair{}
		}
		if count == 2 || !nodes {
			p := Pair{Nodes: nodes && count == 2}
			p.First, p.FirstCost = f.path(g, from, to)
			if count == 2 {
				p.Second, p.SecondCost = f.path(g, from, to)
				if p.SecondCost < p.FirstCost {
					p.First, p.Second, p.FirstCost, p.SecondCost = p.Second, p.First, p.SecondCost, p.FirstCost
				}
			}
			return p
		}
	}
	return Pair{}
}

// flow is a network in which every edge, and when split every node, carries one unit at most. Vertices are ranks, or
// twice the rank for where edges come in and one more for where they go out. Arc i^1 is the way back of arc i.
type flow struct {
	split     bool
	first     []int32 // by vertex: its first arc, -1 for none
	next      []int32 // by arc: the next one of the same vertex
	to        []int32
	cost      []int64
	room      []int8
	potential []int64
	distance  []int64
	by        []int32 // the arc by which a vertex was reached
}

const far = math.MaxInt64

func (g *Graph) flow(split bool) *flow {
	n := g.Len()
	f := &flow{split: split}
	vertices := n
	if split {
		vertices *= 2
	}
	f.first = slices.Repeat([]int32{-1}, vertices)
	f.potential, f.distance, f.by = make([]int64, vertices), make([]int64, vertices), make([]int32, vertices)
	if split {
		for r := range n {
			f.add(f.in(r), f.out(r), 0)
		}
	}
	cheapest := make(map[int32]int32)
	for r := range int32(n) {
		clear(cheapest)
		to, cost := g.edges(r)
		for i, w := range to {
			if c, ok := cheapest[w]; !ok || cost[i] < c {
				cheapest[w] = cost[i]
			}
		}
		for _, w := range to {
			if c, ok := cheapest[w]; ok {
				f.add(f.out(int(r)), f.in(int(w)), int64(c))
				delete(cheapest, w)
			}
		}
	}
	return f
}

func (f *flow) in(rank int) int32 {
	if f.split {
		return int32(2 * rank)
	}
	return int32(rank)
}

func (f *flow) out(rank int) int32 {
	if f.split {
		return int32(2*rank + 1)
	}
	return int32(rank)
}

func (f *flow) rank(vertex int32) int32 {
	if f.split {
		return vertex / 2
	}
	return vertex
}

func (f *flow) add(from, to int32, cost int64) {
	arc := int32(len(f.to))
	f.to = append(f.to, to, from)
	f.cost = append(f.cost, cost, -cost)
	f.room = append(f.room, 1, 0)
	f.next = append(f.next, f.first[from], f.first[to])
	f.first[from], f.first[to] = arc, arc+1
}

// augment sends one more unit by the cheapest way, and reports whether there was one.
func (f *flow) augment(from, to int32) bool {
	for v := range f.distance {
		f.distance[v], f.by[v] = far, -1
	}
	f.distance[from] = 0
	queue := &vertexQueue{{0, from}}
	for queue.Len() > 0 {
		e := heap.Pop(queue).(vertexEntry)
		if e.distance > f.distance[e.vertex] {
			continue
		}
		for a := f.first[e.vertex]; a >= 0; a = f.next[a] {
			w := f.to[a]
			if f.room[a] == 0 {
				continue
			}
			// Never negative: potentials are the costs of the last round.
			d := e.distance + f.cost[a] + f.potential[e.vertex] - f.potential[w]
			if d < f.distance[w] {
				f.distance[w], f.by[w] = d, a
				heap.Push(queue, vertexEntry{d, w})
			}
		}
	}
	if f.distance[to] == far {
		return false
	}
	for v, d := range f.distance {
		f.potential[v] += min(d, f.distance[to])
	}
	for v := to; v != from; v = f.to[f.by[v]^1] {
		f.room[f.by[v]]--
		f.room[f.by[v]^1]++
	}
	return true
}

// path takes one path out of the flow.
func (f *flow) path(g *Graph, from, to int) ([]int, int) {
	nodes, cost := []int{from}, int64(0)
	for v, end := f.out(int(g.rank[from])), f.in(int(g.rank[to])); v != end; {
		for a := f.first[v]; a >= 0; a = f.next[a] {
			if a&1 == 0 && f.room[a] == 0 {
				f.room[a] = 1
				cost += f.cost[a]
				if f.rank(f.to[a]) != f.rank(v) {
					nodes = append(nodes, int(g.node[f.rank(f.to[a])]))
				}
				v = f.to[a]
				break
			}
		}
	}
	return nodes, int(cost)
}

type vertexEntry struct {
	distance int64
	vertex   int32
}

type vertexQueue []vertexEntry

func (q vertexQueue) Len() int           { return len(q) }
func (q vertexQueue) Less(i, j int) bool { return q[i].distance < q[j].distance }
func (q vertexQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *vertexQueue) Push(x any)        { *q = append(*q, x.(vertexEntry)) }
func (q *vertexQueue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}
