package message

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/Azure/go-amqp"

	"github.com/postroad/postroad/cmd/postroad/output"
	"github.com/postroad/postroad/internal/goamqp"
	"github.com/postroad/postroad/internal/wait"
)

// interruptedAfter is the error of work that was ended by a signal.
func interruptedAfter(n, total int, verb string) error {
	if total > 0 {
		return fmt.Errorf("interrupted: %d of %d messages %s", n, total, verb)
	}
	return fmt.Errorf("interrupted: %s %s", output.Count(uint64(n), "message"), verb)
}

// linkName returns a name for a link that no other client uses.
func linkName(verb string) string { return fmt.Sprintf("postroad-%s-%08x", verb, rand.Uint32()) }

// attachReceiver begins a session and attaches a receiving link.
func attachReceiver(ctx context.Context, conn *amqp.Conn, address string, options *amqp.ReceiverOptions,
	limit time.Duration,
) (*amqp.Receiver, error) {
	ctx, cancel := wait.Limit(ctx, limit, "the router did not answer the attach to %q", address)
	defer cancel()
	session, err := conn.NewSession(ctx, nil)
	if err != nil {
		return nil, wait.Cause(ctx, goamqp.Explain(err))
	}
	link, err := session.NewReceiver(ctx, address, options)
	if err != nil {
		return nil, fmt.Errorf("attaching to %q: %w", address, wait.Cause(ctx, goamqp.Explain(err)))
	}
	return link, nil
}

// deliver sends one message and fails unless it is accepted.
func deliver(ctx context.Context, conn *amqp.Conn, address string, m *amqp.Message) error {
	session, err := conn.NewSession(ctx, nil)
	if err != nil {
		return wait.Cause(ctx, goamqp.Explain(err))
	}
	link, err := session.NewSender(ctx, address, &amqp.SenderOptions{Name: linkName("request")})
	if err != nil {
		return fmt.Errorf("attaching to %q: %w", address, wait.Cause(ctx, goamqp.Explain(err)))
	}
	receipt, err := link.SendWithReceipt(ctx, m, nil)
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("no credit to send to %q: nobody consumes from it, or whoever does is busy: %w", address,
				context.Cause(ctx))
		}
		return fmt.Errorf("sending to %q: %w", address, goamqp.Explain(err))
	}
	state, err := receipt.Wait(ctx)
	if err != nil {
		return fmt.Errorf("the request got no outcome: %w", wait.Cause(ctx, goamqp.Explain(err)))
	}
	switch state := state.(type) {
	case *amqp.StateRejected:
		return fmt.Errorf("the request was rejected: %s", goamqp.Reason(state.Error))
	case *amqp.StateReleased:
		return errors.New("the request was released: no consumer took it")
	case *amqp.StateModified:
		return fmt.Errorf("the request was modified: delivery failed %v, undeliverable here %v", state.DeliveryFailed,
			state.UndeliverableHere)
	}
	return nil
}
