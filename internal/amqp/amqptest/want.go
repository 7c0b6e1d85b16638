package amqptest

import (
	"fmt"

	"github.com/google/go-cmp/cmp"

	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// Next returns the engine's next protocol header or Frame, nil when it has said all.
func (p *Peer) Next() any {
	p.t.Helper()
	p.drain()
	if len(p.out) == 0 {
		return nil
	}
	what, n, err := Decode(p.out, p.most)
	if err != nil || n == 0 {
		p.t.Fatalf("the engine sent %d octets that are no frame for this peer (%v): % x", len(p.out), err, p.out)
	}
	p.out = p.out[n:]
	return what
}

// Want fails the test unless the engine says exactly these things next. Each is a protocol header, a performative (on
// channel 0), a Frame, or a [Like] condition.
func (p *Peer) Want(why string, want ...any) {
	p.t.Helper()
	for i, w := range want {
		got := p.Next()
		if got == nil {
			p.t.Fatalf("%s: the engine says nothing, want %s (%d of %d)", why, describe(w), i+1, len(want))
		}
		if diff := differ(w, got); diff != "" {
			p.t.Fatalf("%s: the engine says %s, want %s (%d of %d)\n%s", why, describe(got), describe(w), i+1, len(want), diff)
		}
	}
}

// WantIdle fails the test when the engine has something to say.
func (p *Peer) WantIdle(why string) {
	p.t.Helper()
	if got := p.Next(); got != nil {
		p.t.Fatalf("%s: the engine says %s", why, describe(got))
	}
}

// WantEvents fails the test unless exactly events of these kinds have happened since it was last called. It returns
// them.
func (p *Peer) WantEvents(why string, kinds ...engine.EventKind) []engine.Event {
	p.t.Helper()
	got := p.events
	p.events = nil
	have := make([]engine.EventKind, len(got))
	for i := range got {
		have[i] = got[i].Kind
	}
	if diff := cmp.Diff(append([]engine.EventKind{}, kinds...), have); diff != "" {
		p.t.Fatalf("%s: events (-want +got)\n%s", why, diff)
	}
	return got
}

// Forget forgets what the engine has said and reported so far.
func (p *Peer) Forget() {
	p.t.Helper()
	for p.Next() != nil {
	}
	p.events = nil
}

// condition matches a frame by its performative.
type condition struct {
	what  string
	match func(Frame) bool
}

// Like wants a performative of one type that fulfils a condition, on any channel.
func Like[T any](match func(*T) bool) any {
	return condition{fmt.Sprintf("a matching %T", new(T)), func(f Frame) bool {
		x, ok := f.Body.(*T)
		return ok && match(x)
	}}
}

// Any wants a performative of one type.
func Any[T any]() any { return Like(func(*T) bool { return true }) }

// Close wants a close with an error condition, "" for none.
func Close(why wire.Symbol) any {
	return ending("close", why, func(f Frame) (*wire.Error, bool) {
		x, ok := f.Body.(*wire.Close)
		if !ok {
			return nil, false
		}
		return x.Error, f.Channel == 0
	})
}

// End wants an end on a channel with an error condition, "" for none.
func End(channel uint16, why wire.Symbol) any {
	return ending(fmt.Sprintf("end on channel %d", channel), why, func(f Frame) (*wire.Error, bool) {
		x, ok := f.Body.(*wire.End)
		if !ok {
			return nil, false
		}
		return x.Error, f.Channel == channel
	})
}

// Detach wants a closing detach of a handle with an error condition, "" for none, on any channel.
func Detach(handle uint32, why wire.Symbol) any {
	return ending(fmt.Sprintf("closing detach of handle %d", handle), why, func(f Frame) (*wire.Error, bool) {
		x, ok := f.Body.(*wire.Detach)
		if !ok {
			return nil, false
		}
		return x.Error, x.Handle == handle && x.Closed
	})
}

func ending(what string, why wire.Symbol, get func(Frame) (*wire.Error, bool)) any {
	return condition{fmt.Sprintf("%s with condition %q", what, why), func(f Frame) bool {
		err, ok := get(f)
		if !ok || err == nil {
			return ok && why == ""
		}
		return err.Condition == why && err.Description != ""
	}}
}

// differ tells how got differs from want, "" when it does not.
func differ(want, got any) string {
	switch w := want.(type) {
	case condition:
		f, ok := got.(Frame)
		if ok && w.match(f) {
			return ""
		}
		return "it does not match"
	case performative:
		return differ(Frame{Type: frameType(w), Body: w}, got)
	}
	return cmp.Diff(want, got)
}

func frameType(x performative) uint8 {
	switch x.(type) {
	case *wire.SASLMechanisms, *wire.SASLInit, *wire.SASLChallenge, *wire.SASLResponse, *wire.SASLOutcome:
		return wire.FrameSASL
	}
	return wire.FrameAMQP
}

func describe(what any) string {
	switch x := what.(type) {
	case wire.ProtocolHeader:
		return fmt.Sprintf("protocol header %q", x[:])
	case condition:
		return x.what
	case Frame:
		if x.Body == nil {
			return "an empty frame"
		}
		return fmt.Sprintf("%T %+v on channel %d with %d octets of payload", x.Body, x.Body, x.Channel, len(x.Payload))
	}
	return fmt.Sprintf("%T %+v", what, what)
}

// LastEvent is the last event that happened.
func (p *Peer) LastEvent() engine.Event {
	p.t.Helper()
	if p.last.Kind == engine.EventNone {
		p.t.Fatal("nothing has happened")
	}
	return p.last
}
