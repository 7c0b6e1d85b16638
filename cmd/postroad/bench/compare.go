package bench

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/postroad/postroad/cmd/postroad/command"
	"github.com/postroad/postroad/cmd/postroad/output"
	"github.com/postroad/postroad/cmd/postroad/spawn"
	"github.com/postroad/postroad/internal/bench"
)

// compareCommand is one execution of `postroad bench compare`.
type compareCommand struct {
	load  loadFlags
	a, b  string
	bURL  string
	pairs int
}

// comparison is what `postroad bench compare --output json` prints.
type comparison struct {
	A       string          `json:"a"`
	B       string          `json:"b"`
	RunsA   []*bench.Result `json:"runsOfA"`
	RunsB   []*bench.Result `json:"runsOfB"`
	Rate    ratio           `json:"rateAToB"`
	CPU     ratio           `json:"cpuPerMessageAToB"`
	Latency ratio           `json:"p99AToB"`
}

// ratio sums up the ratios of the pairs.
type ratio struct {
	Median float64 `json:"median"`
	Least  float64 `json:"least"`
	Most   float64 `json:"most"`
}

// relayWord stands for the yardstick where a router is named.
const relayWord = "relay"

func newCompareCommand() *cobra.Command {
	c := &compareCommand{}
	cmd := &cobra.Command{
		Use:   "compare --a WHAT --b WHAT",
		Short: "Measure two routers alternately and print the ratio",
		Long: "Measure two routers alternately, A B A B …, each run with processes started anew, and print the median and\n" +
			"the spread of the ratios of the pairs, so that a machine whose speed drifts does not mislead.\n\n" +
			"WHAT is a configuration file for this program, a command line that starts another router (its words are\n" +
			"separated by spaces, nothing is quoted), or the word relay for the plain relay of `bench relay`.",
		Example: "  postroad bench compare --a router.yaml --b 'qdrouterd -c qdrouterd.conf' --pairs 5 --size 1024\n" +
			"  postroad bench compare --a new.yaml --b relay",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd) },
	}
	c.load.register(cmd)
	fs := cmd.Flags()
	fs.StringVar(&c.a, "a", "", "first router")
	fs.StringVar(&c.b, "b", "", "second router")
	fs.StringVar(&c.bURL, "b-url", "", "URL of the second router; the one of --url unless given")
	fs.IntVar(&c.pairs, "pairs", 5, "how many pairs of runs")
	cmd.MarkFlagRequired("a")
	cmd.MarkFlagRequired("b")
	return cmd
}

// run measures all pairs.
func (c *compareCommand) run(cmd *cobra.Command) error {
	if c.pairs < 1 || c.pairs > 1000 {
		return command.UsageErrorf("--pairs %d is not 1 to 1000", c.pairs)
	}
	out := comparison{A: c.a, B: c.b}
	second := c.load
	second.client.URL = cmp.Or(c.bURL, second.client.URL)
	for pair := range c.pairs {
		label := fmt.Sprintf("pair %d of %d, ", pair+1, c.pairs)
		ra, err := c.one(cmd, c.load, c.a, label+"A: ")
		if err != nil {
			return fmt.Errorf("run %d of A: %w", pair+1, err)
		}
		rb, err := c.one(cmd, second, c.b, label+"B: ")
		if err != nil {
			return fmt.Errorf("run %d of B: %w", pair+1, err)
		}
		out.RunsA, out.RunsB = append(out.RunsA, ra), append(out.RunsB, rb)
		if ra.Interrupted || rb.Interrupted {
			return errors.New("interrupted")
		}
	}
	out.Rate = out.ratioOf(func(r *bench.Result) float64 { return r.Rate })
	out.CPU = out.ratioOf(func(r *bench.Result) float64 { return r.Router.PerMillion })
	out.Latency = out.ratioOf(func(r *bench.Result) float64 { return r.Latency.P99.Seconds() })
	if output.WantJSON(cmd) {
		return output.WriteJSON(cmd.OutOrStdout(), out)
	}
	return out.write(cmd)
}

// one starts a router, measures it and ends it.
func (c *compareCommand) one(cmd *cobra.Command, load loadFlags, what, label string) (*bench.Result, error) {
	var routers spawn.Processes
	if what == relayWord {
		relay, address, err := startRelay(cmd.Context(), load.config.FrameSize)
		if err != nil {
			return nil, err
		}
		routers, load.client.URL, load.receiveURL = relay, "amqp://"+address, ""
		defer routers.Stop()
	}
	config, err := load.configure(cmd)
	if err != nil {
		return nil, err
	}
	if routers == nil {
		argv, err := commandOf(what)
		if err != nil {
			return nil, err
		}
		routers, err = spawn.Start(cmd.Context(), [][]string{argv}, config.Ingress.Address, config.Egress.Address)
		if err != nil {
			return nil, err
		}
		defer routers.Stop()
	}
	config.PIDs = routers.IDs()
	result, err := measure(cmd, config, label)
	if err != nil {
		return nil, routers.Explain(err)
	}
	return result, verdict(result)
}

// commandOf returns the command line for a configuration file or a command.
func commandOf(what string) ([]string, error) {
	if info, err := os.Stat(what); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 == 0 {
		commands, err := spawn.Commands([]string{what})
		if err != nil {
			return nil, err
		}
		return commands[0], nil
	}
	argv := strings.Fields(what)
	if len(argv) == 0 {
		return nil, command.UsageErrorf("--a and --b each name a configuration file, a command or the word %s",
			relayWord)
	}
	return argv, nil
}

// ratioOf compares a figure over the pairs.
func (c *comparison) ratioOf(figure func(*bench.Result) float64) ratio {
	ratios := make([]float64, 0, len(c.RunsA))
	for i, a := range c.RunsA {
		if of := figure(c.RunsB[i]); of > 0 {
			ratios = append(ratios, figure(a)/of)
		}
	}
	if len(ratios) == 0 {
		return ratio{}
	}
	slices.Sort(ratios)
	n := len(ratios)
	return ratio{Median: (ratios[(n-1)/2] + ratios[n/2]) / 2, Least: ratios[0], Most: ratios[n-1]}
}

// write prints a table of the runs and the ratios.
func (c *comparison) write(cmd *cobra.Command) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "run\tmessages/s\tCPU s per million\tp50 µs\tp99 µs\tpeak MiB\t")
	row := func(name string, r *bench.Result) {
		fmt.Fprintf(w, "%s\t%.0f\t%.3f\t%.0f\t%.0f\t%.1f\t\n", name, r.Rate, r.Router.PerMillion,
			r.Latency.P50.Seconds()*1e6, r.Latency.P99.Seconds()*1e6, float64(r.Router.MemoryPeak)/(1<<20))
	}
	for i := range c.RunsA {
		row(fmt.Sprintf("A%d", i+1), c.RunsA[i])
		row(fmt.Sprintf("B%d", i+1), c.RunsB[i])
	}
	if err := w.Flush(); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "\nA  %s\nB  %s\n\n", c.A, c.B)
	for _, line := range []struct {
		name string
		r    ratio
	}{{"rate", c.Rate}, {"CPU per message", c.CPU}, {"p99 latency", c.Latency}} {
		fmt.Fprintf(out, "A/B %-16s median %.3f, from %.3f to %.3f\n", line.name, line.r.Median, line.r.Least, line.r.Most)
	}
	return nil
}
