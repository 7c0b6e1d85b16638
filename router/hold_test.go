package router

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/Azure/go-amqp"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/conn"
)

// patient returns a standalone router on which messages wait for a consumer as long as a test may take.
func patient(t *testing.T, more ...string) *network {
	t.Helper()
	n := newNetwork(t)
	n.add(plan{id: "A", standalone: true, router: "rerouteHoldMilliseconds: 60000", addresses: strings.Join(more, "")})
	return n
}

// holding waits until a number of deliveries wait on a router for a consumer.
func holding(t *testing.T, r *Router, count int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d deliveries wait", count), func() error {
		n := 0
		for _, c := range r.endpoints() {
			c.Mu.Lock()
			n += c.Waits.Count
			c.Mu.Unlock()
		}
		if n != count {
			return fmt.Errorf("%d wait", n)
		}
		return nil
	})
}

func TestAMessageThatFindsNoConsumerSinceAMomentWaitsForTheNext(t *testing.T) {
	t.Parallel()
	n := patient(t)
	c := connect(t, n.node("A"))
	first := c.receiver("closest/x", 10)
	s := connect(t, n.node("A")).sender("closest/x", nil)
	first.detach()
	n.consumers("A", "closest/x", 0, 0)
	var receipts []amqp.SendReceipt
	for i := range 5 {
		receipts = append(receipts, s.begin(text("%d", i)))
	}
	holding(t, n.node("A"), 5)
	second := c.receiver("closest/x", 10)
	for i := range 5 {
		if got := string(second.accept().GetData()); got != fmt.Sprint(i) {
			t.Errorf("message %d arrives as %q", i, got)
		}
		wantAccepted(t, "held message", s.outcome(receipts[i]))
	}
	holding(t, n.node("A"), 0)
}

func TestAQueuedMessageWaitsWhenItsConsumerGoesAndThereIsNoOther(t *testing.T) {
	t.Parallel()
	n := patient(t)
	c := connect(t, n.node("A"))
	first := c.receiver("balanced/x", -1)
	s := connect(t, n.node("A")).sender("balanced/x", nil)
	receipts := []amqp.SendReceipt{s.begin(text("0")), s.begin(text("1"))}
	eventually(t, "they are queued", func() error { return n.node("A").waitingFor("balanced/x") })
	first.detach()
	holding(t, n.node("A"), 2)
	second := c.receiver("balanced/x", 2)
	for i, receipt := range receipts {
		if got := string(second.accept().GetData()); got != fmt.Sprint(i) {
			t.Errorf("message %d arrives as %q", i, got)
		}
		wantAccepted(t, "a queued message", s.outcome(receipt))
	}
}

func TestAHeldMessageIsReleasedWhenItsTimeIsOverAndCreditIsWithdrawn(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	r := n.add(plan{id: "A", standalone: true, router: "rerouteHoldMilliseconds: 300"})
	p := rawBegin(t, r)
	p.attachReceiver(0, "closest/x", 1)
	p.attachSender(1, "closest/x")
	began := time.Now()
	p.send(&wire.Detach{Handle: 0, Closed: true})
	id := p.deliver(1, body("x"))
	p.wantOutcome("nobody has come", id, wire.StateReleased)
	if waited := time.Since(began); waited < 300*time.Millisecond {
		t.Errorf("it was released after %v, before its time was over", waited)
	}
	want(p, "the credit is taken back by a drain", func(x *wire.Flow) bool { return x.Drain })
}

func TestAnAnonymousMessageForAnAddressThatNobodyEverConsumedIsReleasedAtOnce(t *testing.T) {
	t.Parallel()
	n := patient(t)
	s := connect(t, n.node("A")).sender("", nil)
	wantReleased(t, "to nobody", s.send(to("closest/never", text("x"))))
}

func TestAnAnonymousMessageWaitsForTheNextConsumerOfItsAddress(t *testing.T) {
	t.Parallel()
	n := patient(t)
	c := connect(t, n.node("A"))
	c.receiver("closest/x", 1).detach()
	s := connect(t, n.node("A")).sender("", nil)
	receipt := s.begin(to("closest/x", text("x")))
	holding(t, n.node("A"), 1)
	c.receiver("closest/x", 1).accept()
	wantAccepted(t, "held", s.outcome(receipt))
}

func TestPreSettledAndMulticastMessagesDoNotWait(t *testing.T) {
	t.Parallel()
	n := patient(t)
	r := n.node("A")
	c := connect(t, r)
	for _, address := range []string{"closest/x", "multicast/x"} {
		first := c.receiver(address, 10)
		s := connect(t, r).sender(address, nil)
		first.detach()
		n.consumers("A", address, 0, 0)
		if strings.HasPrefix(address, "multicast") {
			wantReleased(t, "multicast to nobody", s.send(text("x")))
		} else {
			s.settled(text("x"))
		}
	}
	eventually(t, "the settled one is counted as dropped", func() error {
		if all := r.view.Sum(false).Totals; all.In.Dropped != 1 {
			return fmt.Errorf("%d dropped", r.view.Sum(false).Totals.In.Dropped)
		}
		return nil
	})
	holding(t, r, 0)
}

func TestALargeHeldMessageHoldsBackItsSenderOnly(t *testing.T) {
	t.Parallel()
	n := patient(t)
	r := n.node("A")
	c := connect(t, r)
	first := c.receiver("closest/x", 1)
	s := connect(t, r).sender("closest/x", nil)
	first.detach()
	n.consumers("A", "closest/x", 0, 0)
	outcome := make(chan error, 1)
	const size = 20 << 20
	go func() {
		outcome <- s.link.Send(s.ctx, amqp.NewMessage(make([]byte, size)), nil)
	}()
	eventually(t, "its beginning is held", func() error {
		if held := r.plane.Overload.Held(); held < conn.HeldLeast {
			return fmt.Errorf("%d octets", held)
		}
		return nil
	})
	quick := connect(t, r).receiver("closest/quick", 10)
	exchange(t, connect(t, r).sender("closest/quick", nil), quick, 20)
	if held := r.plane.Overload.Held(); held > 2*conn.HeldMost {
		t.Errorf("%d octets of it are held", held)
	}
	if got := len(c.receiver("closest/x", 1).accept().GetData()); got != size {
		t.Errorf("%d octets arrive", got)
	}
	if err := <-outcome; err != nil {
		t.Error(err)
	}
}

func TestWhatWaitsEndsWithItsSender(t *testing.T) {
	t.Parallel()
	n := patient(t)
	r := n.node("A")
	c := connect(t, r)
	for name, end := range map[string]func(p *raw){
		"settled":  func(p *raw) { p.send(&wire.Disposition{Role: wire.RoleSender, First: 0, Last: 0, Settled: true}) },
		"detached": func(p *raw) { p.send(&wire.Detach{Handle: 1, Closed: true}) },
		"ended":    func(p *raw) { p.send(&wire.End{}) },
		"gone":     func(p *raw) { p.nc.Close() },
	} {
		first := c.receiver("closest/"+name, 1)
		p := rawBegin(t, r)
		p.attachSender(1, "closest/"+name)
		first.detach()
		n.consumers("A", "closest/"+name, 0, 0)
		p.deliver(1, body("x"))
		holding(t, r, 1)
		end(p)
		holding(t, r, 0)
	}
}

func TestAMessageWhoseTimeToLiveIsOverInAQueueIsReleased(t *testing.T) {
	t.Parallel()
	n := alone(t)
	p := rawBegin(t, n.node("A"))
	p.attachReceiver(0, "closest/x", 0)
	p.attachSender(1, "closest/x")
	mortal := encode(t, &message.Message{
		Header: &message.Header{Priority: 4, TTL: 80, HasTTL: true}, Body: message.Data{[]byte("mortal")}})
	dead := p.deliver(1, mortal)
	p.deliver(1, body("immortal"))
	p.wantOutcome("its ttl is over", dead, wire.StateReleased)
	p.grant(0, 0, 10)
	if got := p.receive(0); string(got.payload) != body("immortal") {
		t.Errorf("%q arrives", got.payload)
	}
	if all := n.node("A").view.Sum(false).Totals; all.In.Expired != 1 {
		t.Errorf("%d counted as expired", all.In.Expired)
	}
}

func TestAMessageWhoseTimeToLiveIsOverWhileItWaitsIsReleased(t *testing.T) {
	t.Parallel()
	n := patient(t)
	p := rawBegin(t, n.node("A"))
	p.attachReceiver(0, "closest/x", 1)
	p.attachSender(1, "closest/x")
	p.send(&wire.Detach{Handle: 0, Closed: true})
	mortal := encode(t, &message.Message{
		Header: &message.Header{Priority: 4, TTL: 80, HasTTL: true}, Body: message.Data{[]byte("mortal")}})
	p.wantOutcome("its ttl is over", p.deliver(1, mortal), wire.StateReleased)
	holding(t, n.node("A"), 0)
}

func TestASettledMessageWhoseTimeToLiveIsOverIsDroppedAndCounted(t *testing.T) {
	t.Parallel()
	n := alone(t)
	p := rawBegin(t, n.node("A"))
	p.attachReceiver(0, "closest/x", 0)
	p.attachSender(1, "closest/x")
	x := p.first(1)
	x.Settled, x.HasSettled = true, true
	mortal := encode(t, &message.Message{
		Header: &message.Header{Priority: 4, TTL: 80, HasTTL: true}, Body: message.Data{[]byte("mortal")}})
	p.send(transfer(x, mortal))
	eventually(t, "it is counted", func() error {
		if all := n.node("A").view.Sum(false).Totals; all.In.Expired != 1 || all.Dropped() != 1 {
			return fmt.Errorf("%d expired, %d dropped", all.In.Expired, all.Dropped())
		}
		return nil
	})
	p.grant(0, 0, 1)
	p.deliver(1, body("immortal"))
	if got := p.receive(0); string(got.payload) != body("immortal") {
		t.Errorf("%q arrives", got.payload)
	}
}

// TestAMessageIsHeldWhenTheWayToItsConsumerIsReplaced takes the only path away and gives another one.
func TestAMessageIsHeldWhenTheWayToItsConsumerIsReplaced(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	hold := "rerouteHoldMilliseconds: 60000"
	a := n.add(plan{id: "A", router: hold})
	b := n.add(plan{id: "B", router: hold, to: []*Router{a}})
	c := n.add(plan{id: "C", router: hold, to: []*Router{b}})
	n.converge()
	r := connect(t, c).receiver("closest/x", 100)
	n.consumers("A", "closest/x", 0, 1)
	s := connect(t, a).sender("closest/x", nil)
	wantAccepted(t, "before", func() amqp.DeliveryState {
		receipt := s.begin(text("before"))
		r.accept()
		return s.outcome(receipt)
	}())
	b.Stop()
	n.routers = []*Router{a, c}
	eventually(t, "A knows of no consumer", func() error {
		if row, ok := addressRow(a, "closest/x"); ok && row.RemoteCount > 0 {
			return errors.New("it does")
		}
		return nil
	})
	receipt := s.begin(text("meanwhile"))
	holding(t, a, 1)
	n.add(plan{id: "D", router: hold, to: []*Router{a, c}})
	if got := string(r.accept().GetData()); got != "meanwhile" {
		t.Errorf("%q arrives", got)
	}
	wantAccepted(t, "meanwhile", s.outcome(receipt))
}

// TestAMessageIsNotSentBackTheWayItCame has a message queued for a consumer of the second router that goes, when the only
// other one is where the message came from: it is held, and then its sender is told that it may send it again.
func TestAMessageIsNotSentBackTheWayItCame(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	a := n.add(plan{id: "A"})
	b := n.add(plan{id: "B", router: "rerouteHoldMilliseconds: 300", to: []*Router{a}})
	n.converge()
	there := connect(t, b).receiver("closest/x", -1)
	n.consumers("A", "closest/x", 0, 1)
	p := rawBegin(t, a)
	p.attachSender(1, "closest/x")
	first := p.deliver(1, body("x"))
	n.queued("B", "closest/x", 1)
	here := connect(t, a).receiver("closest/x", 10)
	n.consumers("B", "closest/x", 1, 1)
	there.detach()
	p.wantOutcome("nobody was offered it", first, wire.StateReleased)
	if held := b.view.Sum(false).Totals.FromRouters.Held; held != 1 {
		t.Errorf("%d were held where the consumer was, want 1", held)
	}
	again := p.deliver(1, body("again"))
	if got := string(here.accept().GetData()); got != "again" {
		t.Errorf("%q arrives", got)
	}
	p.wantOutcome("it was sent again", again, wire.StateAccepted)
}
