package wire

import "encoding/binary"

// HeaderSize is the number of octets of a frame header [2.3.1].
const HeaderSize = 8

// Frame types [2.3.1, 5.3.1].
const (
	FrameAMQP uint8 = 0
	FrameSASL uint8 = 1
)

// Frame is one frame [2.3]. Body is what follows the extended header; it references the input.
type Frame struct {
	Type    uint8
	Channel uint16 // of no meaning in a SASL frame
	Body    []byte
}

// ParseFrame decodes the frame that starts at b[0]; n is its length. n is 0 with a nil error when more octets are
// needed. The declared size is checked as soon as its four octets are there: it must be at least 8 and at most
// maxFrameSize [2.3.1, 2.7.1]. Errors have the condition ErrFraming.
func ParseFrame(b []byte, maxFrameSize uint32) (f Frame, n int, err error) {
	if len(b) < 4 {
		return Frame{}, 0, nil
	}
	size := binary.BigEndian.Uint32(b)
	if size < HeaderSize || size > maxFrameSize {
		return Frame{}, 0, badFrameSize(size, maxFrameSize)
	}
	if len(b) < HeaderSize {
		return Frame{}, 0, nil
	}
	start := 4 * uint32(b[4])
	if start < HeaderSize || start > size {
		return Frame{}, 0, &DecodeError{Condition: ErrFraming, Offset: 4, Reason: badDataOffset(b[4], size)}
	}
	if uint64(len(b)) < uint64(size) {
		return Frame{}, 0, nil
	}
	return Frame{Type: b[5], Channel: binary.BigEndian.Uint16(b[6:]), Body: b[start:size:size]}, int(size), nil
}

// BeginFrame appends a frame header of size 0. The body is to follow, then EndFrame.
func BeginFrame(dst []byte, typ uint8, channel uint16) []byte {
	return append(dst, 0, 0, 0, 0, HeaderSize/4, typ, byte(channel>>8), byte(channel))
}

// EndFrame fills in the size of the frame that starts at dst[start] and ends where dst ends, extra octets of payload
// that are written elsewhere not counted.
func EndFrame(dst []byte, start int, extra int) {
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start+extra))
}

// ProtocolHeader is what each side sends before its first frame and before each layer [2.2].
type ProtocolHeader [8]byte

// The protocol headers of version 1.0.0 [2.2, 5.2.1, 5.3.2].
var (
	HeaderAMQP = ProtocolHeader{'A', 'M', 'Q', 'P', 0, 1, 0, 0}
	HeaderTLS  = ProtocolHeader{'A', 'M', 'Q', 'P', 2, 1, 0, 0}
	HeaderSASL = ProtocolHeader{'A', 'M', 'Q', 'P', 3, 1, 0, 0}
)
