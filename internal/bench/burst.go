package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/postroad/postroad/internal/process"
)

// BurstConfig describes connections that are idle, then send and receive for a while, and are idle again.
type BurstConfig struct {
	Endpoint    Endpoint
	PIDs        []int  // processes of the router
	Connections int    // half of them send, each to a receiver of its own
	Messages    uint64 // that each sender sends
	Size        int    // octets of a body
	Enough      int64  // octets a connection: waiting ends once the router is back at so little
	Quiet       time.Duration
	Stall       time.Duration

	Progress func(what string) // may be nil
}

// Burst is what was measured. Durations are in nanoseconds in JSON, memory in octets.
type Burst struct {
	Connections int    `json:"connections"`
	Messages    uint64 `json:"messages"` // in all
	Size        int    `json:"size"`

	Before  uint64        `json:"memoryBeforeOctets"` // without connections
	Idle    int64         `json:"memoryIdleOctetsPerConnection"`
	Peak    int64         `json:"memoryPeakOctetsPerConnection"` // during the burst
	After   int64         `json:"memoryAfterOctetsPerConnection"`
	Waited  time.Duration `json:"waitedNanoseconds"` // from the last outcome until memory was read as After
	Elapsed time.Duration `json:"burstNanoseconds"`
}

// MeasureBurst measures the memory of a router's connections before, during and after a burst of messages.
func MeasureBurst(ctx context.Context, c BurstConfig) (*Burst, error) {
	pairs := c.Connections / 2
	config := Config{
		Ingress: c.Endpoint, Egress: c.Endpoint, Address: "burst", Senders: pairs, Receivers: pairs, Distinct: true,
		Size: c.Size, Offer: c.Messages, Credit: DefaultCredit, FrameSize: DefaultFrameSize, Messages: 1, Stall: c.Stall,
	}
	if err := config.Validate(); err != nil {
		return nil, err
	}
	b := &burstRun{c: &c, config: &config, routers: c.PIDs, out: &Burst{Connections: 2 * pairs, Size: c.Size,
		Messages: uint64(pairs) * c.Messages}}
	b.ctx, b.fail = context.WithCancelCause(ctx)
	defer b.fail(nil)
	if err := b.run(); err != nil {
		return nil, err
	}
	return b.out, nil
}

// burstRun is the state of MeasureBurst.
type burstRun struct {
	c       *BurstConfig
	config  *Config
	routers process.IDs
	ctx     context.Context
	fail    context.CancelCauseFunc
	out     *Burst
	load    *load
}

// run goes through the phases.
func (b *burstRun) run() (err error) {
	if b.out.Before, err = b.routers.Memory(); err != nil {
		return err
	}
	b.say("opening connections")
	attaching, cancel := context.WithTimeoutCause(b.ctx, 6*b.c.Stall,
		fmt.Errorf("the router did not answer within %v", 6*b.c.Stall))
	defer cancel()
	if b.load, err = attachAll(attaching, b.config, func(err error) { b.fail(err) }); err != nil {
		return err
	}
	defer b.load.close()
	if err := b.routers.ResetPeak(); err != nil {
		return err
	}
	if b.out.Idle, err = b.perConnection(b.routers.Memory); err != nil {
		return err
	}
	if err := b.burst(); err != nil {
		return err
	}
	if b.out.Peak, err = b.perConnection(b.routers.Peak); err != nil {
		return err
	}
	return b.quiet()
}

// burst lets all senders send what they have.
func (b *burstRun) burst() error {
	b.say("sending")
	began := time.Now()
	defer func() { b.out.Elapsed = time.Since(began) }()
	b.load.start()
	last, progress := uint64(0), began
	return b.every(10*time.Millisecond, func() (done bool, err error) {
		t := b.load.count()
		if sum := t.sent + t.received + t.settled; sum != last {
			last, progress = sum, time.Now()
		}
		if time.Since(progress) > b.c.Stall {
			return false, fmt.Errorf("nothing was received, sent or settled for %v\n%s", b.c.Stall, b.load.state())
		}
		return t.settled == b.out.Messages && t.unique == b.out.Messages, nil
	})
}

// quiet waits until the router has given its memory back.
func (b *burstRun) quiet() error {
	b.say("waiting for the memory to be given back")
	began := time.Now()
	return b.every(250*time.Millisecond, func() (done bool, err error) {
		b.out.After, err = b.perConnection(b.routers.Memory)
		b.out.Waited = time.Since(began)
		return b.out.After <= b.c.Enough || b.out.Waited >= b.c.Quiet, err
	})
}

// perConnection is how much more memory a connection takes than there was without any.
func (b *burstRun) perConnection(memory func() (uint64, error)) (int64, error) {
	n, err := memory()
	return (int64(n) - int64(b.out.Before)) / int64(b.out.Connections), err
}

// every calls a function again and again until it is done or anything fails.
func (b *burstRun) every(d time.Duration, f func() (done bool, err error)) error {
	t := time.NewTicker(d)
	defer t.Stop()
	for {
		if done, err := f(); done || err != nil {
			return err
		}
		select {
		case <-t.C:
		case <-b.ctx.Done():
			return context.Cause(b.ctx)
		}
	}
}

func (b *burstRun) say(what string) {
	if b.c.Progress != nil {
		b.c.Progress(what)
	}
}
