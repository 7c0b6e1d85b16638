package forwarding

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/route"
)

// This file lets messages wait while the mesh converges. An unsettled message for one consumer may find none, though
// there was one a moment ago, or there is one behind a way that is being replaced. Instead of being released, it waits
// up to the router's hold time.

// mayHold reports whether a delivery for which there may be a consumer soon waits.
func (c *Endpoint) mayHold(d *Delivery) bool {
	return c.letsWait(d) && d.Link != nil && c.Engine != nil && !d.Link.Dead.Load()
}

// letsWait reports whether deliveries wait here at all, and one has not waited as long as it may.
func (c *Endpoint) letsWait(d *Delivery) bool {
	return c.Plane.Hold > 0 && !c.Plane.Parting.Load() && !c.Near.Gone.Load() && !d.Settled && !c.hasWaited(d)
}

// mayAwait reports whether a delivery from another router waits for its address to become known here. The table has no
// entry for the key that was looked up last. The other router knows of consumers, so that the news are on their way, if
// the address is one that routers tell each other.
func (c *Endpoint) mayAwait(d *Delivery) bool {
	if len(c.Choice.key) == 0 || addressing.Class(c.Choice.key[0]) != addressing.ClassMobile {
		return false
	}
	return c.letsWait(d) && d.Transit && !d.Link.Dead.Load()
}

// hasWaited reports whether a delivery has waited as long as it may.
func (c *Endpoint) hasWaited(d *Delivery) bool { return d.Until != 0 && c.Clock.At >= d.Until }

// goBefore lets those go first that wait for the same address as a delivery, or its fallback, if its routes have
// changed since they were tried. Otherwise they cannot go as things are, for whatever reason, and hold nobody back who
// can. It reports whether there were any: the envelope is theirs then.
func (c *Endpoint) goBefore(d *Delivery) bool {
	if len(c.Waits.Lists) == 0 || d.Settled || c.Near.Gone.Load() {
		return false
	}
	before := false
	if w := c.Waits.Lists[nil]; w != nil && w.added != c.Plane.Table.Added.Load() { // it may be their address, too
		c.Retry(nil, false)
		before = true
	}
	a := d.address.Main()
	if w := c.Waits.Lists[a]; w != nil && w.Tried != c.Plane.TriedBy(a) {
		c.Retry(a, false)
		before = true
	}
	return before
}

// waitList holds the deliveries of one connection that wait for one address or its fallback, in the order in which they
// came.
type waitList struct {
	First, last *Delivery
	known       bool   // the control loop knows of it
	Tried       tried  // that by which the first one could not go
	added       uint64 // the same of Table.Added, for those whose address is not known
}

// tried is what a delivery was tried by: the routes of its address and of its fallback, and how often next hops had
// changed.
type tried struct {
	own, fallback *route.Routes
	hops          uint64
}

// TriedBy returns what a delivery for an address is tried by now. It is taken before the choice: what changes during it
// counts as a change.
func (p *Plane) TriedBy(a *route.Address) tried {
	t := tried{own: a.Routes.Load(), hops: p.Holders.hops.Load()}
	if a.Fallback != nil {
		t.fallback = a.Fallback.Routes.Load()
	}
	return t
}

// wait lets a delivery wait for a consumer of its address, nil for one that is not known.
func (c *Endpoint) wait(d *Delivery) {
	if d.Until == 0 {
		d.Until = c.Clock.At + c.Plane.Hold
		if d.expires != 0 && d.expires < d.Until {
			d.Until = d.expires
		}
		c.count(d.Link, books.Stats{Held: 1})
	}
	d.Content.Share(1, ContentHigh)
	a := d.address.Main()
	w := c.Waits.Lists[a]
	if w == nil {
		w = &waitList{}
		if c.Waits.Lists == nil {
			c.Waits.Lists = make(map[*route.Address]*waitList)
		}
		c.Waits.Lists[a] = w
	}
	if w.First == nil {
		w.Tried, w.added = c.Choice.tried, c.Choice.added
	}
	d.Stage, d.waitsFor = StageWaiting, a
	d.before, d.After = w.last, nil
	if w.last == nil {
		w.First = d
	} else {
		w.last.After = d
	}
	w.last = d
	c.Waits.Count++
	c.Alert(d.Until)
	if !w.known {
		w.known = true
		c.Plane.Holders.add(a, c)
		// Routes may have changed before the control loop knew that somebody waits for them.
		c.Wakes.Post(c, Note{Kind: noteRetry, address: a})
	}
}

// Unwait takes a delivery out of those that wait.
func (c *Endpoint) Unwait(d *Delivery) {
	if d.Stage != StageWaiting {
		return
	}
	w := c.Waits.Lists[d.waitsFor]
	if d.before == nil {
		w.First = d.After
	} else {
		d.before.After = d.After
	}
	if d.After == nil {
		w.last = d.before
	} else {
		d.After.before = d.before
	}
	if w.First == nil {
		c.dropWaits(d.waitsFor)
	}
	d.Stage, d.waitsFor, d.before, d.After = StageRouted, nil, nil, nil
	c.Waits.Count--
}

// dropWaits takes an empty list away.
func (c *Endpoint) dropWaits(a *route.Address) {
	delete(c.Waits.Lists, a)
	c.Plane.Holders.remove(a, c) // also when a wake is on its way
}

// Retry tries to forward the deliveries that wait for an address, in the order in which they came. consumed says that
// the control loop has forgotten that this endpoint waits for it. Otherwise those that wait on are not announced once
// more, or they would be tried once more, and so on.
func (c *Endpoint) Retry(a *route.Address, consumed bool) {
	w := c.Waits.Lists[a]
	if w == nil {
		return
	}
	if consumed {
		w.known = false
	}
	first := w.First
	for d := first; d != nil; d = d.After {
		d.Stage, d.waitsFor = StageRouted, nil
		c.Waits.Count--
	}
	w.First, w.last = nil, nil
	for d := first; d != nil; {
		next := d.After
		d.before, d.After = nil, nil
		c.reforward(d)
		d = next
	}
	if w.First == nil && c.Waits.Lists[a] == w {
		c.dropWaits(a)
	}
}

// alarmStep is how far apart the times are at which waiting and queued messages expire.
const alarmStep = 50 * time.Millisecond

// Alert has Expire called at a time of the endpoint's clock, or up to alarmStep later.
func (c *Endpoint) Alert(at time.Duration) {
	at = max(at, c.Clock.At).Truncate(alarmStep) + alarmStep
	if c.Clock.Alarm == 0 || at < c.Clock.Alarm {
		c.Clock.Alarm = at
	}
}

// Expire ends what has waited too long: deliveries without a consumer, and queued ones whose ttl is over.
func (c *Endpoint) Expire() {
	c.Clock.Alarm = 0
	c.retryStale()
	var due []*Delivery
	for _, w := range c.Waits.Lists {
		for d := w.First; d != nil; d = d.After {
			if c.Clock.At < d.Until {
				c.Alert(d.Until)
				continue
			}
			if len(due) == turnUnits { // the others in the next turn
				c.Alert(c.Clock.At)
				break
			}
			due = append(due, d)
		}
	}
	for _, d := range due {
		if d.Stage != StageWaiting { // it went with one before it
			continue
		}
		c.Unwait(d)
		if d.isExpired(c.Clock.At) {
			c.expired(d)
			continue
		}
		c.reforward(d) // the last time: it does not wait again
	}
	for _, l := range c.Links {
		if l != nil && l.expiring {
			c.expireQueued(l)
		}
		if l != nil && l.Rest != 0 {
			c.rested(l)
		}
	}
}

// retryStale tries what waits for addresses whose routes have changed, so that none of it goes before another one. The
// mutex is held.
func (c *Endpoint) retryStale() {
	var stale []*route.Address
	for a, w := range c.Waits.Lists {
		if a == nil && w.added != c.Plane.Table.Added.Load() || a != nil && w.Tried != c.Plane.TriedBy(a) {
			stale = append(stale, a)
		}
	}
	for _, a := range stale {
		c.Retry(a, false)
	}
}

// isExpired reports whether the ttl of a delivery is over.
func (d *Delivery) isExpired(at time.Duration) bool { return d.expires != 0 && at >= d.expires }

// expireQueued gives back the branches of an outgoing link's queue whose ttl is over, as far as the budget allows.
func (c *Endpoint) expireQueued(l *Link) {
	l.expiring = false
	for b := l.Head; b != nil; {
		next := b.Next
		switch {
		case b.State != branchQueued || b.Delivery.expires == 0:
		case b.Delivery.isExpired(c.Clock.At) && c.isSpent(): // the next alarm goes on
			l.expiring = true
			c.Alert(c.Clock.At)
			return
		case b.Delivery.isExpired(c.Clock.At):
			c.work.units++
			c.takeOut(b)
			c.giveBackExpired(b)
		default:
			l.expiring = true
			c.Alert(b.Delivery.expires)
		}
		b = next
	}
}

// giveBackExpired returns a branch whose ttl was over before anything of it was offered.
func (c *Endpoint) giveBackExpired(b *Branch) {
	b.expired = true
	c.GiveBack(b)
}

// expired ends a delivery whose ttl is over and that nobody was offered.
func (c *Endpoint) expired(d *Delivery) {
	if d.Link != nil {
		c.count(d.Link, books.Stats{Expired: 1})
	}
	c.Undeliverable(d)
}

// holders are the endpoints where deliveries wait for a consumer, by address. The methods may be called concurrently.
type holders struct {
	hops  atomic.Uint64 // how often next hops have changed
	Count atomic.Int32  // of addresses
	mu    sync.Mutex    // a leaf
	Conns map[*route.Address]map[*Endpoint]struct{}
}

// add remembers that deliveries for an address wait at an endpoint.
func (h *holders) add(a *route.Address, c *Endpoint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.Conns == nil {
		h.Conns = make(map[*route.Address]map[*Endpoint]struct{})
	}
	if h.Conns[a] == nil {
		h.Conns[a] = make(map[*Endpoint]struct{})
	}
	h.Conns[a][c] = struct{}{}
	h.Count.Store(int32(len(h.Conns)))
}

// remove forgets that.
func (h *holders) remove(a *route.Address, c *Endpoint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if delete(h.Conns[a], c); len(h.Conns[a]) == 0 {
		delete(h.Conns, a)
	}
	h.Count.Store(int32(len(h.Conns)))
}

// Wake tells the endpoints where deliveries wait for an address that its routes have changed. So it does where
// deliveries wait for addresses that are not known: this may be one of them.
func (h *holders) Wake(a *route.Address, w *Wakes) {
	if h.Count.Load() > 0 {
		h.post(a.Main(), w)
		h.post(nil, w)
	}
}

// WakeAll tells all of them that a next hop has changed.
func (h *holders) WakeAll(w *Wakes) {
	h.hops.Add(1)
	if h.Count.Load() == 0 {
		return
	}
	h.mu.Lock()
	waited := make([]*route.Address, 0, len(h.Conns))
	for a := range h.Conns {
		waited = append(waited, a)
	}
	h.mu.Unlock()
	for _, a := range waited {
		h.post(a, w)
	}
}

// post tells those that wait for an address, and forgets that they wait.
func (h *holders) post(a *route.Address, w *Wakes) {
	h.mu.Lock()
	conns := h.Conns[a]
	delete(h.Conns, a)
	h.Count.Store(int32(len(h.Conns)))
	h.mu.Unlock()
	for c := range conns {
		w.Post(c, Note{Kind: noteRetry, address: a, On: true})
	}
}

// reforward forwards a delivery once more, from its beginning. Of what was sent before, nothing was offered to anybody.
func (c *Endpoint) reforward(d *Delivery) {
	c.Choice.added = c.Plane.Table.Added.Load()
	e := &c.Choice.envelope
	head, state := c.scan(d, d.hasArrived())
	if state.Kind != wire.StateNone { // it was scanned before: cannot be
		c.Undeliverable(d)
		return
	}
	c.trust(d.Link, e)
	d.restore()
	a := d.address
	if d.Link.Address == nil && (a == nil || a.Gone.Load()) { // it may be in the table now, or again
		if found, _ := c.addressOf(d, e, head, d.hasArrived()); found != nil {
			a = found
		}
	}
	c.forwardTo(d, a, e)
}
