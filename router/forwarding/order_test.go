package forwarding_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
)

// TestNotesThatATurnHasLeftComeBeforeLaterOnes has a consumer's connection take some of its notes in a turn, others in
// passing, as for a peer that does not read, and the rest later.
func TestNotesThatATurnHasLeftComeBeforeLaterOnes(t *testing.T) {
	t.Parallel()
	const batch, batches = 2 * forwarding.TurnUnits, 3
	w := newWorld(t)
	rx, tx := w.client(), w.client()
	rx.receivers("q", 1, batch*batches)
	out := tx.sender("q")
	rx.deaf = true
	for i := range batches {
		for n := range batch {
			tx.send(out, false, body(fmt.Sprint(i*batch+n)))
		}
		w.rest()
		switch i {
		case 0:
			if !rx.fill() || !rx.e.IsLeft() {
				t.Fatal("one turn takes all notes")
			}
		case 1:
			rx.e.TakeDeliveries(w.now, &rx.woken)
			if rx.e.IsLeft() {
				t.Error("notes are left in the turn")
			}
		}
	}
	rx.deaf = false
	w.rest()
	w.check()
	if len(rx.got) != batch*batches {
		t.Fatalf("%d of %d messages arrive", len(rx.got), batch*batches)
	}
	for i, a := range rx.got {
		if a.text != string(body(fmt.Sprint(i))) {
			t.Fatalf("as message %d, %q arrives", i, a.text)
		}
	}
	if got := tx.outcomes[wire.StateAccepted]; got != batch*batches {
		t.Errorf("%d messages are accepted", got)
	}
}

// TestWhoHasLeftSomethingIsServedAgain asks after each turn whether the endpoint is among those to be served, or says
// that there is more.
func TestWhoHasLeftSomethingIsServedAgain(t *testing.T) {
	t.Parallel()
	const count = 3 * forwarding.TurnUnits
	w := newWorld(t)
	rx, tx := w.client(), w.client()
	rx.receivers("multicast/x", count, 1)
	tx.send(tx.sender("multicast/x"), true, body("x"))
	tx.say()
	tx.input()
	if !tx.e.IsLeft() || !slices.Contains(tx.served, tx.e) {
		t.Errorf("an input has left something: %v, and %d are to be served", tx.e.IsLeft(), len(tx.served))
	}
	if more := tx.fill(); !more || !tx.e.IsLeft() {
		t.Errorf("a fill has left something: %v, and says %v", tx.e.IsLeft(), more)
	}
	for tx.fill() {
	}
	if tx.e.IsLeft() {
		t.Error("something is left, and no fill says so")
	}
	w.rest()
	if len(rx.got) != count {
		t.Errorf("%d of %d consumers have it", len(rx.got), count)
	}
	w.check()
}

// TestAClientWithManyEventsUnansweredIsNotReadOn attaches many links of which the control loop answers none, and then
// all.
func TestAClientWithManyEventsUnansweredIsNotReadOn(t *testing.T) {
	t.Parallel()
	const count = 1000
	w := newWorld(t)
	p := w.client()
	for i := range count {
		p.attach(fmt.Sprint(i), "q", wire.RoleReceiver)
	}
	p.say()
	for next := true; next; next = p.goesOn() {
		p.input()
	}
	attaches := len(w.queue)
	if p.last != forwarding.TurnUnanswered || attaches <= forwarding.UnansweredMost || attaches > forwarding.UnansweredMost+64 {
		t.Errorf("it stops (%d) with %d attaches unanswered", p.last, attaches)
	}
	p.input()
	if len(w.queue) > attaches+64 || p.last != forwarding.TurnUnanswered {
		t.Errorf("it goes on (%d) with %d attaches unanswered", p.last, len(w.queue))
	}
	w.rest()
	if _, links := p.e.Engine.Counts(); links != count {
		t.Errorf("in the end it has %d links of %d", links, count)
	}
	w.check()
}

// TestFramesAfterTheEndOfALinkWithManyDeliveriesAreHandledAfterIt detaches a sender of many messages, and attaches one
// with the same name behind.
func TestFramesAfterTheEndOfALinkWithManyDeliveriesAreHandledAfterIt(t *testing.T) {
	t.Parallel()
	const count = 10 * forwarding.TurnUnits
	w := newWorld(t)
	rx, tx := w.client(), w.client()
	rx.manual = true
	rx.receivers("q", 1, 2*count)
	out := tx.sender("q")
	for range count {
		tx.send(out, false, body("x"))
	}
	w.rest()
	var order []forwarding.EventKind
	w.heard = func(e *forwarding.Event) { order = append(order, e.Kind) }
	tx.engine.Detach(out, true, nil)
	again := tx.attach("again", "q", wire.RoleSender)
	tx.say()
	tx.turns = 0
	for next := true; next; next = tx.goesOn() {
		tx.input()
	}
	if least := count / forwarding.TurnUnits; tx.turns < least || tx.turns > 3*least { // two units each
		t.Errorf("the end takes %d turns, not about %d", tx.turns, least)
	}
	if want := []forwarding.EventKind{forwarding.EventLinkGone, forwarding.EventAttach}; !slices.Equal(order, want) {
		t.Errorf("the events are %v, want %v", order, want)
	}
	w.rest()
	tx.send(again, false, body("after"))
	w.rest()
	w.check()
	if _, unsettled := rx.e.Engine.Unsettled(); unsettled != 1 || len(rx.got) != count+1 {
		t.Errorf("%d messages have come, and %d are not settled: only that of the new link should be", len(rx.got), unsettled)
	}
}
