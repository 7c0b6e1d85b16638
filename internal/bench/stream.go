package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Stream is a load that flows while its caller does things to the routers: kills one, cuts a link. It says how long
// nothing arrived meanwhile and what became of every message. Of a [Config] it takes where to connect, the messages,
// their rate, and Stall.
//
// A Stream is used by one goroutine.
type Stream struct {
	config Config
	load   *load
	gaps   gapWatch
	ctx    context.Context // ends with the first failure of a connection, which is its cause
	fail   context.CancelCauseFunc
}

// Watch is what was seen since [Stream.Mark].
type Watch struct {
	Gap     time.Duration // longest time without an arrival at any receiver; one that is still open counts
	Start   time.Duration // when that began, from the mark; negative if it was before
	Latency time.Duration // longest time between a message being due and its arrival
}

// StartStream attaches the receivers and the senders, lets messages flow, and returns when the first has arrived.
func StartStream(ctx context.Context, c Config) (*Stream, error) {
	c.Messages = 1 // the limits of a measurement do not apply
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Stream{config: c}
	s.ctx, s.fail = context.WithCancelCause(context.WithoutCancel(ctx))
	attaching, cancel := context.WithTimeoutCause(ctx, c.Stall, fmt.Errorf("the router did not answer within %v", c.Stall))
	defer cancel()
	var err error
	if s.load, err = attachAll(attaching, &s.config, func(err error) { s.fail(err) }); err != nil {
		s.fail(nil)
		return nil, err
	}
	for _, r := range s.load.receivers {
		r.gaps.Store(&s.gaps)
	}
	s.gaps.mark(s.load.clock.now())
	s.load.start()
	arrived := func() bool { return s.load.count().received > 0 }
	if err := s.await(ctx, c.Stall, arrived); err != nil {
		err = fmt.Errorf("no message arrived: %w\n%s", err, s.load.state())
		s.close()
		return nil, err
	}
	return s, nil
}

// Mark begins anew what [Stream.Watch] says.
func (s *Stream) Mark() {
	s.load.measure(true)
	for _, r := range s.load.receivers {
		r.mu.Lock()
		r.latency.Reset()
		r.mu.Unlock()
	}
	s.gaps.mark(s.load.clock.now())
}

// Watch returns what was seen since the last [Stream.Mark].
func (s *Stream) Watch() Watch {
	w := s.gaps.watch(s.load.clock.now())
	for _, r := range s.load.receivers {
		r.mu.Lock()
		w.Latency = max(w.Latency, r.latency.Max())
		r.mu.Unlock()
	}
	return w
}

// Delivery accounts for every message so far. What is under way counts as without outcome.
func (s *Stream) Delivery() Delivery { return s.load.delivery() }

// Err returns why a connection has ended that should not have, nil if none has.
func (s *Stream) Err() error { return context.Cause(s.ctx) }

// Flow waits until so many more messages have arrived. It fails when a connection does, or none arrives for as long as
// [Config.Stall].
func (s *Stream) Flow(ctx context.Context, n uint64) error {
	target := s.load.count().received + n
	err := s.await(ctx, s.config.Stall, func() bool { return s.load.count().received >= target })
	if err != nil {
		err = fmt.Errorf("waiting for messages: %w\n%s", err, s.load.state())
	}
	return err
}

// Stop lets the senders end, waits until every unsettled message has an outcome, as long as anything moves within
// [Config.Stall], and closes the connections. Messages that are left without an outcome are no error.
func (s *Stream) Stop(ctx context.Context) (Delivery, error) {
	s.load.stop()
	err := s.await(ctx, s.config.Stall, s.load.drained)
	if errors.Is(err, errStill) {
		err = nil
	}
	d := s.load.delivery()
	s.close()
	return d, err
}

// close closes all connections.
func (s *Stream) close() {
	s.load.close()
	s.fail(nil)
}

// errStill says that nothing has moved for too long.
var errStill = errors.New("nothing moves")

// await waits until done says so, or no message has been sent, received or settled for a time.
func (s *Stream) await(ctx context.Context, limit time.Duration, done func() bool) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	last, moved := uint64(0), time.Now()
	for !done() {
		t := s.load.count()
		if sum := t.sent + t.received + t.settled; sum != last {
			last, moved = sum, time.Now()
		}
		if time.Since(moved) > limit {
			return fmt.Errorf("%w for %v", errStill, limit)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.ctx.Done():
			return context.Cause(s.ctx)
		}
	}
	return nil
}

// gapWatch finds the longest time without an arrival. Times are those of the clock of the load.
type gapWatch struct {
	mu             sync.Mutex
	marked         int64
	last           int64 // arrival
	longest, start int64 // of the longest gap that ended since the mark
}

// mark forgets the gaps so far. The one that is open counts from its start.
func (g *gapWatch) mark(now int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.last == 0 {
		g.last = now
	}
	g.marked, g.longest, g.start = now, 0, now
}

// arrive notes an arrival.
func (g *gapWatch) arrive(now int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now-g.last > g.longest {
		g.longest, g.start = now-g.last, g.last
	}
	g.last = max(g.last, now)
}

// watch returns the longest gap since the mark.
func (g *gapWatch) watch(now int64) Watch {
	g.mu.Lock()
	defer g.mu.Unlock()
	longest, start := g.longest, g.start
	if now-g.last > longest {
		longest, start = now-g.last, g.last
	}
	return Watch{Gap: time.Duration(longest), Start: time.Duration(start - g.marked)}
}
