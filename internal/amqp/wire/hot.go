package wire

import "encoding/binary"

// The codecs of flow, transfer and disposition have two decoders each. The fast one, decodeUsual, knows the encodings
// that peers use and gives up on anything else, malformed input included; decodeFields then decides. A fuzz target
// holds the two together.

// usualList returns the position, end and count of the fields of the performative with the descriptor code (below
// 0x80) at body[0]. ok is false when the encoding is unusual or malformed.
func usualList(body []byte, code byte, most int) (i, end, count int, ok bool) {
	if len(body) < 6 || body[0] != CodeDescribed || body[1] != CodeSmallUlong || body[2] != code {
		return 0, 0, 0, false
	}
	switch body[3] {
	case CodeList8:
		i, end, count = 6, 5+int(body[4]), int(body[5])
	case CodeList32:
		if len(body) < 12 || body[4]|body[5]|body[8]|body[9]|body[10] != 0 {
			return 0, 0, 0, false
		}
		i, end, count = 12, 8+int(body[6])<<8+int(body[7]), int(body[11])
	}
	return i, end, count, i <= end && end <= len(body) && count <= most
}

// optionalUintAt is uintAt for a field that may be null; unusual is set when it is neither.
func optionalUintAt(b []byte, i int) (v uint32, present bool, next int, usual bool) {
	if i+1 < len(b) && b[i] == CodeSmallUint {
		return uint32(b[i+1]), true, i + 2, true
	}
	if i < len(b) && b[i] == CodeNull {
		return 0, false, i + 1, true
	}
	v, next, usual = wideUintAt(b, i)
	return v, usual, next, usual
}

// optionalBoolAt is boolAt for a field that may be null.
func optionalBoolAt(b []byte, i int) (v bool, present bool, next int, usual bool) {
	if i < len(b) {
		switch b[i] {
		case CodeTrue:
			return true, true, i + 1, true
		case CodeFalse:
			return false, true, i + 1, true
		case CodeNull:
			return false, false, i + 1, true
		}
	}
	v, next, usual = boolAt(b, i)
	return v, usual, next, usual
}

// reserve returns dst with room for n more octets.
func reserve(dst []byte, n int) []byte {
	if cap(dst)-len(dst) >= n {
		return dst
	}
	return append(dst, make([]byte, n)...)[:len(dst)]
}

// putUint writes a uint at b[i] and returns the position after it.
func putUint(b []byte, i int, v uint32) int {
	if v-1 < 0xff {
		b[i+1] = byte(v)
		b[i] = CodeSmallUint
		return i + 2
	}
	return putWideUint(b, i, v)
}

func putWideUint(b []byte, i int, v uint32) int {
	if v == 0 {
		b[i] = CodeUint0
		return i + 1
	}
	b = b[i : i+5]
	b[0], b[1], b[2], b[3], b[4] = CodeUint, byte(v>>24), byte(v>>16), byte(v>>8), byte(v)
	return i + 5
}

// putUintIf writes a uint, or null when it is absent.
func putUintIf(b []byte, i int, v uint32, present bool) int {
	if !present {
		b[i] = CodeNull
		return i + 1
	}
	return putUint(b, i, v)
}

// putBool writes a boolean.
func putBool(b []byte, i int, v bool) int {
	b[i] = CodeFalse
	if v {
		b[i] = CodeTrue
	}
	return i + 1
}

// putBoolIf writes a boolean, or null when it is absent.
func putBoolIf(b []byte, i int, v, present bool) int {
	if !present {
		b[i] = CodeNull
		return i + 1
	}
	return putBool(b, i, v)
}

// putBinaryIf writes a binary, or null when v is nil.
func putBinaryIf(b []byte, i int, v []byte) int {
	switch {
	case v == nil:
		b[i] = CodeNull
		return i + 1
	case len(v) <= 0xff:
		b[i], b[i+1] = CodeBinary8, byte(len(v))
		i += 2
	default:
		b[i] = CodeBinary32
		binary.BigEndian.PutUint32(b[i+1:], uint32(len(v)))
		i += 5
	}
	return i + copy(b[i:], v)
}

// putRaw writes an encoded value, or null when it is absent.
func putRaw(b []byte, i int, v Raw) int {
	if len(v) == 0 {
		b[i] = CodeNull
		return i + 1
	}
	return i + copy(b[i:], v)
}
