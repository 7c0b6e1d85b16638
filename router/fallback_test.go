package router

import (
	"context"
	"fmt"
	"testing"

	"github.com/Azure/go-amqp"
	"github.com/google/go-cmp/cmp"

	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
)

const fallbackConfig = "\n  - {prefix: store, distribution: closest, enableFallback: true}" +
	"\n  - {prefix: cast, distribution: multicast, enableFallback: true}"

// fallback attaches a receiver that claims the fallback of an address.
func (c *client) fallback(address string, credit int32) *receiver {
	c.t.Helper()
	return c.receiverWith(address, &amqp.ReceiverOptions{Credit: credit, SourceCapabilities: []string{"qd.fallback"}})
}

// got receives one message that has the payload, and accepts it.
func (r *receiver) got(payload string) {
	r.t.Helper()
	if m := r.accept(); string(m.GetData()) != payload {
		r.t.Fatalf("received %q, want %q", m.GetData(), payload)
	}
}

func TestFallbackTakesWhatNoOtherConsumerIsThereFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ sender, fallback, primary int }{{0, 0, 0}, {0, 2, 1}, {0, 1, 2}, {2, 0, 0}, {1, 1, 0}} {
		for _, address := range []string{"store/a", "cast/a"} {
			routers := 3
			if c == (struct{ sender, fallback, primary int }{}) {
				routers = 1
			}
			t.Run(fmt.Sprint(c, address), func(t *testing.T) {
				t.Parallel()
				n := configured(t, routers, fallbackConfig)
				from := n.routers[c.sender]
				s, anonymous := connect(t, from).sender(address, nil), connect(t, from).sender("", nil)
				wantReleased(t, "nobody is there", anonymous.send(to(address, text("x"))))
				fallback := connect(t, n.routers[c.fallback]).fallback(address, 10)
				wantPhases(t, from, address, map[string]int{"MF" + address: 1, "M0" + address: 0})
				both := func(why string, r *receiver) {
					t.Helper()
					for name, s := range map[string]*sender{"a sender": s, "an anonymous sender": anonymous} {
						receipt := s.begin(to(address, text("%s", why)))
						r.got(why)
						wantAccepted(t, name, s.outcome(receipt))
					}
				}
				both("the fallback is there", fallback)
				primary := connect(t, n.routers[c.primary]).receiver(address, 10)
				wantPhases(t, from, address, map[string]int{"MF" + address: 1, "M0" + address: 1})
				both("the consumer is there", primary)
				fallback.none("a consumer was there")
				primary.detach()
				wantPhases(t, from, address, map[string]int{"MF" + address: 1, "M0" + address: 0})
				both("the consumer is away again", fallback)
			})
		}
	}
}

func TestSendersHaveCreditWhileAConsumerOrTheFallbackIsThere(t *testing.T) {
	t.Parallel()
	n := configured(t, 2, fallbackConfig)
	p := rawBegin(t, n.node("A"))
	p.attachIdleSender(0, "store/a")
	p.sync()
	if f := p.queued(func(x *wire.Flow) bool { return x.HasHandle && x.LinkCredit > 0 }); f != nil {
		t.Fatal("credit without anybody to send to")
	}
	fallback := connect(t, n.node("B")).fallback("store/a", 10)
	p.creditOf(0, "credit comes with the fallback", func(x *wire.Flow) bool { return x.LinkCredit > 0 })
	primary := connect(t, n.node("B")).receiver("store/a", 10)
	n.consumers("A", "store/a", 0, 1)
	fallback.detach()
	wantPhases(t, n.node("A"), "store/a", map[string]int{"M0store/a": 1, "MFstore/a": 0})
	p.sync()
	if f := p.queued(func(x *wire.Flow) bool { return x.HasHandle && x.Drain }); f != nil {
		t.Fatal("credit is asked back while the consumer is there")
	}
	primary.detach()
	p.creditOf(0, "credit is asked back when both have gone", func(x *wire.Flow) bool { return x.Drain })
}

// A broker that is the fallback sends what it has stored to the address again: it must not come back to it.
func TestWhatComesFromTheFallbackDoesNotGoBackToIt(t *testing.T) {
	t.Parallel()
	n := configured(t, 2, fallbackConfig)
	b := connect(t, n.node("A"))
	fallback := b.fallback("store/a", 10)
	wantPhases(t, n.node("B"), "store/a", map[string]int{"M0store/a": 0, "MFstore/a": 1})
	p := rawBegin(t, n.node("A"))
	p.send(&wire.Attach{Name: "back", Role: wire.RoleSender, SndSettleMode: wire.SenderMixed, HasInitialDelivery: true,
		Source: &wire.Source{}, Target: &wire.Target{Address: "store/a", HasAddress: true,
			Capabilities: []wire.Symbol{"qd.fallback"}, SingleCapability: true}})
	p.attached(0)
	p.sync()
	if f := p.queued(func(x *wire.Flow) bool { return x.HasHandle && x.LinkCredit > 0 }); f != nil {
		t.Fatal("the fallback's own sender has credit while no consumer is there")
	}
	primary := connect(t, n.node("B")).receiver("store/a", 10)
	p.creditOf(0, "credit comes with the consumer", func(x *wire.Flow) bool { return x.LinkCredit > 0 })
	sent := p.deliver(0, body("stored"))
	primary.got("stored")
	p.wantOutcome("the stored message", sent, wire.StateAccepted)
	primary.detach()
	n.consumers("A", "store/a", 0, 0)
	p.wantOutcome("a message on the credit left", p.deliver(0, body("stored")), wire.StateReleased)
	fallback.none("it came from there")
}

// A transit or egress router whose consumers have gone meanwhile diverts what the ingress router sent for them.
func TestMessagesOnTheWayAreDivertedWhereTheConsumerWas(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	a := n.add(plan{id: "A", addresses: fallbackConfig})
	fallback := connect(t, a).fallback("store/a", 10)
	p := neighbor(t, a, "X")
	m := &message.Message{Body: message.Data{[]byte("x")}, Annotations: wire.Map{
		{Key: wire.Symbol("x-opt-qd.to"), Value: "store/a"}, {Key: wire.Symbol("x-opt-qd.ingress"), Value: "0/X"},
		{Key: wire.Symbol("x-opt-qd.trace"), Value: wire.List{"0/X"}}}}
	sent := p.deliver(2, encode(t, m))
	fallback.got("x")
	p.wantOutcome("a message for a consumer that has gone", sent, wire.StateAccepted)
	m.Annotations = append(m.Annotations, wire.MapEntry{Key: wire.Symbol("x-opt-qd.phase"), Value: int32(22)})
	sent = p.deliver(2, encode(t, m))
	fallback.got("x")
	p.wantOutcome("a message that was diverted before", sent, wire.StateAccepted)
	fallback.detach()
	eventually(t, "the fallback has gone", func() error {
		if left := phases(a, "store/a"); len(left) > 0 {
			return fmt.Errorf("%v is left", left)
		}
		return nil
	})
	p.wantOutcome("a fallback without a consumer", p.deliver(2, encode(t, m)), wire.StateReleased)
}

func TestFallbackIsNamedInTheAnnotationsAsInterconnectNamesIt(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	n.add(plan{id: "A", addresses: fallbackConfig,
		listeners: "  - {name: shown, host: 127.0.0.1, port: 0, stripAnnotations: no}"})
	n.add(plan{id: "B", addresses: fallbackConfig, to: n.routers})
	n.converge()
	r := connectWith(t, "amqp://"+n.node("A").Addr("shown"), nil).fallback("store/a", 10)
	wantPhases(t, n.node("B"), "store/a", map[string]int{"MFstore/a": 1, "M0store/a": 0})
	c := connect(t, n.node("B"))
	for name, s := range map[string]*sender{"a sender": c.sender("store/a", nil), "anonymous": c.sender("", nil)} {
		receipt := s.begin(to("store/a", text("x")))
		want := amqp.Annotations{"x-opt-qd.phase": int32(22), "x-opt-qd.to": "store/a", "x-opt-qd.ingress": "0/B",
			"x-opt-qd.trace": []any{"0/B", "0/A"}}
		if diff := cmp.Diff(want, r.accept().Annotations); diff != "" {
			t.Errorf("%s: annotations (-want +got)\n%s", name, diff)
		}
		wantAccepted(t, name, s.outcome(receipt))
	}
}

// What is queued for a fallback that leaves goes to the consumer that has come meanwhile.
func TestQueuedMessagesOfAFallbackThatLeavesGoToTheConsumer(t *testing.T) {
	t.Parallel()
	n := configured(t, 2, fallbackConfig)
	fallback := connect(t, n.node("A")).fallback("store/a", -1)
	s := connect(t, n.node("A")).sender("store/a", nil)
	receipt := s.begin(text("x"))
	eventually(t, "the message is queued for the fallback", func() error {
		for row := range n.node("A").view.Links() {
			if row.OwningAddr == "MFstore/a" && row.UndeliveredCount == 1 {
				return nil
			}
		}
		return fmt.Errorf("it is not")
	})
	primary := connect(t, n.node("B")).receiver("store/a", 10)
	n.consumers("A", "store/a", 0, 1)
	fallback.detach()
	primary.got("x")
	wantAccepted(t, "the message", s.outcome(receipt))
}

// The same on a transit router, which another one has sent the messages to as ones for the fallback. They stay in order.
func TestMessagesThatWereDivertedElsewhereGoToTheConsumerWhenTheFallbackLeaves(t *testing.T) {
	t.Parallel()
	const count = 20
	n := configured(t, 3, fallbackConfig)
	fallback := connect(t, n.node("B")).fallback("store/a", -1)
	wantPhases(t, n.node("A"), "store/a", map[string]int{"M0store/a": 0, "MFstore/a": 1})
	s := connect(t, n.node("A")).sender("store/a", nil)
	var receipts []amqp.SendReceipt
	for i := range count {
		receipts = append(receipts, s.begin(text("%d", i)))
	}
	eventually(t, "the messages are queued for the fallback", func() error {
		for row := range n.node("B").view.Links() {
			if row.OwningAddr == "MFstore/a" && row.Type == "endpoint" && row.UndeliveredCount == count {
				return nil
			}
		}
		return fmt.Errorf("they are not")
	})
	primary := connect(t, n.node("C")).receiver("store/a", count)
	n.consumers("B", "store/a", 0, 1)
	fallback.detach()
	for i := range count {
		primary.got(fmt.Sprint(i))
		wantAccepted(t, "a message", s.outcome(receipts[i]))
	}
}

func TestFallbackNeedsTheConfigurationOfItsAddress(t *testing.T) {
	t.Parallel()
	n := configured(t, 1, fallbackConfig)
	c := connect(t, n.node("A"))
	fallback := c.fallback("balanced/a", 10)
	wantReleased(t, "the address has no fallback", c.sender("", nil).send(to("balanced/a", text("x"))))
	fallback.none("the address has no fallback")
}

func TestManagementCountsWhatGoesToTheFallback(t *testing.T) {
	t.Parallel()
	n := configured(t, 1, fallbackConfig)
	c := connect(t, n.node("A"))
	fallback := c.fallback("store/a", 10)
	s := c.sender("store/a", nil)
	for range 3 {
		receipt := s.begin(text("x"))
		fallback.got("x")
		wantAccepted(t, "the message", s.outcome(receipt))
	}
	row, ok := addressRow(n.node("A"), "store/a")
	if !ok || row.DeliveriesRedirectedToFallback != 3 || row.DeliveriesIngress != 3 {
		t.Errorf("the row is %+v, %v", row, ok)
	}
}

func TestAddressesWithAFallbackAreGoneWhenEverybodyHasLeft(t *testing.T) {
	t.Parallel()
	n := configured(t, 2, fallbackConfig)
	c := connect(t, n.node("A"))
	s, fallback, primary := c.sender("store/a", nil), c.fallback("store/a", 1), c.receiver("store/a", 1)
	wantPhases(t, n.node("B"), "store/a", map[string]int{"M0store/a": 1, "MFstore/a": 1})
	primary.detach()
	wantPhases(t, n.node("B"), "store/a", map[string]int{"M0store/a": 0, "MFstore/a": 1})
	fallback.detach()
	wantPhases(t, n.node("B"), "store/a", map[string]int{})
	wantPhases(t, n.node("A"), "store/a", map[string]int{"M0store/a": 0, "MFstore/a": 0})
	if err := s.link.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	wantPhases(t, n.node("A"), "store/a", map[string]int{})
}
