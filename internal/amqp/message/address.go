package message

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// MaxAddressAt is how many octets of the bare message may come before the end of properties.to, or of
// properties.subject.
const MaxAddressAt = 64 << 10

const propertiesFields = 13

// Address finds properties.to [3.2.4] in the bare message, which is what follows the message annotations, and decodes
// nothing after it. complete says that bare is the whole bare message. ok is false, with a nil error, when more octets
// are needed. present is false when the message has no properties section or no to in it. The result references bare.
func Address(bare []byte, complete bool) (to []byte, present bool, ok bool, err error) {
	if to, ok = usualAddress(bare); ok {
		return to, true, true, nil
	}
	s := scanner{b: bare, complete: complete}
	to, present = s.text(toField)
	if s.bad != nil {
		return nil, false, false, s.bad
	}
	if s.short {
		return nil, false, false, nil
	}
	return to, present, true, nil
}

// usualAddress is Address for the encodings that clients use: a list8 of properties in which the first three fields are
// null or of 8-bit width. ok is false for everything else.
func usualAddress(b []byte) (to []byte, ok bool) {
	if len(b) < 9 || b[0] != wire.CodeDescribed || b[1] != wire.CodeSmallUlong ||
		b[2] != byte(wire.DescriptorProperties) || b[3] != wire.CodeList8 {
		return nil, false
	}
	end, count := 5+int(b[4]), int(b[5])
	if count < 3 || count > propertiesFields || count > end-6 {
		return nil, false
	}
	i := 6
	switch b[i] { // message-id
	case wire.CodeNull, wire.CodeUlong0:
		i++
	case wire.CodeSmallUlong:
		i += 2
	case wire.CodeUlong:
		i += 9
	case wire.CodeUUID:
		i += 17
	case wire.CodeString8, wire.CodeBinary8:
		i += 2 + int(b[i+1])
	default:
		return nil, false
	}
	if i+1 >= len(b) {
		return nil, false
	}
	switch b[i] { // user-id
	case wire.CodeNull:
		i++
	case wire.CodeBinary8:
		i += 2 + int(b[i+1])
	default:
		return nil, false
	}
	if i+1 >= len(b) || b[i] != wire.CodeString8 {
		return nil, false
	}
	after := i + 2 + int(b[i+1])
	if after > len(b) || after > end || !utf8.Valid(b[i+2:after]) {
		return nil, false
	}
	return b[i+2 : after : after], true
}

// Subject finds properties.subject [3.2.4] in the bare message as [Address] finds to.
func Subject(bare []byte, complete bool) (subject []byte, present bool, ok bool, err error) {
	s := scanner{b: bare, complete: complete}
	subject, present = s.text(subjectField)
	if s.bad != nil {
		return nil, false, false, s.bad
	}
	if s.short {
		return nil, false, false, nil
	}
	return subject, present, true, nil
}

// Positions of fields in the properties.
const (
	toField      = 2
	subjectField = 3
)

// text reads the properties section up to one of its fields that are strings, which it returns.
func (s *scanner) text(field int) (content []byte, present bool) {
	if len(s.b) == 0 && s.complete {
		return nil, false
	}
	code := s.descriptor()
	switch {
	case s.stopped():
		return nil, false
	case code > wire.DescriptorProperties && code <= wire.DescriptorFooter:
		return nil, false
	case code != wire.DescriptorProperties:
		s.fail(0, "section 0x%x where the bare message should start", code)
		return nil, false
	}
	count := s.propertiesHeader()
	for k := range min(count, field+1) {
		if s.stopped() {
			return nil, false
		}
		content, present = s.property(k)
	}
	if count <= field {
		return nil, false
	}
	return content, present
}

// propertiesHeader reads the constructor of the properties list and sets s.end, which may be past what is there.
func (s *scanner) propertiesHeader() (count int) {
	if !s.has(1) {
		return 0
	}
	start := s.i
	size := 0
	switch s.b[s.i] {
	case wire.CodeList0:
		s.i++
		s.end = s.i
		return 0
	case wire.CodeList8:
		if !s.has(3) {
			return 0
		}
		size, count = int(s.b[s.i+1])-1, int(s.b[s.i+2])
		s.i += 3
	case wire.CodeList32:
		if !s.has(9) {
			return 0
		}
		const most = 1 << 30 // keeps int positive where it has 32 bits
		size = int(min(binary.BigEndian.Uint32(s.b[s.i+1:]), most)) - 4
		count = int(min(binary.BigEndian.Uint32(s.b[s.i+5:]), most))
		s.i += 9
	default:
		s.fail(s.i, "format code 0x%02x where the list of section properties should stand", s.b[s.i])
		return 0
	}
	s.end = s.i + size
	switch {
	case size < 0:
		s.fail(start, "properties list too small by %d octets: it has no room for its count", -size)
	case count > propertiesFields:
		s.fail(start, "properties of %d fields, which have only %d", count, propertiesFields)
	case count > size:
		s.fail(start, "properties of %d fields in %d octets", count, size)
	}
	return count
}

// property passes over field k of the properties, which must be message-id, user-id, to or subject, and returns the
// content of the latter two.
func (s *scanner) property(k int) (content []byte, present bool) {
	if s.i >= s.end {
		s.fail(s.i, "nothing where field %d of the properties should stand", k+1)
		return nil, false
	}
	if !s.has(1) {
		return nil, false
	}
	start := s.i
	code := s.b[s.i]
	header, size := 1, 0
	switch code {
	case wire.CodeNull:
		s.i++
		return nil, false
	case wire.CodeUlong0:
	case wire.CodeSmallUlong:
		size = 1
	case wire.CodeUlong:
		size = 8
	case wire.CodeUUID:
		size = 16
	case wire.CodeBinary8, wire.CodeString8:
		if header = 2; s.has(header) {
			size = int(s.b[s.i+1])
		}
	case wire.CodeBinary32, wire.CodeString32:
		if header = 5; s.has(header) {
			size = int(min(binary.BigEndian.Uint32(s.b[s.i+1:]), 1<<30))
		}
	}
	text, octets := code&^0x10 == wire.CodeString8, code&^0x10 == wire.CodeBinary8
	switch {
	case s.stopped():
	case k == 0 && size == 0 && header == 1 && code != wire.CodeUlong0:
		s.fail(start, "format code 0x%02x where message-id, a string, ulong, uuid or binary, should stand", code)
	case k == 1 && !octets:
		s.fail(start, "format code 0x%02x where user-id, a binary, should stand", code)
	case k == toField && !text:
		s.fail(start, "format code 0x%02x where to, a string, should stand", code)
	case k == subjectField && !text:
		s.fail(start, "format code 0x%02x where subject, a string, should stand", code)
	case start+header+size > s.end:
		s.fail(start, "field %d of the properties ends after their list", k+1)
	case start+header+size > MaxAddressAt:
		s.fail(start, "field %d of the properties ends more than %d octets into the message", k+1, MaxAddressAt)
	case !s.has(header + size):
	case text && k >= toField:
		var err error
		if content, _, err = wire.ReadString(s.b[start : start+header+size]); err != nil {
			s.nested(err, start)
		}
	}
	if s.stopped() {
		return nil, false
	}
	s.i = start + header + size
	return content, true
}
