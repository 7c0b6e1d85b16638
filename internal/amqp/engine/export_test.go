package engine

import "fmt"

// SetFirstSerial sets the number with which transfer-ids, delivery-ids and delivery-counts begin.
func (c *Connection) SetFirstSerial(n uint32) { c.firstSerial = n }

// SetSerials moves the outgoing serial numbers of a session, as if very many transfers and deliveries had passed.
func (c *Connection) SetSerials(id SessionID, transfer, delivery uint32) {
	s := &c.sessions[id]
	s.nextOutgoingID, s.deliveryOut = transfer, delivery
}

// SetDeliveryCount moves the delivery-count of an outgoing link.
func (c *Connection) SetDeliveryCount(id LinkID, count uint32) { c.links[id].deliveryCount = count }

// IncomingWindow is the number of transfer frames that the peer's side of a session may still send.
func (c *Connection) IncomingWindow(id SessionID) uint32 { return c.sessions[id].incomingWindow }

// HandleTables is the length of the tables for a session's remote handles.
func (c *Connection) HandleTables(id SessionID) int {
	return len(c.sessions[id].remoteHandles.near) + len(c.sessions[id].remoteHandles.far)
}

// Numbers is how many sessions, links, incoming and outgoing deliveries have numbers, used or free.
func (c *Connection) Numbers() (sessions, links, incoming, outgoing int) {
	return len(c.sessions), len(c.links), len(c.incoming.d), len(c.outgoing.d)
}

// Ending reports whether what the peer sends on a session is discarded until this side ends it.
func (c *Connection) Ending(id SessionID) bool { return c.sessions[id].ending }

// Work is how many units of work the last input has done.
func (c *Connection) Work() int { return c.work }

// CheckInvariants looks whether the tables of a connection agree with each other.
func (c *Connection) CheckInvariants() error {
	links := 0
	for i := range c.links {
		l := &c.links[i]
		if !l.used {
			continue
		}
		links++
		if err := c.checkLink(LinkID(i), l); err != nil {
			return fmt.Errorf("link %d: %w", i, err)
		}
	}
	if n := len(c.links) - len(c.freeLinks) - len(c.restLinks); n != links {
		return fmt.Errorf("%d links, %d numbers in use", links, n)
	}
	sessions, flows, states := 0, 0, 0
	tables := c.byLocal.memory() + c.byRemote.memory() + c.channels.memory()
	for i := range c.sessions {
		s := &c.sessions[i]
		if !s.used {
			continue
		}
		sessions++
		if err := c.checkSession(SessionID(i), s); err != nil {
			return fmt.Errorf("session %d: %w", i, err)
		}
		flows, tables = flows+len(s.flowLinks), tables+s.memory()
		for _, p := range []*pendingDisposition{&s.settleIn, &s.settleOut} {
			if p.count > 0 {
				states += len(p.state.Raw)
			}
		}
	}
	if n := len(c.sessions) - len(c.freeSess) - len(c.restSess); n != sessions {
		return fmt.Errorf("%d sessions, %d numbers in use", sessions, n)
	}
	if flows != c.flows || tables != c.tables || states != c.states {
		return fmt.Errorf("%d flows are counted as %d, %d octets of tables as %d, %d of states as %d", flows, c.flows, tables,
			c.tables, states, c.states)
	}
	if len(c.names) > links || c.byLocal.used > sessions || c.byRemote.used > sessions {
		return fmt.Errorf("%d names of %d links, %d local and %d remote channels of %d sessions",
			len(c.names), links, c.byLocal.used, c.byRemote.used, sessions)
	}
	if err := c.checkSlab(&c.incoming); err != nil {
		return fmt.Errorf("incoming: %w", err)
	}
	if err := c.checkSlab(&c.outgoing); err != nil {
		return fmt.Errorf("outgoing: %w", err)
	}
	return nil
}

func (c *Connection) checkLink(id LinkID, l *link) error {
	s := &c.sessions[l.session]
	switch {
	case l.id != id:
		return fmt.Errorf("has the id %d", l.id)
	case !s.used:
		return fmt.Errorf("its session %d is gone", l.session)
	case l.local == mapped && !s.localHandles.has(int(l.localHandle)):
		return fmt.Errorf("its local handle %d is free", l.localHandle)
	case l.flowAt != 0 && s.flowLinks[l.flowAt-1] != id:
		return fmt.Errorf("its place %d in the list of flows is that of link %d", l.flowAt, s.flowLinks[l.flowAt-1])
	case l.remote == mapped && s.remoteHandles.get(l.remoteHandle) != id:
		return fmt.Errorf("its remote handle %d is link %d", l.remoteHandle, s.remoteHandles.get(l.remoteHandle))
	case l.credit > 1<<31:
		return fmt.Errorf("credit %d", l.credit)
	case l.local == ended && l.first != None:
		return fmt.Errorf("detached with deliveries")
	}
	slab, n := c.slab(l), 0
	for d := l.first; d != None; d = slab.d[d].next {
		if n++; !slab.d[d].used || slab.d[d].link != id {
			return fmt.Errorf("its delivery %d is not its own", d)
		}
	}
	if n != l.live {
		return fmt.Errorf("%d deliveries are counted as %d", n, l.live)
	}
	return nil
}

func (c *Connection) checkSession(id SessionID, s *session) error {
	switch {
	case s.id != id:
		return fmt.Errorf("has the id %d", s.id)
	case s.local != unmapped && c.byLocal.get(uint32(s.localChannel)) != id:
		return fmt.Errorf("its local channel %d is session %d", s.localChannel, c.byLocal.get(uint32(s.localChannel)))
	case s.remote == mapped && c.byRemote.get(uint32(s.remoteChannel)) != id:
		return fmt.Errorf("its remote channel %d is session %d", s.remoteChannel, c.byRemote.get(uint32(s.remoteChannel)))
	case s.dirtyAt == 0 && !c.closeSent && (s.settleIn.count+s.settleOut.count > 0 || s.flowDue || len(s.flowLinks) > 0),
		s.dirtyAt != 0 && c.dirty[s.dirtyAt-1] != id:
		return fmt.Errorf("its place in the list of dirty ones is %d", s.dirtyAt)
	case s.incomingWindow > largestWindow:
		return fmt.Errorf("incoming window %d", s.incomingWindow)
	}
	in, out := 0, 0
	for i := range c.incoming.d {
		d := &c.incoming.d[i]
		if d.used && !d.settled && d.session == id {
			if in++; s.unsettledIn.get(d.deliveryID) != DeliveryID(i) {
				return fmt.Errorf("incoming delivery-id %d is lost", d.deliveryID)
			}
		}
	}
	for i := range c.outgoing.d {
		d := &c.outgoing.d[i]
		if d.used && d.begun && !d.settled && d.session == id {
			if out++; s.unsettledOut.get(d.deliveryID) != DeliveryID(i) {
				return fmt.Errorf("outgoing delivery-id %d is lost", d.deliveryID)
			}
		}
	}
	if n := s.unsettledIn.live + s.unsettledIn.oldest; n != in {
		return fmt.Errorf("%d unsettled incoming deliveries, the table has %d", in, n)
	}
	if n := s.unsettledOut.live + s.unsettledOut.oldest; n != out {
		return fmt.Errorf("%d unsettled outgoing deliveries, the table has %d", out, n)
	}
	return nil
}

func (c *Connection) checkSlab(s *deliverySlab) error {
	used := 0
	for i := range s.d {
		if s.d[i].used {
			used++
			if !c.links[s.d[i].link].used {
				return fmt.Errorf("the link of delivery %d is gone", i)
			}
		}
	}
	free := 0
	for _, list := range []DeliveryID{s.free, s.resting} {
		for id := list; id != None; id = s.d[id].next {
			if free++; s.d[id].used || free > len(s.d) {
				return fmt.Errorf("free list at %d", id)
			}
		}
	}
	if used != s.live || used+free != len(s.d) {
		return fmt.Errorf("%d used (counted %d) and %d free of %d", used, s.live, free, len(s.d))
	}
	return nil
}

// Channels are the local and the remote channel of a session.
func (c *Connection) Channels(id SessionID) (local, remote uint16) {
	return c.sessions[id].localChannel, c.sessions[id].remoteChannel
}
