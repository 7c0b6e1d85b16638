package engine

import "github.com/postroad/postroad/internal/amqp/wire"

// inputSASL takes one frame of the SASL layer [5.3].
func (c *Connection) inputSASL(f wire.Frame) {
	code, err := wire.PeekDescriptor(f.Body)
	if err != nil {
		c.fail(wire.AsError(err))
		return
	}
	cold := &Cold{}
	e := Event{Cold: cold}
	switch {
	case !c.cfg.Client && code == wire.DescriptorSASLInit && !c.saslInit:
		cold.Init = new(wire.SASLInit)
		_, err = cold.Init.Decode(f.Body)
		e.Kind, c.saslInit = EventInit, true
	case !c.cfg.Client && code == wire.DescriptorSASLResponse && c.saslInit:
		var x wire.SASLResponse
		_, err = x.Decode(f.Body)
		e.Kind, cold.Data = EventResponse, x.Response
	case c.cfg.Client && code == wire.DescriptorSASLMechanisms && !c.saslInit:
		var x wire.SASLMechanisms
		_, err = x.Decode(f.Body)
		e.Kind, cold.Mechanisms = EventMechanisms, x.Mechanisms
	case c.cfg.Client && code == wire.DescriptorSASLChallenge && c.saslInit:
		var x wire.SASLChallenge
		_, err = x.Decode(f.Body)
		e.Kind, cold.Data = EventChallenge, x.Challenge
	case c.cfg.Client && code == wire.DescriptorSASLOutcome && c.saslInit:
		var x wire.SASLOutcome
		if _, err = x.Decode(f.Body); err == nil && x.Code != 0 {
			c.fail(cause(wire.ErrUnauthorizedAccess, "authentication failed, SASL outcome code %d", x.Code))
			return
		}
		e.Kind, cold.Data = EventAuthenticated, x.AdditionalData
	default:
		c.fail(cause(wire.ErrNotAllowed, "SASL frame %#x is not expected in this state", code))
		return
	}
	if err != nil {
		c.fail(wire.AsError(err))
		return
	}
	if e.Kind == EventAuthenticated {
		c.saslDone = true
		c.phase = phaseAMQP
		c.sendHeader(wire.HeaderAMQP)
	}
	c.emit(e)
}

// Init answers EventMechanisms: a client chooses a mechanism. A nil response means none.
func (c *Connection) Init(mechanism wire.Symbol, response []byte, hostname string) {
	c.saslInit = true
	c.frame(wire.FrameSASL, 0, &wire.SASLInit{
		Mechanism: mechanism, InitialResponse: response, HasInitialResponse: response != nil, Hostname: hostname,
	})
}

// Respond answers EventChallenge.
func (c *Connection) Respond(response []byte) {
	c.frame(wire.FrameSASL, 0, &wire.SASLResponse{Response: response})
}

// Challenge answers EventInit or EventResponse: a server wants another response.
func (c *Connection) Challenge(challenge []byte) {
	c.frame(wire.FrameSASL, 0, &wire.SASLChallenge{Challenge: challenge})
}

// Outcome ends the exchange of a server. Code 0 is success; any other ends the connection after it is written.
func (c *Connection) Outcome(code uint8, additional []byte) {
	c.frame(wire.FrameSASL, 0, &wire.SASLOutcome{Code: code, AdditionalData: additional})
	if code != 0 {
		c.phase = phaseEnd
		return
	}
	c.saslDone = true
	c.phase = phaseAMQP
}
