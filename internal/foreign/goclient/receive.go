package main

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"os"
	"sync/atomic"

	"github.com/Azure/go-amqp"
)

func (c *client) receive(ctx context.Context) error {
	receiver, err := c.newReceiver(ctx)
	if err != nil {
		return err
	}
	sayReady(receiver.Address())
	seen := make(map[int]bool)
	highest := -1
	limit, told := c.obey(ctx, receiver)
	for int64(len(seen)) < limit.Load() {
		msg, err := receiver.Receive(told, nil)
		if err != nil && ctx.Err() == nil && told.Err() != nil {
			told = ctx // the limit is another one now
			continue
		}
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		seq := len(seen)
		if c.show {
			c.result.Messages = append(c.result.Messages, describeMessage(msg))
		} else {
			intact := false
			if seq, intact = sequence(msg); !intact {
				c.result.Corrupt++
			}
			c.result.Bytes += len(msg.GetData())
		}
		if err := settle(ctx, receiver, msg, c.outcomes[seq%len(c.outcomes)], seq); err != nil {
			return fmt.Errorf("settle: %w", err)
		}
		if seen[seq] {
			c.result.Duplicates++
			continue
		}
		if seq < highest {
			c.result.Misordered++
		}
		highest = max(highest, seq)
		seen[seq] = true
		if c.linger {
			c.result.Numbers = append(c.result.Numbers, seq)
		}
		c.result.Count = len(seen)
		c.sayProgress(len(seen))
	}
	return nil
}

// newReceiver attaches a receiver, without credit if the credit is 0.
func (c *client) newReceiver(ctx context.Context) (*amqp.Receiver, error) {
	credit := int32(c.credit)
	if credit == 0 {
		credit = -1
	}
	receiver, err := c.session.NewReceiver(ctx, c.address, &amqp.ReceiverOptions{
		Credit: credit, SourceCapabilities: c.capabilities(),
	})
	if err != nil {
		return nil, fmt.Errorf("attach receiver: %w", err)
	}
	return receiver, nil
}

// obey returns the number of messages after which a receiver ends, and a context that ends when the number has changed.
// If the client lingers, one goroutine obeys the lines of stdin, to the end of the process.
func (c *client) obey(ctx context.Context, receiver *amqp.Receiver) (*atomic.Int64, context.Context) {
	limit := new(atomic.Int64)
	limit.Store(int64(c.count))
	if !c.linger {
		return limit, ctx
	}
	limit.Store(math.MaxInt64)
	told, tell := context.WithCancel(ctx)
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			var order string
			var number int64
			if _, err := fmt.Sscan(lines.Text(), &order, &number); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
			switch order {
			case "credit":
				if err := receiver.IssueCredit(uint32(number)); err != nil {
					fmt.Fprintln(os.Stderr, err)
				}
			case "end":
				limit.Store(number)
				tell()
			}
		}
	}()
	return limit, told
}

// settle gives one outcome of the command line's --outcome list. On a pre-settled message it does nothing.
func settle(ctx context.Context, receiver *amqp.Receiver, msg *amqp.Message, outcome string, seq int) error {
	switch outcome {
	case "accept":
		return receiver.AcceptMessage(ctx, msg)
	case "release":
		return receiver.ReleaseMessage(ctx, msg)
	case "reject":
		return receiver.RejectMessage(ctx, msg, &amqp.Error{
			Condition: "foreign:refused", Description: fmt.Sprintf("message %d refused", seq),
		})
	case "reject-info":
		return receiver.RejectMessage(ctx, msg, &amqp.Error{
			Condition: "foreign:refused", Description: "see info", Info: map[string]any{"foreign-seq": uint32(seq)},
		})
	case "modify-all":
		return receiver.ModifyMessage(ctx, msg, &amqp.ModifyMessageOptions{
			DeliveryFailed: true, UndeliverableHere: true,
			Annotations: amqp.Annotations{"x-opt-list": []any{"a", true}, "x-opt-seq": uint32(seq)},
		})
	case "modify-failed":
		return receiver.ModifyMessage(ctx, msg, &amqp.ModifyMessageOptions{DeliveryFailed: true})
	case "modify-undeliverable":
		return receiver.ModifyMessage(ctx, msg, &amqp.ModifyMessageOptions{
			UndeliverableHere: true,
			Annotations:       amqp.Annotations{"x-opt-foreign": fmt.Sprintf("message %d", seq)},
		})
	}
	return fmt.Errorf("unknown outcome %q", outcome)
}

func (c *client) request(ctx context.Context) error {
	receiver, err := c.session.NewReceiver(ctx, "", &amqp.ReceiverOptions{DynamicAddress: true})
	if err != nil {
		return fmt.Errorf("attach dynamic receiver: %w", err)
	}
	sayReady(receiver.Address())
	sender, err := c.session.NewSender(ctx, c.address, nil)
	if err != nil {
		return fmt.Errorf("attach sender: %w", err)
	}
	answered := make(map[any]bool)
	for seq := range c.count {
		msg := c.numbered(seq)
		msg.Properties.ReplyTo = new(receiver.Address())
		msg.Properties.CorrelationID = uint64(seq)
		receipt, err := sender.SendWithReceipt(ctx, msg, nil)
		if err != nil {
			return fmt.Errorf("send request %d: %w", seq, err)
		}
		reply, err := receiver.Receive(ctx, nil)
		if err != nil {
			return fmt.Errorf("receive reply %d: %w", seq, err)
		}
		if err := receiver.AcceptMessage(ctx, reply); err != nil {
			return fmt.Errorf("accept reply %d: %w", seq, err)
		}
		if _, err := receipt.Wait(ctx); err != nil { // the responder may settle the request only after its reply
			return fmt.Errorf("outcome of request %d: %w", seq, err)
		}
		number, intact := sequence(reply)
		if reply.Properties == nil || reply.Properties.CorrelationID != uint64(number) || !intact {
			c.result.Corrupt++
		}
		answered[number] = true
		c.result.Count = len(answered)
	}
	return nil
}

func (c *client) respond(ctx context.Context) error {
	receiver, err := c.newReceiver(ctx)
	if err != nil {
		return err
	}
	sender, err := c.session.NewSender(ctx, "", nil)
	if err != nil {
		return fmt.Errorf("attach anonymous sender: %w", err)
	}
	sayReady(receiver.Address())
	for c.result.Count < c.count {
		msg, err := receiver.Receive(ctx, nil)
		if err != nil {
			return fmt.Errorf("receive request: %w", err)
		}
		reply := &amqp.Message{Data: msg.Data, ApplicationProperties: msg.ApplicationProperties}
		reply.Properties = &amqp.MessageProperties{
			To: msg.Properties.ReplyTo, CorrelationID: msg.Properties.CorrelationID,
		}
		if err := sender.Send(ctx, reply, nil); err != nil {
			return fmt.Errorf("send reply: %w", err)
		}
		if err := receiver.AcceptMessage(ctx, msg); err != nil {
			return fmt.Errorf("accept request: %w", err)
		}
		c.result.Count++
	}
	return nil
}

// relay does what a broker does: it takes messages, stores them, and sends them to the same address.
func (c *client) relay(ctx context.Context) error {
	receiver, err := c.newReceiver(ctx)
	if err != nil {
		return err
	}
	sender, err := c.session.NewSender(ctx, c.address, &amqp.SenderOptions{TargetCapabilities: c.capabilities()})
	if err != nil {
		return fmt.Errorf("attach sender: %w", err)
	}
	sayReady(receiver.Address())
	stored := make([]*amqp.Message, c.count)
	for i := range stored {
		if stored[i], err = receiver.Receive(ctx, nil); err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		if err := receiver.AcceptMessage(ctx, stored[i]); err != nil {
			return fmt.Errorf("accept: %w", err)
		}
	}
	for _, msg := range stored {
		msg = &amqp.Message{Data: msg.Data, ApplicationProperties: msg.ApplicationProperties}
		if err := sender.Send(ctx, msg, nil); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		c.result.Count++
	}
	return nil
}
