package forwarding

import (
	"slices"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/route"
)

// This file is what an exchange does with messages. To the connection that a message came from, an exchange is a kind
// of multicast. The targets are those that the address of each next hop has now, chosen by the distribution of that
// address. Each copy has a head of its own that names the next hop, as if the message had entered the mesh here.
//
// So the payload is shared, and a message of any size streams to all next hops. The outcome of the message is that of
// all copies together. Nothing is held for an exchange that would not be held for a multicast.

// toExchange hands a delivery to the next hops of an exchange.
func (c *Endpoint) toExchange(d *Delivery, e *message.Envelope, r *route.Routes) {
	subject, present, state := c.property(d, c.headOf(d), d.hasArrived(), message.Subject)
	if state.Kind != wire.StateNone {
		c.refuse(d, state)
		return
	}
	x := &c.Choice
	f := c.factsOf(d, e)
	x.targets, x.vias = x.targets[:0], x.vias[:0]
	if r.IsMulticast() { // the exchange is one consumer of many
		if c.isCopy(d, e) {
			c.duplicate(d)
			return
		}
		x.targets = x.Chooser.ChooseMulticast(x.targets, r, &f)
		for range x.targets {
			x.vias = append(x.vias, nil)
		}
	}
	m := route.Subject{Text: subject, Present: present, First: d.Until == 0, Hold: c.Plane.Hold}
	var mayCome bool
	x.targets, x.vias, mayCome = x.Chooser.Spread(x.targets, x.vias, r.Exchange, &f, &m, func(a *route.Address) {
		c.countFor(d.Link, a, books.Stats{Redirected: 1})
	})
	hold := mayCome && c.mayHold(d)
	x.Chooser.Counted(d.Until == 0, !hold)
	switch {
	case hold:
		c.wait(d)
	case len(x.targets) == 0:
		c.Undeliverable(d)
	default:
		c.handVia(d, e)
	}
}

// handVia gives a delivery to the targets of the choice (Choice.targets), each on its way.
func (c *Endpoint) handVia(d *Delivery, e *message.Envelope) {
	s := &c.Choice
	d.charge(len(c.Choice.targets))
	d.Content.Share(len(c.Choice.targets), ContentHigh)
	d.Anycast = false
	head := c.headOf(d)
	for i := range c.Choice.targets {
		t, w := &c.Choice.targets[i], s.vias[i]
		if w == nil && (t.To != nil || LinkOf(t.Consumer).annotated) {
			c.annotate(d, e, head, t)
		}
		if t.To != nil {
			t.Consumer = c.linkTo(d, EndpointOf(t.To), w).Face()
		}
	}
	plain := d.routerHead
	var last *route.Via
	var composed []byte
	var lost []*Branch // their connections have just gone
	for i := range c.Choice.targets {
		t, w := c.Choice.targets[i], s.vias[i]
		c.Choice.targets[i], s.vias[i] = route.Target{}, nil
		l := LinkOf(t.Consumer)
		switch {
		case l == nil:
			c.leave(d, Released)
			continue
		case c.isBusy(l):
			c.leave(d, tooBusy())
			continue
		}
		b := d.NewBranch(l, t.Remote, w)
		if l.Kind != LinkEndpoint || l.annotated {
			if b.Head = plain; w != nil {
				if w != last {
					last, composed = w, c.headVia(d, e, head, w)
				}
				b.Head = composed
			}
		}
		if !c.post(b) {
			lost = append(lost, b)
		}
	}
	for _, b := range lost {
		if b.via == nil || !c.handOn(b) {
			c.leave(d, Released)
		}
	}
	if d.Pending == 0 {
		c.finished(d)
	}
}

// leave gives up a part of the content that no branch has, and adds an outcome for it.
func (c *Endpoint) leave(d *Delivery, state wire.State) {
	d.Content.Leave(&buf.Cursor{})
	d.outcome = combine(d.outcome, state)
}

// tooBusy is the outcome of a request to $management while too many wait.
func tooBusy() wire.State {
	return RejectedWith(wire.ErrResourceLimitExceeded, "%d management requests are waiting", MaxRequests)
}

// headVia composes the head of a copy for other routers, behind those that the delivery has already.
func (c *Endpoint) headVia(d *Delivery, e *message.Envelope, head []byte, w *route.Via) []byte {
	s := &c.Choice
	s.passed = w.AppendPassed(append(s.passed[:0], e.Exchanges...))
	r := message.RouterAnnotations{
		Self: c.Plane.nodeName, Ingress: c.Plane.node, To: w.To, Phase: w.Address.Phase, Stream: d.Arrival == Arriving,
		Exchanges: s.passed, ExchangeCount: e.ExchangeCount + w.Length(), Settled: d.travelsUnsettled(w.Address),
	}
	if w.Address.IsMulticast() {
		r.Number, r.Topology = c.Plane.copies.Add(1), c.Choice.Chooser.Topology()
	}
	start := len(d.routerHead)
	d.routerHead = append(d.routerHead, head[:e.AnnotationsStart]...)
	d.routerHead = message.AppendAnnotations(d.routerHead, e.UserCount, e.User, &r)
	return slices.Clip(d.routerHead[start:])
}

// handOn gives a copy that has come back to another consumer of its next hop. Nothing of it was offered to anybody. Its
// part of the content goes over. False means that there is no other consumer.
func (c *Endpoint) handOn(b *Branch) bool {
	d, w := b.Delivery, b.via
	if d.Link == nil {
		return false
	}
	for attempts := b.attempts + 1; attempts <= MaxAttempts; attempts++ {
		r := w.Address.Routes.Load()
		if r == nil || r.Exchange != nil || r.IsMulticast() {
			return false
		}
		c.Choice.Chooser.Begin(c.Clock.Now)
		c.Choice.targets = c.Choice.Chooser.ChooseCopy(c.Choice.targets[:0], w, r, c.triedBefore(d))
		if len(c.Choice.targets) == 0 {
			return false
		}
		t := c.Choice.targets[0]
		c.Choice.targets[0] = route.Target{}
		l := LinkOf(t.Consumer)
		if t.To != nil {
			l = c.linkTo(d, EndpointOf(t.To), w)
		}
		if l == nil || c.isBusy(l) {
			return false
		}
		n := d.NewBranch(l, t.Remote, w)
		n.attempts = attempts
		if l.Kind != LinkEndpoint || l.annotated {
			n.Head = c.headAgain(d, w)
		}
		if c.post(n) {
			return true
		}
	}
	return false
}

// headAgain is headVia for a message that was scanned before.
func (c *Endpoint) headAgain(d *Delivery, w *route.Via) []byte {
	e := &c.Choice.envelope
	head, _ := c.scan(d, d.hasArrived())
	c.trust(d.Link, e)
	return c.headVia(d, e, head, w)
}
