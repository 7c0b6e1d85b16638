package bench

import (
	"encoding/binary"
	"fmt"
)

// Descriptor codes of the performatives and states this client uses [2.7] [3.4] [5.3.3].
const (
	codeOpen           = 0x10
	codeBegin          = 0x11
	codeAttach         = 0x12
	codeFlow           = 0x13
	codeTransfer       = 0x14
	codeDisposition    = 0x15
	codeDetach         = 0x16
	codeEnd            = 0x17
	codeClose          = 0x18
	codeError          = 0x1d
	codeAccepted       = 0x24
	codeRejected       = 0x25
	codeReleased       = 0x26
	codeModified       = 0x27
	codeSource         = 0x28
	codeTarget         = 0x29
	codeSASLMechanisms = 0x40
	codeSASLInit       = 0x41
	codeSASLOutcome    = 0x44
)

// Frame types [2.3.1] [5.3.1].
const (
	frameAMQP = 0
	frameSASL = 1
)

// field is one encoded AMQP value.
type field []byte

var (
	null      = field{0x40}
	boolTrue  = field{0x41}
	boolFalse = field{0x42}
	emptyList = field{0x45}
)

// encodeBool encodes a boolean [1.6.2].
func encodeBool(v bool) field {
	if v {
		return boolTrue
	}
	return boolFalse
}

// encodeUbyte encodes a ubyte [1.6.3].
func encodeUbyte(v uint8) field { return field{0x50, v} }

// encodeUshort encodes a ushort [1.6.4].
func encodeUshort(v uint16) field { return field{0x60, byte(v >> 8), byte(v)} }

// encodeUint encodes a uint in four octets, so that its place can be patched [1.6.5].
func encodeUint(v uint32) field { return binary.BigEndian.AppendUint32(field{0x70}, v) }

// encodeText encodes a string (wide false: at most 255 octets) or symbol with the given 8-bit constructor; the 32-bit
// constructor is 0x10 above it in every variable-width type [1.2].
func encodeText(code8 byte, s string) field {
	if len(s) <= 0xff {
		return append(field{code8, byte(len(s))}, s...)
	}
	f := binary.BigEndian.AppendUint32(field{code8 + 0x10}, uint32(len(s)))
	return append(f, s...)
}

// encodeString encodes a string [1.6.20].
func encodeString(s string) field { return encodeText(0xa1, s) }

// encodeSymbol encodes a symbol [1.6.21].
func encodeSymbol(s string) field { return encodeText(0xa3, s) }

// encodeBinary encodes a binary [1.6.19].
func encodeBinary(b []byte) field { return encodeText(0xa0, string(b)) }

// encodeDescribed encodes a described list, which is what every performative, terminus and state is [1.4].
func encodeDescribed(code byte, fields ...field) field {
	var content []byte
	for _, f := range fields {
		content = append(content, f...)
	}
	out := field{0x00, 0x53, code}
	switch {
	case len(fields) == 0:
		return append(out, emptyList...)
	case len(content) < 0xff:
		out = append(out, 0xc0, byte(len(content)+1), byte(len(fields)))
	default:
		out = append(out, 0xd0)
		out = binary.BigEndian.AppendUint32(out, uint32(len(content)+4))
		out = binary.BigEndian.AppendUint32(out, uint32(len(fields)))
	}
	return append(out, content...)
}

// appendFrame appends a frame with the given body [2.3].
func appendFrame(dst []byte, typ byte, channel uint16, body ...[]byte) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0, 2, typ, byte(channel>>8), byte(channel))
	for _, b := range body {
		dst = append(dst, b...)
	}
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start))
	return dst
}

// skipValue returns the length of the first encoded value in b, described or not. Compound values are skipped by their
// declared size, so nothing recurses.
func skipValue(b []byte) (int, error) {
	at, pending := 0, 1
	for pending > 0 {
		if at >= len(b) {
			return 0, fmt.Errorf("value ends after %d octets", len(b))
		}
		code := b[at]
		at++
		pending--
		if code == 0x00 { // a descriptor and the value it describes follow [1.2]
			pending += 2
			continue
		}
		width := 0
		switch code >> 4 { // subcategory: how many octets follow [1.2]
		case 0x4:
		case 0x5:
			width = 1
		case 0x6:
			width = 2
		case 0x7:
			width = 4
		case 0x8:
			width = 8
		case 0x9:
			width = 16
		case 0xa, 0xc, 0xe:
			if at >= len(b) {
				return 0, fmt.Errorf("value of code 0x%02x ends before its size", code)
			}
			width = 1 + int(b[at])
		case 0xb, 0xd, 0xf:
			if len(b)-at < 4 {
				return 0, fmt.Errorf("value of code 0x%02x ends before its size", code)
			}
			width = 4 + int(binary.BigEndian.Uint32(b[at:]))
		default:
			return 0, fmt.Errorf("0x%02x is no constructor of an AMQP value", code)
		}
		if width > len(b)-at {
			return 0, fmt.Errorf("value of code 0x%02x wants %d octets, %d are left", code, width, len(b)-at)
		}
		at += width
	}
	return at, nil
}

// cursor walks the fields of a list in place, without allocating.
type cursor struct {
	rest []byte
	left int
}

// next returns the next field, still encoded; null when the peer left it out.
func (c *cursor) next() (field, error) {
	if c.left == 0 {
		return null, nil
	}
	n, err := skipValue(c.rest)
	if err != nil {
		return nil, err
	}
	f := field(c.rest[:n])
	c.rest = c.rest[n:]
	c.left--
	return f, nil
}

// splitDescribed reads the head of the described list at the start of b: its code, a cursor over its fields, and what
// follows it. It does not allocate.
func splitDescribed(b []byte) (code uint64, c cursor, rest []byte, err error) {
	if len(b) < 4 || b[0] != 0x00 {
		return 0, c, nil, fmt.Errorf("a described list was expected")
	}
	list := b[3:]
	if b[1] == 0x53 {
		code = uint64(b[2])
	} else {
		n, err := skipValue(b[1:])
		if err != nil {
			return 0, c, nil, err
		}
		if code, err = decodeDescriptor(b[1 : 1+n]); err != nil {
			return 0, c, nil, err
		}
		list = b[1+n:]
	}
	c, rest, err = splitList(list)
	return code, c, rest, err
}

// splitList returns a cursor over the list at the head of b and what follows it [1.6.22].
func splitList(b []byte) (c cursor, rest []byte, err error) {
	n, err := skipValue(b)
	if err != nil {
		return c, nil, err
	}
	switch {
	case b[0] == 0x45:
		return c, b[n:], nil
	case b[0] == 0xc0 && n >= 3:
		c = cursor{left: int(b[2]), rest: b[3:n]}
	case b[0] == 0xd0 && n >= 9:
		c = cursor{left: int(binary.BigEndian.Uint32(b[5:])), rest: b[9:n]}
	default:
		return c, nil, fmt.Errorf("a list was expected where a value of code 0x%02x stands", b[0])
	}
	if c.left > len(c.rest) {
		return c, nil, fmt.Errorf("a list of %d elements has only %d octets", c.left, len(c.rest))
	}
	return c, b[n:], nil
}

// described is a decoded described list: its code and its fields still encoded, absent ones missing at the end.
type described struct {
	code   uint64
	fields []field
}

// decodeDescribed splits the described list at the head of b into its fields and returns what follows it.
func decodeDescribed(b []byte) (d described, rest []byte, err error) {
	code, c, rest, err := splitDescribed(b)
	if err != nil {
		return d, nil, err
	}
	d = described{code: code, fields: make([]field, 0, c.left)}
	for c.left > 0 {
		f, err := c.next()
		if err != nil {
			return d, nil, err
		}
		d.fields = append(d.fields, f)
	}
	return d, rest, nil
}

// decodeDescriptor reads a numeric descriptor; symbolic ones of the types used here are looked up by name.
func decodeDescriptor(b field) (uint64, error) {
	if v, ok := b.ulong(); ok {
		return v, nil
	}
	if code, ok := symbolicDescriptors[b.text()]; ok {
		return code, nil
	}
	return 0, fmt.Errorf("descriptor % x is unknown", []byte(b))
}

var symbolicDescriptors = map[string]uint64{
	"amqp:open:list": codeOpen, "amqp:begin:list": codeBegin, "amqp:attach:list": codeAttach,
	"amqp:flow:list": codeFlow, "amqp:transfer:list": codeTransfer, "amqp:disposition:list": codeDisposition,
	"amqp:detach:list": codeDetach, "amqp:end:list": codeEnd, "amqp:close:list": codeClose,
	"amqp:error:list": codeError, "amqp:accepted:list": codeAccepted, "amqp:rejected:list": codeRejected,
	"amqp:released:list": codeReleased, "amqp:modified:list": codeModified, "amqp:source:list": codeSource,
	"amqp:target:list": codeTarget, "amqp:sasl-mechanisms:list": codeSASLMechanisms,
	"amqp:sasl-init:list": codeSASLInit, "amqp:sasl-outcome:list": codeSASLOutcome,
}

// at returns field i, or null when the peer left it out.
func (d described) at(i int) field {
	if i < len(d.fields) {
		return d.fields[i]
	}
	return null
}

// isNull reports whether the value is null or missing.
func (f field) isNull() bool { return len(f) == 0 || f[0] == 0x40 }

// ulong returns an unsigned integer of any width.
func (f field) ulong() (uint64, bool) {
	if len(f) == 0 {
		return 0, false
	}
	switch f[0] {
	case 0x43, 0x44:
		return 0, true
	case 0x50, 0x52, 0x53:
		return uint64(f[1]), true
	case 0x60:
		return uint64(binary.BigEndian.Uint16(f[1:])), true
	case 0x70:
		return uint64(binary.BigEndian.Uint32(f[1:])), true
	case 0x80:
		return binary.BigEndian.Uint64(f[1:]), true
	}
	return 0, false
}

// uintOr returns an unsigned integer, or the default when it is null.
func (f field) uintOr(otherwise uint32) uint32 {
	if v, ok := f.ulong(); ok {
		return uint32(v)
	}
	return otherwise
}

// truth returns a boolean; null and everything else is false.
func (f field) truth() bool {
	return len(f) > 0 && (f[0] == 0x41 || len(f) > 1 && f[0] == 0x56 && f[1] == 1)
}

// text returns the octets of a string, symbol or binary; "" for everything else.
func (f field) text() string {
	if len(f) == 0 {
		return ""
	}
	switch f[0] {
	case 0xa0, 0xa1, 0xa3:
		return string(f[2:])
	case 0xb0, 0xb1, 0xb3:
		return string(f[5:])
	}
	return ""
}

// symbols returns a symbol or an array of symbols as strings.
func (f field) symbols() []string {
	var count int
	var content []byte
	switch {
	case len(f) >= 4 && f[0] == 0xe0:
		count, content = int(f[2]), f[3:]
	case len(f) >= 10 && f[0] == 0xf0:
		count, content = int(binary.BigEndian.Uint32(f[5:])), f[9:]
	default:
		if s := f.text(); s != "" {
			return []string{s}
		}
		return nil
	}
	code, content := content[0], content[1:]
	var out []string
	for range min(count, len(content)) {
		n, err := skipValue(append([]byte{code}, content...))
		if err != nil {
			return out
		}
		out = append(out, field(append([]byte{code}, content[:n-1]...)).text())
		content = content[n-1:]
	}
	return out
}

// peerError renders the error field of detach, end or close, "" when there is none.
func (f field) peerError() string {
	if f.isNull() {
		return ""
	}
	d, _, err := decodeDescribed(f)
	if err != nil || d.code != codeError {
		return "an error that cannot be decoded"
	}
	if text := d.at(1).text(); text != "" {
		return d.at(0).text() + ": " + text
	}
	return d.at(0).text()
}
