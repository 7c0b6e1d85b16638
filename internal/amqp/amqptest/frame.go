package amqptest

import (
	"encoding/binary"
	"fmt"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// Frame is one frame of a conversation. Body is a pointer to a performative of package wire, or nil for an empty frame.
type Frame struct {
	Type    uint8
	Channel uint16
	Body    any
	Payload string
}

// On is a frame with a performative on a channel.
func On(channel uint16, body any) Frame { return Frame{Channel: channel, Body: body} }

// Transfer is a frame with a transfer and its payload on channel 0.
func Transfer(x wire.Transfer, payload string) Frame { return Frame{Body: &x, Payload: payload} }

// Empty is the empty frame that keeps a connection alive [2.4.5].
var Empty = Frame{}

// performative is what every performative of package wire can do.
type performative interface {
	Append(dst []byte) []byte
	Decode(body []byte) (rest []byte, err error)
}

// Encode appends what a peer may send: a protocol header, a performative (on channel 0), a Frame, or raw octets.
func Encode(dst []byte, what any) []byte {
	switch x := what.(type) {
	case wire.ProtocolHeader:
		return append(dst, x[:]...)
	case []byte:
		return append(dst, x...)
	case Frame:
		start := len(dst)
		dst = wire.BeginFrame(dst, x.Type, x.Channel)
		if x.Body != nil {
			dst = x.Body.(performative).Append(dst)
		}
		dst = append(dst, x.Payload...)
		wire.EndFrame(dst[start:], 0, 0)
		return dst
	case *wire.SASLMechanisms, *wire.SASLInit, *wire.SASLChallenge, *wire.SASLResponse, *wire.SASLOutcome:
		return Encode(dst, Frame{Type: wire.FrameSASL, Body: x})
	case performative:
		return Encode(dst, Frame{Body: x})
	}
	panic(fmt.Sprintf("amqptest: cannot encode a %T", what))
}

// performatives makes an empty performative for each descriptor.
var performatives = map[uint64]func() performative{
	wire.DescriptorOpen:           func() performative { return new(wire.Open) },
	wire.DescriptorBegin:          func() performative { return new(wire.Begin) },
	wire.DescriptorAttach:         func() performative { return new(wire.Attach) },
	wire.DescriptorFlow:           func() performative { return new(wire.Flow) },
	wire.DescriptorTransfer:       func() performative { return new(wire.Transfer) },
	wire.DescriptorDisposition:    func() performative { return new(wire.Disposition) },
	wire.DescriptorDetach:         func() performative { return new(wire.Detach) },
	wire.DescriptorEnd:            func() performative { return new(wire.End) },
	wire.DescriptorClose:          func() performative { return new(wire.Close) },
	wire.DescriptorSASLMechanisms: func() performative { return new(wire.SASLMechanisms) },
	wire.DescriptorSASLInit:       func() performative { return new(wire.SASLInit) },
	wire.DescriptorSASLChallenge:  func() performative { return new(wire.SASLChallenge) },
	wire.DescriptorSASLResponse:   func() performative { return new(wire.SASLResponse) },
	wire.DescriptorSASLOutcome:    func() performative { return new(wire.SASLOutcome) },
}

// Decode decodes what stands at the beginning of b: a protocol header or a frame, of at most most octets. n is 0 when b
// is not all of it.
func Decode(b []byte, most uint32) (what any, n int, err error) {
	if len(b) >= 8 && string(b[:4]) == "AMQP" {
		return wire.ProtocolHeader(b[:8]), 8, nil
	}
	f, n, err := wire.ParseFrame(b, most)
	if err != nil || n == 0 {
		return nil, n, err
	}
	if size := binary.BigEndian.Uint32(b); int(size) != n {
		return nil, n, fmt.Errorf("a frame of size %d was parsed as %d octets", size, n)
	}
	frame := Frame{Type: f.Type, Channel: f.Channel}
	if len(f.Body) == 0 {
		return frame, n, nil
	}
	code, err := wire.PeekDescriptor(f.Body)
	if err != nil {
		return nil, n, err
	}
	empty, known := performatives[code]
	if !known {
		return nil, n, fmt.Errorf("a frame with the unknown performative %#x", code)
	}
	x := empty()
	rest, err := x.Decode(f.Body)
	if err != nil {
		return nil, n, err
	}
	frame.Body, frame.Payload = x, string(rest)
	if frame.Payload != "" && code != wire.DescriptorTransfer {
		return nil, n, fmt.Errorf("a %T with payload", x)
	}
	return frame, n, nil
}
