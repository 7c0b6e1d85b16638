package engine_test

import (
	"math"
	"strings"
	"testing"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
)

var (
	acceptedState = wire.State{Kind: wire.StateAccepted}
	releasedState = wire.State{Kind: wire.StateReleased}
)

// receive has the peer send whole unsettled deliveries from id on; their numbers are returned.
func receive(p *amqptest.Peer, id uint32, n int) (numbers []engine.DeliveryID) {
	for range n {
		p.Send(transfer(id, false, "x"))
		id++
		numbers = append(numbers, p.LastEvent().Delivery)
	}
	return numbers
}

func TestOutcomesAreTold(t *testing.T) {
	t.Parallel()
	rejected := wire.RejectedState(&wire.Error{Condition: wire.ErrNotAllowed, Description: "no"})
	modified := wire.ModifiedState(true, true, nil)
	other := wire.State{Kind: wire.StateOther, Raw: wire.Raw("\x00\xa3\x03x:y\x45")}
	p := amqptest.Begun(t, engine.Config{})
	p.Sender(0, 100)
	d := receive(p, 10, 6)
	for i, state := range []wire.State{acceptedState, rejected, releasedState, modified, other, {}} {
		p.Conn.Settle(d[i], state)
	}
	for i, state := range []wire.State{acceptedState, rejected, releasedState, modified, other, {}} {
		id := uint32(10 + i)
		p.Want("each outcome as it is [3.4]", &wire.Disposition{Role: wire.RoleReceiver, First: id, Last: id, Settled: true,
			State: state})
	}
	wantUnsettled(t, p, 0, 0)
}

func TestSettlementsInARowAreOneRange(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	p.Sender(0, 100)
	d := receive(p, 0, 20)
	failed := wire.ModifiedState(true, false, nil)
	for i := range 20 {
		switch {
		case i < 8:
			p.Conn.Settle(d[i], acceptedState)
		case i < 16:
			p.Conn.Settle(d[i], failed)
		default:
			p.Conn.Settle(d[16+19-i], releasedState) // backwards
		}
	}
	p.Want("ranges of one state [2.7.6]",
		&wire.Disposition{Role: wire.RoleReceiver, First: 0, Last: 7, Settled: true, State: acceptedState},
		&wire.Disposition{Role: wire.RoleReceiver, First: 8, Last: 15, Settled: true, State: failed})
	for id := uint32(19); id >= 16; id-- {
		p.Want("one by one otherwise", &wire.Disposition{Role: wire.RoleReceiver, First: id, Last: id, Settled: true,
			State: releasedState})
	}
	wantUnsettled(t, p, 0, 0)
}

func TestSettlementIsWrittenBeforeCreditAndDetach(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Sender(0, 10)
	d := receive(p, 0, 2)
	p.Conn.Grant(link, 1)
	p.Conn.Settle(d[0], acceptedState)
	p.Want("settlement before new credit", amqptest.Any[wire.Disposition](), amqptest.Any[wire.Flow]())
	p.Conn.Settle(d[1], acceptedState)
	p.Conn.Detach(link, true, nil)
	p.Want("and before the link is gone", amqptest.Any[wire.Disposition](), amqptest.Detach(0, ""))
}

func TestAStateThatReferencesTheInputIsKept(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Receiver(0, 10)
	send(t, p, link, false, "x")
	p.Forget()
	state := wire.RejectedState(&wire.Error{Condition: wire.ErrNotAllowed, Description: "a reason"})
	p.Answer = func(e *engine.Event) {
		if e.Kind == engine.EventOutcome { // second thoughts of the receiver [2.6.12]: it waits for our settlement
			p.Conn.SettleOutgoing(e.Delivery, e.State)
		}
	}
	p.Send(&wire.Disposition{Role: wire.RoleReceiver, State: state})
	p.Want("what is sent later is what came", &wire.Disposition{Role: wire.RoleSender, Settled: true, State: state})
	wantUnsettled(t, p, 0, 0)
}

// [2.7.1] States that do not fit the peer's frames are cut: the kind of the outcome is what counts.
func TestStatesAreCutToThePeersFrameSize(t *testing.T) {
	t.Parallel()
	p := listening(t, engine.Config{ContainerID: "r", MaxFrameSize: 64 << 10})
	p.Send(&wire.Open{ContainerID: "p", MaxFrameSize: 512}, &wire.Begin{IncomingWindow: 10, HandleMax: 5})
	p.Sender(0, 10)
	d := receive(p, 0, 3)
	long := strings.Repeat("long ", 1000)
	p.Conn.Settle(d[0], wire.RejectedState(&wire.Error{Condition: wire.ErrNotAllowed, Description: long}))
	annotations := wire.AppendString(wire.AppendSymbol(wire.AppendMapHeader(nil, 5008, 1), "k"), long)
	p.Conn.Settle(d[1], wire.ModifiedState(true, false, annotations))
	p.Conn.Settle(d[2], wire.State{Kind: wire.StateOther, Raw: wire.AppendString(wire.AppendSymbol([]byte{0}, "x:y"),
		long)})
	p.Want("condition and kind remain", amqptest.Like(func(x *wire.Disposition) bool {
		err := x.State.RejectedError()
		return err != nil && err.Condition == wire.ErrNotAllowed && strings.HasPrefix(err.Description, "long ")
	}), &wire.Disposition{Role: wire.RoleReceiver, First: 1, Last: 1, Settled: true,
		State: wire.State{Kind: wire.StateModified, Raw: wire.Raw("\x00\x53\x27\x45")}},
		&wire.Disposition{Role: wire.RoleReceiver, First: 2, Last: 2, Settled: true})
}

func TestOutcomesAreReported(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Receiver(0, 100)
	var d []engine.DeliveryID
	for range 10 {
		d = append(d, send(t, p, link, false, "x"))
	}
	p.Forget()
	p.Send(&wire.Disposition{Role: wire.RoleReceiver, First: 2, Last: 2, Settled: true, State: acceptedState})
	e := p.WantEvents("one", engine.EventOutcome)[0]
	if e.Delivery != d[2] || e.Link != link || !e.Settled || e.State.Kind != wire.StateAccepted || e.More {
		t.Errorf("%+v", e)
	}
	rejected := wire.RejectedState(&wire.Error{Condition: wire.ErrNotAllowed, Description: "no"})
	p.Send(&wire.Disposition{Role: wire.RoleReceiver, First: 1, Last: 4, State: rejected, Settled: true})
	for i, e := range p.WantEvents("a range, in order, without those that are settled [2.7.6]", engine.EventOutcome,
		engine.EventOutcome, engine.EventOutcome) {
		if e.Delivery != d[[]int{1, 3, 4}[i]] || string(e.State.Raw) != string(rejected.Raw) {
			t.Errorf("%+v", e)
		}
	}
	p.Send(&wire.Disposition{Role: wire.RoleReceiver, First: 5, Last: 6, State: releasedState})
	for _, e := range p.WantEvents("an outcome that is not settled is reported", engine.EventOutcome,
		engine.EventOutcome) {
		if e.Settled {
			t.Errorf("%+v", e)
		}
	}
	wantUnsettled(t, p, 0, 6)
	p.Conn.SettleOutgoing(d[5], releasedState)
	p.Conn.SettleOutgoing(d[6], releasedState)
	p.Conn.SettleOutgoing(d[6], releasedState)
	p.Want("the sender settles, once, in a range [2.6.12]", &wire.Disposition{Role: wire.RoleSender, First: 5, Last: 6,
		Settled: true, State: releasedState})
	p.WantIdle("once")
	wantUnsettled(t, p, 0, 4)
	p.Send(&wire.Disposition{Role: wire.RoleReceiver, First: 0, Last: 100, Settled: true})
	p.WantEvents("settled without an outcome", engine.EventOutcome, engine.EventOutcome, engine.EventOutcome,
		engine.EventOutcome)
	wantUnsettled(t, p, 0, 0)
	p.Send(&wire.Disposition{Role: wire.RoleReceiver, First: 0, Last: 100, Settled: true})
	p.WantEvents("what is settled is settled")
}

func TestTheSenderSettles(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Sender(0, 100)
	d := receive(p, 0, 5)
	p.Forget()
	p.Send(&wire.Disposition{Role: wire.RoleSender, First: 1, Last: 3, State: acceptedState})
	p.WantEvents("a sender's state without settlement is no news")
	p.Send(&wire.Disposition{Role: wire.RoleSender, First: 1, Last: 3, Settled: true, State: acceptedState})
	for i, e := range p.WantEvents("its settlement is [2.6.12]", engine.EventSenderSettled, engine.EventSenderSettled,
		engine.EventSenderSettled) {
		if e.Delivery != d[1+i] || e.Link != link || e.State.Kind != wire.StateAccepted {
			t.Errorf("%+v", e)
		}
	}
	p.Conn.Settle(d[2], acceptedState)
	p.WantIdle("there is nothing left to settle")
	wantUnsettled(t, p, 2, 0)
}

// Settlement may come before the last frame, from either side; the delivery's number stays until then.
func TestSettlementInTheMiddleOfAnIncomingDelivery(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	p.Sender(0, 100)
	p.Send(begin(0, "a"))
	number := p.LastEvent().Delivery
	p.Forget()
	p.Conn.Settle(number, releasedState)
	p.Conn.Settle(number, acceptedState)
	p.Want("once", &wire.Disposition{Role: wire.RoleReceiver, Settled: true, State: releasedState})
	p.WantIdle("once")
	p.Send(&wire.Disposition{Role: wire.RoleSender, Settled: true}, rest(true, "b"), rest(false, "c"))
	for _, e := range p.WantEvents("the rest still comes, settled", engine.EventTransfer, engine.EventTransfer) {
		if e.Delivery != number || !e.Settled {
			t.Errorf("%+v", e)
		}
	}
	wantUnsettled(t, p, 0, 0)

	p.Send(begin(1, "a"))
	number = p.LastEvent().Delivery
	p.Forget()
	p.Send(&wire.Disposition{Role: wire.RoleSender, First: 1, Last: 1, Settled: true}, rest(true, "b"), aborted)
	e := p.WantEvents("settled by its sender, continued, and aborted after all", engine.EventSenderSettled,
		engine.EventTransfer,
		engine.EventAborted)
	if !e[0].More || e[2].Delivery != number {
		t.Errorf("%+v", e)
	}
	p.Conn.Settle(number, acceptedState)
	p.WantIdle("nothing is to be settled")
	wantUnsettled(t, p, 0, 0)
}

func TestSettlementInTheMiddleOfAnOutgoingDelivery(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Receiver(0, 100)
	for _, byPeer := range []bool{true, false} {
		d := p.Conn.Deliver(link, false, 0)
		p.Conn.Write(d, nil, slice("a"), false)
		id := p.Next().(amqptest.Frame).Body.(*wire.Transfer).DeliveryID
		if byPeer {
			p.Forget()
			p.Send(&wire.Disposition{Role: wire.RoleReceiver, First: id, Last: id, Settled: true, State: acceptedState})
			if e := p.WantEvents("settled before it is whole", engine.EventOutcome)[0]; !e.More || !e.Settled ||
				e.Delivery != d {
				t.Errorf("%+v", e)
			}
		} else {
			p.Conn.SettleOutgoing(d, wire.State{})
			p.Want("the sender lost interest", &wire.Disposition{Role: wire.RoleSender, First: id, Last: id, Settled: true})
		}
		if _, done := p.Conn.Write(d, nil, slice("b"), true); !done {
			t.Error("the rest is not written")
		}
		p.Want("the rest follows as settled", amqptest.Like(func(x *wire.Transfer) bool { return x.Settled && !x.More }))
		wantUnsettled(t, p, 0, 0)
	}
	d := p.Conn.Deliver(link, false, 0)
	p.Conn.SettleOutgoing(d, wire.State{})
	p.Conn.Write(d, nil, slice("x"), true)
	p.Want("settled before its first frame is pre-settled",
		amqptest.Like(func(x *wire.Transfer) bool { return x.Settled }))
	p.WantIdle("and needs no disposition")
	wantUnsettled(t, p, 0, 0)
}

func TestDispositionsOfWhatIsNotThereDoNothing(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Receiver(0, 10)
	p.Sender(1, 10)
	send(t, p, link, true, "pre-settled")
	p.Forget()
	for _, role := range []wire.Role{wire.RoleReceiver, wire.RoleSender} {
		for _, x := range [][2]uint32{{0, 0}, {7, 9}, {0, math.MaxInt32}, {math.MaxUint32, 5}, {1 << 31, 1<<32 - 1}} {
			p.Send(&wire.Disposition{Role: role, First: x[0], Last: x[1], Settled: true, State: acceptedState})
		}
	}
	p.WantEvents("nothing is settled that is not unsettled [2.7.6]")
	p.WantIdle("and nothing is said")
}

// A disposition of 2^31 ids costs what is live; repeated without end, it fills no memory with events.
func TestHugeRangesCostBoundedTimeAndMemory(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Receiver(0, 1000)
	for range 1000 {
		send(t, p, link, false, "x")
	}
	p.Forget()
	var storm []byte
	for range 1000 {
		storm = amqptest.Encode(storm, &wire.Disposition{Role: wire.RoleReceiver, Last: math.MaxInt32,
			State: acceptedState})
	}
	most, n := 0, 0
	for used := -1; used != 0 || p.Conn.Continues(); {
		used = p.Conn.Input(p.Now, storm)
		storm = storm[used:]
		most, n = max(most, len(p.Conn.Events())), n+len(p.Conn.Events())
	}
	if n != 1_000_000 || most > mostEvents {
		t.Errorf("%d events, up to %d at a time", n, most)
	}
	for range 100_000 {
		p.Send(&wire.Disposition{Role: wire.RoleSender, First: 5, Last: 5 + math.MaxInt32, Settled: true})
	}
	wantUnsettled(t, p, 0, 1000)
}
