package router

import (
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
	// settledLimit is what the settled messages of clients here that wait on one outgoing link may take, in octets,
	// branchCost for each included, and transitLimit that for those of other routers. Beyond it, some are dropped and
	// counted, as the policy of their address says. Clients seldom get there: their credit and what is read of their
	// connections end before. Nothing holds back what comes from another router, but for large messages, so that more of
	// it may wait.
	settledLimit = 1 << 20
	transitLimit = 16 << 20
	branchCost   = 512
)

// deliver takes a new branch for one of this connection's outgoing links.
func (c *Endpoint) deliver(b *branch) {
	l := b.link
	if l.Dead.Load() || c.near.Gone.Load() { // a streaming link may not have been opened, so that nobody said it is dead
		c.giveBack(b)
		return
	}
	if b.settled && !b.d.wanted && !c.admitSettled(b, false) {
		return
	}
	l.push(b)
	if b.d.expires != 0 {
		l.expiring = true
		c.alert(b.d.expires)
	}
	if l.kind == linkStream {
		c.keepOrder(b)
	}
	c.pumpLater(l)
}

// admitSettled makes room for a settled branch in its link's queue, as the policy of its address says. False means that
// it was dropped, and taken out of the queue if it stood there. The router's own messages are never dropped.
func (c *Endpoint) admitSettled(b *branch, queued bool) bool {
	a := b.address()
	if a == nil {
		return true
	}
	l, limit := b.link, settledLimit
	if b.d.transit || l.kind != linkEndpoint || a.Presettled == route.Block {
		limit = transitLimit
	}
	if c.plane.overload.at(overloadCredit) {
		limit /= 16
	}
	weight := b.size + branchCost
	for l.waitingSize > 0 && l.waitingSize+weight > limit {
		victim := b
		if a.Presettled == route.DropOldest {
			if oldest := l.oldestSettled(); oldest != nil {
				victim = oldest
			}
		}
		if victim != b || queued {
			c.takeOut(victim)
		}
		c.countFor(l, victim.address(), books.Stats{Dropped: 1})
		victim.dropped = true
		c.over(victim, wire.State{})
		if victim == b {
			return false
		}
	}
	b.weight = weight
	l.waitingSize += weight
	return true
}

// oldestSettled returns the first branch of the queue that may be dropped, nil if there is none.
func (l *link) oldestSettled() *branch {
	for b := l.head; b != nil; b = b.next {
		if b.state == branchQueued && b.weight > 0 {
			return b
		}
	}
	return nil
}

// keepOrder makes a stream wait for what is queued on the link of its priority: its sender may have sent some of that
// before it. The messages there are whole, so nothing holds them but the neighbor.
func (c *Endpoint) keepOrder(b *branch) {
	if p := linkOf(c.near.Link(b.priority)); p != nil && p.queued > 0 {
		b.behind, b.until = p, p.pushed
	}
}

// mayBegin tells whether a branch need not wait for another link's queue.
func (c *Endpoint) mayBegin(b *branch) bool {
	if b.behind == nil || b.behind.Dead.Load() || b.behind.head == nil || b.behind.head.number >= b.until {
		b.behind = nil
		return true
	}
	if l := b.link; !l.waiting {
		l.waiting = true
		c.turns.behind = append(c.turns.behind, l)
	}
	return false
}

// takeOut takes a branch out of its link's queue, wherever it stands. Streams may have waited for it, and a drain.
func (c *Endpoint) takeOut(b *branch) {
	b.link.remove(b)
	c.goOnBehind()
	c.pumpLater(b.link)
}

// goOnBehind goes on with the streams that wait for another link's queue.
func (c *Endpoint) goOnBehind() {
	for i, l := range c.turns.behind {
		l.waiting = false
		c.pumpLater(l)
		c.turns.behind[i] = nil
	}
	c.turns.behind = c.turns.behind[:0]
}

// giveBack returns a branch of which nothing was offered to the consumer. Its part of the content is left by the origin,
// which may hand it to another consumer; when that is gone, it is left here.
func (c *Endpoint) giveBack(b *branch) {
	if b.state == branchOver {
		return // notes of a connection that has just ended are not taken in their order
	}
	b.state = branchOver
	b.uncount()
	if !c.wakes.post(b.d.origin, note{kind: noteReturned, branch: b}) {
		if !b.d.wanted && !b.d.content.IsAborted() {
			c.countFor(b.link, b.address(), books.Stats{Dropped: 1})
		}
		if b.d.copy != nil {
			c.copyEnded(b.d, released, true)
		}
		b.d.content.Leave(&buf.Cursor{})
		b.d.drop(false)
	}
}

// over ends a branch with an outcome. The rest of the content is not wanted.
func (c *Endpoint) over(b *branch, state wire.State) {
	if b.state == branchOver {
		return
	}
	b.state = branchOver
	b.uncount()
	if b.d.content.Leave(&b.at) {
		c.resume(b.d)
	}
	c.postOrigin(b.d, note{kind: noteOutcome, branch: b, state: state})
}

// postOrigin sends a note with a branch's reference to the origin of its delivery; when that is gone, the reference
// is dropped here.
func (c *Endpoint) postOrigin(d *delivery, n note) {
	if !c.wakes.post(d.origin, n) {
		if n.kind == noteOutcome && d.copy != nil {
			c.copyEnded(d, n.state, false)
		}
		d.drop(false)
	}
}

// resume tells the origin that a paused content may be filled again.
func (c *Endpoint) resume(d *delivery) {
	d.refs.Add(1)
	c.postOrigin(d, note{kind: noteResume, d: d})
}

// pumpLater puts a link on the list of those that may have something to write, or a drain to answer.
func (c *Endpoint) pumpLater(l *link) {
	if !l.ready && (l.head != nil || l.attached && !l.Dead.Load() && c.eng.Draining(l.id)) {
		l.ready = true
		c.turns.ready = append(c.turns.ready, l)
	}
}

// pump writes queued branches of the links that are ready until a batch is full. It tells whether more could be
// written.
func (c *Endpoint) pump() (more bool) {
	if !c.eng.Opened() {
		return false
	}
	for i := 0; i < len(c.turns.ready); i++ {
		l := c.turns.ready[i]
		l.ready = false
		c.pumpLink(l)
		if c.eng.Pending() >= writeBatch {
			rest := copy(c.turns.ready, c.turns.ready[i+1:])
			clear(c.turns.ready[rest:])
			c.turns.ready = c.turns.ready[:rest]
			c.pumpLater(l) // at the end, so that links take turns
			return len(c.turns.ready) > 0
		}
	}
	clear(c.turns.ready)
	c.turns.ready = c.turns.ready[:0]
	return false
}

// pumpLink writes what one link's credit, its session's window and the batch allow.
func (c *Endpoint) pumpLink(l *link) {
	if !l.attached || l.Dead.Load() {
		return
	}
	if l.kind == linkData && len(c.turns.behind) > 0 {
		defer c.goOnBehind()
	}
	for l.head != nil && c.eng.Pending() < writeBatch {
		b := l.head
		if b.state == branchQueued {
			if b.d.isExpired(c.clock.at) {
				l.pop()
				c.giveBackExpired(b)
				continue
			}
			if !c.mayBegin(b) {
				return
			}
			if c.eng.Credit(l.id) > 0 && c.eng.AwaitWindow(l.session) {
				c.block(l) // what is not begun can still go elsewhere, and its credit be taken back
				return
			}
			b.id = c.eng.Deliver(l.id, b.settled, b.d.format)
			if b.id == engine.None {
				if c.eng.Credit(l.id) == 0 && c.eng.Draining(l.id) {
					c.giveCreditBack(l) // all the credit was used: that answers the drain
				}
				return // EventCredit will come
			}
			b.state = branchWriting
			c.setOut(b.id, b)
		}
		if !c.write(b) {
			return
		}
	}
	if l.head == nil && c.eng.Draining(l.id) {
		c.giveCreditBack(l)
	}
}

// write writes as much of a branch as there is and as fits. It returns true when the branch is written whole or over,
// so that the link may go on with the next.
func (c *Endpoint) write(b *branch) bool {
	content := &b.d.content
	if b.skip > 0 { // the sections that head replaces had arrived when the message was routed
		if content.Advance(&b.at, b.skip) {
			c.resume(b.d)
		}
		b.skip = 0
	}
	for {
		var status buf.Status
		c.turns.slices, status = content.ReadSlices(&b.at, c.turns.slices[:0], writeFrames)
		if status == buf.Aborted {
			c.abort(b)
			return true
		}
		if status == buf.Pending && len(b.head) == 0 {
			return false // noteGrown will come
		}
		size := len(b.head)
		for i := range c.turns.slices {
			size += len(c.turns.slices[i].B)
		}
		n, done := c.eng.WriteSlices(b.id, b.head, c.turns.slices, status == buf.Last)
		b.link.stats.Octets += uint64(n)
		clear(c.turns.slices)
		fromHead := min(n, len(b.head))
		b.head = b.head[fromHead:]
		if content.Advance(&b.at, n-fromHead) {
			c.resume(b.d)
		}
		if done {
			c.written(b)
			return true
		}
		if c.eng.Pending() >= writeBatch {
			return false // the next batch goes on
		}
		if n < size || status == buf.Last {
			c.block(b.link)
			return false // EventWindow will come
		}
	}
}

// block puts a link on the list of those that wait for their session's window.
func (c *Endpoint) block(l *link) {
	if !l.blocked {
		l.blocked, l.blockedAt = true, len(c.turns.blocked)
		c.turns.blocked = append(c.turns.blocked, l)
	}
}

// unblock takes a link off that list.
func (c *Endpoint) unblock(l *link) {
	if !l.blocked {
		return
	}
	l.blocked = false
	last := len(c.turns.blocked) - 1
	moved := c.turns.blocked[last]
	c.turns.blocked[l.blockedAt], moved.blockedAt = moved, l.blockedAt
	c.turns.blocked[last] = nil
	c.turns.blocked = c.turns.blocked[:last]
}

// written goes on with a branch whose last frame was written.
func (c *Endpoint) written(b *branch) {
	l := b.link
	l.pop()
	c.countWritten(b)
	c.clock.delivered = c.clock.delivered || l.kind != linkControl
	b.state = branchWritten
	if !b.settled {
		l.unsettled++
		b.unweigh()
		return
	}
	c.clearOut(b)
	c.countSent(b, true, wire.StateNone)
	state := wire.State{}
	if b.d.wanted && (l.settled || b.d.meant && l.kind == linkEndpoint) {
		state = accepted // the receiver, or the first sender, asked for settled deliveries: that is acceptance here
	}
	c.over(b, state)
}

// abort ends a branch whose sender gave up in the middle.
func (c *Endpoint) abort(b *branch) {
	b.link.pop()
	c.eng.Abort(b.id)
	c.clearOut(b)
	c.over(b, deliveryFailed)
}

// consumerOutcome takes what the peer says about an outgoing delivery.
func (c *Endpoint) consumerOutcome(ev *engine.Event) {
	b := c.outAt(ev.Delivery)
	if b == nil {
		return
	}
	l := b.link
	terminal := ev.State.Terminal()
	if !ev.Settled && !terminal {
		return // received: only a report of progress
	}
	if b.state == branchWriting { // settled before it was written whole
		c.cutShort(b, ev)
		return
	}
	if !ev.Settled {
		c.eng.SettleOutgoing(ev.Delivery, ev.State)
	}
	c.clearOut(b)
	l.unsettled--
	c.countSent(b, false, ev.State.Kind)
	c.over(b, ev.State.Clone())
}

// cutShort ends a branch that its consumer settled before it had all of it: the rest is not sent.
func (c *Endpoint) cutShort(b *branch, ev *engine.Event) {
	c.takeOut(b)
	c.countWritten(b)
	c.countSent(b, false, ev.State.Kind)
	c.eng.Abort(b.id)
	c.clearOut(b)
	c.over(b, ev.State.Clone())
}

// senderSettled goes on with a branch whose sender does not want an outcome any more: it has settled, or is gone. unwanted
// says that the message need not arrive either: another copy of it has. One of two copies that have come here stays
// unsettled, but counts as a settled one in the queue: nothing else bounds how many there are if both senders are gone.
func (c *Endpoint) senderSettled(b *branch, unwanted bool) {
	switch {
	case b.state == branchOver:
	case b.state == branchQueued && (unwanted || b.d.doubled && b.d.transit): // the other copy goes another way
		c.takeOut(b)
		c.over(b, wire.State{})
	case b.d.copy != nil: // the other copy's sender may wait for the outcome
		if b.state == branchQueued && b.weight == 0 {
			c.admitSettled(b, true)
		}
	case b.state == branchQueued: // its sender may be gone, so that nothing else bounds how many there are
		b.settled = true
		if b.weight == 0 {
			c.admitSettled(b, true)
		}
	case b.state == branchWriting && unwanted: // the origin does not tell it any more that there is more to be written
		c.takeOut(b)
		c.eng.Abort(b.id)
		c.clearOut(b)
		c.over(b, wire.State{})
	case b.settled:
	case b.state == branchWriting:
		b.settled = true
		c.eng.SettleOutgoing(b.id, wire.State{})
	default:
		b.settled = true
		c.eng.SettleOutgoing(b.id, wire.State{})
		c.clearOut(b)
		b.link.unsettled--
		c.countSent(b, false, wire.StateNone)
		c.over(b, wire.State{})
	}
}

// failLink ends every branch of an outgoing link that is gone: what was not offered comes back to its origin, what was
// is in doubt.
func (c *Endpoint) failLink(l *link) {
	l.Dead.Store(true)
	c.goOnBehind()
	for l.head != nil {
		b := l.pop()
		if b.state == branchQueued {
			c.giveBack(b)
			continue
		}
		c.clearOut(b)
		c.over(b, deliveryFailed)
	}
	if c.eng == nil || !l.attached {
		return
	}
	c.eng.Deliveries(l.id, func(id engine.DeliveryID) {
		if b := c.outAt(id); b != nil && b.link == l {
			c.clearOut(b)
			c.countSent(b, false, deliveryFailed.Kind)
			c.over(b, deliveryFailed)
		}
	})
	l.unsettled = 0
}

// senderGone lets go of every delivery of an incoming link that is gone. Whole messages still reach their consumers;
// half ones are aborted.
func (c *Endpoint) senderGone(l *link) {
	l.Dead.Store(true)
	if l.shares {
		l.shares = false
		c.plane.overload.senders.Add(-1)
	}
	if d := l.receiving; d != nil {
		l.receiving = nil
		d.content.Abort()
		c.abandon(d)
	}
	if !l.attached {
		return
	}
	c.eng.Deliveries(l.id, func(id engine.DeliveryID) {
		if d := c.inAt(id); d != nil && d.link == l {
			c.abandon(d)
		}
	})
	for _, s := range l.streams {
		c.giveStream(s)
	}
	l.streams = nil
}

// abandon takes a delivery from its link, which is gone. What is left of it ends with its branches.
func (c *Endpoint) abandon(d *delivery) {
	c.unwait(d)
	c.clearIn(d)
	if d.link != nil && !d.counted {
		c.countEnd(d.link, d.address, !d.wanted, wire.StateNone, c.clock.at-d.at)
	}
	c.unhold(d)
	d.link = nil
	d.settled = true
	arrived := d.arrived
	d.arrived = true
	d.branches(func(b *branch) {
		if b.over {
			return
		}
		kind := noteSettled
		if !arrived {
			kind = noteGrown // it will find the content aborted
		}
		d.refs.Add(1)
		if !c.wakes.post(b.link.conn, note{kind: kind, branch: b}) {
			d.drop(true)
		}
	})
	if d.pending == 0 {
		if d.copy != nil {
			c.copyEnded(d, released, true)
		}
		d.drop(true)
	}
}
