package router

import (
	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/books"
)

// take handles a note from the inbox. The mutex is held. On a connection that is gone, it only gives back what the
// note holds.
func (c *Endpoint) take(n *note) {
	gone := c.near.Gone.Load() || c.eng != nil && !c.eng.Opened()
	switch n.kind {
	case noteDeliver:
		if c.resident != nil {
			c.resident.deliver(n.branch)
		} else {
			c.deliver(n.branch)
		}
	case noteGrown:
		if c.resident == nil {
			c.contentGrown(n.branch)
		}
		n.branch.d.drop(false)
	case noteSettled:
		if c.resident == nil {
			c.senderSettled(n.branch, n.on)
		}
		n.branch.d.drop(false)
	case noteOutcome:
		c.branchOutcome(n.branch, n.state)
	case noteReturned:
		c.returned(n.branch)
	case noteResume:
		if !n.d.content.Paused() { // it may have been filled again meanwhile
			c.unhold(n.d)
		}
		n.d.drop(true)
	case noteFollow:
		c.follow(n.d, n.state, n.on)
		n.d.drop(true)
	case noteRetry:
		if !gone {
			c.retry(n.address, n.on)
		}
	case noteOpenStream:
		if !gone {
			c.openStream(n.link)
		} else {
			c.failLink(n.link) // it may have been given messages before
		}
	case noteAttached:
		c.unanswered.add(-1)
		if !gone {
			c.attached(n.link, n.answer)
		}
	case noteReachable:
		if !gone {
			c.setReachable(n.link, n.on)
		}
	case noteDetach:
		if !gone {
			c.detach(n.link, n.err)
		}
	case noteOffender:
		if !gone {
			c.detachWorst()
		}
	case noteStopCredit:
		if !c.near.Gone.Load() { // also before the open
			c.stopCredit()
		}
	case noteClose:
		if !c.near.Gone.Load() && !c.ending.closing {
			c.shut(n.err)
		}
	}
}

// shut begins to close the connection from this side. The peer has a short time to answer.
func (c *Endpoint) shut(err *wire.Error) {
	c.ending.closing = true
	if err != nil {
		c.fails(books.FailedClosed)
	}
	if c.control != nil { // it may say that this router leaves
		c.pumpLink(c.control)
	}
	c.eng.Close(err)
}

// contentGrown goes on with a branch whose content has changed.
func (c *Endpoint) contentGrown(b *branch) {
	if b.state == branchOver {
		return
	}
	if b.state == branchQueued && b.d.content.IsAborted() {
		c.takeOut(b)
		c.over(b, deliveryFailed)
		return
	}
	c.pumpLater(b.link)
}

// event handles one event of the engine. The mutex is held.
func (c *Endpoint) event(ev *engine.Event, chunk *buf.Chunk) {
	switch ev.Kind {
	case engine.EventTransfer:
		c.incoming(ev, chunk)
	case engine.EventOutcome:
		c.consumerOutcome(ev)
	case engine.EventCredit:
		c.credit(ev)
	case engine.EventWindow:
		for i, l := range c.turns.blocked {
			l.blocked = false
			c.pumpLater(l)
			c.turns.blocked[i] = nil
		}
		c.turns.blocked = c.turns.blocked[:0]
	case engine.EventAborted:
		c.aborted(ev)
	case engine.EventDrained:
		c.drained(ev)
	case engine.EventSenderSettled:
		c.settledBySender(ev)
	case engine.EventMechanisms, engine.EventInit, engine.EventChallenge, engine.EventResponse,
		engine.EventAuthenticated, engine.EventOpen:
		c.driver.admit(ev)
	case engine.EventBegin:
		if !ev.Answer && c.terms.role == RoleInterRouter { // it may be for streams; routerLinkUp knows more
			c.eng.LimitWindow(ev.Session, streamWindow)
		}
		if !ev.Answer && c.eng.Begin(ev.Session) == engine.None {
			c.shut(&wire.Error{Condition: wire.ErrResourceLimitExceeded, Description: "no channel is left"})
		}
	case engine.EventAttach:
		c.attach(ev)
	case engine.EventDetach:
		c.peerDetached(ev.Link, ev.Closed, nil)
	case engine.EventLinkError:
		c.note("link %q: %v", c.eng.LinkName(ev.Link), ev.Err())
		c.peerDetached(ev.Link, true, ev.Err().Cause)
	case engine.EventEnd:
		c.sessionEnded(ev.Session, nil)
	case engine.EventSessionError:
		c.note("session: %v", ev.Err())
		c.letGo(ev.Session)
		c.sessionEnded(ev.Session, ev.Err().Cause)
	case engine.EventClose:
		if e := ev.Err(); e != nil && e.Cause != nil {
			c.ending.reason = e.Error()
			c.fails(books.FailedPeer)
		}
	case engine.EventDisconnected:
		if e := ev.Err(); e != nil {
			c.ending.reason = e.Error()
			c.fails(books.FailedProtocol)
		}
	}
}

// credit goes on with an outgoing link whose credit has changed.
func (c *Endpoint) credit(ev *engine.Event) {
	l := c.links[ev.Link]
	if l == nil || !l.attached {
		return
	}
	l.credited(ev.Credit)
	if l.head != nil {
		c.pumpLater(l)
	} else if ev.Drain {
		c.giveCreditBack(l)
	}
}

// aborted goes on with a delivery that its sender gave up in the middle.
func (c *Endpoint) aborted(ev *engine.Event) {
	l := c.links[ev.Link]
	if l == nil || l.receiving == nil {
		return
	}
	d := l.receiving
	l.receiving = nil
	d.content.Abort()
	d.settled, d.arrived, d.aborted = true, true, true
	c.clearIn(d)
	if !d.forwarded {
		d.forwarded = true
		c.finished(d)
		return
	}
	c.grown(d)
	if d.pending == 0 {
		c.finished(d)
	}
}

// settledBySender goes on with a delivery that the sender settled before it had an outcome.
func (c *Endpoint) settledBySender(ev *engine.Event) {
	d := c.inAt(ev.Delivery)
	if d == nil {
		return
	}
	if d.arrived {
		c.clearIn(d)
	}
	c.settledOnTheWay(d)
}

// settledOnTheWay goes on with a delivery whose sender does not wait for its outcome any more.
func (c *Endpoint) settledOnTheWay(d *delivery) {
	d.settled = true
	if !d.forwarded {
		d.wanted = false // as if it had been pre-settled
		return
	}
	alone := d.copy == nil // else it may be only this copy's way that has ended, and the other copy's sender waits
	if d.waiting {
		if alone { // only those are held whose senders want to know
			c.unwait(d)
			c.undeliverable(d)
		}
		return
	}
	if l := d.link; l != nil && alone {
		for i := range l.streams {
			l.streams[i].settled = true
		}
	}
	d.branches(func(b *branch) {
		if b.over {
			return
		}
		d.refs.Add(1)
		if !c.wakes.post(b.link.conn, note{kind: noteSettled, branch: b}) {
			d.drop(true)
		}
	})
}

// peerDetached ends a link that the peer has detached, or that broke a rule.
func (c *Endpoint) peerDetached(id engine.LinkID, closed bool, err *wire.Error) {
	if l := c.links[id]; l != nil {
		c.links[id] = nil
		c.dropLink(l)
	}
	c.eng.Detach(id, closed, err)
}

// detach ends a link from this side.
func (c *Endpoint) detach(l *link, err *wire.Error) {
	if int(l.id) >= len(c.links) || l.id < 0 || c.links[l.id] != l {
		return
	}
	if l.kind == linkStream && l.outgoing { // it has a session of its own
		c.sessionEnded(l.session, err)
		return
	}
	c.peerDetached(l.id, true, err)
}

// letGo ends all deliveries of a session that failed. The engine may have forgotten them already: it ends a session by
// itself when a command on it cannot be done.
func (c *Endpoint) letGo(id engine.SessionID) {
	for _, b := range c.deliveries.out {
		if b != nil && b.link.session == id {
			c.clearOut(b)
			if b.state == branchWritten {
				c.countSent(b, false, deliveryFailed.Kind)
			}
			c.over(b, deliveryFailed)
		}
	}
	for _, d := range c.deliveries.in {
		if d == nil || d.link == nil || d.link.session != id {
			continue
		}
		if l := d.link; l.receiving == d {
			l.receiving = nil
			d.content.Abort()
		}
		c.abandon(d)
	}
}

// sessionEnded ends the links of a session and the session.
func (c *Endpoint) sessionEnded(id engine.SessionID, err *wire.Error) {
	for i, l := range c.links {
		if l != nil && l.session == id {
			c.links[i] = nil
			c.dropLink(l)
		}
	}
	c.eng.End(id, err)
}
