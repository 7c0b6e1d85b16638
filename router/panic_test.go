package router

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/Azure/go-amqp"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/router/forwarding"
)

// breakOnce has a router panic once at a point, in what it does for one connection (any for nil).
func breakOnce(r *Router, at forwarding.PanicPoint, whose *forwarding.Endpoint) {
	var done atomic.Bool
	hook := func(now forwarding.PanicPoint, c *forwarding.Endpoint) {
		if now == at && (whose == nil || c == whose) && done.CompareAndSwap(false, true) {
			panic("a test's")
		}
	}
	r.plane.Hook.Store(&hook)
}

// connOf finds a connection by its peer's container-id.
func connOf(t *testing.T, r *Router, id string) *forwarding.Endpoint {
	t.Helper()
	for _, c := range r.endpoints() {
		c.Mu.Lock()
		is := c.Near.ID == id
		c.Mu.Unlock()
		if is {
			return c
		}
	}
	t.Fatalf("no connection of %s", id)
	return nil
}

// rawVictim is rawBegin for a peer that connOf finds as "victim".
func rawVictim(t *testing.T, r *Router) *raw {
	t.Helper()
	p := rawOpen(t, r, &wire.Open{ContainerID: "victim", MaxFrameSize: 64 << 10, ChannelMax: 100})
	p.begin(0)
	return p
}

// wantPanics checks the counter and the log.
func wantPanics(t *testing.T, r *Router, count int) {
	t.Helper()
	if got := r.view.Snapshot().ConnectionPanics; got != uint64(count) {
		t.Errorf("%d panics are counted, not %d", got, count)
	}
	logged := 0
	for _, e := range r.host.Logs.Recent(1000) {
		if e.Level == logging.LevelCritical && strings.Contains(e.Text, "a test's") && strings.Contains(e.Text, "panic_test.go") {
			logged++
		}
	}
	if logged != count {
		t.Errorf("%d panics are logged with their stack, not %d", logged, count)
	}
}

// TestPanicEndsOneConnection has a panic in each of the goroutines that serve a connection. The consumer at its other
// end has taken a message, another waits for it, and a third is given to it when it is too late.
func TestPanicEndsOneConnection(t *testing.T) {
	t.Parallel()
	echo := &wire.Flow{NextIncomingID: 1, HasNextIncomingID: true, IncomingWindow: 9, OutgoingWindow: 9, Echo: true}
	for name, c := range map[string]struct {
		at    forwarding.PanicPoint
		cause func(*raw, *forwarding.Endpoint)
		mute  bool // half a frame may have been written: the peer hears nothing
	}{
		"of a reader": {at: forwarding.AtInput, cause: func(p *raw, _ *forwarding.Endpoint) { p.send(echo) }},
		"of a writer": {at: forwarding.AtNotes, cause: func(_ *raw, c *forwarding.Endpoint) {
			c.Inbox.Put(forwarding.Note{Kind: forwarding.NoteDetach, Link: &forwarding.Link{ID: engine.None}})
			c.Driver.Poke()
		}},
		"while writing": {at: forwarding.AtWrite, cause: func(p *raw, _ *forwarding.Endpoint) { p.send(echo) }, mute: true},
		"of a timer":    {at: forwarding.AtTick, cause: func(_ *raw, c *forwarding.Endpoint) { driverOf(c).Tick() }},
		"in passing":    {at: forwarding.AtNotes, cause: nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := alone(t).node("A")
			b := watch(t, r)
			p := rawVictim(t, r)
			p.attachReceiver(0, "closest/x", 1)
			s := connect(t, r).sender("closest/x", nil)
			offered := s.begin(text("offered"))
			p.receive(0)
			queued := s.begin(text("queued"))
			eventually(t, "it waits", func() error { return r.waitingFor("closest/x") })
			victim := connOf(t, r, "victim")
			breakOnce(r, c.at, victim)
			var late amqp.SendReceipt
			if c.cause == nil { // the sender's reader brings the next message to the consumer's connection
				late = s.begin(text("late"))
			} else {
				c.cause(p, victim)
			}
			if c.mute {
				p.wantEnd(name)
			} else {
				p.wantClose(name, wire.ErrInternal)
			}
			wantInDoubt(t, "what was offered", s.outcome(offered))
			wantReleased(t, "what was queued", s.outcome(queued))
			if c.cause == nil {
				wantReleased(t, "what came with the panic", s.outcome(late))
			}
			eventually(t, "the connection is gone", func() error {
				for _, c := range r.endpoints() {
					if c == victim {
						return errors.New("it is not")
					}
				}
				return nil
			})
			b.goesOn(t)
			wantPanics(t, r, 1)
			exchange(t, s, connect(t, r).receiver("closest/x", 10), 10)
		})
	}
}

// TestPanicOfTheControlLoopEndsOneEvent also shows that the one who asked hears of it.
func TestPanicOfTheControlLoopEndsOneEvent(t *testing.T) {
	t.Parallel()
	r := alone(t).node("A")
	b := watch(t, r)
	p := rawVictim(t, r)
	p.attachReceiver(1, "closest/y", 0) // the control loop knows of the connection
	breakOnce(r, forwarding.AtEvent, connOf(t, r, "victim"))
	p.send(&wire.Attach{Name: "x", Handle: 7, Role: wire.RoleReceiver,
		Source: &wire.Source{Address: "closest/x", HasAddress: true}})
	p.attached(7)
	p.wantDetach("the attach cannot be answered", 7, wire.ErrInternal)
	p.attachReceiver(0, "closest/x", 10)
	p.lives()
	b.goesOn(t)
	wantPanics(t, r, 1)
}

func TestPanicOfTheAgentRejectsOneRequest(t *testing.T) {
	t.Parallel()
	r := alone(t).node("A")
	b := watch(t, r)
	s := connect(t, r).sender("$management", nil)
	breakOnce(r, forwarding.AtRequest, nil)
	state, ok := s.send(text("x")).(*amqp.StateRejected)
	if !ok || state.Error == nil || state.Error.Condition != amqp.ErrCondInternalError {
		t.Errorf("the request that the agent panics with is %v", state)
	}
	if rows := connect(t, r).manager().query("$management", "connection"); len(rows) == 0 {
		t.Error("the agent shows no connections")
	}
	b.goesOn(t)
	wantPanics(t, r, 1)
}

// TestPanicInAHandshakeEndsTheConnection has one before the connection has an engine.
func TestPanicInAHandshakeEndsTheConnection(t *testing.T) {
	t.Parallel()
	r := alone(t).node("A")
	b := watch(t, r)
	breakOnce(r, forwarding.AtBegin, nil)
	p := rawTo(t, r.Addr("clients"))
	p.wantEnd("the connection is closed")
	rawBegin(t, r).sessionLives()
	b.goesOn(t)
	wantPanics(t, r, 1)
}
