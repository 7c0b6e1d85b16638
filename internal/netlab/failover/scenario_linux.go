package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/postroad/postroad/internal/bench"
	"github.com/postroad/postroad/internal/netlab"
	"github.com/postroad/postroad/topologies"
)

// scenario is one thing to measure.
type scenario struct {
	name string
	rate int // messages a second; 0 where there are none
}

// kind says how a scenario goes.
type kind struct {
	what    string // in the report
	rated   bool   // whether there are messages
	measure func(ctx context.Context, r *running) (outcome, error)
	network func() (*topologies.Topology, error)
}

// order is that of the report.
var order = []string{"kill", "stop", "link", "twice-kill", "twice-stop", "twice-link", "heal", "cold5", "cold30"}

// kinds are the scenarios by their names.
var kinds map[string]kind

func init() {
	diamond := func() (*topologies.Topology, error) { return topologies.Named("diamond") }
	kinds = map[string]kind{
		"kill":       {killed, true, failing(once, func(l *netlab.Lab) error { return l.Kill("B") }), diamond},
		"stop":       {stopped, true, failing(once, func(l *netlab.Lab) error { return l.Suspend("B") }), diamond},
		"link":       {linkDown, true, failing(once, func(l *netlab.Lab) error { return l.LinkDown("B", "D") }), diamond},
		"twice-kill": {killed + redundant, true, failing(twice, func(l *netlab.Lab) error { return l.Kill("B") }), diamond},
		"twice-stop": {stopped + redundant, true, failing(twice, func(l *netlab.Lab) error { return l.Suspend("B") }), diamond},
		"twice-link": {linkDown + redundant, true,
			failing(twice, func(l *netlab.Lab) error { return l.LinkDown("B", "D") }), diamond},
		"heal":   {"partition of six routers heals", true, healing, sides},
		"cold5":  {"cold start of 5 routers", false, starting, func() (*topologies.Topology, error) { return topologies.Named("ring") }},
		"cold30": {"cold start of 30 routers", false, starting, func() (*topologies.Topology, error) { return topologies.Named("mesh-30") }},
	}
}

// What happens to the router or link that messages take.
const (
	killed    = "transit router killed (kill -9)"
	stopped   = "transit router stands still (SIGSTOP)"
	linkDown  = "link behind the transit router down"
	redundant = ", redundant messages"
)

// The addresses of the diamond whose messages take one way, and two at a time.
const (
	once  = "orders"
	twice = "payments"
)

// scenarioNames lists the scenarios.
func scenarioNames() []string { return order }

// title names a scenario for people.
func (s scenario) title() string {
	if s.rate == 0 {
		return kinds[s.name].what
	}
	return fmt.Sprintf("%s, %d messages/s", kinds[s.name].what, s.rate)
}

// patience is how long a run may take, and stall how long nothing may move.
const (
	patience = 3 * time.Minute
	stall    = time.Minute
)

// running is a scenario under way.
type running struct {
	scenario
	lab    *netlab.Lab
	stream *bench.Stream
}

// measure is one run.
func (s scenario) measure(ctx context.Context, p netlab.Program, logs string) (out outcome, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no end within %v", patience))
	defer cancel()
	k := kinds[s.name]
	t, err := k.network()
	if err != nil {
		return out, err
	}
	lab, err := netlab.New(t, netlab.Options{Program: p, Logs: logs})
	if err != nil {
		return out, err
	}
	defer func() {
		if logs != "" {
			fmt.Fprintf(os.Stderr, "\n%s", lab.Logs())
		}
		err = errors.Join(err, lab.Close())
	}()
	return k.measure(ctx, &running{scenario: s, lab: lab})
}

// flow starts the routers, and messages from one to another for an address.
func (r *running) flow(ctx context.Context, from, to, address string) error {
	if err := r.lab.Start(); err != nil {
		return err
	}
	if err := r.lab.Converge(ctx); err != nil {
		return err
	}
	var err error
	r.stream, err = bench.StartStream(ctx, bench.Config{
		Ingress: r.lab.Endpoint(from), Egress: r.lab.Endpoint(to), Address: address, Senders: 1, Receivers: 1,
		Size: 100, Credit: bench.DefaultCredit, FrameSize: bench.DefaultFrameSize, Rate: float64(r.rate), Stall: stall,
	})
	if err != nil {
		return err
	}
	return r.stream.Flow(ctx, uint64(r.rate)*uint64(calm/time.Second))
}

// calm is how long messages flow before something is done: routers of both kinds act later on what happens within two
// seconds of something else.
const calm = 3 * time.Second

// end stops the messages and counts what became of them.
func (r *running) end(ctx context.Context, out *outcome) error {
	d, err := r.stream.Stop(ctx)
	out.Sent, out.Lost, out.Duplicated, out.Stuck = d.Sent, d.Lost, d.Duplicated, d.WithoutOutcome
	out.Released, out.Modified, out.Rejected = d.Outcomes["released"], d.Outcomes["modified"], d.Outcomes["rejected"]
	return err
}

// failing measures the gap after something was done to the way that the messages take.
func failing(address string, fail func(l *netlab.Lab) error) func(context.Context, *running) (outcome, error) {
	return func(ctx context.Context, r *running) (out outcome, err error) {
		if err := r.flow(ctx, "A", "D", address); err != nil {
			return out, err
		}
		r.stream.Mark()
		began := time.Now()
		if err := fail(r.lab); err != nil {
			return out, err
		}
		out.Doing = time.Since(began)
		if err := r.stream.Flow(ctx, uint64(r.rate*3/2)); err != nil {
			return out, err
		}
		w := r.stream.Watch()
		out.Time, out.Latency = w.Gap, w.Latency
		return out, r.end(ctx, &out)
	}
}

// sides are two rings of three routers, with two links between them.
func sides() (*topologies.Topology, error) {
	return topologies.Parse("sides.yaml", []byte(`
name: sides
routers: [{id: A}, {id: B}, {id: C}, {id: D}, {id: E}, {id: F}]
links:
  - {a: A, b: B}
  - {a: B, b: C}
  - {a: C, b: A}
  - {a: D, b: E}
  - {a: E, b: F}
  - {a: F, b: D}
  - {a: C, b: D}
  - {a: B, b: E}
`))
}

// healing measures the time until messages flow when two sides come together again.
func healing(ctx context.Context, r *running) (out outcome, err error) {
	if err := r.flow(ctx, "A", "F", once); err != nil {
		return out, err
	}
	if err := errors.Join(r.lab.LinkDown("C", "D"), r.lab.LinkDown("B", "E")); err != nil {
		return out, err
	}
	if err := r.lab.Converge(ctx); err != nil {
		return out, err
	}
	began := time.Now()
	if err := errors.Join(r.lab.LinkUp("C", "D"), r.lab.LinkUp("B", "E")); err != nil {
		return out, err
	}
	if err := r.stream.Flow(ctx, 1); err != nil {
		return out, err
	}
	out.Time = time.Since(began)
	if err := r.lab.Converge(ctx); err != nil {
		return out, err
	}
	out.Routes = time.Since(began)
	if err := r.stream.Flow(ctx, uint64(r.rate)); err != nil {
		return out, err
	}
	return out, r.end(ctx, &out)
}

// starting measures the time until all routers know the cheapest paths to all others.
func starting(ctx context.Context, r *running) (out outcome, err error) {
	began := time.Now()
	if err := r.lab.Launch(); err != nil {
		return out, err
	}
	if err := r.lab.Converge(ctx); err != nil {
		return out, err
	}
	out.Time = time.Since(began)
	return out, nil
}
