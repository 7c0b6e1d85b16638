package message

import (
	"encoding/binary"
	"fmt"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// scanner walks over the sections of a message that may still be arriving.
type scanner struct {
	b        []byte
	complete bool
	i        int  // position of what is read next
	end      int  // of the section whose constructor was read last
	short    bool // more octets are needed
	bad      *wire.DecodeError
}

func (s *scanner) stopped() bool { return s.short || s.bad != nil }

// fail keeps the first failure.
func (s *scanner) fail(at int, format string, args ...any) {
	if s.bad == nil {
		s.bad = &wire.DecodeError{Condition: wire.ErrDecode, Offset: at, Reason: fmt.Sprintf(format, args...)}
	}
}

// nested keeps a failure that wire found in the octets from at on.
func (s *scanner) nested(err error, at int) {
	if bad, ok := err.(*wire.DecodeError); ok {
		s.fail(at+bad.Offset, "%s", bad.Reason)
		return
	}
	s.fail(at, "%v", err)
}

// has reports whether n octets are there from s.i on. When they are not, more are needed, or the message is cut off.
func (s *scanner) has(n int) bool {
	if len(s.b)-s.i >= n {
		return true
	}
	if s.complete {
		s.fail(s.i, "message ends after %d octets inside a section", len(s.b))
	} else {
		s.short = true
	}
	return false
}

// descriptor reads the descriptor of a section.
func (s *scanner) descriptor() uint64 {
	if !s.has(1) {
		return 0
	}
	if s.b[s.i] != wire.CodeDescribed {
		s.fail(s.i, "octet 0x%02x where a section (0x00 and a descriptor) should start", s.b[s.i])
		return 0
	}
	if !s.has(3) {
		return 0
	}
	n := 3
	switch s.b[s.i+1] {
	case wire.CodeSmallUlong:
		s.i += 3
		return uint64(s.b[s.i-1])
	case wire.CodeUlong:
		n = 10
	case wire.CodeSymbol8:
		n = 3 + int(s.b[s.i+2])
	case wire.CodeSymbol32:
		if !s.has(6) {
			return 0
		}
		if s.b[s.i+2]|s.b[s.i+3]|s.b[s.i+4] != 0 {
			s.fail(s.i, "unknown symbolic descriptor of more than 255 octets")
			return 0
		}
		n = 6 + int(s.b[s.i+5])
	}
	if !s.has(n) {
		return 0
	}
	code, rest, err := wire.ReadDescriptor(s.b[s.i : s.i+n])
	if err != nil {
		s.nested(err, s.i)
		return 0
	}
	if len(rest) > 0 { // ulong0
		s.fail(s.i, "descriptor 0x%x is not that of a message section", code)
	}
	s.i += n
	return code
}

// compound reads the constructor of the list or map of a section, waits until all of it is there, and sets s.end. Size
// and count must be within bounds.
func (s *scanner) compound(code8 byte, name string, most int) (count int) {
	if !s.has(1) {
		return 0
	}
	header := 0
	switch s.b[s.i] {
	case code8:
		header = 3
	case code8 | 0x10:
		header = 5
	case wire.CodeList0:
		header = 1
	}
	if header == 0 || header == 1 && code8 != wire.CodeList8 {
		s.fail(s.i, "format code 0x%02x where the value of section %s should stand", s.b[s.i], name)
		return 0
	}
	if !s.has(header) {
		return 0
	}
	declared, size := uint32(0), 0
	switch header {
	case 1:
		s.i++
		s.end = s.i
		return 0
	case 3:
		declared, size = uint32(s.b[s.i+1]), 2
	case 5:
		declared, size = binary.BigEndian.Uint32(s.b[s.i+1:]), 5
	}
	if declared > uint32(most) {
		s.fail(s.i, "section %s of %d octets, of which at most %d are allowed", name, declared, most)
		return 0
	}
	size += int(declared)
	if !s.has(size) {
		return 0
	}
	s.end = s.i + size
	var content []byte
	var err error
	if code8 == wire.CodeList8 {
		count, content, _, err = wire.ReadListHeader(s.b[s.i:s.end])
	} else {
		count, content, _, err = wire.ReadMapHeader(s.b[s.i:s.end])
	}
	if err != nil {
		s.nested(err, s.i)
		return 0
	}
	s.i = s.end - len(content)
	return count
}
