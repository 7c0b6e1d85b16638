package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroad/postroad/internal/bench"
)

// benchFlags describe one measurement.
type benchFlags struct {
	client     clientFlags
	receiveURL string
	config     bench.Config
	pids       []int
	spawn      []string
}

func newBenchCommand() *cobra.Command {
	b := &benchFlags{}
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
	cmd.AddCommand(newBenchRelayCommand(), newBenchCompareCommand(), newBenchBoundsCommand())
	return cmd
}

// register adds the flags that describe the load.
func (b *benchFlags) register(cmd *cobra.Command) {
	b.client.register(cmd)
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
func (b *benchFlags) configure(cmd *cobra.Command) (bench.Config, error) {
	c := b.config
	if cmd.Flags().Changed("messages") && !cmd.Flags().Changed("duration") {
		c.Duration = 0
	}
	ingress, err := b.client.endpoint(b.client.url)
	if err != nil {
		return c, err
	}
	egress, err := b.client.endpoint(cmp.Or(b.receiveURL, b.client.url))
	if err != nil {
		return c, err
	}
	c.Ingress, c.Egress = ingress.forBench(), egress.forBench()
	if err := c.Validate(); err != nil {
		return c, usageErrorf("%w", err)
	}
	return c, nil
}

// forBench returns the endpoint in the terms of the load client.
func (e *endpoint) forBench() bench.Endpoint {
	return bench.Endpoint{
		Address: e.address, Hostname: e.hostname, Mechanism: e.mechanism, User: e.user, Password: e.password,
		TLS:  e.tls != nil,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) { return e.dial(ctx) },
	}
}

// run measures and prints.
func (b *benchFlags) run(cmd *cobra.Command) error {
	c, err := b.configure(cmd)
	if err != nil {
		return err
	}
	c.PIDs = b.pids
	var routers spawned
	if len(b.spawn) > 0 {
		commands, err := runCommands(b.spawn)
		if err != nil {
			return err
		}
		if routers, err = startRouters(cmd.Context(), commands, c.Ingress, c.Egress); err != nil {
			return err
		}
		defer routers.stop()
		c.PIDs = routers.pids()
	}
	result, err := measure(cmd, c, "")
	if err != nil {
		return routers.explain(err)
	}
	if err := printBench(cmd, result); err != nil {
		return err
	}
	return benchVerdict(result)
}

// measure runs one measurement with progress on a terminal; label is put before it.
func measure(cmd *cobra.Command, c bench.Config, label string) (*bench.Result, error) {
	glimpses := make(chan bench.Progress, 1)
	var last bench.Progress
	shown := startProgress(cmd.ErrOrStderr(), func() string {
		select {
		case last = <-glimpses:
		default:
		}
		return fmt.Sprintf("%s%s %.1f s, %d messages, %.0f/s", label, last.Phase, last.Elapsed.Seconds(), last.Received,
			last.Rate)
	})
	defer shown.stop()
	c.Progress = func(p bench.Progress) {
		select {
		case <-glimpses:
		default:
		}
		glimpses <- p
	}
	return bench.Run(cmd.Context(), c)
}

// printBench prints one result.
func printBench(cmd *cobra.Command, r *bench.Result) error {
	if wantJSON(cmd) {
		return writeJSON(cmd.OutOrStdout(), r)
	}
	return r.WriteText(cmd.OutOrStdout())
}

// benchVerdict is an error when messages did not arrive as they should.
func benchVerdict(r *bench.Result) error {
	d := r.Delivery
	if d.Exact() {
		return nil
	}
	return fmt.Errorf("not every message arrived exactly once and was accepted: %d sent, %d received, %d lost, "+
		"%d duplicated, %d aborted, %d corrupt, %d without outcome, outcomes %v", d.Sent, d.Received, d.Lost, d.Duplicated,
		d.Aborted, d.Corrupt, d.WithoutOutcome, d.Outcomes)
}

func newBenchRelayCommand() *cobra.Command {
	b := &benchFlags{}
	serve := ""
	cmd := &cobra.Command{
		Use:   "relay",
		Short: "Measure a plain relay: the least one hop can cost, as a yardstick",
		Long: "Measure with the same generator what a plain relay costs that parses frames, copies them and writes them\n" +
			"together. It runs in a process of its own on this machine. No router can be cheaper per hop.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if serve != "" {
				return serveRelay(cmd.Context(), cmd.OutOrStdout(), serve, b.config.FrameSize)
			}
			return b.runRelay(cmd)
		},
	}
	b.register(cmd)
	for _, name := range []string{"url", "receive-url", "multicast", "ca", "cert", "key", "insecure-skip-verify"} {
		cmd.Flags().MarkHidden(name)
	}
	cmd.Flags().StringVar(&serve, "serve", "", "be the relay, listening on this address")
	cmd.Flags().MarkHidden("serve")
	return cmd
}

// runRelay starts a relay in a process of its own and measures it.
func (b *benchFlags) runRelay(cmd *cobra.Command) error {
	relay, address, err := startRelay(cmd.Context(), b.config.FrameSize)
	if err != nil {
		return err
	}
	defer relay.stop()
	b.client.url = "amqp://" + address
	c, err := b.configure(cmd)
	if err != nil {
		return err
	}
	if c.Senders != c.Receivers {
		return usageErrorf("a relay knows pairs only: give as many --receivers as --senders")
	}
	c.PIDs = relay.pids()
	result, err := measure(cmd, c, "")
	if err != nil {
		return relay.explain(err)
	}
	if err := printBench(cmd, result); err != nil {
		return err
	}
	return benchVerdict(result)
}

// serveRelay is the relay's process. It prints the address it listens on.
func serveRelay(ctx context.Context, out io.Writer, listen string, frameSize uint32) error {
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, ln.Addr())
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	err = bench.NewRelay(frameSize).Serve(ln)
	if ctx.Err() != nil {
		return nil
	}
	return err
}
