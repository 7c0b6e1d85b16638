package router

import (
	"slices"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
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
func (c *conn) toExchange(d *delivery, e *message.Envelope, r *routes) {
	if c.spread == nil {
		c.spread = new(spread)
	}
	s := c.spread
	subject, present, state := c.subjectOf(d, e)
	if state.Kind != wire.StateNone {
		c.refuse(d, state)
		return
	}
	c.targets, s.vias = c.targets[:0], s.vias[:0]
	if r.isMulticast() { // the exchange is one consumer of many
		if c.isAstray(e) {
			c.duplicate(d)
			return
		}
		c.targets = c.multicast(c.targets, r, e)
		for range c.targets {
			s.vias = append(s.vias, nil)
		}
	}
	s.d, s.e, s.subject, s.present, s.hold = d, e, subject, present, false
	c.throughExchange(r.exchange, nil)
	hold := len(c.targets) == 0 && s.hold
	s.count(d.until == 0, !hold)
	s.d, s.e, s.subject = nil, nil, nil
	switch {
	case hold:
		c.wait(d)
	case len(c.targets) == 0:
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
func (c *conn) subjectOf(d *delivery, e *message.Envelope) (subject []byte, present bool, state wire.State) {
	head := c.headOf(d)
	subject, present, ok, err := message.Subject(head[e.Bare:], d.arrived && len(head) == d.size)
	if err == nil && !ok && len(head) < d.size {
		c.gathered = d.content.Gather(c.gathered)
		subject, present, ok, err = message.Subject(c.gathered[e.Bare:], d.arrived)
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
func (c *conn) throughExchange(x *topicExchange, before *via) int {
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
func (c *conn) matchHops(t *exchangeTable) {
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
func (c *conn) toHop(h *nextHop, before *via) (n int) {
	s := c.spread
	first := len(c.targets)
	w := h.via.after(before)
	r := h.via.address.routes.Load()
	if r == nil {
		return 0
	}
	if r.exchange == nil || r.isMulticast() {
		c.targets = c.choose(c.targets, w.address, r)
	}
	if len(c.targets) == first && r.exchange == nil && h.fallback != nil {
		if f := h.fallback.address.routes.Load(); f != nil {
			w = h.fallback.after(before)
			if c.targets = c.choose(c.targets, w.address, f); len(c.targets) > first {
				c.countFor(s.d.link, h.via.address, linkStats{redirected: 1})
			}
		}
	}
	for range c.targets[first:] {
		s.vias = append(s.vias, w)
	}
	n = len(c.targets) - first
	if r.exchange != nil {
		n += c.throughExchange(r.exchange, w)
	}
	s.hold = s.hold || n == 0 && c.mayHold(s.d, r)
	return n
}

// choose adds the consumers of an address that a message from an exchange here goes to. It enters the mesh here.
func (c *conn) choose(ts []target, a *address, r *routes) []target {
	outside := &c.spread.outside
	switch r.distribution {
	case addressing.DistributionMulticast, addressing.DistributionFlood:
		return c.multicast(ts, r, outside)
	case addressing.DistributionClosest:
		return c.closest(ts, a, r, outside)
	case addressing.DistributionUnavailable:
		return ts
	default:
		return c.balanced(ts, a, r, outside)
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
func (c *conn) handVia(d *delivery, e *message.Envelope) {
	s := c.spread
	d.content.Share(len(c.targets), contentHigh)
	d.anycast = false
	own, head := d.priority, c.headOf(d)
	for i := range c.targets {
		t, w := &c.targets[i], s.vias[i]
		if w == nil && (t.to != nil || t.link.annotated) {
			c.annotate(d, e, head)
		}
		if t.to != nil {
			d.priority = w.priority(own)
			t.link = c.linkTo(d, t.to, w.nextHop())
		}
	}
	d.priority = own
	plain := d.routerHead
	var last *via
	var composed []byte
	lost := 0
	for i := range c.targets {
		t, w := c.targets[i], s.vias[i]
		c.targets[i], s.vias[i] = target{}, nil
		b := (*branch)(nil)
		if t.link != nil {
			b = d.newBranch(t.link, t.remote)
			b.via = w
			if t.link.kind != linkEndpoint || t.link.annotated {
				if b.head = plain; w != nil {
					if w != last {
						last, composed = w, c.headVia(d, e, head, w)
					}
					b.head = composed
				}
			}
		}
		if b == nil || !c.post(b) {
			d.content.Leave(&buf.Cursor{})
			lost++
		}
	}
	if lost > 0 {
		d.outcome = combine(d.outcome, released)
	}
	if d.pending == 0 {
		c.finished(d)
	}
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

// post gives a new branch to the connection of its link; false means that this is gone, and the branch over.
func (c *conn) post(b *branch) bool {
	d := b.d
	b.link.outstanding.Add(1)
	if b.remote != nil {
		b.remote.outstanding.Add(1)
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

// headVia composes the head of a copy for other routers. It stands behind those that the delivery has already.
func (c *conn) headVia(d *delivery, e *message.Envelope, head []byte, w *via) []byte {
	s := c.spread
	s.passed = w.appendPassed(append(s.passed[:0], e.Exchanges...))
	r := message.RouterAnnotations{
		Self: c.router.nodeName, Ingress: c.router.node, To: w.to, Phase: w.address.phase, Stream: !d.arrived,
		Exchanges: s.passed, ExchangeCount: e.ExchangeCount + w.length(),
	}
	start := len(d.routerHead)
	d.routerHead = append(d.routerHead, head[:e.AnnotationsStart]...)
	d.routerHead = message.AppendAnnotations(d.routerHead, e.UserCount, e.User, &r)
	return slices.Clip(d.routerHead[start:])
}

// handOn gives a copy that came back, of which nothing was offered to anybody, to another consumer of its next hop. Its
// part of the content goes over. False means that there is none.
func (c *conn) handOn(b *branch) bool {
	d, w := b.d, b.via
	r := w.address.routes.Load()
	if b.attempts >= maxAttempts || r == nil || r.exchange != nil || r.isMulticast() {
		return false
	}
	if c.targets = c.choose(c.targets[:0], w.address, r); len(c.targets) == 0 {
		return false
	}
	t := c.targets[0]
	c.targets[0] = target{}
	own := d.priority
	if t.to != nil {
		d.priority = w.priority(own)
		t.link = c.linkTo(d, t.to, w.nextHop())
		d.priority = own
	}
	if t.link == nil {
		return false
	}
	n := d.newBranch(t.link, t.remote)
	n.via, n.attempts = w, b.attempts+1
	if t.link.kind != linkEndpoint || t.link.annotated {
		e := &c.envelope
		head := d.content.Head()
		if len(head) < d.bare {
			c.gathered = d.content.Gather(c.gathered)
			head = c.gathered
		}
		e.Scan(head, d.arrived && len(head) == d.size) // it was scanned before
		c.trust(d.link, e)
		n.head = c.headVia(d, e, head, w)
	}
	if !c.post(n) {
		return false
	}
	b.over = true
	d.pending--
	return true
}
