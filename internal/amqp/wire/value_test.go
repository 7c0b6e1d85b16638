package wire

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// goldenValues holds encodings both ways [1.6].
var goldenValues = []struct {
	value any
	bytes string
}{
	{nil, "40"},
	{true, "41"},
	{false, "42"},
	{uint8(0), "50 00"},
	{uint8(255), "50 ff"},
	{uint16(1), "60 00 01"},
	{uint32(0), "43"},
	{uint32(255), "52 ff"},
	{uint32(256), "70 00 00 01 00"},
	{uint64(0), "44"},
	{uint64(255), "53 ff"},
	{uint64(256), "80 00 00 00 00 00 00 01 00"},
	{int8(-1), "51 ff"},
	{int16(-2), "61 ff fe"},
	{int32(-128), "54 80"},
	{int32(128), "71 00 00 00 80"},
	{int64(127), "55 7f"},
	{int64(-129), "81 ff ff ff ff ff ff ff 7f"},
	{float32(1), "72 3f 80 00 00"},
	{-0.5, "82 bf e0 00 00 00 00 00 00"},
	{Decimal32{1, 2, 3, 4}, "74 01 02 03 04"},
	{Decimal64{1, 2, 3, 4, 5, 6, 7, 8}, "84 01 02 03 04 05 06 07 08"},
	{Decimal128{15: 9}, "94 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 09"},
	{Char('€'), "73 00 00 20 ac"},
	{Timestamp(-1), "83 ff ff ff ff ff ff ff ff"},
	{UUID{0: 1, 15: 2}, "98 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02"},
	{[]byte{}, "a0 00"},
	{[]byte{1, 2}, "a0 02 01 02"},
	{"", "a1 00"},
	{"grüß", "a1 06 67 72 c3 bc c3 9f"},
	{Symbol("amqp:x"), "a3 06 'amqp:x'"},
	{strings.Repeat("x", 256), "b1 00 00 01 00" + strings.Repeat("78", 256)},
	{Symbol(strings.Repeat("x", 256)), "b3 00 00 01 00" + strings.Repeat("78", 256)},
	{bytes.Repeat([]byte{7}, 256), "b0 00 00 01 00" + strings.Repeat("07", 256)},
	{List{}, "45"},
	{List{uint32(1), "a", List{}}, "c0 07 03 52 01 a1 01 'a' 45"},
	{Map{}, "c1 01 00"},
	{Map{{"k", Map{{Symbol("s"), nil}}}}, "c1 0b 02 a1 01 'k' c1 05 02 a3 01 's' 40"},
	{List{strings.Repeat("x", 251)}, "c0 fe 01 a1 fb" + strings.Repeat("78", 251)},
	{List{strings.Repeat("x", 253)}, "d0 00 00 01 03 00 00 00 01 a1 fd" + strings.Repeat("78", 253)},
	{Described{uint64(0x24), List{}}, "00 53 24 45"},
	{Described{Symbol("x:y"), Described{uint64(1), nil}}, "00 a3 03 'x:y' 00 53 01 40"},
	{Array{Elements: []any{Symbol("a"), Symbol("bc")}, Code: CodeSymbol8}, "e0 07 02 a3 01 'a' 02 'bc'"},
	{Array{Elements: []any{}, Code: CodeString32}, "e0 02 00 b1"},
	{Array{Elements: []any{uint32(1), uint32(0), uint32(256)}, Code: CodeUint},
		"e0 0e 03 70 00 00 00 01 00 00 00 00 00 00 01 00"},
	{Array{Elements: []any{uint64(1), uint64(0)}, Code: CodeSmallUlong}, "e0 04 02 53 01 00"},
	{Array{Elements: []any{int32(-1), int32(1)}, Code: CodeInt}, "e0 0a 02 71 ff ff ff ff 00 00 00 01"},
	{Array{Elements: []any{int64(-2)}, Code: CodeLong}, "e0 0a 01 81 ff ff ff ff ff ff ff fe"},
	{Array{Elements: []any{true, false}, Code: CodeBoolean}, "e0 04 02 56 01 00"},
	{Array{Elements: []any{true, true}, Code: CodeTrue}, "e0 02 02 41"},
	{Array{Elements: []any{nil, nil, nil}, Code: CodeNull}, "e0 02 03 40"},
	{Array{Elements: []any{List{}, List{nil}}, Code: CodeList8}, "e0 07 02 c0 01 00 02 01 40"},
	{Array{Elements: []any{List{}, List{nil}}, Code: CodeList32},
		"e0 13 02 d0 00 00 00 04 00 00 00 00 00 00 00 05 00 00 00 01 40"},
	{Array{Elements: []any{Map{{true, false}}}, Code: CodeMap8}, "e0 06 01 c1 03 02 41 42"},
	{Array{Elements: []any{Array{Elements: []any{uint8(1)}, Code: CodeUbyte}}, Code: CodeArray8},
		"e0 06 01 e0 03 01 50 01"},
	{Array{Elements: []any{Array{Elements: []any{uint8(1)}, Code: CodeUbyte}}, Code: CodeArray32},
		"e0 0c 01 f0 00 00 00 06 00 00 00 01 50 01"},
	{Array{Elements: []any{"v"}, Code: CodeString8, Descriptor: uint64(7)}, "e0 07 01 00 53 07 a1 01 'v'"},
	{Array{Elements: []any{"v"}, Code: CodeString8, Descriptor: Descriptors{uint64(7), Symbol("s")}},
		"e0 0b 01 00 53 07 00 a3 01 's' a1 01 'v'"},
}

// Values of every type have the encoding that the specification gives them, and decode to the same value.
func TestGoldenValues(t *testing.T) {
	t.Parallel()
	for _, g := range goldenValues {
		want := unhex(t, g.bytes)
		got, err := AppendValue([]byte("before"), g.value)
		if err != nil || !bytes.Equal(got, append([]byte("before"), want...)) {
			t.Errorf("%v: error %v\n got % x\nwant % x", g.value, err, got[min(len(got), len("before")):], want)
		}
		back, rest, err := DecodeValue(append(want, "rest"...))
		if err != nil || string(rest) != "rest" {
			t.Errorf("%s: %v, rest %q", g.bytes, err, rest)
		}
		if diff := cmp.Diff(g.value, back); diff != "" {
			t.Errorf("%s: %s", g.bytes, diff)
		}
		if n, err := Skip(append(want, "rest"...)); n != len(want) || err != nil {
			t.Errorf("%s: Skip %d, %v", g.bytes, n, err)
		}
	}
}

// Wider encodings than necessary decode to the same values.
func TestWideEncodingsDecode(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]any{
		"56 01":                           true,
		"56 00":                           false,
		"70 00 00 00 00":                  uint32(0),
		"80 00 00 00 00 00 00 00 01":      uint64(1),
		"71 ff ff ff ff":                  int32(-1),
		"81 00 00 00 00 00 00 00 01":      int64(1),
		"b1 00 00 00 01 'x'":              "x",
		"d0 00 00 00 04 00 00 00 00":      List{},
		"d1 00 00 00 06 00 00 00 02 4040": Map{{nil, nil}},
		"f0 00 00 00 05 00 00 00 01 40":   Array{Elements: []any{nil}, Code: CodeNull},
		"c0 01 00":                        List{},
	} {
		got, _, err := DecodeValue(unhex(t, text))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", text, err, diff)
		}
	}
}

// An array whose elements do not fit its code is widened within the type.
func TestArraysAreWidened(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 256)
	for _, c := range []struct {
		array Array
		code  byte
	}{
		{Array{Elements: []any{uint32(0), uint32(1)}, Code: CodeUint0}, CodeUint},
		{Array{Elements: []any{uint32(1), uint32(1000)}, Code: CodeSmallUint}, CodeUint},
		{Array{Elements: []any{uint32(1)}}, CodeUint},
		{Array{Elements: []any{true, false}, Code: CodeTrue}, CodeBoolean},
		{Array{Elements: []any{int64(1), int64(1000)}, Code: CodeSmallLong}, CodeLong},
		{Array{Elements: []any{"a", long}, Code: CodeString8}, CodeString32},
		{Array{Elements: []any{[]byte(long), []byte{}}, Code: CodeBinary8}, CodeBinary32},
		{Array{Elements: []any{List{}, List{nil}}, Code: CodeList0}, CodeList32},
		{Array{Elements: []any{List{long, long}, List{nil}, List{}}, Code: CodeList8}, CodeList32},
		{Array{Elements: []any{Map{}, Map{{"k", long}}}, Code: CodeMap8}, CodeMap32},
		{Array{}, CodeNull},
	} {
		b, err := AppendValue(nil, c.array)
		if err != nil {
			t.Error(err)
			continue
		}
		got, _, err := DecodeValue(b)
		if err != nil {
			t.Errorf("% x: %v", b, err)
			continue
		}
		want := c.array
		want.Code = c.code
		if want.Elements == nil {
			want.Elements = []any{}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

// What has no encoding is refused, and the destination stays as it was.
func TestAppendValueRefuses(t *testing.T) {
	t.Parallel()
	deep := any(nil)
	for range MaxDepth + 1 {
		deep = List{deep}
	}
	cyclic := List{nil}
	cyclic[0] = cyclic
	for _, c := range []struct {
		value  any
		reason string
	}{
		{make(chan int), "Go type chan int"},
		{1, "Go type int"},
		{"\xff", "not valid UTF-8"},
		{Symbol("ü"), "not ASCII"},
		{Char(0xd800), "no Unicode character"},
		{Char(-1), "no Unicode character"},
		{deep, "more than 32 levels"},
		{cyclic, "more than 32 levels"},
		{Array{Elements: []any{"a", Symbol("b")}}, "among elements of type string"},
		{Array{Elements: []any{uint32(1)}, Code: CodeSymbol8}, "among elements of type symbol"},
		{Array{Elements: []any{Described{}}}, "described value"},
		{Array{Elements: []any{1}, Code: CodeUint}, "Go type int"},
		{Array{Code: 0x01}, "0x01 (unassigned)"},
		{Array{Elements: make([]any, MaxZeroWidth+1)}, "at most 65535"},
		{Map{{"k", 1}}, "Go type int"},
		{Map{{1, "v"}}, "Go type int"},
		{Described{1, nil}, "Go type int"},
	} {
		got, err := AppendValue([]byte("before"), c.value)
		if err == nil || !strings.Contains(err.Error(), c.reason) || string(got) != "before" {
			t.Errorf("%T: %q, %v; want %q", c.value, got, err, c.reason)
		}
	}
}

// A map is searched by string or symbol keys.
func TestMapGet(t *testing.T) {
	t.Parallel()
	m := Map{{uint64(1), 1}, {Symbol("a"), 2}, {"b", 3}, {"a", 4}}
	for key, want := range map[string]any{"a": 2, "b": 3, "c": nil} {
		if got, ok := m.Get(key); got != want || ok != (want != nil) {
			t.Errorf("Get(%q) = %v, %v", key, got, ok)
		}
	}
}

// NaNs keep their bits.
func TestNaNsKeepTheirBits(t *testing.T) {
	t.Parallel()
	b := unhex(t, "82 7f f8 00 00 00 00 00 99")
	v, _, err := DecodeValue(b)
	if err != nil || !math.IsNaN(v.(float64)) {
		t.Fatal(v, err)
	}
	if got, _ := AppendValue(nil, v); !bytes.Equal(got, b) {
		t.Errorf("% x", got)
	}
}
