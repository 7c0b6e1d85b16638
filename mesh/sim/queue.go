package sim

import "time"

// occurrence is something that will happen: a message arrives, a router's deadline comes, or a step of the story.
type occurrence struct {
	cable   *Cable // a message on this cable …
	life    int    // … in this life of it …
	from    int    // … from this end
	payload []byte

	router *Router // a deadline of this router …
	crash  int     // … in this life of it

	step func()
}

// queue holds what will happen. What happens at the same time happens in the order in which it was put in. The heap has
// small entries without pointers, which say where in the store the occurrences are.
type queue struct {
	heap  []moment
	store []occurrence
	free  []int32
	count uint64
}

type moment struct {
	at    time.Duration // since the world began
	order uint64
	place int32
}

func (a *moment) before(b *moment) bool { return a.at < b.at || a.at == b.at && a.order < b.order }

func (q *queue) put(at time.Duration, o occurrence) {
	place := int32(len(q.store))
	if last := len(q.free) - 1; last >= 0 {
		place, q.free = q.free[last], q.free[:last]
		q.store[place] = o
	} else {
		q.store = append(q.store, o)
	}
	q.count++
	m := moment{at, q.count, place}
	h := append(q.heap, m)
	i := len(h) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !m.before(&h[parent]) {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i] = m
	q.heap = h
}

// take removes and returns what happens first, if that is not after end.
func (q *queue) take(end time.Duration) (at time.Duration, o occurrence, ok bool) {
	h := q.heap
	if len(h) == 0 || h[0].at > end {
		return 0, occurrence{}, false
	}
	top, last := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	q.heap = h
	o = q.store[top.place]
	q.store[top.place] = occurrence{}
	q.free = append(q.free, top.place)
	i := 0
	for {
		c := 2*i + 1
		if c >= len(h) {
			break
		}
		if c+1 < len(h) && h[c+1].before(&h[c]) {
			c++
		}
		if !h[c].before(&last) {
			break
		}
		h[i] = h[c]
		i = c
	}
	if len(h) > 0 {
		h[i] = last
	}
	return top.at, o, true
}
