package router

import (
	"slices"
	"time"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/internal/management"
	"github.com/postroad/postroad/router/forwarding"
)

// Bounds of what the agent has to do.
const (
	maxRequest  = 1 << 20 // octets of a management request
	maxArriving = 16      // requests whose end has not come; the oldest is rejected for the next
)

// agent is the container inside the router: it consumes at $management, answers, and gives the control loop's
// messages to the control links. Its goroutine takes the notes of its conn, which has no transport and no engine.
type agent struct {
	router  *Router
	conn    *forwarding.Endpoint
	sender  *forwarding.Link // what the agent sends comes from here
	inbox   *forwarding.Link // $management
	node    *management.Node
	pending []*forwarding.Branch
	wake    chan struct{} // capacity 1: there are notes
}

// Deliver takes a request. The lock is held.
func (a *agent) Deliver(b *forwarding.Branch) { a.pending = append(a.pending, b) }

// The agent is the driver of its endpoint, which has no octets to be moved.

func (a *agent) Serve(*forwarding.Wakes) bool { return false }
func (a *agent) Relieve(*forwarding.Wakes)    {}
func (a *agent) Abort()                       {}
func (a *agent) Idle(time.Time)               {}
func (a *agent) Admit(*engine.Event)          {}
func (a *agent) Turned(time.Time, bool)       {}

func (a *agent) Poke() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func newAgent(r *Router) *agent {
	a := &agent{router: r}
	a.wake = make(chan struct{}, 1)
	a.conn = forwarding.NewEndpoint(&forwarding.Endpoint{Plane: r.plane, Terms: new(forwarding.Terms), Began: r.plane.Began, Driver: a,
		Resident: a})
	a.sender = (&forwarding.Link{Number: r.plane.Numbers.Add(1), End: a.conn, Name: "agent", Node: true, Id: engine.None}).Own()
	a.inbox = (&forwarding.Link{Number: r.plane.Numbers.Add(1), End: a.conn, Name: "agent", Node: true, Outgoing: true,
		Id: engine.None, Attached: true, AddressText: forwarding.ManagementAddress}).Own()
	a.node = management.NewNode(r.view, management.Options{})
	return a
}

// loop answers requests until the router stops.
func (a *agent) loop(stop <-chan struct{}) {
	var (
		notes    []forwarding.Note
		requests []*forwarding.Branch
		woken    forwarding.Wakes
	)
	c := a.conn
	for {
		notes = c.Inbox.Swap(notes)
		for next := 0; next < len(notes); {
			a.takeFrom(notes, &next, &woken)
		}
		clear(notes)
		for !c.Proceed(time.Now(), &woken) {
			woken.Flush()
		}
		requests = a.ready(requests[:0], &woken)
		woken.Flush()
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

// takenTogether is how many notes the agent takes under its lock at a time.
const takenTogether = 2000

// takeFrom takes notes. A panic with one is its end only.
func (a *agent) takeFrom(notes []forwarding.Note, next *int, woken *forwarding.Wakes) {
	a.conn.Mu.Lock()
	defer a.unlock(woken)
	a.conn.BeginTurn(time.Now())
	for most := *next + takenTogether; *next < len(notes) && *next < most; {
		*next++
		a.conn.Take(&notes[*next-1])
	}
}

// unlock is deferred where the lock was taken. It hands over the gathered wakes.
func (a *agent) unlock(woken *forwarding.Wakes) {
	if v := recover(); v != nil {
		a.router.panicIn(logging.Agent, "agent", v)
	}
	c := a.conn
	woken.Ends = append(woken.Ends, c.Wakes.Ends...)
	clear(c.Wakes.Ends)
	c.Wakes.Ends = c.Wakes.Ends[:0]
	c.Mu.Unlock()
}

// ready takes the requests that have arrived whole, and those that cannot be served, out of the pending ones.
func (a *agent) ready(whole []*forwarding.Branch, woken *forwarding.Wakes) []*forwarding.Branch {
	a.conn.Mu.Lock()
	defer a.unlock(woken)
	rest := a.pending[:0]
	for _, b := range a.pending {
		if b.Delivery.Content.IsAborted() || b.Delivery.Content.IsComplete() || b.Delivery.Content.Buffered() > maxRequest {
			whole = append(whole, b)
		} else {
			rest = append(rest, b)
		}
	}
	clear(a.pending[len(rest):])
	a.pending = rest
	if n := len(rest) - maxArriving; n > 0 { // they may never end
		for _, b := range rest[:n] {
			a.conn.Over(b, forwarding.RejectedWith(wire.ErrResourceLimitExceeded,
				"more than %d management requests are arriving", maxArriving))
		}
		a.pending = slices.Delete(rest, 0, n)
	}
	return whole
}

// attend answers one request, and then does what it asks for. One that it panics with is rejected.
func (a *agent) attend(b *forwarding.Branch) {
	state, reply := a.answer(b)
	a.conclude(b, state, reply)
	if reply.Then != nil {
		reply.Then()
	}
}

// conclude settles a request and sends the reply.
func (a *agent) conclude(b *forwarding.Branch, state wire.State, reply management.Reply) {
	var woken forwarding.Wakes
	defer woken.Flush()
	c := a.conn
	c.Mu.Lock()
	defer a.unlock(&woken)
	c.BeginTurn(time.Now())
	c.CountToSelf(b.Address())
	c.Over(b, state)
	if reply.OK {
		a.send(reply.To, reply.Message)
	}
}

// answer finds the answer to a request. The agent's lock is not held: this looks at every connection.
func (a *agent) answer(b *forwarding.Branch) (state wire.State, reply management.Reply) {
	defer func() {
		if v := recover(); v != nil {
			a.router.panicIn(logging.Agent, "management request", v)
			state, reply = wire.RejectedState(forwarding.InternalError()), management.Reply{}
		}
	}()
	a.router.plane.Here(forwarding.AtRequest, a.conn)
	content := &b.Delivery.Content
	state = forwarding.Accepted
	switch {
	case content.IsAborted():
		state = forwarding.DeliveryFailed
	case content.Buffered() > maxRequest:
		state = forwarding.RejectedWith(wire.ErrResourceLimitExceeded, "a management request has at most %d octets", maxRequest)
	default:
		whole := content.Gather(nil)
		request := append([]byte(nil), b.Head...)
		request = append(request, whole[b.Skip:]...)
		reply = a.node.Handle(management.Request{Message: request,
			MayWrite: func() error { _, err := a.mayWrite(b, whole); return err }})
		if reply.Err != nil {
			state = forwarding.Rejected(reply.Err)
		}
	}
	return state, reply
}

// send routes a message of the agent's own, pre-settled, as if an anonymous client had sent it. The lock is held.
func (a *agent) send(to string, msg []byte) {
	c := a.conn
	d := c.NewDelivery()
	d.Link, d.Settled, d.Arrived, d.Size = a.sender, true, true, len(msg)
	a.sender.InHand++
	a.sender.Stats.Deliveries++
	d.Content.Append(buf.Slice{B: msg})
	d.Content.Finish()
	if at := c.Find(a.sender, []byte(to)); at == nil {
		a.router.host.Log(logging.Agent).Debugf("reply to %q: nobody is there", to)
	}
	c.Route(d, true)
}

// stop gives back what came after the router stopped.
func (a *agent) stop() {
	c := a.conn
	var woken forwarding.Wakes
	defer woken.Flush()
	c.Mu.Lock()
	defer a.unlock(&woken)
	c.Near.Gone.Store(true)
	a.inbox.Dead.Store(true)
	for _, b := range a.pending {
		c.GiveBack(b)
	}
	a.pending = nil
	rest := c.Inbox.Close()
	for i := range rest {
		c.Take(&rest[i])
	}
}
