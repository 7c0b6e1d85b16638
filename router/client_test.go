package router

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/Azure/go-amqp"
)

// client is one connection of go-amqp with one session. It is closed when the test ends.
type client struct {
	t       testing.TB
	ctx     context.Context
	conn    *amqp.Conn
	session *amqp.Session
}

// connect connects a client to a router's listener for clients.
func connect(t testing.TB, r *Router) *client {
	t.Helper()
	return connectWith(t, "amqp://"+r.Addr("clients"), nil)
}

func connectWith(t testing.TB, url string, o *amqp.ConnOptions) *client {
	t.Helper()
	ctx := within(t)
	conn, err := amqp.Dial(ctx, url, o)
	if err != nil {
		t.Fatalf("connect to %s: %v", url, err)
	}
	t.Cleanup(func() { conn.Close() })
	session, err := conn.NewSession(ctx, nil)
	if err != nil {
		t.Fatalf("begin: %v", err)
	}
	return &client{t, ctx, conn, session}
}

// sender attaches a sender.
func (c *client) sender(address string, o *amqp.SenderOptions) *sender {
	c.t.Helper()
	s, err := c.session.NewSender(c.ctx, address, o)
	if err != nil {
		c.t.Fatalf("attach a sender to %q: %v", address, err)
	}
	return &sender{c, s}
}

// receiver attaches a receiver; credit -1 leaves it to the test.
func (c *client) receiver(address string, credit int32) *receiver {
	c.t.Helper()
	return c.receiverWith(address, &amqp.ReceiverOptions{Credit: credit})
}

func (c *client) receiverWith(address string, o *amqp.ReceiverOptions) *receiver {
	c.t.Helper()
	r, err := c.session.NewReceiver(c.ctx, address, o)
	if err != nil {
		c.t.Fatalf("attach a receiver to %q: %v", address, err)
	}
	return &receiver{c, r}
}

// sender is a sender of a client.
type sender struct {
	*client
	link *amqp.Sender
}

// begin sends a message unsettled and returns without its outcome.
func (s *sender) begin(m *amqp.Message) amqp.SendReceipt {
	s.t.Helper()
	receipt, err := s.link.SendWithReceipt(s.ctx, m, nil)
	if err != nil {
		s.t.Fatalf("send: %v", err)
	}
	return receipt
}

// outcome waits for the outcome of a message.
func (s *sender) outcome(receipt amqp.SendReceipt) amqp.DeliveryState {
	s.t.Helper()
	state, err := receipt.Wait(s.ctx)
	if err != nil {
		s.t.Fatalf("wait for the outcome: %v", err)
	}
	return state
}

// send sends a message unsettled and returns its outcome.
func (s *sender) send(m *amqp.Message) amqp.DeliveryState {
	s.t.Helper()
	return s.outcome(s.begin(m))
}

// settled sends a pre-settled message.
func (s *sender) settled(m *amqp.Message) {
	s.t.Helper()
	if err := s.link.Send(s.ctx, m, &amqp.SendOptions{Settled: true}); err != nil {
		s.t.Fatalf("send pre-settled: %v", err)
	}
}

// wantAccepted fails the test unless an outcome is accepted.
func wantAccepted(t testing.TB, what string, state amqp.DeliveryState) {
	t.Helper()
	if _, ok := state.(*amqp.StateAccepted); !ok {
		t.Fatalf("%s: the outcome is %s, want accepted", what, shown(state))
	}
}

// wantReleased fails the test unless an outcome is released.
func wantReleased(t testing.TB, what string, state amqp.DeliveryState) {
	t.Helper()
	if _, ok := state.(*amqp.StateReleased); !ok {
		t.Fatalf("%s: the outcome is %s, want released", what, shown(state))
	}
}

// wantInDoubt fails the test unless an outcome is modified with delivery-failed.
func wantInDoubt(t testing.TB, what string, state amqp.DeliveryState) {
	t.Helper()
	if m, ok := state.(*amqp.StateModified); !ok || !m.DeliveryFailed || m.UndeliverableHere {
		t.Fatalf("%s: the outcome is %s, want modified with delivery-failed", what, shown(state))
	}
}

func shown(state amqp.DeliveryState) string {
	switch s := state.(type) {
	case *amqp.StateRejected:
		return fmt.Sprintf("rejected (%v)", s.Error)
	case *amqp.StateModified:
		return fmt.Sprintf("modified %+v", *s)
	default:
		return strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", s), "*encoding.State"))
	}
}

// receiver is a receiver of a client.
type receiver struct {
	*client
	link *amqp.Receiver
}

// next receives one message and leaves it unsettled.
func (r *receiver) next() *amqp.Message {
	r.t.Helper()
	m, err := r.link.Receive(r.ctx, nil)
	if err != nil {
		r.t.Fatalf("receive: %v", err)
	}
	return m
}

// accept receives one message and accepts it.
func (r *receiver) accept() *amqp.Message {
	r.t.Helper()
	m := r.next()
	r.settle(m)
	return m
}

func (r *receiver) settle(m *amqp.Message) {
	r.t.Helper()
	if err := r.link.AcceptMessage(r.ctx, m); err != nil {
		r.t.Fatalf("accept: %v", err)
	}
}

// none fails the test when a message has arrived already. Call it when nothing can be on its way any more.
func (r *receiver) none(why string) {
	r.t.Helper()
	if m := r.link.Prefetched(); m != nil {
		r.t.Errorf("%s: received %q", why, m.GetData())
	}
}

// detach closes the receiver.
func (r *receiver) detach() {
	r.t.Helper()
	if err := r.link.Close(r.ctx); err != nil {
		r.t.Fatalf("detach: %v", err)
	}
}

// consume accepts everything that a receiver gets, in a goroutine, until its link or connection ends; f may be nil.
func (r *receiver) consume(f func(*amqp.Message)) {
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	r.t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		for {
			m, err := r.link.Receive(ctx, nil)
			if err != nil {
				return
			}
			if f != nil {
				f(m)
			}
			if r.link.AcceptMessage(ctx, m) != nil {
				return
			}
		}
	}()
}

func text(format string, args ...any) *amqp.Message {
	return amqp.NewMessage(fmt.Appendf(nil, format, args...))
}

func to(address string, m *amqp.Message) *amqp.Message {
	if m.Properties == nil {
		m.Properties = &amqp.MessageProperties{}
	}
	m.Properties.To = &address
	return m
}

func ptr[T any](v T) *T { return &v }
