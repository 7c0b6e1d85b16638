package router

import (
	"time"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/internal/management"
)

// maxRequest is the size in octets of the largest management request that is taken.
const maxRequest = 1 << 20

// agent is the container inside the router: it consumes at $management, answers, and gives the control loop's
// messages to the control links. Its goroutine takes the notes of its conn, which has no transport and no engine.
type agent struct {
	router  *Router
	conn    *conn
	sender  *link // what the agent sends comes from here
	inbox   *link // $management
	node    *management.Node
	pending []*branch
}

func newAgent(r *Router) *agent {
	a := &agent{router: r}
	a.conn = &conn{router: r, settings: &settings{name: "agent"}, wake: make(chan struct{}, 1), began: time.Now()}
	a.sender = &link{number: r.numbers.Add(1), conn: a.conn, name: "agent", node: true, id: engine.None}
	a.inbox = &link{number: r.numbers.Add(1), conn: a.conn, name: "agent", node: true, outgoing: true,
		id: engine.None, attached: true, addressText: "$management"}
	a.node = management.NewNode(r, management.Options{})
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
		c.mu.Lock()
		for i := range notes {
			a.take(&notes[i])
		}
		clear(notes)
		requests = append(requests[:0], a.ready()...)
		c.takeWakes(&woken)
		c.mu.Unlock()
		woken.flush()
		for _, b := range requests {
			a.answer(b)
		}
		if len(requests) > 0 {
			clear(requests)
			continue
		}
		select {
		case <-stop:
			a.stop()
			return
		case <-c.wake:
		}
	}
}

func (a *agent) take(n *note) {
	switch n.kind {
	case noteDeliver:
		a.pending = append(a.pending, n.branch)
	case noteGrown, noteSettled:
		n.branch.d.drop(false)
	default:
		a.conn.take(n)
	}
}

// ready takes the requests that have arrived whole, and those that cannot be served, out of the pending ones.
func (a *agent) ready() []*branch {
	var whole []*branch
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
	return whole
}

// answer serves one request. The agent's lock is not held meanwhile: gathering the answer looks at every connection.
func (a *agent) answer(b *branch) {
	content := &b.d.content
	state := accepted
	var reply management.Reply
	switch {
	case content.IsAborted():
		state = deliveryFailed
	case content.Buffered() > maxRequest:
		state = rejectedWith(wire.ErrResourceLimitExceeded, "a management request has at most %d octets", maxRequest)
	default:
		request := append([]byte(nil), b.head...)
		request = append(request, content.Gather(nil)[b.skip:]...)
		reply = a.node.Handle(management.Request{Message: request})
		if reply.Err != nil {
			state = rejected(reply.Err)
		}
	}
	var woken wakes
	c := a.conn
	c.mu.Lock()
	c.countToSelf(b.d.address)
	c.over(b, state)
	if reply.OK {
		a.send(reply.To, reply.Message)
	}
	c.takeWakes(&woken)
	c.mu.Unlock()
	woken.flush()
}

// send routes a message of the agent's own, pre-settled, as if an anonymous client had sent it. The lock is held.
func (a *agent) send(to string, msg []byte) {
	c := a.conn
	d := c.newDelivery()
	d.link, d.settled, d.arrived, d.size = a.sender, true, true, len(msg)
	a.sender.inHand++
	a.sender.stats.deliveries++
	d.content.Append(buf.Slice{B: msg})
	d.content.Finish()
	if at := c.find(a.sender, []byte(to)); at == nil {
		a.router.log(logging.Agent).Debugf("reply to %q: nobody is there", to)
	}
	c.route(d, true)
}

// sendControl gives a control message to a neighbor's control link. It is called by the control loop.
func (a *agent) sendControl(l *link, payload []byte, w *wakes) {
	c := a.conn
	c.mu.Lock()
	d := c.newDelivery()
	d.settled, d.arrived, d.forwarded, d.anycast, d.size = true, true, true, true, len(payload)
	d.content.Append(buf.Slice{B: payload})
	d.content.Finish()
	d.content.Share(1, contentHigh)
	b := d.newBranch(l, nil)
	l.outstanding.Add(1)
	ok := w.post(l.conn, note{kind: noteDeliver, branch: b})
	if !ok {
		b.uncount()
		d.drop(true)
		d.drop(true)
	}
	c.mu.Unlock()
}

// stop gives back what came after the router stopped.
func (a *agent) stop() {
	c := a.conn
	var woken wakes
	c.mu.Lock()
	c.gone.Store(true)
	a.inbox.dead.Store(true)
	for _, b := range a.pending {
		c.giveBack(b)
	}
	a.pending = nil
	rest := c.inbox.close()
	for i := range rest {
		c.take(&rest[i])
	}
	c.takeWakes(&woken)
	c.mu.Unlock()
	woken.flush()
}
