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
	maxArriving = 16      // requests that have not arrived whole; the oldest is rejected for the next
)

// agent is the container inside the router: it consumes from $management, and answers requests. Its endpoint is also
// the one from which control messages come. The endpoint has no engine, and the agent is its driver and its resident;
// the goroutine of the agent takes the notes.
type agent struct {
	router  *Router
	conn    *forwarding.Endpoint
	sender  *forwarding.Link     // the agent's messages come from here
	inbox   *forwarding.Link     // consumes from $management
	node    *management.Node     // answers requests
	pending []*forwarding.Branch // requests that are not answered; the endpoint's mutex guards it
	wake    chan struct{}        // capacity 1: there are notes
}

// Deliver takes a request. The endpoint's mutex is held.
func (a *agent) Deliver(b *forwarding.Branch) { a.pending = append(a.pending, b) }

// The agent is the driver of its endpoint. It has no octets to move, and nobody serves it in passing.

func (a *agent) Serve(*forwarding.Wakes) bool { return false }
func (a *agent) Relieve(*forwarding.Wakes)    {}
func (a *agent) Abort()                       {}
func (a *agent) Idle(time.Time)               {}
func (a *agent) Admit(*engine.Event)          {}
func (a *agent) Turned(time.Time, bool)       {}

// Poke wakes the goroutine of the agent. It does not wait.
func (a *agent) Poke() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// newAgent makes the agent of a router. The caller puts its inbox into the table.
func newAgent(r *Router) *agent {
	a := &agent{router: r}
	a.wake = make(chan struct{}, 1)
	a.conn = forwarding.NewEndpoint(&forwarding.Endpoint{Plane: r.plane, Terms: new(forwarding.Terms), Began: r.plane.Began, Driver: a,
		Resident: a})
	a.sender = (&forwarding.Link{Number: r.plane.Numbers.Add(1), End: a.conn, Name: "agent", Node: true, ID: engine.None}).Own()
	a.inbox = (&forwarding.Link{Number: r.plane.Numbers.Add(1), End: a.conn, Name: "agent", Node: true, Outgoing: true,
		ID: engine.None, Attached: true, AddressText: forwarding.ManagementAddress}).Own()
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

// takeFrom takes the notes from *next on, and counts *next up. A panic with a note ends that note only.
func (a *agent) takeFrom(notes []forwarding.Note, next *int, woken *forwarding.Wakes) {
	a.conn.Mu.Lock()
	defer a.unlock(woken)
	a.conn.BeginTurn(time.Now())
	for most := *next + takenTogether; *next < len(notes) && *next < most; {
		*next++
		a.conn.Take(&notes[*next-1])
	}
}

// unlock is deferred where the endpoint's mutex was taken. It recovers from a panic, and hands the gathered wakes over.
func (a *agent) unlock(woken *forwarding.Wakes) {
	if v := recover(); v != nil {
		a.router.panicIn(logging.Agent, "agent", v)
	}
	c := a.conn
	woken.Ends = append(woken.Ends, c.Wakes.Ends...)
	clear(c.Wakes.Ends)
	c.Wakes.Ends = c.Wakes.Ends[:0]
	c.Release()
}

// ready takes the requests that have arrived whole, or will not be served, out of the pending ones, and appends them to
// whole.
func (a *agent) ready(whole []*forwarding.Branch, woken *forwarding.Wakes) []*forwarding.Branch {
	a.conn.Mu.Lock()
	defer a.unlock(woken)
	rest, arriving := a.pending[:0], 0
	var asked []*forwarding.Endpoint // in this round
	for _, b := range a.pending {
		content, origin := &b.Delivery.Content, b.Delivery.Origin
		switch {
		case content.IsAborted():
			whole = append(whole, b)
		case !content.IsComplete() && content.Buffered() <= maxRequest:
			arriving++
			rest = append(rest, b)
		case slices.Contains(asked, origin) || !origin.MayAsk():
			rest = append(rest, b)
		default:
			asked = append(asked, origin)
			whole = append(whole, b)
		}
	}
	clear(a.pending[len(rest):])
	a.pending = a.bound(rest, arriving)
	return whole
}

// bound rejects the first of the requests that are arriving, when there are too many: they may never end.
func (a *agent) bound(pending []*forwarding.Branch, arriving int) []*forwarding.Branch {
	return slices.DeleteFunc(pending, func(b *forwarding.Branch) bool {
		content := &b.Delivery.Content
		if arriving <= maxArriving || content.IsComplete() || content.IsAborted() {
			return false
		}
		arriving--
		a.conn.Over(b, forwarding.RejectedWith(wire.ErrResourceLimitExceeded,
			"more than %d management requests are arriving", maxArriving))
		return true
	})
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
	asker := b.Delivery.Origin // which takes the branch back from here on
	c.Over(b, state)
	if reply.OK {
		a.send(asker, reply.To, reply.Message)
	}
}

// answer finds the answer to a request. A request that it panics with is rejected. The mutex of the agent's endpoint is
// not held: an answer looks at every connection.
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

// send routes a message of the agent's own, pre-settled, as if an anonymous client had sent it, and counts it to the
// endpoint over which the request came. The endpoint's mutex is held.
func (a *agent) send(asker *forwarding.Endpoint, to string, msg []byte) {
	c := a.conn
	d := c.NewDelivery()
	d.Link, d.Settled, d.Arrival, d.Size = a.sender, true, forwarding.Arrived, len(msg)
	d.AskedBy(asker)
	a.sender.InHand++
	a.sender.Stats.Deliveries++
	d.Content.Append(buf.Slice{B: msg})
	d.Content.Finish()
	if at := c.Find(a.sender, []byte(to)); at == nil {
		a.router.host.Log(logging.Agent).Debugf("reply to %q: nobody is there", to)
	}
	c.Route(d, true)
}

// stop gives back requests that are not answered, and all notes that came since, when the router has stopped.
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
