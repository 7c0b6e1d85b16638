package engine_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// Two engines never complain about each other, whatever their callers do and however the octets between them are cut.
// When all is quiet, every unsettled delivery has been settled once with the outcome that was given, the counts of both
// sides agree, and after the close nothing is left. Not parallel: it counts the chunks of the process.
func TestTwoEnginesAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// rapid prefers small numbers: the operations come from a seed, and rapid's part is to leave some out.
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		var ops [][4]byte
		for range 1000 {
			op := [4]byte(binary.BigEndian.AppendUint32(nil, random.Uint32()))
			if rapid.Bool().Draw(t, "do") {
				ops = append(ops, op)
			}
		}
		chunks := buf.Outstanding()
		run(t, ops)
		if n := buf.Outstanding(); n != chunks {
			t.Fatalf("%d chunks leaked after %d operations: %v", n-chunks, len(ops), ops)
		}
	})
}

// run does operations, lets everything end, and checks the books.
func run(t rapid.TB, ops [][4]byte) {
	w := newWorld(t)
	for _, op := range ops {
		w.do(op)
	}
	w.finish()
	w.audit()
	w.close()
}

// finish lets all that has begun come to its end.
func (w *world) finish() {
	w.quiet = true
	for round := range 10_000 {
		w.settleDown()
		busy := false
		for _, s := range w.sides {
			busy = s.goOn() || busy
		}
		if !busy {
			w.check()
			return
		}
		if round == 9999 {
			for _, s := range w.sides {
				in, out := s.c.Unsettled()
				w.t.Logf("%s: %d incoming, %d outgoing", s.name, in, out)
			}
			w.t.Fatal("deliveries do not come to their end")
		}
	}
}

// goOn does what is left to do on one side.
func (s *side) goOn() (busy bool) {
	busy = len(s.leaving)+len(s.ending) > 0
	s.goOnLeaving(3)
	s.goOnEnding(3)
	for _, x := range s.sessions {
		for ; x.held > 0; x.held-- {
			s.c.Hold(x.id, false)
			busy = true
		}
	}
	for _, l := range s.links {
		if l.writing != nil {
			busy = true
			if !l.blocked {
				s.write(l.writing, 0, true)
			}
		}
		if l.sender && l.writing == nil && s.c.Draining(l.id) {
			busy = true
			s.c.Drained(l.id)
			if s.c.Draining(l.id) { // its aborting frame waits for the window
				s.w.t.Logf("%s: %q waits to be drained", s.name, l.name)
			}
		}
	}
	for _, d := range s.received {
		if !d.settled {
			busy = true
			s.settleOne(d, 0)
		}
	}
	return busy || s.c.Dirty()
}

// audit compares the books of both sides.
func (w *world) audit() {
	t := w.t
	a, b := w.sides[0], w.sides[1]
	for _, s := range w.sides {
		if in, out := s.c.Unsettled(); in+out != 0 || len(s.sent)+len(s.received) != 0 {
			t.Fatalf("%s: %d incoming and %d outgoing deliveries are left, %d and %d known", s.name, in, out,
				len(s.received), len(s.sent))
		}
	}
	if len(a.sessions) != len(b.sessions) || len(a.links) != len(b.links) {
		t.Fatalf("%d and %d sessions, %d and %d links", len(a.sessions), len(b.sessions), len(a.links), len(b.links))
	}
	for _, x := range a.sessions {
		local, remote := a.c.Channels(x.id)
		for _, y := range b.sessions {
			if l, r := b.c.Channels(y.id); l != remote || r != local {
				continue
			}
			if a.c.Window(x.id) != b.c.IncomingWindow(y.id) || b.c.Window(y.id) != a.c.IncomingWindow(x.id) {
				t.Fatalf("windows %d of %d and %d of %d", a.c.Window(x.id), b.c.IncomingWindow(y.id), b.c.Window(y.id),
					a.c.IncomingWindow(x.id))
			}
		}
	}
	for _, l := range a.links {
		for _, m := range b.links {
			if l.name == m.name && a.c.Credit(l.id) != b.c.Credit(m.id) {
				t.Fatalf("link %q has the credits %d and %d", l.name, a.c.Credit(l.id), b.c.Credit(m.id))
			}
		}
	}
	for key, m := range w.messages {
		if w.gone[m.link] || m.aborted {
			continue
		}
		if !m.whole || !m.complete {
			t.Fatalf("message %d was not sent whole: %+v", key, m)
		}
		if want := !m.presettled && !m.dropped; want && m.outcomes != 1 {
			t.Fatalf("message %d has %d outcomes: %+v", key, m.outcomes, m)
		}
	}
}

// close closes the connection from both sides at once and looks for what is left.
func (w *world) close() {
	for _, s := range w.sides {
		s.c.Close(nil)
	}
	w.settleDown()
	for _, s := range w.sides {
		if !s.c.Closed() {
			w.t.Fatalf("%s is not closed", s.name)
		}
		s.c.Sessions(func(id engine.SessionID) { s.c.End(id, &wire.Error{Condition: wire.ErrInternal}) })
		s.take()
		if err := s.c.CheckInvariants(); err != nil {
			w.t.Fatalf("%s after the close: %v", s.name, err)
		}
		if in, out := s.c.Unsettled(); in+out != 0 || len(s.out) != 0 {
			w.t.Fatalf("%s: %d, %d deliveries and %d octets after the close", s.name, in, out, len(s.out))
		}
	}
}
