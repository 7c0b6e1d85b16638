package engine

import "github.com/postroad/postroad/internal/amqp/wire"

// delivery is one live delivery, incoming or outgoing [2.6.12].
type delivery struct {
	deliveryID uint32 // of the wire
	link       LinkID
	session    SessionID
	prev, next DeliveryID // list of the link's live deliveries, or of free ones
	used       bool
	settled    bool // pre-settled: in no unsettled table
	more       bool // frames are still to come or to be written
	begun      bool // outgoing: the first frame was written
	named      bool // an event may name it: its number rests until the next input
	aborting   bool // outgoing: the aborting frame waits for the session window
	format     uint32
	tag        uint32
}

// deliverySlab numbers the live deliveries of one direction. The number of one that ended is not given out again before
// the next input: events that the caller has yet to handle may name it.
type deliverySlab struct {
	d       []delivery
	free    DeliveryID // list of numbers to give out
	resting DeliveryID // list of numbers that ended since the last input
	last    DeliveryID // the last one of that list
	live    int
}

func (s *deliverySlab) take() DeliveryID {
	s.live++
	if s.free == None {
		s.d = append(s.d, delivery{})
		return DeliveryID(len(s.d) - 1)
	}
	id := s.free
	s.free = s.d[id].next
	return id
}

func (s *deliverySlab) give(id DeliveryID) {
	s.live--
	if !s.d[id].named {
		s.d[id] = delivery{next: s.free}
		s.free = id
		return
	}
	if s.resting == None {
		s.last = id
	}
	s.d[id] = delivery{next: s.resting}
	s.resting = id
}

// wake makes the numbers that rested free.
func (s *deliverySlab) wake() {
	if s.resting == None {
		return
	}
	s.d[s.last].next = s.free
	s.free, s.resting = s.resting, None
}

func (c *Connection) slab(l *link) *deliverySlab {
	if l.role == wire.RoleReceiver {
		return &c.incoming
	}
	return &c.outgoing
}

// newDelivery makes a live delivery at the head of its link's list.
func (c *Connection) newDelivery(l *link) (DeliveryID, *delivery) {
	slab := c.slab(l)
	id := slab.take()
	d := &slab.d[id] // give has cleared it
	d.used, d.link, d.session, d.prev, d.next = true, l.id, l.session, None, l.first
	if l.first != None {
		slab.d[l.first].prev = id
	}
	l.first = id
	l.live++
	return id, d
}

// endDelivery forgets a live delivery.
func (c *Connection) endDelivery(slab *deliverySlab, id DeliveryID) {
	d := &slab.d[id]
	l := &c.links[d.link]
	if d.prev != None {
		slab.d[d.prev].next = d.next
	} else {
		l.first = d.next
	}
	if d.next != None {
		slab.d[d.next].prev = d.prev
	}
	if l.partial == id {
		l.partial = None
	}
	l.live--
	if !d.settled {
		s := &c.sessions[d.session]
		if l.role == wire.RoleReceiver {
			s.unsettledIn.remove(d.deliveryID)
		} else if d.begun {
			s.unsettledOut.remove(d.deliveryID)
		}
	}
	slab.give(id)
}

// forgetDeliveries ends all live deliveries of a link.
func (c *Connection) forgetDeliveries(l *link) {
	slab := c.slab(l)
	for l.first != None {
		c.endDelivery(slab, l.first)
	}
}

// Deliveries calls f with every live delivery of a link; f may end the one it is called with.
func (c *Connection) Deliveries(id LinkID, f func(DeliveryID)) {
	l := &c.links[id]
	if !l.used {
		return
	}
	slab := c.slab(l)
	for d := l.first; d != None; {
		next := slab.d[d].next
		if !slab.d[d].aborting {
			f(d)
		}
		d = next
	}
}

// LetGo ends live deliveries of a link that is going to be detached or forgotten, at most so many, so that a link of very
// many ends in portions. It calls f with each before, and reports whether there are more. No delivery begins on the link
// any more, and frames of the peer's deliveries are discarded; states of those that are left are still reported. One
// that is being written is aborted [2.6.14].
func (c *Connection) LetGo(id LinkID, most int, f func(DeliveryID)) (more bool) {
	l := &c.links[id]
	if !l.used {
		return false
	}
	l.leaving = true
	slab := c.slab(l)
	for next := l.first; next != None; most-- {
		did := next
		if slab.d[did].aborting { // its frame waits for the window, or for Detach
			if next = slab.d[did].next; next == None {
				return false
			}
			did = next
		}
		if most <= 0 {
			return true
		}
		f(did)
		l = &c.links[id] // f may have given commands
		if d := &slab.d[did]; d.used && d.link == id {
			if did == l.partial && l.role == wire.RoleSender {
				c.Abort(did)
			} else {
				c.endDelivery(slab, did)
			}
		}
		next = l.first
	}
	return false
}

// Unsettled is the number of live deliveries, incoming and outgoing, of the connection.
func (c *Connection) Unsettled() (incoming, outgoing int) { return c.incoming.live, c.outgoing.live }
