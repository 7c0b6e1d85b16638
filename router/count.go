package router

import (
	"time"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/route"
)

// part is what the deliveries of the link count under.
func (l *link) part() books.Part {
	broker := l.conn.terms.role == RoleRouteContainer
	switch {
	case l.kind == linkControl || l.node:
		return books.PartNone
	case l.kind != linkEndpoint && l.outgoing:
		return books.PartToRouters
	case l.kind != linkEndpoint:
		return books.PartFromRouters
	case l.outgoing && broker:
		return books.PartToBroker
	case l.outgoing:
		return books.PartOut
	case broker:
		return books.PartFromBroker
	default:
		return books.PartIn
	}
}

// countedAs returns how an outcome is counted.
func countedAs(k wire.StateKind) books.Outcome {
	switch k {
	case wire.StateAccepted:
		return books.Accepted
	case wire.StateReleased:
		return books.Released
	case wire.StateModified:
		return books.Modified
	case wire.StateNone, wire.StateReceived:
		return books.None
	default: // a state that makes no sense here counts as a rejection
		return books.Rejected
	}
}

// share returns the counters of an address, to be used at once.
func (c *Endpoint) share(a *route.Address) *books.Counts {
	return c.counted.shares.Of(&a.Tally, c.plane.ledger)
}

// retire keeps counters of a link that is gone, and of an address.
func (c *Endpoint) retire(l *link, a *route.Address, s *books.Stats) {
	if c.counted.closed {
		var tally *books.Tally
		if a != nil {
			tally = &a.Tally
		}
		c.plane.ledger.Retire(l.part(), tally, s)
		return
	}
	c.counted.past.Add(l.part(), s)
	if a != nil {
		c.share(a).Add(l.part(), s)
	}
}

// count adds to the counters of a link. It may be gone: what it sent as settled finishes later.
func (c *Endpoint) count(l *link, s books.Stats) { c.countFor(l, nil, s) }

// countFor adds to the counters of a link and of the address of a delivery on it. A control message has none.
func (c *Endpoint) countFor(l *link, a *route.Address, s books.Stats) {
	if l.address != nil {
		a = l.address
	}
	if l.Dead.Load() {
		c.retire(l, a, &s)
		return
	}
	l.stats.Add(&s)
	if l.address == nil && a != nil {
		c.share(a).Add(l.part(), &s)
	}
}

// countRouted counts an incoming delivery under the address that was found for it.
func (c *Endpoint) countRouted(d *delivery) {
	l := d.link
	if l == nil || l.address != nil {
		return
	}
	t := c.share(d.address)
	if l.node {
		t.FromSelf++
		c.counted.past.FromSelf++
		return
	}
	t.Came(l.part())
}

// countToSelf counts a delivery of an address that the router itself has taken.
func (c *Endpoint) countToSelf(a *route.Address) {
	c.counted.past.ToSelf++
	c.share(a).ToSelf++
}

// countDropped counts a delivery that its sender has settled and no consumer will have. It is counted once for each
// consumer that it was meant for.
func (c *Endpoint) countDropped(d *delivery) {
	d.dropped = true
	if d.link != nil {
		c.countFor(d.link, d.address, books.Stats{Dropped: 1})
	}
}

// countFinished counts an incoming delivery that is over.
func (c *Endpoint) countFinished(d *delivery) {
	k := d.outcome.Kind
	if d.settled && !d.aborted && !d.dropped && k != wire.StateNone && k != wire.StateAccepted {
		c.countDropped(d) // a consumer was there, but has not got it
	}
	if d.aborted {
		k = wire.StateNone
	}
	a := d.address
	if d.diverted {
		a = a.FallbackFor // which it was sent to
	}
	c.countEnd(d.link, a, !d.wanted, k, c.clock.at-d.at)
}

// countWritten counts an outgoing delivery whose last frame was written, or was settled before that.
func (c *Endpoint) countWritten(b *branch) {
	l := b.link
	l.stats.Deliveries++
	if a := b.address(); l.address == nil && a != nil {
		c.share(a).Of(l.part()).Deliveries++
	}
	if c.eng.Credit(l.id) == 0 {
		l.watch.dry = c.clock.at
	}
}

// countSent counts an outgoing delivery that was written and is over.
func (c *Endpoint) countSent(b *branch, settled bool, k wire.StateKind) {
	c.countEnd(b.link, b.address(), settled, k, c.clock.at-b.d.at)
	if b.link.kind == linkEndpoint {
		b.link.watch.came(b.d.ingress)
	}
}

// countEnd counts a delivery on a link that is over.
func (c *Endpoint) countEnd(l *link, a *route.Address, settled bool, k wire.StateKind, age time.Duration) {
	o := countedAs(k)
	if l.Dead.Load() {
		var s books.Stats
		s.End(settled, o, age)
		c.countFor(l, a, s)
		return
	}
	l.stats.End(settled, o, age)
	if settled && k != wire.StateReleased || k == wire.StateAccepted || k == wire.StateRejected {
		l.watch.rate.Add(c.clock.at)
	}
	if l.address == nil && a != nil {
		if p := c.share(a).Of(l.part()); p != nil {
			p.End(settled, o, age)
		}
	}
}

// clock notes the time at the beginning of a batch.
func (c *Endpoint) beginTurn(now time.Time) { c.clock.now, c.clock.at = now, now.Sub(c.plane.began)+1 }
