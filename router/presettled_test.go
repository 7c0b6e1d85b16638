package router

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
)

// policies are addresses for each policy.
const policies = `
  - {prefix: newest, distribution: closest, presettled: drop-newest}
  - {prefix: oldest, distribution: closest, presettled: drop-oldest}
  - {prefix: block, distribution: closest, presettled: block}`

// flood sends numbered pre-settled messages of 8 KiB from short-lived senders, so that no credit holds them back.
func flood(t *testing.T, r *Router, address string, count int) {
	t.Helper()
	const each = 100
	for sent := 0; sent < count; {
		c := connect(t, r)
		s := c.sender(address, nil)
		for i := 0; i < each && sent < count; i++ {
			s.settled(numbered(uint64(sent), 8<<10))
			sent++
		}
		if err := s.link.Close(c.ctx); err != nil { // answered behind all it sent
			t.Fatal(err)
		}
		c.conn.Close()
	}
}

// queuedOn counts the messages in the queues of all links.
func queuedOn(r *Router) (n int) {
	for _, c := range r.endpoints() {
		c.Mu.Lock()
		for _, l := range c.Links {
			if l != nil {
				n += l.Queued
			}
		}
		c.Mu.Unlock()
	}
	return n
}

// TestSettledMessagesBeyondTheLimitOfAQueueAreDroppedByThePolicyOfTheirAddress has a consumer without credit, and more
// messages than its queue may hold.
func TestSettledMessagesBeyondTheLimitOfAQueueAreDroppedByThePolicyOfTheirAddress(t *testing.T) {
	t.Parallel()
	const count = 3000 // 24 MiB
	for address, keeps := range map[string]struct{ first, last bool }{
		"newest/x": {true, false},
		"oldest/x": {false, true},
	} {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t)
			r := n.add(plan{id: "A", standalone: true, addresses: policies})
			c := connect(t, r).receiver(address, -1)
			flood(t, r, address, count)
			var dropped uint64
			eventually(t, "all are queued or dropped", func() error {
				queued := uint64(queuedOn(r))
				if dropped = r.view.Sum(false).Totals.Dropped(); dropped == 0 || dropped+queued != count {
					return fmt.Errorf("%d are queued, %d were dropped", queued, dropped)
				}
				return nil
			})
			if err := c.link.IssueCredit(count); err != nil {
				t.Fatal(err)
			}
			arrived := make(map[uint64]bool)
			for range count - dropped {
				got := numberOf(c.next())
				if arrived[got] {
					t.Errorf("number %d arrives twice", got)
				}
				arrived[got] = true
			}
			for i := range uint64(100) {
				if arrived[i] != keeps.first || arrived[count-1-i] != keeps.last {
					t.Fatalf("number %d arrives: %v; number %d: %v", i, arrived[i], count-1-i, arrived[count-1-i])
				}
			}
			if held := r.plane.Overload.Held(); held != 0 {
				t.Errorf("%d octets are held at the end", held)
			}
		})
	}
}

func TestSettledMessagesForABlockingAddressWaitAtTheirSendersAcrossRouters(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	a := n.add(plan{id: "A", addresses: policies})
	b := n.add(plan{id: "B", addresses: policies, to: []*Router{a}})
	c := n.add(plan{id: "C", addresses: policies, to: []*Router{b}})
	n.converge()
	r := connect(t, c).receiver("block/x", 10)
	n.consumers("A", "block/x", 0, 1)
	s := connect(t, a).sender("block/x", nil)
	const count = 4000 // 32 MiB: more than a queue may hold
	done := make(chan struct{})
	t.Cleanup(func() { <-done })
	go func() {
		defer close(done)
		for i := range count {
			s.settled(numbered(uint64(i), 8<<10))
		}
	}()
	for i := range uint64(count) {
		if got := numberOf(r.accept()); got != i {
			t.Fatalf("number %d arrives, want %d", got, i)
		}
	}
	for _, r := range n.routers {
		if dropped := r.view.Sum(false).Totals; dropped.Dropped() != 0 {
			t.Errorf("router %s dropped %d", r.ID(), dropped.Dropped())
		}
	}
}

// TestSettledMessagesForABlockingAddressArriveSettledBehindOtherRouters has consumers of an address, of a multicast
// address and of an exchange's next hop behind two routers; what was sent unsettled arrives unsettled.
func TestSettledMessagesForABlockingAddressArriveSettledBehindOtherRouters(t *testing.T) {
	t.Parallel()
	addresses := policies + `
  - {prefix: all, distribution: multicast, presettled: block}`
	exchanges := `
exchanges: [{name: x, address: ex}]
bindings: [{exchangeName: x, bindingKey: "#", nextHopAddress: block/hop}]`
	n := newNetwork(t)
	a := n.add(plan{id: "A", addresses: addresses, sections: exchanges})
	b := n.add(plan{id: "B", addresses: addresses, to: []*Router{a}})
	c := n.add(plan{id: "C", to: []*Router{b}}) // the first router decides
	n.converge()
	for address, to := range map[string]string{"block/x": "block/x", "all/x": "all/x", "block/hop": "ex"} {
		consumer := rawBegin(t, c)
		consumer.attachReceiver(0, address, 100)
		n.consumers("A", address, 0, 1)
		sender := rawBegin(t, a)
		sender.attachSender(0, to)
		m := encode(t, &message.Message{Properties: &message.Properties{Subject: "s"}, Body: message.Data{[]byte("x")}})
		for i := range 10 {
			x := sender.first(0)
			x.Settled, x.HasSettled = i%2 == 0, true
			sender.send(transfer(x, m))
			got := consumer.receive(0)
			if got.Settled != x.Settled {
				t.Errorf("%s: message %d arrives with settled %v", address, i, got.Settled)
			}
			if string(got.payload) != m {
				t.Errorf("%s: %q arrives, not %q", address, got.payload, m)
			}
			if !x.Settled {
				consumer.settle(got.DeliveryID, wire.State{Kind: wire.StateAccepted})
				sender.wantOutcome(address, x.DeliveryID, wire.StateAccepted)
			}
		}
	}
	if sum := c.view.Sum(false).Totals; sum.FromRouters.Accepted != 30 || sum.Out.Presettled != 15 || sum.Dropped() != 0 {
		t.Errorf("the last router counts %+v from routers, %+v to clients", sum.FromRouters, sum.Out)
	}
}

// TestMessagesForAReceiverOfSettledOnesAreBoundedWhenTheirSendersAreGone has senders that want an outcome come and go, and
// a receiver that asked for settled messages and has no credit.
func TestMessagesForAReceiverOfSettledOnesAreBoundedWhenTheirSendersAreGone(t *testing.T) {
	t.Parallel()
	n := alone(t)
	r := n.node("A")
	consumer := rawBegin(t, r)
	consumer.send(&wire.Attach{Name: "in", Role: wire.RoleReceiver, SndSettleMode: wire.SenderSettled,
		Source: &wire.Source{Address: "closest/x", HasAddress: true}, Target: &wire.Target{}})
	consumer.attached(0)
	n.consumers("A", "closest/x", 1, 0)
	large := body("%s", strings.Repeat("x", 50_000))
	const senders, each = 40, 10 // 20 MB
	for range senders {
		p := rawBegin(t, r)
		p.attachSender(0, "closest/x")
		for range each {
			p.deliver(0, large)
		}
		p.sync()
		p.nc.Close()
	}
	eventually(t, "what is too much is dropped", func() error {
		queued, dropped := uint64(queuedOn(r)), r.view.Sum(false).Totals.Dropped()
		if queued*50_000 > forwarding.SettledLimit || queued+dropped != senders*each {
			return fmt.Errorf("%d are queued, %d were dropped", queued, dropped)
		}
		return nil
	})
}

func TestMessagesWhoseSendersWantAnOutcomeAreNeverDropped(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	r := n.add(plan{id: "A", standalone: true, addresses: policies})
	p := rawBegin(t, r)
	p.attachReceiver(0, "oldest/x", 0)
	s := connect(t, r).sender("oldest/x", nil)
	receipt := s.begin(text("wanted"))
	eventually(t, "it is queued", func() error {
		if s := r.view.Sum(false).Totals; s.In.Deliveries != 1 {
			return errors.New("it is not")
		}
		return nil
	})
	flood(t, r, "oldest/x", 2500)
	p.grant(0, 0, 1)
	got := p.receive(0)
	if string(got.payload) != body("wanted") {
		t.Fatalf("%d octets arrive, want the message that somebody waits for", len(got.payload))
	}
	p.settle(got.DeliveryID, wire.State{Kind: wire.StateAccepted})
	wantAccepted(t, "the oldest", s.outcome(receipt))
}

// TestASenderWhoseMessagesAreDroppedGetsItsCreditBack has a full queue before the sender comes.
func TestASenderWhoseMessagesAreDroppedGetsItsCreditBack(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	r := n.add(plan{id: "A", standalone: true, addresses: policies})
	connect(t, r).receiver("newest/x", -1)
	const before, count = 800, 600 // more than the credit that there is at first
	flood(t, r, "newest/x", before)
	s := connect(t, r).sender("newest/x", nil)
	for i := range count {
		s.settled(numbered(uint64(i), 8<<10))
	}
	eventually(t, "all are queued or dropped", func() error {
		queued, dropped := uint64(queuedOn(r)), r.view.Sum(false).Totals.Dropped()
		if dropped < count || dropped+queued != before+count {
			return fmt.Errorf("%d are queued, %d were dropped", queued, dropped)
		}
		return nil
	})
}
