package router

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/route"
)

// This file holds messages while the mesh converges: an unsettled message for one consumer that finds none, though
// there was one a moment ago or one behind a way that is being replaced, waits up to the router's hold time for the next
// instead of being released.

// mayHold reports whether a delivery for which there may be a consumer soon waits.
func (c *Endpoint) mayHold(d *delivery) bool {
	return c.plane.hold > 0 && !c.plane.parting.Load() && !d.settled && d.link != nil && c.eng != nil && !d.link.Dead.Load() &&
		!c.near.Gone.Load() && !c.hasWaited(d)
}

// mayAwait tells whether a delivery from another router, for whose address there is no entry with the key looked up
// last, waits for that to become known here: the other router knows of consumers, so that the news are on their way.
// That holds for addresses that routers tell each other.
func (c *Endpoint) mayAwait(d *delivery) bool {
	if len(c.choice.key) == 0 || addressing.Class(c.choice.key[0]) != addressing.ClassMobile {
		return false
	}
	return c.plane.hold > 0 && !c.plane.parting.Load() && d.transit && !d.settled && !c.hasWaited(d) && !d.link.Dead.Load() && !c.near.Gone.Load()
}

// hasWaited tells whether a delivery has waited as long as it may.
func (c *Endpoint) hasWaited(d *delivery) bool { return d.until != 0 && c.clock.at >= d.until }

// goBefore lets those go first that wait for the same address as a delivery, or its fallback, if its routes have changed
// since they were tried. Otherwise they cannot go as things are, for whatever reason, and hold nobody back who can.
// It tells whether there were any: the envelope is theirs then.
func (c *Endpoint) goBefore(d *delivery) bool {
	if len(c.waits.lists) == 0 || d.settled || c.near.Gone.Load() {
		return false
	}
	before := false
	if w := c.waits.lists[nil]; w != nil && w.added != c.plane.table.Added.Load() { // it may be their address, too
		c.retry(nil, false)
		before = true
	}
	a := d.address.Main()
	if w := c.waits.lists[a]; w != nil && w.tried != c.plane.triedBy(a) {
		c.retry(a, false)
		before = true
	}
	return before
}

// waitList holds the deliveries of one connection that wait for one address or its fallback, in the order in which they
// came.
type waitList struct {
	first, last *delivery
	known       bool   // the control loop knows of it
	tried       tried  // that by which the first one could not go
	added       uint64 // the same of table.added, for those whose address is not known
}

// tried is what a delivery was tried by: the routes of its address and of its fallback, and how often next hops had
// changed.
type tried struct {
	own, fallback *route.Routes
	hops          uint64
}

// triedBy returns what a delivery for an address is tried by now. It is taken before the choice: what changes during it
// counts as a change.
func (p *Plane) triedBy(a *route.Address) tried {
	t := tried{own: a.Routes.Load(), hops: p.holders.hops.Load()}
	if a.Fallback != nil {
		t.fallback = a.Fallback.Routes.Load()
	}
	return t
}

// wait lets a delivery wait for a consumer of its address, nil for one that is not known.
func (c *Endpoint) wait(d *delivery) {
	if d.until == 0 {
		d.until = c.clock.at + c.plane.hold
		if d.expires != 0 && d.expires < d.until {
			d.until = d.expires
		}
		c.count(d.link, books.Stats{Held: 1})
	}
	d.content.Share(1, contentHigh)
	a := d.address.Main()
	w := c.waits.lists[a]
	if w == nil {
		w = &waitList{}
		if c.waits.lists == nil {
			c.waits.lists = make(map[*route.Address]*waitList)
		}
		c.waits.lists[a] = w
	}
	if w.first == nil {
		w.tried, w.added = c.choice.tried, c.choice.added
	}
	d.waiting, d.waitsFor = true, a
	d.before, d.after = w.last, nil
	if w.last == nil {
		w.first = d
	} else {
		w.last.after = d
	}
	w.last = d
	c.waits.count++
	c.alert(d.until)
	if !w.known {
		w.known = true
		c.plane.holders.add(a, c)
		// Routes may have changed before the control loop knew that somebody waits for them.
		c.wakes.post(c, note{kind: noteRetry, address: a})
	}
}

// unwait takes a delivery out of those that wait.
func (c *Endpoint) unwait(d *delivery) {
	if !d.waiting {
		return
	}
	w := c.waits.lists[d.waitsFor]
	if d.before == nil {
		w.first = d.after
	} else {
		d.before.after = d.after
	}
	if d.after == nil {
		w.last = d.before
	} else {
		d.after.before = d.before
	}
	if w.first == nil {
		c.dropWaits(d.waitsFor)
	}
	d.waiting, d.waitsFor, d.before, d.after = false, nil, nil, nil
	c.waits.count--
}

// dropWaits takes an empty list away.
func (c *Endpoint) dropWaits(a *route.Address) {
	delete(c.waits.lists, a)
	c.plane.holders.remove(a, c) // also when a wake is on its way
}

// retry tries to forward the deliveries that wait for an address, in the order in which they came. consumed says that
// the control loop has forgotten that this connection waits for it. Otherwise those that wait on do so without being
// announced once more: that would have them tried once more, and so on.
func (c *Endpoint) retry(a *route.Address, consumed bool) {
	w := c.waits.lists[a]
	if w == nil {
		return
	}
	if consumed {
		w.known = false
	}
	first := w.first
	for d := first; d != nil; d = d.after {
		d.waiting, d.waitsFor = false, nil
		c.waits.count--
	}
	w.first, w.last = nil, nil
	for d := first; d != nil; {
		next := d.after
		d.before, d.after = nil, nil
		c.reforward(d)
		d = next
	}
	if w.first == nil && c.waits.lists[a] == w {
		c.dropWaits(a)
	}
}

// alarmStep is how far apart the times are at which waiting and queued messages expire.
const alarmStep = 50 * time.Millisecond

// alert has expire called at a time of the connection's clock, or up to alarmStep later.
func (c *Endpoint) alert(at time.Duration) {
	at = max(at, c.clock.at).Truncate(alarmStep) + alarmStep
	if c.clock.alarm == 0 || at < c.clock.alarm {
		c.clock.alarm = at
	}
}

// expire ends what has waited too long: deliveries without a consumer, and queued ones whose ttl is over.
func (c *Endpoint) expire() {
	c.clock.alarm = 0
	var due []*delivery
	for _, w := range c.waits.lists {
		for d := w.first; d != nil; d = d.after {
			if c.clock.at < d.until {
				c.alert(d.until)
				continue
			}
			due = append(due, d)
		}
	}
	for _, d := range due {
		c.unwait(d)
		if d.isExpired(c.clock.at) {
			c.expired(d)
			continue
		}
		c.reforward(d) // the last time: it does not wait again
	}
	for _, l := range c.links {
		if l != nil && l.expiring {
			c.expireQueued(l)
		}
		if l != nil && l.rest != 0 {
			c.rested(l)
		}
	}
}

// isExpired tells whether the ttl of a delivery is over.
func (d *delivery) isExpired(at time.Duration) bool { return d.expires != 0 && at >= d.expires }

// expireQueued gives back the branches of an outgoing link's queue whose ttl is over.
func (c *Endpoint) expireQueued(l *link) {
	l.expiring = false
	for b := l.head; b != nil; {
		next := b.next
		switch {
		case b.state != branchQueued || b.d.expires == 0:
		case b.d.isExpired(c.clock.at):
			c.takeOut(b)
			c.giveBackExpired(b)
		default:
			l.expiring = true
			c.alert(b.d.expires)
		}
		b = next
	}
}

// giveBackExpired returns a branch whose ttl was over before anything of it was offered.
func (c *Endpoint) giveBackExpired(b *branch) {
	b.expired = true
	c.giveBack(b)
}

// expired ends a delivery whose ttl is over and that nobody was offered.
func (c *Endpoint) expired(d *delivery) {
	if d.link != nil {
		c.count(d.link, books.Stats{Expired: 1})
	}
	c.undeliverable(d)
}

// holders are the connections that hold deliveries for which there was no consumer, by address.
type holders struct {
	hops  atomic.Uint64 // how often next hops have changed
	count atomic.Int32  // of addresses
	mu    sync.Mutex    // a leaf
	conns map[*route.Address]map[*Endpoint]struct{}
}

func (h *holders) add(a *route.Address, c *Endpoint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conns == nil {
		h.conns = make(map[*route.Address]map[*Endpoint]struct{})
	}
	if h.conns[a] == nil {
		h.conns[a] = make(map[*Endpoint]struct{})
	}
	h.conns[a][c] = struct{}{}
	h.count.Store(int32(len(h.conns)))
}

func (h *holders) remove(a *route.Address, c *Endpoint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if delete(h.conns[a], c); len(h.conns[a]) == 0 {
		delete(h.conns, a)
	}
	h.count.Store(int32(len(h.conns)))
}

// wake tells the connections that hold deliveries for an address that its routes have changed, and those that hold some
// for addresses that are not known: it may be one of them.
func (h *holders) wake(a *route.Address, w *wakes) {
	if h.count.Load() > 0 {
		h.post(a.Main(), w)
		h.post(nil, w)
	}
}

// wakeAll tells all of them that a next hop has changed.
func (h *holders) wakeAll(w *wakes) {
	h.hops.Add(1)
	if h.count.Load() == 0 {
		return
	}
	h.mu.Lock()
	waited := make([]*route.Address, 0, len(h.conns))
	for a := range h.conns {
		waited = append(waited, a)
	}
	h.mu.Unlock()
	for _, a := range waited {
		h.post(a, w)
	}
}

func (h *holders) post(a *route.Address, w *wakes) {
	h.mu.Lock()
	conns := h.conns[a]
	delete(h.conns, a)
	h.count.Store(int32(len(h.conns)))
	h.mu.Unlock()
	for c := range conns {
		w.post(c, note{kind: noteRetry, address: a, on: true})
	}
}

// reforward forwards a delivery once more, from its beginning. Of what it was sent before, nothing was offered to
// anybody.
func (c *Endpoint) reforward(d *delivery) {
	c.choice.added = c.plane.table.Added.Load()
	e := &c.choice.envelope
	head := d.content.Head()
	ok, err := false, error(nil)
	if len(head) >= d.bare {
		ok, err = e.Scan(head, d.arrived && len(head) == d.size)
	}
	if err == nil && !ok {
		c.choice.gathered = d.content.Gather(c.choice.gathered)
		head = c.choice.gathered
		ok, err = e.Scan(head, d.arrived)
	}
	if err != nil || !ok { // it was scanned before: cannot be
		c.undeliverable(d)
		return
	}
	c.trust(d.link, e)
	d.restore()
	a := d.address
	if d.link.address == nil && (a == nil || a.Gone.Load()) { // it may be in the table now, or again
		if found, _ := c.addressOf(d, e, head, d.arrived); found != nil {
			a = found
		}
	}
	c.forwardTo(d, a, e)
}
