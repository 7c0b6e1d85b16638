package router

import (
	"slices"
	"time"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/internal/management"
)

// managementAddress is where the agent consumes.
const managementAddress = "$management"

// Bounds of what the agent has to do.
const (
	maxRequest    = 1 << 20 // octets of a management request
	maxRequests   = 256     // requests that wait or are being answered; more are rejected
	maxArriving   = 16      // of those, large ones whose end has not come; the oldest is rejected for the next
	requestCredit = 16      // of a sender to $management
)

// agent is the container inside the router: it consumes at $management, answers, and gives the control loop's
// messages to the control links. Its goroutine takes the notes of its conn, which has no transport and no engine.
type agent struct {
	router  *Router
	conn    *Endpoint
	sender  *link // what the agent sends comes from here
	inbox   *link // $management
	node    *management.Node
	pending []*branch
	wake    chan struct{} // capacity 1: there are notes
}

// deliver takes a request. The lock is held.
func (a *agent) deliver(b *branch) { a.pending = append(a.pending, b) }

// The agent is the driver of its endpoint, which has no octets to be moved.

func (a *agent) serve(*wakes) bool      { return false }
func (a *agent) relieve(*wakes)         {}
func (a *agent) abort()                 {}
func (a *agent) idle(time.Time)         {}
func (a *agent) admit(*engine.Event)    {}
func (a *agent) turned(time.Time, bool) {}

func (a *agent) poke() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func newAgent(r *Router) *agent {
	a := &agent{router: r}
	a.wake = make(chan struct{}, 1)
	a.conn = newEndpoint(&Endpoint{plane: r.plane, terms: new(terms), began: r.plane.began, driver: a,
		resident: a})
	a.sender = (&link{number: r.plane.numbers.Add(1), conn: a.conn, name: "agent", node: true, id: engine.None}).own()
	a.inbox = (&link{number: r.plane.numbers.Add(1), conn: a.conn, name: "agent", node: true, outgoing: true,
		id: engine.None, attached: true, addressText: managementAddress}).own()
	a.node = management.NewNode(r.view, management.Options{})
	return a
}

// loop answers requests until the router stops.
func (a *agent) loop(stop <-chan struct{}) {
	var (
		notes    []note
		requests []*branch
		woken    wakes
	)
	c := a.conn
	for {
		notes = c.inbox.swap(notes)
		for next := 0; next < len(notes); {
			a.takeFrom(notes, &next, &woken)
		}
		clear(notes)
		requests = a.ready(requests[:0], &woken)
		woken.flush()
		for _, b := range requests {
			a.attend(b)
		}
		if len(requests) > 0 {
			clear(requests)
			continue
		}
		select {
		case <-stop:
			a.stop()
			return
		case <-a.wake:
		}
	}
}

// takeFrom takes notes. A panic with one is its end only.
func (a *agent) takeFrom(notes []note, next *int, woken *wakes) {
	a.conn.mu.Lock()
	defer a.unlock(woken)
	a.conn.beginTurn(time.Now())
	for *next < len(notes) {
		*next++
		a.conn.take(&notes[*next-1])
	}
}

// unlock is deferred where the lock was taken. It hands over the gathered wakes.
func (a *agent) unlock(woken *wakes) {
	if v := recover(); v != nil {
		a.router.panicIn(logging.Agent, "agent", v)
	}
	c := a.conn
	woken.conns = append(woken.conns, c.wakes.conns...)
	clear(c.wakes.conns)
	c.wakes.conns = c.wakes.conns[:0]
	c.mu.Unlock()
}

// isBusy tells whether a link is the agent's, and has as many requests as it may. Readers ask before they hand one over.
func (l *link) isBusy() bool { return l != nil && l.node && l.Outstanding.Load() >= maxRequests }

// ready takes the requests that have arrived whole, and those that cannot be served, out of the pending ones.
func (a *agent) ready(whole []*branch, woken *wakes) []*branch {
	a.conn.mu.Lock()
	defer a.unlock(woken)
	rest := a.pending[:0]
	for _, b := range a.pending {
		if b.d.content.IsAborted() || b.d.content.IsComplete() || b.d.content.Buffered() > maxRequest {
			whole = append(whole, b)
		} else {
			rest = append(rest, b)
		}
	}
	clear(a.pending[len(rest):])
	a.pending = rest
	if n := len(rest) - maxArriving; n > 0 { // they may never end
		for _, b := range rest[:n] {
			a.conn.over(b, rejectedWith(wire.ErrResourceLimitExceeded,
				"more than %d management requests are arriving", maxArriving))
		}
		a.pending = slices.Delete(rest, 0, n)
	}
	return whole
}

// attend answers one request, and then does what it asks for. One that it panics with is rejected.
func (a *agent) attend(b *branch) {
	state, reply := a.answer(b)
	a.conclude(b, state, reply)
	if reply.Then != nil {
		reply.Then()
	}
}

// conclude settles a request and sends the reply.
func (a *agent) conclude(b *branch, state wire.State, reply management.Reply) {
	var woken wakes
	defer woken.flush()
	c := a.conn
	c.mu.Lock()
	defer a.unlock(&woken)
	c.beginTurn(time.Now())
	c.countToSelf(b.address())
	c.over(b, state)
	if reply.OK {
		a.send(reply.To, reply.Message)
	}
}

// answer finds the answer to a request. The agent's lock is not held: this looks at every connection.
func (a *agent) answer(b *branch) (state wire.State, reply management.Reply) {
	defer func() {
		if v := recover(); v != nil {
			a.router.panicIn(logging.Agent, "management request", v)
			state, reply = wire.RejectedState(internalError()), management.Reply{}
		}
	}()
	a.router.plane.here(atRequest, a.conn)
	content := &b.d.content
	state = accepted
	switch {
	case content.IsAborted():
		state = deliveryFailed
	case content.Buffered() > maxRequest:
		state = rejectedWith(wire.ErrResourceLimitExceeded, "a management request has at most %d octets", maxRequest)
	default:
		whole := content.Gather(nil)
		request := append([]byte(nil), b.head...)
		request = append(request, whole[b.skip:]...)
		reply = a.node.Handle(management.Request{Message: request,
			MayWrite: func() error { _, err := a.mayWrite(b, whole); return err }})
		if reply.Err != nil {
			state = rejected(reply.Err)
		}
	}
	return state, reply
}

// send routes a message of the agent's own, pre-settled, as if an anonymous client had sent it. The lock is held.
func (a *agent) send(to string, msg []byte) {
	c := a.conn
	d := c.newDelivery()
	d.link, d.settled, d.arrived, d.size = a.sender, true, true, len(msg)
	a.sender.inHand++
	a.sender.stats.Deliveries++
	d.content.Append(buf.Slice{B: msg})
	d.content.Finish()
	if at := c.find(a.sender, []byte(to)); at == nil {
		a.router.host.log(logging.Agent).Debugf("reply to %q: nobody is there", to)
	}
	c.route(d, true)
}

// stop gives back what came after the router stopped.
func (a *agent) stop() {
	c := a.conn
	var woken wakes
	defer woken.flush()
	c.mu.Lock()
	defer a.unlock(&woken)
	c.near.Gone.Store(true)
	a.inbox.Dead.Store(true)
	for _, b := range a.pending {
		c.giveBack(b)
	}
	a.pending = nil
	rest := c.inbox.close()
	for i := range rest {
		c.take(&rest[i])
	}
}
