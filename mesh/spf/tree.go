package spf

import "math"

// None stands where there is no node: the predecessor of a root, the next hop to an unreachable node.
const None = -1

// Unreachable is the cost and the number of hops of a node to which no path leads.
const Unreachable = -1

// Tree holds the cheapest paths from one root to all nodes. Its slices are indexed by node.
type Tree struct {
	Root     int
	Cost     []int // 0 at the root, Unreachable where no path leads
	Hops     []int // edges on the path; 0 at the root, Unreachable where no path leads
	Previous []int // the node before the last on the path; None at the root and where no path leads

	settled []int // the nodes in the order in which they were settled, the root first
}

// Tree returns the cheapest paths from root. It takes O(e log e) for e edges.
func (g *Graph) Tree(root int) *Tree {
	n := g.Len()
	t := &Tree{Root: root, Cost: make([]int, n), Hops: make([]int, n), Previous: make([]int, n),
		settled: make([]int, 0, n)}
	for i := range n {
		t.Cost[i], t.Hops[i], t.Previous[i] = Unreachable, Unreachable, None
	}
	s := newSolver(g)
	s.begin(g.rank[root])
	for {
		r, ok := s.settle()
		if !ok {
			return t
		}
		v := int(g.node[r])
		t.settled = append(t.settled, v)
		t.Cost[v], t.Hops[v] = int(s.cost[r]), 0
		if p := s.previous[r]; p != None {
			u := int(g.node[p])
			t.Previous[v], t.Hops[v] = u, t.Hops[u]+1
		}
		to, cost := g.edges(r)
		for i, w := range to {
			s.offer(r, w, s.cost[r]+int64(cost[i]))
		}
	}
}

// NextHops returns for each node the first node behind the root on the path to it. It is None for the root itself and
// where no path leads.
func (t *Tree) NextHops() []int {
	next := make([]int, len(t.Cost))
	for i := range next {
		next[i] = None
	}
	for _, v := range t.settled {
		switch u := t.Previous[v]; u {
		case None:
		case t.Root:
			next[v] = v
		default:
			next[v] = next[u]
		}
	}
	return next
}

// Radius returns the greatest number of hops on a path of the tree.
func (t *Tree) Radius() int {
	radius := 0
	for _, h := range t.Hops {
		radius = max(radius, h)
	}
	return radius
}

// EqualCost returns for each node all the first nodes behind the root of t that lie on a cheapest path to it, not only
// on the one path of the tree. t must be a tree of g.
func (g *Graph) EqualCost(t *Tree) []Set {
	sets := newSets(g.Len(), g.Len())
	for _, u := range t.settled {
		to, cost := g.edges(g.rank[u])
		for i, r := range to {
			v := int(g.node[r])
			if t.Cost[v] != t.Cost[u]+int(cost[i]) {
				continue
			}
			if u == t.Root {
				sets[v].Add(v)
			} else {
				sets[v].union(sets[u])
			}
		}
	}
	return sets
}

// Forks returns the nodes to which several cheapest paths lead from the root of t, wherever they part. t must be a tree of
// g.
func (g *Graph) Forks(t *Tree) Set {
	forks, ways := NewSet(g.Len()), make([]int32, g.Len())
	for _, u := range t.settled {
		to, cost := g.edges(g.rank[u])
		for i, r := range to {
			v := int(g.node[r])
			if t.Cost[v] != t.Cost[u]+int(cost[i]) {
				continue
			}
			if ways[v]++; ways[v] > 1 || forks.Has(u) {
				forks.Add(v)
			}
		}
	}
	return forks
}

// solver is the state of one run of Dijkstra's algorithm, by rank. It can run many times.
type solver struct {
	cost     []int64
	previous []int32
	run      []int32 // the number of the run in which the node was reached last, negative once it is settled
	queue    []entry // a heap; entries that a cheaper one has replaced stay in it and are skipped
	current  int32   // number of this run
}

type entry struct {
	cost int64
	rank int32
}

func (a entry) before(b entry) bool { return a.cost < b.cost || a.cost == b.cost && a.rank < b.rank }

func newSolver(g *Graph) *solver {
	n := g.Len()
	return &solver{cost: make([]int64, n), previous: make([]int32, n), run: make([]int32, n)}
}

// costs returns the costs of the cheapest paths from root in the graph, by rank, Unreachable where none leads.
func (s *solver) costs(g *Graph, root int32) []int64 {
	costs := make([]int64, g.Len())
	for i := range costs {
		costs[i] = Unreachable
	}
	s.begin(root)
	for {
		r, ok := s.settle()
		if !ok {
			return costs
		}
		costs[r] = s.cost[r]
		to, cost := g.edges(r)
		for i, w := range to {
			s.offer(r, w, s.cost[r]+int64(cost[i]))
		}
	}
}

// begin starts a run from root.
func (s *solver) begin(root int32) {
	s.current++
	if s.current == math.MaxInt32 {
		clear(s.run)
		s.current = 1
	}
	s.queue = s.queue[:0]
	s.cost[root], s.previous[root], s.run[root] = 0, None, s.current
	s.push(entry{0, root})
}

// offer proposes a path to w whose last node but one is u. It reports whether the path is cheaper than those before.
func (s *solver) offer(u, w int32, cost int64) bool {
	switch s.run[w] {
	case -s.current:
		return false
	case s.current:
		if cost >= s.cost[w] {
			return false
		}
	}
	s.cost[w], s.previous[w], s.run[w] = cost, u, s.current
	s.push(entry{cost, w})
	return true
}

// settle returns the cheapest node that is not settled, lowest rank first, and settles it.
func (s *solver) settle() (int32, bool) {
	for len(s.queue) > 0 {
		e := s.pop()
		if s.run[e.rank] == s.current {
			s.run[e.rank] = -s.current
			return e.rank, true
		}
	}
	return 0, false
}

func (s *solver) push(e entry) {
	q := append(s.queue, e)
	i := len(q) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !e.before(q[parent]) {
			break
		}
		q[i] = q[parent]
		i = parent
	}
	q[i] = e
	s.queue = q
}

func (s *solver) pop() entry {
	q := s.queue
	top, last := q[0], q[len(q)-1]
	q = q[:len(q)-1]
	s.queue = q
	if len(q) == 0 {
		return top
	}
	i := 0
	for {
		c := 2*i + 1
		if c >= len(q) {
			break
		}
		if c+1 < len(q) && q[c+1].before(q[c]) {
			c++
		}
		if !q[c].before(last) {
			break
		}
		q[i] = q[c]
		i = c
	}
	q[i] = last
	return top
}
