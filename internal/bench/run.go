package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/postroad/postroad/internal/process"
)

// errInterrupted ends a run whose caller has had enough; what was measured until then is reported.
var errInterrupted = errors.New("interrupted")

// Run measures one route. When ctx ends while messages are being counted, the result covers what was counted so far;
// when it ends before, Run returns its error. A run without any progress for [Config].Stall fails, saying what it waited
// for. Lost or duplicated messages are no error of Run: see [Result].
func Run(ctx context.Context, c Config) (*Result, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	r := &runner{config: &c, routers: c.PIDs, caller: ctx}
	r.ctx, r.fail = context.WithCancelCause(context.WithoutCancel(ctx))
	defer r.fail(nil)
	return r.run()
}

// runner goes through the phases of one run.
type runner struct {
	config  *Config
	routers process.IDs
	caller  context.Context // the caller's; its end interrupts
	ctx     context.Context // ends with the first failure, which is its cause
	fail    context.CancelCauseFunc
	load    *load
	result  Result

	before, peak uint64 // resident set of the routers
	progress     time.Time
	last         tally
	began        time.Time
}

// snapshot is everything read at the two ends of the counted part.
type snapshot struct {
	at       time.Time
	received uint64
	octets   uint64
	router   time.Duration
	own      time.Duration
}

// run is Run with its state.
func (r *runner) run() (*Result, error) {
	c := r.config
	var err error
	if r.before, err = r.routers.Memory(); err != nil {
		return nil, err
	}
	r.peak = r.before
	var fleet *idleFleet
	if c.IdleConnections > 0 || c.IdleAddresses > 0 {
		if fleet, err = r.openIdle(); err != nil {
			return nil, err
		}
		defer func() {
			if fleet != nil {
				fleet.close()
			}
		}()
	}
	attaching, cancel := context.WithTimeoutCause(r.caller, c.Stall,
		fmt.Errorf("the router did not answer within %v", c.Stall))
	r.load, err = attachAll(attaching, c, func(err error) { r.fail(err) })
	cancel()
	if err != nil && r.caller.Err() != nil {
		err = fmt.Errorf("%w before all links were attached: %w", errInterrupted, err)
	}
	if err != nil {
		return nil, err
	}
	if err := r.measure(); err != nil {
		r.load.close()
		return nil, err
	}
	r.account()
	r.load.close()
	if fleet != nil {
		fleet.close()
		fleet = nil
		r.afterIdle()
	}
	return &r.result, nil
}

// measure goes from the first message to the last outcome.
func (r *runner) measure() error {
	c := r.config
	r.load.start()
	r.progress = time.Now()
	if err := r.await("the first message", func(t tally, _ time.Time) bool { return t.received > 0 }); err != nil {
		return err
	}
	r.began = time.Now()
	err := r.await("warm-up", func(_ tally, now time.Time) bool { return now.Sub(r.began) >= c.Warmup })
	if err != nil {
		return err
	}
	from, err := r.snapshot()
	if err != nil {
		return err
	}
	r.load.measure(true)
	r.result.Series.Interval = sampleInterval
	next := from
	err = r.await("measuring", func(t tally, now time.Time) bool {
		if dt := now.Sub(next.at); dt >= sampleInterval {
			rate := float64(t.received-next.received) / dt.Seconds()
			r.result.Series.add(rate)
			next.at, next.received = now, t.received
		}
		return c.Duration > 0 && now.Sub(from.at) >= c.Duration ||
			c.Messages > 0 && t.received-from.received >= c.Messages
	})
	r.load.measure(false)
	if errors.Is(err, errInterrupted) {
		r.result.Interrupted, err = true, nil
		r.caller = context.WithoutCancel(r.caller) // what is under way may still arrive
	}
	if err != nil {
		return err
	}
	to, err := r.snapshot()
	if err != nil {
		return err
	}
	if err := r.evaluate(from, to); err != nil {
		return err
	}
	return r.drain()
}

// sampleInterval is the time between two samples of memory and throughput.
const sampleInterval = 100 * time.Millisecond

// await looks at the counters every few milliseconds until done says so. No progress for too long is an error, and so is
// a failure of any connection.
func (r *runner) await(phase string, done func(t tally, now time.Time) bool) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	sampled, shown := time.Now(), r.last.received
	for {
		select {
		case <-r.caller.Done():
			return errInterrupted
		case <-r.ctx.Done():
			return fmt.Errorf("%w\n%s", context.Cause(r.ctx), r.load.state())
		case <-tick.C:
		}
		now := time.Now()
		t := r.load.count()
		if t.received != r.last.received || t.sent != r.last.sent || t.settled != r.last.settled {
			r.progress = now
		}
		r.last = t
		if done(t, now) {
			return nil
		}
		if quiet := now.Sub(r.progress); quiet >= r.config.Stall {
			return r.stalled(phase, quiet)
		}
		if elapsed := now.Sub(sampled); elapsed >= sampleInterval {
			if err := r.sampleMemory(); err != nil {
				return err
			}
			r.report(phase, float64(t.received-shown)/elapsed.Seconds(), now)
			sampled, shown = now, t.received
		}
	}
}

// report tells the caller how far the run is.
func (r *runner) report(phase string, rate float64, now time.Time) {
	if r.config.Progress == nil {
		return
	}
	p := Progress{Phase: phase, Received: r.last.received, Rate: rate}
	if !r.began.IsZero() {
		p.Elapsed = now.Sub(r.began)
	}
	r.config.Progress(p)
}

// stalled explains what a run hangs on.
func (r *runner) stalled(phase string, quiet time.Duration) error {
	why := "nothing was received, sent or settled"
	if r.last.sent == 0 {
		why = "nothing could be sent: no credit, which a router grants once it knows a receiver for the address"
	}
	return fmt.Errorf("stalled at %s: %s for %v\n%s", phase, why, quiet.Round(time.Millisecond), r.load.state())
}

// sampleMemory keeps the largest resident set seen.
func (r *runner) sampleMemory() error {
	n, err := r.routers.Memory()
	r.peak = max(r.peak, n)
	return err
}

// snapshot reads clocks and counters.
func (r *runner) snapshot() (snapshot, error) {
	router, err := r.routers.CPU()
	t := r.load.count()
	return snapshot{at: time.Now(), received: t.received, octets: t.octets, router: router, own: process.OwnCPU()}, err
}

// evaluate turns two snapshots into rates and costs.
func (r *runner) evaluate(from, to snapshot) error {
	out := &r.result
	out.Elapsed = to.at.Sub(from.at)
	out.Messages = to.received - from.received
	seconds := out.Elapsed.Seconds()
	out.Rate = float64(out.Messages) / seconds
	out.Throughput = float64(to.octets-from.octets) / seconds
	out.Generator = cpuCost(to.own-from.own, out)
	if len(r.routers) == 0 {
		return nil
	}
	after, err := r.routers.Memory()
	out.Router = &RouterCost{
		PIDs: r.routers, CPUCost: cpuCost(to.router-from.router, out),
		MemoryBefore: r.before, MemoryAfter: after, MemoryPeak: max(r.peak, after),
	}
	return err
}

// cpuCost relates CPU time to the messages and the time of a result.
func cpuCost(cpu time.Duration, out *Result) CPUCost {
	c := CPUCost{CPU: cpu, Cores: cpu.Seconds() / out.Elapsed.Seconds()}
	if out.Messages > 0 {
		c.PerMillion = cpu.Seconds() * 1e6 / float64(out.Messages)
	}
	return c
}

// drain stops the senders and waits for what is under way: outcomes as long as the stall time-out, settled messages,
// which may be lost without a word, two seconds.
func (r *runner) drain() error {
	r.load.stop()
	quiet := r.config.Stall
	if r.config.Settled || r.result.Interrupted {
		quiet = min(quiet, 2*time.Second)
	}
	r.progress = time.Now()
	err := r.await("draining", func(_ tally, now time.Time) bool {
		return r.load.drained() || now.Sub(r.progress) >= quiet
	})
	if errors.Is(err, errInterrupted) {
		return nil // everything was counted; the rest need not be awaited
	}
	return err
}

// account fills in what became of the messages.
func (r *runner) account() {
	l, c, out := r.load, r.config, &r.result
	out.Delivery = l.delivery()
	var all Histogram
	for _, rc := range l.receivers {
		rc.mu.Lock()
		all.Add(&rc.latency)
		rc.mu.Unlock()
	}
	out.Latency = all.summary()
	if c.Rate > 0 {
		l.lateness.mu.Lock()
		late := l.lateness.h.summary()
		l.lateness.mu.Unlock()
		late.Bars = nil
		out.Lateness = &late
	}
	out.Route = Route{
		Ingress: c.Ingress.Address, Egress: c.Egress.Address,
		IngressName: l.senders[0].peer.container, EgressName: l.receivers[0].peer.container,
		Address: c.Address, Senders: c.Senders, Receivers: c.Receivers, Multicast: c.Multicast, Size: c.Size,
		Settled: c.Settled, Credit: c.Credit, FrameSize: l.senders[0].peer.maxFrame,
		TLS: c.Ingress.TLS || c.Egress.TLS, Rate: c.Rate, WarmupTime: c.Warmup,
	}
}

// openIdle opens the idle connections and measures what they cost.
func (r *runner) openIdle() (*idleFleet, error) {
	c := r.config
	connections := max(1, c.IdleConnections)
	links := max(connections, c.IdleAddresses)
	cpu, err := r.routers.CPU()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	fleet, err := openIdle(r.caller, c, connections, links)
	if err != nil {
		return nil, err
	}
	cost := &IdleCost{Connections: connections, Links: links, Opening: time.Since(began)}
	r.result.Idle = cost
	if len(r.routers) == 0 {
		return fleet, nil
	}
	cpuNow, err1 := r.routers.CPU()
	memory, err2 := r.routers.Memory()
	cost.CPU = cpuNow - cpu
	cost.Memory = int64(memory) - int64(r.before)
	cost.PerConn = cost.Memory / int64(connections)
	cost.PerLink = cost.Memory / int64(links)
	if err := errors.Join(err1, err2); err != nil {
		fleet.close()
		return nil, err
	}
	return fleet, nil
}

// MeasureIdle opens the idle connections of a configuration, measures what they cost, and closes them. Nothing else of
// the configuration is used but where they connect and how long an answer may take.
func MeasureIdle(ctx context.Context, c Config) (*IdleCost, error) {
	r := &runner{config: &c, routers: c.PIDs, caller: ctx}
	var err error
	if r.before, err = r.routers.Memory(); err != nil {
		return nil, err
	}
	fleet, err := r.openIdle()
	if err != nil {
		return nil, err
	}
	fleet.close()
	r.afterIdle()
	return r.result.Idle, nil
}

// afterIdle measures what the routers kept of the memory for idle connections once they were closed. A router may take
// a moment to return it.
func (r *runner) afterIdle() {
	if len(r.routers) == 0 {
		return
	}
	select {
	case <-r.caller.Done():
	case <-time.After(2 * time.Second):
	}
	if memory, err := r.routers.Memory(); err == nil {
		r.result.Idle.Kept = int64(memory) - int64(r.before)
	}
}
