package engine_test

import (
	"math"
	"testing"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// flow is a receiver's flow on handle 0.
func flow(count, credit uint32, more func(*wire.Flow)) *wire.Flow {
	x := &wire.Flow{HasNextIncomingID: true, IncomingWindow: 1000, OutgoingWindow: 1000, HasHandle: true,
		DeliveryCount: count, HasDeliveryCount: true, LinkCredit: credit, HasLinkCredit: true}
	if more != nil {
		more(x)
	}
	return x
}

func TestCreditIsGranted(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	p.Send(&wire.Attach{Name: "l", Role: wire.RoleSender, HasInitialDelivery: true, InitialDeliveryCount: 40})
	p.Forget()
	p.Conn.Grant(0, 10)
	p.Conn.Grant(0, 5)
	p.Want("grants add up, in one flow with the session's state [2.6.7]", &wire.Flow{NextIncomingID: 0,
		HasNextIncomingID: true,
		IncomingWindow:    256, OutgoingWindow: 2048, HasHandle: true, DeliveryCount: 40, HasDeliveryCount: true,
		LinkCredit: 15, HasLinkCredit: true})
	for i := range uint32(15) {
		if c := p.Conn.Credit(0); c != 15-i {
			t.Errorf("credit %d after %d deliveries", c, i)
		}
		p.Send(transfer(i, true, "x"))
	}
	p.Send(transfer(15, true, "x"))
	p.Want("credit is a limit [2.6.7]", amqptest.Detach(0, wire.ErrTransferLimitExceeded))
}

func TestCreditIsUsedAndTakenBack(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Receiver(0, 0)
	if p.Conn.Deliver(link, false, 0) != engine.None {
		t.Error("a delivery began without credit [2.6.7]")
	}
	for _, c := range []struct{ count, credit, want uint32 }{
		{0, 10, 10},
		{0, 3, 3},                              // taken back
		{0, 0, 0},                              // stopped [2.6.10]
		{0, math.MaxUint32, math.MaxInt32},     // as much as can be counted
		{math.MaxUint32, 5, 4},                 // counted from one before
		{math.MaxUint32 - 9, 5, 0},             // ten are on their way
		{100, 5, 105},                          // a receiver ahead of its sender: its own doing
		{1<<31 - 1, math.MaxUint32, 1<<31 - 1}, // nothing overflows
		{0, 7, 7},
	} {
		p.Send(flow(c.count, c.credit, nil))
		if got := p.Conn.Credit(link); got != c.want {
			t.Errorf("credit %d for delivery-count %d and link-credit %d, want %d [2.6.7]", got, c.count, c.credit, c.want)
		}
	}
	p.Forget()
	p.Send(flow(0, 7, func(x *wire.Flow) { x.HasDeliveryCount = false }))
	if e := p.WantEvents("a receiver that has not seen the attach counts from 0", engine.EventCredit)[0]; e.Credit != 7 {
		t.Errorf("credit %d", e.Credit)
	}
	p.Send(flow(0, 0, func(x *wire.Flow) { x.HasLinkCredit = false }))
	if e := p.WantEvents("no link-credit changes none", engine.EventCredit)[0]; e.Credit != 7 {
		t.Errorf("credit %d", e.Credit)
	}
}

// The sender's credit is used at a delivery's last frame: a receiver that counts at the first one and one that counts
// at the last get the same.
func TestCreditMeansTheSameInTheMiddleOfADelivery(t *testing.T) {
	t.Parallel()
	for name, seen := range map[string]uint32{"counted at the first frame": 1, "counted at the last frame": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := amqptest.Begun(t, engine.Config{})
			link := p.Receiver(0, 2)
			d := p.Conn.Deliver(link, false, 0)
			p.Conn.Write(d, nil, slice("first"), false)
			p.Send(flow(seen, 2-seen, nil))
			if p.Conn.Deliver(link, false, 0) != engine.None {
				t.Error("two deliveries at once on one link [2.6.14]")
			}
			p.Conn.Write(d, nil, slice("last"), true)
			if got := p.Conn.Credit(link); got != 1 {
				t.Errorf("credit %d after one of two", got)
			}
			send(t, p, link, false, "second")
			if got := p.Conn.Credit(link); got != 0 {
				t.Errorf("credit %d after two of two", got)
			}
		})
	}
}

func TestCreditTakenBackInTheMiddleOfADeliveryLetsItEnd(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Receiver(0, 1)
	d := p.Conn.Deliver(link, true, 0)
	p.Conn.Write(d, nil, slice("first"), false)
	p.Send(flow(0, 0, nil))
	if n, done := p.Conn.Write(d, nil, slice("last"), true); n != 4 || !done {
		t.Errorf("wrote %d, done %v", n, done)
	}
	if got := p.Conn.Credit(link); got != 0 {
		t.Errorf("credit %d", got)
	}
}

func TestDeliveryCountsWrap(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	p.Send(&wire.Attach{Name: "in", Role: wire.RoleSender, HasInitialDelivery: true,
		InitialDeliveryCount: math.MaxUint32 - 1})
	p.Forget()
	p.Conn.Grant(0, 10)
	p.Want("", amqptest.Like(func(x *wire.Flow) bool { return x.DeliveryCount == math.MaxUint32-1 }))
	for i := range uint32(4) {
		p.Send(transfer(i, true, "x"))
	}
	p.Conn.Grant(0, 4)
	p.Want("incoming delivery-counts pass 2^32 [2.6.7]", amqptest.Like(func(x *wire.Flow) bool {
		return x.DeliveryCount == 2 && x.LinkCredit == 10
	}))
	p.Conn.Drain(0)
	p.Send(flow(12, 0, func(x *wire.Flow) { x.Drain = true }))
	if p.Conn.Credit(0) != 0 {
		t.Errorf("credit %d after a drain", p.Conn.Credit(0))
	}

	q := amqptest.Begun(t, engine.Config{})
	link := q.Receiver(0, 10)
	q.Conn.SetDeliveryCount(link, math.MaxUint32-1)
	q.Send(flow(math.MaxUint32-1, 10, nil))
	for range 4 {
		send(t, q, link, true, "x")
	}
	q.Send(flow(0, 10, nil))
	if c := q.Conn.Credit(link); c != 8 {
		t.Errorf("credit %d with two of ten on their way across 2^32 [2.6.7]", c)
	}
}

func TestTheReceiverDrains(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Receiver(0, 0)
	p.Send(flow(0, 5, func(x *wire.Flow) { x.Drain = true }))
	if e := p.WantEvents("a drain is reported", engine.EventCredit)[0]; !e.Drain || e.Credit != 5 ||
		!p.Conn.Draining(link) {
		t.Errorf("%+v", e)
	}
	send(t, p, link, true, "one")
	p.Forget()
	p.Conn.Drained(link)
	p.Want("what is not used is given back by advancing the delivery-count [2.6.7]",
		amqptest.Like(func(x *wire.Flow) bool {
			return x.HasHandle && x.DeliveryCount == 5 && x.LinkCredit == 0 && x.Drain
		}))
	if p.Conn.Credit(link) != 0 || p.Conn.Draining(link) {
		t.Error("credit is left after the drain")
	}
	p.Conn.Drained(link)
	p.WantIdle("a drain is done once")
	p.Send(flow(5, 3, nil))
	send(t, p, link, true, "two")
	if p.Conn.Credit(link) != 2 {
		t.Errorf("credit %d after the next grant", p.Conn.Credit(link))
	}
}

func TestADrainWaitsForTheDeliveryInTheMiddle(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Receiver(0, 5)
	d := p.Conn.Deliver(link, true, 0)
	p.Conn.Write(d, nil, slice("half"), false)
	p.Send(flow(1, 4, func(x *wire.Flow) { x.Drain = true }))
	p.Forget()
	p.Conn.Drained(link)
	p.WantIdle("one delivery is not over")
	p.Conn.Write(d, nil, slice("end"), true)
	p.Conn.Drained(link)
	p.Want("now it is", amqptest.Any[wire.Transfer](),
		amqptest.Like(func(x *wire.Flow) bool { return x.DeliveryCount == 5 }))
}

func TestTheSenderIsDrained(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Sender(0, 5)
	p.Conn.Drain(link)
	p.Want("drain asks for the credit back [2.6.7]", amqptest.Like(func(x *wire.Flow) bool {
		return x.Drain &&
			x.LinkCredit == 5
	}))
	p.Send(transfer(0, true, "x"), flow(5, 0, func(x *wire.Flow) { x.Drain = true }))
	e := p.WantEvents("what was used and what is given back make five", engine.EventTransfer, engine.EventDrained)[1]
	if e.Credit != 4 || p.Conn.Credit(link) != 0 {
		t.Errorf("%d given back, %d left", e.Credit, p.Conn.Credit(link))
	}
	p.Conn.Drain(link)
	p.WantIdle("there is nothing to drain")
	p.Conn.Grant(link, 3)
	p.Want("a grant ends the drain", amqptest.Like(func(x *wire.Flow) bool {
		return !x.Drain && x.LinkCredit == 3 && x.DeliveryCount == 5
	}))
}

// A sender that has enough to send uses the credit up and has none to give back; the flow that it sends then says
// nothing new, and may not come at all.
func TestADrainThatDeliveriesUseUpIsDone(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Sender(0, 2)
	p.Conn.Drain(link)
	p.Send(transfer(0, true, "x"), transfer(1, false, "x"), flow(2, 0, nil))
	p.WantEvents("drained with the last credit, and once", engine.EventTransfer, engine.EventTransfer, engine.EventDrained)
}

// The drained sender's answer and a new grant cross: what comes back then is not lost.
func TestCreditGivenBackAfterANewGrantIsReported(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Sender(0, 10)
	p.Conn.Drain(link)
	p.Conn.Grant(link, 5)
	p.Send(flow(10, 0, func(x *wire.Flow) { x.Drain = true }))
	if e := p.WantEvents("ten came back", engine.EventDrained)[0]; e.Credit != 10 || p.Conn.Credit(link) != 5 {
		t.Errorf("%d given back, %d left", e.Credit, p.Conn.Credit(link))
	}
}

func TestEchoIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	p.Sender(0, 5)
	p.Receiver(1, 7)
	p.Send(flow(0, 0, func(x *wire.Flow) { x.Echo = true; x.HasLinkCredit = false }),
		flow(0, 0, func(x *wire.Flow) { x.Echo = true; x.HasLinkCredit = false }))
	p.Want("an incoming link tells its credit [2.7.4]", amqptest.Like(func(x *wire.Flow) bool {
		return x.Handle == 0 && x.LinkCredit == 5 && !x.Echo
	}))
	p.Send(flow(0, 8, func(x *wire.Flow) { x.Echo, x.Handle = true, 1 }))
	p.Want("an outgoing link tells what it knows [2.7.4]", amqptest.Like(func(x *wire.Flow) bool {
		return x.Handle == 1 && x.LinkCredit == 8 && x.DeliveryCount == 0 && !x.Echo
	}))
	p.WantIdle("no echo is asked for in return, and two at once are one")
}

func TestDrainAndEchoPingPongEnds(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	p.Receiver(0, 0)
	p.Answer = func(e *engine.Event) { p.Conn.Drained(e.Link) }
	for i := range uint32(1000) {
		p.Send(flow(i*100, 100, func(x *wire.Flow) { x.Drain, x.Echo = true, true }))
		p.Want("one flow answers one flow", amqptest.Like(func(x *wire.Flow) bool {
			return x.DeliveryCount == (i+1)*100 &&
				!x.Echo
		}))
		p.WantIdle("so it ends when the peer does")
	}
}

func TestFlowPropertiesAreTaken(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	p.Receiver(0, 0)
	p.Send(flow(0, 3, func(x *wire.Flow) {
		x.Properties = wire.AppendUint32(wire.AppendSymbol(wire.AppendMapHeader(nil, 5, 1), "k"), 1)
		x.Available, x.HasAvailable = 9, true
	}))
	p.WantEvents("properties of a flow are for link routes, and no reason to stop [2.7.4]", engine.EventCredit)
	p.Send(flow(0, 3, func(x *wire.Flow) { x.Properties = wire.Raw{wire.CodeList0} }))
	p.Want("unless they are no map", amqptest.Close(wire.ErrInvalidField))
}

// A storm of flows makes one answer, and never more events at a time than the caller handles in one go.
func TestFlowStormIsCoalesced(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	p.Receiver(0, 0)
	var storm []byte
	for range 5000 {
		storm = amqptest.Encode(storm, flow(0, 1, func(x *wire.Flow) { x.Echo = true }))
	}
	most, n := 0, 0
	for used := -1; used != 0; {
		used = p.Conn.Input(p.Now, storm)
		storm = storm[used:]
		most, n = max(most, len(p.Conn.Events())), n+len(p.Conn.Events())
	}
	if n != 5000 || most > 200 {
		t.Errorf("%d events, up to %d at a time", n, most)
	}
	p.Want("one flow answers them all", amqptest.Any[wire.Flow]())
	p.WantIdle("nothing else does")
}

func TestCommandsOnTheWrongLinkDoNothing(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	in, out := p.Sender(0, 0), p.Receiver(1, 0)
	p.Conn.Grant(out, 5)
	p.Conn.Drain(out)
	p.Conn.Drained(in)
	p.Conn.Drain(in)
	if p.Conn.Deliver(in, false, 0) != engine.None {
		t.Error("a delivery began on an incoming link")
	}
	p.Conn.Detach(in, true, nil)
	p.Conn.Detach(in, true, nil)
	p.Want("detach is sent once", amqptest.Detach(0, ""))
	p.Conn.Grant(in, 5)
	p.Conn.Drain(in)
	p.WantIdle("nothing else is said")
}
