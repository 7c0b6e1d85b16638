package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/go-amqp"
)

// valueParser reads one AMQP value from its text form, which ../python/values.py describes.
type valueParser struct {
	text string
	at   int
}

// parseValue returns the Go value which go-amqp encodes as the AMQP value of the text. The types which go-amqp does not
// know (decimals, char) are an error.
func parseValue(text string) (any, error) {
	p := &valueParser{text: text}
	return p.value()
}

func (p *valueParser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *valueParser) word() string {
	n := strings.IndexAny(p.text[p.at:], "() ")
	if n < 0 {
		n = len(p.text) - p.at
	}
	p.at += n
	return p.text[p.at-n : p.at]
}

func (p *valueParser) value() (any, error) {
	word := p.word()
	if p.peek() == '(' {
		return p.compound(word)
	}
	if word == "null" {
		return nil, nil
	}
	name, payload, _ := strings.Cut(word, ":")
	return parseScalar(name, payload)
}

func (p *valueParser) compound(name string) (any, error) {
	p.at++
	element := ""
	if name == "array" {
		element = p.word()
	}
	var items []any
	for p.peek() != ')' {
		if p.peek() == ' ' {
			p.at++
			continue
		}
		item, err := p.value()
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	p.at++
	switch name {
	case "list":
		return append([]any{}, items...), nil
	case "map":
		m := make(map[any]any)
		for i := 0; i+1 < len(items); i += 2 {
			m[items[i]] = items[i+1]
		}
		return m, nil
	case "array":
		return arrayOf(element, items)
	case "described":
		return described(items[0], items[1])
	}
	return nil, fmt.Errorf("unknown type %q", name)
}

func parseScalar(name, payload string) (any, error) {
	switch name {
	case "boolean":
		return payload == "true", nil
	case "ubyte":
		n, err := strconv.ParseUint(payload, 10, 8)
		return uint8(n), err
	case "ushort":
		n, err := strconv.ParseUint(payload, 10, 16)
		return uint16(n), err
	case "uint":
		n, err := strconv.ParseUint(payload, 10, 32)
		return uint32(n), err
	case "ulong":
		return strconv.ParseUint(payload, 10, 64)
	case "byte":
		n, err := strconv.ParseInt(payload, 10, 8)
		return int8(n), err
	case "short":
		n, err := strconv.ParseInt(payload, 10, 16)
		return int16(n), err
	case "int":
		n, err := strconv.ParseInt(payload, 10, 32)
		return int32(n), err
	case "long":
		return strconv.ParseInt(payload, 10, 64)
	case "timestamp":
		n, err := strconv.ParseInt(payload, 10, 64)
		return time.UnixMilli(n).UTC(), err
	case "string":
		return url.PathUnescape(payload)
	case "symbol":
		s, err := url.PathUnescape(payload)
		return amqp.Symbol(s), err
	}
	return parseOctets(name, payload)
}

// parseOctets reads the types whose text is hexadecimal.
func parseOctets(name, payload string) (any, error) {
	b, err := hex.DecodeString(payload)
	if err != nil {
		return nil, fmt.Errorf("%s:%s: %w", name, payload, err)
	}
	switch {
	case name == "float" && len(b) == 4:
		return math.Float32frombits(binary.BigEndian.Uint32(b)), nil
	case name == "double" && len(b) == 8:
		return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
	case name == "uuid" && len(b) == 16:
		return amqp.UUID(b), nil
	case name == "binary":
		return b, nil
	}
	return nil, fmt.Errorf("go-amqp cannot send %s:%s", name, payload)
}

// arrayOf returns a typed slice, which is what go-amqp encodes as an array.
func arrayOf(element string, items []any) (any, error) {
	switch element {
	case "boolean":
		return slice[bool](items)
	case "ushort":
		return slice[uint16](items)
	case "uint":
		return slice[uint32](items)
	case "ulong":
		return slice[uint64](items)
	case "byte":
		return slice[int8](items)
	case "short":
		return slice[int16](items)
	case "int":
		return slice[int32](items)
	case "long":
		return slice[int64](items)
	case "float":
		return slice[float32](items)
	case "double":
		return slice[float64](items)
	case "timestamp":
		return slice[time.Time](items)
	case "uuid":
		return slice[amqp.UUID](items)
	case "binary":
		return slice[[]byte](items)
	case "string":
		return slice[string](items)
	case "symbol":
		return slice[amqp.Symbol](items)
	case "map":
		return slice[map[any]any](items)
	}
	return nil, fmt.Errorf("go-amqp cannot send an array of %s", element)
}

func slice[T any](items []any) ([]T, error) {
	out := make([]T, 0, len(items))
	for _, item := range items {
		v, ok := item.(T)
		if !ok {
			return nil, fmt.Errorf("array element %v is a %T, not a %T", item, item, v)
		}
		out = append(out, v)
	}
	return out, nil
}

// described returns a described value. go-amqp's type for it has no public name, but it decodes one, and what it
// decoded it also encodes.
func described(descriptor, value any) (any, error) {
	section := []byte{0x00, 0x53, 0x77} // amqp-value
	encoded := append([]byte{}, section...)
	encoded = append(encoded, 0x00)
	for _, v := range []any{descriptor, value} {
		if v == nil {
			v = amqp.Null{}
		}
		b, err := (&amqp.Message{Value: v}).MarshalBinary()
		if err != nil {
			return nil, err
		}
		encoded = append(encoded, b[len(section):]...)
	}
	var msg amqp.Message
	err := msg.UnmarshalBinary(encoded)
	return msg.Value, err
}

// showValue is the inverse of parseValue. go-amqp decodes a symbol as a string, so symbols show as strings.
func showValue(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool, uint8, uint16, uint32, uint64, int8, int16, int32, int64:
		return fmt.Sprintf("%s:%v", scalarName(v), v)
	case float32:
		return fmt.Sprintf("float:%08x", math.Float32bits(v))
	case float64:
		return fmt.Sprintf("double:%016x", math.Float64bits(v))
	case time.Time:
		return fmt.Sprintf("timestamp:%d", v.UnixMilli())
	case amqp.UUID:
		return fmt.Sprintf("uuid:%x", v[:])
	case []byte:
		return fmt.Sprintf("binary:%x", v)
	case string:
		return "string:" + quote(v)
	case amqp.Symbol:
		return "string:" + quote(string(v))
	case []any:
		parts := make([]string, len(v))
		for i, item := range v {
			parts[i] = showValue(item)
		}
		return "list(" + strings.Join(parts, " ") + ")"
	}
	return showReflected(reflect.ValueOf(v))
}

// showReflected shows maps, arrays and described values, which go-amqp decodes into many Go types.
func showReflected(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer:
		return showReflected(v.Elem())
	case reflect.Map:
		var pairs []string
		for it := v.MapRange(); it.Next(); {
			pairs = append(pairs, showValue(it.Key().Interface())+" "+showValue(it.Value().Interface()))
		}
		slices.Sort(pairs)
		return "map(" + strings.Join(pairs, " ") + ")"
	case reflect.Slice:
		parts := []string{elementName(v.Type().Elem())}
		for i := range v.Len() {
			parts = append(parts, showValue(v.Index(i).Interface()))
		}
		return "array(" + strings.Join(parts, " ") + ")"
	case reflect.Struct:
		descriptor, value := v.FieldByName("Descriptor"), v.FieldByName("Value")
		if descriptor.IsValid() && value.IsValid() {
			return "described(" + showValue(descriptor.Interface()) + " " + showValue(value.Interface()) + ")"
		}
	}
	return "unexpected:" + v.Type().String()
}

func scalarName(v any) string {
	switch v.(type) {
	case bool:
		return "boolean"
	case uint8:
		return "ubyte"
	case uint16:
		return "ushort"
	case uint32:
		return "uint"
	case uint64:
		return "ulong"
	case int8:
		return "byte"
	case int16:
		return "short"
	case int32:
		return "int"
	default:
		return "long"
	}
}

func elementName(t reflect.Type) string {
	zero := showValue(reflect.Zero(t).Interface())
	name, _, _ := strings.Cut(zero, ":")
	name, _, _ = strings.Cut(name, "(")
	return name
}

func quote(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._/-", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
