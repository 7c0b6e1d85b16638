package router

import (
	"slices"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/books"
)

// This file is what an exchange does with messages. To the connection that a message came from, an exchange is a kind of
// multicast: the targets are those that the address of each next hop has now, each next hop's chosen by its own
// distribution, and each copy has a head of its own, which names its next hop, as if the message had entered the mesh
// here. So the payload is shared, a message of any size streams to all next hops, its outcome is that of all copies
// together, and nothing is held for an exchange that would not be held for a multicast.

// maxExchanges is how many exchanges a message may pass.
const maxExchanges = 16

// via is how a copy of a message came to its target. It never changes.
type via struct {
	hop      *nextHop
	address  *address // whose consumers the copy is for: that of the next hop, or its fallback
	to       []byte   // the same as other routers read it in the annotations
	exchange *topicExchange
	before   *via // the way through the exchanges before, nil for the first one
}

// spread is the memory for handing a message to next hops. A connection has one from its first message for an exchange
// on.
type spread struct {
	matcher  addressing.Matcher[*binding]
	bindings []*binding
	seen     []uint64   // next hops of the exchange at hand, by index
	hops     []*nextHop // of all exchanges that are under way
	vias     []*via     // beside conn.targets; nil for consumers of the exchange's own address
	outside  message.Envelope
	passed   []byte

	// of the message at hand
	d       *delivery
	e       *message.Envelope
	subject []byte
	present bool // it has a subject
	visits  []visit
	hold    bool // a next hop may have a consumer soon
}

// visit is what became of a message in an exchange.
type visit struct {
	exchange *topicExchange
	targets  int
	diverted bool
}

// toExchange hands a delivery to the next hops of an exchange.
func (c *Endpoint) toExchange(d *delivery, e *message.Envelope, r *routes) {
	if c.spread == nil {
		c.spread = new(spread)
	}
	s := c.spread
	subject, present, state := c.subjectOf(d, e)
	if state.Kind != wire.StateNone {
		c.refuse(d, state)
		return
	}
	c.choice.targets, s.vias = c.choice.targets[:0], s.vias[:0]
	if r.isMulticast() { // the exchange is one consumer of many
		if c.isCopy(d, e) {
			c.duplicate(d)
			return
		}
		c.choice.targets = c.multicast(c.choice.targets, r, trip{d: d, e: e})
		for range c.choice.targets {
			s.vias = append(s.vias, nil)
		}
	}
	s.d, s.e, s.subject, s.present, s.hold = d, e, subject, present, false
	c.throughExchange(r.exchange, nil)
	hold := len(c.choice.targets) == 0 && s.hold
	s.count(d.until == 0, !hold)
	s.d, s.e, s.subject = nil, nil, nil
	switch {
	case hold:
		c.wait(d)
	case len(c.choice.targets) == 0:
		c.undeliverable(d)
	default:
		c.handVia(d, e)
	}
}

// count counts what became of a message in the exchanges that it came to: that it came, when it is routed first, and
// where it went, when it is routed last. Between these it waits for a consumer.
func (s *spread) count(first, last bool) {
	for i := range s.visits {
		v := &s.visits[i]
		x := v.exchange
		if first {
			x.received.Add(1)
		}
		switch {
		case !last:
		case v.targets == 0:
			x.dropped.Add(1)
		default:
			x.forwarded.Add(1)
			if v.diverted {
				x.diverted.Add(1)
			}
		}
		*v = visit{}
	}
	s.visits = s.visits[:0]
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

// throughExchange adds the targets that an exchange has for the message. It returns how many there are. before is the
// way to the exchange, nil when the message was sent to it. A message passes each exchange once, by whatever way it
// comes to it, so that a loop of exchanges ends.
func (c *Endpoint) throughExchange(x *topicExchange, before *via) int {
	s := c.spread
	again := s.e.ExchangesContain(x.passed) || s.e.ExchangeCount+before.length() >= maxExchanges ||
		slices.ContainsFunc(s.visits, func(v visit) bool { return v.exchange == x })
	at := len(s.visits)
	s.visits = append(s.visits, visit{exchange: x})
	if again {
		return 0
	}
	t := x.table.Load()
	first, n := len(s.hops), 0
	if s.present {
		c.matchHops(t)
	}
	for i := first; i < len(s.hops); i++ { // what a next hop adds behind, it takes away again
		n += c.toHop(s.hops[i], before)
	}
	clear(s.hops[first:])
	s.hops = s.hops[:first]
	diverted := false
	if n == 0 && t.alternate != nil {
		n = c.toHop(t.alternate, before)
		diverted = n > 0
	}
	s.visits[at].targets, s.visits[at].diverted = n, diverted
	return n
}

// matchHops appends the next hops of the bindings whose keys match the subject, each once.
func (c *Endpoint) matchHops(t *exchangeTable) {
	s := c.spread
	s.bindings = s.matcher.AppendMatches(s.bindings[:0], t.bindings, s.subject)
	const word = 64
	if need := (t.hops + word - 1) / word; need > len(s.seen) {
		s.seen = make([]uint64, need)
	}
	clear(s.seen)
	for i, b := range s.bindings {
		if s.d.until == 0 {
			b.matched.Add(1)
		}
		at, bit := b.hop.index/word, uint64(1)<<(b.hop.index%word)
		if s.seen[at]&bit == 0 {
			s.seen[at] |= bit
			s.hops = append(s.hops, b.hop)
		}
		s.bindings[i] = nil
	}
}

// toHop adds the targets that a next hop has for the message. It returns how many there are.
func (c *Endpoint) toHop(h *nextHop, before *via) (n int) {
	s := c.spread
	first := len(c.choice.targets)
	w := h.via.after(before)
	r := h.via.address.routes.Load()
	if r == nil {
		return 0
	}
	if r.exchange == nil || r.isMulticast() {
		c.choice.targets = c.choose(c.choice.targets, s.d, w, r)
	}
	if len(c.choice.targets) == first && r.exchange == nil && h.fallback != nil {
		if f := h.fallback.address.routes.Load(); f != nil {
			w = h.fallback.after(before)
			if c.choice.targets = c.choose(c.choice.targets, s.d, w, f); len(c.choice.targets) > first {
				c.countFor(s.d.link, h.via.address, books.Stats{Redirected: 1})
			}
		}
	}
	for range c.choice.targets[first:] {
		s.vias = append(s.vias, w)
	}
	n = len(c.choice.targets) - first
	if r.exchange != nil {
		n += c.throughExchange(r.exchange, w)
	}
	s.hold = s.hold || n == 0 && c.mayHold(s.d, &s.outside, r)
	return n
}

// choose adds the consumers of the address of a way that a copy of a message goes to. It enters the mesh here.
func (c *Endpoint) choose(ts []target, d *delivery, w *via, r *routes) []target {
	t := trip{d: d, e: &c.spread.outside, hop: w.hop}
	switch r.distribution {
	case addressing.DistributionMulticast, addressing.DistributionFlood:
		return c.multicast(ts, r, t)
	case addressing.DistributionUnavailable:
		return ts
	default:
		return c.one(ts, w.address, r, t)
	}
}

// isMulticast tells whether every consumer gets a copy.
func (r *routes) isMulticast() bool {
	return r.distribution == addressing.DistributionMulticast || r.distribution == addressing.DistributionFlood
}

// after returns the same way behind another one.
func (w *via) after(before *via) *via {
	if before == nil {
		return w
	}
	behind := *w
	behind.before = before
	return &behind
}

// length is the number of exchanges on the way.
func (w *via) length() (n int) {
	for ; w != nil; w = w.before {
		n++
	}
	return n
}

// appendPassed appends the encoded names of the exchanges on the way.
func (w *via) appendPassed(dst []byte) []byte {
	if w == nil {
		return dst
	}
	return wire.AppendString(w.before.appendPassed(dst), w.exchange.passed)
}

// handVia gives a delivery to the targets gathered in c.targets, each on its way.
func (c *Endpoint) handVia(d *delivery, e *message.Envelope) {
	s := c.spread
	d.content.Share(len(c.choice.targets), contentHigh)
	d.anycast = false
	head := c.headOf(d)
	for i := range c.choice.targets {
		t, w := &c.choice.targets[i], s.vias[i]
		if w == nil && (t.to != nil || t.link.annotated) {
			c.annotate(d, e, head, t)
		}
		if t.to != nil {
			t.link = c.linkTo(d, t.to, w)
		}
	}
	plain := d.routerHead
	var last *via
	var composed []byte
	var lost []*branch // their connections have just gone
	for i := range c.choice.targets {
		t, w := c.choice.targets[i], s.vias[i]
		c.choice.targets[i], s.vias[i] = target{}, nil
		switch {
		case t.link == nil:
			c.leave(d, released)
			continue
		case t.link.isBusy():
			c.leave(d, tooBusy())
			continue
		}
		b := d.newBranch(t.link, t.remote, w)
		if t.link.kind != linkEndpoint || t.link.annotated {
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

// nextHop is where the way ends, nil for no way.
func (w *via) nextHop() *nextHop {
	if w == nil {
		return nil
	}
	return w.hop
}

// priority is that of a message's copy between routers.
func (w *via) priority(own uint8) uint8 {
	if w != nil && w.address.priority >= 0 {
		return uint8(w.address.priority)
	}
	return own
}

// headVia composes the head of a copy for other routers. It stands behind those that the delivery has already.
func (c *Endpoint) headVia(d *delivery, e *message.Envelope, head []byte, w *via) []byte {
	s := c.spread
	s.passed = w.appendPassed(append(s.passed[:0], e.Exchanges...))
	r := message.RouterAnnotations{
		Self: c.plane.nodeName, Ingress: c.plane.node, To: w.to, Phase: w.address.phase, Stream: !d.arrived,
		Exchanges: s.passed, ExchangeCount: e.ExchangeCount + w.length(), Settled: d.travelsUnsettled(w.address),
	}
	if w.address.isMulticast() {
		r.Number, r.Topology = c.plane.copies.Add(1), c.chosenBy()
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
		r := w.address.routes.Load()
		if r == nil || r.exchange != nil || r.isMulticast() {
			return false
		}
		if c.choice.targets = c.choose(c.choice.targets[:0], d, w, r); len(c.choice.targets) == 0 {
			return false
		}
		t := c.choice.targets[0]
		c.choice.targets[0] = target{}
		if t.to != nil {
			t.link = c.linkTo(d, t.to, w)
		}
		if t.link == nil || t.link.isBusy() {
			return false
		}
		n := d.newBranch(t.link, t.remote, w)
		n.attempts = attempts
		if t.link.kind != linkEndpoint || t.link.annotated {
			n.head = c.headAgain(d, w)
		}
		if c.post(n) {
			return true
		}
	}
	return false
}

// headAgain is headVia for a message that was scanned before.
func (c *Endpoint) headAgain(d *delivery, w *via) []byte {
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
