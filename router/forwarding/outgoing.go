package forwarding

import (
	"bytes"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/route"
)

const (
	// writeBatch is the number of octets gathered before they are written: a connection's lock is not held longer.
	writeBatch = 256 << 10
	// writeFrames is the number of octets of one message that are looked at together, to fill frames from.
	writeFrames = 128 << 10
	// SettledLimit is what the settled messages of clients here that wait on one outgoing link may take, in octets,
	// with branchCost for each. Beyond that, some are dropped and counted, as the policy of their address says. Clients
	// seldom get there: their credit, and what is read of their connections, end before.
	SettledLimit = 1 << 20
	// TransitLimit is the same for messages of other routers. More of them may wait, since nothing but their size holds
	// back what comes from there.
	TransitLimit = 16 << 20
)

// Deliver takes a new branch for one of the endpoint's outgoing links.
func (c *Endpoint) Deliver(b *Branch) {
	l := b.Link
	if l.Dead.Load() || c.Near.Gone.Load() { // a streaming link may not have been opened, so that nobody said it is dead
		c.GiveBack(b)
		return
	}
	if b.Settled && !b.Delivery.Wanted && !c.admitSettled(b, false) {
		return
	}
	l.Push(b)
	if b.Delivery.expires != 0 {
		l.expiring = true
		c.Alert(b.Delivery.expires)
	}
	if l.Kind == LinkStream {
		c.KeepOrder(b)
	}
	c.pumpLater(l)
}

// admitSettled makes room for a settled branch in its link's queue, as the policy of its address says. False means that
// the branch was dropped, and taken out of the queue if it stood there. The router's own messages are never dropped.
func (c *Endpoint) admitSettled(b *Branch, queued bool) bool {
	a := b.Address()
	if a == nil {
		return true
	}
	l, limit := b.Link, SettledLimit
	if b.Delivery.Transit || l.Kind != LinkEndpoint || a.Presettled == route.Block {
		limit = TransitLimit
	}
	if c.Plane.Overload.At(OverloadCredit) {
		limit /= 16
	}
	weight := b.Size + branchCost
	for l.WaitingSize > 0 && l.WaitingSize+weight > limit {
		victim := b
		if a.Presettled == route.DropOldest {
			if oldest := l.oldestSettled(); oldest != nil {
				victim = oldest
			}
		}
		if victim != b || queued {
			c.takeOut(victim)
		}
		c.dropSettled(victim)
		if victim == b {
			return false
		}
	}
	b.weight = weight
	l.WaitingSize += weight
	return true
}

// dropSettled ends a settled branch, which stands in no queue, for want of room, and counts that. The mutex is held.
func (c *Endpoint) dropSettled(b *Branch) {
	c.countFor(b.Link, b.Address(), books.Stats{Dropped: 1})
	b.dropped = true
	c.Over(b, wire.State{})
}

// oldestAmong is how many branches of a queue are looked at for one that may be dropped.
const oldestAmong = 64

// oldestSettled returns the first branch of the queue that may be dropped, nil if there is none near its head.
func (q *queue) oldestSettled() *Branch {
	for b, n := q.Head, 0; b != nil && n < oldestAmong; b, n = b.Next, n+1 {
		if b.State == branchQueued && b.weight > 0 {
			return b
		}
	}
	return nil
}

// KeepOrder makes a stream wait for what is queued on the link of its priority: the sender may have sent some of that
// before. The messages there are whole, so that nothing holds them back but the neighbor.
func (c *Endpoint) KeepOrder(b *Branch) {
	if p := LinkOf(c.Near.Link(b.Priority)); p != nil && p.Queued > 0 {
		b.Behind, b.until = p, p.pushed
	}
}

// MayBegin reports whether a branch need not wait for another link's queue.
func (c *Endpoint) MayBegin(b *Branch) bool {
	if b.Behind == nil || b.Behind.Dead.Load() || b.Behind.Head == nil || b.Behind.Head.number >= b.until {
		b.Behind = nil
		return true
	}
	if l := b.Link; !l.waiting {
		l.waiting = true
		c.Turns.Behind = append(c.Turns.Behind, l)
	}
	return false
}

// takeOut takes a branch out of its link's queue, wherever it stands. Streams may have waited for it, and a drain.
func (c *Endpoint) takeOut(b *Branch) {
	b.Link.Remove(b)
	c.goOnBehind()
	c.pumpLater(b.Link)
}

// goOnBehind goes on with the streams that wait for another link's queue.
func (c *Endpoint) goOnBehind() {
	for i, l := range c.Turns.Behind {
		l.waiting = false
		c.pumpLater(l)
		c.Turns.Behind[i] = nil
	}
	c.Turns.Behind = c.Turns.Behind[:0]
}

// GiveBack returns a branch of which nothing was offered to the consumer. The origin may hand its part of the content
// to another consumer. When the origin is gone, that part is left here.
func (c *Endpoint) GiveBack(b *Branch) {
	if b.State == BranchOver {
		return // notes of a connection that has just ended are not taken in their order
	}
	b.State = BranchOver
	b.uncount()
	if !c.Wakes.Post(b.Delivery.Origin, Note{Kind: NoteReturned, Branch: b}) {
		if !b.Delivery.Wanted && !b.Delivery.Content.IsAborted() {
			c.countFor(b.Link, b.Address(), books.Stats{Dropped: 1})
		}
		if b.Delivery.copy != nil {
			c.CopyEnded(b.Delivery, Released, true)
		}
		b.Delivery.Content.Leave(&buf.Cursor{})
		b.Delivery.Drop(false)
	}
}

// Over ends a branch with an outcome. The rest of the content is not wanted.
func (c *Endpoint) Over(b *Branch, state wire.State) {
	if b.State == BranchOver {
		return
	}
	b.State = BranchOver
	b.uncount()
	if b.Delivery.Content.Leave(&b.at) {
		c.resume(b.Delivery)
	}
	c.postOrigin(b.Delivery, Note{Kind: noteOutcome, Branch: b, state: state})
}

// postOrigin sends a note with a branch's reference to the origin of its delivery; when that is gone, the reference
// is dropped here.
func (c *Endpoint) postOrigin(d *Delivery, n Note) {
	if !c.Wakes.Post(d.Origin, n) {
		if n.Kind == noteOutcome && d.copy != nil {
			c.CopyEnded(d, n.state, false)
		}
		d.Drop(false)
	}
}

// resume tells the origin that a paused content may be filled again.
func (c *Endpoint) resume(d *Delivery) {
	d.Refs.Add(1)
	c.postOrigin(d, Note{Kind: noteResume, d: d})
}

// pumpLater puts a link on the list of those that may have something to write, or a drain to answer.
func (c *Endpoint) pumpLater(l *Link) {
	if !l.ready && (l.Head != nil || l.Attached && !l.Dead.Load() && c.Engine.Draining(l.ID)) {
		l.ready = true
		c.Turns.ready = append(c.Turns.ready, l)
	}
}

// pump writes queued branches of the links that are ready until a batch is full. more says that more could be written.
func (c *Endpoint) pump() (more bool) {
	if !c.Engine.Opened() {
		return false
	}
	for i := 0; i < len(c.Turns.ready); i++ {
		l := c.Turns.ready[i]
		l.ready = false
		c.pumpLink(l)
		c.work.units++
		if c.Engine.Pending() >= writeBatch || c.work.units >= 2*turnUnits {
			rest := copy(c.Turns.ready, c.Turns.ready[i+1:])
			clear(c.Turns.ready[rest:])
			c.Turns.ready = c.Turns.ready[:rest]
			c.pumpLater(l) // at the end, so that links take turns
			return len(c.Turns.ready) > 0
		}
	}
	clear(c.Turns.ready)
	c.Turns.ready = c.Turns.ready[:0]
	return false
}

// pumpLink writes what one link's credit, its session's window and the batch allow.
func (c *Endpoint) pumpLink(l *Link) {
	if !l.Attached || l.Dead.Load() {
		return
	}
	if l.Kind == LinkData && len(c.Turns.Behind) > 0 {
		defer c.goOnBehind()
	}
	for l.Head != nil && c.Engine.Pending() < writeBatch {
		b := l.Head
		if b.State == branchQueued {
			if b.Delivery.isExpired(c.Clock.At) {
				l.Pop()
				c.giveBackExpired(b)
				continue
			}
			if !c.MayBegin(b) {
				return
			}
			if c.Engine.Credit(l.ID) > 0 && c.Engine.AwaitWindow(l.session) {
				c.block(l) // what is not begun can still go elsewhere, and its credit be taken back
				return
			}
			b.id = c.Engine.Deliver(l.ID, b.Settled, b.Delivery.Format)
			if b.id == engine.None {
				if c.Engine.Credit(l.ID) == 0 && c.Engine.Draining(l.ID) {
					c.giveCreditBack(l) // all the credit was used: that answers the drain
				}
				return // EventCredit will come
			}
			b.State = branchWriting
			c.setOut(b.id, b)
		}
		if !c.write(b) {
			return
		}
	}
	if l.Head == nil && c.Engine.Draining(l.ID) {
		c.giveCreditBack(l)
	}
}

// write writes as much of a branch as there is and as fits. True means that the branch is written whole or over, so
// that the link may go on with the next.
func (c *Endpoint) write(b *Branch) bool {
	content := &b.Delivery.Content
	if b.Skip > 0 { // the sections that head replaces had arrived when the message was routed
		if content.Advance(&b.at, b.Skip) {
			c.resume(b.Delivery)
		}
		b.Skip = 0
	}
	for {
		var status buf.Status
		c.Turns.slices, status = content.ReadSlices(&b.at, c.Turns.slices[:0], writeFrames)
		if status == buf.Aborted {
			c.abort(b)
			return true
		}
		if status == buf.Pending && len(b.Head) == 0 {
			return false // noteGrown will come
		}
		size := len(b.Head)
		for i := range c.Turns.slices {
			size += len(c.Turns.slices[i].B)
		}
		n, done := c.Engine.WriteSlices(b.id, b.Head, c.Turns.slices, status == buf.Last)
		b.Link.Stats.Octets += uint64(n)
		clear(c.Turns.slices)
		fromHead := min(n, len(b.Head))
		b.Head = b.Head[fromHead:]
		if content.Advance(&b.at, n-fromHead) {
			c.resume(b.Delivery)
		}
		if done {
			c.written(b)
			return true
		}
		if c.Engine.Pending() >= writeBatch {
			return false // the next batch goes on
		}
		if n < size || status == buf.Last {
			c.block(b.Link)
			return false // EventWindow will come
		}
	}
}

// block puts a link on the list of those that wait for their session's window.
func (c *Endpoint) block(l *Link) {
	if !l.Blocked {
		l.Blocked, l.BlockedAt = true, len(c.Turns.Blocked)
		c.Turns.Blocked = append(c.Turns.Blocked, l)
	}
}

// unblock takes a link off that list.
func (c *Endpoint) unblock(l *Link) {
	if !l.Blocked {
		return
	}
	l.Blocked = false
	last := len(c.Turns.Blocked) - 1
	moved := c.Turns.Blocked[last]
	c.Turns.Blocked[l.BlockedAt], moved.BlockedAt = moved, l.BlockedAt
	c.Turns.Blocked[last] = nil
	c.Turns.Blocked = c.Turns.Blocked[:last]
}

// written goes on with a branch whose last frame was written.
func (c *Endpoint) written(b *Branch) {
	l := b.Link
	l.Pop()
	c.countWritten(b)
	c.Clock.delivered = c.Clock.delivered || l.Kind != LinkControl
	b.State = branchWritten
	if !b.Settled {
		l.Unsettled++
		b.unweigh()
		return
	}
	c.clearOut(b)
	c.countSent(b, true, wire.StateNone)
	state := wire.State{}
	if b.Delivery.Wanted && (l.settled || b.Delivery.meant && l.Kind == LinkEndpoint) {
		state = Accepted // the receiver, or the first sender, asked for settled deliveries: that is acceptance here
	}
	c.Over(b, state)
}

// abort ends a branch whose sender gave up in the middle.
func (c *Endpoint) abort(b *Branch) {
	b.Link.Pop()
	c.cut(b, DeliveryFailed)
}

// consumerOutcome takes what the peer says about an outgoing delivery.
func (c *Endpoint) consumerOutcome(ev *engine.Event) {
	b := c.outAt(ev.Delivery)
	if b == nil {
		return
	}
	l := b.Link
	terminal := ev.State.Terminal()
	if !ev.Settled && !terminal {
		return // received: only a report of progress
	}
	if b.State == branchWriting { // settled before it was written whole
		c.cutShort(b, ev)
		return
	}
	if !ev.Settled {
		c.Engine.SettleOutgoing(ev.Delivery, ev.State)
	}
	c.clearOut(b)
	l.Unsettled--
	c.countSent(b, false, ev.State.Kind)
	c.Over(b, c.kept(ev.State))
}

// kept returns a state whose octets stay as they are. Deliveries of one turn that have the same outcome share them: one
// disposition may be about very many. The mutex is held.
func (c *Endpoint) kept(s wire.State) wire.State {
	if len(s.Raw) == 0 {
		return s
	}
	if k := &c.work.outcome; k.Kind != s.Kind || !bytes.Equal(k.Raw, s.Raw) {
		*k = s.Clone()
	}
	return c.work.outcome
}

// cutShort ends a branch that its consumer settled before it had all of it: the rest is not sent.
func (c *Endpoint) cutShort(b *Branch, ev *engine.Event) {
	c.takeOut(b)
	c.countWritten(b)
	c.countSent(b, false, ev.State.Kind)
	c.cut(b, c.kept(ev.State))
}

// cut ends a branch in the middle that is in no queue any more.
func (c *Endpoint) cut(b *Branch, state wire.State) {
	c.Engine.Abort(b.id)
	c.clearOut(b)
	c.Over(b, state)
}

// senderSettled goes on with a branch whose sender does not want an outcome any more: it has settled, or is gone. The
// message is unwanted if it need not arrive either: another copy of it has. Of two copies that travel apart, one whose
// sender is gone is not begun; of two that have met here, each stays unsettled, for the other one's sender may wait.
//
//	state    unwanted    travels apart  has met      any other
//	queued   taken out   taken out      weighed      settled, and weighed
//	writing  cut         settled        stays        settled
//	written  over        over           stays        over
//	over     stays       stays          stays        stays
//
// What has met stays when it is unwanted and begun. Weighed: nothing else bounds how many wait, if the sender is gone.
func (c *Endpoint) senderSettled(b *Branch, unwanted bool) {
	d := b.Delivery
	switch hasMet := d.copy != nil; {
	case b.State == BranchOver:
	case b.State == branchQueued && (unwanted || d.doubled && d.Transit):
		c.takeOut(b)
		c.Over(b, wire.State{})
	case b.State == branchQueued:
		b.Settled = b.Settled || !hasMet
		if b.weight == 0 {
			c.admitSettled(b, true)
		}
	case hasMet:
	case b.State == branchWriting && unwanted: // the origin does not tell it any more that there is more to be written
		c.takeOut(b)
		c.cut(b, wire.State{})
	case b.Settled:
	case b.State == branchWriting:
		b.Settled = true
		c.Engine.SettleOutgoing(b.id, wire.State{})
	default:
		b.Settled = true
		c.Engine.SettleOutgoing(b.id, wire.State{})
		c.clearOut(b)
		b.Link.Unsettled--
		c.countSent(b, false, wire.StateNone)
		c.Over(b, wire.State{})
	}
}

// failQueued ends the first branch of the queue of an outgoing link that is gone: what was not offered comes back to
// its origin, what was is in doubt.
func (c *Endpoint) failQueued(l *Link) {
	b := l.Pop()
	if b.State == branchQueued {
		c.GiveBack(b)
		return
	}
	c.clearOut(b)
	c.Over(b, DeliveryFailed)
}

// lostDelivery goes on with a delivery of a link that is gone: that of a sender still reaches its consumers, that of a
// receiver is in doubt.
func (c *Endpoint) lostDelivery(l *Link, id engine.DeliveryID) {
	if !l.Outgoing {
		if d := c.inAt(id); d != nil && d.Link == l {
			c.Abandon(d)
		}
		return
	}
	if b := c.outAt(id); b != nil && b.Link == l {
		c.clearOut(b)
		c.countSent(b, false, DeliveryFailed.Kind)
		c.Over(b, DeliveryFailed)
	}
}

// senderEnds begins the end of an incoming link. Whole messages still reach their consumers; a half one is aborted.
func (c *Endpoint) senderEnds(l *Link) {
	if l.shares {
		l.shares = false
		c.Plane.Overload.Senders.Add(-1)
	}
	if d := l.Receiving; d != nil {
		l.Receiving = nil
		d.Content.Abort()
		c.Abandon(d)
	}
}

// linkEnded takes a link away that has nothing any more, and tells the control loop.
func (c *Endpoint) linkEnded(l *Link) {
	l.Unsettled = 0
	if c.linkAt(l.ID) == l {
		c.Links[l.ID] = nil
	}
	if !l.Outgoing {
		for _, s := range l.Streams {
			c.giveStream(s)
		}
		l.Streams = nil
	}
	c.unblock(l)
	c.routerLinkGone(l)
	c.retire(l, l.Address, &l.Stats)
	c.Plane.Events.Put(Event{Kind: EventLinkGone, End: c, Link: l})
}

// Abandon takes a delivery from its link, which is gone. What is left of it ends with its branches.
func (c *Endpoint) Abandon(d *Delivery) {
	c.Unwait(d)
	c.clearIn(d)
	if d.Link != nil && d.Stage != StageOver {
		c.countEnd(d.Link, d.address, !d.Wanted, wire.StateNone, c.Clock.At-d.at)
	}
	c.unhold(d)
	d.Link = nil
	d.Settled = true
	if d.Arrival == Arriving {
		d.Arrival = Aborted
		c.tellAll(d, noteGrown, false) // they will find the content aborted
	} else {
		c.tellAll(d, noteSettled, false)
	}
	if d.Pending == 0 {
		if d.copy != nil {
			c.CopyEnded(d, Released, true)
		}
		d.Drop(true)
	}
}
