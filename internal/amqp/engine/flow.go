package engine

import "github.com/postroad/postroad/internal/amqp/wire"

// inputFlow takes session and link flow state from the peer [2.7.4].
func (c *Connection) inputFlow(f wire.Frame) error {
	x := &c.flow
	if _, err := x.Decode(f.Body); err != nil {
		return err
	}
	s := c.onSession(f.Channel)
	if s == nil || s.discards() {
		return nil
	}
	c.sessionFlow(s, x)
	if !x.HasHandle {
		if x.Echo {
			s.flowDue = true
			c.markDirty(s)
		}
		return nil
	}
	l := c.onHandle(s, x.Handle)
	if l == nil || l.local == ended || l.leaving {
		return nil
	}
	if l.role == wire.RoleSender {
		c.receiverFlow(l, x)
	} else {
		c.senderFlow(s, l, x)
	}
	if x.Echo && l.local == mapped {
		c.flowOf(s, l)
	}
	return nil
}

// sessionFlow updates the windows [2.5.6].
func (c *Connection) sessionFlow(s *session, x *wire.Flow) {
	s.nextIncomingID = x.NextOutgoingID
	seen := x.NextIncomingID
	if !x.HasNextIncomingID { // the peer has not seen our begin: it counts from our initial outgoing id
		seen = c.firstSerial
	}
	window := int64(x.IncomingWindow) - int64(int32(s.nextOutgoingID-seen))
	s.remoteIncomingWindow = uint32(min(max(window, 0), 1<<31))
	c.writeAborts(s)
	if s.windowWanted && s.remoteIncomingWindow > 0 {
		s.windowWanted = false
		e := c.event()
		e.Kind, e.Session = EventWindow, s.id
	}
}

// writeAborts writes the aborting frames that have waited for the window, as far as this input's share goes.
func (c *Connection) writeAborts(s *session) {
	for len(s.aborting) > 0 && s.remoteIncomingWindow > 0 {
		if c.spent() {
			c.later(continuation{kind: aborts, session: s.id})
			return
		}
		c.work++
		id := s.aborting[len(s.aborting)-1]
		if s.aborting = s.aborting[:len(s.aborting)-1]; len(s.aborting) == 0 {
			s.aborting = thin(c, s.aborting)
		}
		if d := &c.outgoing.d[id]; d.used && d.aborting && d.session == s.id {
			l := &c.links[d.link]
			c.writeAbort(s, id)
			if !l.leaving {
				c.creditChanged(l)
			}
		}
	}
}

// receiverFlow takes the credit that the receiver of an outgoing link grants [2.6.7].
func (c *Connection) receiverFlow(l *link, x *wire.Flow) {
	if x.HasLinkCredit {
		seen := x.DeliveryCount
		if !x.HasDeliveryCount { // the receiver has not seen our attach: it counts from our initial delivery-count
			seen = c.firstSerial
		}
		credit := int64(x.LinkCredit) - int64(int32(l.deliveryCount-seen))
		l.credit = uint32(min(max(credit, 0), 1<<31-1))
	}
	l.drain = x.Drain
	c.creditChanged(l)
}

func (c *Connection) creditChanged(l *link) {
	e := c.event()
	e.Kind, e.Session, e.Link, e.Credit, e.Drain = EventCredit, l.session, l.id, l.credit, l.drain
}

// senderFlow takes the flow state of the sender of an incoming link: after a drain its delivery-count has advanced by
// the credit it gave back [2.6.7].
func (c *Connection) senderFlow(s *session, l *link, x *wire.Flow) {
	if !x.HasDeliveryCount {
		return
	}
	given := x.DeliveryCount - l.deliveryCount
	if int32(given) <= 0 { // a sender that counts a delivery at its last frame is one behind while it writes
		return
	}
	if given > l.credit {
		c.failLink(l, cause(wire.ErrTransferLimitExceeded,
			"delivery-count advanced by %d, beyond the credit of %d", given, l.credit))
		return
	}
	l.deliveryCount = x.DeliveryCount
	l.credit -= given
	c.drained(s, l, given)
}

// drained reports credit that the sender of an incoming link gave back, and the end of a drain [2.6.7].
func (c *Connection) drained(s *session, l *link, given uint32) {
	done := l.drain && l.credit == 0
	if done {
		l.drain = false
	}
	if done || given > 0 {
		e := c.event()
		e.Kind, e.Session, e.Link, e.Credit = EventDrained, s.id, l.id, given
	}
}

// Credit is the number of deliveries that may still begin on a link: granted by the peer on an outgoing one, by this
// side on an incoming one.
func (c *Connection) Credit(id LinkID) uint32 { return c.links[id].credit }

// Draining tells whether the peer asked an outgoing link to use up its credit or give it back.
func (c *Connection) Draining(id LinkID) bool { return c.links[id].drain }

// Writable tells whether Deliver on an outgoing link would begin a delivery, and Write would write a frame.
func (c *Connection) Writable(id LinkID) bool {
	l := &c.links[id]
	return l.credit > 0 && l.local == mapped && l.partial == None && !l.leaving &&
		c.sessions[l.session].remoteIncomingWindow > 0
}

// Grant adds credit to an incoming link; it ends a drain [2.6.7].
func (c *Connection) Grant(id LinkID, credit uint32) {
	l := &c.links[id]
	if !l.used || l.role != wire.RoleReceiver || l.local != mapped {
		return
	}
	l.credit += credit
	l.drain = false
	c.flowOf(&c.sessions[l.session], l)
}

// Drain asks the sender of an incoming link to use up its credit or give it back.
func (c *Connection) Drain(id LinkID) {
	l := &c.links[id]
	if !l.used || l.role != wire.RoleReceiver || l.local != mapped || l.credit == 0 {
		return
	}
	l.drain = true
	c.flowOf(&c.sessions[l.session], l)
}

// Drained gives back the credit of an outgoing link that is being drained and has nothing to send. The flow is written
// at once: after the first frame of another delivery it would be ambiguous whether it counts that delivery.
func (c *Connection) Drained(id LinkID) {
	l := &c.links[id]
	if !l.used || l.role != wire.RoleSender || l.local != mapped || !l.drain || l.partial != None {
		return
	}
	l.deliveryCount += l.credit
	l.credit = 0
	c.writeFlow(&c.sessions[l.session], l)
	l.drain = false
	c.dropFlow(l)
}

// flowOf puts a link's flow state on the list of what is written at the next flush.
func (c *Connection) flowOf(s *session, l *link) {
	if l.flowAt == 0 {
		s.flowLinks = grow(c, s.flowLinks, l.id)
		l.flowAt = int32(len(s.flowLinks))
		c.flows++
	}
	c.markDirty(s)
}

// dropFlow takes a link off that list.
func (c *Connection) dropFlow(l *link) {
	if l.flowAt == 0 {
		return
	}
	s := &c.sessions[l.session]
	last := len(s.flowLinks) - 1
	moved := s.flowLinks[last]
	s.flowLinks[l.flowAt-1], c.links[moved].flowAt = moved, l.flowAt
	s.flowLinks = s.flowLinks[:last]
	l.flowAt = 0
	c.flows--
}

// flushFlow writes the flow state of at most so many links, and that of the session when there was none of a link. It
// returns how many links' it wrote.
func (c *Connection) flushFlow(s *session, most int) (flows int) {
	from := max(len(s.flowLinks)-most, 0)
	due := s.flowLinks[from:]
	s.flowLinks = s.flowLinks[:from]
	c.flows -= len(due)
	for _, id := range due {
		l := &c.links[id]
		l.flowAt = 0
		if l.local == mapped {
			c.writeFlow(s, l)
			s.flowDue = false
		}
	}
	if from == 0 {
		s.flowLinks = thin(c, s.flowLinks)
	}
	if s.flowDue {
		s.flowDue = false
		if s.local == mapped {
			c.writeFlow(s, nil)
		}
	}
	return len(due)
}

func (c *Connection) writeFlow(s *session, l *link) {
	x := wire.Flow{
		NextIncomingID: s.nextIncomingID, HasNextIncomingID: s.remote == mapped,
		IncomingWindow: s.incomingWindow, NextOutgoingID: s.nextOutgoingID, OutgoingWindow: largestWindow,
	}
	if l != nil {
		x.Handle, x.HasHandle = l.localHandle, true
		x.LinkCredit, x.HasLinkCredit = l.credit, true
		x.DeliveryCount, x.HasDeliveryCount = l.deliveryCount, l.role == wire.RoleSender || l.remote != unmapped
		x.Drain = l.drain
	}
	b := x.Append(wire.BeginFrame(c.out.reserve(96), wire.FrameAMQP, s.localChannel))
	c.answer(b)
}
