package engine

import "github.com/postroad/postroad/internal/amqp/wire"

// performative is what a frame's body begins with.
type performative interface{ Append(dst []byte) []byte }

// frame appends a frame with a rare performative to the output; nil makes an empty frame. Hot ones are written in
// place, see transfer.go, disposition.go and flow.go.
func (c *Connection) frame(typ uint8, channel uint16, p performative) {
	b := wire.BeginFrame(c.out.reserve(512), typ, channel)
	if p != nil {
		b = p.Append(b)
	}
	c.answer(b)
}

// answer is commit for everything but transfer frames, see Unsent.
func (c *Connection) answer(b []byte) {
	had := c.out.Size
	c.commit(b)
	c.out.answers += c.out.Size - had
}

// commit ends the frame b, which was begun in reserved octets, and counts it.
func (c *Connection) commit(b []byte) {
	if c.mute() {
		return
	}
	wire.EndFrame(b, 0, 0)
	c.out.commit(b)
	c.framesOut++
}

// mute tells that nothing may be written any more: close is the last thing ever written [2.4.3]. Commands that come
// later change states, but no octets leave.
func (c *Connection) mute() bool { return c.closeSent || c.phase == phaseEnd }

// inputFrame takes one frame of the SASL or the AMQP layer [2.3].
func (c *Connection) inputFrame(b []byte) int {
	limit := c.cfg.MaxFrameSize
	if c.phase == phaseSASL || c.phase == phaseOpen {
		limit = min(limit, maxEarlyFrame)
	}
	f, n, err := wire.ParseFrame(b, limit)
	if err != nil {
		c.refuse(wire.AsError(err))
		return 0
	}
	if n == 0 {
		return 0
	}
	c.framesIn++
	switch {
	case c.phase == phaseSASL && f.Type == wire.FrameSASL:
		c.inputSASL(f)
	case c.phase != phaseSASL && f.Type == wire.FrameAMQP:
		if len(f.Body) > 0 {
			c.inputPerformative(f)
		}
	default:
		c.refuse(cause(wire.ErrFraming, "frame type %#x is not expected in this state", f.Type))
	}
	return n
}

// frame masks: which performatives are legal in which phase [2.4.6].
const descriptors = wire.DescriptorClose - wire.DescriptorOpen + 1

var legal = [phaseEnd][descriptors]bool{
	phaseOpen:      {0: true, 8: true},
	phaseOpened:    {1: true, 2: true, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true},
	phaseCloseSent: {0: true, 1: true, 2: true, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true},
}

// inputPerformative takes one frame of the AMQP layer [2.7].
func (c *Connection) inputPerformative(f wire.Frame) {
	code, err := wire.PeekDescriptor(f.Body)
	if err != nil {
		c.refuse(wire.AsError(err))
		return
	}
	if code < wire.DescriptorOpen || code > wire.DescriptorClose {
		c.refuse(cause(wire.ErrNotImplemented, "performative %#x is unknown; expected %#x to %#x",
			code, wire.DescriptorOpen, wire.DescriptorClose))
		return
	}
	if !legal[c.phase][code-wire.DescriptorOpen] {
		c.refuse(cause(wire.ErrIllegalState, "performative %#x is not allowed in this state of the connection", code))
		return
	}
	if c.phase == phaseCloseSent && code != wire.DescriptorClose {
		return // [2.4.6] discarding
	}
	switch code {
	case wire.DescriptorTransfer:
		err = c.inputTransfer(f)
	case wire.DescriptorDisposition:
		err = c.inputDisposition(f)
	case wire.DescriptorFlow:
		err = c.inputFlow(f)
	case wire.DescriptorOpen:
		err = c.inputOpen(f)
	case wire.DescriptorBegin:
		err = c.inputBegin(f)
	case wire.DescriptorAttach:
		err = c.inputAttach(f)
	case wire.DescriptorDetach:
		err = c.inputDetach(f)
	case wire.DescriptorEnd:
		err = c.inputEnd(f)
	case wire.DescriptorClose:
		err = c.inputClose(f)
	}
	if err != nil {
		c.refuse(wire.AsError(err))
	}
}

// onSession returns the session of a frame's channel, or refuses the connection: a frame on a channel without a
// session is an error of the connection [2.5.1].
func (c *Connection) onSession(channel uint16) *session {
	id := c.byRemote.get(uint32(channel))
	if id == None {
		c.refuse(cause(wire.ErrFraming, "channel %d has no session; send begin first", channel))
		return nil
	}
	return &c.sessions[id]
}
