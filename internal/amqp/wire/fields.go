package wire

import "encoding/binary"

// layout is the table of a composite type: its name, its descriptor and the names of its fields in order.
type layout struct {
	name   string
	code   uint64
	fields []string
}

// fields reads the fields of one composite value in order. The first failure sticks in bad, and later reads return
// zero values.
type fields struct {
	b     []byte // up to the end of the list
	i     int    // position of the next field
	left  int    // fields not read yet
	index int    // of the next field
	of    *layout
	bad   *DecodeError
}

// enter decodes descriptor and list constructor of the composite value at b[i].
func (t *layout) enter(b []byte, i int) fields {
	code, next, bad := descriptorAt(b, i)
	if bad == nil && code != t.code {
		bad = invalid(i, "descriptor 0x%02x where %s (0x%02x) should stand", code, t.name, t.code)
	}
	if bad != nil {
		return fields{of: t, bad: bad}
	}
	return t.enterList(b, next)
}

// enterList decodes the list constructor at b[i].
func (t *layout) enterList(b []byte, i int) fields {
	start, end, count, bad := compoundAt(b, i, CodeList8, t.name)
	if bad == nil && count > len(t.fields) {
		bad = invalid(i, "%s of %d fields, which has only %d", t.name, count, len(t.fields))
	}
	return fields{b: b[:end], i: start, left: count, of: t, bad: bad}
}

// end returns the position after the list, or the first failure.
func (f *fields) end() (next int, bad *DecodeError) {
	if f.bad != nil {
		return 0, f.bad
	}
	if f.left == 0 && f.i != len(f.b) {
		return 0, malformed(f.i, "%d octets are left after the last field of %s", len(f.b)-f.i, f.of.name)
	}
	return len(f.b), nil
}

// rest is end for exported decoders: it returns what follows the composite value in body.
func (f *fields) rest(body []byte) ([]byte, error) {
	next, bad := f.end()
	if bad != nil {
		return nil, bad
	}
	return body[next:], nil
}

// next moves to the next field. It returns false when the field is absent or null, which is a failure when it is
// mandatory.
func (f *fields) next(mandatory bool) bool {
	f.index++
	if f.bad != nil {
		return false
	}
	if f.left > 0 {
		f.left--
		if f.i >= len(f.b) {
			f.fail(truncated(f.b, f.i))
			return false
		}
		if f.b[f.i] != CodeNull {
			return true
		}
		f.i++
	}
	if mandatory {
		f.fail(invalid(f.i, "mandatory field is missing"))
	}
	return false
}

// fail keeps the first failure and prefixes it with the name of the field read last.
func (f *fields) fail(bad *DecodeError) {
	if f.bad == nil {
		bad.Reason = f.of.name + "." + f.of.fields[f.index-1] + ": " + bad.Reason
		f.bad = bad
	}
}

const (
	optional  = false
	mandatory = true
)

func (f *fields) boolean(must bool) (v bool) {
	if f.next(must) {
		v, f.i = keep(f, boolAt, "boolean")
	}
	return v
}

func (f *fields) optionalBoolean() (v, ok bool) {
	if f.next(optional) {
		v, f.i = keep(f, boolAt, "boolean")
		return v, f.bad == nil
	}
	return false, false
}

func (f *fields) ubyte(must bool) (v uint8, ok bool) {
	if f.next(must) {
		v, f.i = keep(f, ubyteAt, "ubyte")
		return v, f.bad == nil
	}
	return 0, false
}

func (f *fields) ushort(must bool) (v uint16, ok bool) {
	if f.next(must) {
		v, f.i = keep(f, ushortAt, "ushort")
		return v, f.bad == nil
	}
	return 0, false
}

func (f *fields) uint(must bool) (v uint32, ok bool) {
	if f.next(must) {
		v, f.i = keep(f, uintAt, "uint")
		return v, f.bad == nil
	}
	return 0, false
}

func (f *fields) ulong(must bool) (v uint64, ok bool) {
	if f.next(must) {
		v, f.i = keep(f, ulongAt, "ulong")
		return v, f.bad == nil
	}
	return 0, false
}

// keep decodes the present field with read.
func keep[T any](f *fields, read func([]byte, int) (T, int, bool), want string) (v T, next int) {
	v, next, ok := read(f.b, f.i)
	if !ok {
		f.fail(mismatch(f.b, f.i, want))
	}
	return v, next
}

func ubyteAt(b []byte, i int) (v uint8, next int, ok bool) {
	if i+1 < len(b) && b[i] == CodeUbyte {
		return b[i+1], i + 2, true
	}
	return 0, i, false
}

func ushortAt(b []byte, i int) (v uint16, next int, ok bool) {
	if i+2 < len(b) && b[i] == CodeUshort {
		return binary.BigEndian.Uint16(b[i+1:]), i + 3, true
	}
	return 0, i, false
}

// text copies a string field.
func (f *fields) text(must bool) (v string, ok bool) {
	content, ok := f.variable(must, CodeString8, "string")
	return string(content), ok
}

// symbol copies a symbol field.
func (f *fields) symbol(must bool) (v Symbol, ok bool) {
	content, ok := f.variable(must, CodeSymbol8, "symbol")
	return Symbol(content), ok
}

// binary copies a binary field, which is not nil when it is present.
func (f *fields) binary(must bool) (v []byte, ok bool) {
	content, ok := f.variable(must, CodeBinary8, "binary")
	if !ok {
		return nil, false
	}
	return append(make([]byte, 0, len(content)), content...), true
}

// variable returns the content of a binary, string or symbol field. It references the input.
func (f *fields) variable(must bool, code8 byte, want string) (content []byte, ok bool) {
	if !f.next(must) {
		return nil, false
	}
	if f.b[f.i]&^0x10 != code8 {
		f.fail(mismatch(f.b, f.i, want))
		return nil, false
	}
	content, next, bad := variableAt(f.b, f.i)
	if bad != nil {
		f.fail(bad)
		return nil, false
	}
	f.i = next
	return content, true
}

// any returns the encoding of a field of any type. It references the input and is nil when the field is absent.
func (f *fields) any() Raw {
	if !f.next(optional) {
		return nil
	}
	next, bad := skip(f.b, f.i)
	if bad != nil {
		f.fail(bad)
		return nil
	}
	raw := f.b[f.i:next:next]
	f.i = next
	return raw
}

// mapping returns the encoding of a map field. It references the input and is nil when the field is absent.
func (f *fields) mapping() Raw {
	at := f.i
	raw := f.any()
	if raw != nil && raw[0]&^0x10 != CodeMap8 {
		f.fail(invalid(at, "format code %s where map should stand", describeCode(raw[0])))
		return nil
	}
	return raw
}

// symbols decodes a field of symbols with multiple=true [1.4]: null, one symbol, or an array of symbols. single tells
// that it was one symbol that is no array.
func (f *fields) symbols(must bool) (v []Symbol, single bool) {
	if !f.next(must) {
		return nil, false
	}
	if f.b[f.i]&^0x10 == CodeSymbol8 {
		content, next, bad := variableAt(f.b, f.i)
		if bad != nil {
			f.fail(bad)
			return nil, false
		}
		f.i = next
		return []Symbol{Symbol(content)}, true
	}
	v, next, bad := symbolArrayAt(f.b, f.i)
	if bad != nil {
		f.fail(bad)
		return nil, false
	}
	f.i = next
	return v, false
}

// symbolArrayAt decodes the array of symbols at b[i]. The symbols share one copy of the input.
func symbolArrayAt(b []byte, i int) (v []Symbol, next int, bad *DecodeError) {
	next, bad = skip(b, i)
	if bad != nil {
		return nil, 0, bad
	}
	if b[i] != CodeArray8 && b[i] != CodeArray32 {
		return nil, 0, invalid(i, "format code %s where symbol or array of symbols should stand", describeCode(b[i]))
	}
	start, end, count, _ := enterCompound(b, i+1, next, b[i])
	code := b[start]
	if code&^0x10 != CodeSymbol8 {
		return nil, 0, invalid(start, "array of elements of code %s where symbols should stand", describeCode(code))
	}
	// A Go string takes 16 octets, an empty symbol one: hold the memory to eight times the input.
	if count > 32+(end-start)*7/16 {
		return nil, 0, exceeded(i, "array of %d symbols in %d octets, most of them empty", count, end-start)
	}
	text := string(b[start:end])
	v = make([]Symbol, count)
	for k, at := 0, 1; k < count; k++ {
		n := 0
		if code == CodeSymbol8 {
			n, at = int(text[at]), at+1
		} else {
			n, at = length32(b[start+at:]), at+4
		}
		v[k], at = Symbol(text[at:at+n]), at+n
	}
	return v, next, nil
}
