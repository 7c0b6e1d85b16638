package forwarding

import (
	"errors"
	"fmt"
	"time"
)

// LeaveMesh detaches the control links of a connection with a neighbor, which is no adjacency any more then.
func (c *Endpoint) LeaveMesh() { c.Tell(Note{Kind: noteLeaveMesh}) }

// leaveMesh is LeaveMesh, with the mutex.
func (c *Endpoint) leaveMesh() {
	for _, l := range c.Links {
		if l != nil && l.Kind == LinkControl && l.Attached {
			c.detach(l, nil)
		}
	}
}

// Busy says what is under way on a connection, or may be, that is to end.
func (c *Endpoint) Busy(now, since time.Time) error {
	if c.Near.Gone.Load() {
		return nil
	}
	if !c.Mu.TryLock() {
		return errors.New("somebody works with it")
	}
	defer c.Release()
	for _, l := range c.Links {
		switch {
		case l == nil || l.Dead.Load() || l.Kind == LinkControl:
		case l.Outgoing && l.Queued+l.Unsettled > 0 || !l.Outgoing && l.InHand > 0:
			return errors.New("deliveries are under way")
		}
	}
	if c.Clock.LastDelivery.After(since) {
		since = c.Clock.LastDelivery
	}
	if now.Sub(since) < drainQuiet {
		return errors.New("the other router may still send messages")
	}
	return nil
}

// Owes returns the links that the client consumes from, and whether the client waits for the outcome of something. The
// mutex is held.
func (c *Endpoint) Owes() (consumers []*Link, owed bool) {
	for _, l := range c.Links {
		switch {
		case l == nil || !l.Attached || l.Dead.Load():
		case l.Outgoing:
			consumers = append(consumers, l)
		default:
			owed = owed || l.InHand > 0
		}
	}
	return consumers, owed
}

// drainQuiet is for how long nothing may have come from other routers, after they were told that there are no consumers
// here. Messages that were sent before may take that long.
const drainQuiet = 200 * time.Millisecond

// idleConsumer is for how long a consumer may have taken nothing, though messages are queued for it, before a drain
// goes on without it.
const idleConsumer = 2 * time.Second

// Underway is what a look at all connections finds to be under way.
type Underway struct {
	Unseen    int // connections that were busy
	Clients   int // connections that are not to other routers
	Senders   int // of clients, that have not given their credit back
	Sent      int // deliveries of clients that have no outcome
	Handed    int // deliveries of other routers that have none
	Offered   int // deliveries queued for outgoing links, or written and not settled
	neighbors bool
	heard     time.Time // when a delivery came last over a connection to another router
	Idle      []*Link   // of consumers here that take nothing of what is queued for them
}

// AddTo adds what is under way on a connection. Its mutex is held.
func (c *Endpoint) AddTo(u *Underway, now time.Time) {
	client := c.Terms.Role != RoleInterRouter
	if client {
		u.Clients++
	} else if !c.Near.Gone.Load() {
		u.neighbors = true
		if c.Clock.LastDelivery.After(u.heard) {
			u.heard = c.Clock.LastDelivery
		}
	}
	at := now.Sub(c.Plane.Began)
	for _, l := range c.Links {
		switch {
		case l == nil || l.Kind == LinkControl || l.Dead.Load():
		case l.Outgoing:
			u.Offered += l.Queued + l.Unsettled
			if client && l.Attached && l.Unsettled == 0 && l.Head != nil && l.Head.State == branchQueued &&
				c.DryFor(l, at) >= idleConsumer {
				u.Idle = append(u.Idle, l)
			}
		case !client:
			u.Handed += l.InHand
		default:
			u.Sent += l.InHand
			if l.Attached && !l.isToManagement() && c.Engine.Credit(l.ID) > 0 {
				u.Senders++
			}
		}
	}
}

// busy says that some connections could not be looked at.
func (u *Underway) busy() error { return fmt.Errorf("%d connections are busy", u.Unseen) }

// OfSenders says what clients have sent and has no outcome, or, as long as one is patient, may still send.
func (u *Underway) OfSenders(patient bool) error {
	switch {
	case u.Unseen > 0:
		return u.busy()
	case u.Sent > 0:
		return fmt.Errorf("%d deliveries of clients have no outcome", u.Sent)
	case patient && u.Senders > 0:
		return fmt.Errorf("%d senders have not given their credit back", u.Senders)
	}
	return nil
}

// OfAll says what is under way in this router, or may be under way to it, whose consumers were withdrawn at a time.
func (u *Underway) OfAll(now, withdrawn time.Time) error {
	switch n := u.Sent + u.Handed + u.Offered; {
	case u.Unseen > 0:
		return u.busy()
	case n > 0:
		return fmt.Errorf("%d deliveries are under way", n)
	case u.neighbors && (now.Sub(withdrawn) < drainQuiet || now.Sub(u.heard) < drainQuiet):
		return errors.New("other routers still send messages")
	}
	return nil
}

// OfRouters says what other routers have sent and has no outcome.
func (u *Underway) OfRouters() error {
	if u.Unseen > 0 {
		return u.busy()
	}
	if u.Handed > 0 {
		return fmt.Errorf("%d deliveries of other routers have no outcome", u.Handed)
	}
	return nil
}

// OfClients says how many clients have not gone.
func (u *Underway) OfClients() error {
	if u.Clients+u.Unseen > 0 {
		return fmt.Errorf("%d clients have not taken the end of their connection", u.Clients)
	}
	return nil
}
