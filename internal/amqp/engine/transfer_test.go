package engine_test

import (
	"strings"
	"testing"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// transfer is the peer's transfer of a whole delivery on handle 0.
func transfer(id uint32, settled bool, payload string) amqptest.Frame {
	return amqptest.Transfer(wire.Transfer{DeliveryID: id, HasDeliveryID: true, DeliveryTag: []byte{byte(id)},
		Settled: settled, HasSettled: true}, payload)
}

// begin and rest are the frames of a multi-frame delivery on handle 0.
func begin(id uint32, payload string) amqptest.Frame {
	return amqptest.Transfer(wire.Transfer{DeliveryID: id, HasDeliveryID: true, DeliveryTag: []byte{byte(id)},
		More: true}, payload)
}

func rest(more bool, payload string) amqptest.Frame {
	return amqptest.Transfer(wire.Transfer{More: more}, payload)
}

var aborted = amqptest.Transfer(wire.Transfer{Aborted: true}, "")

func slice(payload string) buf.Slice { return buf.Slice{B: []byte(payload)} }

// send has the engine send a whole message.
func send(t *testing.T, p *amqptest.Peer, link engine.LinkID, settled bool, payload string) engine.DeliveryID {
	t.Helper()
	d := p.Conn.Deliver(link, settled, 0)
	if d == engine.None {
		t.Fatal("no delivery could be begun")
	}
	if n, done := p.Conn.Write(d, nil, slice(payload), true); n != len(payload) || !done {
		t.Fatalf("wrote %d of %d octets, done %v", n, len(payload), done)
	}
	return d
}

func wantUnsettled(t *testing.T, p *amqptest.Peer, incoming, outgoing int) {
	t.Helper()
	if i, o := p.Conn.Unsettled(); i != incoming || o != outgoing {
		t.Errorf("%d incoming and %d outgoing deliveries are live, want %d and %d", i, o, incoming, outgoing)
	}
	if err := p.Conn.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

func TestIncomingDeliveriesAreReported(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Sender(0, 10)
	p.Send(amqptest.Transfer(wire.Transfer{DeliveryID: 77, HasDeliveryID: true, DeliveryTag: []byte("tag"),
		MessageFormat: 5, HasMessageFormat: true}, "payload"))
	e := p.WantEvents("a delivery in one frame", engine.EventTransfer)[0]
	if !e.First || e.More || e.Settled || e.Link != link || string(e.Tag) != "tag" || string(e.Payload) != "payload" ||
		e.Format != 5 {
		t.Errorf("%+v", e)
	}
	wantUnsettled(t, p, 1, 0)
	p.Send(transfer(78, true, "settled"))
	if e := p.WantEvents("a pre-settled one", engine.EventTransfer)[0]; !e.Settled || !e.First || e.More {
		t.Errorf("%+v", e)
	}
	wantUnsettled(t, p, 1, 0)
	p.Send(amqptest.Transfer(wire.Transfer{DeliveryID: 79, HasDeliveryID: true, DeliveryTag: []byte{}}, ""))
	if e := p.WantEvents("an empty tag is a tag, an empty payload a payload [2.8.7]",
		engine.EventTransfer)[0]; e.Tag == nil {
		t.Errorf("%+v", e)
	}
	wantUnsettled(t, p, 2, 0)
}

func TestMultiFrameDeliveries(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	p.Sender(0, 10)
	p.Sender(1, 10)
	p.Send(begin(5, "a"), rest(true, "b"),
		amqptest.Transfer(wire.Transfer{Handle: 1, DeliveryID: 6, HasDeliveryID: true, DeliveryTag: []byte{6}}, "other link"),
		amqptest.Transfer(wire.Transfer{DeliveryID: 5, HasDeliveryID: true, DeliveryTag: []byte("other"), More: true}, "c"),
		// [2.7.5]
		rest(false, "d"))
	got, first := "", 0
	var number engine.DeliveryID
	for _, e := range p.WantEvents("frames of two links may mix [2.6.14]", engine.EventTransfer, engine.EventTransfer,
		engine.EventTransfer, engine.EventTransfer, engine.EventTransfer) {
		if string(e.Payload) == "other link" {
			continue
		}
		if e.First {
			first, number = first+1, e.Delivery
		}
		if e.Delivery != number || e.More == (string(e.Payload) == "d") {
			t.Errorf("%+v", e)
		}
		got += string(e.Payload)
	}
	if got != "abcd" || first != 1 {
		t.Errorf("%q in %d deliveries", got, first)
	}
	if c := p.Conn.Credit(0); c != 9 {
		t.Errorf("credit %d: a delivery takes one, whatever its frames [2.6.7]", c)
	}
}

func TestFramesOfADeliveryThatDoNotBelongToItEndTheSession(t *testing.T) {
	t.Parallel()
	for name, frame := range map[string]amqptest.Frame{
		"another delivery-id within a delivery [2.7.5]": transfer(6, false, "x"),
		"the next delivery-id within a delivery":        transfer(1, false, "x"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := amqptest.Begun(t, engine.Config{})
			p.Sender(0, 10)
			p.Send(begin(0, "x"), frame)
			p.Want("the session ends, told why", amqptest.End(0, wire.ErrInvalidField))
			wantUnsettled(t, p, 0, 0)
		})
	}
}

func TestDeliveryIDsAreASequence(t *testing.T) {
	t.Parallel()
	for _, next := range []uint32{7, 5, 9, 0, 7 + 1<<31} {
		p := amqptest.Begun(t, engine.Config{})
		p.Sender(0, 10)
		p.Send(transfer(7, false, "x"), transfer(next, false, "x"))
		p.Want("a delivery-id out of sequence ends the session [2.6.12]", amqptest.End(0, wire.ErrInvalidField))
	}
}

func TestDeliveryIDsWrap(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	p.Sender(0, 100)
	var numbers []engine.DeliveryID
	for i := range uint32(8) {
		p.Send(transfer(i-4, false, "x"))
		numbers = append(numbers, p.WantEvents("ids pass 2^32 [2.8.8]", engine.EventTransfer)[0].Delivery)
	}
	for _, n := range numbers {
		p.Conn.Settle(n, wire.State{Kind: wire.StateAccepted})
	}
	p.Want("one range settles them across 2^32 [2.7.6]", &wire.Disposition{Role: wire.RoleReceiver, First: 1<<32 - 4,
		Last:    3,
		Settled: true, State: wire.State{Kind: wire.StateAccepted}})
	wantUnsettled(t, p, 0, 0)

	link := p.Receiver(1, 100)
	p.Conn.SetSerials(0, 0, 1<<32-2)
	for range 4 {
		send(t, p, link, false, "x")
	}
	p.Forget()
	p.Send(&wire.Disposition{Role: wire.RoleReceiver, First: 1<<32 - 1, Last: 0, Settled: true,
		State: wire.State{Kind: wire.StateAccepted}})
	p.WantEvents("a range across 2^32 settles two [2.7.6]", engine.EventOutcome, engine.EventOutcome)
	wantUnsettled(t, p, 0, 2)
}

// [2.6.14] An aborted delivery is over; nothing is to be settled.
func TestAbortedDeliveriesAreOver(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Sender(0, 10)
	p.Send(begin(0, "half"), aborted, transfer(1, false, "next"))
	e := p.WantEvents("half, aborted, next", engine.EventTransfer, engine.EventAborted, engine.EventTransfer)
	if e[1].Link != link || e[1].Delivery != e[0].Delivery || e[2].Delivery == e[0].Delivery {
		t.Errorf("%+v", e)
	}
	p.Conn.Settle(e[0].Delivery, wire.State{Kind: wire.StateAccepted})
	p.WantIdle("nothing is settled")
	wantUnsettled(t, p, 1, 0)
	p.Conn.Settle(e[2].Delivery, wire.State{Kind: wire.StateAccepted})
	p.Want("the next is another delivery", amqptest.Like(func(x *wire.Disposition) bool {
		return x.First == 1 &&
			x.Last == 1
	}))
}

// Nobody gets to hear of a delivery that is aborted with its first frame, and nobody would give its credit back.
func TestADeliveryAbortedAtOnceCostsNoCredit(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Sender(0, 3)
	for i := range uint32(100_000) {
		p.Send(amqptest.Transfer(wire.Transfer{DeliveryID: i, HasDeliveryID: true, DeliveryTag: []byte{1}, Aborted: true},
			"x"))
		if i%1000 == 0 {
			p.Forget()
		}
	}
	p.WantEvents("it never was")
	p.Send(flow(100_000, 0, func(x *wire.Flow) { x.Echo = true }))
	p.Forget()
	if c := p.Conn.Credit(link); c != 3 {
		t.Errorf("credit %d of 3", c)
	}
	wantUnsettled(t, p, 0, 0)
}

func TestAHundredThousandAbortedDeliveriesTakeNoMemory(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Sender(0, 10)
	for i := range uint32(100_000) {
		p.Send(begin(i, "half"), aborted)
		p.Conn.Grant(link, 1)
		p.Forget()
	}
	if _, _, in, _ := p.Conn.Numbers(); in > 4 {
		t.Errorf("%d delivery numbers for one delivery at a time", in)
	}
	wantUnsettled(t, p, 0, 0)
}

// [2.6.13] Resumed deliveries that are not in this side's unsettled map, which is empty, are ignored.
func TestResumedDeliveriesAreIgnored(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Sender(0, 2)
	resume := func(id uint32, more bool) amqptest.Frame {
		return amqptest.Transfer(wire.Transfer{DeliveryID: id, HasDeliveryID: true, DeliveryTag: []byte{1}, Resume: true,
			More:  more,
			State: wire.State{Kind: wire.StateReceived, Raw: []byte("\x00\x53\x23\xc0\x03\x02\x43\x44")}}, "x")
	}
	p.Send(resume(0, false), resume(1, true), rest(true, "y"), rest(false, "z"), resume(2, true), aborted)
	p.WantEvents("nothing is reported [2.6.13]")
	p.Want("their credit is given back", amqptest.Like(func(x *wire.Flow) bool {
		return x.DeliveryCount == 3 &&
			x.LinkCredit == 2
	}))
	p.Send(transfer(3, false, "new"))
	p.WantEvents("a new delivery is", engine.EventTransfer)
	if c := p.Conn.Credit(link); c != 1 {
		t.Errorf("credit %d", c)
	}
}

func TestASenderMaySettleInTheMiddle(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	p.Sender(0, 10)
	p.Send(begin(0, "a"), amqptest.Transfer(wire.Transfer{Settled: true, HasSettled: true, More: true}, "b"), rest(false,
		"c"))
	e := p.WantEvents("settled on any frame is settled [2.7.5]", engine.EventTransfer, engine.EventTransfer,
		engine.EventTransfer)
	if e[0].Settled || !e[1].Settled || !e[2].Settled {
		t.Errorf("%+v", e)
	}
	wantUnsettled(t, p, 0, 0)
}

// A delivery that never ends holds nothing but its number: its window and its memory are its receiver's business.
func TestDeliveriesThatNeverEndStopAtTheWindow(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	p.Sender(0, 1)
	p.Conn.Hold(0, true) // its content is not consumed
	p.Send(begin(0, strings.Repeat("x", 1000)))
	for range 255 {
		p.Send(rest(true, strings.Repeat("x", 1000)))
	}
	p.WantIdle("no window is given while the content is not consumed")
	p.Send(rest(true, "x"))
	p.Want("and taking it is an error [2.5.6]", amqptest.End(0, wire.ErrWindowViolation))
	wantUnsettled(t, p, 0, 0)
}

// Events run ahead of their handling: the number of a delivery that ended rests until the next input.
func TestNumbersRestUntilTheNextInput(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	p.Sender(0, 10)
	settled := map[engine.DeliveryID]int{}
	p.Answer = func(e *engine.Event) {
		if e.Kind == engine.EventTransfer && e.First {
			p.Conn.Settle(e.Delivery, wire.State{Kind: wire.StateAccepted})
			settled[e.Delivery]++
		}
	}
	all := amqptest.Encode(nil, transfer(0, false, "a"))
	all = amqptest.Encode(all, &wire.Disposition{Role: wire.RoleSender, Settled: true})
	all = amqptest.Encode(all, transfer(1, false, "b"))
	all = amqptest.Encode(all, begin(2, "c"))
	all = amqptest.Encode(all, aborted)
	all = amqptest.Encode(all, transfer(3, false, "d"))
	p.Send(all)
	if len(settled) != 4 {
		t.Errorf("four deliveries in one input had the numbers %v", settled)
	}
	p.Want("those that were still live are settled, and no other", &wire.Disposition{Role: wire.RoleReceiver, First: 1,
		Last:    1,
		Settled: true, State: wire.State{Kind: wire.StateAccepted}},
		&wire.Disposition{Role: wire.RoleReceiver, First: 3, Last: 3, Settled: true,
			State: wire.State{Kind: wire.StateAccepted}})
	wantUnsettled(t, p, 0, 0)
}
