package router

import (
	"slices"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/route"
)

// This file is what an exchange does with messages. To the connection that a message came from, an exchange is a kind of
// multicast: the targets are those that the address of each next hop has now, each next hop's chosen by its own
// distribution, and each copy has a head of its own, which names its next hop, as if the message had entered the mesh
// here. So the payload is shared, a message of any size streams to all next hops, its outcome is that of all copies
// together, and nothing is held for an exchange that would not be held for a multicast.

// toExchange hands a delivery to the next hops of an exchange.
func (c *Endpoint) toExchange(d *delivery, e *message.Envelope, r *route.Routes) {
	subject, present, state := c.subjectOf(d, e)
	if state.Kind != wire.StateNone {
		c.refuse(d, state)
		return
	}
	x := &c.choice
	f := c.factsOf(d, e)
	x.targets, x.vias = x.targets[:0], x.vias[:0]
	if r.IsMulticast() { // the exchange is one consumer of many
		if c.isCopy(d, e) {
			c.duplicate(d)
			return
		}
		x.targets = x.chooser.ChooseMulticast(x.targets, r, &f)
		for range x.targets {
			x.vias = append(x.vias, nil)
		}
	}
	m := route.Subject{Text: subject, Present: present, First: d.until == 0, Hold: c.plane.hold}
	var mayCome bool
	x.targets, x.vias, mayCome = x.chooser.Spread(x.targets, x.vias, r.Exchange, &f, &m, func(a *route.Address) {
		c.countFor(d.link, a, books.Stats{Redirected: 1})
	})
	hold := mayCome && c.mayHold(d)
	x.chooser.Counted(d.until == 0, !hold)
	switch {
	case hold:
		c.wait(d)
	case len(x.targets) == 0:
		c.undeliverable(d)
	default:
		c.handVia(d, e)
	}
}

// subjectOf finds the subject of a message.
func (c *Endpoint) subjectOf(d *delivery, e *message.Envelope) (subject []byte, present bool, state wire.State) {
	head := c.headOf(d)
	subject, present, ok, err := message.Subject(head[e.Bare:], d.arrived && len(head) == d.size)
	if err == nil && !ok && len(head) < d.size {
		c.choice.gathered = d.content.Gather(c.choice.gathered)
		subject, present, ok, err = message.Subject(c.choice.gathered[e.Bare:], d.arrived)
	}
	switch {
	case err != nil:
		return nil, false, rejected(err)
	case !ok:
		return nil, false, rejectedWith(wire.ErrDecode, "the properties do not end within %d octets", d.size)
	}
	return subject, present, state
}

// handVia gives a delivery to the targets gathered in c.targets, each on its way.
func (c *Endpoint) handVia(d *delivery, e *message.Envelope) {
	s := &c.choice
	d.content.Share(len(c.choice.targets), contentHigh)
	d.anycast = false
	head := c.headOf(d)
	for i := range c.choice.targets {
		t, w := &c.choice.targets[i], s.vias[i]
		if w == nil && (t.To != nil || linkOf(t.Consumer).annotated) {
			c.annotate(d, e, head, t)
		}
		if t.To != nil {
			t.Consumer = c.linkTo(d, endpointOf(t.To), w).face()
		}
	}
	plain := d.routerHead
	var last *route.Via
	var composed []byte
	var lost []*branch // their connections have just gone
	for i := range c.choice.targets {
		t, w := c.choice.targets[i], s.vias[i]
		c.choice.targets[i], s.vias[i] = route.Target{}, nil
		l := linkOf(t.Consumer)
		switch {
		case l == nil:
			c.leave(d, released)
			continue
		case l.isBusy():
			c.leave(d, tooBusy())
			continue
		}
		b := d.newBranch(l, t.Remote, w)
		if l.kind != linkEndpoint || l.annotated {
			if b.head = plain; w != nil {
				if w != last {
					last, composed = w, c.headVia(d, e, head, w)
				}
				b.head = composed
			}
		}
		if !c.post(b) {
			lost = append(lost, b)
		}
	}
	for _, b := range lost {
		if b.via == nil || !c.handOn(b) {
			c.leave(d, released)
		}
	}
	if d.pending == 0 {
		c.finished(d)
	}
}

// leave gives up a part of the content that no branch has, and adds an outcome for it.
func (c *Endpoint) leave(d *delivery, state wire.State) {
	d.content.Leave(&buf.Cursor{})
	d.outcome = combine(d.outcome, state)
}

// tooBusy is the outcome of a request to $management while too many wait.
func tooBusy() wire.State {
	return rejectedWith(wire.ErrResourceLimitExceeded, "%d management requests are waiting", maxRequests)
}

// headVia composes the head of a copy for other routers. It stands behind those that the delivery has already.
func (c *Endpoint) headVia(d *delivery, e *message.Envelope, head []byte, w *route.Via) []byte {
	s := &c.choice
	s.passed = w.AppendPassed(append(s.passed[:0], e.Exchanges...))
	r := message.RouterAnnotations{
		Self: c.plane.nodeName, Ingress: c.plane.node, To: w.To, Phase: w.Address.Phase, Stream: !d.arrived,
		Exchanges: s.passed, ExchangeCount: e.ExchangeCount + w.Length(), Settled: d.travelsUnsettled(w.Address),
	}
	if w.Address.IsMulticast() {
		r.Number, r.Topology = c.plane.copies.Add(1), c.choice.chooser.Topology()
	}
	start := len(d.routerHead)
	d.routerHead = append(d.routerHead, head[:e.AnnotationsStart]...)
	d.routerHead = message.AppendAnnotations(d.routerHead, e.UserCount, e.User, &r)
	return slices.Clip(d.routerHead[start:])
}

// handOn gives a copy of which nothing was offered to anybody, and which is over where it was, to another consumer of its
// next hop. Its part of the content goes over. False means that there is none.
func (c *Endpoint) handOn(b *branch) bool {
	d, w := b.d, b.via
	if d.link == nil {
		return false
	}
	for attempts := b.attempts + 1; attempts <= maxAttempts; attempts++ {
		r := w.Address.Routes.Load()
		if r == nil || r.Exchange != nil || r.IsMulticast() {
			return false
		}
		c.choice.chooser.Begin(c.clock.now)
		c.choice.targets = c.choice.chooser.ChooseCopy(c.choice.targets[:0], w, r, c.triedBefore(d))
		if len(c.choice.targets) == 0 {
			return false
		}
		t := c.choice.targets[0]
		c.choice.targets[0] = route.Target{}
		l := linkOf(t.Consumer)
		if t.To != nil {
			l = c.linkTo(d, endpointOf(t.To), w)
		}
		if l == nil || l.isBusy() {
			return false
		}
		n := d.newBranch(l, t.Remote, w)
		n.attempts = attempts
		if l.kind != linkEndpoint || l.annotated {
			n.head = c.headAgain(d, w)
		}
		if c.post(n) {
			return true
		}
	}
	return false
}

// headAgain is headVia for a message that was scanned before.
func (c *Endpoint) headAgain(d *delivery, w *route.Via) []byte {
	e := &c.choice.envelope
	head := d.content.Head()
	if len(head) < d.bare {
		c.choice.gathered = d.content.Gather(c.choice.gathered)
		head = c.choice.gathered
	}
	e.Scan(head, d.arrived && len(head) == d.size)
	c.trust(d.link, e)
	return c.headVia(d, e, head, w)
}
