package router

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroad/postroad/addressing"
)

// This file holds messages while the mesh converges: an unsettled message for one consumer that finds none, though
// there was one a moment ago or one behind a way that is being replaced, waits up to the router's hold time for the next
// instead of being released.

// mayHold tells whether a delivery that nobody can take now waits.
func (c *conn) mayHold(d *delivery, r *routes) bool {
	hold := c.router.hold
	if hold <= 0 || d.settled || d.link == nil || c.eng == nil || r == nil || d.link.dead.Load() || c.gone.Load() {
		return false
	}
	switch r.distribution {
	case addressing.DistributionBalanced, addressing.DistributionClosest:
	default:
		return false
	}
	if c.hasWaited(d) {
		return false
	}
	return len(r.local)+len(r.remote) > 0 || !r.lost.IsZero() && c.now.Sub(r.lost) < hold
}

// mayAwait tells whether a delivery from another router, for whose address there is no entry with the key looked up
// last, waits for that to become known here: the other router knows it, so that it is on its way. That holds for
// addresses that routers tell each other.
func (c *conn) mayAwait(d *delivery) bool {
	if len(c.key) == 0 || addressing.Class(c.key[0]) != addressing.ClassMobile {
		return false
	}
	return c.router.hold > 0 && d.transit && !d.settled && !c.hasWaited(d) && !d.link.dead.Load() && !c.gone.Load()
}

// hasWaited tells whether a delivery has waited as long as it may.
func (c *conn) hasWaited(d *delivery) bool { return d.until != 0 && c.at >= d.until }

// isBehind tells whether a delivery has to wait because one of its sender for the same address, or its fallback, waits
// already.
func (c *conn) isBehind(d *delivery) bool {
	other := d.address.other()
	for _, h := range c.held {
		if h.link == d.link && h != d && h.address != nil && (h.address == d.address || h.address == other) {
			return true
		}
	}
	return false
}

// wait lets a delivery wait for a consumer.
func (c *conn) wait(d *delivery) {
	if d.until == 0 {
		d.until = c.at + c.router.hold
		if d.expires != 0 && d.expires < d.until {
			d.until = d.expires
		}
		c.count(d.link, linkStats{held: 1})
	}
	d.waiting = true
	d.content.Share(1, contentHigh)
	c.held = append(c.held, d)
	c.alert(d.until)
	if !c.holding {
		c.holding = true
		c.router.holders.add(c)
		c.wakes.post(c, note{kind: noteRetry}) // routes may have changed before the control loop knew of it
	}
}

// retry tries to forward the deliveries that wait, in the order in which they came. consumed says that the control loop
// has forgotten that this connection waits.
func (c *conn) retry(consumed bool) {
	if consumed {
		c.holding = false
	}
	held := c.held
	c.held = nil
	for i, d := range held {
		held[i] = nil
		d.waiting = false
		c.reforward(d)
	}
	if len(c.held) == 0 {
		c.held = held[:0]
		if c.holding {
			c.holding = false
			c.router.holders.remove(c)
		}
	}
}

// unwait takes a delivery out of those that wait.
func (c *conn) unwait(d *delivery) {
	if !d.waiting {
		return
	}
	d.waiting = false
	for i := range c.held {
		if c.held[i] == d {
			copy(c.held[i:], c.held[i+1:])
			c.held[len(c.held)-1] = nil
			c.held = c.held[:len(c.held)-1]
			return
		}
	}
}

// alarmStep is how far apart the times are at which waiting and queued messages expire.
const alarmStep = 50 * time.Millisecond

// alert has expire called at a time of the connection's clock, or up to alarmStep later.
func (c *conn) alert(at time.Duration) {
	at = at.Truncate(alarmStep) + alarmStep
	if c.alarm == 0 || at < c.alarm {
		c.alarm = at
		c.arm(c.now)
	}
}

// expire ends what has waited too long: deliveries without a consumer, and queued ones whose ttl is over.
func (c *conn) expire() {
	c.alarm = 0
	held := c.held
	c.held = nil
	for i, d := range held {
		held[i] = nil
		if c.at < d.until {
			c.held = append(c.held, d)
			c.alert(d.until)
			continue
		}
		d.waiting = false
		if d.isExpired(c.at) {
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
func (c *conn) expireQueued(l *link) {
	l.expiring = false
	for b := l.head; b != nil; {
		next := b.next
		switch {
		case b.state != branchQueued || b.d.expires == 0:
		case b.d.isExpired(c.at):
			l.remove(b)
			c.goOnBehind()
			c.giveBackExpired(b)
		default:
			l.expiring = true
			c.alert(b.d.expires)
		}
		b = next
	}
}

// giveBackExpired returns a branch whose ttl was over before anything of it was offered.
func (c *conn) giveBackExpired(b *branch) {
	b.expired = true
	c.giveBack(b)
}

// expired ends a delivery whose ttl is over and that nobody was offered.
func (c *conn) expired(d *delivery) {
	if d.link != nil {
		c.count(d.link, linkStats{expired: 1})
	}
	c.undeliverable(d)
}

// holders are the connections that hold deliveries for which there was no consumer.
type holders struct {
	count atomic.Int32
	mu    sync.Mutex // a leaf
	conns map[*conn]struct{}
}

func (h *holders) add(c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conns == nil {
		h.conns = make(map[*conn]struct{})
	}
	h.conns[c] = struct{}{}
	h.count.Store(int32(len(h.conns)))
}

func (h *holders) remove(c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, c)
	h.count.Store(int32(len(h.conns)))
}

// wake tells the connections that hold deliveries that routes have changed.
func (h *holders) wake(w *wakes) {
	if h.count.Load() == 0 {
		return
	}
	h.mu.Lock()
	conns := h.conns
	h.conns = nil
	h.count.Store(0)
	h.mu.Unlock()
	for c := range conns {
		w.post(c, note{kind: noteRetry, on: true})
	}
}

// lose begins the hold time of an address whose last consumer has gone: its senders keep their credit until it is over.
func (k *control) lose(a *address) {
	if a.lost.IsZero() {
		k.lost = append(k.lost, a)
	}
	a.lost = time.Now()
}

// forgetLost withdraws the credit of the senders to addresses that had no consumer for the whole hold time. It returns
// how long until the next one, or wait.
func (k *control) forgetLost(now time.Time, wait time.Duration) time.Duration {
	rest := k.lost[:0]
	for _, a := range k.lost {
		if left := a.lost.Add(k.router.hold).Sub(now); left > 0 {
			rest = append(rest, a)
			wait = min(wait, left)
			continue
		}
		a.lost = time.Time{}
		for l := range a.senders {
			if !a.reachableFrom(l) {
				k.wakes.post(l.conn, note{kind: noteReachable, link: l})
			}
		}
		k.dropUnused(a)
	}
	clear(k.lost[len(rest):])
	k.lost = rest
	return wait
}

// reforward forwards a delivery once more, from its beginning. Of what it was sent before, nothing was offered to
// anybody.
func (c *conn) reforward(d *delivery) {
	e := &c.envelope
	head := d.content.Head()
	ok, err := false, error(nil)
	if len(head) >= d.bare {
		ok, err = e.Scan(head, d.arrived && len(head) == d.size)
	}
	if err == nil && !ok {
		c.gathered = d.content.Gather(c.gathered)
		head = c.gathered
		ok, err = e.Scan(head, d.arrived)
	}
	if err != nil || !ok { // it was scanned before: cannot be
		c.undeliverable(d)
		return
	}
	c.trust(d.link, e)
	d.restore()
	a := d.address
	if d.link.address == nil && (a == nil || a.gone.Load()) { // it may be in the table now, or again
		if found, _ := c.addressOf(d, e, head, d.arrived); found != nil {
			a = found
		}
	}
	c.forwardTo(d, a, e)
}
