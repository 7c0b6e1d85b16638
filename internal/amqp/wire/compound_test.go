package wire

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"strings"
	"testing"
)

// Values that break a rule of part 1 are refused by Skip and DecodeValue alike, with a text that names the rule.
func TestMalformedValuesAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, value, reason string }{
		{"nothing", "", "nothing where a value should start"},
		{"an unassigned code", "01", "0x01 (unassigned)"},
		{"a boolean of two", "56 02", "must be 0x00 or 0x01"},
		{"a uint cut off", "70 00 00", "uint is cut off after 2 octets"},
		{"a ubyte cut off", "50", "ubyte is cut off after 0 octets"},
		{"a uuid cut off", "98 00", "uuid is cut off after 1 octets"},
		{"a char that is a surrogate", "73 00 00 d8 00", "no Unicode character"},
		{"a char past Unicode", "73 ff ff ff ff", "no Unicode character"},
		{"a string without length", "a1", "string is cut off"},
		{"a string32 without length", "b1 00 00 00", "string is cut off after 3 octets"},
		{"a string longer than the input", "a1 05 'abc'", "string of 5 octets, but only 3 are left"},
		{"a symbol of 4 GiB", "b3 ff ff ff ff 'a'", "but only 1 are left"},
		{"a string that is not UTF-8", "a1 02 c3 28", "not valid UTF-8"},
		{"a symbol that is not ASCII", "a3 02 c3 bc", "octet 0xc3 in a symbol"},
		{"a list cut off", "c0 05", "list is cut off"},
		{"a list32 cut off", "d0 00 00 00 05 00", "list is cut off after 5 octets"},
		{"a list without room for its count", "c0 00 00", "no room for its count"},
		{"a list32 without room for its count", "d0 00 00 00 03 00 00 00 00", "no room for its count"},
		{"a list longer than the input", "c0 06 01 40", "list ends 4 octets after what surrounds it"},
		{"a list of 4 GiB", "d0 ff ff ff ff 00 00 00 01 40", "octets after what surrounds it"},
		{"a list of more values than octets", "c0 02 02 40", "list of 2 values in 1 octets"},
		{"a list of 4 Gi values", "d0 00 00 00 05 ff ff ff ff 40", "values in 1 octets"},
		{"a list with octets left", "c0 03 01 40 40", "1 octets are left after the last value"},
		{"a list inside that ends after the one around it", "c0 05 01 c0 04 01 40 40 40", "after what surrounds it"},
		{"a list whose last value is cut off by it", "c0 03 01 70 00 00 00 00", "cut off after 1 octets"},
		{"a map of three", "c1 04 03 40 40 40", "must be an even number"},
		{"an array without a constructor", "e0 01 00", "without the constructor"},
		{"an array32 without a constructor", "f0 00 00 00 04 00 00 00 00", "without the constructor"},
		{"an array of an unassigned code", "e0 02 00 01", "0x01 (unassigned)"},
		{"an array of more elements than octets", "e0 03 02 50 01", "array of 2 elements in 1 octets"},
		{"an array of 4 Gi uints", "f0 00 00 00 06 ff ff ff ff 70 00", "elements in 1 octets"},
		{"an array of 4 Gi strings", "f0 00 00 00 06 ff ff ff ff b1 00", "elements in 1 octets"},
		{"an array of 4 Gi lists", "f0 00 00 00 06 ff ff ff ff d0 00", "elements in 1 octets"},
		{"an array of 4 Gi maps", "f0 00 00 00 06 ff ff ff ff c1 00", "elements in 1 octets"},
		{"an array of 4 Gi arrays", "f0 00 00 00 06 ff ff ff ff e0 00", "elements in 1 octets"},
		{"an array of 4 Gi array32s", "f0 00 00 00 06 ff ff ff ff f0 00", "elements in 1 octets"},
		{"an array of 4 Gi nulls", "f0 00 00 00 05 ff ff ff ff 40", "at most 65535"},
		{"an array of 65,536 list0s", "f0 00 00 00 05 00 01 00 00 45", "at most 65535"},
		{"an array with octets left", "e0 04 01 50 01 02", "1 octets are left"},
		{"an array whose descriptor is cut off", "e0 03 01 00 80", "ulong is cut off after 0 octets"},
		{"an array that ends after its descriptor", "e0 04 01 00 53 01", "nothing where a value should start"},
		{"an array of maps of one", "e0 05 01 c1 02 01 40", "must be an even number"},
		{"a described value without a descriptor", "00", "nothing where a value should start"},
		{"a described value without a value", "00 53 24", "nothing where a value should start"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := unhex(t, c.value)
			_, err := Skip(b)
			checkError(t, err, len(b))
			if !strings.Contains(err.Error(), c.reason) {
				t.Errorf("Skip: %v; want %q", err, c.reason)
			}
			if _, _, err := DecodeValue(b); err == nil {
				t.Error("DecodeValue takes it")
			}
		})
	}
}

// nest puts n layers around null.
func nest(n int, layer func(inner []byte) []byte) []byte {
	b := []byte{CodeNull}
	for range n {
		b = layer(b)
	}
	return b
}

// layers are the ways to nest values. Arrays of arrays are nil: nestArrays makes them.
var layers = map[string]func(inner []byte) []byte{
	"lists": func(inner []byte) []byte { return append(AppendListHeader(nil, len(inner), 1), inner...) },
	"maps": func(inner []byte) []byte {
		return append(append(AppendMapHeader(nil, len(inner)+1, 1), CodeNull), inner...)
	},
	"map keys": func(inner []byte) []byte {
		return append(append(AppendMapHeader(nil, len(inner)+1, 1), inner...), CodeNull)
	},
	"described values": func(inner []byte) []byte { return append([]byte{CodeDescribed, CodeNull}, inner...) },
	"descriptors": func(inner []byte) []byte {
		return append(append([]byte{CodeDescribed}, inner...), CodeNull)
	},
	"arrays of arrays": nil,
}

// nestArrays nests n arrays of one array each.
func nestArrays(n int) []byte {
	b := []byte{CodeArray32, 0, 0, 0, 5, 0, 0, 0, 0, CodeNull}
	for range n - 1 {
		head := binary.BigEndian.AppendUint32([]byte{CodeArray32}, uint32(4+len(b)))
		b = append(append(head, 0, 0, 0, 1), b...)
	}
	return b
}

// Values may be nested MaxDepth levels deep, in whatever way, and no deeper.
func TestNestingIsLimited(t *testing.T) {
	t.Parallel()
	for name, layer := range layers {
		build := func(n int) []byte { return nest(n, layer) }
		if layer == nil {
			build = nestArrays
		}
		b := build(MaxDepth)
		if n, err := Skip(b); n != len(b) || err != nil {
			t.Errorf("%s: Skip %d of %d, %v", name, n, len(b), err)
		}
		v, _, err := DecodeValue(b)
		if err != nil {
			t.Errorf("%s: DecodeValue %v", name, err)
		}
		if got, err := AppendValue(nil, v); err != nil || len(got) > len(b) {
			t.Errorf("%s: AppendValue %d octets, %v", name, len(got), err)
		}
		for _, deep := range [][]byte{build(MaxDepth + 1), build(4000)} {
			_, err := Skip(deep)
			if err == nil || !strings.Contains(err.Error(), "more than 32 levels") {
				t.Errorf("%s: %v", name, err)
			}
			if _, _, err := DecodeValue(deep); err == nil {
				t.Errorf("%s: DecodeValue takes it", name)
			}
		}
	}
}

// hostileValues are small inputs that want much memory.
func hostileValues() map[string][]byte {
	list := func(element string, count int) []byte {
		return append(AppendListHeader(nil, count*len(element), count), strings.Repeat(element, count)...)
	}
	dict := func(pair string, pairs int) []byte {
		return append(AppendMapHeader(nil, pairs*len(pair), pairs), strings.Repeat(pair, pairs)...)
	}
	array := func(code byte, count, octets int) []byte {
		return append(append(appendCompoundHeader(nil, CodeArray8, 1+octets, count), code), make([]byte, octets)...)
	}
	return map[string][]byte{
		"a list of nulls":             list("\x40", 60000),
		"a list of smallints":         list("\x54\xff", 30000),
		"a list of ushorts":           list("\x60\xff\xff", 20000),
		"a list of empty binaries":    list("\xa0\x00", 30000),
		"a list of short binaries":    list("\xa0\x01x", 20000),
		"a list of short strings":     list("\xa1\x01x", 20000),
		"a list of empty lists":       list("\x45", 60000),
		"a list of lists of null":     list("\xc0\x02\x01\x40", 15000),
		"a list of empty arrays":      list("\xe0\x02\x00\x40", 15000),
		"a list of described nulls":   list("\x00\x40\x40", 20000),
		"a list of big null arrays":   list("\xf0\x00\x00\x00\x05\x00\x00\xff\xff\x40", 6000),
		"a map of nulls":              dict("\x40\x40", 30000),
		"a map of maps":               dict("\x40\xc1\x01\x00", 15000),
		"an array of nulls":           array(CodeNull, 65535, 0),
		"an array of ubytes":          array(CodeUbyte, 60000, 60000),
		"an array of ushorts":         array(CodeUshort, 30000, 60000),
		"an array of empty symbols":   array(CodeSymbol8, 60000, 60000),
		"an array of empty binaries":  array(CodeBinary8, 60000, 60000),
		"a string":                    append([]byte{CodeString32, 0, 1, 0, 0}, make([]byte, 65536)...),
		"a list of described arrays":  list("\xe0\x05\x00\x00\x40\x00\x40\x40", 7000),
		"4 GiB declared, one is sent": {CodeBinary32, 0xff, 0xff, 0xff, 0xff, 0},
	}
}

// allocated returns the octets that f allocates. No other test may run meanwhile.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// A decoder takes at most eight times its input and 4 KiB of memory, whatever is in it. Not parallel: it measures.
func TestMemoryIsBounded(t *testing.T) {
	check := func(name string, size int, decode func()) {
		t.Helper()
		decode() // what is made once
		const measuring = 512
		if got, most := allocated(decode), MemoryBudget(size)*allocatorOverhead+measuring; got > most {
			t.Errorf("%s: %d octets of input, %d of memory, at most %d are allowed", name, size, got, most)
		}
	}
	for name, b := range hostileValues() {
		check("DecodeValue of "+name, len(b), func() { _, _, _ = DecodeValue(b) })
		check("Skip of "+name, len(b), func() { _, _ = Skip(b) })
		for _, p := range []performative{&Open{}, &Attach{}, &Transfer{}, &Disposition{}, &SASLInit{}} {
			body := func(fields int) []byte {
				w := beginList(nil, descriptorOf(p))
				for range fields {
					w.null()
				}
				w.raw(b)
				return w.end()
			}
			for fields := range 14 {
				hostile := body(fields)
				check(name+" in a performative", len(hostile), func() { _, _ = p.Decode(hostile) })
			}
		}
	}
	for name, p := range map[string]performative{
		"open": &Open{OutgoingLocales: make([]Symbol, 300), IncomingLocales: make([]Symbol, 300),
			OfferedCapabilities: make([]Symbol, 300), DesiredCapabilities: make([]Symbol, 300)},
		"attach": &Attach{Source: &Source{Outcomes: make([]Symbol, 50), Capabilities: make([]Symbol, 50)},
			Target: &Target{Capabilities: make([]Symbol, 50)}, OfferedCapabilities: make([]Symbol, 50),
			DesiredCapabilities: make([]Symbol, 50)},
		"mechanisms": &SASLMechanisms{Mechanisms: make([]Symbol, 60000)},
	} {
		body := p.Append(nil)
		check(name+" with empty symbols", len(body), func() { _, _ = p.Decode(body) })
	}
}

func descriptorOf(p performative) uint64 {
	code, err := PeekDescriptor(p.Append(nil))
	if err != nil {
		panic(err)
	}
	return code
}

// Skip takes time in proportion to its input and no memory: empty elements are counted, not walked over.
func TestSkipIsLinear(t *testing.T) {
	b := hostileValues()["a list of big null arrays"]
	if n, err := Skip(b); n != len(b) || err != nil { // 393 million elements in 60 kB
		t.Error(n, err)
	}
	if got := testing.AllocsPerRun(10, func() { _, _ = Skip(b) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
	if !bytes.Equal(b, hostileValues()["a list of big null arrays"]) {
		t.Error("the input was changed")
	}
}
