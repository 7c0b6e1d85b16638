package engine

import (
	"bytes"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// pendingDisposition gathers settlements of consecutive delivery-ids with the same state into one frame [2.7.6].
type pendingDisposition struct {
	first   uint32
	count   uint32
	settled bool
	state   wire.State // its Raw is kept
	kept    wire.Raw   // memory of state.Raw
}

// inputDisposition takes state changes from the peer [2.7.6].
func (c *Connection) inputDisposition(f wire.Frame) error {
	x := &c.state
	if _, err := x.Decode(f.Body); err != nil {
		return err
	}
	s := c.onSession(f.Channel)
	if s == nil || s.local != mapped || s.ending {
		return nil
	}
	if int32(x.Last-x.First) < 0 {
		c.failSession(s, cause(wire.ErrInvalidField, "disposition with last %d before first %d", x.Last, x.First))
		return nil
	}
	if !x.Settled && (x.Role == wire.RoleSender || !x.State.Terminal()) {
		return nil // [2.6.12] only a report of progress, for those who resume
	}
	if x.Role == wire.RoleReceiver && x.First == x.Last { // the usual case for slow traffic
		if id := s.unsettledOut.get(x.First); id != None {
			c.outcome(id, x)
		}
		return nil
	}
	from, to := s.unsettled(x.Role).span(x.First, x.Last)
	if from = c.dispose(s, x, from, to); from < to {
		c.later(continuation{kind: dispositions, session: s.id, from: from, to: to, state: *x})
		c.cont.state.State = x.State.Clone()
	}
	return nil
}

// unsettled is the table of the deliveries that a disposition of the peer's role is about.
func (s *session) unsettled(peer wire.Role) *serialTable {
	if peer == wire.RoleReceiver {
		return &s.unsettledOut
	}
	return &s.unsettledIn
}

// dispose takes a state change of the live deliveries at from…to, to exclusive, as far as this input's share goes. It
// returns where it stopped.
func (c *Connection) dispose(s *session, x *wire.Disposition, from, to uint64) uint64 {
	t, receiver := s.unsettled(x.Role), x.Role == wire.RoleReceiver
	share := max(min(inputWork-c.work, eventBatch-len(c.events)), 0)
	c.work += share
	for ; from < to; share-- {
		if share <= 0 {
			return from
		}
		id := t.slot(from) // the usual case: deliveries in a row
		if id < 0 {
			if from, id = t.after(from, to); id == None {
				continue
			}
		}
		if receiver {
			c.outcome(id, x)
		} else {
			c.senderSettled(s, id, x)
		}
		from++
	}
	c.work -= share
	t.shrink()
	return from
}

// senderSettled reports that the peer has settled an incoming delivery.
func (c *Connection) senderSettled(s *session, id DeliveryID, x *wire.Disposition) {
	d := &c.incoming.d[id]
	e := c.event()
	e.Kind, e.Settled, e.More, e.State = EventSenderSettled, true, d.more, x.State
	e.Session, e.Link, e.Delivery = s.id, d.link, id
	if d.more { // frames are still coming; from here on it is a pre-settled one
		s.unsettledIn.remove(d.deliveryID)
		d.settled = true
		return
	}
	c.endDelivery(&c.incoming, id)
}

// outcome reports the state of one outgoing delivery.
func (c *Connection) outcome(id DeliveryID, x *wire.Disposition) {
	d := &c.outgoing.d[id]
	if d.aborting {
		return // it is over
	}
	e := c.event()
	e.Kind, e.Settled, e.More, e.State = EventOutcome, x.Settled, d.more, x.State
	e.Session, e.Link, e.Delivery = d.session, d.link, id
	if !x.Settled {
		return
	}
	if d.more { // settled before it was written whole: the rest follows as settled, or is aborted by the caller
		c.sessions[d.session].unsettledOut.remove(d.deliveryID)
		d.settled = true
		return
	}
	c.endDelivery(&c.outgoing, id)
}

// Settle settles an incoming delivery with an outcome; its number is free afterwards. A delivery whose frames are
// still coming is settled too; its number stays until the last frame.
func (c *Connection) Settle(id DeliveryID, state wire.State) {
	d := &c.incoming.d[id]
	if !d.used || d.settled {
		return
	}
	s := &c.sessions[d.session]
	c.gather(s, &s.settleIn, wire.RoleReceiver, d.deliveryID, true, state)
	if d.more {
		s.unsettledIn.remove(d.deliveryID)
		d.settled = true
		return
	}
	c.endDelivery(&c.incoming, id)
}

// SettleOutgoing settles an outgoing delivery, of which the peer has reported a state or the sender has lost
// interest; its number is free afterwards, unless it is still being written.
func (c *Connection) SettleOutgoing(id DeliveryID, state wire.State) {
	d := &c.outgoing.d[id]
	if !d.used || d.settled {
		return
	}
	s := &c.sessions[d.session]
	if d.begun {
		c.gather(s, &s.settleOut, wire.RoleSender, d.deliveryID, true, state)
	}
	if d.more {
		if d.begun {
			s.unsettledOut.remove(d.deliveryID)
		}
		d.settled = true
		return
	}
	c.endDelivery(&c.outgoing, id)
}

// gather adds a settlement to the pending disposition, writing that one first when the new one does not continue it.
func (c *Connection) gather(
	s *session, p *pendingDisposition, role wire.Role, id uint32, settled bool, state wire.State,
) {
	if p.count > 0 && id == p.first+p.count && p.settled == settled &&
		p.state.Kind == state.Kind && bytes.Equal(p.state.Raw, state.Raw) {
		p.count++
		return
	}
	c.flushDisposition(s, p, role)
	p.first, p.count, p.settled, p.state = id, 1, settled, state
	if len(state.Raw) > 0 { // it may be part of the input
		c.tables -= cap(p.kept)
		p.kept = append(p.kept[:0], state.Raw...)
		c.tables += cap(p.kept)
		p.state.Raw = p.kept
		c.states += len(p.kept)
	}
	c.markDirty(s)
}

func (c *Connection) flushDisposition(s *session, p *pendingDisposition, role wire.Role) {
	if p.count == 0 {
		return
	}
	x := wire.Disposition{Role: role, First: p.first, Last: p.first + p.count - 1, Settled: p.settled, State: p.state}
	p.count = 0
	c.states -= len(x.State.Raw)
	if s.local != mapped {
		return
	}
	if dispositionOverhead+len(x.State.Raw) > int(min(c.maxFrameOut, 1<<30)) {
		x.State = c.fitState(x.State)
	}
	b := wire.BeginFrame(c.out.reserve(dispositionOverhead+len(x.State.Raw)), wire.FrameAMQP, s.localChannel)
	c.answer(x.Append(b))
	if cap(p.kept) > mostKept {
		c.tables -= cap(p.kept)
		p.kept, p.state = nil, wire.State{}
	}
}

// dispositionOverhead is a bound of the octets of a disposition frame without its state.
const dispositionOverhead = 64

// fitState makes a state small enough for one frame to the peer: a rejection keeps its condition, other outcomes keep
// only their kind.
func (c *Connection) fitState(s wire.State) wire.State {
	switch s.Kind {
	case wire.StateRejected:
		return wire.RejectedState(c.fit(s.RejectedError()))
	case wire.StateAccepted, wire.StateReleased, wire.StateModified:
		return wire.State{Kind: s.Kind}
	}
	return wire.State{}
}
