package message

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/Azure/go-amqp"
	"github.com/spf13/cobra"

	"github.com/postroad/postroad/cmd/postroad/command"
	"github.com/postroad/postroad/cmd/postroad/connect"
	"github.com/postroad/postroad/internal/goamqp"
	"github.com/postroad/postroad/internal/wait"
)

// requestCommand is one execution of `postroad request`.
type requestCommand struct {
	client  connect.Flags
	message flags
	size    int
	file    string
	timeout time.Duration
	verbose bool
}

// NewRequest returns the command request.
func NewRequest() *cobra.Command {
	r := &requestCommand{}
	cmd := &cobra.Command{
		Use:   "request ADDRESS [BODY]",
		Short: "Send a request and print the reply",
		Long: "Send one message to an address with a reply address of its own, wait for the reply to it and print that.\n" +
			"Exit status 1 if the request was not accepted or no reply came.",
		Example: "  postroad request time.service now\n" +
			"  postroad request '$management' --property operation=GET-MGMT-NODES --property type=org.amqp.management " +
			"--property name=self",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error { return r.run(cmd, args) },
	}
	r.client.Register(cmd)
	r.message.register(cmd)
	fs := cmd.Flags()
	fs.IntVar(&r.size, "size", -1, "send a generated body of so many octets")
	fs.StringVarP(&r.file, "file", "f", "", "read the body from a file, - for standard input")
	fs.DurationVar(&r.timeout, "timeout", 10*time.Second, "longest time until the reply has come")
	fs.BoolVarP(&r.verbose, "verbose", "v", false, "print header, properties and annotations too")
	return cmd
}

// run sends the request and prints the reply.
func (r *requestCommand) run(cmd *cobra.Command, args []string) error {
	if r.timeout <= 0 {
		return command.UsageErrorf("--timeout %v is not positive", r.timeout)
	}
	if err := r.message.check(); err != nil {
		return err
	}
	source := bodyFlags{size: r.size, file: r.file, count: 1}
	bodies, err := source.open(args[1:], cmd.InOrStdin())
	if err != nil {
		return err
	}
	defer bodies.close()
	content := body{text: true}
	if len(args) > 1 || r.size >= 0 || r.file != "" {
		if content, _, err = bodies.next(); err != nil {
			return err
		}
	}
	conn, err := r.client.Open(cmd.Context())
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := wait.Limit(cmd.Context(), r.timeout, "no reply from %q", args[0])
	defer cancel()
	reply, err := r.exchange(ctx, conn, args[0], r.message.build(content, 0))
	if err != nil {
		if cmd.Context().Err() != nil {
			return errors.New("interrupted before the reply came")
		}
		return err
	}
	return printer(cmd, false, r.verbose)(reply)
}

// exchange sends a request and waits for the reply that correlates with it.
func (r *requestCommand) exchange(ctx context.Context, conn *amqp.Conn, address string, m *amqp.Message) (*amqp.Message,
	error,
) {
	replies, err := attachReceiver(ctx, conn, "", &amqp.ReceiverOptions{
		DynamicAddress: true, Credit: 10, Name: linkName("reply"),
	}, 0)
	if err != nil {
		return nil, fmt.Errorf("asking for a reply address: %w", err)
	}
	if m.Properties.MessageID == nil {
		m.Properties.MessageID = linkName("request")
	}
	if m.Properties.CorrelationID == nil {
		m.Properties.CorrelationID = m.Properties.MessageID
	}
	replyTo := replies.Address()
	m.Properties.ReplyTo = &replyTo
	if err := deliver(ctx, conn, address, m); err != nil {
		return nil, err
	}
	for {
		reply, err := replies.Receive(ctx, nil)
		if err != nil {
			return nil, wait.Cause(ctx, goamqp.Explain(err))
		}
		if err := replies.AcceptMessage(ctx, reply); err != nil {
			return nil, wait.Cause(ctx, goamqp.Explain(err))
		}
		if reply.Properties == nil || correlates(reply.Properties.CorrelationID, m.Properties) {
			return reply, nil
		}
	}
}

// correlates reports whether a reply is for the request with the given properties. Responders copy the request's
// correlation-id, or its message-id; one that sends none can only mean this request.
func correlates(id any, request *amqp.MessageProperties) bool {
	return id == nil || fmt.Sprint(id) == fmt.Sprint(request.CorrelationID) ||
		fmt.Sprint(id) == fmt.Sprint(request.MessageID)
}
