package router

import (
	"strings"
	"testing"

	"github.com/Azure/go-amqp"
	"github.com/google/go-cmp/cmp"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// outcomes are what a consumer may say about a delivery, and what its sender is to see.
var outcomes = map[string]struct {
	say  func(*receiver, *amqp.Message) error
	want amqp.DeliveryState
}{
	"accepted": {
		func(r *receiver, m *amqp.Message) error { return r.link.AcceptMessage(r.ctx, m) },
		&amqp.StateAccepted{},
	},
	"released": {
		func(r *receiver, m *amqp.Message) error { return r.link.ReleaseMessage(r.ctx, m) },
		&amqp.StateReleased{},
	},
	"rejected without an error": {
		func(r *receiver, m *amqp.Message) error { return r.link.RejectMessage(r.ctx, m, nil) },
		&amqp.StateRejected{},
	},
	"rejected with an error": {
		func(r *receiver, m *amqp.Message) error {
			return r.link.RejectMessage(r.ctx, m, &amqp.Error{Condition: "test:bad", Description: "no good",
				Info: map[string]any{"why": int64(7)}})
		},
		&amqp.StateRejected{Error: &amqp.Error{Condition: "test:bad", Description: "no good",
			Info: map[string]any{"why": int64(7)}}},
	},
	"modified": {
		func(r *receiver, m *amqp.Message) error { return r.link.ModifyMessage(r.ctx, m, nil) },
		&amqp.StateModified{},
	},
	"modified with delivery-failed": {
		func(r *receiver, m *amqp.Message) error {
			return r.link.ModifyMessage(r.ctx, m, &amqp.ModifyMessageOptions{DeliveryFailed: true})
		},
		&amqp.StateModified{DeliveryFailed: true},
	},
	"modified with everything": {
		func(r *receiver, m *amqp.Message) error {
			return r.link.ModifyMessage(r.ctx, m, &amqp.ModifyMessageOptions{DeliveryFailed: true, UndeliverableHere: true,
				Annotations: amqp.Annotations{"x-opt-a": "b"}})
		},
		&amqp.StateModified{DeliveryFailed: true, UndeliverableHere: true,
			MessageAnnotations: amqp.Annotations{"x-opt-a": "b"}},
	},
}

func TestEveryOutcomeComesBackToTheSenderWithItsFields(t *testing.T) {
	t.Parallel()
	n := chain(t, 3)
	for _, at := range []string{"A", "B", "C"} {
		address := "closest/" + at
		r := connect(t, n.node(at)).receiver(address, 10)
		n.consumers("A", address, map[string]int{"A": 1}[at], map[string]int{"B": 1, "C": 1}[at])
		s := connect(t, n.node("A")).sender(address, nil)
		for name, o := range outcomes {
			receipt := s.begin(text("%s", name))
			if err := o.say(r, r.next()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(o.want, s.outcome(receipt)); diff != "" {
				t.Errorf("%s at %s (-want +got)\n%s", name, at, diff)
			}
		}
	}
}

func TestOutcomesUnknownToTheRouterArePassedOn(t *testing.T) {
	t.Parallel()
	n := chain(t, 2)
	b := rawBegin(t, n.node("B"))
	b.attachReceiver(0, "closest/x", 10)
	n.consumers("A", "closest/x", 0, 1)
	a := rawBegin(t, n.node("A"))
	a.attachSender(0, "closest/x")
	id := a.deliver(0, body("x"))
	strange := wire.Raw{wire.CodeDescribed, wire.CodeSmallUlong, 0x7f, wire.CodeList8, 2, 1, wire.CodeTrue}
	b.settle(b.receive(0).DeliveryID, wire.State{Kind: wire.StateOther, Raw: strange})
	if got := a.wantOutcome("a settled delivery", id, wire.StateOther); string(got.Raw) != string(strange) {
		t.Errorf("the state is % x, want % x", got.Raw, strange)
	}
}

func TestReceivedIsNoOutcome(t *testing.T) {
	t.Parallel()
	n := alone(t)
	p := rawBegin(t, n.node("A"))
	p.attachReceiver(0, "closest/x", 10)
	p.attachSender(1, "closest/x")
	id := p.deliver(1, body("x"))
	got := p.receive(0)
	p.send(&wire.Disposition{Role: wire.RoleReceiver, First: got.DeliveryID, Last: got.DeliveryID, State: wire.State{
		Kind: wire.StateReceived, Raw: wire.Raw{0, wire.CodeSmallUlong, 0x23, wire.CodeList8, 3, 2, wire.CodeUint0,
			wire.CodeUlong0}}})
	p.sync()
	p.settle(got.DeliveryID, wire.State{Kind: wire.StateAccepted})
	p.wantOutcome("only a terminal state is one", id, wire.StateAccepted)
}

func TestTerminalStateWithoutSettlementIsSettledByTheRouter(t *testing.T) {
	t.Parallel()
	n := chain(t, 2)
	b := rawBegin(t, n.node("B"))
	b.attachReceiver(0, "closest/x", 10)
	n.consumers("A", "closest/x", 0, 1)
	a := rawBegin(t, n.node("A"))
	a.attachSender(0, "closest/x")
	id := a.deliver(0, body("x"))
	got := b.receive(0)
	b.send(&wire.Disposition{Role: wire.RoleReceiver, First: got.DeliveryID, Last: got.DeliveryID,
		State: wire.State{Kind: wire.StateReleased}})
	want(b, "the router settles what the receiver has decided", func(x *wire.Disposition) bool {
		return x.Role == wire.RoleSender && x.Settled && x.First <= got.DeliveryID && got.DeliveryID <= x.Last
	})
	a.wantOutcome("the sender sees the state", id, wire.StateReleased)
}

func TestPresettledMessagesArriveSettled(t *testing.T) {
	t.Parallel()
	n := chain(t, 3)
	c := rawBegin(t, n.node("C"))
	c.attachReceiver(0, "closest/x", 100)
	n.consumers("A", "closest/x", 0, 1)
	s := connect(t, n.node("A")).sender("closest/x", nil)
	for i := range 20 {
		s.settled(text("%d", i))
	}
	for range 20 {
		if got := c.receive(0); !got.Settled {
			t.Error("a pre-settled message arrived unsettled")
		}
	}
}

func TestMessagesThatTheirLastFrameSettlesArePresettled(t *testing.T) {
	t.Parallel()
	for _, length := range []int{100, half} { // forwarded when it is whole, and while it arrives
		n := chain(t, 3)
		c := rawBegin(t, n.node("C"))
		c.attachReceiver(0, "closest/x", 100)
		n.consumers("A", "closest/x", 0, 1)
		a := rawBegin(t, n.node("A"))
		a.attachSender(0, "closest/x")
		x := a.first(0)
		x.More = true
		a.send(transfer(x, string(wire.AppendDescriptor(nil, 0x75))+"\xb0\x00\x10\x00\x00"))
		for sent := 0; sent < length; sent += 30 << 10 {
			a.send(transfer(wire.Transfer{More: true}, strings.Repeat("x", 30<<10)))
		}
		if length == half {
			want(c, "it begins unsettled", func(x *wire.Transfer) bool { return x.HasDeliveryID && !x.Settled })
		}
		a.send(transfer(wire.Transfer{Settled: true, HasSettled: true}, "end")) // [2.7.5]
		for {
			x := want[*wire.Transfer](c, "the message arrives")
			if !x.More {
				if !x.Settled {
					t.Error("the message arrives unsettled")
				}
				break
			}
		}
		a.wantOutcomeOf(t, c)
	}
}

// wantOutcomeOf checks that the next message of a sender is settled by its receiver, and nothing before it.
func (p *raw) wantOutcomeOf(t *testing.T, receiver *raw) {
	t.Helper()
	id := p.deliver(0, body("next"))
	receiver.settle(receiver.receive(0).DeliveryID, wire.State{Kind: wire.StateAccepted})
	p.wantOutcome("the next message", id, wire.StateAccepted)
	for _, x := range p.queue {
		if f, ok := x.(frame); ok && covers(f, id-1) {
			t.Errorf("the sender hears of a delivery that it had settled: %+v", f.Body)
		}
	}
}

func TestReceiverThatWantsSettledDeliveriesMakesThemAccepted(t *testing.T) {
	t.Parallel()
	n := chain(t, 3)
	c := rawBegin(t, n.node("C"))
	c.send(&wire.Attach{Name: "in", Role: wire.RoleReceiver, SndSettleMode: wire.SenderSettled,
		Source: &wire.Source{Address: "closest/x", HasAddress: true}, Target: &wire.Target{}})
	if a := c.attached(0); a.SndSettleMode != wire.SenderSettled {
		t.Errorf("snd-settle-mode %d is answered", a.SndSettleMode)
	}
	c.grant(0, 0, 100)
	n.consumers("A", "closest/x", 0, 1)
	s := connect(t, n.node("A")).sender("closest/x", nil)
	for i := range 20 {
		wantAccepted(t, "a message for a receiver that settles nothing", s.send(text("%d", i)))
		if got := c.receive(0); !got.Settled {
			t.Error("it arrived unsettled")
		}
	}
}

func TestSenderThatSettlesFirstHearsNoOutcome(t *testing.T) {
	t.Parallel()
	n := chain(t, 3)
	c := rawBegin(t, n.node("C"))
	c.attachReceiver(0, "closest/x", 10)
	n.consumers("A", "closest/x", 0, 1)
	a := rawBegin(t, n.node("A"))
	a.attachSender(0, "closest/x")
	id := a.deliver(0, body("x"))
	got := c.receive(0)
	a.send(&wire.Disposition{Role: wire.RoleSender, First: id, Last: id, Settled: true})
	want(c, "the settlement reaches the receiver", func(x *wire.Disposition) bool {
		return x.Role == wire.RoleSender && x.Settled && x.First <= got.DeliveryID && got.DeliveryID <= x.Last
	})
	c.settle(got.DeliveryID, wire.State{Kind: wire.StateAccepted}) // crossing: it is over
	next := a.deliver(0, body("y"))
	c.settle(c.receive(0).DeliveryID, wire.State{Kind: wire.StateAccepted})
	a.wantOutcome("the next one has its own outcome", next, wire.StateAccepted)
	for _, x := range a.queue {
		if f, ok := x.(frame); ok && covers(f, id) {
			t.Errorf("an outcome of a delivery that the sender had settled: %+v", f.Body)
		}
	}
}

func TestDispositionsOfRangesSettleEachDelivery(t *testing.T) {
	t.Parallel()
	n := chain(t, 2)
	b := rawBegin(t, n.node("B"))
	b.attachReceiver(0, "closest/x", 250)
	n.consumers("A", "closest/x", 0, 1)
	a := rawBegin(t, n.node("A"))
	a.attachSender(0, "closest/x")
	var ids []uint32
	for i := range 200 {
		ids = append(ids, a.deliver(0, body("%d", i)))
	}
	var first, last uint32
	for i := range 200 {
		got := b.receive(0).DeliveryID
		if i == 0 {
			first = got
		}
		last = got
	}
	b.send(&wire.Disposition{Role: wire.RoleReceiver, First: first, Last: last, Settled: true,
		State: wire.State{Kind: wire.StateAccepted}})
	for _, id := range ids {
		a.wantOutcome("a delivery within the range", id, wire.StateAccepted)
	}
}
