package router

import (
	"fmt"
	"time"

	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/router/books"
)

// observed is what is observed of a link over time, guarded by its connection's mutex.
type observed struct {
	dry       time.Duration // when its last credit was used, by the connection's clock; it counts while there is none
	stuck     int           // deliveries that were stuck at the last scan
	wasStuck  bool          // there were some at the one before
	coming    int           // outgoing: deliveries that the connection had not taken into the queue at the last scan
	blocked   bool          // it was blocked at the last scan, and that was logged
	rate      books.Rate
	histogram []uint64 // outgoing, to a client: deliveries that are over, by the number of their ingress router
}

// came counts a delivery of an ingress router.
func (w *observed) came(router int) {
	if router < 0 {
		return
	}
	for router >= len(w.histogram) {
		w.histogram = append(w.histogram, 0)
	}
	w.histogram[router]++
}

// credited takes note of a new credit of an outgoing link, or of the lack of it.
func (l *link) credited(credit uint32) {
	switch {
	case credit > 0:
		l.watch.dry = 0
	case l.watch.dry == 0:
		l.watch.dry = l.conn.clock.at
	}
}

// giveCreditBack answers the drain of an outgoing link.
func (c *Endpoint) giveCreditBack(l *link) {
	c.eng.Drained(l.id)
	l.credited(c.eng.Credit(l.id))
}

// dryFor is for how long a link has had no credit.
func (c *Endpoint) dryFor(l *link, at time.Duration) time.Duration {
	if c.eng.Credit(l.id) > 0 {
		return 0
	}
	if l.watch.dry == 0 { // it gave its credit back
		l.watch.dry = at
	}
	return max(at-l.watch.dry, 0)
}

const (
	// scanInterval is the time between two scans for stuck deliveries and blocked links.
	scanInterval = 5 * time.Second
	// scanAge is how old a scan may be whose results are shown.
	scanAge = time.Second
)

// scan counts the stuck deliveries of each link and notes the links that are blocked. What begins is logged once.
// The mutex is held.
func (c *Endpoint) scan(now time.Time) {
	if c.eng == nil || c.near.Gone.Load() {
		return
	}
	at := now.Sub(c.plane.began) + 1
	busy := false
	for _, l := range c.links {
		if l != nil && l.attached {
			l.watch.wasStuck, l.watch.stuck, l.watch.coming = l.watch.stuck > 0, 0, 0
			busy = busy || l.Outstanding.Load() > 0 || l.head != nil || l.unsettled > 0 || l.inHand > 0
			c.scanCredit(l, at)
		}
	}
	if !busy {
		return
	}
	c.scanDeliveries(at - books.DelayLong)
	for _, l := range c.links {
		if l != nil && l.watch.stuck > 0 && !l.watch.wasStuck {
			c.plane.journal.observe(fmt.Sprintf("[C%d][L%d] Stuck delivery: At least one delivery on this link has "+
				"been undelivered/unsettled for more than %d seconds", c.number, l.number, books.DelayLong/time.Second))
		}
	}
}

// scanCredit notes whether a link is blocked: it has had no credit for long, and a delivery has waited for it for long.
// What waits on the peer's side of an incoming link is not known: there it is the credit alone that counts.
func (c *Endpoint) scanCredit(l *link, at time.Duration) {
	dry := c.dryFor(l, at)
	if dry <= books.DelayLong || l.outgoing && (l.head == nil || at-l.head.d.at <= books.DelayLong) {
		l.watch.blocked = false
		return
	}
	if !l.watch.blocked {
		l.watch.blocked = true
		c.plane.journal.observe(fmt.Sprintf("[C%d][L%d] Link blocked with zero credit for %d seconds",
			c.number, l.number, dry/time.Second))
	}
}

// scanDeliveries counts the deliveries of each link that have been here since before a time and are not over: those
// that wait to be sent, and those that wait for their outcome. One that is still arriving is not stuck: it may be a
// stream without an end.
func (c *Endpoint) scanDeliveries(since time.Duration) {
	for _, l := range c.links {
		if l == nil {
			continue
		}
		for b := l.head; b != nil; b = b.next {
			if b.d.at < since && b.d.content.IsComplete() {
				l.watch.stuck++
			}
		}
	}
	c.inbox.mu.Lock() // what its peer does not make room for stays there
	for i := range c.inbox.notes {
		n := &c.inbox.notes[i]
		if n.kind == noteDeliver && !n.branch.link.Dead.Load() {
			n.branch.link.watch.coming++
			if n.branch.d.at < since {
				n.branch.link.watch.stuck++
			}
		}
	}
	c.inbox.mu.Unlock()
	for _, b := range c.deliveries.out {
		if b != nil && b.state == branchWritten && b.d.at < since {
			b.link.watch.stuck++
		}
	}
	for _, d := range c.deliveries.in {
		if d != nil && d.link != nil && d.arrived && d.at < since {
			d.link.watch.stuck++
		}
	}
}

// ingresses remembers the numbers of ingress routers, for a second: they may change.
type ingresses struct {
	numbers map[string]int
	until   time.Duration
}

// ingressOf is the number of the router where a message came into the mesh, -1 when that is not known.
func (c *Endpoint) ingressOf(d *delivery, e *message.Envelope) int {
	if !d.transit {
		return 0
	}
	if !e.HasRouter || e.Ingress == nil {
		return -1
	}
	g := &c.choice.ingresses
	if c.clock.at >= g.until || len(g.numbers) > maxIngresses {
		clear(g.numbers)
		g.until = c.clock.at + time.Second
	}
	n, known := g.numbers[string(e.Ingress)]
	if !known {
		if g.numbers == nil {
			g.numbers = make(map[string]int)
		}
		var ok bool
		if n, ok = c.plane.table.Number(e.Ingress); !ok && string(e.Ingress) != c.plane.nodeName {
			n = -1
		}
		g.numbers[string(e.Ingress)] = n
	}
	return n
}

// maxIngresses bounds what a neighbor can make a connection remember.
const maxIngresses = 1024
