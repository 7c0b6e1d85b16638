package router

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// lives checks that a connection still begins sessions.
func (p *raw) lives() {
	p.t.Helper()
	p.sync()
}

// sessionLives checks that the session on channel 0 still attaches links.
func (p *raw) sessionLives() {
	p.t.Helper()
	p.attachReceiver(60, "closest/lives", 1)
}

// TestPeersThatBreakARuleLoseTheConnection has wrong frames that leave no doubt about the peer.
func TestPeersThatBreakARuleLoseTheConnection(t *testing.T) {
	t.Parallel()
	r, b := besieged(t)
	for what, c := range map[string]struct {
		say       []any
		condition wire.Symbol
	}{
		"a second open":                {[]any{&wire.Open{ContainerID: "x", MaxFrameSize: 512}}, wire.ErrIllegalState},
		"a frame on an unused channel": {[]any{amqptest.On(7, &wire.Flow{})}, wire.ErrFraming},
		"an end on an unused channel":  {[]any{amqptest.On(7, &wire.End{})}, wire.ErrFraming},
		"a begin on a used channel":    {[]any{&wire.Begin{IncomingWindow: 1}}, wire.ErrNotAllowed},
		"a begin above channel-max":    {[]any{amqptest.On(40_000, &wire.Begin{IncomingWindow: 1})}, wire.ErrFraming},
		"an answer to a begin never sent": {[]any{amqptest.On(7,
			&wire.Begin{RemoteChannel: 3, HasRemoteChannel: true})}, wire.ErrInvalidField},
		"a handle above handle-max": {[]any{&wire.Attach{Name: "x", Handle: 1 << 20, Role: wire.RoleReceiver}},
			wire.ErrFraming},
		"an attach without a name": {[]any{performative(0x12, wire.CodeList0)}, wire.ErrInvalidField},
		"a role that is a string": {[]any{performative(0x12, wire.CodeList8, 7, 3, wire.CodeString8, 1, 'x',
			wire.CodeUint0, wire.CodeString8, 0)}, wire.ErrInvalidField},
		"a flow that is cut off": {[]any{performative(0x13, wire.CodeList8, 200, 4, wire.CodeNull)},
			wire.ErrDecode},
		"a list with more than it holds": {[]any{performative(0x13, wire.CodeList8, 3, 200, wire.CodeNull,
			wire.CodeNull)}, wire.ErrDecode},
		"a list with a size below its count": {[]any{performative(0x13, wire.CodeList32, 0, 0, 0, 4, 255, 255, 255, 255)},
			wire.ErrDecode},
		"a source with a bomb of levels":   {[]any{attachWith(deep(1000))}, wire.ErrResourceLimitExceeded},
		"a source with a bomb of elements": {[]any{attachWith(zeroWidth())}, wire.ErrResourceLimitExceeded},
		"an unknown performative":          {[]any{performative(0x19, wire.CodeList0)}, wire.ErrNotImplemented},
		"a SASL performative":              {[]any{performative(0x41, wire.CodeList0)}, wire.ErrNotImplemented},
		"a described performative": {[]any{append(sized(17, 2, 0), 0, 0, 0, 0, 0x53, 0x13, 0x53, 0x13, 0x45)},
			wire.ErrDecode},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := rawBegin(t, r)
			p.send(c.say...)
			p.wantClose(what, c.condition)
			b.goesOn(t)
		})
	}
}

// performative is a frame on channel 0 whose body is a descriptor and some octets.
func performative(code byte, octets ...byte) []byte {
	return append(append(sized(uint32(11+len(octets)), 2, 0), 0, 0x53, code), octets...)
}

// attachWith is an attach whose source has a filter.
func attachWith(filter []byte) any {
	return &wire.Attach{Name: "bomb", Handle: 9, Role: wire.RoleReceiver,
		Source: &wire.Source{Address: "closest/x", HasAddress: true, Filter: filter}}
}

// TestPeersThatBreakARuleOfASessionLoseTheSession has wrong frames that only their session pays for. There is a
// receiver on handle 0, and a sender with credit on handle 1, whose session it is.
func TestPeersThatBreakARuleOfASessionLoseTheSession(t *testing.T) {
	t.Parallel()
	r, b := besieged(t)
	tag := []byte{1}
	anonymous := func(x wire.Transfer) any { x.Handle = 1; return transfer(x, body("x")) }
	for what, c := range map[string]struct {
		say       []any
		condition wire.Symbol
	}{
		"a transfer on an unattached handle": {[]any{
			transfer(wire.Transfer{Handle: 33, HasDeliveryID: true, DeliveryTag: tag}, "")}, wire.ErrUnattachedHandle},
		"a flow on an unattached handle":   {[]any{&wire.Flow{Handle: 33, HasHandle: true}}, wire.ErrUnattachedHandle},
		"a detach of an unattached handle": {[]any{&wire.Detach{Handle: 33}}, wire.ErrUnattachedHandle},
		"a transfer without delivery-id":   {[]any{anonymous(wire.Transfer{DeliveryTag: tag})}, wire.ErrInvalidField},
		"a delivery-id out of sequence": {[]any{
			anonymous(wire.Transfer{HasDeliveryID: true, DeliveryTag: tag}),
			anonymous(wire.Transfer{HasDeliveryID: true, DeliveryID: 5, DeliveryTag: tag})}, wire.ErrInvalidField},
		"a delivery-id that changes": {[]any{
			anonymous(wire.Transfer{HasDeliveryID: true, DeliveryTag: tag, More: true}),
			anonymous(wire.Transfer{HasDeliveryID: true, DeliveryID: 1})}, wire.ErrInvalidField},
		"a disposition with last before first": {[]any{&wire.Disposition{Role: wire.RoleReceiver, First: 5, Last: 4,
			Settled: true}}, wire.ErrInvalidField},
		"a handle that is attached": {[]any{&wire.Attach{Name: "other", Handle: 0, Role: wire.RoleReceiver,
			Source: &wire.Source{Address: "closest/x", HasAddress: true}}}, wire.ErrHandleInUse},
		"a link name of 1025 octets": {[]any{&wire.Attach{Name: strings.Repeat("n", 1025), Handle: 9,
			Role: wire.RoleReceiver}}, wire.ErrInvalidField},
		"a sender without delivery-count": {[]any{&wire.Attach{Name: "other", Handle: 9, Role: wire.RoleSender}},
			wire.ErrInvalidField},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := rawBegin(t, r)
			p.attachReceiver(0, "closest/"+t.Name(), 10)
			p.attachSender(1, "")
			p.send(c.say...)
			p.wantSessionEnd(what, c.condition)
			p.lives()
			b.goesOn(t)
		})
	}
}

// TestPeersThatBreakARuleOfALinkLoseTheLink has wrong frames that only their link pays for.
func TestPeersThatBreakARuleOfALinkLoseTheLink(t *testing.T) {
	t.Parallel()
	r, b := besieged(t)
	for what, c := range map[string]struct {
		say       func(*raw)
		handle    uint32
		condition wire.Symbol
	}{
		"a transfer without credit": {func(p *raw) {
			p.attachIdleSender(2, "closest/nobody"+p.t.Name())
			p.deliver(2, body("x"))
		}, 2, wire.ErrTransferLimitExceeded},
		"more transfers than credit": {func(p *raw) {
			p.attachReceiver(3, "closest/"+p.t.Name(), 0)
			for range p.attachSender(2, "closest/"+p.t.Name()) + 1 {
				p.deliver(2, body("x"))
			}
		}, 2, wire.ErrTransferLimitExceeded},
		"a transfer without a delivery-tag": {func(p *raw) {
			x := p.first(1)
			x.DeliveryTag = nil
			p.send(transfer(x, body("x")))
		}, 1, wire.ErrInvalidField},
		"a delivery-tag of 33 octets": {func(p *raw) {
			x := p.first(1)
			x.DeliveryTag = make([]byte, 33)
			p.send(transfer(x, body("x")))
		}, 1, wire.ErrInvalidField},
		"a sender to an address of 1025 octets": {func(p *raw) {
			p.send(&wire.Attach{Name: "far", Handle: 2, Role: wire.RoleSender, HasInitialDelivery: true,
				Target: &wire.Target{Address: strings.Repeat("a", 1025), HasAddress: true}})
			p.attached(2)
		}, 2, wire.ErrInvalidField},
		"a receiver of an address of 60,000 octets": {func(p *raw) {
			p.send(&wire.Attach{Name: "far", Handle: 2, Role: wire.RoleReceiver,
				Source: &wire.Source{Address: strings.Repeat("a", 60_000), HasAddress: true}})
			p.attached(2)
		}, 2, wire.ErrInvalidField},
		"a transfer on a link of the router": {func(p *raw) { p.deliver(0, body("x")) }, 0, wire.ErrNotAllowed},
		"a delivery-count beyond the credit": {func(p *raw) {
			p.send(&wire.Flow{IncomingWindow: 10, OutgoingWindow: 10, Handle: 1, HasHandle: true, DeliveryCount: 1000,
				HasDeliveryCount: true, HasLinkCredit: true})
		}, 1, wire.ErrTransferLimitExceeded},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := rawBegin(t, r)
			p.attachReceiver(0, "closest/other"+t.Name(), 10)
			p.attachSender(1, "")
			c.say(p)
			p.wantDetach(what, c.handle, c.condition)
			p.sessionLives()
			b.goesOn(t)
		})
	}
}

func TestLinkNameAttachedTwiceIsStolen(t *testing.T) {
	t.Parallel()
	r, b := besieged(t)
	p := rawBegin(t, r)
	for handle := range uint32(50) {
		p.send(&wire.Attach{Name: "same", Handle: handle, Role: wire.RoleReceiver,
			Source: &wire.Source{Address: "closest/x", HasAddress: true}})
		p.attached(handle)
		if handle > 0 {
			p.wantDetach("the older link loses its name [2.6.1]", handle-1, wire.ErrStolen)
		}
	}
	p.grant(49, 0, 1)
	p.attachSender(50, "closest/x")
	p.deliver(50, body("x"))
	if got := p.receive(49); string(got.payload) != body("x") {
		t.Errorf("%q arrives", got.payload)
	}
	if row, _ := addressRow(r, "closest/x"); row.SubscriberCount != 1 {
		t.Errorf("%d consumers are left of 50 with the same name", row.SubscriberCount)
	}
	b.goesOn(t)
}

// TestStormsDisturbNobody has very many frames, each of them allowed.
func TestStormsDisturbNobody(t *testing.T) {
	t.Parallel()
	r, b := besieged(t)
	for what, storm := range map[string]func(*testing.T, *raw){
		"dispositions of everything": func(_ *testing.T, p *raw) {
			for range 1000 {
				p.send(&wire.Disposition{Role: wire.RoleReceiver, First: 0, Last: math.MaxInt32, Settled: true,
					State: wire.State{Kind: wire.StateAccepted}},
					&wire.Disposition{Role: wire.RoleSender, First: 1 << 31, Last: math.MaxUint32, Settled: true})
			}
			p.lives()
		},
		"dispositions of deliveries that never were": func(_ *testing.T, p *raw) {
			var all []any
			for i := range uint32(20_000) {
				all = append(all, &wire.Disposition{Role: wire.RoleReceiver, First: 7 * i, Last: 7*i + 3, Settled: true})
			}
			p.send(all...)
			p.lives()
		},
		"flows with echo and drain": func(_ *testing.T, p *raw) {
			p.attachReceiver(0, "closest/drained", 10)
			var all []any
			for i := range uint32(20_000) {
				all = append(all, &wire.Flow{IncomingWindow: 100, OutgoingWindow: 100, HasHandle: true, Drain: true, Echo: true,
					DeliveryCount: i, HasDeliveryCount: true, LinkCredit: i % 50, HasLinkCredit: true})
			}
			go p.send(all...) // the answers have to be read meanwhile
			p.creditOf(0, "the last one", func(x *wire.Flow) bool { return x.DeliveryCount >= 20_000-1+19_999%50 })
			p.lives()
		},
		"attaches and detaches": func(_ *testing.T, p *raw) {
			for i := range 500 {
				p.send(&wire.Attach{Name: fmt.Sprint(i), Handle: 1, Role: wire.RoleReceiver, Source: &wire.Source{
					Address: fmt.Sprintf("closest/storm%d", i), HasAddress: true}}, &wire.Detach{Handle: 1, Closed: true})
			}
			p.sessionLives()
		},
		"links": func(_ *testing.T, p *raw) {
			var all []any
			for i := range uint32(3000) {
				all = append(all, &wire.Attach{Name: fmt.Sprint(i), Handle: i, Role: wire.RoleReceiver, Source: &wire.Source{
					Address: fmt.Sprintf("closest/many%d", i), HasAddress: true}})
			}
			p.send(all...)
			for i := range uint32(3000) {
				p.attached(i)
			}
		},
		"sessions": func(_ *testing.T, p *raw) {
			var all []any
			for i := range uint16(101) { // channel-max is 100 on this side, and 0 has one
				all = append(all, amqptest.On(i+1, &wire.Begin{IncomingWindow: 1, OutgoingWindow: 1, HandleMax: 1}))
			}
			p.send(all...)
			p.wantClose("no channel is left on this side", wire.ErrResourceLimitExceeded)
		},
		"aborted deliveries": func(_ *testing.T, p *raw) {
			p.attachSender(0, "")
			for range 20_000 {
				x := p.first(0)
				x.More = true
				p.send(transfer(x, body("half")), &wire.Transfer{Aborted: true})
			}
			p.wantReleasedBy("the link lives", 0)
		},
		"deliveries that never end": func(_ *testing.T, p *raw) {
			for handle := range uint32(200) {
				p.attachSender(handle, "")
				x := p.first(handle)
				x.More = true
				p.send(transfer(x, encode(p.t, &message.Message{Properties: &message.Properties{To: "closest/bystander"}})))
			}
			p.lives()
		},
		"empty frames of deliveries": func(_ *testing.T, p *raw) {
			p.attachSender(0, "")
			x := p.first(0)
			x.More = true
			p.send(transfer(x, ""))
			for range 20_000 {
				p.send(transfer(wire.Transfer{More: true}, ""))
			}
			p.send(transfer(wire.Transfer{}, ""))
			p.wantRejected("nothing in it says where to", x.DeliveryID, wire.ErrPreconditionFailed)
		},
		"frames of one octet": func(_ *testing.T, p *raw) {
			p.attachSender(0, "")
			x := p.first(0)
			x.More = true
			p.send(transfer(x, ""))
			whole := encode(p.t, &message.Message{Annotations: many(100),
				Properties: &message.Properties{To: "closest/nobody"}, Body: message.Data{make([]byte, 5000)}})
			var all []any
			for i := range len(whole) {
				all = append(all, transfer(wire.Transfer{More: i < len(whole)-1}, whole[i:i+1]))
			}
			p.send(all...)
			p.wantOutcome("it is understood, and nobody is there", x.DeliveryID, wire.StateReleased)
		},
		"an unsettled map": func(_ *testing.T, p *raw) {
			unsettled := make([]byte, 0, 60_000)
			count := 0
			for ; len(unsettled) < 59_000; count++ {
				unsettled = append(wire.AppendBinary(unsettled, binary.BigEndian.AppendUint32(nil, uint32(count))), wire.CodeNull)
			}
			p.send(&wire.Attach{Name: "u", Role: wire.RoleSender, HasInitialDelivery: true, Unsettled: append(
				wire.AppendMapHeader(nil, len(unsettled), count), unsettled...), Target: &wire.Target{}})
			p.attached(0)
			p.sessionLives()
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			storm(t, rawBegin(t, r))
			b.goesOn(t)
		})
	}
}

// wantReleasedBy sends a message to nobody on an anonymous link and waits for its outcome.
func (p *raw) wantReleasedBy(why string, handle uint32) {
	p.t.Helper()
	m := &message.Message{Properties: &message.Properties{To: "closest/nobody"}}
	p.wantOutcome(why, p.deliver(handle, encode(p.t, m)), wire.StateReleased)
}
