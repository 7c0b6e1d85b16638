package amqptest

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// Start is when virtual time begins.
var Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Peer is the other side of an engine's connection, and the engine's caller. It is not safe for concurrent use.
type Peer struct {
	Conn *engine.Connection // under test
	Now  time.Time          // virtual time
	// Answer handles each event in time, as the engine's caller; [Peer.Accept] says yes to everything. Without it,
	// the octets after a frame with a rare event wait for Resume, so that the test can give its own commands.
	Answer func(*engine.Event)
	Step   int // octets given to the engine at a time; 0 for all there are

	t      testing.TB
	most   uint32 // max-frame-size that the peer announced
	in     []byte // for the engine, not yet used
	left   int    // octets of in that have not arrived yet
	out    []byte // from the engine, not yet looked at
	events []engine.Event
	last   engine.Event
}

// New returns a peer of a new engine. What a client engine says first can be wanted at once.
func New(t testing.TB, cfg engine.Config) *Peer {
	p := &Peer{t: t, Conn: engine.New(cfg), Now: Start, most: math.MaxUint32}
	p.Answer = p.Accept
	return p
}

// Send gives the engine protocol headers, performatives, frames and raw octets, see [Encode].
func (p *Peer) Send(what ...any) {
	p.t.Helper()
	for _, x := range what {
		if open, ok := x.(*wire.Open); ok {
			p.most = max(open.MaxFrameSize, 512)
		}
		had := len(p.in)
		p.in = Encode(p.in, x)
		p.left += len(p.in) - had
	}
	p.Resume()
}

// Resume goes on with what was sent, after commands of the test.
func (p *Peer) Resume() {
	p.t.Helper()
	for {
		arriving := p.left
		if p.Step > 0 {
			arriving = min(p.Step, p.left)
		}
		p.left -= arriving
		have := len(p.in) - p.left // arrived and not used
		for used := -1; used != 0 || p.Conn.Continues(); {
			var rare bool
			used, rare = p.give(have)
			have -= used
			if rare && p.Answer == nil {
				p.drain()
				return
			}
		}
		if p.left == 0 {
			p.drain()
			return
		}
	}
}

// give gives the engine the first n octets and handles what comes of them. It returns how many were used.
func (p *Peer) give(n int) (used int, rare bool) {
	p.t.Helper()
	b := slices.Clone(p.in[:n])
	used = p.Conn.Input(p.Now, b)
	if used > n {
		p.t.Fatalf("the engine used %d of %d octets", used, n)
	}
	p.in = p.in[used:]
	rare = p.handle()
	for i := range b {
		b[i] = 0xee // whoever still refers to the input will see this
	}
	return used, rare
}

// handle takes over the engine's events and tells whether one of them is rare.
func (p *Peer) handle() (rare bool) {
	events := p.Conn.Events()
	for i := range events {
		e := events[i]
		e.Payload, e.Tag, e.State = slices.Clone(e.Payload), slices.Clone(e.Tag), e.State.Clone()
		p.events, p.last = append(p.events, e), e
		rare = rare || e.Cold != nil
		if p.Answer != nil {
			p.Answer(&events[i])
		}
	}
	return rare
}

// drain takes the octets that the engine wants to send.
func (p *Peer) drain() {
	var o engine.Output
	p.Conn.Take(&o)
	size := 0
	for _, s := range o.Segments {
		p.out = append(p.out, s...)
		size += len(s)
	}
	if size != o.Size {
		p.t.Errorf("output of %d octets says that it has %d", size, o.Size)
	}
	if size > 0 {
		p.Conn.Sent(p.Now, size)
	}
	o.Release()
}

// Advance lets virtual time pass; the engine is called at each of its deadlines.
func (p *Peer) Advance(d time.Duration) {
	p.t.Helper()
	end := p.Now.Add(d)
	for range 100_000 {
		at := p.Conn.Deadline()
		if at.IsZero() || at.After(end) {
			p.Now = end
			return
		}
		if at.After(p.Now) {
			p.Now = at
		}
		p.Conn.Advance(p.Now)
		p.handle()
		p.drain()
	}
	p.t.Fatalf("the engine's deadline %v does not move on", p.Conn.Deadline())
}

// Accept is the caller that says yes: it authenticates everybody, answers open, begin and attach with what was asked
// for, and answers every end and error.
func (p *Peer) Accept(e *engine.Event) {
	c := p.Conn
	switch e.Kind {
	case engine.EventMechanisms:
		c.Init("ANONYMOUS", nil, "")
	case engine.EventInit:
		c.Outcome(wire.SASLOK, nil)
	case engine.EventAuthenticated, engine.EventOpen:
		c.Open(nil)
	case engine.EventBegin:
		if !e.Answer {
			c.Begin(e.Session)
		}
	case engine.EventAttach:
		if a := e.Cold.Attach; !e.Answer {
			c.Attach(e.Link, &wire.Attach{SndSettleMode: a.SndSettleMode, Source: a.Source, Target: a.Target})
		}
	case engine.EventDetach:
		c.Detach(e.Link, e.Closed, nil)
	case engine.EventLinkError:
		c.Detach(e.Link, true, e.Err().Cause)
	case engine.EventEnd:
		c.End(e.Session, nil)
	case engine.EventSessionError:
		c.End(e.Session, e.Err().Cause)
	}
}
