package router

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/go-amqp"
)

// crew is a client whose receiver takes messages until a router ends its connection, and goes on at another one.
type crew struct {
	mu       sync.Mutex
	received map[string]int
	forced   atomic.Pointer[amqp.ConnError]
}

// work has a receiver at one router accept what comes, and a receiver at another router when the first one is sent away.
func (w *crew) work(t testing.TB, address string, at, next *Router) {
	t.Helper()
	take := func(m *amqp.Message) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.received[string(m.GetData())]++
	}
	first := connect(t, at).receiver(address, 20)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		for {
			m, err := first.link.Receive(ctx, nil)
			if err != nil {
				var gone *amqp.ConnError
				if errors.As(err, &gone) {
					w.forced.Store(gone)
				}
				break
			}
			take(m)
			first.link.AcceptMessage(ctx, m)
		}
		conn, err := amqp.Dial(ctx, "amqp://"+next.Addr("clients"), nil)
		if err != nil {
			return
		}
		defer conn.Close()
		session, err := conn.NewSession(ctx, nil)
		if err != nil {
			return
		}
		link, err := session.NewReceiver(ctx, address, &amqp.ReceiverOptions{Credit: 20})
		for err == nil {
			var m *amqp.Message
			if m, err = link.Receive(ctx, nil); err == nil {
				take(m)
				err = link.AcceptMessage(ctx, m)
			}
		}
	}()
}

// The consumer is at B, which is also the way between the senders at A and C and itself.
func TestADrainedRouterHandsNothingBack(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	n.add(plan{id: "A"})
	n.add(plan{id: "B", to: n.routers, listeners: "  - {name: named, host: 127.0.0.1, port: 0, failoverUrls: 'other:5673'}"})
	n.add(plan{id: "C", to: n.routers})
	n.converge()
	w := &crew{received: make(map[string]int)}
	w.work(t, "closest/a", n.node("B"), n.node("C"))
	n.consumers("A", "closest/a", 0, 1)
	n.consumers("C", "closest/a", 0, 1)

	var sent atomic.Int32
	enough := make(chan struct{})
	var senders sync.WaitGroup
	for _, id := range []string{"A", "C"} {
		s := connect(t, n.node(id)).sender("closest/a", nil)
		senders.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-enough:
					return
				default:
				}
				state, err := s.link.SendWithReceipt(s.ctx, text("%s%d", id, i), nil)
				if err != nil {
					t.Errorf("%s: %v", id, err)
					return
				}
				sent.Add(1)
				outcome, err := state.Wait(s.ctx)
				if _, ok := outcome.(*amqp.StateAccepted); !ok || err != nil {
					t.Errorf("%s%d: %s, %v", id, i, show(outcome), err)
				}
			}
		})
	}
	eventually(t, "messages flow", func() error { return atLeast(&sent, 100) })
	if err := n.node("B").Drain(t.Context()); err != nil {
		t.Errorf("drain: %v", err)
	}
	n.stop("B")
	so := sent.Load()
	eventually(t, "messages flow to the consumer's next place", func() error { return atLeast(&sent, so+100) })
	close(enough)
	senders.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.received) != int(sent.Load()) {
		t.Errorf("%d messages sent, %d received", sent.Load(), len(w.received))
	}
	for m, times := range w.received {
		if times != 1 {
			t.Errorf("%s received %d times", m, times)
		}
	}
	gone := w.forced.Load()
	if gone == nil || gone.RemoteErr == nil || gone.RemoteErr.Condition != amqp.ErrCondConnectionForced {
		t.Errorf("the consumer's connection ended with %v", gone)
	}
}

func atLeast(n *atomic.Int32, want int32) error {
	if got := n.Load(); got < want {
		return fmt.Errorf("%d messages, not %d", got, want)
	}
	return nil
}

func TestAClientOfADrainedRouterIsToldWhereElseToGo(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	n.add(plan{id: "A", standalone: true,
		listeners: "  - {name: named, host: 127.0.0.1, port: 0, failoverUrls: 'amqps://other:5673, third'}"})
	c := connectWith(t, "amqp://"+n.node("A").Addr("named"), nil)
	r := c.receiver("closest/a", 1)
	if err := n.node("A").Drain(t.Context()); err != nil {
		t.Errorf("drain: %v", err)
	}
	_, err := r.link.Receive(c.ctx, nil)
	var gone *amqp.ConnError
	if !errors.As(err, &gone) || gone.RemoteErr == nil {
		t.Fatalf("the receiver ends with %v", err)
	}
	want := "[map[network-host:other port:5673 scheme:amqps] map[network-host:third port:amqp]]"
	if got := fmt.Sprint(gone.RemoteErr.Info["failover-server-list"]); got != want {
		t.Errorf("other routers: %s, want %s", got, want)
	}
}

// What a client has sent before its credit ends has an outcome before its connection ends, if the consumer gives one.
func TestADrainedRouterWaitsForOutcomes(t *testing.T) {
	t.Parallel()
	n := alone(t)
	c := connect(t, n.node("A"))
	r := c.receiver("closest/a", 10)
	s := c.sender("closest/a", nil)
	receipt := s.begin(text("x"))
	m := r.next()
	drained := make(chan error, 1)
	go func() { drained <- n.node("A").Drain(context.Background()) }()
	eventually(t, "it drains", func() error {
		if !n.node("A").draining.Load() {
			return errors.New("not yet")
		}
		return nil
	})
	r.settle(m)
	wantAccepted(t, "the message", s.outcome(receipt))
	if err := <-drained; err != nil {
		t.Errorf("drain: %v", err)
	}
}

func TestADrainThatEndsEarlySaysWhatIsLeft(t *testing.T) {
	t.Parallel()
	n := alone(t)
	c := connect(t, n.node("A"))
	r := c.receiver("closest/a", 10)
	s := c.sender("closest/a", nil)
	s.begin(text("x"))
	r.next()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := n.node("A").Drain(ctx)
	if err == nil || !strings.Contains(err.Error(), "1 deliveries of clients have no outcome") {
		t.Errorf("drain: %v", err)
	}
}

func TestADrainingRouterTakesNoNewClients(t *testing.T) {
	t.Parallel()
	n := alone(t)
	at := n.node("A").Addr("clients")
	if err := n.node("A").Drain(t.Context()); err != nil {
		t.Errorf("drain: %v", err)
	}
	if _, err := amqp.Dial(within(t), "amqp://"+at, nil); err == nil {
		t.Error("a client was let in")
	}
	if err := n.node("A").alive(t.Context()); !errors.Is(err, errDraining) {
		t.Errorf("health: %v", err)
	}
}
