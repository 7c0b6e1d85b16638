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
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/control"
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
					t.Errorf("%s%d: %s, %v", id, i, shown(outcome), err)
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
		if !n.node("A").host.Draining.Load() {
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

// idleReceiver attaches a receiver that gives no credit.
func (c *client) idleReceiver(address string) {
	c.receiverWith(address, &amqp.ReceiverOptions{Credit: -1})
}

// heard waits for an outcome from now on: go-amqp may forget one that nobody waits for when the connection ends.
func (s *sender) heard(receipt amqp.SendReceipt) <-chan amqp.DeliveryState {
	heard := make(chan amqp.DeliveryState, 1)
	go func() {
		state, err := receipt.Wait(s.ctx)
		if err != nil {
			s.t.Errorf("wait for the outcome: %v", err)
		}
		heard <- state
	}()
	return heard
}

// TestAConsumerThatTakesNothingDoesNotHoldUpADrain: what is queued for it comes back, and its sender hears it.
func TestAConsumerThatTakesNothingDoesNotHoldUpADrain(t *testing.T) {
	t.Parallel()
	r := newNetwork(t).add(plan{id: "A", standalone: true, router: "drainTimeoutSeconds: 3600, rerouteHoldMilliseconds: 0"})
	connect(t, r).idleReceiver("closest/a")
	s := connect(t, r).sender("closest/a", nil)
	outcome := s.heard(s.begin(text("x")))
	if err := r.Drain(within(t)); err != nil {
		t.Errorf("drain: %v", err)
	}
	wantReleased(t, "the message", <-outcome)
}

// TestWhatAConsumerDoesNotTakeGoesElsewhereInADrain: nothing comes back while others consume.
func TestWhatAConsumerDoesNotTakeGoesElsewhereInADrain(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	a := n.add(plan{id: "A", router: "drainTimeoutSeconds: 3600"})
	b := n.add(plan{id: "B", to: n.routers})
	n.converge()
	connect(t, a).idleReceiver("closest/a")
	r := connect(t, b).receiver("closest/a", 10)
	n.consumers("A", "closest/a", 1, 1)
	s := connect(t, a).sender("closest/a", nil)
	receipts := []amqp.SendReceipt{s.begin(text("x")), s.begin(text("y"))}
	drained := make(chan error, 1)
	go func() { drained <- a.Drain(within(t)) }()
	for _, receipt := range receipts {
		r.accept()
		wantAccepted(t, "a message", s.outcome(receipt))
	}
	if err := <-drained; err != nil {
		t.Errorf("drain: %v", err)
	}
}

// TestASenderHearsWhatBecameOfItsMessagesWhenADrainEndsEarly: of what a consumer has, and of what waits for it; also on
// the connection of the consumer.
func TestASenderHearsWhatBecameOfItsMessagesWhenADrainEndsEarly(t *testing.T) {
	t.Parallel()
	for what, same := range map[string]bool{"connections of their own": false, "the same connection": true} {
		r := alone(t).node("A")
		consumer := connect(t, r)
		sender := consumer
		if !same {
			sender = connect(t, r)
		}
		taking := consumer.receiver("closest/taken", 10)
		consumer.idleReceiver("closest/queued")
		one, two := sender.sender("closest/taken", nil), sender.sender("closest/queued", nil)
		taken, queued := one.heard(one.begin(text("x"))), two.heard(two.begin(text("y")))
		taking.next()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := r.Drain(ctx); err == nil || !strings.Contains(err.Error(), "2 deliveries of clients have no outcome") {
			t.Errorf("%s: drain: %v", what, err)
		}
		cancel()
		wantInDoubt(t, what+": what the consumer has", <-taken)
		wantReleased(t, what+": what waits for it", <-queued)
	}
}

// TestADrainingRouterTellsWhatItWaitsFor: also to a client of its own.
func TestADrainingRouterTellsWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	r := newNetwork(t).add(plan{id: "A", standalone: true, router: "drainTimeoutSeconds: 3600"})
	c := connect(t, r)
	receiver, s := c.receiver("closest/a", 10), c.sender("closest/a", nil)
	m := connect(t, r).managerAt("$management")
	if row := m.query("$management", "router")[0]; row["drainStep"] != nil || row["drainDeliveries"] != nil {
		t.Errorf("a router that does not drain says %v", row)
	}
	outcome := s.heard(s.begin(text("x")))
	message := receiver.next()
	drained := make(chan error, 1)
	go func() { drained <- r.Drain(within(t)) }()
	eventually(t, "it tells what it waits for", func() error {
		row := m.query("$management", "router")[0]
		if row["drainStep"] != "senders" || row["drainDeliveries"] != uint64(1) || row["drainClients"] != uint64(2) {
			return fmt.Errorf("it waits for %v, of %v deliveries, %v senders, %v clients", row["drainStep"],
				row["drainDeliveries"], row["drainSenders"], row["drainClients"])
		}
		return nil
	})
	receiver.settle(message)
	wantAccepted(t, "the message", <-outcome)
	if err := <-drained; err != nil {
		t.Errorf("drain: %v", err)
	}
}

// TestWhatARouterSaysLastIsSentBeforeItsClose has a connection take a control message, as that which says that a router
// leaves, and its close at once.
func TestWhatARouterSaysLastIsSentBeforeItsClose(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	a := n.add(plan{id: "A"})
	p := neighbor(t, a, "X")
	want[*wire.Transfer](p, "a HELLO")
	c := connOf(t, a, "X")
	func() {
		c.Mu.Lock()
		defer c.Mu.Unlock()
		change(a, func(k *control.Control) {
			k.Voice.SendControl(time.Now(), c.Neighbor, []byte("\x00\x53\x77\xa1\x03bye"), &k.Wakes)
		})
		c.Close(c.Forced("the end"))
	}()
	for {
		f := wantFrame[*wire.Transfer](p, "the last message")
		if strings.HasSuffix(string(f.Payload), "bye") {
			break
		}
	}
	want[*wire.Close](p, "the close")
}
