package router

import (
	"fmt"
	"testing"

	"github.com/Azure/go-amqp"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/config"
)

// creditOf waits for a flow of a link and returns it.
func (p *raw) creditOf(handle uint32, why string, match func(*wire.Flow) bool) *wire.Flow {
	p.t.Helper()
	return want(p, why, func(x *wire.Flow) bool { return x.HasHandle && x.Handle == p.theirs[handle] && match(x) })
}

// queued returns a flow that came without being waited for, or nil.
func (p *raw) queued(match func(*wire.Flow) bool) *wire.Flow {
	for _, x := range p.queue {
		if f, ok := x.(frame); ok {
			if flow, ok := f.Body.(*wire.Flow); ok && match(flow) {
				return flow
			}
		}
	}
	return nil
}

// queuedTransfer returns a transfer that came without being waited for, or nil.
func (p *raw) queuedTransfer() *wire.Transfer {
	for _, x := range p.queue {
		if f, ok := x.(frame); ok {
			if x, ok := f.Body.(*wire.Transfer); ok {
				return x
			}
		}
	}
	return nil
}

func (p *raw) attachIdleSender(handle uint32, address string) {
	p.t.Helper()
	p.send(&wire.Attach{Name: fmt.Sprintf("out-%d", handle), Handle: handle, Role: wire.RoleSender,
		SndSettleMode: wire.SenderMixed, HasInitialDelivery: true, Source: &wire.Source{},
		Target: &wire.Target{Address: address, HasAddress: true}})
	p.attached(handle)
}

func TestSendersGetCreditOnlyWhileThereIsAConsumer(t *testing.T) {
	t.Parallel()
	for _, length := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d routers", length), func(t *testing.T) {
			t.Parallel()
			n := chain(t, length)
			last := n.routers[length-1]
			p := rawBegin(t, n.node("A"))
			p.attachIdleSender(0, "closest/x")
			p.sync()
			if f := p.queued(func(x *wire.Flow) bool { return x.LinkCredit > 0 }); f != nil {
				t.Errorf("an attached sender without a consumer hears %+v", f)
			}
			for round := range 3 {
				r := connect(t, last).receiver("closest/x", 10)
				flow := p.creditOf(0, "a consumer comes", func(x *wire.Flow) bool { return x.LinkCredit > 0 && !x.Drain })
				if flow.LinkCredit != config.DefaultLinkCapacity {
					t.Errorf("round %d: the credit is %d", round, flow.LinkCredit)
				}
				r.consume(nil)
				p.wantOutcome("a message with credit", p.deliver(0, body("x")), wire.StateAccepted)
				r.detach()
				flow = p.creditOf(0, "the last consumer leaves", func(x *wire.Flow) bool { return x.Drain })
				// the sender gives all of it back [2.6.7]
				p.send(&wire.Flow{IncomingWindow: 1 << 20, OutgoingWindow: 1 << 20, Handle: 0, HasHandle: true, Drain: true,
					DeliveryCount: flow.DeliveryCount + flow.LinkCredit, HasDeliveryCount: true, HasLinkCredit: true})
				p.sync()
				if f := p.queued(func(x *wire.Flow) bool { return x.LinkCredit > 0 }); f != nil {
					t.Errorf("round %d: a sender that was drained hears %+v", round, f)
				}
			}
		})
	}
}

func TestMessagesOnCreditLeftWhenTheLastConsumerGoesAreReleased(t *testing.T) {
	t.Parallel()
	n := alone(t)
	p := rawBegin(t, n.node("A"))
	r := connect(t, n.node("A")).receiver("closest/x", 10)
	p.attachSender(0, "closest/x")
	r.detach()
	p.creditOf(0, "the last consumer leaves", func(x *wire.Flow) bool { return x.Drain })
	p.wantOutcome("a message that was on its way", p.deliver(0, body("x")), wire.StateReleased)
	x := p.first(0)
	x.Settled, x.HasSettled = true, true
	p.send(transfer(x, body("x")))
	connect(t, n.node("A")).receiver("closest/x", 10).consume(nil)
	p.wantOutcome("a consumer is back", p.deliver(0, body("x")), wire.StateAccepted)
	// A drain that was not answered does not cost credit for ever.
	for range 300 {
		p.wantOutcome("one of many more", p.deliver(0, body("x")), wire.StateAccepted)
	}
}

func TestAnonymousMessagesToNobodyAreReleased(t *testing.T) {
	t.Parallel()
	n := chain(t, 2)
	s := connect(t, n.node("A")).sender("", nil)
	wantReleased(t, "nobody has ever consumed from it", s.send(to("closest/nobody", text("x"))))
	s.settled(to("closest/nobody", text("x")))
	r := connect(t, n.node("B")).receiver("closest/x", 10)
	n.consumers("A", "closest/x", 0, 1)
	receipt := s.begin(to("closest/x", text("x")))
	r.accept()
	wantAccepted(t, "somebody does", s.outcome(receipt))
	r.detach()
	n.consumers("A", "closest/x", 0, 0)
	wantReleased(t, "not any more", s.send(to("closest/x", text("x"))))
	for i := range 300 { // the credit of an anonymous link comes back whatever happens to its messages
		wantReleased(t, fmt.Sprint(i), s.send(to("closest/nobody", text("x"))))
	}
}

func TestReceiversNeverGetMoreThanTheirCredit(t *testing.T) {
	t.Parallel()
	n := chain(t, 2)
	p := rawBegin(t, n.node("B"))
	p.attachReceiver(0, "closest/x", 3)
	n.consumers("A", "closest/x", 0, 1)
	s := connect(t, n.node("A")).sender("closest/x", nil)
	for i := range 100 {
		s.settled(text("%d", i))
	}
	count := uint32(0)
	for round := range uint32(8) {
		for range 3 + round {
			if got := string(p.receive(0).payload); got != body("%d", count) {
				t.Fatalf("message %d is %q", count, got)
			}
			count++
		}
		p.sync()
		if x := p.queuedTransfer(); x != nil {
			t.Fatalf("without credit the receiver hears %+v", x)
		}
		p.grant(0, count, 4+round)
	}
}

func TestCreditOfTwoThousandMillionsIsNoHarm(t *testing.T) {
	t.Parallel()
	n := alone(t)
	p := rawBegin(t, n.node("A"))
	p.attachReceiver(0, "closest/x", 1<<32-1)
	s := connect(t, n.node("A")).sender("closest/x", nil)
	for i := range 300 {
		s.settled(text("%d", i))
	}
	for range 300 {
		p.receive(0)
	}
	p.grant(0, 0, 1<<32-1) // as if it had seen nothing
	s.settled(text("more"))
	p.receive(0)
}

func TestDrainedReceiverGetsWhatIsThereAndTheRestOfItsCreditBack(t *testing.T) {
	t.Parallel()
	n := chain(t, 2)
	p := rawBegin(t, n.node("B"))
	p.attachReceiver(0, "closest/x", 0)
	n.consumers("A", "closest/x", 0, 1)
	s := connect(t, n.node("A")).sender("closest/x", nil)
	for i := range 5 {
		s.settled(text("%d", i))
	}
	p.grant(0, 0, 5)
	for range 5 {
		p.receive(0)
	}
	drain := func(count, credit uint32) {
		p.send(&wire.Flow{IncomingWindow: 1 << 20, OutgoingWindow: 1 << 20, Handle: 0, HasHandle: true,
			DeliveryCount: count, HasDeliveryCount: true, LinkCredit: credit, HasLinkCredit: true, Drain: true})
	}
	drain(5, 10)
	p.creditOf(0, "credit is given back by counting deliveries [2.6.7]", func(x *wire.Flow) bool {
		return x.DeliveryCount == 15 && x.LinkCredit == 0
	})
	drain(15, 0)
	p.sync()
	p.grant(0, 15, 10)
	s.settled(text("after"))
	if got := string(p.receive(0).payload); got != body("after") {
		t.Errorf("after the drain %q arrives", got)
	}
}

func TestDrainOfTheClientLibraryIsAnswered(t *testing.T) {
	t.Parallel()
	n := alone(t)
	c := connect(t, n.node("A"))
	r := c.receiver("closest/x", -1)
	if err := r.link.IssueCredit(5); err != nil {
		t.Fatal(err)
	}
	s := c.sender("closest/x", nil)
	s.settled(text("1"))
	r.next()
	if err := r.link.DrainCredit(r.ctx, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.link.IssueCredit(1); err != nil {
		t.Fatal(err)
	}
	s.settled(text("2"))
	r.next()
}

func TestQueuedMessagesOfAConsumerThatLeavesGoToAnother(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*raw){
		"its link is detached":   func(p *raw) { p.send(&wire.Detach{Closed: true}) },
		"its session ends":       func(p *raw) { p.send(&wire.End{}) },
		"its connection is lost": func(p *raw) { p.nc.Close() },
	} {
		for _, length := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s, %d routers", name, length), func(t *testing.T) {
				t.Parallel()
				n := chain(t, length)
				last := n.routers[length-1]
				first := rawBegin(t, last)
				first.attachReceiver(0, "closest/x", 2) // takes two, the others wait in its router
				n.consumers(last.ID(), "closest/x", 1, 0)
				s := connect(t, n.node("A")).sender("closest/x", nil)
				var sent []amqp.SendReceipt
				for i := range 50 {
					sent = append(sent, s.begin(text("%d", i)))
				}
				first.receive(0)
				first.receive(0)
				other := connect(t, last).receiver("closest/x", 100)
				n.consumers(last.ID(), "closest/x", 2, 0)
				leave(first)
				g := other.gather()
				g.wait(t, 48)
				for i, receipt := range sent {
					if state := s.outcome(receipt); i < 2 {
						wantInDoubt(t, "a message that the consumer had", state)
					} else {
						wantAccepted(t, "a message that it was not offered", state)
					}
				}
			})
		}
	}
}

func TestQueuedMessagesOfTheLastConsumerAreReleased(t *testing.T) {
	t.Parallel()
	for _, length := range []int{1, 3} {
		n := chain(t, length)
		r := rawBegin(t, n.routers[length-1])
		r.attachReceiver(0, "closest/x", 1)
		s := connect(t, n.node("A")).sender("closest/x", nil)
		var sent []amqp.SendReceipt
		for i := range 20 {
			sent = append(sent, s.begin(text("%d", i)))
		}
		r.receive(0)
		r.nc.Close()
		for i, receipt := range sent {
			if state := s.outcome(receipt); i == 0 {
				wantInDoubt(t, "what the consumer had", state)
			} else {
				wantReleased(t, "what it was not offered", state)
			}
		}
	}
}

func TestUnsettledMessagesOfAConsumerThatDiesAreInDoubt(t *testing.T) {
	t.Parallel()
	n := chain(t, 3)
	r := rawBegin(t, n.node("C"))
	r.attachReceiver(0, "closest/x", 100)
	n.consumers("A", "closest/x", 0, 1)
	s := connect(t, n.node("A")).sender("closest/x", nil)
	var sent []amqp.SendReceipt
	for i := range 50 {
		sent = append(sent, s.begin(text("%d", i)))
	}
	for range 50 {
		r.receive(0)
	}
	r.settle(0, wire.State{Kind: wire.StateAccepted})
	r.settle(49, wire.State{Kind: wire.StateReleased})
	wantAccepted(t, "settled before", s.outcome(sent[0]))
	wantReleased(t, "settled before", s.outcome(sent[49]))
	r.nc.Close()
	for _, receipt := range sent[1:49] {
		wantInDoubt(t, "the consumer had it", s.outcome(receipt))
	}
}
