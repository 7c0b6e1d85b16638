package management

import (
	"math"
	"strings"
	"unicode/utf8"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// column is one attribute of a row type R and the encoding of its value. What the attribute means stands in
// [config.Schema].
type column[R any] struct {
	name   string
	append func(dst []byte, row *R) []byte
}

// The functions below make columns. Each is named after the AMQP type of the values, which is the one Interconnect
// uses: some clients insist on it.

// text is a column of type string; the empty string is null.
func text[R any](name string, get func(*R) string) column[R] {
	return column[R]{name, func(dst []byte, row *R) []byte { return appendText(dst, get(row)) }}
}

// boolean is a column of type boolean.
func boolean[R any](name string, get func(*R) bool) column[R] {
	return column[R]{name, func(dst []byte, row *R) []byte { return wire.AppendBool(dst, get(row)) }}
}

// unsigned is a column of type uint.
func unsigned[R any](name string, get func(*R) uint32) column[R] {
	return column[R]{name, func(dst []byte, row *R) []byte { return wire.AppendUint32(dst, get(row)) }}
}

// ulong is a column of type ulong.
func ulong[R any](name string, get func(*R) uint64) column[R] {
	return column[R]{name, func(dst []byte, row *R) []byte { return wire.AppendUlong(dst, get(row)) }}
}

// signed is a column of type int.
func signed[R any](name string, get func(*R) int32) column[R] {
	return column[R]{name, func(dst []byte, row *R) []byte { return wire.AppendInt32(dst, get(row)) }}
}

// long is a column of type long.
func long[R any](name string, get func(*R) int64) column[R] {
	return column[R]{name, func(dst []byte, row *R) []byte { return wire.AppendInt64(dst, get(row)) }}
}

// integer is a column of type int, or long for values that need it.
func integer[R any](name string, get func(*R) int64) column[R] {
	return column[R]{name, func(dst []byte, row *R) []byte { return appendInteger(dst, get(row)) }}
}

// texts is a column of type list whose values are strings.
func texts[R any](name string, get func(*R) []string) column[R] {
	return column[R]{name, func(dst []byte, row *R) []byte { return appendTexts(dst, get(row)) }}
}

// list is a column of type list whose values appendValue encodes; a nil slice is null.
func list[R, V any](name string, appendValue func([]byte, V) []byte, get func(*R) []V) column[R] {
	return column[R]{name, func(dst []byte, row *R) []byte {
		values := get(row)
		if values == nil {
			return wire.AppendNull(dst)
		}
		return appendList(dst, values, appendValue)
	}}
}

// optional makes the value of c null in rows for which present is false.
func optional[R any](c column[R], present func(*R) bool) column[R] {
	return column[R]{c.name, func(dst []byte, row *R) []byte {
		if !present(row) {
			return wire.AppendNull(dst)
		}
		return c.append(dst, row)
	}}
}

// appendText appends a string, or null when it is empty.
func appendText(dst []byte, s string) []byte {
	if s == "" {
		return wire.AppendNull(dst)
	}
	return appendString(dst, s)
}

// appendString appends a string, made valid UTF-8 [1.6.20].
func appendString(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return wire.AppendString(dst, s)
}

// appendInteger appends an int when v fits one, else a long.
func appendInteger(dst []byte, v int64) []byte {
	if v < math.MinInt32 || v > math.MaxInt32 {
		return wire.AppendInt64(dst, v)
	}
	return wire.AppendInt32(dst, int32(v))
}

// appendTexts appends a list of strings.
func appendTexts(dst []byte, values []string) []byte {
	return appendList(dst, values, appendString)
}

// appendList appends a list [1.6.22] of values, each encoded by appendValue.
func appendList[V any](dst []byte, values []V, appendValue func([]byte, V) []byte) []byte {
	var content []byte
	for _, v := range values {
		content = appendValue(content, v)
	}
	return append(wire.AppendListHeader(dst, len(content), len(values)), content...)
}
