package spf

import "math/bits"

// A wave runs Dijkstra's algorithm from up to 64 origins at once. What is done at a node is done together for all
// origins that are equally far from it, one bit for each, and in most meshes a few costs are all that occurs: so it takes
// hardly longer than a run from one origin.
//
// The order is that of the algorithm: by cost, then by rank. So of several cheapest paths to a node each origin finds the
// one that it finds alone: whose last node but one is settled first.
type wave struct {
	graph   *Graph
	self    int32
	origins []int // by bit: the node
	seen    []uint64
	cost    int64              // of the level that is worked on
	window  [windowSize]*level // those that follow, by cost modulo windowSize
	live    int                // levels in the window
	far     []farOffer         // a heap: what is beyond the window
	pushed  int                // offers that were put into far
	open    int                // slots with a path through self
	nearest [waveOrigins]int64 // by bit: what the cheapest path to self costs that was found so far …
	before  [waveOrigins]int32 // … and its last node but one, by rank
	free    []*level
}

const (
	waveOrigins = 64
	windowSize  = 256 // levels of costs that are kept in an array
)

// narrowCost is the highest cost that counts as one of few, and wideShare the part of the edges that may cost more.
const (
	narrowCost = 64
	wideShare  = 8
)

// isNarrow reports whether few enough costs occur in the graph that a wave is quicker than a run from each origin.
func (g *Graph) isNarrow() bool {
	wide := 0
	for _, c := range g.cost {
		if c > narrowCost {
			wide++
		}
	}
	return wide*wideShare <= len(g.cost)
}

// level is what has been offered at one cost.
type level struct {
	slots []slot // by rank
	ranks Set    // those that have something in their slot
}

// slot has the origins that reach a node at one cost, and those of them whose path leads through self.
type slot struct{ origins, through uint64 }

// farOffer is an offer at a cost beyond the window.
type farOffer struct {
	cost  int64
	order int // of those at the same cost
	rank  int32
	slot  slot
}

func (a *farOffer) sooner(b *farOffer) bool {
	return a.cost < b.cost || a.cost == b.cost && a.order < b.order
}

func newWave(g *Graph, self int32) *wave {
	return &wave{graph: g, self: self, seen: make([]uint64, g.Len())}
}

// run goes from the origins, which self must not be one of, until all that lies behind self is known. Behind is called for
// each node and the origins whose path to it leads through self; an origin has its bit at its place in origins.
func (w *wave) run(origins []int, behind func(node int, origins uint64)) {
	clear(w.seen)
	w.cost, w.origins = 0, origins
	all := ^uint64(0) >> (waveOrigins - len(origins))
	for bit, origin := range origins {
		w.nearest[bit], w.before[bit] = -1, None
		w.put(0, w.graph.rank[origin], slot{origins: 1 << bit})
	}
	for w.seen[w.self] != all || w.open > 0 {
		l := w.next()
		if l == nil {
			return
		}
		w.spread(l, behind)
	}
	w.far, w.open = w.far[:0], 0
	for w.next() != nil { // nothing of what is left matters
		l := w.take()
		for r := range l.ranks.All() {
			l.slots[r] = slot{}
		}
		w.release(l)
	}
}

// next returns the level of the lowest cost, and makes its cost the current one; nil if there is none.
func (w *wave) next() *level {
	if w.live == 0 {
		if len(w.far) == 0 {
			return nil
		}
		w.cost = w.far[0].cost
	}
	for {
		for len(w.far) > 0 && w.far[0].cost < w.cost+windowSize { // before any nearer node can offer the same cost
			o := w.popFar()
			w.put(o.cost, o.rank, o.slot)
		}
		if l := w.window[w.cost%windowSize]; l != nil {
			return l
		}
		w.cost++
	}
}

// take removes the current level from the window.
func (w *wave) take() *level {
	l := w.window[w.cost%windowSize]
	w.window[w.cost%windowSize] = nil
	w.live--
	return l
}

func (w *wave) release(l *level) {
	clear(l.ranks)
	w.free = append(w.free, l)
}

// spread settles what is offered at the current level.
func (w *wave) spread(l *level, behind func(node int, origins uint64)) {
	w.take()
	g := w.graph
	for word := range l.ranks {
		for b := l.ranks[word]; b != 0; b &= b - 1 {
			r := int32(word<<6 + bits.TrailingZeros64(b))
			s := l.slots[r]
			l.slots[r] = slot{}
			if s.through != 0 {
				w.open--
			}
			news := s.origins &^ w.seen[r]
			if news == 0 {
				continue
			}
			w.seen[r] |= news
			through := s.through & news
			if r == w.self {
				through = news
			} else if through != 0 {
				behind(int(g.node[r]), through)
			}
			to, cost := g.edges(r)
			for i, v := range to {
				if offer := news &^ w.seen[v]; offer != 0 {
					w.offer(r, v, w.cost+int64(cost[i]), slot{offer, through & offer})
				}
			}
		}
	}
	w.release(l)
}

// offer proposes paths to v whose last node but one is u.
func (w *wave) offer(u, v int32, cost int64, s slot) {
	if v == w.self {
		for b := s.origins; b != 0; b &= b - 1 {
			bit := bits.TrailingZeros64(b)
			if w.nearest[bit] < 0 || cost < w.nearest[bit] {
				w.nearest[bit], w.before[bit] = cost, u
			}
		}
	}
	if cost < w.cost+windowSize {
		w.put(cost, v, s)
	} else {
		w.pushFar(farOffer{cost: cost, order: w.pushed, rank: v, slot: s})
	}
}

// put enters an offer that lies in the window. What was offered to the node at the same cost before has precedence.
func (w *wave) put(cost int64, r int32, s slot) {
	l := w.window[cost%windowSize]
	if l == nil {
		l = w.level()
		w.window[cost%windowSize] = l
		w.live++
	}
	have := &l.slots[r]
	if have.origins == 0 {
		l.ranks.Add(int(r))
	}
	s.through &^= have.origins
	if have.through == 0 && s.through != 0 {
		w.open++
	}
	have.origins |= s.origins
	have.through |= s.through
}

func (w *wave) level() *level {
	if last := len(w.free) - 1; last >= 0 {
		l := w.free[last]
		w.free = w.free[:last]
		return l
	}
	n := w.graph.Len()
	return &level{slots: make([]slot, n), ranks: NewSet(n)}
}

func (w *wave) pushFar(o farOffer) {
	w.pushed++
	if o.slot.through != 0 {
		w.open++ // it is counted again when it comes into the window, and so not here any more
	}
	q := append(w.far, o)
	i := len(q) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !o.sooner(&q[parent]) {
			break
		}
		q[i] = q[parent]
		i = parent
	}
	q[i] = o
	w.far = q
}

func (w *wave) popFar() farOffer {
	top, last := w.far[0], w.far[len(w.far)-1]
	q := w.far[:len(w.far)-1]
	w.far = q
	if top.slot.through != 0 {
		w.open--
	}
	if len(q) == 0 {
		return top
	}
	i := 0
	for {
		c := 2*i + 1
		if c >= len(q) {
			break
		}
		if c+1 < len(q) && q[c+1].sooner(&q[c]) {
			c++
		}
		if !q[c].sooner(&last) {
			break
		}
		q[i] = q[c]
		i = c
	}
	q[i] = last
	return top
}

// reached returns the last node before self on the path of the origin with the bit, None if there is no path.
func (w *wave) reached(bit int) int {
	if r := w.before[bit]; r != None {
		return int(w.graph.node[r])
	}
	return None
}
