package router

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/go-amqp"
)

// bystander is a client that exchanges messages with itself all the while something happens to others. When its test
// ends, it must not have noticed anything.
type bystander struct {
	exchanged atomic.Int64
}

// patience is how long a bystander's message may take on a busy machine.
const patience = 10 * time.Second

// watch starts a bystander of a router.
func watch(t testing.TB, r *Router) *bystander {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b := new(bystander)
	c := connect(t, r)
	receiver := c.receiver("closest/bystander", 10)
	sender := c.sender("closest/bystander", nil)
	done := make(chan error, 1)
	go func() {
		for ctx.Err() == nil {
			if err := b.once(sender.link, receiver.link); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("a bystander noticed something after %d messages: %v", b.exchanged.Load(), err)
		}
	})
	b.goesOn(t)
	return b
}

// once exchanges one message.
func (b *bystander) once(s *amqp.Sender, r *amqp.Receiver) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	receipt, err := s.SendWithReceipt(ctx, text("bystander"), nil)
	if err != nil {
		return err
	}
	m, err := r.Receive(ctx, nil)
	if err != nil {
		return err
	}
	if err := r.AcceptMessage(ctx, m); err != nil {
		return err
	}
	if _, err := receipt.Wait(ctx); err != nil {
		return err
	}
	b.exchanged.Add(1)
	return nil
}

// goesOn waits until two more messages were exchanged: the second one has begun after the call.
func (b *bystander) goesOn(t testing.TB) {
	t.Helper()
	before := b.exchanged.Load()
	eventually(t, "the bystander goes on", func() error {
		if b.exchanged.Load() < before+2 {
			return context.DeadlineExceeded
		}
		return nil
	})
}
