package route

import (
	"slices"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/message"
)

// maxExchanges is how many exchanges a message may pass.
const maxExchanges = 16

// spread is the memory for choosing next hops. A chooser has one from its first message for an exchange on.
type spread struct {
	matcher  addressing.Matcher[*Binding]
	bindings []*Binding
	seen     []uint64   // next hops of the exchange at hand, by index
	hops     []*NextHop // of all exchanges that are under way
	outside  message.Envelope

	// of the message at hand
	ts     []Target
	vias   []*Via
	f      *Facts
	m      *Subject
	visits []visit
	hold   bool // a next hop may have a consumer soon
}

// Subject is what exchanges go by.
type Subject struct {
	Text    []byte
	Present bool          // the message has a subject
	First   bool          // it is routed for the first time: bindings count what they match
	Hold    time.Duration // how long a consumer may have been gone for the message to wait for another one
}

// visit is what became of a message in an exchange.
type visit struct {
	exchange *Exchange
	targets  int
	diverted bool
}

// Spread appends the targets that an exchange has for a message, and beside each of them the way that leads there.
// redirected is called for an address whose fallback got a copy. mayCome says that there are none, but may be soon.
// Counted must follow.
func (c *Chooser) Spread(
	ts []Target, vias []*Via, x *Exchange, f *Facts, m *Subject, redirected func(*Address),
) (_ []Target, _ []*Via, mayCome bool) {
	if c.spread == nil {
		c.spread = new(spread)
	}
	s := c.spread
	s.ts, s.vias, s.f, s.m, s.hold = ts, vias, f, m, false
	c.through(x, nil, redirected)
	ts, vias, mayCome = s.ts, s.vias, len(s.ts) == 0 && s.hold
	s.ts, s.vias, s.f, s.m = nil, nil, nil, nil
	return ts, vias, mayCome
}

// Counted counts what became of a message in the exchanges that it came to: that it came, when it is routed first, and
// where it went, when it is routed last. Between these it waits for a consumer.
func (c *Chooser) Counted(first, last bool) {
	s := c.spread
	for i := range s.visits {
		v := &s.visits[i]
		x := v.exchange
		if first {
			x.Received.Add(1)
		}
		switch {
		case !last:
		case v.targets == 0:
			x.Dropped.Add(1)
		default:
			x.Forwarded.Add(1)
			if v.diverted {
				x.Diverted.Add(1)
			}
		}
		*v = visit{}
	}
	s.visits = s.visits[:0]
}

// through adds the targets that an exchange has for the message. It returns how many there are. before is the
// way to the exchange, nil when the message was sent to it. A message passes each exchange once, by whatever way it
// comes to it, so that a loop of exchanges ends.
func (c *Chooser) through(x *Exchange, before *Via, redirected func(*Address)) int {
	s := c.spread
	again := s.f.E.ExchangesContain(x.Passed) || s.f.E.ExchangeCount+before.Length() >= maxExchanges ||
		slices.ContainsFunc(s.visits, func(v visit) bool { return v.exchange == x })
	at := len(s.visits)
	s.visits = append(s.visits, visit{exchange: x})
	if again {
		return 0
	}
	t := x.Table.Load()
	first, n := len(s.hops), 0
	if s.m.Present {
		s.match(t)
	}
	for i := first; i < len(s.hops); i++ { // what a next hop adds behind, it takes away again
		n += c.toHop(s.hops[i], before, redirected)
	}
	clear(s.hops[first:])
	s.hops = s.hops[:first]
	diverted := false
	if n == 0 && t.Alternate != nil {
		n = c.toHop(t.Alternate, before, redirected)
		diverted = n > 0
	}
	s.visits[at].targets, s.visits[at].diverted = n, diverted
	return n
}

// match appends the next hops of the bindings whose keys match the subject, each once.
func (s *spread) match(t *ExchangeTable) {
	s.bindings = s.matcher.AppendMatches(s.bindings[:0], t.Bindings, s.m.Text)
	const word = 64
	if need := (t.Hops + word - 1) / word; need > len(s.seen) {
		s.seen = make([]uint64, need)
	}
	clear(s.seen)
	for i, b := range s.bindings {
		if s.m.First {
			b.Matched.Add(1)
		}
		at, bit := b.Hop.Index/word, uint64(1)<<(b.Hop.Index%word)
		if s.seen[at]&bit == 0 {
			s.seen[at] |= bit
			s.hops = append(s.hops, b.Hop)
		}
		s.bindings[i] = nil
	}
}

// toHop adds the targets that a next hop has for the message. It returns how many there are.
func (c *Chooser) toHop(h *NextHop, before *Via, redirected func(*Address)) (n int) {
	s := c.spread
	first := len(s.ts)
	w := h.Via.after(before)
	r := h.Via.Address.Routes.Load()
	if r == nil {
		return 0
	}
	if r.Exchange == nil || r.IsMulticast() {
		s.ts = c.ChooseCopy(s.ts, w, r, s.f.Tried)
	}
	if len(s.ts) == first && r.Exchange == nil && h.Fallback != nil {
		if f := h.Fallback.Address.Routes.Load(); f != nil {
			w = h.Fallback.after(before)
			if s.ts = c.ChooseCopy(s.ts, w, f, s.f.Tried); len(s.ts) > first {
				redirected(h.Via.Address)
			}
		}
	}
	for range s.ts[first:] {
		s.vias = append(s.vias, w)
	}
	n = len(s.ts) - first
	if r.Exchange != nil {
		n += c.through(r.Exchange, w, redirected)
	}
	s.hold = s.hold || n == 0 && r.MayCome(&s.outside, s.f.Transit && s.f.Address.Class == addressing.ClassMobile, c.now, s.m.Hold)
	return n
}

// ChooseCopy appends the consumers of the address of a way that a copy of a message goes to. It enters the mesh here.
func (c *Chooser) ChooseCopy(ts []Target, w *Via, r *Routes, tried []Tried) []Target {
	if c.spread == nil {
		c.spread = new(spread)
	}
	f := Facts{Address: w.Address, E: &c.spread.outside, hop: w.Hop, Tried: tried}
	switch r.Distribution {
	case addressing.DistributionMulticast, addressing.DistributionFlood:
		return c.multicast(ts, r, &f)
	case addressing.DistributionUnavailable:
		return ts
	default:
		return c.one(ts, w.Address, r, &f)
	}
}

// ChooseMulticast appends the consumers of an address beside its exchange, which is one consumer of many.
func (c *Chooser) ChooseMulticast(ts []Target, r *Routes, f *Facts) []Target {
	return c.multicast(ts, r, f)
}
