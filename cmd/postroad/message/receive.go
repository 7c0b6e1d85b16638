package message

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// receiveCommand is one execution of `postroad receive`.
type receiveCommand struct {
	client  connect.Flags
	count   int
	credit  int32
	timeout time.Duration
	dynamic bool
	settled bool
	quiet   bool
	verbose bool

	accept, reject, release, modify bool
	failed, undeliverable           bool

	received atomic.Uint64
	octets   atomic.Uint64
}

// errNothingCame is returned when no message came for --timeout.
var errNothingCame = errors.New("no message came")

// NewReceive returns the command receive.
func NewReceive() *cobra.Command {
	r := &receiveCommand{}
	cmd := &cobra.Command{
		Use:   "receive ADDRESS",
		Short: "Receive messages",
		Long: "Receive messages from an address and print them: the body of each in a line, or with --output json one\n" +
			"JSON object per message and line. Ends after --count messages, when none came for --timeout, or on Ctrl-C.\n" +
			"Exit status 1 if fewer than --count messages came.",
		Example: "  postroad receive orders\n" +
			"  postroad receive orders --count 10 --timeout 5s --output json\n" +
			"  postroad receive --dynamic",
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case r.dynamic && len(args) > 0:
				return errors.New("--dynamic asks the router for an address; do not give one")
			case !r.dynamic && len(args) != 1:
				return errors.New("exactly one address is needed: postroad receive ADDRESS")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return r.run(cmd, args) },
	}
	r.client.Register(cmd)
	fs := cmd.Flags()
	fs.IntVarP(&r.count, "count", "n", 0, "end after so many messages; 0 for no limit")
	fs.Int32Var(&r.credit, "credit", 100, "how many messages the router may send ahead")
	fs.DurationVar(&r.timeout, "timeout", 0, "end when no message came for so long; 0 for ever")
	fs.BoolVar(&r.dynamic, "dynamic", false, "let the router create an address, and print it on standard error")
	fs.BoolVar(&r.settled, "settled", false, "ask for pre-settled messages")
	fs.BoolVarP(&r.quiet, "quiet", "q", false, "do not print messages, count them only")
	fs.BoolVarP(&r.verbose, "verbose", "v", false, "print header, properties and annotations too")
	fs.BoolVar(&r.accept, "accept", false, "settle every message as accepted (the default)")
	fs.BoolVar(&r.reject, "reject", false, "settle every message as rejected")
	fs.BoolVar(&r.release, "release", false, "settle every message as released")
	fs.BoolVar(&r.modify, "modify", false, "settle every message as modified")
	fs.BoolVar(&r.failed, "failed", false, "with --modify: the delivery failed")
	fs.BoolVar(&r.undeliverable, "undeliverable-here", false, "with --modify: do not send it to this consumer again")
	cmd.MarkFlagsMutuallyExclusive("accept", "reject", "release", "modify", "settled")
	return cmd
}

// run connects, receives and reports.
func (r *receiveCommand) run(cmd *cobra.Command, args []string) error {
	switch {
	case r.count < 0:
		return command.UsageErrorf("--count %d is negative", r.count)
	case r.credit < 1:
		return command.UsageErrorf("--credit %d is not positive", r.credit)
	case r.timeout < 0:
		return command.UsageErrorf("--timeout %v is negative", r.timeout)
	case (r.failed || r.undeliverable) && !r.modify:
		return command.UsageErrorf("--failed and --undeliverable-here say how to --modify, which is not given")
	}
	address := ""
	if len(args) > 0 {
		address = args[0]
	}
	ctx := cmd.Context()
	conn, err := r.client.Open(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	link, err := r.attach(ctx, conn, address)
	if err != nil {
		return err
	}
	if r.dynamic {
		address = link.Address()
		fmt.Fprintf(cmd.ErrOrStderr(), "receiving from %s\n", address)
	}
	began := time.Now()
	var shown *terminal.Progress
	if r.quiet || !terminal.Is(cmd.OutOrStdout()) { // messages on the terminal would be torn apart
		shown = terminal.StartProgress(cmd.ErrOrStderr(), func() string {
			return fmt.Sprintf("received %d, %.0f/s", r.received.Load(),
				float64(r.received.Load())/time.Since(began).Seconds())
		})
	}
	err = r.receive(ctx, link, printer(cmd, r.quiet, r.verbose))
	shown.Stop()
	fmt.Fprintf(cmd.ErrOrStderr(), "received %s (%d octets) from %s in %.2f s\n",
		output.Count(r.received.Load(), "message"), r.octets.Load(), address, time.Since(began).Seconds())
	r.detach(ctx, link)
	return r.verdict(ctx, err)
}

// attach opens the receiving link.
func (r *receiveCommand) attach(ctx context.Context, conn *amqp.Conn, address string) (*amqp.Receiver, error) {
	credit := r.credit
	if r.count > 0 {
		credit = min(credit, int32(min(r.count, 1<<30)))
	}
	options := &amqp.ReceiverOptions{Credit: -1, DynamicAddress: r.dynamic, Name: linkName("receive")}
	if r.settled {
		options.RequestedSenderSettleMode = amqp.SenderSettleModeSettled.Ptr()
	}
	if r.count == 0 || r.count > int(credit) {
		options.Credit = credit
	}
	link, err := attachReceiver(ctx, conn, address, options, r.client.Timeout)
	if err != nil || options.Credit > 0 {
		return link, err
	}
	return link, link.IssueCredit(uint32(credit)) // as many as are wanted, and not one more
}

// printer returns what prints one message.
func printer(cmd *cobra.Command, quiet, verbose bool) func(*amqp.Message) error {
	out := cmd.OutOrStdout()
	switch {
	case quiet:
		return func(*amqp.Message) error { return nil }
	case output.WantJSON(cmd):
		e := json.NewEncoder(out)
		e.SetEscapeHTML(false)
		return func(m *amqp.Message) error { return e.Encode(toJSON(m)) }
	}
	return func(m *amqp.Message) error { return printText(out, m, verbose) }
}

// printText prints a message for people.
func printText(w io.Writer, m *amqp.Message, verbose bool) error {
	if verbose {
		j := toJSON(m)
		for _, section := range []struct {
			name  string
			value any
			given bool
		}{
			{"header", j.Header, j.Header != nil},
			{"delivery-annotations", j.DeliveryAnnotations, j.DeliveryAnnotations != nil},
			{"message-annotations", j.MessageAnnotations, j.MessageAnnotations != nil},
			{"properties", j.Properties, j.Properties != nil},
			{"application-properties", j.ApplicationProperties, j.ApplicationProperties != nil},
			{"footer", j.Footer, j.Footer != nil},
		} {
			if !section.given {
				continue
			}
			if _, err := fmt.Fprintf(w, "%s %s\n", section.name, compactJSON(section.value)); err != nil {
				return err
			}
		}
	}
	_, err := fmt.Fprintln(w, bodyText(m))
	return err
}

// receive takes messages until there are enough, none comes or ctx ends. An interrupt does not keep a message that was
// printed from being settled.
func (r *receiveCommand) receive(ctx context.Context, link *amqp.Receiver, print func(*amqp.Message) error) error {
	settling, cancel := wait.Graceful(ctx)
	defer cancel()
	for n := 0; r.count == 0 || n < r.count; n++ {
		waiting, cancel := ctx, context.CancelFunc(func() {})
		if r.timeout > 0 {
			waiting, cancel = context.WithTimeoutCause(ctx, r.timeout, errNothingCame)
		}
		m, err := link.Receive(waiting, nil)
		if err != nil {
			err = wait.Cause(waiting, goamqp.Explain(err))
			cancel()
			return err
		}
		cancel()
		r.received.Add(1)
		r.octets.Add(bodyOctets(m))
		if err := print(m); err != nil {
			return fmt.Errorf("printing: %w", err)
		}
		if err := r.settle(settling, link, m); err != nil {
			return fmt.Errorf("settling message %d: %w", n+1, goamqp.Explain(err))
		}
	}
	return nil
}

// bodyOctets returns the size of a body of data or text.
func bodyOctets(m *amqp.Message) uint64 {
	if text, ok := m.Value.(string); ok {
		return uint64(len(text))
	}
	var n uint64
	for _, d := range m.Data {
		n += uint64(len(d))
	}
	return n
}

// settle settles a message the way the flags say.
func (r *receiveCommand) settle(ctx context.Context, link *amqp.Receiver, m *amqp.Message) error {
	switch {
	case r.settled:
		return nil
	case r.reject:
		return link.RejectMessage(ctx, m, &amqp.Error{
			Condition: "amqp:not-allowed", Description: "rejected by postroad receive --reject",
		})
	case r.release:
		return link.ReleaseMessage(ctx, m)
	case r.modify:
		return link.ModifyMessage(ctx, m, &amqp.ModifyMessageOptions{
			DeliveryFailed: r.failed, UndeliverableHere: r.undeliverable,
		})
	}
	return link.AcceptMessage(ctx, m)
}

// detach closes the link, so that what the router sent ahead is released before the connection ends.
func (r *receiveCommand) detach(ctx context.Context, link *amqp.Receiver) {
	ctx, cancel := wait.Graceful(ctx)
	defer cancel()
	ctx, cancelWait := context.WithTimeout(ctx, time.Second)
	defer cancelWait()
	link.Close(ctx)
}

// verdict decides on the exit status.
func (r *receiveCommand) verdict(ctx context.Context, err error) error {
	n := int(r.received.Load())
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && r.count == 0:
		return nil // Ctrl-C is how an endless command ends
	case ctx.Err() != nil:
		return interruptedAfter(n, r.count, "received")
	case errors.Is(err, errNothingCame) && r.count == 0:
		return nil
	case errors.Is(err, errNothingCame):
		return fmt.Errorf("%d of %d messages received: none came for %v", n, r.count, r.timeout)
	}
	return err
}
