package engine

import (
	"bytes"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// inputHeader takes a protocol header [2.2].
func (c *Connection) inputHeader(b []byte) int {
	var h wire.ProtocolHeader
	n := copy(h[:], b)
	if !bytes.Equal(h[:min(n, 4)], wire.HeaderAMQP[:min(n, 4)]) {
		c.refuseHeader("it does not begin with AMQP")
		return 0
	}
	if n < len(h) {
		return 0
	}
	if c.cfg.Client {
		return c.answeredHeader(h)
	}
	switch {
	case h == wire.HeaderSASL && c.phase == phaseHeader:
		c.sendHeader(wire.HeaderSASL)
		m := wire.SASLMechanisms{Mechanisms: c.cfg.Mechanisms}
		c.frame(wire.FrameSASL, 0, &m)
		c.phase = phaseSASL
	case h == wire.HeaderAMQP && (c.phase == phaseAMQP || c.cfg.SASL != SASLRequired):
		c.sendHeader(wire.HeaderAMQP)
		c.phase = phaseOpen
	case h == wire.HeaderAMQP:
		c.refuseHeader("the SASL layer is required here")
		return 0
	default:
		c.refuseHeader("only version 1.0.0 of AMQP, alone or with its SASL layer, is spoken here")
		return 0
	}
	return len(h)
}

// answeredHeader takes the server's header, which must be the one sent.
func (c *Connection) answeredHeader(h wire.ProtocolHeader) int {
	switch {
	case c.phase == phaseHeader && c.cfg.SASL != SASLNone && h == wire.HeaderSASL:
		c.phase = phaseSASL
	case (c.phase == phaseAMQP || c.cfg.SASL == SASLNone) && h == wire.HeaderAMQP:
		c.phase = phaseOpen
	default:
		c.fail(cause(wire.ErrFraming, "the peer answered with protocol header %q", h[:]))
		return 0
	}
	return len(h)
}

// refuseHeader ends a connection whose header is wrong: a server says which one would be right [2.2].
func (c *Connection) refuseHeader(why string) {
	if !c.cfg.Client {
		h := wire.HeaderAMQP
		if c.cfg.SASL == SASLRequired && !c.saslDone {
			h = wire.HeaderSASL
		}
		c.sendHeader(h)
	}
	c.fail(cause(wire.ErrFraming, "protocol header refused: %s", why))
}

// fail ends the connection without a close: the peer does not speak AMQP, or not yet.
func (c *Connection) fail(err *wire.Error) {
	c.phase = phaseEnd
	c.emit(Event{Kind: EventDisconnected, Cold: &Cold{Err: &Error{Scope: ScopeConnection, Local: true, Cause: err}}})
}

func (c *Connection) sendHeader(h wire.ProtocolHeader) {
	c.out.commit(append(c.out.reserve(len(h)), h[:]...))
}
