package engine

import "slices"

// serialTable maps the delivery-ids of one session and direction to live deliveries. Delivery-ids are serial numbers
// (RFC 1982) given in sequence [2.8.8], so a ring of slots indexed by them is enough. When a few old deliveries stay
// while many new ones pass, the old ones move to a list: memory follows the number of live deliveries, not the distance
// between the oldest and the newest.
//
// Positions are delivery-ids that do not wrap: their low 32 bits are the delivery-id. Only the end of the table grows, so
// what is empty before it stays empty. An empty slot therefore says how many slots from it on are known to be empty, as
// a negative number; None is one. Looking through a range again takes one step where it found nothing before.
type serialTable struct {
	ring   []DeliveryID // length a power of two; slot of id is id & (len-1)
	base   uint64       // lowest position the ring covers
	next   uint64       // one past the highest position the ring covers
	live   int          // used slots of the ring
	old    []oldEntry   // those before base, in order
	oldest int          // live ones among them
	octets *int         // counts the memory of ring and old, if not nil
}

type oldEntry struct {
	at uint64
	d  DeliveryID // negative: so many entries from here on are empty
}

const (
	smallestRing = 16
	keptRing     = 1024    // slots of a ring that is not made smaller
	oldOctets    = 16      // octets of an entry of the list
	slotOctets   = 4       // octets of a slot of the ring
	firstAt      = 1 << 32 // lowest position, so that a range may begin 2^32 before it
	stride       = 64      // steps over what is empty that are one unit of work
)

// add puts a delivery under an id, which must be after every id added before.
func (t *serialTable) add(id uint32, d DeliveryID) {
	for {
		if t.live == 0 {
			t.restart(id)
		}
		if id-uint32(t.base) < uint32(len(t.ring)) {
			break
		}
		t.makeRoom()
	}
	t.ring[id&uint32(len(t.ring)-1)] = d // the slots that are jumped over are None, like all outside of base to next
	t.next += uint64(id + 1 - uint32(t.next))
	t.live++
}

// restart moves an empty ring on to an id.
func (t *serialTable) restart(id uint32) {
	if t.next == 0 {
		t.next = firstAt
	}
	t.next += uint64(id - uint32(t.next))
	t.base = t.next
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
	for at := t.base; at != t.next; at++ {
		ring[at&uint64(n-1)] = t.ring[at&uint64(len(t.ring)-1)]
	}
	t.count((n - len(t.ring)) * slotOctets)
	t.ring = ring
}

func (t *serialTable) count(octets int) {
	if t.octets != nil {
		*t.octets += octets
	}
}

// evict moves the oldest entry of the ring, which has one, to the list.
func (t *serialTable) evict() {
	slot := &t.ring[t.base&uint64(len(t.ring)-1)]
	t.keepOld(append(t.old, oldEntry{t.base, *slot}))
	t.oldest++
	*slot = None
	t.live--
	t.skip()
}

// keepOld replaces the list.
func (t *serialTable) keepOld(old []oldEntry) {
	t.count((cap(old) - cap(t.old)) * oldOctets)
	t.old = old
}

// skip moves the base past empty slots.
func (t *serialTable) skip() {
	for t.base != t.next {
		slot := &t.ring[t.base&uint64(len(t.ring)-1)]
		if *slot >= 0 {
			return
		}
		*slot = None // it will stand for another id
		t.base++
	}
}

// shrink gives back the memory of a ring that is nearly empty after a burst.
func (t *serialTable) shrink() {
	if len(t.ring) <= keptRing || t.live > len(t.ring)/8 {
		return
	}
	if t.live == 0 {
		t.count(-len(t.ring) * slotOctets)
		t.ring = nil
		return
	}
	n := keptRing
	for n < 4*t.live {
		n *= 2
	}
	for t.next-t.base > uint64(n) {
		t.evict()
	}
	t.resize(n)
}

// get returns the delivery of an id, or None.
func (t *serialTable) get(id uint32) DeliveryID {
	if id-uint32(t.base) < uint32(t.next-t.base) {
		return max(t.ring[id&uint32(len(t.ring)-1)], None)
	}
	if i := t.findOld(id); i >= 0 {
		return t.old[i].d
	}
	return None
}

// findOld returns the index of the live entry of an id in the list, or a negative number.
func (t *serialTable) findOld(id uint32) int {
	if t.oldest == 0 {
		return -1
	}
	at := t.position(id)
	if i := t.searchOld(at); i < len(t.old) && t.old[i].at == at && t.old[i].d >= 0 {
		return i
	}
	return -1
}

// searchOld returns the index of the first entry of the list at a position or after it.
func (t *serialTable) searchOld(at uint64) int {
	i, _ := slices.BinarySearchFunc(t.old, at, func(e oldEntry, at uint64) int {
		if e.at < at {
			return -1
		}
		if e.at > at {
			return 1
		}
		return 0
	})
	return i
}

// position is the last position before next that an id stands for. Something must be in the table.
func (t *serialTable) position(id uint32) uint64 { return t.next - uint64(uint32(t.next)-id) }

// slot is what the ring has at a position: a negative number when nothing is there, or it does not cover it.
func (t *serialTable) slot(at uint64) DeliveryID {
	if at-t.base < t.next-t.base {
		return t.ring[at&uint64(len(t.ring)-1)]
	}
	return None
}

// remove takes an id out.
func (t *serialTable) remove(id uint32) {
	if id-uint32(t.base) >= uint32(t.next-t.base) {
		t.removeOld(id)
		return
	}
	slot := &t.ring[id&uint32(len(t.ring)-1)]
	if *slot < 0 {
		return
	}
	*slot = None
	t.live--
	if id != uint32(t.base) {
		return
	}
	t.base++
	if t.skip(); t.live == 0 {
		t.shrink()
	}
}

// removeOld takes an id out of the list, and the empty entries when they are more than the others.
func (t *serialTable) removeOld(id uint32) {
	i := t.findOld(id)
	if i < 0 {
		return
	}
	t.old[i].d = None
	t.oldest--
	switch {
	case t.oldest == 0:
		t.keepOld(nil)
	case len(t.old) > smallestRing && t.oldest < len(t.old)/2:
		rest := make([]oldEntry, 0, t.oldest)
		for _, e := range t.old {
			if e.d >= 0 {
				rest = append(rest, e)
			}
		}
		t.keepOld(rest)
	}
}

// span returns the positions of first to last, which are serial numbers, inclusive and less than 2^31 apart: from, and to
// exclusive. What is added later is not among them.
func (t *serialTable) span(first, last uint32) (from, to uint64) {
	if t.live+t.oldest == 0 {
		return 0, 0
	}
	from = t.position(first)
	return from, min(from+uint64(last-first)+1, t.next)
}

// after returns the first live delivery of the positions from…to, to exclusive, and where it is. With None, nothing is
// live before at; at may be before to, because the work of one call is bounded.
func (t *serialTable) after(from, to uint64) (at uint64, d DeliveryID) {
	at = from
	if at < t.base {
		if at, d = t.afterOld(at, to); d != None || at < min(to, t.base) {
			return at, d
		}
		at = max(at, t.base)
	}
	start, end, mask := at, min(to, t.next), uint64(len(t.ring)-1)
	for steps := 0; at < end; steps++ {
		d = t.ring[at&mask]
		if d >= 0 || steps == stride {
			t.passed(start, at)
			return at, max(d, None)
		}
		at += uint64(-d)
	}
	t.passed(start, at)
	return max(at, to), None
}

// passed notes that the slots from…to, to exclusive, were found to be empty.
func (t *serialTable) passed(from, to uint64) {
	for mask := uint64(len(t.ring) - 1); from < to; {
		slot := &t.ring[from&mask]
		step := uint64(-*slot)
		*slot = DeliveryID(-int64(to - from))
		from += step
	}
}

// afterOld is after for what stands in the list.
func (t *serialTable) afterOld(from, to uint64) (at uint64, d DeliveryID) {
	if t.oldest == 0 {
		return t.base, None
	}
	start := t.searchOld(from)
	i := start
	for steps := 0; i < len(t.old); steps++ {
		e := t.old[i]
		if e.at >= to {
			t.passedOld(start, i)
			return to, None
		}
		if e.d >= 0 || steps == stride {
			t.passedOld(start, i)
			return e.at, max(e.d, None)
		}
		i -= int(e.d)
	}
	t.passedOld(start, i)
	return t.base, None
}

// passedOld notes that the entries from…to, to exclusive, were found to be empty.
func (t *serialTable) passedOld(from, to int) {
	for from < to {
		step := -int(t.old[from].d)
		t.old[from].d = DeliveryID(from - to)
		from += step
	}
}
