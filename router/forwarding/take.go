package forwarding

import (
	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/books"
)

// Take handles a note from the inbox. The mutex is held. When the connection is gone, Take only gives back what the
// note holds.
func (c *Endpoint) Take(n *Note) {
	gone := c.Near.Gone.Load() || c.Engine != nil && !c.Engine.Opened()
	switch n.Kind {
	case NoteDeliver:
		if c.Resident != nil {
			c.Resident.Deliver(n.Branch)
		} else {
			c.Deliver(n.Branch)
		}
	case noteGrown:
		if c.Resident == nil {
			c.contentGrown(n.Branch)
		}
		n.Branch.Delivery.Drop(false)
	case noteSettled:
		if c.Resident == nil {
			c.senderSettled(n.Branch, n.On)
		}
		n.Branch.Delivery.Drop(false)
	case noteOutcome:
		c.branchOutcome(n.Branch, n.state)
	case NoteReturned:
		c.Returned(n.Branch)
	case noteResume:
		if !n.d.Content.Paused() { // it may have been filled again meanwhile
			c.unhold(n.d)
		}
		n.d.Drop(true)
	case NoteFollow:
		c.follow(n.d, n.state, n.On)
		n.d.Drop(true)
	case noteHold:
		c.holdOrigin(n.d)
		n.d.Drop(true)
	case noteRetry:
		if !gone {
			c.Retry(n.address, n.On)
		}
	default:
		c.takeOrder(n, gone)
	}
}

// takeOrder handles a note that is not about one delivery: the control loop, or somebody else, wants something done.
func (c *Endpoint) takeOrder(n *Note, gone bool) {
	switch n.Kind {
	case NoteOpenStream:
		if !gone {
			c.openStream(n.Link)
		} else {
			c.failUnopened(n.Link) // it may have been given messages before
		}
	case NoteAttached:
		c.Unanswered.Add(-1)
		if !gone {
			c.attached(n.Link, n.Answer)
		}
	case NoteReachable:
		if !gone {
			c.setReachable(n.Link, n.On)
		}
	case NoteDetach:
		if !gone {
			c.detach(n.Link, n.Err)
		}
	case noteLeaveMesh:
		if !gone {
			c.leaveMesh()
		}
	case NoteStopCredit:
		if !c.Near.Gone.Load() { // also before the open
			c.stopCredit()
		}
	case noteClose:
		if !c.Near.Gone.Load() && !c.Ending.Closing {
			c.Shut(n.Err)
		}
	}
}

// Shut begins to close the connection from this side. The peer has a short time to answer.
func (c *Endpoint) Shut(err *wire.Error) {
	c.Ending.Closing = true
	if err != nil {
		c.Fails(books.FailedClosed)
	}
	if c.control != nil { // it may say that this router leaves
		c.pumpLink(c.control)
	}
	c.Engine.Close(err)
}

// contentGrown goes on with a branch whose content has changed.
func (c *Endpoint) contentGrown(b *Branch) {
	if b.State == BranchOver {
		return
	}
	if b.State == branchQueued && b.Delivery.Content.IsAborted() {
		c.takeOut(b)
		c.Over(b, DeliveryFailed)
		return
	}
	c.pumpLater(b.Link)
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
		for i, l := range c.Turns.Blocked {
			l.Blocked = false
			c.pumpLater(l)
			c.Turns.Blocked[i] = nil
		}
		c.Turns.Blocked = c.Turns.Blocked[:0]
	case engine.EventAborted:
		c.aborted(ev)
	case engine.EventDrained:
		c.drained(ev)
	case engine.EventSenderSettled:
		c.settledBySender(ev)
	case engine.EventMechanisms, engine.EventInit, engine.EventChallenge, engine.EventResponse,
		engine.EventAuthenticated, engine.EventOpen:
		c.Driver.Admit(ev)
	case engine.EventBegin:
		if !ev.Answer && c.Terms.Role == RoleInterRouter { // it may be for streams; routerLinkUp knows more
			c.Engine.LimitWindow(ev.Session, StreamWindow)
		}
		if !ev.Answer && c.Engine.Begin(ev.Session) == engine.None {
			c.Shut(&wire.Error{Condition: wire.ErrResourceLimitExceeded, Description: "no channel is left"})
		}
	case engine.EventAttach:
		c.attach(ev)
	case engine.EventDetach:
		c.peerDetached(ev.Link, ev.Closed, nil)
	case engine.EventLinkError:
		c.Note("link %q: %v", c.Engine.LinkName(ev.Link), ev.Err())
		c.peerDetached(ev.Link, true, ev.Err().Cause)
	case engine.EventEnd:
		c.sessionEnded(ev.Session, nil)
	case engine.EventSessionError:
		c.Note("session: %v", ev.Err())
		c.sessionEnded(ev.Session, ev.Err().Cause)
	case engine.EventClose:
		if e := ev.Err(); e != nil && e.Cause != nil {
			c.Ending.Reason = e.Error()
			c.Fails(books.FailedPeer)
		}
	case engine.EventDisconnected:
		if e := ev.Err(); e != nil {
			c.Ending.Reason = e.Error()
			c.Fails(books.FailedProtocol)
		}
	}
}

// credit goes on with an outgoing link whose credit has changed.
func (c *Endpoint) credit(ev *engine.Event) {
	l := c.Links[ev.Link]
	if l == nil || !l.Attached {
		return
	}
	l.credited(ev.Credit)
	if l.Head != nil {
		c.pumpLater(l)
	} else if ev.Drain {
		c.giveCreditBack(l)
	}
}

// aborted goes on with a delivery that its sender gave up in the middle.
func (c *Endpoint) aborted(ev *engine.Event) {
	l := c.Links[ev.Link]
	if l == nil || l.Receiving == nil {
		return
	}
	d := l.Receiving
	l.Receiving = nil
	d.Content.Abort()
	d.Settled, d.Arrival = true, Aborted
	c.clearIn(d)
	if d.Stage == StageComing {
		d.Stage = StageRouted
		c.finished(d)
		return
	}
	c.grown(d)
	if d.Pending == 0 {
		c.finished(d)
	}
}

// settledBySender goes on with a delivery that the sender settled before it had an outcome.
func (c *Endpoint) settledBySender(ev *engine.Event) {
	d := c.inAt(ev.Delivery)
	if d == nil {
		return
	}
	if d.hasArrived() {
		c.clearIn(d)
	}
	c.settledOnTheWay(d)
}

// settledOnTheWay goes on with a delivery whose sender does not wait for its outcome any more.
func (c *Endpoint) settledOnTheWay(d *Delivery) {
	d.Settled = true
	if d.Stage == StageComing {
		d.Wanted = false // as if it had been pre-settled
		return
	}
	alone := d.copy == nil // else it may be only this copy's way that has ended, and the other copy's sender waits
	if d.Stage == StageWaiting {
		if alone { // only those are held whose senders want to know
			c.Unwait(d)
			c.Undeliverable(d)
		}
		return
	}
	if l := d.Link; l != nil && alone {
		for i := range l.Streams {
			l.Streams[i].settled = true
		}
	}
	c.tellAll(d, noteSettled, false)
}

// Forced is the error of a connection that the router ends because it ends itself; it names the other routers that the
// open named.
func (c *Endpoint) Forced(description string) *wire.Error {
	e := &wire.Error{Condition: wire.ErrConnectionForced, Description: description}
	if list := c.Terms.Failover; list != nil {
		if info, err := wire.AppendValue(nil, wire.Map{{Key: wire.Symbol("failover-server-list"), Value: list}}); err == nil {
			e.Info = info
		}
	}
	return e
}
