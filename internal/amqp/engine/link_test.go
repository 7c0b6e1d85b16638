package engine_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
)

func TestThePeersAttachIsAnswered(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	source := &wire.Source{Address: "orders", HasAddress: true, ExpiryPolicy: wire.SessionEnd}
	p.Answer = func(e *engine.Event) {
		if e.Kind == engine.EventAttach {
			p.Conn.Attach(e.Link, &wire.Attach{Source: source, SndSettleMode: wire.SenderMixed, MaxMessageSize: 9})
		}
	}
	p.Send(&wire.Attach{Name: "l", Handle: 9, Role: wire.RoleReceiver, SndSettleMode: wire.SenderMixed, Source: source})
	p.Want("name, the other role and an own handle; a sender tells its delivery-count [2.6.3]", &wire.Attach{Name: "l",
		Role: wire.RoleSender, SndSettleMode: wire.SenderMixed, Source: source, HasInitialDelivery: true, MaxMessageSize: 9})
	p.Send(&wire.Attach{Name: "l", Handle: 1, Role: wire.RoleSender, SndSettleMode: wire.SenderMixed, Source: source,
		HasInitialDelivery: true, InitialDeliveryCount: 4})
	p.Want("the same name in the other direction is another link [2.6.1]", &wire.Attach{Name: "l", Handle: 1,
		Role: wire.RoleReceiver, SndSettleMode: wire.SenderMixed, Source: source, MaxMessageSize: 9})
	e := p.WantEvents("both are reported", engine.EventAttach, engine.EventAttach)
	if e[0].Link == e[1].Link || p.Conn.LinkName(e[1].Link) != "l" || p.Conn.LinkSession(e[1].Link) != e[1].Session {
		t.Errorf("links %d and %d", e[0].Link, e[1].Link)
	}
}

func TestOurAttachIsAnsweredByThePeer(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	out := p.Conn.NewLink(0, &wire.Attach{Name: "out", Role: wire.RoleSender})
	in := p.Conn.NewLink(0, &wire.Attach{Name: "in", Role: wire.RoleReceiver})
	p.Want("both are attached", amqptest.Like(func(x *wire.Attach) bool { return x.HasInitialDelivery && x.Handle == 0 }),
		amqptest.Like(func(x *wire.Attach) bool { return !x.HasInitialDelivery && x.Handle == 1 }))
	if p.Conn.NewLink(0, &wire.Attach{Name: "in", Role: wire.RoleReceiver}) != engine.None {
		t.Error("a name was used twice [2.6.1]")
	}
	p.Conn.Grant(in, 5)
	p.Want("credit may be granted before the sender tells its count [2.6.7]", amqptest.Like(func(x *wire.Flow) bool {
		return x.LinkCredit == 5 && !x.HasDeliveryCount && x.Handle == 1
	}))
	p.Send(&wire.Attach{Name: "in", Role: wire.RoleSender, Handle: 3, HasInitialDelivery: true, InitialDeliveryCount: 100},
		&wire.Attach{Name: "out", Role: wire.RoleReceiver, Handle: 4})
	e := p.WantEvents("both are answered", engine.EventAttach, engine.EventAttach)
	if !e[0].Answer || e[0].Link != in || !e[1].Answer || e[1].Link != out {
		t.Errorf("%+v", e)
	}
	p.Conn.Grant(in, 5)
	p.Want("now the count is known", amqptest.Like(func(x *wire.Flow) bool {
		return x.LinkCredit == 10 &&
			x.DeliveryCount == 100
	}))
}

// Both sides may attach the two ends of one link at the same time: each takes the other's attach as the answer.
func TestSimultaneousAttachesAreOneLink(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	id := p.Conn.NewLink(0, &wire.Attach{Name: "l", Role: wire.RoleSender})
	p.Send(&wire.Attach{Name: "l", Role: wire.RoleReceiver})
	p.Want("one attach is sent [2.6.3]", amqptest.Any[wire.Attach]())
	p.WantIdle("and no other")
	if e := p.WantEvents("the link is up", engine.EventAttach)[0]; !e.Answer || e.Link != id {
		t.Errorf("%+v", e)
	}
}

func TestDetachIsAnswered(t *testing.T) {
	t.Parallel()
	for _, closed := range []bool{true, false} {
		p := amqptest.Begun(t, engine.Config{})
		link := p.Sender(0, 10)
		p.Send(&wire.Detach{Closed: closed, Error: &wire.Error{Condition: wire.ErrResourceDeleted, Description: "gone"}})
		p.Want("a detach is answered in kind [2.6.4], [2.6.6]", &wire.Detach{Closed: closed})
		e := p.WantEvents("it is reported", engine.EventDetach)[0]
		if e.Link != link || e.Closed != closed || e.Err().Cause.Condition != wire.ErrResourceDeleted || e.Err().Local {
			t.Errorf("%+v for %v", e, e.Err())
		}
		p.Send(&wire.Attach{Name: "in-0", Role: wire.RoleSender, HasInitialDelivery: true})
		p.Want("handle and name can be used again [2.6.2]", amqptest.Like(func(x *wire.Attach) bool { return x.Handle == 0 }))
	}
}

func TestALocallyDetachedLinkIgnoresWhatCrosses(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	in, out := p.Sender(0, 10), p.Receiver(1, 10)
	p.Send(amqptest.Transfer(wire.Transfer{HasDeliveryID: true, DeliveryTag: []byte{1}, More: true}, "half"))
	send(t, p, out, false, "unsettled")
	p.Forget()
	p.Conn.Detach(in, true, &wire.Error{Condition: wire.ErrMessageSizeExceeded, Description: "too large"})
	p.Conn.Detach(out, false, nil)
	p.Want("both are detached", amqptest.Detach(0, wire.ErrMessageSizeExceeded), &wire.Detach{Handle: 1})
	if i, o := p.Conn.Unsettled(); i+o != 0 {
		t.Errorf("%d incoming and %d outgoing deliveries are left", i, o)
	}
	p.Send(amqptest.Transfer(wire.Transfer{HasDeliveryID: true, DeliveryID: 0, More: true}, "more"),
		amqptest.Transfer(wire.Transfer{}, "end"), transfer(1, false, "another"),
		&wire.Flow{HasHandle: true, Handle: 1, IncomingWindow: 9, HasLinkCredit: true, LinkCredit: 99, Echo: true},
		&wire.Disposition{Role: wire.RoleReceiver, Settled: true, State: wire.State{Kind: wire.StateAccepted}})
	p.WantIdle("the peer did not know yet")
	p.WantEvents("so nothing happens")
	other := p.Sender(2, 10)
	p.Send(amqptest.Transfer(wire.Transfer{Handle: 2, HasDeliveryID: true, DeliveryID: 2, DeliveryTag: []byte{2}}, "x"))
	if e := p.WantEvents("delivery-ids count on [2.6.12]", engine.EventTransfer)[0]; e.Link != other {
		t.Errorf("%+v", e)
	}
	p.Send(&wire.Detach{Closed: true}, &wire.Detach{Handle: 1, Closed: true})
	p.WantIdle("the answers end it")
	if err := p.Conn.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

// A link that was detached in the middle of a delivery takes the rest of it, with its delivery-id repeated or not.
func TestTheRestOfADeliveryMayRepeatItsIDAfterADetach(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	first := p.Sender(0, 10)
	p.Sender(1, 10)
	frame := func(handle, id uint32, more bool) amqptest.Frame {
		return amqptest.Transfer(wire.Transfer{Handle: handle, DeliveryID: id, HasDeliveryID: true, DeliveryTag: []byte{9},
			More: more}, "x")
	}
	p.Send(frame(0, 0, true))
	p.Conn.Detach(first, true, nil)
	p.Forget()
	p.Send(frame(1, 1, true), frame(0, 0, true), frame(1, 1, false), frame(0, 0, false), frame(1, 2, false))
	p.WantEvents("the other link's deliveries arrive [2.7.5]", engine.EventTransfer, engine.EventTransfer,
		engine.EventTransfer)
}

func TestALinkCanBeRefused(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	p.Answer = func(e *engine.Event) {
		if e.Kind == engine.EventAttach {
			p.Conn.Detach(e.Link, true, &wire.Error{Condition: wire.ErrUnauthorizedAccess, Description: "not for you"})
		}
	}
	p.Send(&wire.Attach{Name: "l", Role: wire.RoleReceiver, Source: &wire.Source{}})
	p.Want("refusal is an attach without terminus and a detach [2.6.3]",
		&wire.Attach{Name: "l", HasInitialDelivery: true}, amqptest.Detach(0, wire.ErrUnauthorizedAccess))
	p.Send(&wire.Detach{Closed: true})
	p.WantIdle("it is over")
}

// [2.6.1] A name that is attached again moves: the old link is detached as stolen.
func TestALinkIsStolenByItsName(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	old := p.Sender(0, 10)
	p.Send(transfer(0, false, "unsettled"))
	p.Forget()
	p.Send(&wire.Attach{Name: "in-0", Handle: 1, Role: wire.RoleSender, HasInitialDelivery: true})
	p.Want("the old link goes, the new one comes [2.6.1]", amqptest.Detach(0, wire.ErrStolen),
		amqptest.Like(func(x *wire.Attach) bool { return x.Name == "in-0" }))
	e := p.WantEvents("in this order", engine.EventLinkError, engine.EventAttach)
	if e[0].Link != old || e[1].Link == old || e[0].Err().Scope != engine.ScopeLink {
		t.Errorf("link %d was stolen by %d", e[0].Link, e[1].Link)
	}
	p.Send(&wire.Detach{Handle: 0, Closed: true})
	p.Send(&wire.Begin{}, amqptest.On(1, &wire.Begin{}))
}

func TestALinkIsStolenAcrossSessions(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	p.Sender(0, 10)
	p.Send(amqptest.On(5, &wire.Begin{HandleMax: 5}))
	p.Forget()
	p.Send(amqptest.On(5, &wire.Attach{Name: "in-0", Handle: 3, Role: wire.RoleSender, HasInitialDelivery: true}))
	p.Want("names belong to the containers, not to a session [2.6.1]", amqptest.Detach(0, wire.ErrStolen),
		amqptest.Like(func(x *wire.Attach) bool { return x.Name == "in-0" }))
	p.Send(&wire.Detach{Closed: true}, &wire.End{})
	p.Want("the old session ends without the link", amqptest.End(0, ""))
	p.Send(amqptest.On(5, &wire.Detach{Handle: 3, Closed: true}))
	p.Want("the new one keeps it", amqptest.Like(func(x *wire.Detach) bool { return x.Closed }))
}

// [2.5.4] What a peer does wrong with handles ends the session, nothing else.
func TestHandleErrorsEndTheSession(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		said      any
		condition wire.Symbol
	}{
		"a handle in use [2.6.2]": {&wire.Attach{Name: "x", Handle: 0, Role: wire.RoleReceiver},
			wire.ErrHandleInUse},
		"a sender without count [2.7.3]": {&wire.Attach{Name: "x", Handle: 1}, wire.ErrInvalidField},
		"a name of 5 KiB": {&wire.Attach{Name: strings.Repeat("n", 5<<10), Handle: 1,
			Role: wire.RoleReceiver}, wire.ErrInvalidField},
		"transfer on an unattached handle":       {&wire.Transfer{Handle: 1}, wire.ErrUnattachedHandle},
		"transfer on handle 2^32-1":              {&wire.Transfer{Handle: math.MaxUint32}, wire.ErrUnattachedHandle},
		"flow on an unattached handle":           {&wire.Flow{Handle: 7, HasHandle: true}, wire.ErrUnattachedHandle},
		"detach of an unattached handle":         {&wire.Detach{Handle: 7}, wire.ErrUnattachedHandle},
		"a first transfer without delivery-id":   {&wire.Transfer{DeliveryTag: []byte{1}}, wire.ErrInvalidField},
		"a disposition with last before first":   {&wire.Disposition{First: 5, Last: 4}, wire.ErrInvalidField},
		"a disposition of 0…2^32-1":              {&wire.Disposition{First: 0, Last: math.MaxUint32}, wire.ErrInvalidField},
		"a disposition of 2^31+1 ids":            {&wire.Disposition{First: 7, Last: 7 + 1<<31}, wire.ErrInvalidField},
		"a receiver's disposition of 0…2^32-1":   {&wire.Disposition{Role: true, Last: math.MaxUint32}, wire.ErrInvalidField},
		"a transfer beyond the window of nobody": {&wire.Transfer{Handle: 1 << 31}, wire.ErrUnattachedHandle},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := amqptest.Begun(t, engine.Config{})
			p.Send(amqptest.On(1, &wire.Begin{HandleMax: 10}))
			p.Sender(0, 10)
			p.Send(c.said, &wire.Attach{Name: "later", Role: wire.RoleReceiver, Handle: 8}, transfer(0, false, "x"))
			p.Want("the session ends, told why [2.5.4]", amqptest.End(0, c.condition))
			p.WantIdle("and what crosses is discarded")
			e := p.WantEvents("once", engine.EventSessionError)[0]
			if e.Err().Scope != engine.ScopeSession || !e.Err().Local {
				t.Errorf("%v", e.Err())
			}
			p.Send(&wire.End{}, amqptest.On(1, &wire.Attach{Name: "other", Role: wire.RoleReceiver, Handle: 0}))
			p.Want("other sessions go on", amqptest.Any[wire.Attach]())
			wantSessions(t, p, 1)
			if _, links, _, _ := p.Conn.Numbers(); links > 2 {
				t.Errorf("%d link numbers", links)
			}
		})
	}
}

// [2.6.5] What a peer does wrong on a link ends the link, nothing else.
func TestLinkErrorsEndTheLink(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		said      any
		condition wire.Symbol
	}{
		"transfer without credit [2.6.7]": {transfer(0, false, "x"), wire.ErrTransferLimitExceeded},
		"a multi-frame one without credit": {amqptest.Transfer(wire.Transfer{HasDeliveryID: true, DeliveryTag: []byte{1},
			More: true}, "x"), wire.ErrTransferLimitExceeded},
		"a delivery-tag of 33 octets [2.8.7]": {amqptest.Transfer(wire.Transfer{HasDeliveryID: true,
			DeliveryTag: make([]byte, 33)}, "x"), wire.ErrInvalidField},
		"a delivery-tag of 300 octets [2.8.7]": {amqptest.Transfer(wire.Transfer{HasDeliveryID: true,
			DeliveryTag: make([]byte, 300)}, "x"), wire.ErrInvalidField},
		"a delivery without a tag": {amqptest.Transfer(wire.Transfer{HasDeliveryID: true}, "x"),
			wire.ErrInvalidField},
		"a delivery-count beyond the credit": {&wire.Flow{HasHandle: true, HasDeliveryCount: true, DeliveryCount: 1,
			IncomingWindow: 1}, wire.ErrTransferLimitExceeded},
		"a delivery-count far beyond": {&wire.Flow{HasHandle: true, HasDeliveryCount: true,
			DeliveryCount: 1<<31 - 1, IncomingWindow: 1}, wire.ErrTransferLimitExceeded},
		"a transfer from the receiver [2.6.1]": {amqptest.Transfer(wire.Transfer{Handle: 1, HasDeliveryID: true,
			DeliveryTag: []byte{1}}, "x"), wire.ErrNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := amqptest.Begun(t, engine.Config{})
			p.Sender(0, 0)
			p.Receiver(1, 0)
			handle := uint32(0)
			if c.condition == wire.ErrNotAllowed {
				handle = 1
			}
			p.Send(c.said)
			p.Want("the link is closed, told why [2.6.5]", amqptest.Detach(handle, c.condition))
			p.Send(&wire.Detach{Handle: handle, Closed: true})
			p.WantIdle("nothing else suffers")
			p.Send(&wire.Detach{Handle: 1 - handle, Closed: true})
			p.Want("the other link was untouched", amqptest.Detach(1-handle, ""))
			if err := p.Conn.CheckInvariants(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTransferToAnUnansweredLinkIsRefused(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	p.Answer = nil
	p.Send(&wire.Attach{Name: "l", Role: wire.RoleSender, HasInitialDelivery: true})
	p.Send(transfer(0, false, "x"))
	e := p.WantEvents("nobody has granted credit [2.6.7]", engine.EventAttach, engine.EventLinkError)[1]
	p.Conn.Detach(e.Link, true, e.Err().Cause)
	p.Want("the answer is attach and detach", amqptest.Any[wire.Attach](), amqptest.Detach(0,
		wire.ErrTransferLimitExceeded))
}

// The unsettled map of an attach is of no use to a router that keeps none: it is checked, copied once and dropped.
func TestAnUnsettledMapOfAnySizeThatFitsIsTaken(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{MaxFrameSize: 1 << 20})
	var pairs []byte
	const n = 100_000
	for i := range n {
		pairs = append(wire.AppendBinary(pairs, []byte{byte(i >> 16), byte(i >> 8), byte(i)}), wire.CodeNull)
	}
	unsettled := append(wire.AppendMapHeader(nil, len(pairs), n), pairs...)
	p.Send(&wire.Attach{Name: "l", Role: wire.RoleSender, HasInitialDelivery: true, Unsettled: unsettled,
		IncompleteUnsettled: true})
	p.Want("the answer knows of nothing unsettled [2.6.13]",
		amqptest.Like(func(x *wire.Attach) bool { return x.Unsettled == nil }))
}

func TestLinkNamesAreBounded(t *testing.T) {
	t.Parallel()
	name := func(i, octets int) string { return fmt.Sprintf("%0*d", octets, i) }
	p := amqptest.Begun(t, engine.Config{})
	const most = 16 << 10 // 16 MiB
	for i := range uint32(most) {
		p.Send(&wire.Attach{Name: name(int(i), 1024), Handle: i, Role: wire.RoleReceiver})
	}
	p.Send(&wire.Detach{Handle: 7, Closed: true}) // makes room for one
	p.Forget()
	p.Send(&wire.Attach{Name: name(most, 1024), Handle: 7, Role: wire.RoleReceiver})
	p.Want("it has the room of another", amqptest.Any[wire.Attach]())
	p.Send(&wire.Attach{Name: "x", Handle: most, Role: wire.RoleReceiver})
	p.Want("there is no room any more", amqptest.End(0, wire.ErrResourceLimitExceeded))

	p = amqptest.Begun(t, engine.Config{})
	p.Send(&wire.Attach{Name: name(0, 1025), Role: wire.RoleReceiver})
	p.Want("a name is too long", amqptest.End(0, wire.ErrInvalidField))
}
