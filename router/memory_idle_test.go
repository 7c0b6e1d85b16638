package router

import (
	"fmt"
	"testing"
	"time"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/router/forwarding"
)

// busy sends messages from one connection to another and back to rest, in batches.
func busy(p, q *raw, batches int) {
	p.t.Helper()
	const each = 200
	for range batches {
		var all []any
		first := p.next
		for range each {
			all = append(all, transfer(p.first(0), body("%s", make([]byte, 1000))))
		}
		p.send(all...)
		for range each {
			q.settle(q.receive(0).DeliveryID, forwarding.Accepted)
		}
		for id := range uint32(each) {
			p.wantOutcome("a message", first+id, forwarding.Accepted.Kind)
		}
		p.queue = nil
	}
}

// TestAConnectionThatIsIdleGivesBackWhatABurstHasLeft calls what the control loop calls every five seconds.
func TestAConnectionThatIsIdleGivesBackWhatABurstHasLeft(t *testing.T) {
	t.Parallel()
	r := alone(t).node("A")
	q, p := rawBegin(t, r), rawBegin(t, r)
	q.attachReceiver(0, "closest/x", 1000)
	p.attachSender(0, "closest/x")
	kept := func() (n int) {
		for _, c := range r.host.Conns() {
			c.Output.Mu.Lock()
			e := c.E
			e.Mu.Lock()
			n += e.Deliveries.Spare + cap(e.Deliveries.In) + cap(e.Deliveries.Out) + cap(e.Notes) + cap(e.OtherNotes)
			e.Mu.Unlock()
			c.Output.Mu.Unlock()
		}
		return n
	}
	for range 2 { // what was given back is taken again
		busy(p, q, 1)
		for _, c := range r.host.Conns() {
			c.Idle(time.Now())
		}
		if kept() == 0 {
			t.Fatal("busy connections have nothing ready for the next message")
		}
		for _, c := range r.host.Conns() {
			c.Idle(time.Now().Add(2 * forwarding.IdleAfter))
		}
		if n := kept(); n != 0 {
			t.Errorf("idle connections keep room for %d things", n)
		}
	}
	if r.plane.Overload.Surplus.Given.Load() < 100<<10 {
		t.Errorf("%d octets were given back", r.plane.Overload.Surplus.Given.Load())
	}
}

// TestAConnectionThatWaitsHasNoBuffer is not parallel: it counts the buffers of the process.
func TestAConnectionThatWaitsHasNoBuffer(t *testing.T) {
	r := alone(t).node("A")
	before := buf.Outstanding()
	q, p := rawBegin(t, r), rawBegin(t, r)
	q.attachReceiver(0, "closest/x", 1000)
	p.attachSender(0, "closest/x")
	busy(p, q, 3)
	eventually(t, "all buffers are given back", func() error {
		if n := buf.Outstanding() - before; n > 0 {
			return fmt.Errorf("%d are in use", n)
		}
		return nil
	})
}

func TestMemoryIsGivenBackToTheSystemOnlyAfterMuchWasGivenBack(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := &forwarding.Surplus{}
	if s.Due(now) {
		t.Error("nothing was given back")
	}
	s.Given.Store(forwarding.WorthGivingBack)
	for i := range forwarding.GiveTimes {
		if !s.Due(now) {
			t.Errorf("not for the time %d", i+1)
		}
		if s.Due(now.Add(forwarding.GivePause - 1)) {
			t.Error("again at once")
		}
		now = now.Add(forwarding.GivePause)
	}
	if s.Due(now) {
		t.Error("more often than it makes sense")
	}
}
