package forwarding_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/mesh"
	"github.com/postroad/postroad/router/control"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/route"
)

// world is the endpoints of one router and their peers, which are engines, in virtual time: no sockets, no goroutines.
type world struct {
	t       *testing.T
	now     time.Time
	plane   *forwarding.Plane
	control *control.Control
	queue   []forwarding.Event
	peers   []*peer
	heard   func(e *forwarding.Event) // an event for the control loop, before it is queued
	most    int                       // units of the turn that has done the most
	panics  []any
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	w.plane = forwarding.NewPlane("A", w.now.Add(-time.Second))
	tree, err := addressing.NewTree([]addressing.Entry[route.Treatment]{{Pattern: "multicast/#", Value: route.Treatment{
		Distribution: addressing.DistributionMulticast, Priority: -1, Redundant: 1, Ingress: addressing.PhaseZero,
		Egress: addressing.PhaseZero}}})
	if err != nil {
		t.Fatal(err)
	}
	w.plane.Treatments = &route.Treatments{Tree: tree, Default: addressing.DistributionBalanced}
	w.plane.Overload = &forwarding.Overload{Budget: 1 << 30, Memory: math.MaxInt64}
	w.plane.Events, w.plane.Journal = w, w
	w.plane.NewName = func() string { return fmt.Sprint(w.plane.Numbers.Add(1)) }
	w.control = &control.Control{Plane: w.plane, Journal: w, Now: w.plane.Began,
		Neighbors: make(map[mesh.LinkID]*forwarding.Endpoint), Addresses: make(map[string]*control.Entry),
		Routers: make(map[int]*route.Router)}
	return w
}

// Put queues an event for the control loop.
func (w *world) Put(e forwarding.Event) {
	e.End.Unanswered.Add(e.Weight())
	if w.heard != nil {
		w.heard(&e)
	}
	w.queue = append(w.queue, e)
}

func (w *world) Warn(string)                          {}
func (w *world) Observe(string)                       {}
func (w *world) Line(mesh.Module, mesh.Level, string) {}
func (w *world) Server(string)                        {}
func (w *world) Panicked(_ string, v any)             { w.panics = append(w.panics, v) }

// answer lets the control take a portion of the events.
func (w *world) answer() {
	events := w.queue
	w.queue = nil
	for len(events) > 0 {
		n := min(len(events), 256)
		w.control.Take(w.now, events[:n])
		events = events[n:]
	}
	w.control.Take(w.now, nil)
	w.control.Wakes = forwarding.Wakes{}
}

// rest lets all go on until nothing is left to be done.
func (w *world) rest() {
	w.t.Helper()
	for range 100_000 {
		busy := len(w.queue) > 0
		w.answer()
		for _, p := range w.peers {
			busy = p.step() || busy
		}
		if !busy {
			return
		}
	}
	w.t.Fatal("the world does not come to rest")
}

// peer is the other side of an endpoint, and its driver.
type peer struct {
	w        *world
	e        *forwarding.Endpoint
	engine   *engine.Connection
	session  engine.SessionID
	user     string
	said     []byte // to the router, which has not read it
	chunk    *buf.Chunk
	from, to int    // what the router has read and not used
	unread   []byte // from the router
	deaf     bool   // it reads nothing, so that the router cannot write
	manual   bool   // it settles nothing by itself
	got      []arrival
	outcomes map[wire.StateKind]int
	detached int
	out      engine.Output
	woken    forwarding.Wakes
	served   []*forwarding.Endpoint // that the last turn wanted to be served
	turns    int                    // of input
	fills    int
	last     forwarding.Turn
	deadline time.Time
	ends     bool
}

// arrival is a message that has come.
type arrival struct {
	link engine.LinkID
	id   engine.DeliveryID
	text string
}

func (p *peer) Serve(*forwarding.Wakes) bool { return false }
func (p *peer) Relieve(*forwarding.Wakes)    {}
func (p *peer) Poke()                        {}
func (p *peer) Abort()                       {}
func (p *peer) Idle(time.Time)               {}

// Turned notes when the endpoint wants to be called, and whether it ends.
func (p *peer) Turned(at time.Time, ends bool) { p.deadline, p.ends = at, p.ends || ends }

// Admit lets everybody in.
func (p *peer) Admit(ev *engine.Event) {
	if ev.Kind == engine.EventOpen {
		p.e.Near.ID, p.e.Near.Node = ev.Cold.Open.ContainerID, addressing.NodeName(ev.Cold.Open.ContainerID)
		p.e.Peer = forwarding.Counterpart{Open: ev.Cold.Open, User: p.user}
		p.e.Opened()
	}
}

// join connects a peer with a session.
func (w *world) join(terms *forwarding.Terms, remote, user string) *peer {
	w.t.Helper()
	p := &peer{w: w, user: user, outcomes: make(map[wire.StateKind]int)}
	p.e = forwarding.NewEndpoint(&forwarding.Endpoint{Number: w.plane.Numbers.Add(1), Plane: w.plane, Terms: terms,
		Began: w.now, Remote: remote, Driver: p})
	p.e.OpenAccount()
	p.e.Begin(engine.Config{SASL: engine.SASLOptional, ContainerID: "A", MaxFrameSize: 64 << 10, ChannelMax: 100,
		IncomingWindow: 1<<31 - 1})
	p.engine = engine.New(engine.Config{Client: true, SASL: engine.SASLNone, ContainerID: "peer", MaxFrameSize: 64 << 10,
		ChannelMax: 100, IncomingWindow: 1<<31 - 1})
	p.engine.Open(nil)
	w.peers = append(w.peers, p)
	w.rest()
	p.session = p.engine.Begin(engine.None)
	w.rest()
	return p
}

// client connects a client whose links have much credit.
func (w *world) client() *peer {
	w.t.Helper()
	return w.join(&forwarding.Terms{Capacity: 1 << 20}, "192.0.2.1:1", "")
}

// attach attaches a link of the peer.
func (p *peer) attach(name, address string, role wire.Role) engine.LinkID {
	return p.engine.NewLink(p.session, &wire.Attach{Name: name, Role: role, SndSettleMode: wire.SenderMixed,
		Source: &wire.Source{Address: address, HasAddress: true}, Target: &wire.Target{Address: address, HasAddress: true}})
}

// receivers attaches links that receive from an address.
func (p *peer) receivers(address string, count int, credit uint32) (ids []engine.LinkID) {
	p.w.t.Helper()
	for i := range count {
		ids = append(ids, p.attach(fmt.Sprint(address, " ", i), address, wire.RoleReceiver))
	}
	p.w.rest()
	for _, id := range ids {
		if credit > 0 {
			p.engine.Grant(id, credit)
		}
	}
	p.w.rest()
	return ids
}

// sender attaches a link that sends to an address.
func (p *peer) sender(address string) engine.LinkID {
	p.w.t.Helper()
	id := p.attach("to "+address, address, wire.RoleSender)
	p.w.rest()
	return id
}

// anonymous attaches a link that sends to whatever its messages say.
func (p *peer) anonymous() engine.LinkID {
	p.w.t.Helper()
	id := p.engine.NewLink(p.session, &wire.Attach{Name: "anonymous", Role: wire.RoleSender,
		SndSettleMode: wire.SenderMixed, Target: &wire.Target{}})
	p.w.rest()
	return id
}

// messageTo is a message that says where it goes.
func messageTo(t *testing.T, to string) []byte {
	t.Helper()
	m := &message.Message{Properties: &message.Properties{To: to}}
	octets, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return octets
}

// body is a message whose body is a short text.
func body(text string) []byte {
	return wire.AppendString([]byte{0, wire.CodeSmallUlong, 0x77}, text)
}

// send sends a message.
func (p *peer) send(id engine.LinkID, settled bool, message []byte) engine.DeliveryID {
	p.w.t.Helper()
	d := p.engine.Deliver(id, settled, 0)
	if d == engine.None {
		p.w.t.Fatalf("there is no credit: %d", p.engine.Credit(id))
	}
	if _, done := p.engine.Write(d, nil, buf.Slice{B: message}, true); !done {
		p.w.t.Fatal("the session's window is closed")
	}
	return d
}

// say takes what the peer's engine has to write.
func (p *peer) say() {
	for p.engine.Dirty() {
		p.engine.Take(&p.out)
		for _, s := range p.out.Segments {
			p.said = append(p.said, s...)
		}
		p.out.Release()
	}
}

// step does what there is to do on a connection, and reports whether it has done anything.
func (p *peer) step() (busy bool) {
	if p.e.Near.Gone.Load() {
		return false
	}
	p.say()
	busy = len(p.said) > 0
	for next := true; next; next = p.goesOn() {
		before := p.from
		p.input()
		busy = busy || p.from != before || p.last == forwarding.TurnSpent
	}
	if p.deaf {
		return busy
	}
	for p.fill() {
		busy = true
	}
	if len(p.unread) > 0 {
		busy = true
		p.read()
	}
	return busy
}

// goesOn reports whether another input is to follow at once.
func (p *peer) goesOn() bool {
	return p.last == forwarding.TurnSpent || p.last == forwarding.TurnDone && len(p.said) > 0
}

// input gives the router what was said: one turn.
func (p *peer) input() {
	if p.last == forwarding.TurnDone && len(p.said) > 0 || p.chunk == nil { // with the octets of an incomplete frame
		next := buf.NewChunk(buf.LargeChunk)
		n := 0
		if p.chunk != nil {
			n = copy(next.B, p.chunk.B[p.from:p.to])
			p.chunk.Leave(p.e.Meter)
		}
		more := copy(next.B[n:], p.said)
		p.said = p.said[more:]
		p.chunk, p.from, p.to = next, 0, n+more
	}
	used, turn := p.e.Input(p.w.now, p.chunk, p.chunk.B[p.from:p.to], &p.woken)
	p.from, p.last = p.from+used, turn
	p.turns++
	p.ended("an input")
}

// fill lets the router write: one turn. It reports whether there is more.
func (p *peer) fill() (more bool) {
	more, _, _ = p.e.Fill(p.w.now, &p.out, true, &p.woken)
	for _, s := range p.out.Segments {
		p.unread = append(p.unread, s...)
	}
	p.out.Release()
	p.fills++
	p.ended("a fill")
	return more
}

// ended notes what a turn has done.
func (p *peer) ended(what string) {
	p.served, p.woken.Ends = append(p.served[:0], p.woken.Ends...), p.woken.Ends[:0]
	if n := p.e.Units(); n > p.w.most {
		p.w.most = n
		p.w.t.Logf("%s has done %d units", what, n)
	}
}

// read gives the peer's engine what the router has written.
func (p *peer) read() {
	for rest := p.unread; len(rest) > 0 || p.engine.Continues(); {
		n := p.engine.Input(p.w.now, rest)
		events := p.engine.Events()
		for i := range events {
			p.take(&events[i])
		}
		if n == 0 && len(rest) > 0 && !p.engine.Continues() {
			p.w.t.Fatalf("the peer does not take %.40x", rest)
		}
		rest = rest[n:]
	}
	p.unread = p.unread[:0]
}

// take handles an event of the peer's engine.
func (p *peer) take(ev *engine.Event) {
	switch ev.Kind {
	case engine.EventTransfer:
		p.got = append(p.got, arrival{ev.Link, ev.Delivery, string(ev.Payload)})
		if !p.manual && !ev.Settled && !ev.More {
			p.engine.Settle(ev.Delivery, wire.State{Kind: wire.StateAccepted})
		}
	case engine.EventOutcome:
		p.outcomes[ev.State.Kind]++
	case engine.EventDetach:
		p.detached++
		p.engine.Detach(ev.Link, ev.Closed, nil)
	case engine.EventEnd:
		p.engine.End(ev.Session, nil)
	case engine.EventLinkError, engine.EventSessionError, engine.EventDisconnected:
		p.w.t.Fatalf("the router has broken a rule: %v", ev.Err())
	}
}

// leave ends the connection as if its transport had gone. It returns how many turns that took.
func (p *peer) leave() (turns int) {
	p.w.t.Helper()
	for done := false; !done; turns++ {
		if turns > 10_000 {
			p.w.t.Fatal("the connection does not end")
		}
		done = p.e.TearDown(p.w.now, nil, &p.woken)
		p.ended("an end")
	}
	p.chunk.Leave(p.e.Meter)
	p.chunk = nil
	p.e.Discard(&p.out)
	p.w.Put(forwarding.Event{Kind: forwarding.EventConnGone, End: p.e})
	p.e.CloseAccount()
	return turns
}

// limit is what a turn may do at most: its budget, once more for what is written, and one event that was begun.
const limit = 2*forwarding.TurnUnits + forwarding.FanOut + 64

// check fails when a turn has done too much since the last check.
func (w *world) check() {
	w.t.Helper()
	if w.most > limit {
		w.t.Errorf("a turn has done %d units of work, of at most %d", w.most, limit)
	}
	w.most = 0
}

// held is what an endpoint and its user hold.
func held(p *peer) string {
	messages, state := p.e.Holds()
	if a := p.e.Account(); a != nil {
		m, s := a.Held()
		return fmt.Sprint(messages, state, m, s)
	}
	return fmt.Sprint(messages, state)
}
