package engine

import "unsafe"

const (
	ownOctets  = 4 << 10 // octets of a connection without sessions
	nameMemory = 56      // octets of an entry of the names, without the name
	mostThin   = 256     // entries of an empty list of a session that are kept for the next
	mostKept   = 1 << 10 // octets of a state that are kept for the next
)

// Footprint is about how many octets of memory the connection's state takes: its tables of sessions, links, names and
// deliveries, whether they are full or have been, and the scratch of events. Octets to be written are not among them,
// see Pending. It costs nothing to ask.
func (c *Connection) Footprint() int {
	const number = int(unsafe.Sizeof(LinkID(0)))
	return ownOctets + 2*c.openOctets + c.tables +
		cap(c.sessions)*int(unsafe.Sizeof(session{})) +
		cap(c.links)*int(unsafe.Sizeof(link{})) +
		(cap(c.incoming.d)+cap(c.outgoing.d))*int(unsafe.Sizeof(delivery{})) +
		(cap(c.events)+cap(c.deferred))*int(unsafe.Sizeof(Event{})) +
		(cap(c.freeSess)+cap(c.restSess)+cap(c.dirty)+cap(c.freeLinks)+cap(c.restLinks))*number +
		c.mostNames*nameMemory + c.nameOctets + len(c.cont.state.State.Raw)
}

// memory is about how many octets the tables of a session take. Connection.tables is the sum of all sessions'.
func (s *session) memory() int {
	return s.unsettledIn.memory() + s.unsettledOut.memory() + s.remoteHandles.memory() + s.localHandles.memory() +
		cap(s.flowLinks)*int(unsafe.Sizeof(LinkID(0))) + cap(s.aborting)*int(unsafe.Sizeof(DeliveryID(0))) +
		cap(s.settleIn.kept) + cap(s.settleOut.kept)
}

func (t *serialTable) memory() int { return len(t.ring)*slotOctets + cap(t.old)*oldOctets }

// grow appends to a list of a session.
func grow[ID ~int32](c *Connection, list []ID, id ID) []ID {
	had := cap(list)
	list = append(list, id)
	c.tables += (cap(list) - had) * int(unsafe.Sizeof(id))
	return list
}

// thin gives the memory of an empty list of a session back, if it is much.
func thin[ID ~int32](c *Connection, list []ID) []ID {
	if cap(list) <= mostThin {
		return list
	}
	c.tables -= cap(list) * int(unsafe.Sizeof(ID(0)))
	return nil
}
