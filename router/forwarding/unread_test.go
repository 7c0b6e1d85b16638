package forwarding_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
)

// refusedAttaches are frames each of which is answered with more than 200 octets, without the control loop.
func refusedAttaches(count int) (b []byte) {
	long := strings.Repeat("x", 2<<10)
	for i := range count {
		b = amqptest.Encode(b, &wire.Attach{Name: fmt.Sprint(i), Handle: uint32(i), Role: wire.RoleReceiver,
			Source: &wire.Source{Address: long, HasAddress: true}})
	}
	return b
}

// TestAPeerThatReadsNothingIsNotReadAboveABoundOfAnswers asks for megabytes of answers. The endpoint stops at the
// bound, and goes on when what waited has been taken to be written.
func TestAPeerThatReadsNothingIsNotReadAboveABoundOfAnswers(t *testing.T) {
	t.Parallel()
	const count = 5000
	w := newWorld(t)
	p := w.client()
	p.said = refusedAttaches(count)
	p.deaf = true
	stops := 0
	for rounds := 0; len(p.said)+p.to-p.from > 0 && rounds < 10_000; rounds++ {
		p.step()
		if unsent := p.e.Engine.Unsent(); unsent > forwarding.UnreadMost+64<<10 {
			t.Fatalf("%d octets of answers wait", unsent)
		}
		if p.last != forwarding.TurnUnread {
			continue
		}
		if stops++; p.e.Engine.Unsent() <= forwarding.UnreadMost || !p.e.Unread.Load() {
			t.Fatalf("it stops with %d octets of answers", p.e.Engine.Unsent())
		}
		left := len(p.said) + p.to - p.from
		if p.step(); p.last != forwarding.TurnUnread || left-len(p.said)-p.to+p.from > 64*3<<10 {
			t.Fatal("it goes on though nothing was taken")
		}
		for p.fill() {
		}
		if p.e.Unread.Load() {
			t.Fatal("it does not say that what waited was taken")
		}
		p.unread = p.unread[:0]
	}
	if stops == 0 || len(p.said) > 0 {
		t.Errorf("it has stopped %d times, and %d octets are left", stops, len(p.said))
	}
	w.check()
}

// TestBetweenRoutersReadingNeverStops does the same as another router: its hellos would stand behind.
func TestBetweenRoutersReadingNeverStops(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.join(&forwarding.Terms{Role: forwarding.RoleInterRouter, Capacity: 250}, "192.0.2.1:1", "")
	p.said = refusedAttaches(5000)
	p.deaf = true
	p.step()
	if p.last != forwarding.TurnDone || len(p.said) > 0 || p.from != p.to {
		t.Errorf("it stops (%d) with %d octets unread", p.last, len(p.said)+p.to-p.from)
	}
	if p.e.Engine.Unsent() <= forwarding.UnreadMost {
		t.Errorf("only %d octets of answers wait", p.e.Engine.Unsent())
	}
	w.check()
}

// TestOutcomesThatOthersHaveLeftCountAsUnread has a consumer reject with long reasons what a sender has sent who reads
// nothing.
func TestOutcomesThatOthersHaveLeftCountAsUnread(t *testing.T) {
	t.Parallel()
	const count = 400
	w := newWorld(t)
	rx, tx := w.client(), w.client()
	rx.manual = true
	rx.receivers("q", 1, count+1)
	out := tx.sender("q")
	for range count {
		tx.send(out, false, body("x"))
	}
	w.rest()
	tx.deaf = true
	for i, a := range rx.got {
		rx.engine.Settle(a.id, wire.RejectedState(&wire.Error{Condition: wire.ErrNotAllowed,
			Description: fmt.Sprint(i, strings.Repeat(".", 1000))}))
	}
	rx.step()
	tx.send(out, false, body("one more"))
	tx.step()
	if tx.last != forwarding.TurnUnread {
		t.Errorf("it is read on (%d), with 400 KB of outcomes in its inbox", tx.last)
	}
	tx.deaf = false
	w.rest()
	if got := tx.outcomes[wire.StateRejected]; got != count || len(rx.got) != count+1 {
		t.Errorf("in the end %d outcomes have come, and %d messages", got, len(rx.got))
	}
}

// TestAHandshakeThatDoesNotComeEndsInVirtualTime calls Advance at each of the deadlines.
func TestAHandshakeThatDoesNotComeEndsInVirtualTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := &peer{w: w}
	p.e = forwarding.NewEndpoint(&forwarding.Endpoint{Number: 1, Plane: w.plane, Terms: &forwarding.Terms{}, Began: w.now,
		Driver: p})
	p.e.OpenAccount()
	p.e.Begin(engine.Config{SASL: engine.SASLOptional, ContainerID: "A", HandshakeTimeOut: 5 * time.Second})
	for at := p.deadline; !at.IsZero() && !p.ends; at = p.deadline {
		if at.Sub(w.now) > time.Minute {
			t.Fatalf("the next deadline is %v away", at.Sub(w.now))
		}
		w.now = at
		p.e.Advance(w.now, &p.woken)
	}
	if passed := w.now.Sub(p.e.Began); !p.ends || passed != 5*time.Second {
		t.Errorf("after %v it has ended: %v", passed, p.ends)
	}
}
