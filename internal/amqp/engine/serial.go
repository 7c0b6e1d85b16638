package engine

// serialTable maps the delivery-ids of one session and direction to live deliveries. Delivery-ids are serial numbers
// (RFC 1982) given in sequence [2.8.8], so a ring of slots indexed by them is enough. When a few old deliveries stay
// while many new ones pass, the old ones move to a map: memory follows the number of live deliveries, not the distance
// between the oldest and the newest.
type serialTable struct {
	ring []DeliveryID // length a power of two; slot of id is id & (len-1)
	base uint32       // lowest id the ring covers
	next uint32       // one past the highest id the ring covers
	live int          // used slots of the ring
	old  map[uint32]DeliveryID
}

const (
	smallestRing = 16
	keptRing     = 1024 // slots of a ring that is not made smaller
)

// add puts a delivery under an id, which must be after every id added before.
func (t *serialTable) add(id uint32, d DeliveryID) {
	for {
		if t.live == 0 {
			t.base, t.next = id, id
		}
		if id-t.base < uint32(len(t.ring)) {
			break
		}
		t.makeRoom()
	}
	t.ring[id&uint32(len(t.ring)-1)] = d // the slots that are jumped over are None, like all that are not live
	t.next = id + 1
	t.live++
}

// makeRoom doubles a ring that is well used, and moves the oldest entry out of one that is not.
func (t *serialTable) makeRoom() {
	if len(t.ring) == 0 || t.live*2 >= len(t.ring) {
		t.resize(max(smallestRing, 2*len(t.ring)))
		return
	}
	t.evict()
}

// resize moves the entries to a ring of n slots, which must cover base to next.
func (t *serialTable) resize(n int) {
	ring := make([]DeliveryID, n)
	for i := range ring {
		ring[i] = None
	}
	for id := t.base; id != t.next; id++ {
		ring[id&uint32(n-1)] = t.ring[id&uint32(len(t.ring)-1)]
	}
	t.ring = ring
}

// evict moves the oldest entry of the ring, which has one, to the map.
func (t *serialTable) evict() {
	if t.old == nil {
		t.old = make(map[uint32]DeliveryID)
	}
	slot := &t.ring[t.base&uint32(len(t.ring)-1)]
	t.old[t.base] = *slot
	*slot = None
	t.live--
	t.skip()
}

// skip moves the base past empty slots.
func (t *serialTable) skip() {
	for t.base != t.next && t.ring[t.base&uint32(len(t.ring)-1)] == None {
		t.base++
	}
}

// shrink gives back the memory of a ring that is nearly empty after a burst.
func (t *serialTable) shrink() {
	if len(t.ring) <= keptRing || t.live > len(t.ring)/8 {
		return
	}
	if t.live == 0 {
		t.ring, t.base, t.next = nil, 0, 0
		return
	}
	n := keptRing
	for n < 4*t.live {
		n *= 2
	}
	for t.next-t.base > uint32(n) {
		t.evict()
	}
	t.resize(n)
}

// get returns the delivery of an id, or None.
func (t *serialTable) get(id uint32) DeliveryID {
	if id-t.base < t.next-t.base {
		return t.ring[id&uint32(len(t.ring)-1)]
	}
	if d, ok := t.old[id]; ok {
		return d
	}
	return None
}

// remove takes an id out.
func (t *serialTable) remove(id uint32) {
	if id-t.base >= t.next-t.base {
		delete(t.old, id)
		if len(t.old) == 0 {
			t.old = nil
		}
		return
	}
	slot := &t.ring[id&uint32(len(t.ring)-1)]
	if *slot == None {
		return
	}
	*slot = None
	t.live--
	t.skip()
	if t.live == 0 {
		t.shrink()
	}
}

// each calls f for every live delivery whose id lies in first…last, which are serial numbers, inclusive and less than
// 2^31 apart; those in the ring in order. f may remove the id it is called with, and nothing else. The work is bounded
// by the number of live deliveries, not by the range.
func (t *serialTable) each(first, last uint32, f func(id uint32, d DeliveryID)) {
	span := last - first
	if uint64(span) < uint64(len(t.old)) {
		for id := first; id != last+1; id++ {
			if d, ok := t.old[id]; ok {
				f(id, d)
			}
		}
	} else {
		for id, d := range t.old {
			if id-first <= span {
				f(id, d)
			}
		}
	}
	from, to := t.base, t.next
	if first-t.base < t.next-t.base {
		from = first
	}
	for id := from; id != to && id-first <= span && len(t.ring) > 0; id++ {
		if d := t.ring[id&uint32(len(t.ring)-1)]; d != None {
			f(id, d)
		}
	}
	t.shrink()
}
