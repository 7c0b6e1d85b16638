package bench

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// receiverBuffer is the read buffer of a receiver: one read takes as much as the kernel holds.
const receiverBuffer = 256 << 10

// load is the running senders and receivers of one measurement.
type load struct {
	config    *Config
	clock     clock
	senders   []*sender
	receivers []*receiver
	arrived   [][]*arrivals // by group of receivers that share messages, then by sender
	lateness  lockedHistogram
	fail      func(error)
}

// attachAll opens every connection of the load and attaches its link: receivers first, so that senders find them.
// Receivers are granted credit; senders wait for start.
func attachAll(ctx context.Context, c *Config, fail func(error)) (*load, error) {
	l := &load{config: c, clock: newClock(), fail: fail}
	groups := 1
	if c.Multicast {
		groups = c.Receivers
	}
	for range groups {
		bySender := make([]*arrivals, c.Senders)
		for i := range bySender {
			bySender[i] = new(arrivals)
		}
		l.arrived = append(l.arrived, bySender)
	}
	for i := range c.Receivers {
		if err := l.addReceiver(ctx, i); err != nil {
			l.close()
			return nil, fmt.Errorf("receiver %d: %w", i, err)
		}
	}
	for i := range c.Senders {
		if err := l.addSender(ctx, i); err != nil {
			l.close()
			return nil, fmt.Errorf("sender %d: %w", i, err)
		}
	}
	return l, nil
}

// addReceiver attaches receiver i and grants its credit.
func (l *load) addReceiver(ctx context.Context, i int) error {
	p, a, err := connectLink(ctx, l.config.Egress, l.config, receivingLink, l.config.receiverAddress(i))
	if err != nil {
		return err
	}
	r := &receiver{peer: p, index: i, clock: l.clock, size: l.config.Size, credit: l.config.Credit,
		rate: l.config.ReceiveRate}
	r.arrived = l.arrived[i%len(l.arrived)]
	l.receivers = append(l.receivers, r)
	return startReceiver(r, a.initialCount, l.fail)
}

// addSender attaches sender i.
func (l *load) addSender(ctx context.Context, i int) error {
	c := l.config
	p, _, err := connectLink(ctx, c.Ingress, c, sendingLink, c.senderAddress(i))
	if err != nil {
		return err
	}
	b, err := newBatch(c.Size, c.Settled, int(p.maxFrame))
	if err != nil {
		p.conn.Close()
		return err
	}
	s := &sender{peer: p, index: i, clock: l.clock, batch: b, presettled: c.Settled, lateness: &l.lateness,
		offer: c.Offer}
	s.sequence = firstSequence(i)
	if c.Rate > 0 {
		s.pace.period = float64(time.Second) * float64(c.Senders) / c.Rate
	}
	l.senders = append(l.senders, s)
	startReader(s, l.fail)
	return nil
}

// connectLink opens a connection with one link. ctx bounds it.
func connectLink(ctx context.Context, e Endpoint, c *Config, kind linkKind, address string) (*peer, attached, error) {
	buffer := 0
	mode := uint8(modeUnsettled)
	switch {
	case kind == receivingLink && c.ReceiveRate > 0:
		mode = modeMixed // a small buffer: what is read at once counts as taken
	case kind == receivingLink:
		buffer, mode = receiverBuffer, modeMixed
	case c.Settled:
		mode = modeSettled
	}
	p, err := connect(ctx, e, c.FrameSize, buffer)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, attached{}, err
	}
	stop := context.AfterFunc(ctx, func() { p.conn.SetDeadline(time.Now()) })
	a, err := p.attach(kind, address, mode)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		p.conn.Close()
		if ctx.Err() != nil {
			err = fmt.Errorf("no answer to the attach to %q: %w", address, context.Cause(ctx))
		}
		return nil, a, err
	}
	return p, a, nil
}

// start lets the senders send; with a pace, their messages are due evenly spread.
func (l *load) start() {
	now := l.clock.now()
	for i, s := range l.senders {
		s.pace.first = now + int64(s.pace.period*float64(i)/float64(len(l.senders)))
		startWriter(s, l.fail)
	}
}

// measure lets the receivers record latencies or not.
func (l *load) measure(on bool) {
	for _, r := range l.receivers {
		r.measured.Store(on)
	}
	if on {
		l.lateness.mu.Lock()
		l.lateness.h.Reset()
		l.lateness.mu.Unlock()
	}
}

// tally is the sum of all counters at one moment.
type tally struct {
	sent, settled, again               uint64
	received, octets, aborted, corrupt uint64
	outcomes                           [outcomeKinds]uint64
	unique, duplicates                 uint64
}

// count sums the counters up.
func (l *load) count() tally {
	var t tally
	for _, s := range l.senders {
		t.sent += s.sent.Load()
		t.settled += s.settled.Load()
		t.again += s.again.Load()
		for k := range t.outcomes {
			t.outcomes[k] += s.outcomes[k].Load()
		}
	}
	for _, r := range l.receivers {
		t.received += r.received.Load()
		t.octets += r.bytes.Load()
		t.aborted += r.aborted.Load()
		t.corrupt += r.corrupt.Load()
	}
	for _, group := range l.arrived {
		for _, a := range group {
			t.unique += a.unique.Load()
			t.duplicates += a.duplicates.Load()
		}
	}
	return t
}

// lost returns how many copies should have arrived and have not: of the messages accepted, or of those sent settled.
func (l *load) lost() uint64 {
	var lost uint64
	for i, s := range l.senders {
		expected := s.outcomes[outcomeAccepted].Load()
		if s.presettled {
			expected = s.sent.Load()
		}
		var unique uint64
		for _, group := range l.arrived {
			unique += group[i].unique.Load()
		}
		if expected *= l.config.copies(i); expected > unique {
			lost += expected - unique
		}
	}
	return lost
}

// delivery accounts for every message so far.
func (l *load) delivery() Delivery {
	t := l.count()
	d := Delivery{
		Sent: t.sent, Received: t.received, Lost: l.lost(), Duplicated: t.duplicates,
		Aborted: t.aborted, Corrupt: t.corrupt, OutcomesTwice: t.again,
	}
	if !l.config.Settled {
		d.WithoutOutcome = t.sent - min(t.sent, t.settled)
		d.Outcomes = map[string]uint64{}
		for k, n := range t.outcomes {
			if n > 0 || outcome(k) == outcomeAccepted {
				d.Outcomes[outcomeNames[k]] = n
			}
		}
	}
	return d
}

// drained reports whether everything sent has an outcome, or has arrived when it was sent settled.
func (l *load) drained() bool {
	for _, s := range l.senders {
		if !s.writerEnded() || !s.presettled && s.settled.Load() < s.sent.Load() {
			return false
		}
	}
	return !l.config.Settled || l.lost() == 0
}

// stop lets the senders end.
func (l *load) stop() {
	for _, s := range l.senders {
		s.stop()
	}
}

// close closes all connections and waits for their goroutines.
func (l *load) close() {
	l.stop()
	for _, s := range l.senders {
		s.peer.sayClose()
	}
	for _, r := range l.receivers {
		r.peer.sayClose()
	}
	limit := time.NewTimer(farewell)
	defer limit.Stop()
	overdue := limit.C
	wait := func(p *peer, done chan struct{}) {
		if done == nil {
			p.conn.Close()
			return
		}
		select {
		case <-done:
		case <-overdue:
			closed := make(chan time.Time)
			close(closed)
			overdue = closed
		}
		p.conn.Close()
		<-done
	}
	for _, s := range l.senders {
		wait(s.peer, s.readerDone)
		if s.writerDone != nil {
			<-s.writerDone
		}
	}
	for _, r := range l.receivers {
		wait(r.peer, r.done)
	}
}

// state describes the load for the report of a stall.
func (l *load) state() string {
	const shown = 4
	var lines []string
	for i, s := range l.senders {
		if i == shown {
			lines = append(lines, fmt.Sprintf("and %d more senders", len(l.senders)-shown))
			break
		}
		lines = append(lines, s.state())
	}
	for i, r := range l.receivers {
		if i == shown {
			lines = append(lines, fmt.Sprintf("and %d more receivers", len(l.receivers)-shown))
			break
		}
		lines = append(lines, r.state())
	}
	return "  " + strings.Join(lines, "\n  ")
}
