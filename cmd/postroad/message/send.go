package message

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Azure/go-amqp"
	"github.com/spf13/cobra"

	"github.com/postroad/postroad/cmd/postroad/command"
	"github.com/postroad/postroad/cmd/postroad/connect"
	"github.com/postroad/postroad/cmd/postroad/output"
	"github.com/postroad/postroad/cmd/postroad/terminal"
	"github.com/postroad/postroad/internal/goamqp"
	"github.com/postroad/postroad/internal/wait"
)

// sendCommand is one execution of `postroad send`.
type sendCommand struct {
	client  connect.Flags
	message flags
	bodies  bodyFlags
	to      string
	settled bool
	rate    float64
	window  int
	timeout time.Duration

	counts sendCounts
	reason string // why the first message was not accepted
}

// sendCounts are the counters of one execution.
type sendCounts struct {
	sent, octets, accepted, rejected, released, modified, unknown atomic.Uint64
}

// sendResult is what `postroad send --output json` prints.
type sendResult struct {
	Address        string  `json:"address"`
	Sent           uint64  `json:"sent"`
	Octets         uint64  `json:"octets"` // of bodies
	Settled        bool    `json:"settled"`
	Accepted       uint64  `json:"accepted"`
	Rejected       uint64  `json:"rejected"`
	Released       uint64  `json:"released"`
	Modified       uint64  `json:"modified"`
	WithoutOutcome uint64  `json:"withoutOutcome"`
	Reason         string  `json:"reason,omitempty"` // why the first message was not accepted
	Seconds        float64 `json:"seconds"`
}

// NewSend returns the command send.
func NewSend() *cobra.Command {
	s := &sendCommand{}
	cmd := &cobra.Command{
		Use:   "send ADDRESS [BODY…]",
		Short: "Send messages",
		Long: "Send messages to an address and wait for their outcomes. Exit status 1 if any message was not accepted.\n\n" +
			"Bodies given as arguments and lines are sent as string values, files and --size as binary data.",
		Example: "  postroad send orders hello\n" +
			"  postroad send orders --count 1000 --size 1024 --rate 200\n" +
			"  tail -f app.log | postroad send logs --lines --settled\n" +
			"  postroad send --to orders --property region=eu --property lot:=17 hello",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 && s.to == "" {
				return errors.New("an address to send to is missing: postroad send ADDRESS [BODY…]")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return s.run(cmd, args) },
	}
	s.client.Register(cmd)
	s.bodies.register(cmd)
	s.message.register(cmd)
	fs := cmd.Flags()
	fs.StringVar(&s.to, "to", "", "send through an anonymous link, with this address in the to field of the message; then\n"+
		"all arguments are bodies")
	fs.StringVar(&s.message.replyTo, "reply-to", "", "reply-to")
	fs.BoolVar(&s.settled, "settled", false, "send pre-settled: faster, and nothing is known of what becomes of them")
	fs.Float64Var(&s.rate, "rate", 0, "messages per second; 0 for as fast as possible")
	fs.IntVar(&s.window, "window", 250, "how many messages may wait for their outcome at once")
	fs.DurationVar(&s.timeout, "timeout", 10*time.Second, "longest time to wait for credit, or for an outcome; 0 for ever")
	return cmd
}

// run connects, sends and reports.
func (s *sendCommand) run(cmd *cobra.Command, args []string) error {
	address := s.to
	if s.to == "" {
		address, args = args[0], args[1:]
	}
	if err := s.check(); err != nil {
		return err
	}
	bodies, err := s.bodies.open(args, cmd.InOrStdin())
	if err != nil {
		return err
	}
	defer bodies.close()
	ctx := cmd.Context()
	conn, err := s.client.Open(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	link, err := s.attach(ctx, conn, address)
	if err != nil {
		return err
	}
	began := time.Now()
	shown := terminal.StartProgress(cmd.ErrOrStderr(), func() string { return s.counts.line(began, bodies.total) })
	err = s.send(ctx, link, address, bodies)
	shown.Stop()
	return s.report(cmd, address, time.Since(began), err)
}

// check refuses flags that make no sense.
func (s *sendCommand) check() error {
	switch {
	case s.rate < 0:
		return command.UsageErrorf("--rate %g is negative", s.rate)
	case s.window < 1 || s.window > 1<<20:
		return command.UsageErrorf("--window %d is not 1 to %d", s.window, 1<<20)
	case s.timeout < 0:
		return command.UsageErrorf("--timeout %v is negative", s.timeout)
	}
	return s.message.check()
}

// attach opens the sending link; an anonymous one has no address [anonymous relay].
func (s *sendCommand) attach(ctx context.Context, conn *amqp.Conn, address string) (*amqp.Sender, error) {
	ctx, cancel := wait.Limit(ctx, s.timeout, "the router did not answer the attach to %q", address)
	defer cancel()
	session, err := conn.NewSession(ctx, nil)
	if err != nil {
		return nil, wait.Cause(ctx, goamqp.Explain(err))
	}
	options := &amqp.SenderOptions{Name: linkName("send")}
	if s.settled {
		options.SettlementMode = amqp.SenderSettleModeSettled.Ptr()
	}
	target := address
	if s.to != "" {
		target = ""
		options.DesiredCapabilities = []string{"ANONYMOUS-RELAY"}
	}
	link, err := session.NewSender(ctx, target, options)
	if err != nil {
		return nil, fmt.Errorf("attaching to %q: %w", address, wait.Cause(ctx, goamqp.Explain(err)))
	}
	return link, nil
}

// send sends all bodies and waits for their outcomes.
func (s *sendCommand) send(ctx context.Context, link *amqp.Sender, address string, bodies *bodySource) error {
	receipts := make(chan amqp.SendReceipt, s.window-1)
	confirmed := make(chan struct{})
	go func() {
		defer close(confirmed)
		s.confirm(ctx, receipts)
	}()
	err := s.sendAll(ctx, link, address, bodies, receipts)
	close(receipts)
	<-confirmed
	return err
}

// sendAll sends until the bodies end, ctx ends or a message cannot be sent.
func (s *sendCommand) sendAll(
	ctx context.Context, link *amqp.Sender, address string, bodies *bodySource, receipts chan<- amqp.SendReceipt,
) error {
	began := time.Now()
	for n := 1; ; n++ {
		if s.rate > 0 {
			due := began.Add(time.Duration(float64(n-1) / s.rate * float64(time.Second)))
			if !wait.Until(ctx, due) {
				return interruptedAfter(n-1, bodies.total, "sent")
			}
		}
		b, ok, err := bodies.next()
		if err != nil || !ok {
			return err
		}
		number := n
		if bodies.total == 1 {
			number = 0
		}
		m := s.message.build(b, number)
		if s.to != "" {
			m.Properties.To = &s.to
		}
		if err := s.sendOne(ctx, link, m, receipts); err != nil {
			if ctx.Err() != nil {
				return interruptedAfter(n-1, bodies.total, "sent")
			}
			return fmt.Errorf("sending message %d to %q: %w", n, address, err)
		}
		s.counts.sent.Add(1)
		s.counts.octets.Add(uint64(len(b.octets)))
	}
}

// sendOne sends one message and hands its receipt on.
func (s *sendCommand) sendOne(ctx context.Context, link *amqp.Sender, m *amqp.Message, receipts chan<- amqp.SendReceipt,
) error {
	waiting, cancel := wait.Limit(ctx, s.timeout, "no credit: nobody consumes from the address, or whoever does is busy")
	defer cancel()
	if s.settled {
		return wait.Cause(waiting, goamqp.Explain(link.Send(waiting, m, nil)))
	}
	receipt, err := link.SendWithReceipt(waiting, m, nil)
	if err != nil {
		return wait.Cause(waiting, goamqp.Explain(err))
	}
	receipts <- receipt
	return nil
}

// confirm counts the outcomes, in the order the messages were sent.
func (s *sendCommand) confirm(ctx context.Context, receipts <-chan amqp.SendReceipt) {
	ctx, cancel := wait.Graceful(ctx)
	defer cancel()
	for receipt := range receipts {
		waiting, cancel := wait.Limit(ctx, s.timeout, "nothing was heard of it")
		state, err := receipt.Wait(waiting)
		cancel()
		switch state := state.(type) {
		case *amqp.StateAccepted:
			s.counts.accepted.Add(1)
		case *amqp.StateRejected:
			s.counts.rejected.Add(1)
			s.explain("rejected: %v", goamqp.Reason(state.Error))
		case *amqp.StateReleased:
			s.counts.released.Add(1)
			s.explain("released: it was not consumed")
		case *amqp.StateModified:
			s.counts.modified.Add(1)
			s.explain("modified: delivery failed %v, undeliverable here %v", state.DeliveryFailed,
				state.UndeliverableHere)
		default:
			s.counts.unknown.Add(1)
			s.explain("no outcome: %v", wait.Cause(waiting, goamqp.Explain(err)))
		}
	}
}

// explain keeps the reason of the first message that was not accepted.
func (s *sendCommand) explain(format string, args ...any) {
	if s.reason == "" {
		s.reason = fmt.Sprintf(format, args...)
	}
}

// line is the line of progress.
func (c *sendCounts) line(began time.Time, total int) string {
	sent := c.sent.Load()
	of := ""
	if total > 0 {
		of = fmt.Sprintf(" of %d", total)
	}
	return fmt.Sprintf("sent %d%s, accepted %d, %.0f/s", sent, of, c.accepted.Load(),
		float64(sent)/time.Since(began).Seconds())
}

// report prints the summary and decides on the exit status.
func (s *sendCommand) report(cmd *cobra.Command, address string, took time.Duration, err error) error {
	c := &s.counts
	r := sendResult{
		Address: address, Sent: c.sent.Load(), Octets: c.octets.Load(), Settled: s.settled,
		Accepted: c.accepted.Load(), Rejected: c.rejected.Load(), Released: c.released.Load(),
		Modified: c.modified.Load(), WithoutOutcome: c.unknown.Load(), Reason: s.reason, Seconds: took.Seconds(),
	}
	if output.WantJSON(cmd) {
		if err := output.WriteJSON(cmd.OutOrStdout(), r); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(cmd.ErrOrStderr(), r.summary())
	}
	switch {
	case err != nil:
		return err
	case !s.settled && r.Accepted < r.Sent:
		return fmt.Errorf("%d of %d messages were not accepted; the first one was %s", r.Sent-r.Accepted, r.Sent, s.reason)
	}
	return nil
}

// summary is the result in a sentence.
func (r *sendResult) summary() string {
	outcomes := []string{}
	for _, o := range []struct {
		name string
		n    uint64
	}{
		{"accepted", r.Accepted}, {"rejected", r.Rejected}, {"released", r.Released}, {"modified", r.Modified},
		{"without outcome", r.WithoutOutcome},
	} {
		if o.n > 0 {
			outcomes = append(outcomes, fmt.Sprintf("%d %s", o.n, o.name))
		}
	}
	switch {
	case r.Settled:
		outcomes = []string{"pre-settled"}
	case len(outcomes) == 0:
		outcomes = []string{"no outcomes"}
	}
	return fmt.Sprintf("sent %s to %s in %.2f s: %s", output.Count(r.Sent, "message"), r.Address, r.Seconds,
		strings.Join(outcomes, ", "))
}
