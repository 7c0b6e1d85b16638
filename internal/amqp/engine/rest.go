package engine

import "unsafe"

// Rest gives back the memory that traffic has left behind where nothing is under way at the moment, and returns about how
// many octets that is. All events of the last input must have been handled.
func (c *Connection) Rest() (octets int) {
	octets = cap(c.events)*int(unsafe.Sizeof(Event{})) + c.incoming.rest() + c.outgoing.rest()
	c.events = nil
	for i := range c.sessions {
		octets += c.sessions[i].unsettledIn.rest() + c.sessions[i].unsettledOut.rest()
	}
	if c.out.Size == 0 && len(c.out.chunks) == 0 {
		c.out = Output{}
	}
	return octets
}

// rest gives the numbers back when none is in use.
func (s *deliverySlab) rest() (octets int) {
	if s.live > 0 {
		return 0
	}
	octets = cap(s.d) * int(unsafe.Sizeof(delivery{}))
	*s = deliverySlab{free: None, resting: None}
	return octets
}

// rest gives the ring back when nothing stands in the table.
func (t *serialTable) rest() (octets int) {
	if t.live+t.oldest > 0 {
		return 0
	}
	octets = len(t.ring) * slotOctets
	t.count(-octets)
	t.ring = nil
	return octets
}
