package message

import (
	"encoding/binary"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// usualHeader reads the header section at b[0] in the encodings that clients use, and returns the position after it. It
// returns 0 when anything else stands there; e.header then decides.
func (e *Envelope) usualHeader(b []byte) (end int) {
	if len(b) < 4 || b[0] != wire.CodeDescribed || b[1] != wire.CodeSmallUlong || b[2] != byte(wire.DescriptorHeader) {
		return 0
	}
	if b[3] == wire.CodeList0 {
		return 4
	}
	if b[3] != wire.CodeList8 || len(b) < 6 {
		return 0
	}
	end = 5 + int(b[4])
	count := b[5]
	if end > len(b) || end < 6 || count > headerFields {
		return 0
	}
	var durable, hasTTL bool
	var ttl uint32
	priority := uint8(defaultPriority)
	i := 6
	for k := range count {
		if i >= end {
			return 0
		}
		code := b[i]
		i++
		switch {
		case code == wire.CodeNull:
		case (code == wire.CodeTrue || code == wire.CodeFalse) && (k == 0 || k == 3):
			durable = durable || k == 0 && code == wire.CodeTrue
		case code == wire.CodeUbyte && k == 1 && i < end:
			priority = min(b[i], highestPriority)
			i++
		case code == wire.CodeUint && (k == 2 || k == 4) && i+4 <= end:
			if k == 2 {
				ttl, hasTTL = binary.BigEndian.Uint32(b[i:]), true
			}
			i += 4
		case code == wire.CodeSmallUint && (k == 2 || k == 4) && i < end:
			if k == 2 {
				ttl, hasTTL = uint32(b[i]), true
			}
			i++
		case code == wire.CodeUint0 && k == 4:
		default:
			return 0
		}
	}
	if i != end {
		return 0
	}
	e.Durable, e.Priority, e.TTL, e.HasTTL = durable, priority, ttl, hasTTL
	return end
}

// header reads the header section [3.2.1].
func (e *Envelope) header(s *scanner) {
	count := s.compound(wire.CodeList8, "header", maxHeader)
	if s.stopped() {
		return
	}
	if count > headerFields {
		s.fail(s.i, "header of %d fields, which has only %d", count, headerFields)
		return
	}
	fields := s.b[:s.end]
	for k := range count {
		if wire.IsNull(fields[s.i:]) {
			s.i++
			continue
		}
		rest, err := e.headerField(fields[s.i:], k)
		if err != nil {
			s.nested(err, s.i)
			return
		}
		s.i = s.end - len(rest)
	}
	if s.i != s.end {
		s.fail(s.i, "%d octets are left after the last field of the header", s.end-s.i)
	}
}

// headerField reads field k of the header, which is not null.
func (e *Envelope) headerField(b []byte, k int) (rest []byte, err error) {
	switch k {
	case 0:
		e.Durable, rest, err = wire.ReadBool(b)
	case 1:
		e.Priority, rest, err = wire.ReadUbyte(b)
		e.Priority = min(e.Priority, highestPriority)
	case 2:
		e.TTL, rest, err = wire.ReadUint32(b)
		e.HasTTL = err == nil
	case 3: // first-acquirer
		_, rest, err = wire.ReadBool(b)
	default: // delivery-count
		_, rest, err = wire.ReadUint32(b)
	}
	return rest, err
}
