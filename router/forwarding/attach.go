package forwarding

import (
	"fmt"

	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/route"
)

// AttachAnswer is the control loop's answer to an attach.
type AttachAnswer struct {
	Attach    *wire.Attach
	Err       *wire.Error    // detach right after the attach
	Address   *route.Address // nil for an anonymous link
	To        []byte         // an incoming link's address as other routers read it
	Reachable bool
}

// Opened goes on when the peer's open has come and is welcome. Peer is set: it says who the peer is.
func (c *Endpoint) Opened() {
	c.moveAccount(c.Peer.User)
	a, o := c.account.Load(), c.Plane.Overload
	if a != nil && o.Cause.Load() && o.AtFor(OverloadConnection, a) { // the host alone was known before
		o.Refused.Add(1)
		c.Engine.Open(nil)
		c.Shut(&wire.Error{Condition: wire.ErrResourceLimitExceeded,
			Description: "the router is short of memory, and this user holds most of it"})
		return
	}
	c.Engine.Open(nil)
	c.Plane.Events.Put(Event{Kind: EventOpened, End: c})
	if c.Terms.Role == RoleInterRouter && c.Dialed {
		c.attachRouterLinks()
	}
}

// attach goes on with the peer's attach: a new link, or the answer to one of ours.
func (c *Endpoint) attach(ev *engine.Event) {
	a := ev.Cold.Attach
	if ev.Answer {
		if l := c.Links[ev.Link]; l != nil {
			c.routerLinkUp(l)
		}
		return
	}
	if err := c.Refuses(a); err != nil {
		c.Engine.Attach(ev.Link, &wire.Attach{SndSettleMode: a.SndSettleMode})
		c.Engine.Detach(ev.Link, true, err)
		return
	}
	l := (&Link{
		annotated: a.Role == wire.RoleReceiver && c.Terms.Annotated, Fallback: claimsFallback(a),
		Number: c.Plane.Numbers.Add(1), End: c, Name: a.Name, Outgoing: a.Role == wire.RoleReceiver,
		ID: ev.Link, session: ev.Session, Consumer: route.Consumer{Capacity: c.Terms.Capacity},
		settled: a.Role == wire.RoleReceiver && a.SndSettleMode == wire.SenderSettled,
	}).Own()
	c.setLink(l)
	if c.Terms.Role == RoleInterRouter {
		c.attachRouterLink(l, a)
		return
	}
	c.Plane.Events.Put(Event{Kind: EventAttach, End: c, Link: l, Attach: a})
}

// Bounds of what the links of one connection take.
const (
	MaxLinks   = 1 << 16
	maxAddress = 1 << 10 // octets
)

// Refuses returns why an attach cannot be considered, nil if it can.
func (c *Endpoint) Refuses(a *wire.Attach) *wire.Error {
	octets := 0
	if a.Source != nil {
		octets = len(a.Source.Address)
	}
	if a.Target != nil {
		octets = max(octets, len(a.Target.Address))
	}
	switch {
	case octets > maxAddress:
		return &wire.Error{Condition: wire.ErrInvalidField,
			Description: fmt.Sprintf("address of %d octets; at most %d", octets, maxAddress)}
	case c.liveLinks() >= MaxLinks:
		return &wire.Error{Condition: wire.ErrResourceLimitExceeded,
			Description: fmt.Sprintf("a connection has at most %d links", MaxLinks)}
	}
	return nil
}

// liveLinks is how many links the connection has, or an upper bound of that below MaxLinks. Numbers are reused, so that
// Links is as long as the most that lived at a time.
func (c *Endpoint) liveLinks() int {
	if len(c.Links) < MaxLinks {
		return len(c.Links)
	}
	n := 0
	for _, l := range c.Links {
		if l != nil {
			n++
		}
	}
	return n
}

// setLink lets a link be found by its number.
func (c *Endpoint) setLink(l *Link) {
	for int(l.ID) >= len(c.Links) {
		c.Links = append(c.Links, nil)
	}
	c.Links[l.ID] = l
}

// attached gives the control loop's answer to the peer.
func (c *Endpoint) attached(l *Link, answer *AttachAnswer) {
	if l.ID < 0 || int(l.ID) >= len(c.Links) || c.Links[l.ID] != l {
		return // gone meanwhile
	}
	if !c.Engine.Attach(l.ID, answer.Attach) {
		return
	}
	l.Attached = true
	l.Watch.dry = c.Clock.At
	if answer.Err != nil {
		c.peerDetached(l.ID, true, answer.Err)
		return
	}
	l.Address = answer.Address
	if l.Address != nil && !l.Outgoing {
		l.to = answer.To
	}
	if l.Outgoing {
		c.pumpLater(l)
		return
	}
	if l.Address != nil && l.Address.Text == ManagementAddress {
		l.Capacity = min(l.Capacity, RequestCredit)
	}
	l.Back = l.Capacity
	c.setReachable(l, answer.Reachable)
}

// setReachable gives an incoming link credit when its address has consumers, and asks for what is left of it back when
// it has none any more.
func (c *Endpoint) setReachable(l *Link, on bool) {
	on = on && !c.Ending.stopped
	if l.Outgoing || !l.Attached || l.Reachable == on || l.Dead.Load() {
		return
	}
	l.Reachable = on
	if on {
		if !l.shares {
			l.shares = true
			c.Plane.Overload.Senders.Add(1)
		}
		c.replenish(l)
		return
	}
	c.Engine.Drain(l.ID)
}

// drained takes back the credit that a sender gave up.
func (c *Endpoint) drained(ev *engine.Event) {
	l := c.Links[ev.Link]
	if l == nil || l.Outgoing {
		return
	}
	l.Back += int(ev.Credit)
	if l.Reachable {
		c.replenish(l)
	}
}

// RequestCredit is the credit of a sender to $management.
const RequestCredit = 16
