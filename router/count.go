package router

import (
	"sync"
	"time"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// linkStats are the counters of a link, or of an address on some links. They are guarded by the connection's mutex.
//
// For an incoming link, deliveries is the sum of the outcomes, of presettled, of none and of what is in hand. dropped
// are part of presettled, or of none when the sender settled too early. Outgoing deliveries count when their last
// frame is written; those that were ended before, by their sender or with their link, do not.
type linkStats struct {
	deliveries, octets                     uint64
	presettled, dropped                    uint64
	accepted, rejected, released, modified uint64
	none                                   uint64 // over without an outcome: aborted, settled by the sender, sender gone
	delayed1, delayed10                    uint64 // were over 1 to 10 s after they had arrived, and later
	redirected                             uint64 // incoming: sent to the fallback destination
	held, expired                          uint64 // incoming: waited for a consumer; ended by their ttl
	duplicates                             uint64 // incoming: copies of a multicast message that another one comes of
}

// end counts a delivery that is over. settled says that nobody wanted its outcome.
func (s *linkStats) end(settled bool, k wire.StateKind, age time.Duration) {
	switch {
	case settled:
		s.presettled++
	default:
		s.count(k)
	}
	if age > delayShort {
		if age > delayLong {
			s.delayed10++
		} else {
			s.delayed1++
		}
	}
}

// A delivery that was over only after these times is counted as delayed; one that is not over after the second is
// stuck.
const (
	delayShort = time.Second
	delayLong  = 10 * time.Second
)

// count adds an outcome.
func (s *linkStats) count(k wire.StateKind) {
	switch k {
	case wire.StateAccepted:
		s.accepted++
	case wire.StateReleased:
		s.released++
	case wire.StateModified:
		s.modified++
	case wire.StateNone, wire.StateReceived:
		s.none++
	default: // a state that makes no sense here counts as a rejection
		s.rejected++
	}
}

// add adds the counters of o.
func (s *linkStats) add(o *linkStats) {
	s.deliveries += o.deliveries
	s.octets += o.octets
	s.presettled += o.presettled
	s.dropped += o.dropped
	s.accepted += o.accepted
	s.rejected += o.rejected
	s.released += o.released
	s.modified += o.modified
	s.none += o.none
	s.delayed1 += o.delayed1
	s.delayed10 += o.delayed10
	s.redirected += o.redirected
	s.held += o.held
	s.expired += o.expired
	s.duplicates += o.duplicates
}

// counts are the counters of many links by what the links are for.
type counts struct {
	in, out               linkStats // from and to clients and brokers
	fromRouters           linkStats
	toRouters             linkStats
	brokersIn, brokersOut uint64 // the part of in and out on connections of role route-container
	toSelf, fromSelf      uint64 // to and from consumers inside the router, such as $management
}

// part is what the deliveries of a link count under, nil for one whose deliveries are nobody's.
func (t *counts) part(l *link) *linkStats {
	switch {
	case l.kind == linkControl || l.node:
		return nil
	case l.kind != linkEndpoint && l.outgoing:
		return &t.toRouters
	case l.kind != linkEndpoint:
		return &t.fromRouters
	case l.outgoing:
		return &t.out
	default:
		return &t.in
	}
}

// add adds counters of a link.
func (t *counts) add(l *link, s *linkStats) {
	p := t.part(l)
	if p == nil {
		return
	}
	p.add(s)
	if l.conn.settings.role == RoleRouteContainer {
		if l.outgoing {
			t.brokersOut += s.deliveries
		} else {
			t.brokersIn += s.deliveries
		}
	}
}

// merge adds counters of the same kind.
func (t *counts) merge(o *counts) {
	t.in.add(&o.in)
	t.out.add(&o.out)
	t.fromRouters.add(&o.fromRouters)
	t.toRouters.add(&o.toRouters)
	t.brokersIn += o.brokersIn
	t.brokersOut += o.brokersOut
	t.toSelf += o.toSelf
	t.fromSelf += o.fromSelf
}

// incoming is the sum over all that came in, which is what Interconnect's totals of outcomes and delays are.
func (t *counts) incoming() linkStats {
	s := t.in
	s.add(&t.fromRouters)
	return s
}

// dropped is the number of pre-settled deliveries that were dropped.
func (t *counts) dropped() uint64 {
	return t.in.dropped + t.out.dropped + t.fromRouters.dropped + t.toRouters.dropped
}

// tally holds counters that no connection holds any more.
type tally struct {
	mu sync.Mutex // a leaf
	counts
}

func (t *tally) retire(l *link, s *linkStats) {
	t.mu.Lock()
	t.counts.add(l, s)
	t.mu.Unlock()
}

func (t *tally) take(o *counts) {
	t.mu.Lock()
	t.merge(o)
	t.mu.Unlock()
}

func (t *tally) get() counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts
}

// shares are what one connection counts by address, beside the counters of its links: deliveries on links that carry
// those of several addresses, which are anonymous ones and those between routers, and links that are gone.
type shares struct {
	last  *address
	at    *counts // of last
	index map[*address]int
	list  []share
}

type share struct {
	address *address
	counts  counts
}

// shareLimit is the number of addresses that a connection counts for at a time.
const shareLimit = 64

// share returns the counters of an address, to be used at once.
func (c *Endpoint) share(a *address) *counts {
	s := &c.counted.shares
	if s.last == a {
		return s.at
	}
	i, ok := s.index[a]
	if !ok {
		if len(s.list) >= shareLimit && c.plane.ledger.mu.TryLock() { // else somebody is counting: later
			s.flush()
			c.plane.ledger.mu.Unlock()
		}
		if s.index == nil {
			s.index = make(map[*address]int)
		}
		i = len(s.list)
		s.list = append(s.list, share{address: a})
		s.index[a] = i
	}
	s.last, s.at = a, &s.list[i].counts
	return s.at
}

// flush gives what was counted to the addresses. The ledger is locked.
func (s *shares) flush() {
	for i := range s.list {
		s.list[i].address.tally.take(&s.list[i].counts)
	}
	clear(s.index)
	clear(s.list)
	s.last, s.at, s.list = nil, nil, s.list[:0]
}

// retire keeps counters of a link that is gone, and of an address.
func (c *Endpoint) retire(l *link, a *address, s *linkStats) {
	if c.counted.closed {
		c.plane.ledger.past.retire(l, s)
		if a != nil {
			a.tally.retire(l, s)
		}
		return
	}
	c.counted.past.add(l, s)
	if a != nil {
		c.share(a).add(l, s)
	}
}

// count adds to the counters of a link. It may be gone: what it sent as settled finishes later.
func (c *Endpoint) count(l *link, s linkStats) { c.countFor(l, nil, s) }

// countFor adds to the counters of a link and of the address of a delivery on it. A control message has none.
func (c *Endpoint) countFor(l *link, a *address, s linkStats) {
	if l.address != nil {
		a = l.address
	}
	if l.dead.Load() {
		c.retire(l, a, &s)
		return
	}
	l.stats.add(&s)
	if l.address == nil && a != nil {
		c.share(a).add(l, &s)
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
		t.fromSelf++
		c.counted.past.fromSelf++
		return
	}
	if p := t.part(l); p != nil {
		p.deliveries++
		if c.settings.role == RoleRouteContainer {
			t.brokersIn++
		}
	}
}

// countToSelf counts a delivery of an address that the router itself has taken.
func (c *Endpoint) countToSelf(a *address) {
	c.counted.past.toSelf++
	c.share(a).toSelf++
}

// countDropped counts a delivery that its sender has settled and no consumer will have. It is counted once for each
// consumer that it was meant for.
func (c *Endpoint) countDropped(d *delivery) {
	d.dropped = true
	if d.link != nil {
		c.countFor(d.link, d.address, linkStats{dropped: 1})
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
		a = a.fallbackFor // which it was sent to
	}
	c.countEnd(d.link, a, !d.wanted, k, c.clock.at-d.at)
}

// countWritten counts an outgoing delivery whose last frame was written, or was settled before that.
func (c *Endpoint) countWritten(b *branch) {
	l := b.link
	l.stats.deliveries++
	if a := b.address(); l.address == nil && a != nil {
		c.share(a).part(l).deliveries++
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
func (c *Endpoint) countEnd(l *link, a *address, settled bool, k wire.StateKind, age time.Duration) {
	if l.dead.Load() {
		var s linkStats
		s.end(settled, k, age)
		c.countFor(l, a, s)
		return
	}
	l.stats.end(settled, k, age)
	if settled && k != wire.StateReleased || k == wire.StateAccepted || k == wire.StateRejected {
		l.watch.rate.add(c.clock.at)
	}
	if l.address == nil && a != nil {
		if p := c.share(a).part(l); p != nil {
			p.end(settled, k, age)
		}
	}
}

// clock notes the time at the beginning of a batch.
func (c *Endpoint) beginTurn(now time.Time) { c.clock.now, c.clock.at = now, now.Sub(c.plane.began)+1 }
