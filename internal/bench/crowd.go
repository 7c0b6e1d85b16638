package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/postroad/postroad/internal/process"
)

// CrowdConfig describes a crowd of senders that offer far more than the one slow receiver of their address takes, and a
// neighboring address of the same router whose throughput they should leave alone.
type CrowdConfig struct {
	Endpoint    Endpoint
	PIDs        []int // processes of the router
	Senders     int
	Messages    uint64  // that all senders of the crowd together offer
	Size        int     // octets of a body of the crowd
	Settled     bool    // the crowd sends pre-settled
	ReceiveRate float64 // messages per second that the slow receiver takes

	NeighborSize    int     // octets of a body of the neighbor's
	NeighborSettled bool    // the neighbor sends pre-settled
	NeighborRate    float64 // messages per second, 0 for full speed

	Pairs    int           // how often the neighbor is measured without and with the crowd
	Window   time.Duration // of one measurement
	Settling time.Duration // from the crowd's start, or end, until the neighbor is measured
	Stall    time.Duration

	Progress func(what string) // may be nil
}

// Crowd is what was measured of a crowd. Durations are in nanoseconds in JSON, memory in octets.
type Crowd struct {
	Senders     int     `json:"senders"`
	Offered     uint64  `json:"offered"` // messages by all of them together, each time
	Size        int     `json:"size"`
	Settled     bool    `json:"settled"`
	ReceiveRate float64 `json:"receivedPerSecondAtMost"`

	Sent     uint64 `json:"sent"`     // messages that the router has let them send, in all
	Received uint64 `json:"received"` // by the slow receiver
	Calm     uint64 `json:"memoryCalmOctets"`
	Peak     uint64 `json:"memoryPeakOctets"`
	Growth   int64  `json:"memoryGrowthOctets"`  // of the peak with the first crowd over that without
	Highest  uint64 `json:"memoryHighestOctets"` // the peak while crowds came and went

	Without []float64 `json:"neighborWithout"` // the neighbor's messages per second
	With    []float64 `json:"neighborWith"`
	Kept    Spread    `json:"neighborKept"` // part of its throughput that the crowd has left it

	WithoutCPU float64 `json:"cpuPerMillionWithout"` // router CPU s per million messages of the neighbor's
	WithCPU    float64 `json:"cpuPerMillionWith"`
}

// Spread sums up the ratios of pairs.
type Spread struct {
	Median float64 `json:"median"`
	Least  float64 `json:"least"`
	Most   float64 `json:"most"`
}

// NewSpread sums up ratios.
func NewSpread(ratios []float64) Spread {
	if len(ratios) == 0 {
		return Spread{}
	}
	sorted := slices.Sorted(slices.Values(ratios))
	n := len(sorted)
	return Spread{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Least: sorted[0], Most: sorted[n-1]}
}

// MeasureCrowd lets the neighbor's messages flow, and lets the crowd come and go meanwhile. The crowd's connections are
// opened anew each time; they stall on credit and on TCP, so that they take next to no CPU while the neighbor is
// measured. The order alternates: without, with, with, without, …
func MeasureCrowd(ctx context.Context, c CrowdConfig) (*Crowd, error) {
	neighbor := Config{
		Ingress: c.Endpoint, Egress: c.Endpoint, Address: "neighbor", Senders: 1, Receivers: 1, Size: c.NeighborSize,
		Settled: c.NeighborSettled, Rate: c.NeighborRate, Credit: DefaultCredit, FrameSize: DefaultFrameSize,
		Duration: c.Window, Stall: c.Stall, PIDs: c.PIDs,
	}
	crowd := Config{
		Ingress: c.Endpoint, Egress: c.Endpoint, Address: "crowd", Senders: c.Senders, Receivers: 1, Size: c.Size,
		Settled: c.Settled, Offer: c.Messages / uint64(max(c.Senders, 1)), ReceiveRate: c.ReceiveRate,
		Credit: DefaultCredit, FrameSize: DefaultFrameSize, Duration: c.Window, Stall: c.Stall,
	}
	if err := errors.Join(neighbor.Validate(), crowd.Validate()); err != nil {
		return nil, err
	}
	m := &crowdRun{c: &c, neighbor: &neighbor, crowd: &crowd, out: &Crowd{Senders: c.Senders, Offered: c.Messages,
		Size: c.Size, Settled: c.Settled, ReceiveRate: c.ReceiveRate}}
	m.ctx, m.fail = context.WithCancelCause(ctx)
	defer m.fail(nil)
	return m.run()
}

// crowdRun is the state of MeasureCrowd.
type crowdRun struct {
	c               *CrowdConfig
	neighbor, crowd *Config
	ctx             context.Context
	fail            context.CancelCauseFunc
	out             *Crowd
	without, with   crowdSum
}

// crowdSum adds up what the neighbor's messages cost.
type crowdSum struct {
	messages uint64
	cpu      time.Duration
}

func (s crowdSum) perMillion() float64 {
	if s.messages == 0 {
		return 0
	}
	return s.cpu.Seconds() * 1e6 / float64(s.messages)
}

// run goes through the pairs.
func (m *crowdRun) run() (*Crowd, error) {
	attaching, cancel := context.WithTimeoutCause(m.ctx, m.c.Stall,
		fmt.Errorf("the router did not answer within %v", m.c.Stall))
	defer cancel()
	l, err := attachAll(attaching, m.neighbor, func(err error) { m.fail(err) })
	if err != nil {
		return nil, err
	}
	defer l.close()
	l.start()
	if err := m.wait(2 * m.c.Settling); err != nil {
		return nil, err
	}
	routers := process.IDs(m.c.PIDs)
	if err := routers.ResetPeak(); err != nil {
		return nil, err
	}
	if err := m.pause("the neighbor alone", m.c.Window+m.c.Settling); err != nil {
		return nil, err
	}
	if m.out.Calm, err = routers.Peak(); err != nil {
		return nil, err
	}
	for pair := range m.c.Pairs {
		if err := m.pair(l, pair); err != nil {
			return nil, err
		}
	}
	if m.out.Highest, err = routers.Peak(); err != nil {
		return nil, err
	}
	m.out.Growth = int64(m.out.Peak) - int64(m.out.Calm)
	ratios := make([]float64, 0, len(m.out.With))
	for i, with := range m.out.With {
		if m.out.Without[i] > 0 {
			ratios = append(ratios, with/m.out.Without[i])
		}
	}
	m.out.Kept = NewSpread(ratios)
	m.out.WithoutCPU, m.out.WithCPU = m.without.perMillion(), m.with.perMillion()
	return m.out, nil
}

// pair measures the neighbor without and with the crowd, in the order that the number of the pair says.
func (m *crowdRun) pair(neighbor *load, pair int) error {
	halves := []func(*load, int) error{m.calm, m.crowded}
	if pair%2 == 1 {
		slices.Reverse(halves)
	}
	return errors.Join(halves[0](neighbor, pair), halves[1](neighbor, pair))
}

// calm measures the neighbor without the crowd.
func (m *crowdRun) calm(neighbor *load, pair int) error {
	if err := m.wait(m.c.Settling); err != nil {
		return err
	}
	rate, err := m.measure(neighbor, fmt.Sprintf("pair %d without the crowd", pair+1), &m.without)
	m.out.Without = append(m.out.Without, rate)
	return err
}

// crowded lets the crowd come, measures the neighbor, and lets the crowd go.
func (m *crowdRun) crowded(neighbor *load, pair int) error {
	attaching, cancel := context.WithTimeoutCause(m.ctx, m.c.Stall,
		fmt.Errorf("the router did not answer within %v", m.c.Stall))
	defer cancel()
	l, err := attachAll(attaching, m.crowd, func(err error) { m.fail(fmt.Errorf("crowd: %w", err)) })
	if err != nil {
		return err
	}
	defer l.close()
	l.start()
	if err := m.wait(m.c.Settling); err != nil {
		return err
	}
	rate, err := m.measure(neighbor, fmt.Sprintf("pair %d with the crowd", pair+1), &m.with)
	m.out.With = append(m.out.With, rate)
	t := l.count()
	m.out.Sent += t.sent
	m.out.Received += t.received
	if m.out.Peak == 0 {
		var err1 error
		m.out.Peak, err1 = process.IDs(m.c.PIDs).Peak()
		err = errors.Join(err, err1)
	}
	return err
}

// measure counts the neighbor's messages for one window.
func (m *crowdRun) measure(neighbor *load, what string, sum *crowdSum) (rate float64, err error) {
	routers := process.IDs(m.c.PIDs)
	cpu, err1 := routers.CPU()
	before, began := neighbor.count().received, time.Now()
	if err := m.pause(what, m.c.Window); err != nil {
		return 0, err
	}
	received := neighbor.count().received - before
	elapsed := time.Since(began)
	cpuNow, err2 := routers.CPU()
	sum.messages += received
	sum.cpu += cpuNow - cpu
	return float64(received) / elapsed.Seconds(), errors.Join(err1, err2)
}

// pause says what is under way and waits.
func (m *crowdRun) pause(what string, d time.Duration) error {
	if m.c.Progress != nil {
		m.c.Progress(what)
	}
	return m.wait(d)
}

// wait waits, unless something fails meanwhile.
func (m *crowdRun) wait(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-m.ctx.Done():
		return context.Cause(m.ctx)
	}
}
