package wire

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Memory that DecodeValue may take: memoryFactor octets for each octet of input and memoryFree octets more.
const (
	memoryFactor = 8
	memoryFree   = 4096
)

// DecodeValue decodes the value that starts at b[0] into the Go types listed at [Decimal32], and returns what follows
// it. The value does not reference b. A value whose Go form takes more than eight times its octets and 4 KiB is refused
// with ErrResourceLimitExceeded: that is a long list or array of elements of an octet or less.
func DecodeValue(b []byte) (v any, rest []byte, err error) {
	return DecodeValueWithin(b, nil)
}

// DecodeValueWithin is DecodeValue for several values that share one budget of memory, which it reduces by what it
// takes, in octets. MemoryBudget gives the usual one.
func DecodeValueWithin(b []byte, budget *int) (v any, rest []byte, err error) {
	next, bad := skip(b, 0)
	if bad != nil {
		return nil, nil, bad
	}
	d := valueDecoder{b: b[:next]}
	if budget == nil {
		own := MemoryBudget(next)
		budget = &own
	}
	d.budget = *budget
	v = d.value()
	*budget = d.budget
	if d.bad != nil {
		return nil, nil, d.bad
	}
	return v, b[next:], nil
}

// MemoryBudget returns how many octets of memory the values in the given number of octets may take.
func MemoryBudget(octets int) int { return memoryFactor*octets + memoryFree }

// valueDecoder decodes values that skip has found to be well formed, so that neither lengths nor depth need be checked
// again. The budget bounds what lists, maps and arrays take beyond their octets.
type valueDecoder struct {
	b      []byte
	i      int
	budget int // octets of memory
	bad    *DecodeError
}

// take books the memory for something that is about to be allocated, rounded up as the allocator does it.
func (d *valueDecoder) take(octets int) bool {
	const page, large = 8 << 10, 32 << 10
	step := page
	if octets <= large {
		step = 1 << max(3, bits.Len(uint(octets))-4)
	}
	d.budget -= (octets + step - 1) &^ (step - 1)
	if d.budget < 0 && d.bad == nil {
		d.bad = exceeded(d.i, "value takes more than %d times its size in memory", memoryFactor)
	}
	return d.bad == nil
}

// sliceHeader is what a slice takes beside its elements.
const sliceHeader = 24

// value decodes the value at d.i.
func (d *valueDecoder) value() any {
	code := d.b[d.i]
	d.i++
	if code != CodeDescribed {
		return d.content(code)
	}
	v := Described{}
	if !d.take(32) {
		return nil
	}
	v.Descriptor = d.value()
	v.Value = d.value()
	return v
}

// Values without content, made once.
var (
	emptyBinary any = []byte{}
	emptyList   any = List{}
	emptyMap    any = Map{}
)

// content decodes the content at d.i of a value of the given code.
func (d *valueDecoder) content(code byte) any {
	if d.bad != nil {
		return nil
	}
	switch c := codeClass[code]; c {
	case variable8, variable32:
		return d.variable(code)
	case compound8, compound32:
		if code&^0x10 == CodeMap8 {
			return d.mapping(code)
		}
		return d.list(code)
	case array8, array32:
		return d.array(code)
	default:
		at := d.b[d.i:]
		d.i += c.width()
		if c > fixed1 && !d.take(max(8, c.width())) {
			return nil
		}
		return fixedValue(code, at)
	}
}

// fixedValue decodes the content at b[0] of a value of a code of fixed width.
func fixedValue(code byte, b []byte) any {
	switch code {
	case CodeTrue:
		return true
	case CodeFalse:
		return false
	case CodeUint0:
		return uint32(0)
	case CodeUlong0:
		return uint64(0)
	case CodeList0:
		return emptyList
	case CodeUbyte:
		return b[0]
	case CodeByte:
		return int8(b[0])
	case CodeSmallUint:
		return uint32(b[0])
	case CodeSmallUlong:
		return uint64(b[0])
	case CodeSmallInt:
		return smallInts[b[0]]
	case CodeSmallLong:
		return smallLongs[b[0]]
	case CodeBoolean:
		return b[0] != 0
	case CodeUshort:
		return binary.BigEndian.Uint16(b)
	case CodeShort:
		return int16(binary.BigEndian.Uint16(b))
	case CodeUint:
		return binary.BigEndian.Uint32(b)
	case CodeInt:
		return int32(binary.BigEndian.Uint32(b))
	case CodeFloat:
		return math.Float32frombits(binary.BigEndian.Uint32(b))
	case CodeChar:
		return Char(binary.BigEndian.Uint32(b))
	case CodeDecimal32:
		return Decimal32(b)
	case CodeUlong:
		return binary.BigEndian.Uint64(b)
	case CodeLong:
		return int64(binary.BigEndian.Uint64(b))
	case CodeDouble:
		return math.Float64frombits(binary.BigEndian.Uint64(b))
	case CodeTimestamp:
		return Timestamp(binary.BigEndian.Uint64(b))
	case CodeDecimal64:
		return Decimal64(b)
	case CodeDecimal128:
		return Decimal128(b)
	case CodeUUID:
		return UUID(b)
	}
	return nil
}

// smallInts and smallLongs hold the values of one octet, so that none of them is allocated.
var smallInts, smallLongs = func() (ints, longs [256]any) {
	for k := range 256 {
		ints[k], longs[k] = int32(int8(k)), int64(int8(k))
	}
	return ints, longs
}()

// variable decodes a binary, string or symbol.
func (d *valueDecoder) variable(code byte) any {
	n := 0
	if codeClass[code] == variable8 {
		n, d.i = int(d.b[d.i]), d.i+1
	} else {
		n, d.i = length32(d.b[d.i:]), d.i+4
	}
	content := d.b[d.i : d.i+n]
	d.i += n
	if n > 0 && !(d.take(sliceHeader) && d.take(n)) {
		return nil
	}
	switch code {
	case CodeString8, CodeString32:
		return string(content)
	case CodeSymbol8, CodeSymbol32:
		return Symbol(content)
	}
	if n == 0 {
		return emptyBinary
	}
	return append([]byte(nil), content...)
}

// count decodes size and count of a compound value.
func (d *valueDecoder) count(code byte) int {
	start, _, count, _ := enterCompound(d.b, d.i, len(d.b), code)
	d.i = start
	return count
}

func (d *valueDecoder) list(code byte) any {
	n := d.count(code)
	if n == 0 {
		return emptyList
	}
	if !(d.take(sliceHeader) && d.take(16*n)) {
		return nil
	}
	v := make(List, n)
	for k := range v {
		if v[k] = d.value(); d.bad != nil {
			return nil
		}
	}
	return v
}

func (d *valueDecoder) mapping(code byte) any {
	n := d.count(code) / 2
	if n == 0 {
		return emptyMap
	}
	if !(d.take(sliceHeader) && d.take(32*n)) {
		return nil
	}
	v := make(Map, n)
	for k := range v {
		v[k].Key = d.value()
		if v[k].Value = d.value(); d.bad != nil {
			return nil
		}
	}
	return v
}

func (d *valueDecoder) array(code byte) any {
	n := d.count(code)
	v := Array{}
	if !(d.take(48) && d.take(16*n)) {
		return nil
	}
	var path Descriptors
	for d.b[d.i] == CodeDescribed {
		d.i++
		if !(d.take(2*16) && d.take(sliceHeader)) {
			return nil
		}
		if path = append(path, d.value()); d.bad != nil {
			return nil
		}
	}
	switch len(path) {
	case 0:
	case 1:
		v.Descriptor = path[0]
	default:
		v.Descriptor = path
	}
	v.Code = d.b[d.i]
	d.i++
	v.Elements = make([]any, n)
	for k := range v.Elements {
		if v.Elements[k] = d.content(v.Code); d.bad != nil {
			return nil
		}
	}
	return v
}
