package router

import (
	"fmt"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/route"
)

const (
	// streamFrom is the number of octets of an incomplete message from which it is forwarded while it arrives. Below
	// it, forwarding waits for the end: a link carries one delivery at a time, and a slow sender must not hold it.
	streamFrom = 128 << 10
	// contentHigh is the number of octets of one message held here above which its sender has to wait.
	contentHigh = 256 << 10
)

// maxControl is the size in octets of the largest control message that a neighbor may send: the list of all addresses
// of a router is one message.
const maxControl = 64 << 20

// incoming takes one frame of an incoming delivery. The connection's mutex is held.
func (c *Endpoint) incoming(ev *engine.Event, chunk *buf.Chunk) {
	l := c.links[ev.Link]
	if l == nil {
		return
	}
	d := l.receiving
	if ev.First {
		d = c.newDelivery()
		d.link, d.format, d.transit = l, ev.Format, l.kind != linkEndpoint
		d.settled, d.wanted = ev.Settled, !ev.Settled
		if l.kind != linkControl {
			d.content.Meter = c.meter
		}
		if !ev.Settled || ev.More {
			d.id = ev.Delivery
			c.setIn(ev.Delivery, d)
		}
		l.received(d)
		c.clock.delivered = c.clock.delivered || l.kind != linkControl // hellos come all the time
		if ev.More {
			l.receiving = d
		}
	}
	if d == nil {
		return
	}
	if ev.Settled && !d.settled { // [2.7.5] a later frame may say so
		c.settledOnTheWay(d)
	}
	d.size += len(ev.Payload)
	l.stats.Octets += uint64(len(ev.Payload))
	if most := c.terms.maxMessageSize; most > 0 && uint64(d.size) > most && l.kind == linkEndpoint {
		c.tooLarge(d, ev)
		return
	}
	if d.content.Append(buf.Slice{B: ev.Payload, C: chunk}) && !d.held && l.kind == linkStream {
		d.held = true // its session is its own
		c.eng.Hold(l.session, true)
	}
	if !ev.More {
		d.content.Finish()
		l.receiving = nil
		if ev.Settled { // the engine has forgotten it
			c.clearIn(d)
		}
		c.arrivedWhole(d)
		return
	}
	switch {
	case d.forwarded:
		c.grown(d)
	case l.kind == linkControl:
		if d.size > maxControl {
			d.forwarded = true
			c.refuse(d, rejectedWith(wire.ErrMessageSizeExceeded, "a control message has at most %d octets", maxControl))
		}
	case d.size >= streamFrom:
		c.route(d, false)
	}
}

// tooLarge rejects a message as soon as it is larger than its listener allows, and detaches its link [2.6.3]. What was
// passed on of it already is aborted.
func (c *Endpoint) tooLarge(d *delivery, ev *engine.Event) {
	l := d.link
	state := rejectedWith(wire.ErrMessageSizeExceeded, "a message has at most %d octets here", c.terms.maxMessageSize)
	l.receiving = nil
	d.arrived = true
	if !d.forwarded {
		d.forwarded = true
		if ev.Settled {
			c.clearIn(d)
		}
		c.refuse(d, state)
	} else {
		if !d.settled {
			c.eng.Settle(d.id, state)
		}
		c.clearIn(d)
		d.settled, d.aborted = true, true
		d.content.Abort()
		c.grown(d)
		if d.pending == 0 {
			c.finished(d)
		}
	}
	c.peerDetached(l.id, true, &wire.Error{Condition: wire.ErrMessageSizeExceeded,
		Description: fmt.Sprintf("a message has at most %d octets here", c.terms.maxMessageSize)})
}

// arrivedWhole goes on with a delivery whose last frame has come.
func (c *Endpoint) arrivedWhole(d *delivery) {
	d.arrived = true
	d.link.measure(d.size)
	if d.forwarded {
		c.grown(d)
		if d.pending == 0 && !d.waiting && !d.follows {
			c.finished(d)
		}
		return
	}
	if d.link.kind == linkControl {
		c.controlMessage(d)
		return
	}
	c.route(d, true)
}

// controlMessage hands a message of a neighbor's control link to the control loop.
func (c *Endpoint) controlMessage(d *delivery) {
	d.forwarded = true
	c.plane.events.put(event{kind: eventMessage, conn: c, payload: d.content.Gather(nil)})
	c.refuse(d, accepted)
}

// grown tells the branches of a delivery that its content has changed.
func (c *Endpoint) grown(d *delivery) {
	d.branches(func(b *branch) {
		if b.over {
			return
		}
		d.refs.Add(1)
		if !c.wakes.post(b.link.conn, note{kind: noteGrown, branch: b}) {
			d.drop(true)
		}
	})
}

// route finds the address of a delivery and hands it to its consumers. Called once for each delivery, when it is
// complete or long enough to be streamed.
func (c *Endpoint) route(d *delivery, complete bool) {
	d.forwarded = true
	l := d.link
	head := d.content.Head()
	e := &c.choice.envelope
	ok, err := e.Scan(head, complete && len(head) == d.size)
	if err == nil && !ok && len(head) < d.size { // the sections spread over several frames
		c.choice.gathered = d.content.Gather(c.choice.gathered)
		head = c.choice.gathered
		ok, err = e.Scan(head, complete)
	}
	if err != nil {
		c.refuse(d, rejected(err))
		return
	}
	if !ok {
		c.refuse(d, rejectedWith(wire.ErrDecode, "the sections before the bare message do not end within %d octets", d.size))
		return
	}
	strip := c.trust(l, e)
	d.meant = e.Settled && d.wanted && c.peer.extended
	if e.TraceContains(c.plane.id) || e.TraceCount > c.plane.table.Longest() {
		c.undeliverable(d) // it has been here, or wanders
		return
	}
	d.priority = min(e.Priority, 9)
	c.choice.added = c.plane.table.Added.Load()
	a, state := c.addressOf(d, e, head, complete)
	if state.Kind != wire.StateNone {
		c.refuse(d, state)
		return
	}
	if e.HasTTL && e.TTL > 0 {
		d.expires = d.at + time.Duration(e.TTL)*time.Millisecond
	}
	d.ingress = c.ingressOf(d, e)
	c.rewrite(d, e, head, strip)
	if c.isCopyHere(d, e) {
		c.forwardCopy(d, a, e)
		return
	}
	c.forwardTo(d, a, e)
}

// forwardTo forwards a delivery to the address that was found for it, nil for none.
func (c *Endpoint) forwardTo(d *delivery, a *route.Address, e *message.Envelope) {
	switch {
	case a != nil:
		if d.address == nil {
			d.address = a
			c.countRouted(d)
		}
		d.address = a
		if a.Priority >= 0 {
			d.priority = uint8(a.Priority)
		}
		c.forward(d, e)
	case c.mayAwait(d):
		c.wait(d)
	default:
		c.undeliverable(d)
	}
}

// trust decides what the routers' annotations of a message are worth: on a client's link they are forged or stale, and
// count as absent unless its listener says otherwise. Even then the message enters the mesh here. It tells whether there
// were any.
func (c *Endpoint) trust(l *link, e *message.Envelope) (present bool) {
	present = e.HasRouter
	if e.Sender != nil && !c.peer.vouches {
		e.Sender = nil
	}
	switch {
	case l.kind != linkEndpoint || !present:
	case c.terms.trusted:
		e.Ingress, e.Stream, e.Number, e.Topology, e.Settled = nil, false, 0, 0, false
		e.Egress, e.Flow, e.Paths, e.PathCount = nil, 0, nil, 0
	default:
		e.HasRouter, e.To, e.Ingress, e.Trace, e.TraceCount, e.Phase, e.Stream = false, nil, nil, nil, 0, 0, false
		e.Exchanges, e.ExchangeCount, e.Number, e.Topology, e.Settled = nil, 0, 0, 0, false
		e.Egress, e.Flow, e.Paths, e.PathCount = nil, 0, nil, 0
	}
	return present
}

// addressOf finds the address of a message: that of its link, or what its annotations or properties say.
func (c *Endpoint) addressOf(
	d *delivery, e *message.Envelope, head []byte, complete bool,
) (a *route.Address, state wire.State) {
	l := d.link
	if l.address != nil {
		return l.address, state
	}
	if e.HasRouter && e.To != nil {
		return c.orUnavailable(l, c.findAt(l, e.To, e.Phase))
	}
	to, present, ok, err := message.Address(head[e.Bare:], complete && len(head) == d.size)
	if err == nil && !ok && len(head) < d.size {
		c.choice.gathered = d.content.Gather(c.choice.gathered)
		to, present, ok, err = message.Address(c.choice.gathered[e.Bare:], complete)
	}
	switch {
	case err != nil:
		return nil, rejected(err)
	case !ok:
		return nil, rejectedWith(wire.ErrDecode, "the properties do not end within %d octets", d.size)
	case !present:
		return nil, rejectedWith(wire.ErrPreconditionFailed, "Routing failure: no address present")
	}
	if a, state = c.orUnavailable(l, c.find(l, to)); a != nil {
		d.to = append(d.to[:0], l.known.to...)
	}
	return a, state
}

// orUnavailable tells the sender of a message without an address in the table when that is so by configuration.
func (c *Endpoint) orUnavailable(l *link, a *route.Address) (*route.Address, wire.State) {
	if a == nil && l.kind == linkEndpoint && c.plane.treatments.IsUnavailable(c.choice.key) {
		return nil, rejectedWith(wire.ErrNotFound, "Deliveries cannot be sent to an unavailable address")
	}
	return a, wire.State{}
}

// rewrite prepares the sections before the bare message for clients: the routers' annotations are stripped.
func (c *Endpoint) rewrite(d *delivery, e *message.Envelope, head []byte, strip bool) {
	d.bare, d.clientBare = e.Bare, 0
	d.clientHead, d.routerHead = d.clientHead[:0], d.routerHead[:0]
	if strip {
		d.clientBare = e.Bare
		d.clientHead = append(d.clientHead, head[:e.AnnotationsStart]...)
		d.clientHead = message.AppendAnnotations(d.clientHead, e.UserCount, e.User, nil)
	}
}

// annotate composes the head for other routers, when there is one among the targets.
func (c *Endpoint) annotate(d *delivery, e *message.Envelope, head []byte, t *route.Target) {
	if len(d.routerHead) > 0 {
		return
	}
	r := message.RouterAnnotations{Self: c.plane.nodeName, Ingress: c.plane.node}
	if e.HasRouter {
		r.Phase, r.To, r.Trace, r.TraceCount = e.Phase, e.To, e.Trace, e.TraceCount
		r.Exchanges, r.ExchangeCount, r.Number, r.Topology = e.Exchanges, e.ExchangeCount, e.Number, e.Topology
		r.Sender = e.Sender
		if e.Ingress != nil {
			r.Ingress = e.Ingress
		}
	}
	if !d.transit && d.address.IsMulticast() {
		r.Number, r.Topology = c.plane.copies.Add(1), c.choice.chooser.Topology()
	}
	r.Settled = d.travelsUnsettled(d.address)
	switch {
	case t.Pair != nil:
		c.annotatePair(&r, t)
	case d.anycast && !d.address.IsMulticast():
		f := c.factsOf(d, e)
		c.choice.chooser.Annotate(&r, &f, t)
	}
	switch {
	case d.link != nil && d.link.address != nil:
		r.To = d.link.to
	case len(d.to) > 0:
		r.To = d.to
	}
	if !d.transit && d.address.Class == addressing.ClassRouter {
		r.Sender = c.managerOf(d)
	}
	r.Phase = d.address.Phase
	r.Stream = !d.arrived
	d.routerHead = append(d.routerHead, head[:e.AnnotationsStart]...)
	d.routerHead = message.AppendAnnotations(d.routerHead, e.UserCount, e.User, &r)
}

// forward hands a delivery to the consumers that its address has now.
func (c *Endpoint) forward(d *delivery, e *message.Envelope) {
	x := &c.choice
	x.tried = c.plane.triedBy(d.address.Main())
	x.chooser.Begin(c.clock.now)
	d.restore()
	d.routerHead = d.routerHead[:0] // it may say where the message was to go before
	r := d.address.Routes.Load()
	if c.goBefore(d) {
		c.reforward(d)
		return
	}
	switch {
	case r == nil:
	case r.Exchange != nil:
		c.toExchange(d, e, r)
		return
	case r.IsMulticast() && c.isCopy(d, e):
		c.duplicate(d)
		return
	case r.Distribution == addressing.DistributionUnavailable && d.transit: // it was available where it came from
		c.undeliverable(d)
		return
	case r.Distribution == addressing.DistributionUnavailable:
		c.refuse(d, rejectedWith(wire.ErrNotFound, "address %q is unavailable", d.address.Text))
		return
	}
	f := c.factsOf(d, e)
	var diverted bool
	if x.targets, diverted = x.chooser.Choose(x.targets[:0], r, &f); diverted {
		c.divert(d)
	}
	switch {
	case len(x.targets) > 0:
		c.hand(d, e)
	case r != nil && c.mayHold(d) && r.MayCome(e, d.isAnnounced(), c.clock.now, c.plane.hold):
		c.wait(d)
	default:
		c.undeliverable(d)
	}
}

// factsOf is what the choice of targets goes by for a delivery.
func (c *Endpoint) factsOf(d *delivery, e *message.Envelope) route.Facts {
	l := d.link
	client := l != nil && l.kind == linkEndpoint
	f := route.Facts{Address: d.address, E: e, From: c.near.Node, Transit: d.transit, Tried: c.triedBefore(d),
		Doubles: client && !d.transit && d.wanted && !d.settled, FromFallback: l != nil && l.fallback}
	if client {
		f.Flow = c.choice.chooser.FlowOf(l.number)
	}
	return f
}

// triedBefore is where a delivery, or copies of it, went before.
func (c *Endpoint) triedBefore(d *delivery) []route.Tried {
	if d.first.d == nil {
		return nil
	}
	t := c.choice.triedBefore[:0]
	d.branches(func(b *branch) {
		if b.link.kind != linkEndpoint {
			t = append(t, route.Tried{To: b.link.conn.face(), Hop: b.via.NextHop()})
		}
	})
	c.choice.triedBefore = t
	return t
}

// isAnnounced reports whether another router that has sent a delivery here has done so because it knows of consumers.
func (d *delivery) isAnnounced() bool { return d.transit && d.address.Class == addressing.ClassMobile }

// hand gives a delivery to the targets gathered in c.choice.targets.
func (c *Endpoint) hand(d *delivery, e *message.Envelope) {
	targets := c.choice.targets
	if l := linkOf(targets[0].Consumer); len(targets) == 1 && l.isBusy() {
		targets[0] = route.Target{}
		c.refuse(d, tooBusy())
		return
	}
	d.content.Share(len(targets), contentHigh)
	d.anycast = len(targets) == 1
	d.doubled = targets[0].Pair != nil || targets[0].Steered && e.PathCount > 0
	for i := range targets {
		t := &targets[i]
		if t.To != nil {
			c.annotate(d, e, c.headOf(d), t)
			t.Consumer = c.interRouterLink(d, endpointOf(t.To)).face()
		} else if linkOf(t.Consumer).annotated {
			c.annotate(d, e, c.headOf(d), t)
		}
	}
	lost := 0
	for i := range targets {
		t := targets[i]
		targets[i] = route.Target{}
		l := linkOf(t.Consumer)
		if l == nil || !c.post(d.newBranch(l, t.Remote, nil)) {
			lost++
		}
	}
	if lost > 0 && d.pending == 0 && (d.anycast || d.doubled) && d.attempts < maxAttempts { // it has just gone: there may be another one
		d.attempts++
		c.forward(d, e)
		return
	}
	for range lost {
		d.content.Leave(&buf.Cursor{})
		d.outcome = combine(d.outcome, released)
	}
	if d.pending == 0 {
		c.finished(d)
	}
}

// headOf returns the octets that the sections before the bare message stand in: those the envelope was scanned from.
func (c *Endpoint) headOf(d *delivery) []byte {
	if head := d.content.Head(); len(head) >= d.bare {
		return head
	}
	return c.choice.gathered
}

// isCopy tells whether a multicast message has come before, or comes another way. It is asked once for each message that
// its ingress router has numbered; of others it only knows whether they came the expected way.
func (c *Endpoint) isCopy(d *delivery, e *message.Envelope) bool {
	if !e.HasRouter || e.Ingress == nil || c.terms.role != RoleInterRouter {
		return false
	}
	if e.Number == 0 {
		return c.isAstray(e)
	}
	if d.taken {
		return false
	}
	p := c.plane.table.Router(e.Ingress)
	if p == nil {
		return c.isAstray(e)
	}
	d.taken = p.Seen.First(e.Number)
	return !d.taken
}

// isAstray tells whether a multicast message came another way than along its ingress router's tree of shortest paths.
// There is another copy of it then, on that way: routers that do not look at valid origins send copies on every way, and
// while the mesh converges, the trees that two routers see may differ.
func (c *Endpoint) isAstray(e *message.Envelope) bool {
	if upstream := c.plane.table.Upstream(e.Ingress); upstream != nil {
		return *upstream != c.near.ID
	}
	return string(e.Ingress) != c.near.Node // no tree is known yet
}

// duplicate drops a copy of a multicast message of which another one comes, or has come.
func (c *Endpoint) duplicate(d *delivery) {
	c.count(d.link, books.Stats{Duplicates: 1})
	c.undeliverable(d)
}

// interRouterLink chooses the link to a next hop: that of the priority, or a link of its own for a message that is
// still arriving. Until a sender's streams have arrived, all it sends there follows them, to keep the order; after
// settled ones that is until it ends.
func (c *Endpoint) interRouterLink(d *delivery, to *Endpoint) *link { return c.linkTo(d, to, nil) }

// linkTo is interRouterLink for a copy that goes through exchanges, or nil. Copies of one message have streams of their
// own: none waits for another.
func (c *Endpoint) linkTo(d *delivery, to *Endpoint, w *route.Via) *link {
	l, h, priority := d.link, w.NextHop(), w.Priority(d.priority)
	if l == nil || l.Dead.Load() { // a dead link gives no stream back
		return linkOf(to.near.Link(priority))
	}
	for i := range l.streams {
		u := &l.streams[i]
		if u.to != to || u.hop != h {
			continue
		}
		s := u.link
		if !s.Dead.Load() && (!d.arrived || u.settled || s.Outstanding.Load() > 0) {
			u.settled = u.settled || d.settled
			return s
		}
		c.giveStream(*u)
		l.streams = append(l.streams[:i], l.streams[i+1:]...)
		break
	}
	if d.arrived {
		return linkOf(to.near.Link(priority))
	}
	s := to.streams.get()
	if s == nil {
		s = to.newStream()
		c.wakes.post(to, note{kind: noteOpenStream, link: s})
	}
	l.streams = append(l.streams, streamUse{to: to, hop: h, link: s, settled: d.settled})
	return s
}

// post gives a new branch to the connection of its link; false means that this is gone, and the branch over.
func (c *Endpoint) post(b *branch) bool {
	d := b.d
	b.link.Outstanding.Add(1)
	if b.remote != nil {
		b.remote.Outstanding.Add(1)
	}
	if c.wakes.post(b.link.conn, note{kind: noteDeliver, branch: b}) {
		return true
	}
	b.uncount()
	d.drop(true)
	d.pending--
	b.over = true
	return false
}

// uncount takes a branch out of the counts that balancing and dropping go by.
func (b *branch) uncount() {
	b.link.Outstanding.Add(-1)
	if b.remote != nil {
		b.remote.Outstanding.Add(-1)
	}
	b.unweigh()
}

// unweigh takes a branch out of what waits on its link and nothing else bounds.
func (b *branch) unweigh() {
	if b.weight > 0 { // never before the link's connection has it
		b.link.waitingSize -= b.weight
		b.weight = 0
	}
}
