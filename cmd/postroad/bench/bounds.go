package bench

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroad/postroad/cmd/postroad/command"
	"github.com/postroad/postroad/cmd/postroad/connect"
	"github.com/postroad/postroad/cmd/postroad/output"
	"github.com/postroad/postroad/cmd/postroad/spawn"
	"github.com/postroad/postroad/cmd/postroad/terminal"
	"github.com/postroad/postroad/internal/bench"
	"github.com/postroad/postroad/internal/freeport"
)

// boundsCommand is one execution of `postroad bench bounds`.
type boundsCommand struct {
	router      string // command line of another router, "" for this program
	url         string
	only        []string
	connections int
	senders     int
	messages    uint64
	size        int
	rate        float64
	pairs       int
	window      time.Duration
	settling    time.Duration
	quiet       time.Duration
	stall       time.Duration
	memory      string // limit of a control group
}

// boundsReport is what `postroad bench bounds --output json` prints.
type boundsReport struct {
	Bounds []*bound `json:"bounds"`
}

// bound is one line of the result.
type bound struct {
	Name     string          `json:"name"`
	Group    *groupUse       `json:"controlGroup,omitempty"`
	Crowd    *bench.Crowd    `json:"crowd,omitempty"`
	Idle     *bench.IdleCost `json:"idle,omitempty"`
	Burst    *bench.Burst    `json:"burst,omitempty"`
	Overload []string        `json:"overload,omitempty"` // what the router logged
	Misses   []string        `json:"misses,omitempty"`   // the bounds that were not kept
}

// The bounds, as docs/performance.md gives them.
const (
	crowdGrowthBound = 16 << 20 // octets
	neighborBound    = 0.95     // of its throughput
	connectionBound  = 25 << 10 // octets
)

// Names of the measurements.
const (
	boundSlow        = "slow"
	boundSlowSettled = "slow-settled"
	boundIdle        = "idle"
	boundBurst       = "burst"
)

func newBoundsCommand() *cobra.Command {
	b := &boundsCommand{}
	cmd := &cobra.Command{
		Use:   "bounds",
		Short: "Measure the bounds of a router's memory from outside",
		Long: "Start a router for each of these measurements, and print what its process took:\n\n" +
			"  slow          senders offer a million messages to one slow receiver; a neighboring address is measured\n" +
			"                with and without them\n" +
			"  slow-settled  the same, pre-settled\n" +
			"  idle          connections with a receiving link each\n" +
			"  burst         connections that are idle again after they have sent and received\n\n" +
			"With --memory, the routers run in a control group with that limit, which takes a Linux system and the right to\n" +
			"make one. Exit status 1 if a bound is missed; the neighbor's throughput is printed, and not judged, since a\n" +
			"machine's speed is not the router's.",
		Example: "  postroad bench bounds\n  postroad bench bounds --memory 256MiB\n" +
			"  postroad bench bounds --only idle --connections 1000\n" +
			"  postroad bench bounds --only slow --router 'qdrouterd -c qdrouterd.conf' --url amqp://localhost:5672",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return b.run(cmd) },
	}
	fs := cmd.Flags()
	fs.StringVar(&b.router, "router", "", "command line of another router than this program's, listening at --url")
	fs.StringVar(&b.url, "url", "", "where --router listens")
	fs.StringSliceVar(&b.only, "only", []string{boundSlow, boundSlowSettled, boundIdle, boundBurst},
		"which measurements")
	fs.IntVar(&b.connections, "connections", 10_000, "idle connections; a tenth of it for the burst")
	fs.IntVar(&b.senders, "senders", 40, "senders to the slow receiver")
	fs.Uint64Var(&b.messages, "messages", 1_000_000, "messages they offer together")
	fs.IntVar(&b.size, "size", 10_000, "octets of body of these")
	fs.Float64Var(&b.rate, "receive-rate", 20, "messages per second that the slow receiver takes")
	fs.IntVar(&b.pairs, "pairs", 8, "how often the neighbor is measured without and with the senders")
	fs.DurationVar(&b.window, "window", time.Second, "how long each time")
	fs.DurationVar(&b.settling, "settling", 500*time.Millisecond, "how long the senders have before that to fill what they can")
	fs.DurationVar(&b.quiet, "quiet", 3*time.Minute, "how long memory may take to be given back after the burst")
	fs.DurationVar(&b.stall, "stall", 20*time.Second, "give up when nothing moves for so long")
	fs.StringVar(&b.memory, "memory", "", "run the routers in a control group with so much memory, as 256MiB")
	return cmd
}

// run measures all bounds and prints them.
func (b *boundsCommand) run(cmd *cobra.Command) error {
	if b.router != "" && b.url == "" {
		return command.UsageErrorf("--router needs --url: where it listens")
	}
	var report boundsReport
	missed := 0
	for _, name := range b.only {
		measure, ok := b.measure(name)
		if !ok {
			return command.UsageErrorf("--only %q is none of %s, %s, %s and %s", name, boundSlow, boundSlowSettled,
				boundIdle, boundBurst)
		}
		out := &bound{Name: name}
		if err := b.withRouter(cmd, measure, out); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		report.Bounds = append(report.Bounds, out)
		missed += len(out.Misses)
		if !output.WantJSON(cmd) {
			out.write(cmd.OutOrStdout())
		}
	}
	if output.WantJSON(cmd) {
		if err := output.WriteJSON(cmd.OutOrStdout(), report); err != nil {
			return err
		}
	}
	if missed > 0 {
		return fmt.Errorf("bounds that were missed: %d", missed)
	}
	return nil
}

// boundMeasure measures one bound of a running router.
type boundMeasure func(cmd *cobra.Command, e bench.Endpoint, pids []int, out *bound) error

func (b *boundsCommand) measure(name string) (boundMeasure, bool) {
	switch name {
	case boundSlow:
		return b.slow, true
	case boundSlowSettled:
		return b.slowSettled, true
	case boundIdle:
		return b.idle, true
	case boundBurst:
		return b.burst, true
	default:
		return nil, false
	}
}

// withRouter starts a router, in a control group if one is wanted, measures it, and ends it.
func (b *boundsCommand) withRouter(cmd *cobra.Command, measure boundMeasure, out *bound) (err error) {
	argv, url, log := strings.Fields(b.router), b.url, ""
	if b.router == "" {
		dir, err := os.MkdirTemp("", "postroad-bounds-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		log = filepath.Join(dir, "router.log")
		if argv, url, err = boundsRouter(dir, log); err != nil {
			return err
		}
	}
	if b.memory != "" {
		group, err := newMemoryGroup(b.memory)
		if err != nil {
			return err
		}
		argv = group.command(argv)
		defer func() {
			out.Group = group.use()
			if out.Group.OOMKills > 0 {
				err = errors.Join(err, fmt.Errorf("the router was killed for want of memory"))
			}
			group.remove()
		}()
	}
	flags := connect.Flags{}
	cmdFlags := &cobra.Command{}
	flags.Register(cmdFlags)
	endpoint, err := flags.Endpoint(url)
	if err != nil {
		return err
	}
	e := endpointOf(endpoint)
	routers, err := spawn.Start(cmd.Context(), [][]string{argv}, e.Address)
	if err != nil {
		return err
	}
	defer routers.Stop()
	err = measure(cmd, e, routers.IDs(), out)
	if log != "" {
		out.Overload = overloadLines(log)
	}
	if err != nil {
		return routers.Explain(err)
	}
	return nil
}

// boundsRouter writes the configuration of a router of this program, and returns the command that runs it, and where it
// listens.
func boundsRouter(dir, log string) (argv []string, url string, err error) {
	port, err := freeport.One()
	if err != nil {
		return nil, "", err
	}
	file := filepath.Join(dir, "router.yaml")
	config := fmt.Sprintf("router: {id: bounds, mode: standalone}\n"+
		"listeners: [{name: clients, host: 127.0.0.1, port: %d}]\n"+
		"logs: [{module: DEFAULT, enable: notice+, outputFile: %q}]\n", port, log)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, "", err
	}
	commands, err := spawn.Commands([]string{file})
	if err != nil {
		return nil, "", err
	}
	return commands[0], fmt.Sprintf("amqp://127.0.0.1:%d", port), nil
}

// overloadLines returns what a router logged about its memory.
func overloadLines(file string) []string {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	const shown = 20
	var lines []string
	for line := range strings.Lines(string(b)) {
		if _, after, ok := strings.Cut(line, " ROUTER ("); ok &&
			(strings.Contains(after, "Overload: ") || strings.Contains(after, "Memory limit: ")) {
			lines = append(lines, strings.TrimSpace(after[strings.IndexByte(after, ')')+1:]))
		}
	}
	return lines[:min(len(lines), shown)]
}

func (b *boundsCommand) slow(cmd *cobra.Command, e bench.Endpoint, pids []int, out *bound) error {
	return b.crowd(cmd, e, pids, out, false)
}

func (b *boundsCommand) slowSettled(cmd *cobra.Command, e bench.Endpoint, pids []int, out *bound) error {
	return b.crowd(cmd, e, pids, out, true)
}

// crowd measures what many senders to one slow receiver do to the router and to a neighboring address.
func (b *boundsCommand) crowd(cmd *cobra.Command, e bench.Endpoint, pids []int, out *bound, settled bool) (err error) {
	say, stop := b.progress(cmd, out.Name)
	defer stop()
	out.Crowd, err = bench.MeasureCrowd(cmd.Context(), bench.CrowdConfig{
		Endpoint: e, PIDs: pids, Senders: b.senders, Messages: b.messages, Size: b.size, Settled: settled,
		ReceiveRate: b.rate, NeighborSize: 100, Pairs: b.pairs, Window: b.window, Settling: b.settling, Stall: b.stall,
		Progress: say,
	})
	if err != nil {
		return err
	}
	if growth := out.Crowd.Growth; growth > crowdGrowthBound {
		out.miss("the router grew by %.1f MiB; %d MiB are allowed", float64(growth)/(1<<20), crowdGrowthBound>>20)
	}
	return nil
}

// idle measures what connections take that do nothing.
func (b *boundsCommand) idle(cmd *cobra.Command, e bench.Endpoint, pids []int, out *bound) (err error) {
	say, stop := b.progress(cmd, out.Name)
	defer stop()
	say(fmt.Sprintf("%d connections", b.connections))
	out.Idle, err = bench.MeasureIdle(cmd.Context(), bench.Config{Ingress: e, Egress: e, Address: "bounds", PIDs: pids,
		IdleConnections: b.connections, Stall: b.stall})
	if err != nil {
		return err
	}
	if out.Idle.PerConn > connectionBound {
		out.miss("a connection takes %.1f KiB; %d KiB are allowed", float64(out.Idle.PerConn)/(1<<10),
			connectionBound>>10)
	}
	return nil
}

// burst measures what connections take that have sent and received.
func (b *boundsCommand) burst(cmd *cobra.Command, e bench.Endpoint, pids []int, out *bound) (err error) {
	say, stop := b.progress(cmd, out.Name)
	defer stop()
	out.Burst, err = bench.MeasureBurst(cmd.Context(), bench.BurstConfig{Endpoint: e, PIDs: pids,
		Connections: max(b.connections/10, 2), Messages: 1000, Size: 1000, Enough: connectionBound, Quiet: b.quiet,
		Stall: b.stall, Progress: say})
	if err != nil {
		return err
	}
	if out.Burst.After > connectionBound {
		out.miss("%v after a burst, a connection takes %.1f KiB; %d KiB are allowed",
			out.Burst.Waited.Round(time.Second), float64(out.Burst.After)/(1<<10), connectionBound>>10)
	}
	return nil
}

func (out *bound) miss(format string, args ...any) {
	out.Misses = append(out.Misses, fmt.Sprintf(format, args...))
}

// progress shows on a terminal what is under way.
func (b *boundsCommand) progress(cmd *cobra.Command, name string) (say func(string), stop func()) {
	var what atomic.Pointer[string]
	say = func(s string) { what.Store(&s) }
	say("")
	shown := terminal.StartProgress(cmd.ErrOrStderr(), func() string { return name + ": " + *what.Load() })
	return say, shown.Stop
}

// write prints one measurement.
func (out *bound) write(w io.Writer) {
	const mib, kib = 1 << 20, 1 << 10
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-13s"+format+"\n", append([]any{name}, args...)...)
	}
	if c := out.Crowd; c != nil {
		settlement := "unsettled"
		if c.Settled {
			settlement = "pre-settled"
		}
		line(out.Name, "%d senders, %d messages of %d octets offered (%s), %d sent, %d received by one slow receiver",
			c.Senders, c.Offered, c.Size, settlement, c.Sent, c.Received)
		line("", "resident at most %.1f MiB without them, %.1f MiB with them: %+.1f MiB; %.1f MiB as they came and went %d "+
			"times", float64(c.Calm)/mib, float64(c.Peak)/mib, float64(c.Growth)/mib, float64(c.Highest)/mib, len(c.With))
		line("", "neighbor kept %.1f %% of its throughput (%.1f to %.1f %% in %d pairs; CPU s per million %.2f without, "+
			"%.2f with)", 100*c.Kept.Median, 100*c.Kept.Least, 100*c.Kept.Most, len(c.With), c.WithoutCPU, c.WithCPU)
	}
	if i := out.Idle; i != nil {
		line(out.Name, "%d connections with %d links: %.1f KiB each; %.2f s, %.2f CPU s", i.Connections, i.Links,
			float64(i.PerConn)/kib, i.Opening.Seconds(), i.CPU.Seconds())
	}
	if b := out.Burst; b != nil {
		line(out.Name, "%d connections, %d messages of %d octets in %.1f s", b.Connections, b.Messages, b.Size,
			b.Elapsed.Seconds())
		line("", "a connection takes %.1f KiB before, at most %.1f KiB meanwhile, %.1f KiB %.1f s later",
			float64(b.Idle)/kib, float64(b.Peak)/kib, float64(b.After)/kib, b.Waited.Seconds())
	}
	if g := out.Group; g != nil {
		line("", "control group: limit %.0f MiB, at most %.1f MiB used, %d processes killed", float64(g.Limit)/mib,
			float64(g.Peak)/mib, g.OOMKills)
	}
	for _, l := range out.Overload {
		line("", "%s", l)
	}
	for _, m := range out.Misses {
		line("", "MISSED: %s", m)
	}
}
