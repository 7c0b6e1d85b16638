package forwarding

import (
	"time"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/route"
)

// Part is what the deliveries of the link count under.
func (l *Link) Part() books.Part {
	broker := l.End.Terms.Role == RoleRouteContainer
	switch {
	case l.Kind == LinkControl || l.Node:
		return books.PartNone
	case l.Kind != LinkEndpoint && l.Outgoing:
		return books.PartToRouters
	case l.Kind != LinkEndpoint:
		return books.PartFromRouters
	case l.Outgoing && broker:
		return books.PartToBroker
	case l.Outgoing:
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
	return c.Counted.Shares.Of(&a.Tally, c.Plane.Ledger)
}

// retire keeps counters of a link that is gone, and of an address.
func (c *Endpoint) retire(l *Link, a *route.Address, s *books.Stats) {
	if c.Counted.closed {
		var tally *books.Tally
		if a != nil {
			tally = &a.Tally
		}
		c.Plane.Ledger.Retire(l.Part(), tally, s)
		return
	}
	c.Counted.Past.Add(l.Part(), s)
	if a != nil {
		c.share(a).Add(l.Part(), s)
	}
}

// count adds to the counters of a link, which may be gone: what was sent as settled finishes later.
func (c *Endpoint) count(l *Link, s books.Stats) { c.countFor(l, nil, s) }

// countFor adds to the counters of a link and of the address of a delivery on it. A control message has none.
func (c *Endpoint) countFor(l *Link, a *route.Address, s books.Stats) {
	if l.Address != nil {
		a = l.Address
	}
	if l.Dead.Load() {
		c.retire(l, a, &s)
		return
	}
	l.Stats.Add(&s)
	if l.Address == nil && a != nil {
		c.share(a).Add(l.Part(), &s)
	}
}

// countRouted counts an incoming delivery under the address that was found for it.
func (c *Endpoint) countRouted(d *Delivery) {
	l := d.Link
	if l == nil || l.Address != nil {
		return
	}
	t := c.share(d.address)
	if l.Node {
		t.FromSelf++
		c.Counted.Past.FromSelf++
		return
	}
	t.Came(l.Part())
}

// CountToSelf counts a delivery of an address that the router itself has taken.
func (c *Endpoint) CountToSelf(a *route.Address) {
	c.Counted.Past.ToSelf++
	c.share(a).ToSelf++
}

// countDropped counts a delivery that its sender has settled and no consumer will have. It is counted once for each
// consumer that it was meant for.
func (c *Endpoint) countDropped(d *Delivery) {
	d.dropped = true
	if d.Link != nil {
		c.countFor(d.Link, d.address, books.Stats{Dropped: 1})
	}
}

// countFinished counts an incoming delivery that is over.
func (c *Endpoint) countFinished(d *Delivery) {
	k := d.outcome.Kind
	if d.Settled && d.Arrival != Aborted && !d.dropped && k != wire.StateNone && k != wire.StateAccepted {
		c.countDropped(d) // a consumer was there, but has not got it
	}
	if d.Arrival == Aborted {
		k = wire.StateNone
	}
	a := d.address
	if d.diverted {
		a = a.FallbackFor // which it was sent to
	}
	c.countEnd(d.Link, a, !d.Wanted, k, c.Clock.At-d.at)
}

// countWritten counts an outgoing delivery whose last frame was written, or was settled before that.
func (c *Endpoint) countWritten(b *Branch) {
	l := b.Link
	l.Stats.Deliveries++
	if a := b.Address(); l.Address == nil && a != nil {
		c.share(a).Of(l.Part()).Deliveries++
	}
	if c.Engine.Credit(l.ID) == 0 {
		l.Watch.dry = c.Clock.At
	}
}

// countSent counts an outgoing delivery that was written and is over.
func (c *Endpoint) countSent(b *Branch, settled bool, k wire.StateKind) {
	c.countEnd(b.Link, b.Address(), settled, k, c.Clock.At-b.Delivery.at)
	if b.Link.Kind == LinkEndpoint {
		b.Link.Watch.came(b.Delivery.ingress)
	}
}

// countEnd counts a delivery on a link that is over.
func (c *Endpoint) countEnd(l *Link, a *route.Address, settled bool, k wire.StateKind, age time.Duration) {
	o := countedAs(k)
	if l.Dead.Load() {
		var s books.Stats
		s.End(settled, o, age)
		c.countFor(l, a, s)
		return
	}
	l.Stats.End(settled, o, age)
	if settled && k != wire.StateReleased || k == wire.StateAccepted || k == wire.StateRejected {
		l.Watch.Rate.Add(c.Clock.At)
	}
	if l.Address == nil && a != nil {
		if p := c.share(a).Of(l.Part()); p != nil {
			p.End(settled, o, age)
		}
	}
}

// BeginTurn takes the time of a turn, and begins to count its work.
func (c *Endpoint) BeginTurn(now time.Time) {
	c.Clock.Now, c.Clock.At = now, now.Sub(c.Plane.Began)+1
	c.work.units, c.work.outcome = 0, wire.State{}
}
