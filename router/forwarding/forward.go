package forwarding

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/route"
)

// StreamFrom is the number of octets of an incomplete message from which it is forwarded while it arrives. Below it,
// forwarding waits for the end: a link carries one delivery at a time, and a slow sender must not hold it.
const StreamFrom = 128 << 10

// maxControl is the size in octets of the largest control message that a neighbor may send: the list of all addresses
// of a router is one message.
const maxControl = 64 << 20

// incoming takes one frame of an incoming delivery. The mutex is held.
func (c *Endpoint) incoming(ev *engine.Event, chunk *buf.Chunk) {
	l := c.Links[ev.Link]
	if l == nil || l.ending { // a turn may end in the middle of its end
		return
	}
	d := l.Receiving
	if ev.First {
		d = c.NewDelivery()
		d.Link, d.Format, d.Transit = l, ev.Format, l.Kind != LinkEndpoint
		d.Settled, d.Wanted = ev.Settled, !ev.Settled
		if l.Kind != LinkControl {
			d.Content.Meter = c.Meter
		}
		if !ev.Settled || ev.More {
			d.id = ev.Delivery
			c.setIn(ev.Delivery, d)
		}
		l.received(d)
		c.Clock.delivered = c.Clock.delivered || l.Kind != LinkControl // hellos come all the time
		if ev.More {
			l.Receiving = d
		}
	}
	if d == nil {
		return
	}
	if ev.Settled && !d.Settled { // [2.7.5] a later frame may say so
		c.settledOnTheWay(d)
	}
	d.Size += len(ev.Payload)
	l.Stats.Octets += uint64(len(ev.Payload))
	if most := c.Terms.MaxMessageSize; most > 0 && uint64(d.Size) > most && l.Kind == LinkEndpoint {
		c.tooLarge(d, ev)
		return
	}
	if d.Content.Append(buf.Slice{B: ev.Payload, C: chunk}) && !d.held && l.Kind == LinkStream {
		d.held = true // its session is its own
		c.Engine.Hold(l.session, true)
	}
	if !ev.More {
		d.Content.Finish()
		l.Receiving = nil
		if ev.Settled { // the engine has forgotten it
			c.clearIn(d)
		}
		c.arrivedWhole(d)
		return
	}
	switch {
	case d.Stage != StageComing:
		c.grown(d)
	case l.Kind == LinkControl:
		if d.Size > maxControl {
			d.Stage = StageRouted
			c.refuse(d, RejectedWith(wire.ErrMessageSizeExceeded, "a control message has at most %d octets", maxControl))
		}
	case d.Size >= StreamFrom:
		c.Route(d, false)
	}
}

// tooLarge rejects a message as soon as it is larger than its listener allows, and detaches its link [2.6.3]. What was
// passed on of it already is aborted.
func (c *Endpoint) tooLarge(d *Delivery, ev *engine.Event) {
	l := d.Link
	state := RejectedWith(wire.ErrMessageSizeExceeded, "a message has at most %d octets here", c.Terms.MaxMessageSize)
	l.Receiving = nil
	if d.Stage == StageComing {
		d.Arrival, d.Stage = Arrived, StageRouted
		if ev.Settled {
			c.clearIn(d)
		}
		c.refuse(d, state)
	} else {
		if !d.Settled {
			c.Engine.Settle(d.id, state)
		}
		c.clearIn(d)
		d.Settled, d.Arrival = true, Aborted
		d.Content.Abort()
		c.grown(d)
		if d.Pending == 0 {
			c.finished(d)
		}
	}
	c.peerDetached(l.ID, true, &wire.Error{Condition: wire.ErrMessageSizeExceeded,
		Description: fmt.Sprintf("a message has at most %d octets here", c.Terms.MaxMessageSize)})
}

// arrivedWhole goes on with a delivery whose last frame has come.
func (c *Endpoint) arrivedWhole(d *Delivery) {
	d.Arrival = Arrived
	d.Link.measure(d.Size)
	if d.Stage != StageComing {
		c.grown(d)
		if d.Pending == 0 && d.Stage != StageWaiting && d.Stage != StageFollowing {
			c.finished(d)
		}
		return
	}
	if d.Link.Kind == LinkControl {
		c.controlMessage(d)
		return
	}
	c.Route(d, true)
}

// controlMessage hands a message of a neighbor's control link to the control loop.
func (c *Endpoint) controlMessage(d *Delivery) {
	d.Stage = StageRouted
	c.Plane.Events.Put(Event{Kind: EventMessage, End: c, Payload: d.Content.Gather(nil)})
	c.refuse(d, Accepted)
}

// grown tells the branches of a delivery that its content has changed.
func (c *Endpoint) grown(d *Delivery) { c.tellAll(d, noteGrown, false) }

// Route finds the address of a delivery and hands it to its consumers. Called once for each delivery, when it is
// complete or long enough to be streamed.
func (c *Endpoint) Route(d *Delivery, complete bool) {
	d.Stage = StageRouted
	l := d.Link
	if l.Kind == LinkEndpoint && c.isOver(0) && !(d.Settled && l.blocks()) {
		c.refuseOver(d)
		return
	}
	e := &c.Choice.envelope
	head, state := c.scan(d, complete)
	if state.Kind != wire.StateNone {
		c.refuse(d, state)
		return
	}
	strip := c.trust(l, e)
	d.meant = e.Settled && d.Wanted && c.Peer.Extended
	if e.TraceContains(c.Plane.ID) || e.TraceCount > c.Plane.Table.Longest() {
		c.Undeliverable(d) // it has been here, or wanders
		return
	}
	d.priority = min(e.Priority, 9)
	c.Choice.added = c.Plane.Table.Added.Load()
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
		c.ForwardCopy(d, a, e)
		return
	}
	c.forwardTo(d, a, e)
}

// forwardTo forwards a delivery to the address that was found for it, nil for none.
func (c *Endpoint) forwardTo(d *Delivery, a *route.Address, e *message.Envelope) {
	switch {
	case a != nil:
		if d.address == nil {
			d.address = a
			c.countRouted(d)
		}
		d.address = a
		if l := d.Link; l != nil && l.Address == nil && l.Kind == LinkEndpoint && c.isWithheld(a) {
			c.rest(l)
		}
		if a.Priority >= 0 {
			d.priority = uint8(a.Priority)
		}
		c.forward(d, e)
	case c.mayAwait(d):
		c.wait(d)
	default:
		c.Undeliverable(d)
	}
}

// trust decides what the routers' annotations of a message are worth, and reports whether there were any. On a client's
// link they are forged or stale, and count as absent unless the listener says otherwise. Even then the message enters
// the mesh here.
func (c *Endpoint) trust(l *Link, e *message.Envelope) (present bool) {
	present = e.HasRouter
	if e.Sender != nil && !c.Peer.Vouches {
		e.Sender = nil
	}
	switch {
	case l.Kind != LinkEndpoint || !present:
	case c.Terms.Trusted:
		e.RouterAnnotations = message.RouterAnnotations{To: e.To, Phase: e.Phase, Trace: e.Trace,
			TraceCount: e.TraceCount, Exchanges: e.Exchanges, ExchangeCount: e.ExchangeCount}
	default:
		e.HasRouter, e.RouterAnnotations = false, message.RouterAnnotations{}
	}
	return present
}

// addressOf finds the address of a message: that of its link, or what its annotations or properties say.
func (c *Endpoint) addressOf(
	d *Delivery, e *message.Envelope, head []byte, complete bool,
) (a *route.Address, state wire.State) {
	l := d.Link
	if l.Address != nil {
		return l.Address, state
	}
	if e.HasRouter && e.To != nil {
		return c.orUnavailable(l, c.findAt(l, e.To, e.Phase))
	}
	to, present, state := c.property(d, head, complete, message.Address)
	switch {
	case state.Kind != wire.StateNone:
		return nil, state
	case !present:
		return nil, RejectedWith(wire.ErrPreconditionFailed, "Routing failure: no address present")
	}
	if a, state = c.orUnavailable(l, c.Find(l, to)); a != nil {
		d.to = append(d.to[:0], l.known.to...)
	}
	return a, state
}

// orUnavailable returns an address and no outcome, or the outcome of a message whose address the configuration makes
// unavailable.
func (c *Endpoint) orUnavailable(l *Link, a *route.Address) (*route.Address, wire.State) {
	if a == nil && l.Kind == LinkEndpoint && c.Plane.Treatments.IsUnavailable(c.Choice.key) {
		return nil, RejectedWith(wire.ErrNotFound, "Deliveries cannot be sent to an unavailable address")
	}
	return a, wire.State{}
}

// rewrite prepares the sections before the bare message for clients: the routers' annotations are stripped.
func (c *Endpoint) rewrite(d *Delivery, e *message.Envelope, head []byte, strip bool) {
	d.bare, d.clientBare = e.Bare, 0
	d.clientHead, d.routerHead = d.clientHead[:0], d.routerHead[:0]
	if strip {
		d.clientBare = e.Bare
		d.clientHead = append(d.clientHead, head[:e.AnnotationsStart]...)
		d.clientHead = message.AppendAnnotations(d.clientHead, e.UserCount, e.User, nil)
	}
}

// annotate composes the head for other routers, when there is one among the targets.
func (c *Endpoint) annotate(d *Delivery, e *message.Envelope, head []byte, t *route.Target) {
	if len(d.routerHead) > 0 {
		return
	}
	r := e.RouterAnnotations
	r.Self, r.Egress, r.Flow, r.Paths, r.PathCount = c.Plane.nodeName, nil, 0, nil, 0 // the way is chosen anew
	if r.Ingress == nil {
		r.Ingress = c.Plane.node
	}
	if !d.Transit && d.address.IsMulticast() {
		r.Number, r.Topology = c.Plane.copies.Add(1), c.Choice.Chooser.Topology()
	}
	r.Settled = d.travelsUnsettled(d.address)
	switch {
	case t.Pair != nil:
		c.annotatePair(&r, t)
	case d.Anycast && !d.address.IsMulticast():
		f := c.factsOf(d, e)
		c.Choice.Chooser.Annotate(&r, &f, t)
	}
	switch {
	case d.Link != nil && d.Link.Address != nil:
		r.To = d.Link.to
	case len(d.to) > 0:
		r.To = d.to
	}
	if !d.Transit && d.address.Class == addressing.ClassRouter {
		r.Sender = c.managerOf(d)
	}
	r.Phase = d.address.Phase
	r.Stream = d.Arrival == Arriving
	d.routerHead = append(d.routerHead, head[:e.AnnotationsStart]...)
	d.routerHead = message.AppendAnnotations(d.routerHead, e.UserCount, e.User, &r)
}

// forward hands a delivery to the consumers that its address has now.
func (c *Endpoint) forward(d *Delivery, e *message.Envelope) {
	x := &c.Choice
	x.tried = c.Plane.TriedBy(d.address.Main())
	x.Chooser.Begin(c.Clock.Now)
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
	case r.Distribution == addressing.DistributionUnavailable && d.Transit: // it was available where it came from
		c.Undeliverable(d)
		return
	case r.Distribution == addressing.DistributionUnavailable:
		c.refuse(d, RejectedWith(wire.ErrNotFound, "address %q is unavailable", d.address.Text))
		return
	}
	f := c.factsOf(d, e)
	var diverted bool
	if x.targets, diverted = x.Chooser.Choose(x.targets[:0], r, &f); diverted {
		c.divert(d)
	}
	switch {
	case len(x.targets) > 0:
		c.hand(d, e)
	case r != nil && c.mayHold(d) && r.MayCome(e, d.isAnnounced(), c.Clock.Now, c.Plane.Hold):
		c.wait(d)
	default:
		c.Undeliverable(d)
	}
}

// factsOf is what the choice of targets goes by for a delivery.
func (c *Endpoint) factsOf(d *Delivery, e *message.Envelope) route.Facts {
	l := d.Link
	client := l != nil && l.Kind == LinkEndpoint
	f := route.Facts{Address: d.address, E: e, From: c.Near.Node, Transit: d.Transit, Tried: c.triedBefore(d),
		Doubles: client && !d.Transit && d.Wanted && !d.Settled, FromFallback: l != nil && l.Fallback}
	if client {
		f.Flow = c.Choice.Chooser.FlowOf(l.Number)
	}
	return f
}

// triedBefore is where a delivery, or copies of it, went before.
func (c *Endpoint) triedBefore(d *Delivery) []route.Tried {
	if d.first.Delivery == nil {
		return nil
	}
	t := c.Choice.triedBefore[:0]
	d.Branches(func(b *Branch) {
		if b.Link.Kind != LinkEndpoint {
			t = append(t, route.Tried{To: b.Link.End.Face(), Hop: b.via.NextHop()})
		}
	})
	c.Choice.triedBefore = t
	return t
}

// isAnnounced reports whether another router that has sent a delivery here has done so because it knows of consumers.
func (d *Delivery) isAnnounced() bool { return d.Transit && d.address.Class == addressing.ClassMobile }

// hand gives a delivery to the targets of the choice (Choice.targets).
func (c *Endpoint) hand(d *Delivery, e *message.Envelope) {
	targets := c.Choice.targets
	switch extra := (len(targets) - 1) * branchCost; {
	case extra == 0 && c.isBusy(LinkOf(targets[0].Consumer)):
		targets[0] = route.Target{}
		c.refuse(d, tooBusy())
		return
	case extra > 0 && c.isOver(extra):
		clear(targets)
		c.refuseOver(d)
		return
	}
	d.charge(len(targets))
	d.Content.Share(len(targets), ContentHigh)
	d.Anycast = len(targets) == 1
	d.doubled = targets[0].Pair != nil || targets[0].Steered && e.PathCount > 0
	for i := range targets {
		t := &targets[i]
		if t.To != nil {
			c.annotate(d, e, c.headOf(d), t)
			t.Consumer = c.InterRouterLink(d, EndpointOf(t.To)).Face()
		} else if LinkOf(t.Consumer).annotated {
			c.annotate(d, e, c.headOf(d), t)
		}
	}
	if len(targets) > fanOut || len(targets) > 2 && c.isSpent() {
		d.Pending++ // it is not over before all have it
		d.Refs.Add(1)
		c.begin(task{kind: taskHand, d: d, targets: slices.Clone(targets)})
		clear(targets)
		return
	}
	lost := 0
	for i := range targets {
		t := targets[i]
		targets[i] = route.Target{}
		l := LinkOf(t.Consumer)
		if l == nil || !c.post(d.NewBranch(l, t.Remote, nil)) {
			lost++
		}
	}
	if lost > 0 && d.Pending == 0 && (d.Anycast || d.doubled) && d.Attempts < MaxAttempts {
		d.Attempts++ // it has just gone: there may be another one
		c.forward(d, e)
		return
	}
	for range lost {
		d.Content.Leave(&buf.Cursor{})
		d.outcome = combine(d.outcome, Released)
	}
	if d.Pending == 0 {
		c.finished(d)
	}
}

// scan reads the sections before the bare message of a delivery into the envelope. head is the octets that it has read
// them from: those of the first frame or, when the sections spread over several, all that have come. complete says that
// these are the whole message. A message that cannot be read is rejected with the state.
func (c *Endpoint) scan(d *Delivery, complete bool) (head []byte, state wire.State) {
	e := &c.Choice.envelope
	var ok bool
	var err error
	if head = d.Content.Head(); len(head) >= d.bare { // else the first frame was not enough before
		ok, err = e.Scan(head, complete && len(head) == d.Size)
	}
	if err == nil && !ok && len(head) < d.Size {
		head = c.gather(d)
		ok, err = e.Scan(head, complete)
	}
	switch {
	case err != nil:
		state = Rejected(err)
	case !ok:
		state = RejectedWith(wire.ErrDecode, "the sections before the bare message do not end within %d octets", d.Size)
	}
	return head, state
}

// property finds a property of a scanned delivery by message.Address or message.Subject, in its head or, when the
// properties spread over several frames, in all that have come.
func (c *Endpoint) property(
	d *Delivery, head []byte, complete bool, find func(bare []byte, complete bool) ([]byte, bool, bool, error),
) (text []byte, present bool, state wire.State) {
	bare := c.Choice.envelope.Bare
	text, present, ok, err := find(head[bare:], complete && len(head) == d.Size)
	if err == nil && !ok && len(head) < d.Size {
		text, present, ok, err = find(c.gather(d)[bare:], complete)
	}
	switch {
	case err != nil:
		state = Rejected(err)
	case !ok:
		state = RejectedWith(wire.ErrDecode, "the properties do not end within %d octets", d.Size)
	}
	return text, present, state
}

// gather copies what has come of a delivery to one place, until the next one is gathered.
func (c *Endpoint) gather(d *Delivery) []byte {
	c.Choice.gathered = d.Content.Gather(c.Choice.gathered)
	return c.Choice.gathered
}

// headOf returns the octets that the sections before the bare message stand in: those the envelope was scanned from.
func (c *Endpoint) headOf(d *Delivery) []byte {
	if head := d.Content.Head(); len(head) >= d.bare {
		return head
	}
	return c.Choice.gathered
}

// isCopy reports whether a multicast message has come before, or comes another way. Ask it once for each message that
// the ingress router has numbered. Of others it only knows whether they came the expected way.
func (c *Endpoint) isCopy(d *Delivery, e *message.Envelope) bool {
	if !e.HasRouter || e.Ingress == nil || c.Terms.Role != RoleInterRouter {
		return false
	}
	if e.Number == 0 {
		return c.isAstray(e)
	}
	if d.taken {
		return false
	}
	p := c.Plane.Table.Router(e.Ingress)
	if p == nil {
		return c.isAstray(e)
	}
	d.taken = p.Seen.First(e.Number)
	return !d.taken
}

// isAstray reports whether a multicast message came another way than along the tree of shortest paths of its ingress
// router. Then there is another copy on that way: routers that do not look at valid origins send copies on every way,
// and the trees that two routers see may differ while the mesh converges.
func (c *Endpoint) isAstray(e *message.Envelope) bool {
	if upstream := c.Plane.Table.Upstream(e.Ingress); upstream != nil {
		return *upstream != c.Near.ID
	}
	return string(e.Ingress) != c.Near.Node // no tree is known yet
}

// duplicate drops a copy of a multicast message of which another one comes, or has come.
func (c *Endpoint) duplicate(d *Delivery) {
	c.count(d.Link, books.Stats{Duplicates: 1})
	c.Undeliverable(d)
}

// InterRouterLink chooses the link to a next hop: that of the priority, or a link of its own for a message that is
// still arriving. To keep the order, all that a sender sends there follows its streams until they have arrived; settled
// ones it follows until it ends.
func (c *Endpoint) InterRouterLink(d *Delivery, to *Endpoint) *Link { return c.linkTo(d, to, nil) }

// linkTo is InterRouterLink for a copy that goes through exchanges, or for none if w is nil. Copies of one message have
// streams of their own: none waits for another.
func (c *Endpoint) linkTo(d *Delivery, to *Endpoint, w *route.Via) *Link {
	l, h, priority := d.Link, w.NextHop(), w.Priority(d.priority)
	if l == nil || l.Dead.Load() { // a dead link gives no stream back
		return LinkOf(to.Near.Link(priority))
	}
	for i := range l.Streams {
		u := &l.Streams[i]
		if u.to != to || u.hop != h {
			continue
		}
		s := u.link
		if !s.Dead.Load() && (d.Arrival == Arriving || u.settled || s.Outstanding.Load() > 0) {
			u.settled = u.settled || d.Settled
			return s
		}
		c.giveStream(*u)
		l.Streams = append(l.Streams[:i], l.Streams[i+1:]...)
		break
	}
	if d.hasArrived() {
		return LinkOf(to.Near.Link(priority))
	}
	s := to.Streams.Get()
	if s == nil {
		s = to.NewStream()
		c.Wakes.Post(to, Note{Kind: NoteOpenStream, Link: s})
	}
	l.Streams = append(l.Streams, streamUse{to: to, hop: h, link: s, settled: d.Settled})
	return s
}

// post gives a new branch to the endpoint of its link. False means that the endpoint is gone, and the branch over.
func (c *Endpoint) post(b *Branch) bool {
	d := b.Delivery
	c.work.units++
	if b.Link.Node {
		c.requests++
	}
	b.Link.Outstanding.Add(1)
	if b.remote != nil {
		b.remote.Outstanding.Add(1)
	}
	if c.Wakes.Post(b.Link.End, Note{Kind: NoteDeliver, Branch: b}) {
		return true
	}
	b.uncount()
	if b.Link.Node {
		c.requests--
	}
	d.Drop(true)
	d.Pending--
	b.Over = true
	return false
}

// uncount takes a branch out of the counts that balancing and dropping go by.
func (b *Branch) uncount() {
	b.Link.Outstanding.Add(-1)
	if b.remote != nil {
		b.remote.Outstanding.Add(-1)
	}
	b.unweigh()
}

// unweigh takes a branch out of what waits on its link and nothing else bounds.
func (b *Branch) unweigh() {
	if b.weight > 0 { // never before the link's connection has it
		b.Link.WaitingSize -= b.weight
		b.weight = 0
	}
}

// managementSuffix ends the addresses of other routers' management nodes.
var managementSuffix = []byte("/" + ManagementAddress)

// managerOf is the user who sends a management request to another router; nil for other messages, and for nobody.
func (c *Endpoint) managerOf(d *Delivery) []byte {
	if d.Link == nil {
		return nil
	}
	to := d.Link.known.text
	if d.Link.Address != nil {
		to = d.Link.to
	}
	if !bytes.HasSuffix(to, managementSuffix) {
		return nil
	}
	return []byte(c.Peer.User)
}
