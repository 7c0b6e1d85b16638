package engine_test

import (
	"testing"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
)

func TestServerRunsAnExchangeOfChallenges(t *testing.T) {
	t.Parallel()
	p := amqptest.New(t, engine.Config{Mechanisms: []wire.Symbol{"SCRAM-SHA-256"}})
	p.Answer = nil
	p.Send(wire.HeaderSASL, &wire.SASLInit{Mechanism: "SCRAM-SHA-256", InitialResponse: []byte("first"),
		HasInitialResponse: true, Hostname: "vhost"})
	p.Want("the mechanisms are told [5.3.2]", wire.HeaderSASL, amqptest.Any[wire.SASLMechanisms]())
	init := p.WantEvents("the choice is reported", engine.EventInit)[0].Cold.Init
	if init.Mechanism != "SCRAM-SHA-256" || string(init.InitialResponse) != "first" || init.Hostname != "vhost" {
		t.Errorf("init %+v", init)
	}
	p.Conn.Challenge([]byte("prove it"))
	p.Want("the challenge is sent [5.3.3.3]", &wire.SASLChallenge{Challenge: []byte("prove it")})
	p.Send(&wire.SASLResponse{Response: []byte("proof")}, wire.HeaderAMQP)
	if e := p.WantEvents("the response is reported [5.3.3.4]", engine.EventResponse)[0]; string(e.Cold.Data) != "proof" {
		t.Errorf("response %q", e.Cold.Data)
	}
	p.WantIdle("the AMQP header waits for the outcome")
	p.Conn.Outcome(wire.SASLOK, []byte("signature"))
	p.Resume()
	p.Want("the outcome ends the layer, and the AMQP header begins the next [5.3.2]",
		&wire.SASLOutcome{Code: wire.SASLOK, AdditionalData: []byte("signature")}, wire.HeaderAMQP)
}

func TestServerEndsAfterAFailedOutcome(t *testing.T) {
	t.Parallel()
	p := amqptest.New(t, engine.Config{Mechanisms: anonymous})
	p.Answer = func(e *engine.Event) {
		if e.Kind == engine.EventInit {
			p.Conn.Outcome(wire.SASLAuth, nil)
		}
	}
	p.Send(wire.HeaderSASL, &wire.SASLInit{Mechanism: "PLAIN"}, wire.HeaderAMQP, &wire.Open{ContainerID: "x"})
	p.Want("the failure is told", wire.HeaderSASL, amqptest.Any[wire.SASLMechanisms](), &wire.SASLOutcome{Code: 1})
	p.WantIdle("nothing more is said to somebody unknown")
	if !p.Conn.Closed() {
		t.Error("the connection goes on")
	}
}

func TestClientRunsAnExchangeOfChallenges(t *testing.T) {
	t.Parallel()
	p := amqptest.New(t, engine.Config{Client: true, ContainerID: "c"})
	p.Answer = nil
	p.Want("the client speaks first [5.3.2]", wire.HeaderSASL)
	p.Send(wire.HeaderSASL, &wire.SASLMechanisms{Mechanisms: []wire.Symbol{"A", "B"}})
	if e := p.WantEvents("the mechanisms are reported", engine.EventMechanisms)[0]; len(e.Cold.Mechanisms) != 2 {
		t.Errorf("mechanisms %v", e.Cold.Mechanisms)
	}
	p.Conn.Init("B", []byte{}, "host")
	p.Want("the choice is told, an empty response being one [5.3.3.2]",
		&wire.SASLInit{Mechanism: "B", InitialResponse: []byte{}, HasInitialResponse: true, Hostname: "host"})
	p.Send(&wire.SASLChallenge{Challenge: []byte("c")})
	p.WantEvents("the challenge is reported", engine.EventChallenge)
	p.Conn.Respond([]byte("r"))
	p.Want("the response is sent", &wire.SASLResponse{Response: []byte("r")})
	p.Send(&wire.SASLOutcome{Code: wire.SASLOK, AdditionalData: []byte("signature")})
	e := p.WantEvents("success is reported", engine.EventAuthenticated)[0]
	if string(e.Cold.Data) != "signature" {
		t.Errorf("additional data %q", e.Cold.Data)
	}
	p.Conn.Open(nil)
	p.Want("the AMQP layer begins at once [5.3.2]", wire.HeaderAMQP, amqptest.Any[wire.Open]())
	p.Send(wire.HeaderAMQP, &wire.Open{ContainerID: "s", MaxFrameSize: 512})
	p.WantEvents("and opens", engine.EventOpen)
}

func TestClientEndsWhenItIsRefused(t *testing.T) {
	t.Parallel()
	p := amqptest.New(t, engine.Config{Client: true})
	p.Send(wire.HeaderSASL, &wire.SASLMechanisms{Mechanisms: anonymous}, &wire.SASLOutcome{Code: wire.SASLAuth})
	p.Want("the client chose", wire.HeaderSASL, &wire.SASLInit{Mechanism: "ANONYMOUS"})
	wantRefused(t, p, wire.ErrUnauthorizedAccess)
}

// What does not belong into the SASL layer ends the connection without a word: the peer is not known yet.
func TestSASLLayerRefusesWhatIsOutOfPlace(t *testing.T) {
	t.Parallel()
	init := &wire.SASLInit{Mechanism: "ANONYMOUS"}
	for name, c := range map[string]struct {
		said      []any
		condition wire.Symbol
	}{
		"an AMQP frame typed as SASL": {[]any{amqptest.Frame{Type: wire.FrameSASL, Body: &wire.Open{ContainerID: "x"}}},
			wire.ErrNotAllowed},
		"a SASL frame typed as AMQP": {[]any{amqptest.Frame{Type: wire.FrameAMQP, Body: init}}, wire.ErrFraming},
		"an AMQP frame":              {[]any{&wire.Open{ContainerID: "x"}}, wire.ErrFraming},
		"an unknown frame type":      {[]any{amqptest.Frame{Type: 7, Body: init}}, wire.ErrFraming},
		"an empty SASL frame":        {[]any{amqptest.Frame{Type: wire.FrameSASL}}, wire.ErrDecode},
		"a second init":              {[]any{init, init}, wire.ErrNotAllowed},
		"a response before the init": {[]any{&wire.SASLResponse{Response: []byte{}}}, wire.ErrNotAllowed},
		"a server's performative":    {[]any{&wire.SASLOutcome{}}, wire.ErrNotAllowed},
		"an init without mechanism": {[]any{[]byte("\x00\x00\x00\x0c\x02\x01\x00\x00\x00\x53\x41\x45")},
			wire.ErrInvalidField},
		"a frame larger than 16 KiB": {[]any{[]byte("\x00\x00\x40\x01\x02\x01\x00\x00")}, wire.ErrFraming},
		"a mechanism of 4 GiB in 1 KiB": {[]any{[]byte("\x00\x00\x00\x16\x02\x01\x00\x00" +
			"\x00\x53\x41\xc0\x09\x01\xb3\xff\xff\xff\xff\x00\x00\x00")}, wire.ErrDecode},
		"a mechanism that is no ASCII": {[]any{[]byte("\x00\x00\x00\x12\x02\x01\x00\x00" +
			"\x00\x53\x41\xc0\x05\x01\xa3\x02\xc3\xa9")}, wire.ErrDecode},
		"a performative that is no composite": {[]any{[]byte("\x00\x00\x00\x09\x02\x01\x00\x00\x40")}, wire.ErrDecode},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := amqptest.New(t, engine.Config{Mechanisms: anonymous})
			p.Answer = func(e *engine.Event) {
				if e.Kind == engine.EventInit {
					p.Conn.Challenge([]byte("more"))
				}
			}
			p.Send(wire.HeaderSASL)
			p.Send(c.said...)
			for x := p.Next(); x != nil; x = p.Next() {
				if f, ok := x.(amqptest.Frame); ok && f.Type == wire.FrameAMQP {
					t.Errorf("the engine says %+v", f)
				}
			}
			wantRefused(t, p, c.condition)
		})
	}
}

// Endless challenges and responses go on until the handshake limit, in constant memory.
func TestEndlessSASLEndsAtTheHandshakeLimit(t *testing.T) {
	t.Parallel()
	p := amqptest.New(t, engine.Config{Mechanisms: anonymous, HandshakeTimeOut: 5e9})
	p.Answer = func(e *engine.Event) {
		if e.Kind == engine.EventInit || e.Kind == engine.EventResponse {
			p.Conn.Challenge([]byte("more"))
		}
	}
	p.Send(wire.HeaderSASL, &wire.SASLInit{Mechanism: "ANONYMOUS"})
	for range 100 {
		p.Send(&wire.SASLResponse{Response: []byte("…")})
		p.Advance(1e8)
		p.Forget()
	}
	p.Send(wire.HeaderAMQP)
	p.WantIdle("the connection has ended")
	if !p.Conn.Closed() {
		t.Error("the exchange goes on")
	}
}
