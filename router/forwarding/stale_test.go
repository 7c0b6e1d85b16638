package forwarding_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
)

// TestWhatWaitedAndIsOverdueGoesInItsOrder has a consumer come while the sender's endpoint takes no notes, and lets the
// hold time end then.
func TestWhatWaitedAndIsOverdueGoesInItsOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plane.Hold = time.Second
	w.control.Now = w.now
	gone, tx := w.client(), w.client()
	ids := gone.receivers("q", 1, 0)
	out := tx.sender("q")
	gone.engine.Detach(ids[0], true, nil)
	gone.say()
	gone.input()
	w.answer()
	want := []string{"0", "1", "2", "3"}
	for i := range want {
		tx.send(out, false, body(fmt.Sprint(i)))
	}
	tx.say()
	tx.input()
	tx.fill()
	if tx.e.Waits.Count != len(want) {
		t.Fatalf("%d messages wait", tx.e.Waits.Count)
	}
	w.now = w.now.Add(time.Second - time.Millisecond)
	tx.deaf = true
	rx := w.client()
	rx.manual = true
	rx.receivers("q", 1, 100)
	w.now = w.now.Add(200 * time.Millisecond)
	tx.e.Advance(w.now, &tx.woken)
	tx.deaf = false
	w.rest()
	var got []string
	for _, a := range rx.got {
		got = append(got, a.text[len(a.text)-1:])
		rx.engine.Settle(a.id, wire.State{Kind: wire.StateAccepted})
	}
	w.rest()
	if !slices.Equal(got, want) || tx.outcomes[wire.StateAccepted] != len(want) {
		t.Errorf("the consumer gets %v, and the sender hears %v", got, tx.outcomes)
	}
}

// TestAQuestionIsAnsweredByWhoeverHasTheMutex asks while somebody else only looks.
func TestAQuestionIsAnsweredByWhoeverHasTheMutex(t *testing.T) {
	t.Parallel()
	p := newWorld(t).join(&forwarding.Terms{}, "192.0.2.1:1", "u")
	in, out := make(chan struct{}), make(chan struct{})
	go p.e.Look(func() {
		close(in)
		<-out
	})
	<-in
	q := p.e.Ask(func() {})
	close(out)
	<-q.Done
}
