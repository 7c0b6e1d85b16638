package engine_test

import (
	"bytes"
	"testing"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
)

func TestOutgoingDeliveries(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Receiver(3, 10)
	first := p.Conn.Deliver(link, false, 9)
	p.Conn.Write(first, []byte("head "), slice("and body"), true)
	p.Want("id, tag, format and settled are on the first frame [2.7.5]", amqptest.Transfer(wire.Transfer{
		DeliveryID: 0, HasDeliveryID: true, DeliveryTag: []byte{0, 0, 0, 0}, MessageFormat: 9, HasMessageFormat: true,
		HasSettled: true}, "head and body"))
	wantUnsettled(t, p, 0, 1)
	second := send(t, p, link, true, "x")
	p.Want("pre-settled", amqptest.Transfer(wire.Transfer{DeliveryID: 1, HasDeliveryID: true, DeliveryTag: []byte{0, 0, 0,
		1},
		HasMessageFormat: true, HasSettled: true, Settled: true}, "x"))
	wantUnsettled(t, p, 0, 1)
	if first == second {
		t.Error("two deliveries have one number")
	}
	send(t, p, link, true, "")
	p.Want("an empty message is one frame", amqptest.Transfer(wire.Transfer{DeliveryID: 2, HasDeliveryID: true,
		DeliveryTag: []byte{0, 0, 0, 2}, HasMessageFormat: true, HasSettled: true, Settled: true}, ""))
}

func TestOutgoingDeliveriesAreCutIntoFrames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		most uint32
		size int
	}{
		{"the smallest frames", 512, 100_000},
		{"one octet more than a frame", 512, 449},
		{"large frames, by reference", 64 << 10, 300_000},
		{"no limit", 1<<32 - 1, 3 << 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := listening(t, engine.Config{ContainerID: "r"})
			p.Send(&wire.Open{ContainerID: "p", MaxFrameSize: c.most}, &wire.Begin{IncomingWindow: 1000, HandleMax: 9})
			link := p.Receiver(0, 1)
			body := bytes.Repeat([]byte("0123456789abcdef"), c.size/16+1)[:c.size]
			chunk := buf.NewChunk(c.size)
			copy(chunk.B, body)
			d := p.Conn.Deliver(link, false, 0)
			n, done := p.Conn.Write(d, []byte("head"), buf.Slice{B: chunk.B[:c.size], C: chunk}, true)
			if n != c.size+4 || !done {
				t.Fatalf("wrote %d of %d octets, done %v", n, c.size+4, done)
			}
			chunk.Release()
			var got []byte
			for frames := 0; ; frames++ {
				f := p.Next().(amqptest.Frame)
				x := f.Body.(*wire.Transfer)
				if x.HasDeliveryID != (frames == 0) || (x.DeliveryTag != nil) != (frames == 0) {
					t.Fatalf("frame %d: %+v", frames, x)
				}
				got = append(got, f.Payload...)
				if !x.More {
					break
				}
			}
			if string(got) != "head"+string(body) {
				t.Errorf("%d octets arrived of %d", len(got), len(body)+4)
			}
		})
	}
}

func TestADeliveryIsWrittenAsItsContentArrives(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Receiver(0, 10)
	d := p.Conn.Deliver(link, false, 0)
	for _, part := range []string{"a", "", "b"} {
		if n, done := p.Conn.Write(d, nil, slice(part), false); n != len(part) || done {
			t.Errorf("wrote %d, done %v", n, done)
		}
	}
	if n, done := p.Conn.Write(d, nil, slice(""), true); n != 0 || !done {
		t.Errorf("wrote %d, done %v", n, done)
	}
	more := func(more bool, payload string) any {
		return amqptest.Frame{Body: &wire.Transfer{More: more}, Payload: payload}
	}
	p.Want("each part is a frame, the last may be empty [2.6.14]", amqptest.Like(func(x *wire.Transfer) bool {
		return x.HasDeliveryID && x.More
	}), more(true, "b"), more(false, ""))
	p.WantIdle("a part without octets is none")
	if n, done := p.Conn.Write(d, nil, slice("late"), true); n != 0 || done {
		t.Errorf("wrote %d more octets of a complete delivery", n)
	}
	p.WantIdle("a complete delivery is complete")
}

func TestOutgoingDeliveriesAreAborted(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Receiver(0, 3)
	d := p.Conn.Deliver(link, false, 0)
	p.Conn.Abort(d)
	p.WantIdle("a delivery of which nothing was written never was")
	if c := p.Conn.Credit(link); c != 3 {
		t.Errorf("credit %d of 3", c)
	}
	d = p.Conn.Deliver(link, false, 0)
	p.Conn.Write(d, nil, slice("half"), false)
	p.Conn.Abort(d)
	p.Conn.Abort(d)
	p.Want("aborted tells the peer, once [2.6.14]", amqptest.Any[wire.Transfer](),
		&wire.Transfer{Aborted: true, Settled: true, HasSettled: true})
	if c := p.Conn.Credit(link); c != 2 {
		t.Errorf("credit %d: a delivery that began takes one [2.6.7]", c)
	}
	wantUnsettled(t, p, 0, 0)
	d = send(t, p, link, false, "whole")
	p.Forget()
	p.Conn.Abort(d)
	p.WantIdle("what is complete cannot be aborted")
	wantUnsettled(t, p, 0, 1)
}

func TestAnAbortWaitsForTheWindow(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Receiver(0, 10)
	p.Send(&wire.Flow{HasNextIncomingID: true, IncomingWindow: 1, OutgoingWindow: 1})
	d := p.Conn.Deliver(link, false, 0)
	p.Conn.Write(d, nil, slice("half"), false)
	p.Forget()
	p.Conn.Abort(d)
	p.WantIdle("an aborting frame is a transfer, too [2.5.6]")
	if p.Conn.Deliver(link, false, 0) != engine.None {
		t.Error("a delivery began within another")
	}
	p.Send(&wire.Disposition{Role: wire.RoleReceiver, Settled: true, State: wire.State{Kind: wire.StateReleased}})
	p.WantEvents("the caller has no interest any more")
	p.Conn.Deliveries(link, func(engine.DeliveryID) { t.Error("an aborted delivery is listed") })
	p.Send(&wire.Flow{HasNextIncomingID: true, NextIncomingID: 1, IncomingWindow: 5, OutgoingWindow: 1})
	p.Want("it is sent when the window opens", amqptest.Like(func(x *wire.Transfer) bool { return x.Aborted }))
	if e := p.WantEvents("the link may go on", engine.EventCredit)[0]; e.Link != link || e.Credit != 9 {
		t.Errorf("%+v", e)
	}
	wantUnsettled(t, p, 0, 0)
	send(t, p, link, true, "next")
}

func TestDetachAbortsWhatIsBeingWritten(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Receiver(0, 10)
	send(t, p, link, false, "whole")
	d := p.Conn.Deliver(link, false, 0)
	p.Conn.Write(d, nil, slice("half"), false)
	p.Forget()
	p.Conn.Detach(link, true, nil)
	p.Want("a truncated message is never taken for a whole one",
		amqptest.Like(func(x *wire.Transfer) bool { return x.Aborted }),
		amqptest.Detach(0, ""))
	wantUnsettled(t, p, 0, 0)
}

func TestDetachWithAClosedWindowForgetsTheAbort(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Receiver(0, 10)
	p.Send(&wire.Flow{HasNextIncomingID: true, IncomingWindow: 1, OutgoingWindow: 1})
	d := p.Conn.Deliver(link, false, 0)
	p.Conn.Write(d, nil, slice("half"), false)
	p.Forget()
	p.Conn.Detach(link, true, nil)
	p.Want("the detach needs no window", amqptest.Detach(0, ""))
	p.Send(&wire.Flow{HasNextIncomingID: true, NextIncomingID: 1, IncomingWindow: 5, OutgoingWindow: 1})
	p.WantIdle("and nothing of the delivery is left")
	wantUnsettled(t, p, 0, 0)
}
