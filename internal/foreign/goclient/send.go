package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/Azure/go-amqp"
)

// window is the number of deliveries which a sender leaves unsettled at a time.
const window = 256

// settlement is what became of message seq.
type settlement struct {
	seq   int
	state amqp.DeliveryState
	err   error
}

func (c *client) send(ctx context.Context) error {
	messages, err := c.messages()
	if err != nil {
		return err
	}
	// Not "settled" and "unsettled": go-amqp insists on the mode it asked for, and Interconnect always answers "mixed".
	mode := amqp.SenderSettleModeMixed
	target := c.address
	if c.anonymous {
		target = ""
	}
	sender, err := c.session.NewSender(ctx, target, &amqp.SenderOptions{
		SettlementMode: &mode, TargetCapabilities: c.capabilities(),
	})
	if err != nil {
		return fmt.Errorf("attach sender: %w", err)
	}
	c.result.Outcomes = make(map[string]int)
	if c.presettled {
		return c.sendSettled(ctx, sender, messages)
	}
	return c.sendUnsettled(ctx, sender, messages)
}

// messages returns a function that makes message seq, and sets the count when the messages come from a file.
func (c *client) messages() (func(seq int) (*amqp.Message, error), error) {
	given := [][]string(nil)
	if c.values != "" {
		var err error
		if given, err = readMessages(c.values); err != nil {
			return nil, err
		}
		c.count = len(given)
	}
	return func(seq int) (*amqp.Message, error) {
		msg, err := c.numbered(seq), error(nil)
		if given != nil {
			msg, err = buildMessage(given[seq])
		}
		if err == nil && c.anonymous {
			msg.Properties.To = &c.address
		}
		return msg, err
	}, nil
}

func (c *client) sendSettled(ctx context.Context, sender *amqp.Sender, message func(int) (*amqp.Message, error)) error {
	for seq := range c.count {
		msg, err := message(seq)
		if err != nil {
			return err
		}
		if err := sender.Send(ctx, msg, &amqp.SendOptions{Settled: true}); err != nil {
			return fmt.Errorf("send message %d: %w", seq, err)
		}
		c.result.Count++
		c.result.Outcomes["presettled"]++
		c.sayProgress(c.result.Count)
	}
	return nil
}

func (c *client) sendUnsettled(
	ctx context.Context, sender *amqp.Sender, message func(int) (*amqp.Message, error),
) error {
	states := make([]string, c.count)
	settled := make(chan settlement, window)
	waiting := make([]int, c.count)
	for seq := range waiting {
		waiting[seq] = seq
	}
	for unsettled := 0; c.result.Count < c.count; {
		for len(waiting) > 0 && unsettled < window && len(settled) == 0 {
			seq := waiting[0]
			waiting = waiting[1:]
			msg, err := message(seq)
			if err != nil {
				return err
			}
			receipt, err := sender.SendWithReceipt(ctx, msg, nil)
			if err != nil {
				return fmt.Errorf("send message %d: %w", seq, err)
			}
			unsettled++
			go func() {
				state, err := receipt.Wait(ctx)
				settled <- settlement{seq, state, err}
			}()
		}
		s := <-settled
		unsettled--
		if s.err != nil {
			return fmt.Errorf("outcome of message %d: %w", s.seq, s.err)
		}
		text := outcomeText(s.state)
		kind, _, _ := strings.Cut(text, " ")
		if c.retry && (kind == "released" || kind == "modified") {
			c.result.Retries++
			waiting = append(waiting, s.seq)
			continue
		}
		states[s.seq] = text
		c.result.Count++
		c.result.Outcomes[kind]++
		c.sayProgress(c.result.Count)
	}
	if c.count <= 100 {
		c.result.States = states
	}
	return nil
}

// outcomeText is the outcome in the words which all clients use.
func outcomeText(state amqp.DeliveryState) string {
	switch s := state.(type) {
	case *amqp.StateAccepted:
		return "accepted"
	case *amqp.StateReleased:
		return "released"
	case *amqp.StateRejected:
		if s.Error == nil {
			return "rejected"
		}
		return fmt.Sprintf("rejected %s %s", s.Error.Condition, s.Error.Description) + fields(s.Error.Info)
	case *amqp.StateModified:
		return fmt.Sprintf("modified failed=%v undeliverable=%v", s.DeliveryFailed, s.UndeliverableHere) +
			fields(s.MessageAnnotations)
	}
	return fmt.Sprintf("none %T", state)
}

// fields returns the entries of a map that belongs to an outcome.
func fields[K comparable](entries map[K]any) string {
	var words []string
	for key, value := range entries {
		words = append(words, fmt.Sprintf(" %v=%s", key, showValue(value)))
	}
	slices.Sort(words)
	return strings.Join(words, "")
}
