package bench

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroad/postroad/cmd/postroad/command"
	"github.com/postroad/postroad/cmd/postroad/connect"
	"github.com/postroad/postroad/cmd/postroad/output"
	"github.com/postroad/postroad/cmd/postroad/spawn"
	"github.com/postroad/postroad/cmd/postroad/terminal"
	"github.com/postroad/postroad/internal/bench"
)

// loadFlags describe one measurement.
type loadFlags struct {
	client     connect.Flags
	receiveURL string
	config     bench.Config
	pids       []int
	spawn      []string
}

// New returns the command bench.
func New() *cobra.Command {
	b := &loadFlags{}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure throughput and latency of a route, with a picture at the end",
		Long: "Measure a route through AMQP 1.0 routers, Postroad or any other: messages per second, one-way latency and,\n" +
			"when the routers run on this machine (--pid, --spawn), their CPU seconds per million messages and memory.\n" +
			"The generator writes frames that were encoded beforehand, so that the router is the limit.\n\n" +
			"Latency at full speed is the length of the queues; measure it with --rate, below saturation.\n" +
			"Exit status 1 if a message was duplicated or damaged, an unsettled one lost or not accepted, or nothing moved\n" +
			"for --stall.",
		Example: "  postroad bench --spawn router.yaml\n" +
			"  postroad bench --url amqp://london:5672 --receive-url amqp://tokyo:5672 --rate 10000\n" +
			"  postroad bench --pid 4711 --size 65536 --settled --duration 30s",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return b.run(cmd) },
	}
	b.register(cmd)
	fs := cmd.Flags()
	fs.IntSliceVar(&b.pids, "pid", nil, "processes of the routers, to measure their CPU time and memory")
	fs.StringSliceVar(&b.spawn, "spawn", nil, "configuration files; a router is started for each, measured, and ended")
	cmd.MarkFlagsMutuallyExclusive("pid", "spawn")
	cmd.AddCommand(newRelayCommand(), newCompareCommand(), newBoundsCommand())
	return cmd
}

// register adds the flags that describe the load.
func (b *loadFlags) register(cmd *cobra.Command) {
	b.client.Register(cmd)
	fs, c := cmd.Flags(), &b.config
	fs.StringVar(&b.receiveURL, "receive-url", "", "router the receivers connect to; the one of --url unless given")
	fs.StringVar(&c.Address, "address", "bench", "address of the messages")
	fs.IntVar(&c.Senders, "senders", 1, "sending connections")
	fs.IntVar(&c.Receivers, "receivers", 1, "receiving connections")
	fs.BoolVar(&c.Distinct, "distinct", false, "sender i and receiver i use ADDRESS.i instead of sharing one address")
	fs.BoolVar(&c.Multicast, "multicast", false, "the address is multicast: every receiver gets every message")
	fs.IntVar(&c.Size, "size", 100, fmt.Sprintf("octets of body, at least %d", bench.MinSize))
	fs.BoolVar(&c.Settled, "settled", false, "send pre-settled")
	fs.Uint32Var(&c.Credit, "credit", bench.DefaultCredit, "credit window of each receiver")
	fs.Uint32Var(&c.FrameSize, "frame-size", bench.DefaultFrameSize, "max-frame-size in octets; the router may want less")
	fs.Float64Var(&c.ReceiveRate, "receive-rate", 0, "messages per second that each receiver takes at most, as a slow one\n"+
		"would; 0 for all there are")
	fs.Float64Var(&c.Rate, "rate", 0, "messages per second of all senders, paced by the clock; 0 for full speed")
	fs.Uint64Var(&c.Messages, "messages", 0, "count so many messages; 0 for no limit")
	fs.DurationVar(&c.Duration, "duration", 10*time.Second, "count for so long; 0 for no limit")
	fs.DurationVar(&c.Warmup, "warmup", time.Second, "let messages flow for so long before counting")
	fs.DurationVar(&c.Stall, "stall", bench.DefaultStall, "give up when nothing moves for so long")
	fs.IntVar(&c.IdleConnections, "idle-connections", 0, "connections that are open beside the traffic, each with a\n"+
		"receiving link on an address of its own")
	fs.IntVar(&c.IdleAddresses, "addresses", 0, "receiving links on addresses of their own beside the traffic, spread\n"+
		"over the idle connections")
}

// configure completes the configuration from the flags.
func (b *loadFlags) configure(cmd *cobra.Command) (bench.Config, error) {
	c := b.config
	if cmd.Flags().Changed("messages") && !cmd.Flags().Changed("duration") {
		c.Duration = 0
	}
	ingress, err := b.client.Endpoint(b.client.URL)
	if err != nil {
		return c, err
	}
	egress, err := b.client.Endpoint(cmp.Or(b.receiveURL, b.client.URL))
	if err != nil {
		return c, err
	}
	c.Ingress, c.Egress = endpointOf(ingress), endpointOf(egress)
	if err := c.Validate(); err != nil {
		return c, command.UsageErrorf("%w", err)
	}
	return c, nil
}

// endpointOf returns where a client connects to in the terms of the load client.
func endpointOf(e *connect.Endpoint) bench.Endpoint {
	return bench.Endpoint{
		Address: e.Address, Hostname: e.Hostname, Mechanism: e.Mechanism, User: e.User, Password: e.Password,
		TLS:  e.TLS != nil,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) { return e.Dial(ctx) },
	}
}

// run measures and prints.
func (b *loadFlags) run(cmd *cobra.Command) error {
	c, err := b.configure(cmd)
	if err != nil {
		return err
	}
	c.PIDs = b.pids
	var routers spawn.Processes
	if len(b.spawn) > 0 {
		commands, err := spawn.Commands(b.spawn)
		if err != nil {
			return err
		}
		if routers, err = spawn.Start(cmd.Context(), commands, c.Ingress.Address, c.Egress.Address); err != nil {
			return err
		}
		defer routers.Stop()
		c.PIDs = routers.IDs()
	}
	result, err := measure(cmd, c, "")
	if err != nil {
		return routers.Explain(err)
	}
	if err := printResult(cmd, result); err != nil {
		return err
	}
	return verdict(result)
}

// measure runs one measurement with progress on a terminal; label is put before it.
func measure(cmd *cobra.Command, c bench.Config, label string) (*bench.Result, error) {
	glimpses := make(chan bench.Progress, 1)
	var last bench.Progress
	shown := terminal.StartProgress(cmd.ErrOrStderr(), func() string {
		select {
		case last = <-glimpses:
		default:
		}
		return fmt.Sprintf("%s%s %.1f s, %d messages, %.0f/s", label, last.Phase, last.Elapsed.Seconds(), last.Received,
			last.Rate)
	})
	defer shown.Stop()
	c.Progress = func(p bench.Progress) {
		select {
		case <-glimpses:
		default:
		}
		glimpses <- p
	}
	return bench.Run(cmd.Context(), c)
}

// printResult prints one result.
func printResult(cmd *cobra.Command, r *bench.Result) error {
	if output.WantJSON(cmd) {
		return output.WriteJSON(cmd.OutOrStdout(), r)
	}
	return r.WriteText(cmd.OutOrStdout())
}

// verdict is an error when messages did not arrive as they should.
func verdict(r *bench.Result) error {
	d := r.Delivery
	if d.Exact() {
		return nil
	}
	return fmt.Errorf("not every message arrived exactly once and was accepted: %d sent, %d received, %d lost, "+
		"%d duplicated, %d aborted, %d corrupt, %d without outcome, outcomes %v", d.Sent, d.Received, d.Lost, d.Duplicated,
		d.Aborted, d.Corrupt, d.WithoutOutcome, d.Outcomes)
}
