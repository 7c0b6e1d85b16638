package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"
)

// AppendValue appends the smallest encoding of v, which is of one of the Go types listed at [Decimal32]. The error says
// what in v has no encoding: another Go type, a string that is not UTF-8, a symbol that is not ASCII, elements of
// different types in an array, values nested more than MaxDepth levels deep. dst is then returned as it was.
func AppendValue(dst []byte, v any) ([]byte, error) {
	out, err := appendValue(dst, v, 0)
	if err != nil {
		return dst, err
	}
	return out, nil
}

func appendValue(dst []byte, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case List, Map, Array, Described:
		if depth == MaxDepth {
			return nil, fmt.Errorf("amqp value nested more than %d levels deep", MaxDepth)
		}
		return appendNested(dst, v, depth+1)
	case string:
		if !utf8.ValidString(v) {
			return nil, fmt.Errorf("string %q is not valid UTF-8", clip([]byte(v)))
		}
		return AppendString(dst, v), nil
	case Symbol:
		for _, c := range []byte(v) {
			if c >= utf8.RuneSelf {
				return nil, fmt.Errorf("symbol %q is not ASCII", clip([]byte(v)))
			}
		}
		return AppendSymbol(dst, v), nil
	case Char:
		if !utf8.ValidRune(rune(v)) {
			return nil, fmt.Errorf("char 0x%08x is no Unicode character", uint32(v))
		}
		return binary.BigEndian.AppendUint32(append(dst, CodeChar), uint32(v)), nil
	}
	return appendScalar(dst, v)
}

// appendScalar appends values of the types that have no invalid values.
func appendScalar(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return AppendNull(dst), nil
	case bool:
		return AppendBool(dst, v), nil
	case uint8:
		return AppendUbyte(dst, v), nil
	case uint16:
		return AppendUshort(dst, v), nil
	case uint32:
		return AppendUint32(dst, v), nil
	case uint64:
		return AppendUlong(dst, v), nil
	case int8:
		return append(dst, CodeByte, byte(v)), nil
	case int16:
		return append(dst, CodeShort, byte(v>>8), byte(v)), nil
	case int32:
		return AppendInt32(dst, v), nil
	case int64:
		return AppendInt64(dst, v), nil
	case float32:
		return binary.BigEndian.AppendUint32(append(dst, CodeFloat), math.Float32bits(v)), nil
	case float64:
		return binary.BigEndian.AppendUint64(append(dst, CodeDouble), math.Float64bits(v)), nil
	case Decimal32:
		return append(append(dst, CodeDecimal32), v[:]...), nil
	case Decimal64:
		return append(append(dst, CodeDecimal64), v[:]...), nil
	case Decimal128:
		return append(append(dst, CodeDecimal128), v[:]...), nil
	case Timestamp:
		return binary.BigEndian.AppendUint64(append(dst, CodeTimestamp), uint64(v)), nil
	case UUID:
		return append(append(dst, CodeUUID), v[:]...), nil
	case []byte:
		return AppendBinary(dst, v), nil
	}
	return nil, fmt.Errorf("value of Go type %T has no AMQP encoding", v)
}

// wideHeader is the room for the header of a compound value of 32-bit size and count.
var wideHeader [9]byte

// appendNested appends a list, map, array or described value.
func appendNested(dst []byte, v any, depth int) (out []byte, err error) {
	start := len(dst)
	switch v := v.(type) {
	case List:
		if len(v) == 0 {
			return append(dst, CodeList0), nil
		}
		dst = append(dst, wideHeader[:]...)
		for _, e := range v {
			if dst, err = appendValue(dst, e, depth); err != nil {
				return nil, err
			}
		}
		return compact8(dst, start, CodeList8, len(v)), nil
	case Map:
		dst = append(dst, wideHeader[:]...)
		for _, e := range v {
			if dst, err = appendValue(dst, e.Key, depth); err != nil {
				return nil, err
			}
			if dst, err = appendValue(dst, e.Value, depth); err != nil {
				return nil, err
			}
		}
		return compact8(dst, start, CodeMap8, 2*len(v)), nil
	case Described:
		if dst, err = appendValue(append(dst, CodeDescribed), v.Descriptor, depth); err != nil {
			return nil, err
		}
		return appendValue(dst, v.Value, depth)
	case Array:
		return appendArray(dst, v, depth)
	}
	return nil, fmt.Errorf("value of Go type %T has no AMQP encoding", v)
}
