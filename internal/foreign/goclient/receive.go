package main

import (
	"bufio"
	"context"
	"fmt"
	"os"

	"github.com/Azure/go-amqp"
)

func (c *client) receive(ctx context.Context) error {
	receiver, err := c.session.NewReceiver(ctx, c.address, &amqp.ReceiverOptions{Credit: int32(c.credit)})
	if err != nil {
		return fmt.Errorf("attach receiver: %w", err)
	}
	sayReady(receiver.Address())
	seen := make(map[int]bool)
	highest := -1
	told := c.untilTold(ctx)
	for c.linger || len(seen) < c.count {
		msg, err := receiver.Receive(told, nil)
		if err != nil && c.linger && ctx.Err() == nil && told.Err() != nil {
			return nil
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
		c.result.Count = len(seen)
		c.sayProgress(len(seen))
	}
	return nil
}

// untilTold returns a context which a line on stdin ends, if the client lingers. One goroutine waits for that line, to
// the end of the process.
func (c *client) untilTold(ctx context.Context) context.Context {
	if !c.linger {
		return ctx
	}
	told, tell := context.WithCancel(ctx)
	go func() {
		bufio.NewReader(os.Stdin).ReadString('\n')
		tell()
	}()
	return told
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
	receiver, err := c.session.NewReceiver(ctx, c.address, &amqp.ReceiverOptions{Credit: int32(c.credit)})
	if err != nil {
		return fmt.Errorf("attach receiver: %w", err)
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
