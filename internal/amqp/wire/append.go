package wire

import "encoding/binary"

// AppendNull appends null [1.6.1].
func AppendNull(dst []byte) []byte { return append(dst, CodeNull) }

// AppendBool appends a boolean [1.6.2].
func AppendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, CodeTrue)
	}
	return append(dst, CodeFalse)
}

// AppendUbyte appends a ubyte [1.6.3].
func AppendUbyte(dst []byte, v uint8) []byte { return append(dst, CodeUbyte, v) }

// AppendUshort appends a ushort [1.6.4].
func AppendUshort(dst []byte, v uint16) []byte { return append(dst, CodeUshort, byte(v>>8), byte(v)) }

// AppendUint32 appends a uint [1.6.5].
func AppendUint32(dst []byte, v uint32) []byte {
	switch {
	case v == 0:
		return append(dst, CodeUint0)
	case v <= 0xff:
		return append(dst, CodeSmallUint, byte(v))
	}
	return append(dst, CodeUint, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}

// AppendUlong appends a ulong [1.6.6].
func AppendUlong(dst []byte, v uint64) []byte {
	switch {
	case v == 0:
		return append(dst, CodeUlong0)
	case v <= 0xff:
		return append(dst, CodeSmallUlong, byte(v))
	}
	return binary.BigEndian.AppendUint64(append(dst, CodeUlong), v)
}

// AppendInt32 appends an int [1.6.9].
func AppendInt32(dst []byte, v int32) []byte {
	if v == int32(int8(v)) {
		return append(dst, CodeSmallInt, byte(v))
	}
	return append(dst, CodeInt, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}

// AppendInt64 appends a long [1.6.10].
func AppendInt64(dst []byte, v int64) []byte {
	if v == int64(int8(v)) {
		return append(dst, CodeSmallLong, byte(v))
	}
	return binary.BigEndian.AppendUint64(append(dst, CodeLong), uint64(v))
}

// AppendBinary appends a binary [1.6.19].
func AppendBinary(dst []byte, v []byte) []byte {
	return append(appendVariableHeader(dst, CodeBinary8, len(v)), v...)
}

// AppendString appends a string [1.6.20], which the caller knows to be valid UTF-8.
func AppendString[T ~string | ~[]byte](dst []byte, v T) []byte {
	return append(appendVariableHeader(dst, CodeString8, len(v)), v...)
}

// AppendSymbol appends a symbol [1.6.21], which the caller knows to be ASCII.
func AppendSymbol[T ~string | ~[]byte](dst []byte, v T) []byte {
	return append(appendVariableHeader(dst, CodeSymbol8, len(v)), v...)
}

func appendVariableHeader(dst []byte, code8 byte, n int) []byte {
	if n <= 0xff {
		return append(dst, code8, byte(n))
	}
	return append(dst, code8|0x10, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

// AppendDescriptor appends the start of a described value: 0x00 and the descriptor. The value is to follow.
func AppendDescriptor(dst []byte, code uint64) []byte {
	return AppendUlong(append(dst, CodeDescribed), code)
}

// AppendListHeader appends the constructor, size and count of a list [1.6.22] of count values that take size octets,
// which are to follow.
func AppendListHeader(dst []byte, size, count int) []byte {
	if count == 0 {
		return append(dst, CodeList0)
	}
	return appendCompoundHeader(dst, CodeList8, size, count)
}

// AppendMapHeader appends the constructor, size and count of a map [1.6.23] of the given number of pairs whose keys and
// values take size octets, which are to follow.
func AppendMapHeader(dst []byte, size, pairs int) []byte {
	return appendCompoundHeader(dst, CodeMap8, size, 2*pairs)
}

// AppendSymbolArray appends an array [1.6.24] of symbols.
func AppendSymbolArray(dst []byte, symbols []Symbol) []byte {
	size, longest := 0, 0
	for _, s := range symbols {
		size, longest = size+len(s), max(longest, len(s))
	}
	code, lengthOctets := CodeSymbol8, 1
	if longest > 0xff {
		code, lengthOctets = CodeSymbol32, 4
	}
	size += 1 + len(symbols)*lengthOctets
	dst = append(appendCompoundHeader(dst, CodeArray8, size, len(symbols)), code)
	for _, s := range symbols {
		if lengthOctets == 1 {
			dst = append(dst, byte(len(s)))
		} else {
			dst = binary.BigEndian.AppendUint32(dst, uint32(len(s)))
		}
		dst = append(dst, s...)
	}
	return dst
}

// appendCompoundHeader appends code8, or its 32-bit twin when size or count need it, with size and count.
func appendCompoundHeader(dst []byte, code8 byte, size, count int) []byte {
	if size+1 <= 0xff && count <= 0xff {
		return append(dst, code8, byte(size+1), byte(count))
	}
	dst = binary.BigEndian.AppendUint32(append(dst, code8|0x10), uint32(size+4))
	return binary.BigEndian.AppendUint32(dst, uint32(count))
}

// compact8 turns the compound value at dst[start:], which was begun with the 9 octets of a 32-bit header still to be
// filled in, into its smallest form.
func compact8(dst []byte, start int, code8 byte, count int) []byte {
	const wide, narrow = 9, 3
	size := len(dst) - start - wide
	if size+1 <= 0xff && count <= 0xff {
		copy(dst[start+narrow:], dst[start+wide:])
		dst = dst[:len(dst)-(wide-narrow)]
		dst[start], dst[start+1], dst[start+2] = code8, byte(size+1), byte(count)
		return dst
	}
	dst[start] = code8 | 0x10
	binary.BigEndian.PutUint32(dst[start+1:], uint32(size+4))
	binary.BigEndian.PutUint32(dst[start+5:], uint32(count))
	return dst
}
