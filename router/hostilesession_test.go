package router

import (
	"fmt"
	"math"
	"testing"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// TestNumbersOfASessionMayWrap has a peer whose delivery-ids, transfer-ids and delivery-counts pass 2^32 [2.8.10].
func TestNumbersOfASessionMayWrap(t *testing.T) {
	t.Parallel()
	const last = math.MaxUint32 - 4
	r, b := besieged(t)
	p := rawOpen(t, r)
	p.send(&wire.Begin{NextOutgoingID: last, IncomingWindow: 1 << 20, OutgoingWindow: 1 << 20, HandleMax: 10})
	want(p, "begin is answered [2.5.1]", func(x *wire.Begin) bool { return x.HasRemoteChannel })
	p.attachReceiver(0, "closest/wrap", 100)
	p.send(&wire.Attach{Name: "out", Handle: 1, Role: wire.RoleSender, SndSettleMode: wire.SenderMixed,
		InitialDeliveryCount: last, HasInitialDelivery: true, Source: &wire.Source{},
		Target: &wire.Target{Address: "closest/wrap", HasAddress: true}})
	p.attached(1)
	flow := p.creditOf(1, "credit counts from the initial delivery-count [2.6.7]", func(x *wire.Flow) bool {
		return x.LinkCredit > 0
	})
	if flow.DeliveryCount != last {
		t.Errorf("the router's delivery-count is %d", flow.DeliveryCount)
	}
	p.next = last
	var ids []uint32
	for i := range 20 {
		x := p.first(1)
		x.More = true // two frames each, so that transfer-ids are ahead
		whole := body("%d", i)
		p.send(transfer(x, whole[:3]), transfer(wire.Transfer{Handle: 1}, whole[3:]))
		ids = append(ids, x.DeliveryID)
	}
	for i := range 20 {
		got := p.receive(0)
		if string(got.payload) != body("%d", i) {
			t.Fatalf("message %d is %q", i, got.payload)
		}
		p.settle(got.DeliveryID, wire.State{Kind: wire.StateAccepted})
	}
	for _, id := range ids {
		p.wantAcceptedInRange(id)
	}
	for range 300 { // more than the first credit: the counts of both sides are the same
		id := p.deliver(1, body("more"))
		p.settle(p.receive(0).DeliveryID, wire.State{Kind: wire.StateAccepted})
		p.grant(0, 0, math.MaxInt32)
		p.wantAcceptedInRange(id)
	}
	b.goesOn(t)
}

// wantAcceptedInRange waits until a delivery is accepted, by itself or in a range that may pass 2^32.
func (p *raw) wantAcceptedInRange(id uint32) {
	p.t.Helper()
	in := func(x any) bool {
		f, ok := x.(frame)
		if !ok {
			return false
		}
		d, ok := f.Body.(*wire.Disposition)
		return ok && d.Role == wire.RoleReceiver && d.Settled && d.State.Kind == wire.StateAccepted &&
			id-d.First <= d.Last-d.First
	}
	for _, x := range p.queue { // it stays there: a range settles several
		if in(x) {
			return
		}
	}
	for {
		x, err := p.read()
		if err != nil {
			p.t.Fatalf("delivery %d has no outcome: %v; the router said %s", id, err, p.said())
		}
		p.queue = append(p.queue, x)
		if in(x) {
			return
		}
	}
}

// TestDispositionsOfEveryDeliveryThereCanBeEndTheSession has ranges whose last number comes before the first one, as
// numbers that wrap are compared.
func TestDispositionsOfEveryDeliveryThereCanBeEndTheSession(t *testing.T) {
	t.Parallel()
	r, b := besieged(t)
	for _, role := range []wire.Role{wire.RoleSender, wire.RoleReceiver} {
		p := rawBegin(t, r)
		p.attachReceiver(0, "closest/"+fmt.Sprint(role), 10)
		p.attachSender(1, "closest/"+fmt.Sprint(role))
		p.deliver(1, body("x"))
		p.receive(0)
		p.send(&wire.Disposition{Role: role, First: 0, Last: math.MaxUint32, Settled: true,
			State: wire.State{Kind: wire.StateAccepted}})
		p.wantSessionEnd("0 to 2^32-1 is no range [2.7.6]", wire.ErrInvalidField)
		p.lives()
		b.goesOn(t)
	}
}

func TestSessionsThatBeginAndEndVeryOftenDisturbNobody(t *testing.T) {
	t.Parallel()
	r, b := besieged(t)
	p := rawBegin(t, r)
	const count = 5000
	var all []any
	for range count {
		all = append(all, amqptest.On(7, &wire.Begin{IncomingWindow: 10, OutgoingWindow: 10, HandleMax: 10}),
			amqptest.On(7, &wire.Attach{Name: "in", Role: wire.RoleReceiver,
				Source: &wire.Source{Address: "closest/begun", HasAddress: true}}),
			amqptest.On(7, &wire.End{}))
	}
	go p.send(all...) // the answers have to be read meanwhile
	for range count {
		want[*wire.End](p, "every end is answered [2.7.8]")
		p.queue = p.queue[:0]
	}
	p.lives()
	eventually(t, "no consumer is left", func() error {
		if row, ok := addressRow(r, "closest/begun"); ok && row.SubscriberCount > 0 {
			return fmt.Errorf("%d consumers", row.SubscriberCount)
		}
		return nil
	})
	b.goesOn(t)
}

// TestFramesFarBeyondTheWindowStayBounded has a client that never looks at the router's incoming window of four frames.
func TestFramesFarBeyondTheWindowStayBounded(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	r := n.add(plan{id: "A", standalone: true,
		listeners: "  - {name: narrow, host: 127.0.0.1, port: 0, maxSessionFrames: 4}"})
	b := watch(t, r)
	p := rawTo(t, r.Addr("narrow"))
	p.send(wire.HeaderAMQP, &wire.Open{ContainerID: "raw", MaxFrameSize: 64 << 10, ChannelMax: 100})
	want[*wire.Open](p, "open is answered [2.4.1]")
	p.send(&wire.Begin{IncomingWindow: 1 << 20, OutgoingWindow: 1 << 20, HandleMax: 10})
	begin := want(p, "begin is answered [2.5.1]", func(x *wire.Begin) bool { return x.HasRemoteChannel })
	if begin.IncomingWindow != 4 {
		t.Errorf("the window is %d frames", begin.IncomingWindow)
	}
	p.attachSender(0, "")
	x := p.first(0)
	x.More = true
	all := []any{transfer(x, "")}
	for range 10_000 {
		all = append(all, transfer(wire.Transfer{More: true}, ""))
	}
	all = append(all, transfer(wire.Transfer{}, ""))
	go p.send(all...)
	// The router may end the session over it, or serve it, as it takes the frames at once: it does one of them.
	_, err := p.find(func(x any) bool {
		f, ok := x.(frame)
		if !ok {
			return false
		}
		end, ended := f.Body.(*wire.End)
		return ended && end.Error != nil && end.Error.Condition == wire.ErrWindowViolation || covers(f, 0)
	})
	if err != nil {
		t.Errorf("neither an outcome nor the end of the session: %v", err)
	}
	p.lives()
	b.goesOn(t)
}
