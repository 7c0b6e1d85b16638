package show

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroad/postroad/cmd/postroad/command"
	"github.com/postroad/postroad/cmd/postroad/connect"
	"github.com/postroad/postroad/cmd/postroad/output"
	"github.com/postroad/postroad/internal/goamqp"
	"github.com/postroad/postroad/internal/management/client"
)

// traceReport is what `postroad trace --output json` prints.
type traceReport struct {
	Address      string     `json:"address"`
	Distribution string     `json:"distribution"`
	From         string     `json:"from"`
	Ways         []traceWay `json:"ways"` // to each router with consumers, the nearest first
}

// traceWay is the way to one router with consumers of the address.
type traceWay struct {
	Consumers int        `json:"consumers"`
	Hops      []traceHop `json:"hops"` // the router that was asked first
	Problem   string     `json:"problem,omitempty"`
}

// traceHop is one router on the way.
type traceHop struct {
	Router    string        `json:"router"`
	RoundTrip time.Duration `json:"roundTripNanoseconds"` // median of the probes, from this client and back
}

// traceFlags are the flags of trace.
type traceFlags struct {
	client  connect.Flags
	timeout time.Duration
	probes  int
}

// NewTrace returns the command trace.
func NewTrace() *cobra.Command {
	var f traceFlags
	cmd := &cobra.Command{
		Use:   "trace ADDRESS",
		Short: "Show the ways that messages for an address take, hop by hop",
		Long: "Show the ways that messages for an address take from the router at --url to each router with consumers:\n" +
			"every router on the way is asked which one is next, and probed for the time until its answer is here. The\n" +
			"probes are management requests, which travel as messages do. Exit status 1 if the address has no consumers.",
		Example: "  postroad trace orders --url amqp://hub.example",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.probes < 1 {
				return command.UsageErrorf("--probes %d: at least 1", f.probes)
			}
			conn, m, err := f.client.Management(cmd.Context(), f.timeout)
			if err != nil {
				return err
			}
			defer conn.Close()
			r, err := f.trace(cmd.Context(), m, args[0])
			if err != nil {
				return err
			}
			if output.WantJSON(cmd) {
				return output.WriteJSON(cmd.OutOrStdout(), r)
			}
			r.write(cmd.OutOrStdout())
			return nil
		},
	}
	f.client.Register(cmd)
	cmd.Flags().DurationVar(&f.timeout, "timeout", 5*time.Second, "longest time to wait for each answer")
	cmd.Flags().IntVar(&f.probes, "probes", 5, "how often each router is probed; the median counts")
	return cmd
}

// trace finds the consumers of an address and the ways there.
func (f *traceFlags) trace(ctx context.Context, m *client.Client, address string) (*traceReport, error) {
	self, err := m.Query(ctx, client.Here, "router", "id")
	if err != nil {
		return nil, err
	}
	if len(self) == 0 {
		return nil, fmt.Errorf("the router does not say who it is")
	}
	r := &traceReport{Address: address, From: goamqp.String(self[0]["id"])}
	nodes, err := m.Query(ctx, client.Here, "router.node", "id")
	if err != nil {
		return nil, err
	}
	routers := []string{r.From}
	for _, n := range nodes {
		if id := goamqp.String(n["id"]); id != r.From {
			routers = append(routers, id)
		}
	}
	slices.Sort(routers)
	hops := make(map[string]traceHop)
	for _, id := range routers {
		rows, err := m.Query(ctx, f.node(r, id), "router.address", "name", "subscriberCount", "distribution")
		if err != nil {
			r.Ways = append(r.Ways, traceWay{Hops: []traceHop{{Router: id}}, Problem: err.Error()})
			continue
		}
		for _, row := range rows {
			text, ok := mobileAddress(goamqp.String(row["name"]))
			if !ok || text != address || goamqp.Int(row["subscriberCount"]) == 0 {
				continue
			}
			r.Distribution = goamqp.String(row["distribution"])
			w := traceWay{Consumers: goamqp.Int(row["subscriberCount"])}
			if err := f.follow(ctx, m, r, id, &w, hops); err != nil {
				w.Problem = err.Error()
			}
			r.Ways = append(r.Ways, w)
		}
	}
	if !slices.ContainsFunc(r.Ways, func(w traceWay) bool { return w.Consumers > 0 }) {
		return nil, fmt.Errorf("%q has no consumers at %s", address, strings.Join(routers, ", "))
	}
	slices.SortStableFunc(r.Ways, func(a, b traceWay) int { return len(a.Hops) - len(b.Hops) })
	return r, nil
}

// node is the management address of a router.
func (f *traceFlags) node(r *traceReport, id string) string {
	if id == r.From {
		return client.Here
	}
	return client.Of(id)
}

// follow asks each router on the way for the next one.
func (f *traceFlags) follow(ctx context.Context, m *client.Client, r *traceReport, to string, w *traceWay,
	hops map[string]traceHop) error {
	for at := r.From; ; {
		h, ok := hops[at]
		if !ok {
			var err error
			if h, err = f.probe(ctx, m, r, at); err != nil {
				return err
			}
			hops[at] = h
		}
		w.Hops = append(w.Hops, h)
		if at == to {
			return nil
		}
		rows, err := m.Query(ctx, f.node(r, at), "router.node", "id", "nextHop", "routerLink")
		if err != nil {
			return err
		}
		next := ""
		for _, row := range rows {
			if goamqp.String(row["id"]) != to {
				continue
			}
			if next = goamqp.String(row["nextHop"]); next == "" && row["routerLink"] != nil {
				next = to // a neighbor
			}
		}
		if next == "" || slices.ContainsFunc(w.Hops, func(h traceHop) bool { return h.Router == next }) {
			return fmt.Errorf("%s has no way to %s", at, to)
		}
		at = next
	}
}

// probe measures the time until a router's answer is here.
func (f *traceFlags) probe(ctx context.Context, m *client.Client, r *traceReport, id string) (traceHop, error) {
	var times []time.Duration
	for range f.probes {
		began := time.Now()
		if _, err := m.Query(ctx, f.node(r, id), "router", "id"); err != nil {
			return traceHop{Router: id}, err
		}
		times = append(times, time.Since(began))
	}
	slices.Sort(times)
	return traceHop{Router: id, RoundTrip: times[len(times)/2]}, nil
}

func (r *traceReport) write(w io.Writer) {
	fmt.Fprintf(w, "%s (%s) from %s\n", r.Address, r.Distribution, r.From)
	for _, way := range r.Ways {
		for i, h := range way.Hops {
			text := strings.Repeat("  ", i) + "└ " + h.Router
			switch {
			case h.RoundTrip == 0:
			case i == len(way.Hops)-1 && way.Problem == "":
				text = fmt.Sprintf("%-30s %6.2f ms  %s", text, ms(h.RoundTrip),
					output.Count(uint64(way.Consumers), "consumer"))
			default:
				text = fmt.Sprintf("%-30s %6.2f ms", text, ms(h.RoundTrip))
			}
			fmt.Fprintln(w, text)
		}
		if way.Problem != "" {
			fmt.Fprintln(w, strings.Repeat("  ", len(way.Hops))+way.Problem)
		}
	}
}

// ms is a time in milliseconds.
func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
