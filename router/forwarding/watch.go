package forwarding

import (
	"fmt"
	"time"

	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/router/books"
)

// observed is what is observed of a link over time. The endpoint's mutex guards it.
type observed struct {
	dry       time.Duration // when its last credit was used, by the endpoint's clock; it counts while there is none
	Stuck     int           // deliveries that were stuck at the last scan
	wasStuck  bool          // there were some at the one before
	Coming    int           // outgoing: deliveries that the connection had not taken into the queue at the last scan
	Blocked   bool          // it was blocked at the last scan, and that was logged
	Rate      books.Rate
	Histogram []uint64 // outgoing, to a client: deliveries that are over, by the number of their ingress router
}

// came counts a delivery of an ingress router.
func (w *observed) came(router int) {
	if router < 0 {
		return
	}
	for router >= len(w.Histogram) {
		w.Histogram = append(w.Histogram, 0)
	}
	w.Histogram[router]++
}

// credited begins or ends the time without credit of an outgoing link.
func (l *Link) credited(credit uint32) {
	switch {
	case credit > 0:
		l.Watch.dry = 0
	case l.Watch.dry == 0:
		l.Watch.dry = l.End.Clock.At
	}
}

// giveCreditBack answers the drain of an outgoing link.
func (c *Endpoint) giveCreditBack(l *Link) {
	c.Engine.Drained(l.ID)
	l.credited(c.Engine.Credit(l.ID))
}

// DryFor is for how long a link has had no credit.
func (c *Endpoint) DryFor(l *Link, at time.Duration) time.Duration {
	if c.Engine.Credit(l.ID) > 0 {
		return 0
	}
	if l.Watch.dry == 0 { // it gave its credit back
		l.Watch.dry = at
	}
	return max(at-l.Watch.dry, 0)
}

const (
	// ScanInterval is the time between two scans for stuck deliveries and blocked links.
	ScanInterval = 5 * time.Second
	// ScanAge is how old a scan may be whose results are shown.
	ScanAge = time.Second
)

// Scan counts the stuck deliveries of each link, and marks the links that are blocked. What begins is logged once. The
// mutex is held.
func (c *Endpoint) Scan(now time.Time) {
	if c.Engine == nil || c.Near.Gone.Load() {
		return
	}
	at := now.Sub(c.Plane.Began) + 1
	busy := false
	for _, l := range c.Links {
		if l != nil && l.Attached {
			l.Watch.wasStuck, l.Watch.Stuck, l.Watch.Coming = l.Watch.Stuck > 0, 0, 0
			busy = busy || l.Outstanding.Load() > 0 || l.Head != nil || l.Unsettled > 0 || l.InHand > 0
			c.scanCredit(l, at)
		}
	}
	if !busy {
		return
	}
	c.scanDeliveries(at - books.DelayLong)
	for _, l := range c.Links {
		if l != nil && l.Watch.Stuck > 0 && !l.Watch.wasStuck {
			c.Plane.Journal.Observe(fmt.Sprintf("[C%d][L%d] Stuck delivery: At least one delivery on this link has "+
				"been undelivered/unsettled for more than %d seconds", c.Number, l.Number, books.DelayLong/time.Second))
		}
	}
}

// scanCredit marks a link as blocked that has had no credit for long, and that a delivery has waited for as long. What
// waits at the peer of an incoming link is not known: there the credit alone counts.
func (c *Endpoint) scanCredit(l *Link, at time.Duration) {
	dry := c.DryFor(l, at)
	if dry <= books.DelayLong || l.Outgoing && (l.Head == nil || at-l.Head.Delivery.at <= books.DelayLong) {
		l.Watch.Blocked = false
		return
	}
	if !l.Watch.Blocked {
		l.Watch.Blocked = true
		c.Plane.Journal.Observe(fmt.Sprintf("[C%d][L%d] Link blocked with zero credit for %d seconds",
			c.Number, l.Number, dry/time.Second))
	}
}

// scanDeliveries counts the deliveries of each link that have been here since before a time and are not over. They wait
// to be sent, or for their outcome. One that is still arriving is not stuck: it may be a stream without an end.
func (c *Endpoint) scanDeliveries(since time.Duration) {
	for _, l := range c.Links {
		if l == nil {
			continue
		}
		for b := l.Head; b != nil; b = b.Next {
			if b.Delivery.at < since && b.Delivery.Content.IsComplete() {
				l.Watch.Stuck++
			}
		}
	}
	c.Inbox.Mu.Lock() // what its peer does not make room for stays there
	for i := range c.Inbox.Notes {
		n := &c.Inbox.Notes[i]
		if n.Kind == NoteDeliver && !n.Branch.Link.Dead.Load() {
			n.Branch.Link.Watch.Coming++
			if n.Branch.Delivery.at < since {
				n.Branch.Link.Watch.Stuck++
			}
		}
	}
	c.Inbox.Mu.Unlock()
	for _, b := range c.Deliveries.Out {
		if b != nil && b.State == branchWritten && b.Delivery.at < since {
			b.Link.Watch.Stuck++
		}
	}
	for _, d := range c.Deliveries.In {
		if d != nil && d.Link != nil && d.hasArrived() && d.at < since {
			d.Link.Watch.Stuck++
		}
	}
}

// ingresses remembers the numbers of ingress routers, for a second: they may change.
type ingresses struct {
	numbers map[string]int
	until   time.Duration
}

// ingressOf is the number of the router where a message came into the mesh, -1 when that is not known.
func (c *Endpoint) ingressOf(d *Delivery, e *message.Envelope) int {
	if !d.Transit {
		return 0
	}
	if !e.HasRouter || e.Ingress == nil {
		return -1
	}
	g := &c.Choice.ingresses
	if c.Clock.At >= g.until || len(g.numbers) > maxIngresses {
		clear(g.numbers)
		g.until = c.Clock.At + time.Second
	}
	n, known := g.numbers[string(e.Ingress)]
	if !known {
		if g.numbers == nil {
			g.numbers = make(map[string]int)
		}
		var ok bool
		if n, ok = c.Plane.Table.Number(e.Ingress); !ok && string(e.Ingress) != c.Plane.nodeName {
			n = -1
		}
		g.numbers[string(e.Ingress)] = n
	}
	return n
}

// maxIngresses bounds what a neighbor can make a connection remember.
const maxIngresses = 1024
