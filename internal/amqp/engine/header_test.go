package engine_test

import (
	"testing"
	"time"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
)

var anonymous = []wire.Symbol{"ANONYMOUS"}

func TestServerAnswersTheSASLHeaderWithItsMechanisms(t *testing.T) {
	t.Parallel()
	p := amqptest.New(t, engine.Config{Mechanisms: []wire.Symbol{"EXTERNAL", "PLAIN"}})
	p.WantIdle("a server waits for the client's header [2.2]")
	p.Send(wire.HeaderSASL)
	p.Want("the header is echoed, then the mechanisms follow [5.3.2]", wire.HeaderSASL,
		&wire.SASLMechanisms{Mechanisms: []wire.Symbol{"EXTERNAL", "PLAIN"}})
	p.WantIdle("the client is to choose [5.3.2]")
}

func TestServerTakesAnAMQPHeaderWithoutSASLWhenItIsOptional(t *testing.T) {
	t.Parallel()
	p := amqptest.New(t, engine.Config{SASL: engine.SASLOptional})
	p.Send(wire.HeaderAMQP)
	p.Want("the header is echoed [2.2]", wire.HeaderAMQP)
}

// [2.2] A header that cannot be agreed upon is answered with the one that would be right, and the connection ends.
func TestServerRefusesWrongHeaders(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mode   engine.SASLMode
		header string
		right  wire.ProtocolHeader
	}{
		"AMQP without SASL where SASL is required": {engine.SASLRequired, "AMQP\x00\x01\x00\x00", wire.HeaderSASL},
		"AMQP 0-9-1":            {engine.SASLOptional, "AMQP\x00\x00\x09\x01", wire.HeaderAMQP},
		"AMQP 1.0.1":            {engine.SASLOptional, "AMQP\x00\x01\x00\x01", wire.HeaderAMQP},
		"SASL of another major": {engine.SASLRequired, "AMQP\x03\x02\x00\x00", wire.HeaderSASL},
		"the AMQP TLS layer":    {engine.SASLOptional, "AMQP\x02\x01\x00\x00", wire.HeaderAMQP},
		"HTTP":                  {engine.SASLRequired, "GET / HTTP/1.1\r\n\r\n", wire.HeaderSASL},
		"half a word of HTTP":   {engine.SASLOptional, "G", wire.HeaderAMQP},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := amqptest.New(t, engine.Config{SASL: c.mode, Mechanisms: anonymous})
			p.Send([]byte(c.header))
			p.Want("the right header is told [2.2]", c.right)
			p.WantIdle("there is no frame before the layers are agreed upon")
			wantRefused(t, p, wire.ErrFraming)
		})
	}
}

func TestClientRefusesAnotherHeaderThanItsOwn(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]string{
		"no SASL": "AMQP\x00\x01\x00\x00", "no AMQP": "HTTP/1.1 400", "0-9-1": "AMQP\x00\x00\x09\x01",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := amqptest.New(t, engine.Config{Client: true})
			p.Want("the client speaks first [2.2]", wire.HeaderSASL)
			p.Send([]byte(header))
			p.WantIdle("nothing can be said to such a peer")
			wantRefused(t, p, wire.ErrFraming)
		})
	}
}

func TestClientWithoutSASLGoesOnWithOpen(t *testing.T) {
	t.Parallel()
	p := amqptest.New(t, engine.Config{Client: true, SASL: engine.SASLNone, ContainerID: "c"})
	p.Conn.Open(nil) // pipelined [2.4.2]
	p.Want("header and open leave together [2.4.2]", wire.HeaderAMQP, amqptest.Any[wire.Open]())
	p.Send(wire.HeaderAMQP, &wire.Open{ContainerID: "server", MaxFrameSize: 512})
	p.WantEvents("the server's open is reported", engine.EventOpen)
	if !p.Conn.Opened() || p.Conn.Remote().ContainerID != "server" {
		t.Errorf("opened %v by %+v", p.Conn.Opened(), p.Conn.Remote())
	}
}

// A client that closes before the server has said a word has pipelined its open, so a close must follow it [2.4.3].
func TestClientClosesAPipelinedOpen(t *testing.T) {
	t.Parallel()
	p := amqptest.New(t, engine.Config{Client: true, SASL: engine.SASLNone, ContainerID: "c"})
	p.Conn.Open(nil)
	p.Conn.Close(nil)
	p.Want("an open is followed by a close", wire.HeaderAMQP, amqptest.Any[wire.Open](), amqptest.Close(""))
	if !p.Conn.Closed() {
		t.Error("the client waits for something")
	}
}

func TestFramesAreTakenInAnyPieces(t *testing.T) {
	t.Parallel()
	for _, step := range []int{1, 2, 3, 7, 8, 13, 100} {
		p := amqptest.New(t, engine.Config{Mechanisms: anonymous, ContainerID: "s", MaxFrameSize: 512})
		p.Step = step
		p.Send(wire.HeaderSASL, &wire.SASLInit{Mechanism: "ANONYMOUS"}, wire.HeaderAMQP,
			&wire.Open{ContainerID: "peer", MaxFrameSize: 512}, &wire.Begin{}, amqptest.Empty, &wire.End{}, &wire.Close{})
		p.Want("everything is answered in its order", wire.HeaderSASL, amqptest.Any[wire.SASLMechanisms](),
			&wire.SASLOutcome{Code: wire.SASLOK}, wire.HeaderAMQP, amqptest.Any[wire.Open](), amqptest.Any[wire.Begin](),
			amqptest.End(0, ""), amqptest.Close(""))
	}
}

func TestHandshakeLimitEndsSilentConnections(t *testing.T) {
	t.Parallel()
	const limit = 5 * time.Second
	open := amqptest.Encode(nil, &wire.Open{ContainerID: "slow", MaxFrameSize: 512})
	for name, said := range map[string][]any{
		"silent":                  nil,
		"half a header":           {[]byte("AMQ")},
		"SASL header only":        {wire.HeaderSASL},
		"no AMQP header":          {wire.HeaderSASL, &wire.SASLInit{Mechanism: "ANONYMOUS"}},
		"no open":                 {wire.HeaderSASL, &wire.SASLInit{Mechanism: "ANONYMOUS"}, wire.HeaderAMQP},
		"an open with an end cut": {wire.HeaderSASL, &wire.SASLInit{Mechanism: "ANONYMOUS"}, wire.HeaderAMQP, open[:9]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := amqptest.New(t, engine.Config{Mechanisms: anonymous, HandshakeTimeOut: limit, MaxFrameSize: 512})
			p.Conn.Advance(p.Now)
			p.Send(said...)
			p.Advance(limit - 1)
			if p.Conn.Closed() {
				t.Fatal("ended before the limit")
			}
			p.Forget()
			p.Advance(1)
			if name == "no open" || name == "an open with an end cut" {
				p.Want("a peer that is known is told why [2.4.3]", amqptest.Any[wire.Open](),
					amqptest.Close(wire.ErrResourceLimitExceeded))
			}
			wantRefused(t, p, wire.ErrResourceLimitExceeded)
		})
	}
}

// An octet now and then shows that the peer lives, but not that it gets anywhere.
func TestHandshakeLimitIsNotExtendedByOneOctetASecond(t *testing.T) {
	t.Parallel()
	p := amqptest.New(t, engine.Config{Mechanisms: anonymous, HandshakeTimeOut: 5 * time.Second})
	p.Conn.Advance(p.Now)
	octets := amqptest.Encode(amqptest.Encode(nil, wire.HeaderSASL), &wire.SASLInit{Mechanism: "ANONYMOUS"})
	for i := range 10 {
		p.Send(octets[i : i+1])
		p.Advance(time.Second)
	}
	wantRefused(t, p, wire.ErrResourceLimitExceeded)
	if at := p.Conn.Deadline(); !at.IsZero() {
		t.Errorf("a connection that ended has the deadline %v", at)
	}
}

func TestHandshakeLimitEndsWithTheOpen(t *testing.T) {
	t.Parallel()
	p := amqptest.Opened(t, engine.Config{HandshakeTimeOut: 5 * time.Second})
	p.Advance(time.Hour)
	if !p.Conn.Opened() {
		t.Error("an open connection ended at the handshake limit")
	}
}

// wantRefused wants that the connection ended for an error of the peer.
func wantRefused(t *testing.T, p *amqptest.Peer, condition wire.Symbol) {
	t.Helper()
	if !p.Conn.Closed() {
		t.Fatal("the connection goes on")
	}
	e := p.LastEvent()
	if e.Kind != engine.EventDisconnected || e.Err() == nil || e.Err().Cause.Condition != condition || !e.Err().Local ||
		e.Err().Scope != engine.ScopeConnection {
		t.Fatalf("the last event is %d with %v, want the connection's end for %s", e.Kind, e.Err(), condition)
	}
	p.Send([]byte("more octets"))
	p.WantIdle("nothing is read or said after the end")
}
