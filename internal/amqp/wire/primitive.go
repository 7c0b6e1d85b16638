package wire

import (
	"encoding/binary"
	"math"
	"unicode/utf8"
)

// IsNull tells whether the value that starts at b[0] is null [1.6.1].
func IsNull(b []byte) bool { return len(b) > 0 && b[0] == CodeNull }

// ReadBool decodes a boolean [1.6.2] and returns it with the octets after it.
func ReadBool(b []byte) (v bool, rest []byte, err error) {
	v, next, ok := boolAt(b, 0)
	if !ok {
		return false, nil, mismatch(b, 0, "boolean")
	}
	return v, b[next:], nil
}

// ReadUbyte decodes a ubyte [1.6.3].
func ReadUbyte(b []byte) (v uint8, rest []byte, err error) {
	if len(b) < 2 || b[0] != CodeUbyte {
		return 0, nil, mismatch(b, 0, "ubyte")
	}
	return b[1], b[2:], nil
}

// ReadUint32 decodes a uint [1.6.5] of any width.
func ReadUint32(b []byte) (v uint32, rest []byte, err error) {
	v, next, ok := uintAt(b, 0)
	if !ok {
		return 0, nil, mismatch(b, 0, "uint")
	}
	return v, b[next:], nil
}

// ReadUlong decodes a ulong [1.6.6] of any width.
func ReadUlong(b []byte) (v uint64, rest []byte, err error) {
	v, next, ok := ulongAt(b, 0)
	if !ok {
		return 0, nil, mismatch(b, 0, "ulong")
	}
	return v, b[next:], nil
}

// ReadInteger decodes an integer of any AMQP type, signed or not [1.6.3–1.6.10], whose value fits an int64.
func ReadInteger(b []byte) (v int64, rest []byte, err error) {
	v, next, ok := integerAt(b, 0)
	if !ok {
		return 0, nil, mismatch(b, 0, "integer up to 2^63-1")
	}
	return v, b[next:], nil
}

// ReadString decodes a string [1.6.20]. The result references b and is valid UTF-8.
func ReadString(b []byte) (s []byte, rest []byte, err error) {
	if len(b) >= 2 && b[0] == CodeString8 {
		if n := 2 + int(b[1]); n <= len(b) && utf8.Valid(b[2:n]) {
			return b[2:n:n], b[n:], nil
		}
	}
	return readVariable(b, CodeString8, "string")
}

// ReadSymbol decodes a symbol [1.6.21]. The result references b and is ASCII.
func ReadSymbol(b []byte) (s []byte, rest []byte, err error) {
	return readVariable(b, CodeSymbol8, "symbol")
}

// ReadText decodes a string or a symbol, whichever is there. The result references b.
func ReadText(b []byte) (s []byte, rest []byte, err error) {
	if len(b) > 0 && b[0]|0x10 == CodeSymbol32 {
		return readVariable(b, CodeSymbol8, "symbol")
	}
	return readVariable(b, CodeString8, "string or symbol")
}

// ReadBinary decodes a binary [1.6.19]. The result references b.
func ReadBinary(b []byte) (s []byte, rest []byte, err error) {
	return readVariable(b, CodeBinary8, "binary")
}

func readVariable(b []byte, code8 byte, want string) (s []byte, rest []byte, err error) {
	if len(b) == 0 || b[0]&^0x10 != code8 {
		return nil, nil, mismatch(b, 0, want)
	}
	s, next, bad := variableAt(b, 0)
	if bad != nil {
		return nil, nil, bad
	}
	return s, b[next:], nil
}

// The functions below decode the value at b[i] and return the position after it. ok is false when anything else than
// a complete value of the type is there, mismatch then tells what.

func boolAt(b []byte, i int) (v bool, next int, ok bool) {
	if i < len(b) {
		switch b[i] {
		case CodeTrue:
			return true, i + 1, true
		case CodeFalse:
			return false, i + 1, true
		case CodeBoolean:
			if i+1 < len(b) && b[i+1] <= 1 {
				return b[i+1] == 1, i + 2, true
			}
		}
	}
	return false, i, false
}

func uintAt(b []byte, i int) (v uint32, next int, ok bool) {
	if i+1 < len(b) && b[i] == CodeSmallUint {
		return uint32(b[i+1]), i + 2, true
	}
	return wideUintAt(b, i)
}

func wideUintAt(b []byte, i int) (v uint32, next int, ok bool) {
	if i+4 < len(b) && b[i] == CodeUint {
		return binary.BigEndian.Uint32(b[i+1:]), i + 5, true
	}
	if i < len(b) && b[i] == CodeUint0 {
		return 0, i + 1, true
	}
	return 0, i, false
}

func ulongAt(b []byte, i int) (v uint64, next int, ok bool) {
	if i >= len(b) {
		return 0, i, false
	}
	switch b[i] {
	case CodeSmallUlong:
		if i+1 < len(b) {
			return uint64(b[i+1]), i + 2, true
		}
	case CodeUlong0:
		return 0, i + 1, true
	case CodeUlong:
		if i+8 < len(b) {
			return binary.BigEndian.Uint64(b[i+1:]), i + 9, true
		}
	}
	return 0, i, false
}

func integerAt(b []byte, i int) (v int64, next int, ok bool) {
	if i >= len(b) {
		return 0, i, false
	}
	c := codeClass[b[i]]
	if c > fixed8 || c == unassigned || len(b)-i-1 < c.width() {
		return 0, i, false
	}
	at, next := b[i+1:], i+1+c.width()
	switch b[i] {
	case CodeUint0, CodeUlong0:
		return 0, next, true
	case CodeUbyte, CodeSmallUint, CodeSmallUlong:
		return int64(at[0]), next, true
	case CodeByte, CodeSmallInt, CodeSmallLong:
		return int64(int8(at[0])), next, true
	case CodeUshort:
		return int64(binary.BigEndian.Uint16(at)), next, true
	case CodeShort:
		return int64(int16(binary.BigEndian.Uint16(at))), next, true
	case CodeUint:
		return int64(binary.BigEndian.Uint32(at)), next, true
	case CodeInt:
		return int64(int32(binary.BigEndian.Uint32(at))), next, true
	case CodeLong, CodeUlong:
		v = int64(binary.BigEndian.Uint64(at))
		return v, next, b[i] == CodeLong || v >= 0
	}
	return 0, i, false
}

// variableAt decodes the binary, string or symbol at b[i]; b[i] has been checked to be one of their codes.
func variableAt(b []byte, i int) (content []byte, next int, bad *DecodeError) {
	code := b[i]
	start, n := i+2, 0
	if code < CodeBinary32 {
		if start > len(b) {
			return nil, 0, truncated(b, i)
		}
		n = int(b[i+1])
	} else {
		start = i + 5
		if start > len(b) {
			return nil, 0, truncated(b, i)
		}
		n = length32(b[i+1:])
	}
	if n > len(b)-start {
		return nil, 0, malformed(i, "%s of %d octets, but only %d are left", codeName[code], n, len(b)-start)
	}
	next = start + n
	content = b[start:next:next]
	if bad := checkText(code, content, start); bad != nil {
		return nil, 0, bad
	}
	return content, next, nil
}

// checkText checks that strings are UTF-8 [1.6.20] and symbols ASCII [1.6.21].
func checkText(code byte, content []byte, at int) *DecodeError {
	switch code {
	case CodeString8, CodeString32:
		if !utf8.Valid(content) {
			return malformed(at, "string is not valid UTF-8")
		}
	case CodeSymbol8, CodeSymbol32:
		for k, c := range content {
			if c >= utf8.RuneSelf {
				return malformed(at+k, "octet 0x%02x in a symbol, which must be ASCII", c)
			}
		}
	}
	return nil
}

// truncated reports that the value at b[i] is cut off.
func truncated(b []byte, i int) *DecodeError {
	if i >= len(b) {
		return malformed(i, "nothing where a value should start")
	}
	return malformed(i, "%s is cut off after %d octets", codeName[b[i]], len(b)-i)
}

// mismatch says why the value at b[i] is not one of the type wanted: because it is malformed, or of another type.
func mismatch(b []byte, i int, want string) *DecodeError {
	if bad := wellFormed(b, i); bad != nil {
		return bad
	}
	return invalid(i, "format code %s where %s should stand", describeCode(b[i]), want)
}

// wellFormed checks the one value at b[i] with all that is nested in it.
func wellFormed(b []byte, i int) *DecodeError {
	_, bad := skip(b, i)
	return bad
}

// length32 decodes a size, length or count of four octets, clamped so that it is positive where int has 32 bits.
func length32(b []byte) int { return int(min(binary.BigEndian.Uint32(b), math.MaxInt32)) }
