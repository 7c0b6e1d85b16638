package forwarding

import (
	"errors"
	"fmt"
	"time"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/route"
)

// Rejected makes a rejection of a decoder's error.
func Rejected(err error) wire.State {
	var d *wire.DecodeError
	if errors.As(err, &d) {
		return wire.RejectedState(&wire.Error{Condition: d.Condition, Description: d.Error()})
	}
	return wire.RejectedState(&wire.Error{Condition: wire.ErrDecode, Description: err.Error()})
}

// RejectedWith makes a rejection of this router's own.
func RejectedWith(condition wire.Symbol, format string, args ...any) wire.State {
	return wire.RejectedState(&wire.Error{Condition: condition, Description: fmt.Sprintf(format, args...)})
}

// refuse gives a delivery an outcome of this router's own: it goes nowhere. Frames that still come are thrown away.
func (c *Endpoint) refuse(d *Delivery, state wire.State) {
	d.Content.Share(0, 1)
	d.Content.Leave(&buf.Cursor{}) // nobody will read: what is held is released
	d.outcome = state
	if d.Settled && d.Link != nil && state.Kind != wire.StateAccepted {
		c.countDropped(d)
	}
	c.finished(d)
}

// Undeliverable releases a delivery that no consumer can take now.
func (c *Endpoint) Undeliverable(d *Delivery) { c.refuse(d, Released) }

// branchOutcome takes the outcome of a branch from the endpoint of its link. The origin's mutex is held.
func (c *Endpoint) branchOutcome(b *Branch, state wire.State) {
	d := b.Delivery
	c.requestOver(b)
	if !b.Over {
		b.Over = true
		d.Pending--
		d.outcome = combine(d.outcome, state)
		if d.doubled && decides(state) {
			c.recall(d)
		}
		if b.dropped && d.Link != nil && d.Link.Kind == LinkEndpoint && !d.Link.Node {
			c.rest(d.Link)
		}
		if d.Pending == 0 {
			c.finished(d)
		}
	}
	d.Drop(true)
}

// requestOver counts a request to the management node that is over.
func (c *Endpoint) requestOver(b *Branch) {
	if b.Link.Node {
		c.requests--
	}
}

// dropPause is how long a client's link gets no credit after messages on it were dropped. Reading what is thrown away
// would take the time of those whose messages arrive.
const dropPause = 100 * time.Millisecond

// rest withholds the credit of a link whose messages are dropped.
func (c *Endpoint) rest(l *Link) {
	if l.Rest == 0 {
		l.Rest = c.Clock.At + dropPause
		c.Alert(l.Rest)
	}
}

// rested gives the credit back that was withheld.
func (c *Endpoint) rested(l *Link) {
	if c.Clock.At < l.Rest {
		c.Alert(l.Rest)
		return
	}
	l.Rest = 0
	c.replenish(l)
}

// Returned takes back a branch of which nothing was offered to the consumer. The branch has not left its part of the
// content: another consumer may have that.
func (c *Endpoint) Returned(b *Branch) {
	d := b.Delivery
	c.requestOver(b)
	switch {
	case b.Over: // recalled
		if d.Content.Leave(&buf.Cursor{}) {
			c.unhold(d)
		}
	case b.expired:
		b.Over = true
		d.Pending--
		c.lapse(d)
	case b.via != nil && c.handOn(b):
		b.Over = true
		d.Pending--
	case d.Link != nil && d.Attempts < MaxAttempts &&
		(d.Anycast || d.doubled && d.Pending == 1 && neverOffered(d.outcome)):
		b.Over = true
		d.Pending--
		d.outcome = wire.State{}
		c.again(d)
	default:
		b.Over = true
		d.Pending--
		if d.Content.Leave(&buf.Cursor{}) {
			c.unhold(d)
		}
		d.outcome = combine(d.outcome, Released)
		if d.Pending == 0 {
			c.orphanReturned(d)
			c.finished(d)
		}
	}
	d.Drop(true)
}

// lapse goes on with a delivery of which a branch came back because its ttl was over.
func (c *Endpoint) lapse(d *Delivery) {
	if d.Content.Leave(&buf.Cursor{}) {
		c.unhold(d)
	}
	if d.Link != nil {
		c.count(d.Link, books.Stats{Expired: 1})
	}
	d.outcome = combine(d.outcome, Released)
	if d.Pending == 0 {
		c.finished(d)
	}
}

// neverOffered reports whether no copy of a message was offered to anybody, as far as is known.
func neverOffered(outcome wire.State) bool {
	return outcome.Kind == wire.StateNone || outcome.Kind == wire.StateReleased
}

// MaxAttempts is how often a message is handed to another consumer before it is released.
const MaxAttempts = 8

// again hands a message to another consumer.
func (c *Endpoint) again(d *Delivery) {
	d.Attempts++
	c.reforward(d)
}

// finished settles a delivery whose branches all have an outcome, and gives the credit back. While frames are still
// coming, the delivery stays until the last one, and a client hears nothing before that. Some clients (go-amqp)
// remember a delivery only when they have sent it whole, and would wait for ever for an outcome that came earlier.
func (c *Endpoint) finished(d *Delivery) {
	c.Unwait(d)
	l := d.Link
	if d.Arrival == Arriving && l != nil && l.Kind == LinkEndpoint {
		return
	}
	if d.copy != nil {
		c.CopyEnded(d, d.outcome, false)
	}
	c.unhold(d) // nobody reads any more: the rest has to come, to be thrown away
	if d.id != engine.None {
		if !d.Settled {
			c.Engine.Settle(d.id, d.outcome)
		}
		if d.hasArrived() {
			c.clearIn(d)
		}
	}
	if l != nil && d.Stage != StageOver {
		d.Stage = StageOver
		c.countFinished(d)
		l.InHand--
		if l.Kind == LinkEndpoint {
			l.Back++
			c.replenish(l)
		}
	}
	if d.hasArrived() {
		d.Drop(true)
	}
}

// received counts a delivery that has begun on an incoming link.
func (l *Link) received(d *Delivery) {
	l.InHand++
	l.Stats.Deliveries++
	if l.End.Engine.Credit(l.ID) == 0 {
		l.Watch.dry = l.End.Clock.At
	}
	if l.Kind != LinkEndpoint { // between routers, credit comes back at once: what limits is the ingress router
		l.Back++
		l.End.replenish(l)
	}
}

const (
	// linkBudget is what the messages of one client's link that are not over may take, in octets. It limits the credit,
	// by the usual size of the link's messages.
	linkBudget = 1 << 20
	// addressBudget is what all links share that send to one address.
	addressBudget = 4 << 20
	// LeastWindow is the credit that a link has in any case, so that a message can arrive while another one is on its
	// way.
	LeastWindow = 2
)

// Window is how many deliveries may be under way on a client's incoming link, those it has credit for included.
func (l *Link) Window() int {
	if l.Kind != LinkEndpoint {
		return l.Capacity
	}
	o := l.End.Plane.Overload
	if o.AtFor(OverloadCredit, l.End.account.Load()) {
		return 1
	}
	most, cost, least := min(l.Capacity, o.window()), l.Size, LeastWindow
	budget := linkBudget
	if l.Address != nil {
		budget = min(budget, addressBudget/max(int(l.Address.Crowd.Load()), 1))
		if branches := l.Address.Branches(); branches > 1 {
			if cost += branches * branchCost; cost > budget {
				least = 1
			}
		}
	}
	if cost == 0 {
		return most
	}
	return min(max(budget/cost, least), most)
}

// measure takes the size of a message that has arrived whole into the average.
func (i *intake) measure(size int) {
	if i.Size == 0 {
		i.Size = max(size, 1)
		return
	}
	i.Size = max(i.Size+(size-i.Size)/8, 1)
}

// replenish gives credit back in portions: when a quarter of what may be under way is due, or the sender has none left.
func (c *Endpoint) replenish(l *Link) {
	if !l.Reachable || !l.Attached || l.Dead.Load() { // the number of a dead link is somebody else's
		return
	}
	if l.Rest != 0 {
		return // rested gives it
	}
	if l.Kind == LinkEndpoint && (c.isOver(0) || c.isWithheld(l.Address)) {
		c.rest(l)
		return
	}
	credit, window := int(c.Engine.Credit(l.ID)), l.Window()
	n := l.Back
	if l.Kind == LinkEndpoint {
		n = min(n, window-l.InHand-credit)
	}
	if n > 0 && (4*n >= window || credit == 0) {
		c.Engine.Grant(l.ID, uint32(n))
		l.Back -= n
	}
}

// isWithheld reports whether another router wants the senders of an address to get no credit.
func (c *Endpoint) isWithheld(a *route.Address) bool {
	return a != nil && a.Withheld.Load() > int64(c.Clock.At)
}

// unhold lets a session's window be restored again.
func (c *Endpoint) unhold(d *Delivery) {
	if d.held {
		d.held = false
		if d.Link != nil {
			c.Engine.Hold(d.Link.session, false)
		}
	}
}

// stopCredit takes the credit of the senders of this connection back, for good.
func (c *Endpoint) stopCredit() {
	c.Ending.stopped = true
	c.begin(task{kind: taskCredit})
}
