package router

import (
	"fmt"
	"strings"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/route"
)

// attachAnswer is the control loop's answer to an attach.
type attachAnswer struct {
	attach    *wire.Attach
	err       *wire.Error    // detach right after the attach
	address   *route.Address // nil for an anonymous link
	to        []byte         // an incoming link's address as other routers read it
	reachable bool
}

// opened goes on when the peer's open has come and is welcome: peer says whose it is.
func (c *Endpoint) opened() {
	c.eng.Open(nil)
	c.plane.events.put(event{kind: eventOpened, conn: c})
	if c.terms.role == RoleInterRouter && c.dialed {
		c.attachRouterLinks()
	}
}

// attach goes on with the peer's attach: a new link, or the answer to one of ours.
func (c *Endpoint) attach(ev *engine.Event) {
	a := ev.Cold.Attach
	if ev.Answer {
		if l := c.links[ev.Link]; l != nil {
			c.routerLinkUp(l)
		}
		return
	}
	if err := c.refuses(a); err != nil {
		c.eng.Attach(ev.Link, &wire.Attach{SndSettleMode: a.SndSettleMode})
		c.eng.Detach(ev.Link, true, err)
		return
	}
	l := (&link{
		annotated: a.Role == wire.RoleReceiver && c.terms.annotated, fallback: claimsFallback(a),
		number: c.plane.numbers.Add(1), conn: c, name: a.Name, outgoing: a.Role == wire.RoleReceiver,
		id: ev.Link, session: ev.Session, Consumer: route.Consumer{Capacity: c.terms.capacity},
		settled: a.Role == wire.RoleReceiver && a.SndSettleMode == wire.SenderSettled,
	}).own()
	c.setLink(l)
	if c.terms.role == RoleInterRouter {
		c.attachRouterLink(l, a)
		return
	}
	c.plane.events.put(event{kind: eventAttach, conn: c, link: l, attach: a})
}

// Bounds of what the links of one connection take.
const (
	maxLinks   = 1 << 16
	maxAddress = 1 << 10 // octets
)

// refuses tells why an attach cannot be considered.
func (c *Endpoint) refuses(a *wire.Attach) *wire.Error {
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
	case c.liveLinks() >= maxLinks:
		return &wire.Error{Condition: wire.ErrResourceLimitExceeded,
			Description: fmt.Sprintf("a connection has at most %d links", maxLinks)}
	}
	return nil
}

// liveLinks is how many links the connection has, or more as long as that is below the bound: numbers are reused, so
// that the table is as long as the most that lived at a time.
func (c *Endpoint) liveLinks() int {
	if len(c.links) < maxLinks {
		return len(c.links)
	}
	n := 0
	for _, l := range c.links {
		if l != nil {
			n++
		}
	}
	return n
}

func (c *Endpoint) setLink(l *link) {
	for int(l.id) >= len(c.links) {
		c.links = append(c.links, nil)
	}
	c.links[l.id] = l
}

// attached gives the control loop's answer to the peer.
func (c *Endpoint) attached(l *link, answer *attachAnswer) {
	if l.id < 0 || int(l.id) >= len(c.links) || c.links[l.id] != l {
		return // gone meanwhile
	}
	if !c.eng.Attach(l.id, answer.attach) {
		return
	}
	l.attached = true
	l.watch.dry = c.clock.at
	if answer.err != nil {
		c.peerDetached(l.id, true, answer.err)
		return
	}
	l.address = answer.address
	if l.address != nil && !l.outgoing {
		l.to = answer.to
	}
	if l.outgoing {
		c.pumpLater(l)
		return
	}
	if l.address != nil && l.address.Text == managementAddress {
		l.Capacity = min(l.Capacity, requestCredit)
	}
	l.back = l.Capacity
	c.setReachable(l, answer.reachable)
}

// setReachable gives an incoming link credit when its address has consumers, and asks for what is left of it back when
// it has none any more.
func (c *Endpoint) setReachable(l *link, on bool) {
	on = on && !c.ending.stopped
	if l.outgoing || !l.attached || l.reachable == on || l.Dead.Load() {
		return
	}
	l.reachable = on
	if on {
		if !l.shares {
			l.shares = true
			c.plane.overload.senders.Add(1)
		}
		c.replenish(l)
		return
	}
	c.eng.Drain(l.id)
}

// drained takes back the credit that a sender gave up.
func (c *Endpoint) drained(ev *engine.Event) {
	l := c.links[ev.Link]
	if l == nil || l.outgoing {
		return
	}
	l.back += int(ev.Credit)
	if l.reachable {
		c.replenish(l)
	}
}

// answerAttach decides about an attach of a client. It runs in the control loop.
func (k *control) answerAttach(l *link, a *wire.Attach) *attachAnswer {
	answer := &attachAnswer{attach: &wire.Attach{
		SndSettleMode: a.SndSettleMode, // reflected: some clients insist
		RcvSettleMode: wire.ReceiverFirst,
	}}
	switch {
	case k.plane.overload.refuses(a):
		answer.err = &wire.Error{Condition: wire.ErrResourceLimitExceeded,
			Description: "the router is short of memory and takes no new links; try again later, or another router"}
	case a.Role == wire.RoleReceiver:
		k.answerReceiver(l, a, answer)
	default:
		k.answerSender(l, a, answer)
	}
	if answer.err != nil { // [2.6.3] a refused link has no terminus on this side
		if a.Role == wire.RoleReceiver {
			answer.attach.Source, answer.attach.Target = nil, a.Target
		} else {
			answer.attach.Source, answer.attach.Target = a.Source, nil
		}
	}
	return answer
}

// answerReceiver attaches a client's receiver: messages leave the router.
func (k *control) answerReceiver(l *link, a *wire.Attach, answer *attachAnswer) {
	source := wire.Source{ExpiryPolicy: "session-end"}
	if a.Source != nil {
		source = *a.Source
	}
	source.Filter = nil // no filter is in effect on a message-routed link
	source.DistributionMode = ""
	answer.attach.Source, answer.attach.Target = &source, a.Target
	var key string
	switch {
	case source.Dynamic && nodeAddress(source.DynamicNodeProperties) != "":
		answer.err = noRoute(source.DynamicNodeProperties)
		return
	case source.Dynamic:
		name := "temp." + k.plane.newName()
		source.Address, source.HasAddress = "amqp:/_topo/"+addressing.Area+"/"+k.plane.id+"/"+name, true
		source.DynamicNodeProperties = nil
		key = "L" + name
	case !source.HasAddress || source.Address == "":
		answer.err = &wire.Error{Condition: wire.ErrInvalidField,
			Description: "the source has no address; give one, or ask for a dynamic one"}
		return
	default:
		parsed := k.plane.identity.ParseIn(l.conn.peer.space, source.Address)
		if err := consumable(parsed, source.Address); err != nil {
			answer.err = err
			return
		}
		parsed.Phase = k.phaseFor(l, parsed, source.Capabilities)
		key = parsed.Key()
	}
	l.addressText = source.Address
	at := k.address(key)
	if at.distribution == addressing.DistributionUnavailable {
		k.dropUnused(at)
		answer.err = &wire.Error{Condition: wire.ErrNotFound, Description: "Node not found: " + source.Address}
		return
	}
	answer.address = at.Address
}

// consumable tells why a client may not consume from an address: it is another router's, or the router's own service,
// or somebody's reply address.
func consumable(a addressing.Address, text string) *wire.Error {
	reserved := false
	switch a.Class {
	case addressing.ClassMobile, addressing.ClassLocal:
		reserved = strings.HasPrefix(a.Text, "$management") ||
			strings.HasPrefix(a.Text, "_$") && !strings.HasPrefix(a.Text, "_$temp.") || // that is a dynamic target's
			a.Class == addressing.ClassLocal && (strings.HasPrefix(a.Text, "temp.") || strings.HasPrefix(a.Text, "qd"))
	default:
		reserved = true
	}
	if !reserved {
		return nil
	}
	return &wire.Error{Condition: wire.ErrUnauthorizedAccess,
		Description: fmt.Sprintf("address %q is the routers' own; clients may not consume from it", text)}
}

// answerSender attaches a client's sender: messages enter the router.
func (k *control) answerSender(l *link, a *wire.Attach, answer *attachAnswer) {
	answer.attach.Source = a.Source
	answer.attach.MaxMessageSize = l.conn.terms.maxMessageSize
	if a.Coordinator != nil {
		answer.err = &wire.Error{Condition: wire.ErrPreconditionFailed,
			Description: "transactions need a link route to a transaction coordinator, and there is none"}
		return
	}
	target := wire.Target{ExpiryPolicy: "session-end"}
	if a.Target != nil {
		target = *a.Target
	}
	answer.attach.Target = &target
	switch {
	case target.Dynamic && nodeAddress(target.DynamicNodeProperties) != "":
		answer.err = noRoute(target.DynamicNodeProperties)
		return
	case target.Dynamic:
		target.Address, target.HasAddress = "amqp:/_$temp."+k.plane.newName(), true
		target.DynamicNodeProperties = nil
	case !target.HasAddress || target.Address == "": // anonymous: each message says where to
		answer.reachable = true
		return
	}
	parsed := k.plane.identity.ParseIn(l.conn.peer.space, target.Address)
	parsed.Phase = k.phaseFor(l, parsed, target.Capabilities)
	answer.to = []byte(target.Address)
	if l.conn.peer.space != "" {
		answer.to = parsed.AppendForRouters(nil)
	}
	l.addressText = target.Address
	at := k.address(parsed.Key())
	if at.distribution == addressing.DistributionUnavailable {
		k.dropUnused(at)
		answer.err = &wire.Error{Condition: wire.ErrNotFound, Description: "Node not found: " + target.Address}
		return
	}
	at.senders[l] = struct{}{}
	at.Crowd.Store(int32(len(at.senders)))
	answer.address = at.Address
	answer.reachable = at.ReachableFrom(l.fallback)
}

// nodeAddress is the address in the properties of a dynamic node, of which a link route would make the node; "" for none.
func nodeAddress(properties wire.Raw) string {
	if len(properties) == 0 {
		return ""
	}
	v, _, err := wire.DecodeValue(properties)
	m, ok := v.(wire.Map)
	if err != nil || !ok {
		return ""
	}
	for _, e := range m {
		if e.Key == wire.Symbol("x-opt-qd.address") {
			address, _ := e.Value.(string)
			return address
		}
	}
	return ""
}

// noRoute refuses a dynamic node that only a link route could make.
func noRoute(properties wire.Raw) *wire.Error {
	return &wire.Error{Condition: wire.ErrNotFound,
		Description: fmt.Sprintf("qd:no-route-to-dest: no link route leads to %q", nodeAddress(properties))}
}
