package router

import (
	"fmt"
	"testing"
	"time"

	"github.com/postroad/postroad/internal/amqp/buf"
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
			q.settle(q.receive(0).DeliveryID, accepted)
		}
		for id := range uint32(each) {
			p.wantOutcome("a message", first+id, accepted.Kind)
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
		for _, c := range r.host.conns() {
			c.output.mu.Lock()
			e := c.e
			e.mu.Lock()
			n += e.deliveries.spare + cap(e.deliveries.in) + cap(e.deliveries.out) + cap(e.notes) + cap(e.otherNotes) + cap(c.output.notes)
			e.mu.Unlock()
			c.output.mu.Unlock()
		}
		return n
	}
	for range 2 { // what was given back is taken again
		busy(p, q, 1)
		for _, c := range r.host.conns() {
			c.idle(time.Now())
		}
		if kept() == 0 {
			t.Fatal("busy connections have nothing ready for the next message")
		}
		for _, c := range r.host.conns() {
			c.idle(time.Now().Add(2 * idleAfter))
		}
		if n := kept(); n != 0 {
			t.Errorf("idle connections keep room for %d things", n)
		}
	}
	if r.plane.overload.surplus.given.Load() < 100<<10 {
		t.Errorf("%d octets were given back", r.plane.overload.surplus.given.Load())
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
	s := &surplus{}
	if s.due(now) {
		t.Error("nothing was given back")
	}
	s.given.Store(worthGivingBack)
	for i := range giveTimes {
		if !s.due(now) {
			t.Errorf("not for the time %d", i+1)
		}
		if s.due(now.Add(givePause - 1)) {
			t.Error("again at once")
		}
		now = now.Add(givePause)
	}
	if s.due(now) {
		t.Error("more often than it makes sense")
	}
}
