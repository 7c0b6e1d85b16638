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

const smallestRing = 16

// add puts a delivery under an id, which must be at or after every id added before.
func (t *serialTable) add(id uint32, d DeliveryID) {
	if t.live == 0 {
		t.base, t.next = id, id
	}
	for int(id-t.base) >= len(t.ring) {
		t.makeRoom()
	}
	t.clearTo(id)
	t.ring[id&uint32(len(t.ring)-1)] = d
	t.next = id + 1
	t.live++
}

// clearTo empties the slots between the highest id and id, which were never added.
func (t *serialTable) clearTo(id uint32) {
	for t.next != id {
		t.ring[t.next&uint32(len(t.ring)-1)] = None
		t.next++
	}
}

// makeRoom doubles a ring that is well used, and moves the oldest entry out of one that is not.
func (t *serialTable) makeRoom() {
	if len(t.ring) == 0 || t.live*2 >= len(t.ring) {
		bigger := make([]DeliveryID, max(smallestRing, 2*len(t.ring)))
		for i := range bigger {
			bigger[i] = None
		}
		for id := t.base; id != t.next; id++ {
			bigger[id&uint32(len(bigger)-1)] = t.ring[id&uint32(len(t.ring)-1)]
		}
		t.ring = bigger
		return
	}
	if t.old == nil {
		t.old = make(map[uint32]DeliveryID)
	}
	slot := &t.ring[t.base&uint32(len(t.ring)-1)]
	t.old[t.base] = *slot
	*slot = None
	t.live--
	t.base++
	t.skip()
}

// skip moves the base past empty slots.
func (t *serialTable) skip() {
	for t.base != t.next && t.ring[t.base&uint32(len(t.ring)-1)] == None {
		t.base++
	}
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
	if id-t.base < t.next-t.base {
		slot := &t.ring[id&uint32(len(t.ring)-1)]
		if *slot != None {
			*slot = None
			t.live--
			t.skip()
			if t.live == 0 && len(t.ring) > 1024 {
				t.ring = nil // a burst is over: give its memory back
				t.base, t.next = 0, 0
			}
		}
		return
	}
	delete(t.old, id)
}

// each calls f for every live delivery whose id lies in first…last (serial numbers, inclusive), in order within the
// ring; f may remove the id it is called with. The work is bounded by the number of live deliveries and the ring, not
// by the range.
func (t *serialTable) each(first, last uint32, f func(id uint32, d DeliveryID)) {
	for id, d := range t.old {
		if id-first <= last-first {
			f(id, d)
		}
	}
	from, to := t.base, t.next
	if first-t.base < t.next-t.base {
		from = first
	}
	for id := from; id != to && len(t.ring) > 0; id++ {
		if last-first < id-first {
			if id-first < 1<<31 {
				break // past the end of the range
			}
			continue // before its beginning
		}
		if d := t.ring[id&uint32(len(t.ring)-1)]; d != None {
			f(id, d)
		}
	}
}
