package router

import (
	"errors"
	"fmt"
	"time"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/books"
)

// rejected makes a rejection of a decoder's error.
func rejected(err error) wire.State {
	var d *wire.DecodeError
	if errors.As(err, &d) {
		return wire.RejectedState(&wire.Error{Condition: d.Condition, Description: d.Error()})
	}
	return wire.RejectedState(&wire.Error{Condition: wire.ErrDecode, Description: err.Error()})
}

func rejectedWith(condition wire.Symbol, format string, args ...any) wire.State {
	return wire.RejectedState(&wire.Error{Condition: condition, Description: fmt.Sprintf(format, args...)})
}

// refuse gives a delivery an outcome of this router's own: it goes nowhere. Frames that still come are thrown away.
func (c *Endpoint) refuse(d *delivery, state wire.State) {
	d.content.Share(0, 1)
	d.content.Leave(&buf.Cursor{}) // nobody will read: what is held is released
	d.outcome = state
	if d.settled && d.link != nil && state.Kind != wire.StateAccepted {
		c.countDropped(d)
	}
	c.finished(d)
}

// undeliverable releases a delivery that no consumer can take now.
func (c *Endpoint) undeliverable(d *delivery) { c.refuse(d, released) }

// outcome takes the outcome of a branch from the connection it went to. The origin's mutex is held.
func (c *Endpoint) branchOutcome(b *branch, state wire.State) {
	d := b.d
	if !b.over {
		b.over = true
		d.pending--
		d.outcome = combine(d.outcome, state)
		if d.doubled && decides(state) {
			c.recall(d)
		}
		if b.dropped && d.link != nil && d.link.kind == linkEndpoint && !d.link.node {
			c.rest(d.link)
		}
		if d.pending == 0 {
			c.finished(d)
		}
	}
	d.drop(true)
}

// dropPause is how long a client's link gets no credit after messages of it were dropped: reading what is thrown away
// would take the time of those whose messages arrive.
const dropPause = 100 * time.Millisecond

// rest withholds the credit of a link whose messages are dropped.
func (c *Endpoint) rest(l *link) {
	if l.rest == 0 {
		l.rest = c.clock.at + dropPause
		c.alert(l.rest)
	}
}

// rested gives the credit back that was withheld.
func (c *Endpoint) rested(l *link) {
	if c.clock.at < l.rest {
		c.alert(l.rest)
		return
	}
	l.rest = 0
	c.replenish(l)
}

// returned takes back a branch of which its consumer was offered nothing, and whose part of the content was not left:
// another consumer may have it.
func (c *Endpoint) returned(b *branch) {
	d := b.d
	switch {
	case b.over: // recalled
		if d.content.Leave(&buf.Cursor{}) {
			c.unhold(d)
		}
	case b.expired:
		b.over = true
		d.pending--
		c.lapse(d)
	case b.via != nil && c.handOn(b):
		b.over = true
		d.pending--
	case d.link != nil && d.attempts < maxAttempts && (d.anycast || d.doubled && d.pending == 1 && neverOffered(d.outcome)):
		b.over = true
		d.pending--
		d.outcome = wire.State{}
		c.again(d)
	default:
		b.over = true
		d.pending--
		if d.content.Leave(&buf.Cursor{}) {
			c.unhold(d)
		}
		d.outcome = combine(d.outcome, released)
		if d.pending == 0 {
			c.orphanReturned(d)
			c.finished(d)
		}
	}
	d.drop(true)
}

// lapse goes on with a delivery of which a branch came back because its ttl was over.
func (c *Endpoint) lapse(d *delivery) {
	if d.content.Leave(&buf.Cursor{}) {
		c.unhold(d)
	}
	if d.link != nil {
		c.count(d.link, books.Stats{Expired: 1})
	}
	d.outcome = combine(d.outcome, released)
	if d.pending == 0 {
		c.finished(d)
	}
}

// neverOffered tells whether no copy of a message was offered to anybody, as far as is known.
func neverOffered(outcome wire.State) bool {
	return outcome.Kind == wire.StateNone || outcome.Kind == wire.StateReleased
}

// maxAttempts is how often a message is handed to another consumer before it is released.
const maxAttempts = 8

// again hands a message to another consumer.
func (c *Endpoint) again(d *delivery) {
	d.attempts++
	c.reforward(d)
}

// finished settles a delivery for which every branch has an outcome, and gives its credit back. While frames are still
// coming, it stays until the last one; a client is not told before it: clients exist (go-amqp) that remember a delivery
// only when they have sent it whole, and would wait for ever for an outcome that came earlier.
func (c *Endpoint) finished(d *delivery) {
	c.unwait(d)
	l := d.link
	if !d.arrived && l != nil && l.kind == linkEndpoint {
		return
	}
	if d.copy != nil {
		c.copyEnded(d, d.outcome, false)
	}
	c.unhold(d) // nobody reads any more: the rest has to come, to be thrown away
	if d.id != engine.None {
		if !d.settled {
			c.eng.Settle(d.id, d.outcome)
		}
		if d.arrived {
			c.clearIn(d)
		}
	}
	if l != nil && !d.counted {
		d.counted = true
		c.countFinished(d)
		l.inHand--
		if l.kind == linkEndpoint {
			l.back++
			c.replenish(l)
		}
	}
	if d.arrived {
		d.drop(true)
	}
}

// received counts a delivery that has begun on an incoming link.
func (l *link) received(d *delivery) {
	l.inHand++
	l.stats.Deliveries++
	if l.conn.eng.Credit(l.id) == 0 {
		l.watch.dry = l.conn.clock.at
	}
	if l.kind != linkEndpoint { // between routers, credit comes back at once: what limits is the ingress router
		l.back++
		l.conn.replenish(l)
	}
}

const (
	// linkBudget is what the messages of one client's link that are not over may take, in octets; those of all links
	// that send to one address share addressBudget. It limits the credit, by the usual size of the link's messages.
	linkBudget    = 1 << 20
	addressBudget = 4 << 20
	// leastWindow is the credit that a link has in any case, so that a message can arrive while another one is on its
	// way.
	leastWindow = 2
)

// window is how many deliveries may be under way on a client's incoming link, those it has credit for included.
func (l *link) window() int {
	if l.kind != linkEndpoint {
		return l.Capacity
	}
	if l.conn.plane.overload.at(overloadCredit) {
		return 1
	}
	most := min(l.Capacity, l.conn.plane.overload.window())
	if l.size == 0 {
		return most
	}
	budget := linkBudget
	if l.address != nil {
		budget = min(budget, addressBudget/max(int(l.address.Crowd.Load()), 1))
	}
	return min(max(budget/l.size, leastWindow), most)
}

// measure notes the size of a message that has arrived on a client's link.
func (l *link) measure(size int) {
	if l.size == 0 {
		l.size = max(size, 1)
		return
	}
	l.size = max(l.size+(size-l.size)/8, 1)
}

// replenish gives credit back in portions: a quarter of what may be under way at a time, or when the sender has none
// left.
func (c *Endpoint) replenish(l *link) {
	if !l.reachable || !l.attached || l.Dead.Load() { // the number of a dead link is somebody else's
		return
	}
	if l.rest != 0 {
		return // expire gives it
	}
	credit, window := int(c.eng.Credit(l.id)), l.window()
	n := l.back
	if l.kind == linkEndpoint {
		n = min(n, window-l.inHand-credit)
	}
	if n > 0 && (4*n >= window || credit == 0) {
		c.eng.Grant(l.id, uint32(n))
		l.back -= n
	}
}

// unhold lets a session's window be restored again.
func (c *Endpoint) unhold(d *delivery) {
	if d.held {
		d.held = false
		if d.link != nil {
			c.eng.Hold(d.link.session, false)
		}
	}
}
