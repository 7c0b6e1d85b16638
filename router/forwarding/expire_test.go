package forwarding_test

import (
	"testing"
	"time"

	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
)

func TestQueuedMessagesExpireInTurns(t *testing.T) {
	t.Parallel()
	const count = 20_000
	w := newWorld(t)
	rx, tx := w.client(), w.client()
	rx.receivers("q", 1, 0)
	out := tx.sender("q")
	m := &message.Message{Header: &message.Header{TTL: 1000, HasTTL: true}}
	octets, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	for range count {
		tx.send(out, false, octets)
	}
	w.rest()
	w.now = w.now.Add(2 * time.Second)
	rx.e.Advance(w.now, &rx.woken)
	if n := rx.e.Units(); n == 0 || n > limit {
		t.Errorf("the first turn has given %d messages back, at most %d are right", n, limit)
	}
	for range count / limit {
		w.rest()
		w.now = w.now.Add(50 * time.Millisecond)
		rx.e.Advance(w.now, &rx.woken)
	}
	w.rest()
	w.check()
	if tx.outcomes[wire.StateReleased] != count {
		t.Errorf("the sender has heard %v", tx.outcomes)
	}
}
