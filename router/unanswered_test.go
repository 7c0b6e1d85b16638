package router

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
)

// storm attaches and detaches receivers until the transport takes no more, without reading an answer. It counts the
// octets that the transport took.
func (p *raw) storm() (taken *atomic.Int64, stop func()) {
	taken = new(atomic.Int64)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; taken.Load() < 256<<20; i++ { // much more than it takes, so that a failure is not endless
			b := amqptest.Encode(nil, &wire.Attach{Name: fmt.Sprint(i), Handle: 1, Role: wire.RoleReceiver,
				Source: &wire.Source{Address: fmt.Sprintf("closest/storm%d", i), HasAddress: true}})
			n, err := p.nc.Write(amqptest.Encode(b, &wire.Detach{Handle: 1, Closed: true}))
			taken.Add(int64(n))
			if err != nil {
				return
			}
		}
	}()
	return taken, func() { p.nc.SetWriteDeadline(time.Unix(1, 0)); <-done }
}

// still waits until a count has not changed for a while.
func still(t *testing.T, why string, count *atomic.Int64) {
	t.Helper()
	before, same := int64(-1), 0
	eventually(t, why, func() error {
		if now := count.Load(); now != before {
			before, same = now, 0
			return fmt.Errorf("it is %d", now)
		}
		if same++; same < 100 {
			return errors.New("it may go on")
		}
		return nil
	})
}

// TestConnectionWithManyUnansweredAttachesIsNotReadFurther stops the control loop, so that nothing is answered. Others
// do not notice.
func TestConnectionWithManyUnansweredAttachesIsNotReadFurther(t *testing.T) {
	t.Parallel()
	r := alone(t).node("A")
	b := watch(t, r)
	p := rawBegin(t, r)
	k := r.control
	k.Mu.Lock()
	unlock := sync.OnceFunc(k.Mu.Unlock)
	defer unlock()
	taken, stop := p.storm()
	still(t, "the transport takes no more", taken)
	r.loop.queue.Lock()
	queued := len(r.loop.queue.events)
	r.loop.queue.Unlock()
	if queued > forwarding.UnansweredMost+10 {
		t.Errorf("%d events wait for the control loop after %d octets", queued, taken.Load())
	}
	b.goesOn(t)
	unlock()
	before := taken.Load()
	go func() { // the answers have to be read for the storm to go on
		for {
			if _, err := p.read(); err != nil {
				return
			}
		}
	}()
	eventually(t, "the connection is read again", func() error {
		if taken.Load() < before+1<<20 {
			return errors.New("it is not")
		}
		return nil
	})
	stop()
	b.goesOn(t)
}

// TestConnectionThatReadsNoAnswersIsNotReadFurther has a peer that only ever asks.
func TestConnectionThatReadsNoAnswersIsNotReadFurther(t *testing.T) {
	t.Parallel()
	r := alone(t).node("A")
	p := rawBegin(t, r)
	taken, stop := p.storm()
	still(t, "the transport takes no more", taken)
	for _, c := range r.endpoints() {
		c.Inbox.Mu.Lock()
		if n := len(c.Inbox.Notes); n > forwarding.UnansweredMost+10 {
			t.Errorf("%d answers wait for a connection that does not read them", n)
		}
		c.Inbox.Mu.Unlock()
	}
	stop()
	p.nc.Close()
	eventually(t, "it is gone when its peer is", func() error { return clientsLeft(r) })
}

// TestRouterStopsWhileAConnectionWaitsForItsAnswers also has the control loop stopped until the stopping has begun.
func TestRouterStopsWhileAConnectionWaitsForItsAnswers(t *testing.T) {
	t.Parallel()
	r := start(t, plan{id: "A", standalone: true}.text())
	p := rawBegin(t, r)
	r.control.Mu.Lock()
	unlock := sync.OnceFunc(r.control.Mu.Unlock)
	defer unlock()
	taken, stop := p.storm()
	still(t, "the transport takes no more", taken)
	done := make(chan struct{})
	go func() { r.Stop(); close(done) }()
	<-r.host.Ctx.Done()
	unlock()
	select {
	case <-done:
	case <-within(t).Done():
		t.Error("the router does not stop")
	}
	stop()
}

func TestInputThatHasStoppedForUnansweredAttachesGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	b := newBenchRoute(t, 100, false)
	c := b.tx
	var octets []byte
	for i := range 2 {
		octets = amqptest.Encode(octets, &wire.Attach{Name: fmt.Sprint("more", i), Handle: uint32(10 + i),
			Role: wire.RoleReceiver, Source: &wire.Source{Address: "q", HasAddress: true}})
	}
	c.Unanswered.Add(forwarding.UnansweredMost)
	used, turn := c.Input(time.Now(), b.chunk, octets, &b.woken)
	if used == 0 || used == len(octets) || turn != forwarding.TurnUnanswered {
		t.Errorf("%d of %d octets used, turn %v", used, len(octets), turn)
	}
	c.Unanswered.Add(-forwarding.UnansweredMost) // as if all were answered before the reader has begun to wait
	c.Unanswered.Wait(nil)
	more, turn := c.Input(time.Now(), b.chunk, octets[used:], &b.woken)
	if used += more; used != len(octets) || turn != forwarding.TurnDone {
		t.Errorf("%d of %d octets used, turn %v", used, len(octets), turn)
	}
}
