package engine_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// unsettled returns a peer to which n unsettled deliveries were sent on one link.
func unsettled(t *testing.T, n int) (p *amqptest.Peer, link engine.LinkID, d []engine.DeliveryID) {
	t.Helper()
	p = amqptest.Begun(t, engine.Config{})
	link = p.Receiver(0, uint32(n))
	p.Send(&wire.Flow{HasNextIncomingID: true, IncomingWindow: uint32(n), OutgoingWindow: 1})
	for range n {
		id := p.Conn.Deliver(link, false, 0)
		p.Conn.Write(id, nil, slice("x"), true)
		d = append(d, id)
	}
	p.Forget()
	return p, link, d
}

// settling is a disposition of the receiver for all deliveries.
var settling = &wire.Disposition{Role: wire.RoleReceiver, Last: math.MaxInt32, Settled: true, State: acceptedState}

// once gives the engine octets once.
func once(t *testing.T, p *amqptest.Peer, what ...any) (used int, events []engine.Event) {
	t.Helper()
	var b []byte
	for _, x := range what {
		b = amqptest.Encode(b, x)
	}
	used = p.Conn.Input(p.Now, b)
	events = p.Conn.Events()
	if len(events) > mostEvents {
		t.Errorf("%d events of one input", len(events))
	}
	return used, events
}

func TestADispositionOfVeryManyTakesSeveralInputs(t *testing.T) {
	t.Parallel()
	p, _, d := unsettled(t, 1000)
	rejected := wire.RejectedState(&wire.Error{Condition: wire.ErrNotAllowed, Description: "no"})
	x := *settling
	x.State = rejected
	used, events := once(t, p, &x)
	got := len(events)
	if !p.Conn.Continues() || used != len(amqptest.Encode(nil, &x)) {
		t.Errorf("%d octets are used, continues %v", used, p.Conn.Continues())
	}
	var last engine.EventKind
	next := amqptest.Encode(nil, &wire.Flow{HasHandle: true, Handle: 77})
	for inputs := 1; p.Conn.Continues(); inputs++ {
		used, events = once(t, p, next)
		next = next[used:]
		for _, e := range events {
			if last = e.Kind; last != engine.EventOutcome {
				break
			}
			if e.Delivery != d[got] || string(e.State.Raw) != string(rejected.Raw) {
				t.Fatalf("outcome %d is %+v", got, e)
			}
			got++
		}
		if got < len(d) && used > 0 {
			t.Errorf("the next frame was looked at after %d of %d outcomes", got, len(d))
		}
		if inputs > len(d) {
			t.Fatal("it does not end")
		}
	}
	if got != len(d) {
		t.Errorf("%d of %d outcomes are reported", got, len(d))
	}
	if len(next) > 0 || last != engine.EventSessionError {
		t.Errorf("the next frame comes to event %d with %d octets left", last, len(next))
	}
	wantUnsettled(t, p, 0, 0)
}

func TestWhatIsWrittenMeanwhileIsNotSettled(t *testing.T) {
	t.Parallel()
	p, link, _ := unsettled(t, 200)
	p.Send(&wire.Flow{HasNextIncomingID: true, NextIncomingID: 200, IncomingWindow: 100, HasHandle: true,
		HasDeliveryCount: true, DeliveryCount: 200, HasLinkCredit: true, LinkCredit: 5})
	once(t, p, settling)
	send(t, p, link, false, "later")
	p.Resume()
	if p.Conn.Continues() {
		t.Error("it does not end")
	}
	wantUnsettled(t, p, 0, 1)
}

// Between two inputs, commands take what the rest of the disposition is about.
func TestCommandsMayComeBetweenTwoInputsOfOneFrame(t *testing.T) {
	t.Parallel()
	for name, command := range map[string]struct {
		do   func(c *engine.Connection, link engine.LinkID, d []engine.DeliveryID)
		more int // outcomes that are still reported
	}{
		"nothing": {func(*engine.Connection, engine.LinkID, []engine.DeliveryID) {}, 136},
		"settle": {func(c *engine.Connection, _ engine.LinkID, d []engine.DeliveryID) {
			for _, d := range d[100:] {
				c.SettleOutgoing(d, releasedState)
			}
		}, 36},
		"detach":  {func(c *engine.Connection, link engine.LinkID, _ []engine.DeliveryID) { c.Detach(link, true, nil) }, 0},
		"forget":  {func(c *engine.Connection, link engine.LinkID, _ []engine.DeliveryID) { c.Forget(link) }, 0},
		"end":     {func(c *engine.Connection, _ engine.LinkID, _ []engine.DeliveryID) { c.End(0, nil) }, 0},
		"close":   {func(c *engine.Connection, _ engine.LinkID, _ []engine.DeliveryID) { c.Close(nil) }, 0},
		"fail":    {func(c *engine.Connection, _ engine.LinkID, _ []engine.DeliveryID) { c.Fail(nil) }, 0},
		"advance": {func(c *engine.Connection, _ engine.LinkID, _ []engine.DeliveryID) { c.Advance(amqptest.Start) }, 136},
		"rest":    {func(c *engine.Connection, _ engine.LinkID, _ []engine.DeliveryID) { c.Rest() }, 136},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, link, d := unsettled(t, 200)
			once(t, p, settling)
			command.do(p.Conn, link, d)
			n := 0
			for p.Conn.Continues() {
				_, events := once(t, p)
				n += len(events)
			}
			if n != command.more {
				t.Errorf("%d outcomes are reported after it, want %d", n, command.more)
			}
			if err := p.Conn.CheckInvariants(); err != nil {
				t.Error(err)
			}
		})
	}
}

// [2.6.12] A state that is no outcome is for those who resume; nobody does.
func TestReportsOfProgressCostNothing(t *testing.T) {
	t.Parallel()
	p, _, _ := unsettled(t, 1000)
	received := wire.State{Kind: wire.StateReceived, Raw: []byte("\x00\x53\x23\xc0\x03\x02\x43\x44")}
	for _, x := range []*wire.Disposition{
		{Role: wire.RoleReceiver, Last: 999},
		{Role: wire.RoleReceiver, Last: 999, State: received},
		{Role: wire.RoleReceiver, First: 5, Last: 5, State: received},
		{Role: wire.RoleSender, Last: 999, State: acceptedState},
	} {
		if _, events := once(t, p, x); len(events) > 0 || p.Conn.Work() != 2 {
			t.Errorf("%+v makes %d events and %d units of work", x, len(events), p.Conn.Work())
		}
	}
	wantUnsettled(t, p, 0, 1000)
}

func TestOneInputDoesABoundedNumberOfFrames(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	var storm []byte
	for range 50_000 {
		storm = amqptest.Encode(storm, amqptest.Empty)
	}
	for len(storm) > 0 {
		used := p.Conn.Input(p.Now, storm)
		if used == 0 || used > 8*3000 {
			t.Fatalf("%d octets of empty frames are used by one input", used)
		}
		storm = storm[used:]
	}
}

// The window opens for all deliveries that were aborted while it was closed.
func TestVeryManyAbortingFramesTakeSeveralInputs(t *testing.T) {
	t.Parallel()
	const links = 500
	p := amqptest.Begun(t, engine.Config{})
	var d []engine.DeliveryID
	for i := range uint32(links) {
		d = append(d, p.Conn.Deliver(p.Receiver(i, 1), false, 0))
	}
	p.Send(&wire.Flow{HasNextIncomingID: true, IncomingWindow: links, OutgoingWindow: 1})
	for _, d := range d {
		p.Conn.Write(d, nil, slice("begun"), false)
	}
	for _, d := range d {
		p.Conn.Abort(d)
	}
	p.Forget()
	_, events := once(t, p, &wire.Flow{HasNextIncomingID: true, NextIncomingID: links, IncomingWindow: links, OutgoingWindow: 1})
	n := len(events)
	for p.Conn.Continues() {
		_, events = once(t, p)
		n += len(events)
	}
	if n != links {
		t.Errorf("%d of %d links are told that they may go on", n, links)
	}
	for range links {
		p.Want("each is aborted [2.6.14]", amqptest.Like(func(x *wire.Transfer) bool { return x.Aborted }))
	}
	wantUnsettled(t, p, 0, 0)
}

func TestALinkLetsGoOfItsDeliveriesInPortions(t *testing.T) {
	t.Parallel()
	p, link, d := unsettled(t, 1000)
	p.Send(&wire.Flow{HasNextIncomingID: true, NextIncomingID: 1000, IncomingWindow: 1, HasHandle: true,
		HasDeliveryCount: true, DeliveryCount: 1000, HasLinkCredit: true, LinkCredit: 5})
	d = append(d, p.Conn.Deliver(link, false, 0))
	p.Conn.Write(d[1000], nil, slice("half"), false)
	p.Forget()
	seen := map[engine.DeliveryID]bool{}
	for more := true; more; {
		n := 0
		if more = p.Conn.LetGo(link, 100, func(d engine.DeliveryID) { n++; seen[d] = true }); n > 100 {
			t.Fatalf("%d deliveries of one portion", n)
		}
		if p.Conn.Deliver(link, false, 0) != engine.None {
			t.Error("a delivery begins on a link that is let go of")
		}
	}
	if len(seen) != len(d) {
		t.Errorf("%d of %d deliveries were let go of", len(seen), len(d))
	}
	p.Send(settling, &wire.Flow{HasHandle: true, HasNextIncomingID: true, NextIncomingID: 1001,
		HasDeliveryCount: true, DeliveryCount: 1001, HasLinkCredit: true, LinkCredit: 5})
	p.WantEvents("what the peer says of them is no news")
	p.WantIdle("the one in the middle is aborted by the detach [2.6.14]")
	p.Conn.Detach(link, true, nil)
	p.Want("which is said as ever", amqptest.Detach(0, ""))
	wantUnsettled(t, p, 0, 0)
}

func TestASessionOfManyLinksEndsInPortions(t *testing.T) {
	t.Parallel()
	const links = 2000
	p := amqptest.Begun(t, engine.Config{})
	for i := range uint32(links) {
		p.Send(&wire.Attach{Name: fmt.Sprint(i), Handle: i, Role: wire.RoleSender, HasInitialDelivery: true})
	}
	p.Forget()
	for n := 0; ; n++ {
		id := p.Conn.AnyLink(0)
		if id == engine.None {
			if n != links {
				t.Errorf("%d links were forgotten, want %d", n, links)
			}
			break
		}
		p.Conn.Forget(id)
		if n%100 == 0 {
			p.Send(transfer(0, true, "on a link that may be gone"), &wire.Attach{Name: fmt.Sprint("late ", n), Handle: links})
			p.WantIdle("what the peer sends means nothing any more")
		}
	}
	p.Conn.End(0, nil)
	p.Want("one end ends them all", amqptest.End(0, ""))
	p.Send(&wire.End{})
	wantSessions(t, p, 0)
}
