package engine

import (
	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// inputTransfer takes one frame of an incoming delivery [2.6.12], [2.7.5].
func (c *Connection) inputTransfer(f wire.Frame) error {
	x := &c.transfer
	payload, err := x.Decode(f.Body)
	if err != nil {
		return err
	}
	s := c.onSession(f.Channel)
	if s == nil || s.discards() {
		return nil
	}
	if s.incomingWindow == 0 { // [2.5.6]
		c.failSession(s, cause(wire.ErrWindowViolation, "transfer beyond the incoming window"))
		return nil
	}
	s.incomingWindow--
	s.nextIncomingID++
	s.largestFrame = max(uint32(len(payload)), s.largestFrame-s.largestFrame>>6)
	if s.incomingWindow <= s.windowTarget/2 {
		c.restoreWindow(s)
	}
	l := c.onHandle(s, x.Handle)
	if l == nil {
		return nil
	}
	if l.local == ended || l.leaving { // the peer does not know yet that it is detached: its deliveries only count
		if x.HasDeliveryID && (!s.anyIn || x.DeliveryID == s.deliveryIn) {
			s.anyIn, s.deliveryIn = true, x.DeliveryID+1
		}
		return nil
	}
	if l.role != wire.RoleReceiver {
		c.failLink(l, cause(wire.ErrNotAllowed, "transfer from the receiver of link %q", l.name))
		return nil
	}
	if l.partial == None && !l.discard {
		return c.firstTransfer(s, l, x, payload)
	}
	return c.nextTransfer(s, l, x, payload)
}

// sequence takes the delivery-id of a new delivery; false means that the session was ended for it [2.6.12].
func (c *Connection) sequence(s *session, id uint32) bool {
	if s.anyIn && id != s.deliveryIn {
		c.failSession(s, cause(wire.ErrInvalidField, "delivery-id %d out of sequence; expected %d", id, s.deliveryIn))
		return false
	}
	s.anyIn, s.deliveryIn = true, id+1
	return true
}

// firstTransfer begins an incoming delivery.
func (c *Connection) firstTransfer(s *session, l *link, x *wire.Transfer, payload []byte) error {
	switch {
	case !x.HasDeliveryID:
		c.failSession(s, cause(wire.ErrInvalidField, "first transfer of a delivery on link %q without delivery-id", l.name))
		return nil
	case !c.sequence(s, x.DeliveryID):
		return nil
	case x.DeliveryTag == nil:
		c.failLink(l, cause(wire.ErrInvalidField, "first transfer of a delivery without delivery-tag"))
		return nil
	case len(x.DeliveryTag) > wire.MaxDeliveryTag: // [2.8.7] says nothing of what ends; its link is enough
		c.failLink(l, cause(wire.ErrInvalidField, "delivery-tag of %d octets; at most %d", len(x.DeliveryTag),
			wire.MaxDeliveryTag))
		return nil
	case l.credit == 0: // [2.6.7]
		c.failLink(l, cause(wire.ErrTransferLimitExceeded, "transfer without credit"))
		return nil
	case c.incoming.live >= maxUnsettled:
		c.failLink(l, cause(wire.ErrResourceLimitExceeded, "%d unsettled deliveries on this connection", maxUnsettled))
		return nil
	}
	l.deliveryCount++
	if x.Resume || x.Aborted { // [2.6.13] resumed: nothing here is in an unsettled map, so it is ignored
		l.discard = x.More && !x.Aborted
		c.flowOf(s, l) // the credit stays: nobody would know that it is to be given again
		return nil
	}
	l.credit--
	id, d := c.newDelivery(l)
	d.deliveryID, d.settled, d.more = x.DeliveryID, x.Settled, x.More
	d.named = !x.Settled || x.More // else its only event says that it is over
	if !d.settled {
		s.unsettledIn.add(x.DeliveryID, id)
	}
	if x.More {
		l.partial = id
	}
	e := c.event()
	e.Kind, e.First, e.More, e.Settled, e.Format = EventTransfer, true, x.More, x.Settled, x.MessageFormat
	e.Session, e.Link, e.Delivery, e.Payload, e.Tag = s.id, l.id, id, payload, x.DeliveryTag
	if x.Settled && !x.More {
		c.endDelivery(&c.incoming, id)
	}
	if l.drain && l.credit == 0 {
		c.drained(s, l, 0)
	}
	return nil
}

// nextTransfer continues an incoming delivery.
func (c *Connection) nextTransfer(s *session, l *link, x *wire.Transfer, payload []byte) error {
	if l.discard {
		l.discard = x.More && !x.Aborted
		return nil
	}
	id := l.partial
	d := &c.incoming.d[id]
	if x.HasDeliveryID && x.DeliveryID != d.deliveryID {
		c.failSession(s, cause(wire.ErrInvalidField, "delivery-id %d within delivery %d", x.DeliveryID, d.deliveryID))
		return nil
	}
	if x.Aborted { // [2.6.14] implicitly settled
		e := c.event()
		e.Kind, e.Session, e.Link, e.Delivery = EventAborted, s.id, l.id, id
		c.endDelivery(&c.incoming, id)
		return nil
	}
	if x.Settled && !d.settled {
		s.unsettledIn.remove(d.deliveryID)
		d.settled = true
	}
	if !x.More {
		l.partial, d.more = None, false
	}
	e := c.event()
	e.Kind, e.More, e.Settled = EventTransfer, x.More, d.settled
	e.Session, e.Link, e.Delivery, e.Payload = s.id, l.id, id, payload
	if d.settled && !x.More {
		c.endDelivery(&c.incoming, id)
	}
	return nil
}

// Deliver begins an outgoing delivery, to be written with Write. The link must have credit and no delivery that is
// still being written; otherwise None is returned. The credit is used when its last frame is written.
func (c *Connection) Deliver(id LinkID, settled bool, format uint32) DeliveryID {
	l := &c.links[id]
	if l.role != wire.RoleSender || l.local != mapped || l.credit == 0 || l.partial != None || l.leaving {
		return None
	}
	did, d := c.newDelivery(l)
	d.settled, d.more, d.format = settled, true, format
	d.tag = l.nextTag
	l.nextTag++
	l.partial = did
	return did
}

// Write appends transfer frames for a delivery: the octets of head, then those of body, as far as the peer's session
// window and the caller's limit of frames go. It returns how many octets of head ++ body were taken. With last, the
// delivery is complete once all were taken, and done is true; a pre-settled one is over then. For a delivery that is
// complete or over it does nothing.
func (c *Connection) Write(id DeliveryID, head []byte, body buf.Slice, last bool) (n int, done bool) {
	c.single[0] = body
	n, done = c.WriteSlices(id, head, c.single[:], last)
	c.single[0] = buf.Slice{}
	return n, done
}

// WriteSlices is Write for octets that stand in several slices: a frame is filled from as many as fit. It shortens the
// slices that it is given by what it took.
func (c *Connection) WriteSlices(id DeliveryID, head []byte, bodies []buf.Slice, last bool) (n int, done bool) {
	d := &c.outgoing.d[id]
	if !d.more || d.aborting {
		return 0, false
	}
	s := &c.sessions[d.session]
	l := &c.links[d.link]
	left := len(head)
	for i := range bodies {
		left += len(bodies[i].B)
	}
	for {
		if left == 0 && !last {
			return n, false
		}
		if s.remoteIncomingWindow == 0 { // [2.5.6]
			s.windowWanted = true
			return n, false
		}
		took := c.writeFrame(s, l, d, id, frameContent{head, bodies, left, last})
		n += took
		if took == left && last {
			c.finish(l, d, id)
			return n, true
		}
		left -= took
		fromHead := min(took, len(head))
		head = head[fromHead:]
		for took -= fromHead; took > 0; {
			k := min(took, len(bodies[0].B))
			bodies[0].B = bodies[0].B[k:]
			if took -= k; len(bodies[0].B) == 0 {
				bodies = bodies[1:]
			}
		}
	}
}

// frameContent is what a delivery has left to be written: the octets of head, then those of bodies, left in all.
type frameContent struct {
	head   []byte
	bodies []buf.Slice
	left   int
	last   bool
}

// Bounds of the octets of a transfer frame without its payload: of the first one of a delivery, and of the others.
const (
	transferOverhead = 64
	nextOverhead     = 24
)

// writeFrame writes one transfer frame and returns the octets of payload it carries.
func (c *Connection) writeFrame(s *session, l *link, d *delivery, id DeliveryID, f frameContent) int {
	overhead := transferOverhead
	if d.begun {
		overhead = nextOverhead
	}
	payload := f.left
	room := int(min(c.maxFrameOut, 1<<20)) - overhead
	more := !f.last
	if payload > room {
		payload, more = room, true
	}
	head := f.head[:min(len(f.head), payload)]

	x := wire.Transfer{Handle: l.localHandle, More: more}
	var tag [4]byte
	if !d.begun {
		d.begun = true
		d.deliveryID = s.deliveryOut
		s.deliveryOut++
		if !d.settled {
			d.named = true
			s.unsettledOut.add(d.deliveryID, id)
		}
		tag = [4]byte{byte(d.tag >> 24), byte(d.tag >> 16), byte(d.tag >> 8), byte(d.tag)}
		x.DeliveryID, x.HasDeliveryID, x.DeliveryTag = d.deliveryID, true, tag[:]
		x.MessageFormat, x.HasMessageFormat = d.format, true
		x.Settled, x.HasSettled = d.settled, true
	} else if d.settled {
		x.Settled, x.HasSettled = true, true
	}
	s.nextOutgoingID++
	s.remoteIncomingWindow--

	body := payload - len(head)
	copied := len(head)
	if body <= copyLimit {
		copied = payload
	}
	b := wire.BeginFrame(c.out.reserve(transferOverhead+copied), wire.FrameAMQP, s.localChannel)
	b = x.Append(b)
	b = append(b, head...)
	if copied == payload {
		for i := 0; body > 0; i++ {
			k := min(body, len(f.bodies[i].B))
			b = append(b, f.bodies[i].B[:k]...)
			body -= k
		}
		c.commit(b)
		return payload
	}
	if c.mute() {
		return payload
	}
	wire.EndFrame(b, 0, body)
	c.out.commit(b)
	for i := 0; body > 0; i++ {
		k := min(body, len(f.bodies[i].B))
		c.out.payload(buf.Slice{B: f.bodies[i].B[:k], C: f.bodies[i].C})
		body -= k
	}
	c.framesOut++
	return payload
}

// finish ends the writing of an outgoing delivery.
func (c *Connection) finish(l *link, d *delivery, id DeliveryID) {
	d.more = false
	l.partial = None
	c.useCredit(l)
	if d.settled {
		c.endDelivery(&c.outgoing, id)
	}
}

// Abort gives up an outgoing delivery that is being written [2.6.14]; it is over. When the peer's session window is
// closed, the aborting frame is written as soon as it opens; EventCredit then tells that the link may go on.
func (c *Connection) Abort(id DeliveryID) {
	d := &c.outgoing.d[id]
	if !d.used || !d.more || d.aborting {
		return
	}
	s := &c.sessions[d.session]
	switch {
	case !d.begun:
		c.endDelivery(&c.outgoing, id)
	case s.remoteIncomingWindow == 0:
		d.aborting = true
		if !d.settled { // implicitly, so that no disposition visits it
			s.unsettledOut.remove(d.deliveryID)
			d.settled = true
		}
		s.aborting = grow(c, s.aborting, id)
	default:
		c.writeAbort(s, id)
	}
}

func (c *Connection) writeAbort(s *session, id DeliveryID) {
	l := &c.links[c.outgoing.d[id].link]
	s.nextOutgoingID++
	s.remoteIncomingWindow--
	x := wire.Transfer{Handle: l.localHandle, Aborted: true, Settled: true, HasSettled: true}
	c.commit(x.Append(wire.BeginFrame(c.out.reserve(transferOverhead), wire.FrameAMQP, s.localChannel)))
	c.useCredit(l)
	c.endDelivery(&c.outgoing, id)
}

// useCredit counts a delivery that has been written whole or aborted [2.6.7]. The peer may have taken the credit back
// meanwhile.
func (c *Connection) useCredit(l *link) {
	l.deliveryCount++
	if l.credit > 0 {
		l.credit--
	}
}

func (c *Connection) abortPartial(l *link) {
	if l.role == wire.RoleSender && l.partial != None {
		c.Abort(l.partial)
	}
}
