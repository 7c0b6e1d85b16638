package forwarding_test

import (
	"fmt"
	"testing"

	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
)

// TestOneDispositionOverManyDeliveriesTakesManyTurns lets a consumer settle 100,000 deliveries with one frame of 50
// octets, and the sender's connection find as many notes in its inbox.
func TestOneDispositionOverManyDeliveriesTakesManyTurns(t *testing.T) {
	t.Parallel()
	const count = 100_000
	w := newWorld(t)
	rx, tx := w.client(), w.client()
	rx.manual = true
	rx.receivers("q", 1, count)
	out := tx.sender("q")
	for range count {
		tx.send(out, false, []byte{0, wire.CodeSmallUlong, 0x77, wire.CodeNull})
	}
	w.rest()
	if len(rx.got) != count {
		t.Fatalf("%d of %d messages have arrived", len(rx.got), count)
	}
	w.check()

	for _, a := range rx.got {
		rx.engine.Settle(a.id, wire.State{Kind: wire.StateAccepted})
	}
	rx.say()
	if len(rx.said) > 100 {
		t.Fatalf("the settlement takes %d octets", len(rx.said))
	}
	rx.turns = 0
	for next := true; next; next = rx.goesOn() {
		rx.input()
	}
	if least := count / forwarding.TurnUnits; rx.turns < least || rx.turns > 2*least {
		t.Errorf("the disposition takes %d turns, not about %d", rx.turns, least)
	}
	tx.fills = 0
	w.rest()
	if least := count / forwarding.TurnUnits; tx.fills < least || tx.fills > 2*least {
		t.Errorf("%d notes take %d turns, not about %d", count, tx.fills, least)
	}
	if tx.outcomes[wire.StateAccepted] != count {
		t.Errorf("the sender has heard %v", tx.outcomes)
	}
	w.check()
}

// TestTheEndOfASessionOfManyLinksTakesManyTurnsInOrder has the peer end a session with 20,000 links, and go on with a
// new one in the same octets: that is handled when the old one has ended.
func TestTheEndOfASessionOfManyLinksTakesManyTurnsInOrder(t *testing.T) {
	t.Parallel()
	const count = 20_000
	w := newWorld(t)
	p := w.client()
	p.receivers("q", count, 0)
	w.check()

	var order []forwarding.EventKind
	w.heard = func(e *forwarding.Event) { order = append(order, e.Kind) }
	p.engine.End(p.session, nil)
	p.session = p.engine.Begin(engine.None)
	p.attach("after", "q", wire.RoleReceiver)
	p.say()
	p.turns = 0
	for next := true; next; next = p.goesOn() || p.last == forwarding.TurnUnanswered {
		p.input()
		w.answer()
	}
	if least := count / forwarding.TurnUnits; p.turns < least || p.turns > 4*least {
		t.Errorf("the end takes %d turns, not about %d", p.turns, least)
	}
	w.rest()
	w.check()
	if len(order) != count+1 || order[count] != forwarding.EventAttach {
		t.Errorf("of %d events, the last is not the new attach", len(order))
	}
	if _, links := p.e.Engine.Counts(); links != 1 {
		t.Errorf("%d links are left, not the new one", links)
	}
}

// TestAMulticastToManyTakesManyTurnsAndKeepsOrder sends three messages to 5,000 consumers.
func TestAMulticastToManyTakesManyTurnsAndKeepsOrder(t *testing.T) {
	t.Parallel()
	const each, clients = 1000, 5
	w := newWorld(t)
	var consumers []*peer
	for range clients {
		p := w.client()
		p.receivers("multicast/x", each, 10)
		consumers = append(consumers, p)
	}
	tx := w.client()
	out := tx.sender("multicast/x")
	if tx.engine.Credit(out) == 0 {
		t.Fatal("there is no credit")
	}
	w.check()
	sent := 0
	for ; sent < 3; sent++ {
		if tx.engine.Credit(out) == 0 {
			w.rest()
		}
		tx.send(out, false, body(fmt.Sprint(sent)))
	}
	tx.turns, tx.fills = 0, 0
	w.rest()
	if least := sent * each * clients / forwarding.TurnUnits; tx.turns+tx.fills < least {
		t.Errorf("%d branches take %d turns, not %d", sent*each*clients, tx.turns+tx.fills, least)
	}
	w.check()
	for _, p := range consumers {
		next := make(map[engine.LinkID]int)
		for _, a := range p.got {
			if want := string(body(fmt.Sprint(next[a.link]))); a.text != want {
				t.Fatalf("link %d gets %q as its message %d", a.link, a.text, next[a.link])
			}
			next[a.link]++
		}
		if len(p.got) != sent*each {
			t.Errorf("a client of %d links gets %d messages of %d", each, len(p.got), sent)
		}
	}
	if tx.outcomes[wire.StateAccepted] != sent {
		t.Errorf("the sender has heard %v", tx.outcomes)
	}
}

// TestManyMulticastsToSomeKeepTheBudget sends as many messages as one input takes, each to as many consumers as are not
// divided into turns. Their sender has no address, so that its credit knows nothing of the consumers.
func TestManyMulticastsToSomeKeepTheBudget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rx := w.client()
	rx.receivers("multicast/x", forwarding.FanOut, 1000)
	tx := w.client()
	out := tx.anonymous()
	w.check()
	for range 64 {
		tx.send(out, true, messageTo(t, "multicast/x"))
	}
	w.rest()
	w.check()
	if len(rx.got) == 0 {
		t.Error("nothing has arrived")
	}
}

// TestTheEndOfASenderOfManyMulticastsKeepsTheBudget detaches a link whose messages wait for the outcomes of some
// consumers each, and another one whose messages the sender itself settles.
func TestTheEndOfASenderOfManyMulticastsKeepsTheBudget(t *testing.T) {
	t.Parallel()
	const count = 60
	w := newWorld(t)
	rx := w.client()
	rx.manual = true
	rx.receivers("multicast/x", forwarding.FanOut-1, 1000)
	for _, settles := range []bool{false, true} {
		tx := w.client()
		out := tx.anonymous()
		m := messageTo(t, "multicast/x")
		var ids []engine.DeliveryID
		for range count {
			ids = append(ids, tx.send(out, false, m))
		}
		w.rest()
		w.check()
		if settles {
			for _, id := range ids {
				tx.engine.SettleOutgoing(id, wire.State{})
			}
		} else {
			tx.engine.Detach(out, true, nil)
		}
		w.rest()
		w.check()
		if _, unsettled := rx.e.Engine.Unsettled(); unsettled != 0 {
			t.Errorf("settled by the sender: %v: %d deliveries are not settled", settles, unsettled)
		}
		if held := tx.e.Meter.Held(); held != 0 {
			t.Errorf("settled by the sender: %v: %d octets are counted", settles, held)
		}
	}
}
