package wire

import (
	"encoding/binary"
	"unicode/utf8"
)

const (
	// MaxDepth is how deep lists, maps, arrays and described values may be nested.
	MaxDepth = 32
	// MaxZeroWidth is how many elements an array may have whose encoding takes no octets, such as null or uint0.
	MaxZeroWidth = 65535
)

// ReadListHeader decodes the constructor of a list [1.6.22]: the number of values in it, their octets, and the octets
// after the list. The values themselves are not checked.
func ReadListHeader(b []byte) (count int, content []byte, rest []byte, err error) {
	return readCompound(b, CodeList8, "list")
}

// ReadMapHeader decodes the constructor of a map [1.6.23]: the number of keys and values together, which is even, their
// octets, and the octets after the map. The keys and values themselves are not checked.
func ReadMapHeader(b []byte) (count int, content []byte, rest []byte, err error) {
	return readCompound(b, CodeMap8, "map")
}

func readCompound(b []byte, code8 byte, want string) (count int, content []byte, rest []byte, err error) {
	start, end, count, bad := compoundAt(b, 0, code8, want)
	if bad != nil {
		return 0, nil, nil, bad
	}
	return count, b[start:end:end], b[end:], nil
}

// compoundAt decodes the constructor of the list or map (by code8) at b[i].
func compoundAt(b []byte, i int, code8 byte, want string) (start, end, count int, bad *DecodeError) {
	if i < len(b) {
		switch b[i] {
		case code8, code8 | 0x10:
			return enterCompound(b, i+1, len(b), b[i])
		case CodeList0:
			if code8 == CodeList8 {
				return i + 1, i + 1, 0, nil
			}
		}
	}
	return 0, 0, 0, mismatch(b, i, want)
}

// enterCompound decodes size and count, which start at b[i] and belong to a list, map or array of the given code within
// b[:limit], and checks them against each other.
func enterCompound(b []byte, i, limit int, code byte) (start, end, count int, bad *DecodeError) {
	size := 0
	switch codeClass[code] {
	case compound8, array8:
		if limit-i < 2 {
			return 0, 0, 0, cutOff(code, i, limit)
		}
		size, count, start, end = int(b[i]), int(b[i+1]), i+2, i+1
	default:
		if limit-i < 8 {
			return 0, 0, 0, cutOff(code, i, limit)
		}
		size, count = length32(b[i:]), length32(b[i+4:])
		start, end = i+8, i+4
	}
	end += size
	name := codeName[code]
	switch {
	case end < start:
		return 0, 0, 0, malformed(i, "%s of size %d, which has no room for its count", name, size)
	case end > limit:
		return 0, 0, 0, malformed(i, "%s ends %d octets after what surrounds it", name, end-limit)
	case code&^0x10 == CodeMap8 && count&1 != 0:
		return 0, 0, 0, malformed(i, "map of %d keys and values, which must be an even number", count)
	case code < CodeArray8 && count > end-start:
		return 0, 0, 0, malformed(i, "%s of %d values in %d octets", name, count, end-start)
	case code >= CodeArray8 && start == end:
		return 0, 0, 0, malformed(i, "array without the constructor of its elements")
	}
	return start, end, count, nil
}

// Skip returns the length of the value that starts at b[0]. The value is checked completely, with everything nested in
// it. It is iterative and allocates nothing.
func Skip(b []byte) (n int, err error) {
	n, bad := skip(b, 0)
	if bad != nil {
		return 0, bad
	}
	return n, nil
}

// skip returns the position after the value at b[i].
func skip(b []byte, i int) (next int, bad *DecodeError) {
	if i >= len(b) {
		return 0, truncated(b, i)
	}
	if c := codeClass[b[i]]; c < compound8 {
		return skipSimple(b, i+1, len(b), b[i])
	}
	return skipNested(b, i)
}

// skipSimple returns the position after the content at b[i:limit] of a value of a primitive, not compound, code.
func skipSimple(b []byte, i, limit int, code byte) (next int, bad *DecodeError) {
	switch c := codeClass[code]; c {
	case unassigned:
		return 0, malformed(i-1, "format code %s", describeCode(code))
	case variable8, variable32:
		return skipVariable(b, i, limit, code)
	default:
		next = i + c.width()
		if next > limit {
			return 0, cutOff(code, i, limit)
		}
	}
	switch code {
	case CodeBoolean:
		if b[i] > 1 {
			return 0, malformed(i, "boolean of value 0x%02x, which must be 0x00 or 0x01", b[i])
		}
	case CodeChar:
		if v := binary.BigEndian.Uint32(b[i:]); v > utf8.MaxRune || !utf8.ValidRune(rune(v)) {
			return 0, malformed(i, "char 0x%08x is no Unicode character", v)
		}
	}
	return next, nil
}

// skipVariable returns the position after the length and content at b[i:limit] of a binary, string or symbol.
func skipVariable(b []byte, i, limit int, code byte) (next int, bad *DecodeError) {
	n, start := 0, i+1
	if codeClass[code] == variable8 {
		if start > limit {
			return 0, cutOff(code, i, limit)
		}
		n = int(b[i])
	} else {
		start = i + 4
		if start > limit {
			return 0, cutOff(code, i, limit)
		}
		n = length32(b[i:])
	}
	if n > limit-start {
		return 0, malformed(i, "%s of %d octets, but only %d are left", codeName[code], n, limit-start)
	}
	next = start + n
	return next, checkText(code, b[start:next], start)
}

func cutOff(code byte, i, limit int) *DecodeError {
	return malformed(i, "%s is cut off after %d octets", codeName[code], limit-i)
}

// level is one level of nesting in skipNested: the values still to be read up to end.
type level struct {
	end, left int
	element   byte // code of all values in an array; CodeDescribed: each value has its own constructor
	unread    bool // an array whose element constructor comes first
	exact     bool // left values must fill the octets up to end
}

// skipNested returns the position after the compound or described value at b[i].
func skipNested(b []byte, i int) (next int, bad *DecodeError) {
	var stack [MaxDepth]level
	depth := 0
	top := level{end: len(b), left: 1}
	for {
		if top.left == 0 && !top.unread {
			if top.exact && i != top.end {
				return 0, malformed(i, "%d octets are left after the last value of a list, map or array", top.end-i)
			}
			if depth == 0 {
				return i, nil
			}
			depth--
			top = stack[depth]
			continue
		}
		code := top.element
		if code == CodeDescribed {
			if i >= top.end {
				return 0, malformed(i, "nothing where a value should start")
			}
			code = b[i]
			i++
		}
		inner := level{}
		switch c := codeClass[code]; {
		case top.unread:
			if code == CodeDescribed {
				inner = level{end: top.end, left: 1}
				break
			}
			if bad = checkElements(code, top.left, i, top.end); bad != nil {
				return 0, bad
			}
			top.element, top.unread = code, false
			if c <= fixed16 && code != CodeBoolean && code != CodeChar {
				i, top.left = i+top.left*c.width(), 0 // any content will do
			}
			continue
		case c < compound8:
			if i, bad = skipSimple(b, i, top.end, code); bad != nil {
				return 0, bad
			}
			top.left--
			continue
		case c == described:
			top.left--
			inner = level{end: top.end, left: 2}
		default:
			top.left--
			start, end, count, bad := enterCompound(b, i, top.end, code)
			if bad != nil {
				return 0, bad
			}
			i, inner = start, level{end: end, left: count, exact: true, unread: c >= array8}
		}
		if depth == MaxDepth {
			return 0, exceeded(i, "values nested more than %d levels deep", MaxDepth)
		}
		stack[depth] = top
		depth++
		top = inner
	}
}

// checkElements checks that count elements of the given code can stand in b[i:end] of an array.
func checkElements(code byte, count, i, end int) *DecodeError {
	least := 0
	switch c := codeClass[code]; c {
	case unassigned:
		return malformed(i-1, "format code %s", describeCode(code))
	case fixed0:
		if count > MaxZeroWidth {
			return exceeded(i-1, "array of %d elements without content, at most %d are allowed", count, MaxZeroWidth)
		}
	case variable8:
		least = 1
	case variable32:
		least = 4
	case compound8:
		least = 2
	case compound32:
		least = 8
	case array8:
		least = 3
	case array32:
		least = 9
	default:
		least = c.width()
	}
	if int64(count)*int64(least) > int64(end-i) {
		return malformed(i-1, "array of %d elements in %d octets", count, end-i)
	}
	return nil
}
