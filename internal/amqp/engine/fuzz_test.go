package engine_test

import (
	"testing"
	"time"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// phases bring an engine to the point from which on its peer sends anything.
var phases = []struct {
	name   string
	client bool
	said   []any
}{
	{name: "nothing said"},
	{name: "SASL", said: []any{wire.HeaderSASL}},
	{name: "authenticated", said: []any{wire.HeaderSASL, &wire.SASLInit{Mechanism: "ANONYMOUS"}}},
	{name: "AMQP header", said: []any{wire.HeaderAMQP}},
	{name: "open", said: opening},
	{name: "session", said: append(opening, &wire.Begin{IncomingWindow: 5, HandleMax: 9})},
	{name: "links", said: working},
	{name: "client", client: true},
	{name: "client in SASL", client: true, said: []any{wire.HeaderSASL, &wire.SASLMechanisms{Mechanisms: anonymous}}},
	{name: "client open", client: true, said: []any{wire.HeaderSASL, &wire.SASLMechanisms{Mechanisms: anonymous},
		&wire.SASLOutcome{}, wire.HeaderAMQP, &wire.Open{ContainerID: "s", MaxFrameSize: 512}}},
}

var opening = []any{wire.HeaderAMQP, &wire.Open{ContainerID: "c", MaxFrameSize: 512, ChannelMax: 9}}

// working has a link in each direction, with credit, a delivery in the middle and one that is not settled.
var working = append(opening[:2:2], &wire.Begin{IncomingWindow: 5, HandleMax: 9},
	&wire.Attach{Name: "in", Role: wire.RoleSender, HasInitialDelivery: true},
	&wire.Attach{Name: "out", Handle: 1, Role: wire.RoleReceiver},
	transfer(0, false, "whole"), begin(1, "half"),
	&wire.Flow{HasNextIncomingID: true, IncomingWindow: 5, HasHandle: true, Handle: 1, HasLinkCredit: true, LinkCredit: 5})

// FuzzInput gives an engine in any phase any octets, as they are or each piece in the header of a frame. The engine and
// its caller stay sane: no panic, tables that agree, and only well-formed frames as answers.
func FuzzInput(f *testing.F) {
	seeds := []any{&wire.Begin{HandleMax: 5}, transfer(2, true, "x"), rest(false, "end"), aborted,
		&wire.Attach{Name: "in", Handle: 2, Role: wire.RoleSender, HasInitialDelivery: true},
		&wire.Flow{HasHandle: true, Echo: true, Drain: true}, &wire.Disposition{Role: wire.RoleReceiver, Last: 5,
			Settled: true},
		&wire.Disposition{Role: wire.RoleSender, Last: 1 << 30, Settled: true}, &wire.Detach{Handle: 1}, &wire.End{},
		&wire.Close{},
		&wire.Open{ContainerID: "x", MaxFrameSize: 512}, wire.HeaderAMQP, &wire.SASLResponse{Response: []byte("x")}}
	for phase := range phases {
		var all []byte
		for _, x := range seeds {
			one := amqptest.Encode(nil, x)
			f.Add(byte(phase), false, one)
			if len(one) > 8 {
				all = append(append(all, byte(len(one)-8)), one[8:]...)
			}
		}
		f.Add(byte(phase), true, all)
	}
	f.Fuzz(func(t *testing.T, phase byte, framed bool, octets []byte) {
		from := phases[int(phase)%len(phases)]
		p := amqptest.New(t, engine.Config{Client: from.client, SASL: engine.SASLOptional, Mechanisms: anonymous,
			ContainerID:  "r",
			MaxFrameSize: 512, ChannelMax: 9, IdleTimeOut: time.Minute, HandshakeTimeOut: time.Second})
		p.Answer = func(e *engine.Event) { busy(p, e) }
		p.Send(from.said...)
		p.Forget()
		if p.Conn.Closed() {
			t.Fatalf("phase %q ended at once", from.name)
		}
		if framed {
			octets = frames(octets, from.name == "SASL" || from.name == "client in SASL")
		}
		p.Send(octets)
		for p.Next() != nil { // which decodes
		}
		if err := p.Conn.CheckInvariants(); err != nil {
			t.Fatal(err)
		}
		p.Advance(2 * time.Minute)
		if !p.Conn.Closed() {
			t.Error("a silent peer was kept")
		}
	})
}

// frames makes frames of pieces: a length and as many octets of body each.
func frames(octets []byte, sasl bool) (framed []byte) {
	for len(octets) > 0 {
		n := min(int(octets[0]), len(octets)-1)
		typ := wire.FrameAMQP
		if sasl {
			typ = wire.FrameSASL
		}
		start := len(framed)
		framed = append(wire.BeginFrame(framed, typ, 0), octets[1:1+n]...)
		wire.EndFrame(framed[start:], 0, 0)
		octets = octets[1+n:]
	}
	return framed
}

// busy is a caller that does something with every event.
func busy(p *amqptest.Peer, e *engine.Event) {
	p.Accept(e)
	c := p.Conn
	switch e.Kind {
	case engine.EventAttach:
		c.Grant(e.Link, 3)
		c.Drain(e.Link)
		c.Grant(e.Link, 2)
	case engine.EventCredit:
		if d := c.Deliver(e.Link, e.Credit%2 == 0, 0); d != engine.None {
			if _, done := c.Write(d, nil, slice("message"), e.Credit%3 != 0); !done && e.Credit%5 == 0 {
				c.Abort(d)
			}
		}
		c.Drained(e.Link)
	case engine.EventTransfer:
		if !e.Settled && len(e.Payload)%2 == 0 {
			c.Settle(e.Delivery, acceptedState)
		}
	case engine.EventOutcome:
		if !e.Settled {
			c.SettleOutgoing(e.Delivery, e.State)
		}
	case engine.EventMechanisms, engine.EventChallenge:
		c.Respond([]byte("x"))
	}
}

// FuzzTwoEngines drives two engines and their callers with operations, see world.
func FuzzTwoEngines(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x01\x00\x00\x00\x94\xff\xff\x00\x14\xff\xff\x00\x05\x00\x09\x00"))
	f.Fuzz(func(t *testing.T, octets []byte) {
		var ops [][4]byte
		for ; len(octets) >= 4 && len(ops) < 2000; octets = octets[4:] {
			ops = append(ops, [4]byte(octets))
		}
		run(t, ops)
	})
}
