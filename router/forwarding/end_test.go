package forwarding_test

import (
	"fmt"
	"testing"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
)

// TestTheEndOfAConnectionOfManyLinksTakesTurnsAndLeavesNothing ends a connection with 20,000 links, some of which have
// messages queued and some have written ones.
func TestTheEndOfAConnectionOfManyLinksTakesTurnsAndLeavesNothing(t *testing.T) {
	t.Parallel()
	const count, messages = 20_000, 5000
	w := newWorld(t)
	rx, tx := w.client(), w.client()
	rx.manual = true
	ids := rx.receivers("q", count, 0)
	for i, id := range ids {
		if i%2 == 0 {
			rx.engine.Grant(id, 1)
		}
	}
	out := tx.sender("q")
	for range messages {
		tx.send(out, false, body("x"))
	}
	w.rest()
	if len(rx.got) == 0 || len(rx.got) == messages {
		t.Fatalf("%d of %d messages were written", len(rx.got), messages)
	}
	w.check()
	gone := make(map[*forwarding.Link]int)
	w.heard = func(e *forwarding.Event) {
		if e.Kind == forwarding.EventLinkGone {
			gone[e.Link]++
		}
	}
	if turns, least := rx.leave(), count/forwarding.TurnUnits; turns < least || turns > 2*least {
		t.Errorf("the end takes %d turns, not about %d", turns, least)
	}
	w.rest()
	w.check()
	if len(gone) != count {
		t.Errorf("of %d links, %d are reported as gone", count, len(gone))
	}
	for l, n := range gone {
		if n != 1 || l.Outstanding.Load() != 0 || l.Queued != 0 {
			t.Fatalf("a link is gone %d times, with %d outstanding and %d queued", n, l.Outstanding.Load(), l.Queued)
		}
	}
	if failed, back := tx.outcomes[wire.StateModified], tx.outcomes[wire.StateReleased]; failed != len(rx.got) ||
		failed+back != messages {
		t.Errorf("of %d messages, %d were written: the sender hears %v", messages, len(rx.got), tx.outcomes)
	}
	if got := held(rx); got != "0 0 0 0" && rx.e.Meter.Held() != 0 {
		t.Errorf("the connection still holds %s", got)
	}
}

// TestWhatASenderLeavesBehindIsOverThoughItsConnectionEndsInTurns has a sender go whose multicast waits for the
// outcomes of more consumers than a turn can tell.
func TestWhatASenderLeavesBehindIsOverThoughItsConnectionEndsInTurns(t *testing.T) {
	t.Parallel()
	const count = 5000
	w := newWorld(t)
	rx, tx := w.client(), w.client()
	rx.manual = true
	rx.receivers("multicast/x", count, 1)
	tx.send(tx.sender("multicast/x"), false, body("x"))
	w.rest()
	if len(rx.got) != count {
		t.Fatalf("%d of %d consumers have it", len(rx.got), count)
	}
	tx.leave()
	w.rest()
	w.check()
	if _, unsettled := rx.e.Engine.Unsettled(); unsettled != 0 {
		t.Errorf("%d consumers were not told that nobody waits for their outcomes", unsettled)
	}
	if got := held(tx); got != fmt.Sprintf("0 0 0 %d", stateOf(rx)) {
		t.Errorf("what the sender has left behind is still counted: %s", got)
	}
}

// stateOf is what the state of a connection takes.
func stateOf(p *peer) int64 {
	_, state := p.e.Holds()
	return state
}

// TestTheEndOfAConnectionGoesOnWithAMulticastThatIsHandedOn ends a sender's connection in the middle of a multicast:
// all consumers get it.
func TestTheEndOfAConnectionGoesOnWithAMulticastThatIsHandedOn(t *testing.T) {
	t.Parallel()
	const count = 5000
	w := newWorld(t)
	rx, tx := w.client(), w.client()
	rx.receivers("multicast/x", count, 1)
	tx.send(tx.sender("multicast/x"), true, body("x"))
	tx.say()
	tx.input()
	if !tx.e.IsLeft() {
		t.Fatal("the multicast is not divided into turns")
	}
	if turns := tx.leave(); turns < 2 {
		t.Errorf("the end takes %d turn", turns)
	}
	w.rest()
	w.check()
	if len(rx.got) != count {
		t.Errorf("%d of %d consumers get the message", len(rx.got), count)
	}
	if n := tx.e.Meter.Held(); n != 0 {
		t.Errorf("%d octets are still counted", n)
	}
}

// TestNotesThatComeInPassingWhileAConnectionEndsAreNotLost has another connection take the notes of one that is between
// two turns of its end.
func TestNotesThatComeInPassingWhileAConnectionEndsAreNotLost(t *testing.T) {
	t.Parallel()
	const count = 5000
	w := newWorld(t)
	rx, tx := w.client(), w.client()
	rx.receivers("q", 1, 0)
	out := tx.sender("q")
	rx.deaf = true // the notes stay in its inbox
	for range count {
		tx.send(out, false, body("x"))
	}
	w.rest()
	if rx.e.TearDown(w.now, nil, &rx.woken) {
		t.Fatal("the end takes one turn")
	}
	rx.e.TakeDeliveries(w.now, &rx.woken)
	rx.leave()
	w.rest()
	if tx.outcomes[wire.StateReleased] != count {
		t.Errorf("of %d messages, the sender hears %v", count, tx.outcomes)
	}
}

// TestAPanicInATaskEndsTheConnectionAndLeavesNothing panics at the end of one of many links: the connection ends, the
// messages of its other links come back, and another connection does not notice.
func TestAPanicInATaskEndsTheConnectionAndLeavesNothing(t *testing.T) {
	t.Parallel()
	const count = 6000
	w := newWorld(t)
	rx, tx := w.client(), w.client()
	rx.manual = true
	rx.receivers("q", count, 0)
	out := tx.sender("q")
	for range count {
		tx.send(out, false, body("x"))
	}
	w.rest()
	gone := 0
	w.heard = func(e *forwarding.Event) {
		if e.Kind == forwarding.EventLinkGone && e.End == rx.e {
			if gone++; gone == count/2 {
				panic("a mistake")
			}
		}
	}
	rx.engine.End(rx.session, nil)
	rx.say()
	for next := true; next; next = rx.goesOn() || rx.last == forwarding.TurnUnanswered {
		rx.input()
		w.answer()
	}
	if !rx.e.Crashed.Load() || len(w.panics) == 0 {
		t.Fatal("nothing has panicked")
	}
	rx.leave()
	w.rest()
	if tx.e.Crashed.Load() || tx.outcomes[wire.StateReleased] != count {
		t.Errorf("of %d messages, the sender hears %v", count, tx.outcomes)
	}
	if gone < count {
		t.Errorf("of %d links, %d are reported as gone", count, gone)
	}
	if n := rx.e.Meter.Held(); n != 0 {
		t.Errorf("%d octets are still counted", n)
	}
}
