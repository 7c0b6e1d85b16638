package message

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/postroad/postroad/internal/amqp/wire"
)

const (
	bareOnly   = `00 53 73 c0 07 03 40 40 a1 02 'q1' 00 53 77 a1 02 'm0'`
	valueOnly  = `00 53 77 a1 02 'm0'`
	stringX    = `a3 09 'user-anno' a1 01 'x'`
	routerTo   = `a3 0b 'x-opt-qd.to' a1 02 'q1'`
	routerFrom = `a3 10 'x-opt-qd.ingress' a1 03 '0/B'`
	numbered   = `a3 0f 'x-opt-qd.number' 80 0000000000000007`
	passed     = `a3 12 'x-opt-qd.exchanges' c0 0b 02 a1 03 'A x' a1 03 'B y'`
	routerHops = `a3 0e 'x-opt-qd.trace' c0 06 01 a1 03 '0/B'`
)

// section puts a map8 with the given number of pairs around content.
func section(t testing.TB, code byte, pairs int, content string) []byte {
	b := unhex(t, content)
	head := []byte{0, 0x53, code}
	return append(wire.AppendMapHeader(head, len(b), pairs), b...)
}

// scanCase is a message with the envelope that a router has to see in it.
type scanCase struct {
	name    string
	message []byte
	want    Envelope
}

func scanCases(t testing.TB) []scanCase {
	qdrouterd := section(t, 0x72, 4, stringX+routerTo+routerFrom+routerHops)
	hello := append(unhex(t, "00 53 70 d0 00 00 00 05 00 00 00 01 42"), section(t, 0x72, 2, routerFrom+routerHops)...)
	mixed := section(t, 0x72, 7, `a3 0e 'x-opt-qd.class' 54 01`+stringX+routerTo+`53 07 40`+
		`a3 09 'x-opt-qd.' a1 00 a3 0f 'x-opt-qd.stream' 54 01 a3 0d 'x-opt-qd.more' 43`)
	withPhase := section(t, 0x72, 2, `a3 0e 'x-opt-qd.phase' 54 09 b1 00 00 00 01 'k' 41`)
	exchanges := section(t, 0x72, 3, stringX+passed+routerTo)
	number := section(t, 0x72, 2, numbered+routerTo)
	settled := section(t, 0x72, 2, "a3 10 'x-opt-qd.settled' 41"+routerTo)
	steered := section(t, 0x72, 4, "a3 0f 'x-opt-qd.egress' a1 01 'D' a3 0d 'x-opt-qd.flow' 70 00 00 00 09"+
		"a3 0e 'x-opt-qd.paths' c0 0a 03 a1 01 'D' a1 01 'C' a1 01 'D'"+routerTo)
	fallback := section(t, 0x72, 2, `a3 0e 'x-opt-qd.phase' 54 16`+routerTo)
	all := append(unhex(t, "00 53 70 c0 0c 05 41 50 08 70 00 01 00 00 41 52 03"),
		section(t, 0x71, 1, "a3 01 'd' 40")...)
	all = append(all, section(t, 0x72, 1, stringX)...)
	return []scanCase{
		{"properties come first", unhex(t, bareOnly), Envelope{Priority: 4}},
		{"the body comes first", unhex(t, valueOnly), Envelope{Priority: 4}},
		{"a header and nothing before the body", unhex(t, "00 53 70 c0 04 02 41 50 07"+valueOnly),
			Envelope{Priority: 7, Durable: true, AnnotationsStart: 9, Bare: 9}},
		{"an empty header by its long descriptor", unhex(t, "00 80 00 00 00 00 00 00 00 70 45"+valueOnly),
			Envelope{Priority: 4, AnnotationsStart: 11, Bare: 11}},
		{"a header by its symbol", unhex(t, "00 a3 10 'amqp:header:list' 45"+valueOnly),
			Envelope{Priority: 4, AnnotationsStart: 20, Bare: 20}},
		{"a priority above nine counts as nine", unhex(t, "00 53 70 c0 04 02 40 50 ff"+valueOnly),
			Envelope{Priority: 9, AnnotationsStart: 9, Bare: 9}},
		{"annotations of qdrouterd", append(qdrouterd, unhex(t, valueOnly)...),
			Envelope{Priority: 4, Bare: len(qdrouterd), UserCount: 1, User: unhex(t, stringX), HasRouter: true,
				RouterAnnotations: RouterAnnotations{To: []byte("q1"), Ingress: []byte("0/B"),
					Trace: unhex(t, "a1 03 '0/B'"), TraceCount: 1}}},
		{"HELLO of qdrouterd", append(hello, unhex(t, valueOnly)...),
			Envelope{Priority: 4, AnnotationsStart: 13, Bare: len(hello), HasRouter: true,
				RouterAnnotations: RouterAnnotations{Ingress: []byte("0/B"), Trace: unhex(t, "a1 03 '0/B'"),
					TraceCount: 1}}},
		{"user keys between router keys", append(mixed, unhex(t, valueOnly)...),
			Envelope{Priority: 4, Bare: len(mixed), UserCount: 3, HasRouter: true,
				User:              unhex(t, stringX+"53 07 40"+"a3 0d 'x-opt-qd.more' 43"),
				RouterAnnotations: RouterAnnotations{To: []byte("q1"), Stream: true}}},
		{"a user key after a router key", append(withPhase, unhex(t, valueOnly)...),
			Envelope{Priority: 4, Bare: len(withPhase), UserCount: 1, HasRouter: true,
				User:              unhex(t, "b1 00 00 00 01 'k' 41"),
				RouterAnnotations: RouterAnnotations{Phase: 9}}},
		{"a number", append(number, unhex(t, valueOnly)...),
			Envelope{Priority: 4, Bare: len(number), HasRouter: true,
				RouterAnnotations: RouterAnnotations{Number: 7, To: []byte("q1")}}},
		{"where it goes, and which way", append(steered, unhex(t, valueOnly)...),
			Envelope{Priority: 4, Bare: len(steered), HasRouter: true,
				RouterAnnotations: RouterAnnotations{To: []byte("q1"), Egress: []byte("D"), Flow: 9,
					Paths: unhex(t, "a1 01 'D' a1 01 'C' a1 01 'D'"), PathCount: 3}}},
		{"that it was sent settled", append(settled, unhex(t, valueOnly)...),
			Envelope{Priority: 4, Bare: len(settled), HasRouter: true,
				RouterAnnotations: RouterAnnotations{Settled: true, To: []byte("q1")}}},
		{"exchanges passed", append(exchanges, unhex(t, valueOnly)...),
			Envelope{Priority: 4, Bare: len(exchanges), UserCount: 1, User: unhex(t, stringX), HasRouter: true,
				RouterAnnotations: RouterAnnotations{To: []byte("q1"), Exchanges: unhex(t, "a1 03 'A x' a1 03 'B y'"),
					ExchangeCount: 2}}},
		{"the phase of a fallback", append(fallback, unhex(t, valueOnly)...),
			Envelope{Priority: 4, Bare: len(fallback), HasRouter: true,
				RouterAnnotations: RouterAnnotations{Phase: 22, To: []byte("q1")}}},
		{"all sections", append(all, unhex(t, bareOnly)...),
			Envelope{Priority: 8, Durable: true, HasTTL: true, TTL: 65536, AnnotationsStart: 17 + 10, Bare: len(all),
				UserCount: 1, User: unhex(t, stringX)}},
		{"an empty map of annotations", unhex(t, "00 53 72 c1 01 00"+valueOnly), Envelope{Priority: 4, Bare: 6}},
		{"an empty trace", unhex(t, "00 53 72 c1 12 02 a3 0e 'x-opt-qd.trace' 45"+valueOnly),
			Envelope{Priority: 4, Bare: 23, HasRouter: true}},
		{"no sections at all", nil, Envelope{Priority: 4}},
	}
}

var sameEnvelope = cmp.Options{cmpopts.IgnoreUnexported(Envelope{}), cmpopts.EquateEmpty()}

// A router sees the sections before the bare message in whatever form they are encoded.
func TestScanSeesTheEnvelope(t *testing.T) {
	t.Parallel()
	for _, c := range scanCases(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := Envelope{RouterAnnotations: RouterAnnotations{Stream: true, To: []byte("left over")}}
			ok, err := e.Scan(c.message, true)
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			if diff := cmp.Diff(c.want, e, sameEnvelope); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A message that arrives in pieces is understood as soon as its message annotations are there, and not earlier in any
// other way.
func TestScanOfPiecesWaitsForTheAnnotations(t *testing.T) {
	t.Parallel()
	for _, c := range scanCases(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var e Envelope
			for n := range len(c.message) {
				ok, err := e.Scan(c.message[:n], false)
				if err != nil {
					t.Fatalf("after %d octets: %v", n, err)
				}
				if must := n >= c.want.Bare+3; must && !ok {
					t.Fatalf("after %d octets, the bare message starts at %d, it asks for more", n, c.want.Bare)
				}
				if ok && n < c.want.Bare {
					t.Fatalf("after %d octets it is content, but the bare message starts at %d", n, c.want.Bare)
				}
				if !ok {
					continue
				}
				if diff := cmp.Diff(c.want, e, sameEnvelope); diff != "" {
					t.Fatalf("after %d octets: %s", n, diff)
				}
			}
		})
	}
}

// Malformed envelopes are refused with the condition and a text that names what is wrong.
func TestScanRefuses(t *testing.T) {
	t.Parallel()
	many := section(t, 0x72, 257, strings.Repeat("a3 01 'k' 40", 257))
	for _, c := range []struct {
		name, message string
		condition     wire.Symbol
		reason        string
	}{
		{"something that is no section", "a1 01 'x'", wire.ErrDecode, "where a section"},
		{"an unknown section", "00 53 6f 45", wire.ErrDecode, "not that of a message section"},
		{"the annotations of another router product", "00 80 53 4b 50 52 2d 2d 52 41 45", wire.ErrDecode, "not that of"},
		{"a performative", "00 53 10 45", wire.ErrDecode, "not that of a message section"},
		{"a descriptor of zero", "00 44 45", wire.ErrDecode, "not that of a message section"},
		{"an unknown symbol", "00 a3 04 'nope' 45", wire.ErrDecode, `unknown symbolic descriptor "nope"`},
		{"a huge symbol", "00 b3 ff ff ff ff", wire.ErrDecode, "more than 255 octets"},
		{"two headers", "00 53 70 45 00 53 70 45", wire.ErrDecode, "section 0x70 is repeated or out of order"},
		{"a header after delivery annotations", "00 53 71 c1 01 00 00 53 70 45", wire.ErrDecode, "out of order"},
		{"a header that is a map", "00 53 70 c1 01 00", wire.ErrDecode, "format code 0xc1 where the value of section header"},
		{"a header of six fields", "00 53 70 c0 07 06 40 40 40 40 40 40", wire.ErrDecode, "header of 6 fields"},
		{"a header of 4 GiB", "00 53 70 d0 ff ff ff ff", wire.ErrDecode, "at most 20 are allowed"},
		{"a header with a string for a priority", "00 53 70 c0 05 02 40 a1 01 'x'", wire.ErrDecode, "where ubyte should"},
		{"a header cut off by its list", "00 53 70 c0 02 02 40", wire.ErrDecode, "2 values in 1 octets"},
		{"a header with octets left", "00 53 70 c0 03 01 40 40", wire.ErrDecode, "1 octets are left"},
		{"annotations that are a list", "00 53 72 45", wire.ErrDecode, "format code 0x45"},
		{"annotations of an odd count", "00 53 72 c1 04 01 a3 01 'k'", wire.ErrDecode, "even number"},
		{"annotations past the limit", "00 53 72 d1 00 01 00 01", wire.ErrDecode, "at most 65536 are allowed"},
		{"delivery annotations past the limit", "00 53 71 d1 ff ff ff ff", wire.ErrDecode, "at most 65536 are allowed"},
		{"a key that is an int", "00 53 72 c1 04 02 54 01 40", wire.ErrDecode, "format code 0x54 where a symbol or ulong"},
		{"a key without a value", "00 53 72 c1 04 02 a3 01 'k'", wire.ErrDecode, ""},
		{"a symbol that is not ASCII", "00 53 72 c1 05 02 a3 01 ff 40", wire.ErrDecode, "must be ASCII"},
		{"a user value that is nonsense", "00 53 72 c1 05 02 a3 01 'k' 01", wire.ErrDecode, "0x01 (unassigned)"},
		{"octets after the last pair", "00 53 72 c1 06 02 a3 01 'k' 40 40", wire.ErrDecode, "1 octets are left"},
		{"a section that is cut off", "00 53 72 c1 20 02 a3 01 'k' 40", wire.ErrDecode, "message ends after 10 octets"},
		{"a descriptor that is cut off", "00 53", wire.ErrDecode, "message ends after 2 octets"},
		{"to of the wrong type", "00 53 72 c1 0f 02 a3 0b 'x-opt-qd.to' 40", wire.ErrInvalidField, "must be a string"},
		{"ingress of the wrong type", "00 53 72 c1 15 02 a3 10 'x-opt-qd.ingress' 54 01", wire.ErrInvalidField, "a string"},
		{"trace of the wrong type", "00 53 72 c1 13 02 a3 0e 'x-opt-qd.trace' a1 00",
			wire.ErrInvalidField, "must be a list of strings"},
		{"a number that is none", "00 53 72 c1 14 02 a3 0f 'x-opt-qd.number' a1 00",
			wire.ErrInvalidField, "must be a ulong"},
		{"exchanges that are no list", "00 53 72 c1 17 02 a3 12 'x-opt-qd.exchanges' a1 00",
			wire.ErrInvalidField, "a list of strings"},
		{"an item of the trace of the wrong type", "00 53 72 c1 15 02 a3 0e 'x-opt-qd.trace' c0 02 01 41",
			wire.ErrInvalidField, "must be a list of strings"},
		{"phase of the wrong type", "00 53 72 c1 13 02 a3 0e 'x-opt-qd.phase' a1 00", wire.ErrInvalidField, "from 0 to 9"},
		{"phase ten", "00 53 72 c1 13 02 a3 0e 'x-opt-qd.phase' 54 0a", wire.ErrInvalidField, "value 10"},
		{"stream of the wrong type", "00 53 72 c1 14 02 a3 0f 'x-opt-qd.stream' a1 00", wire.ErrInvalidField, "integer"},
		{"a router key twice", "00 53 72 c1 21 04 a3 0b 'x-opt-qd.to' a1 01 'a' a3 0b 'x-opt-qd.to' a1 01 'b'",
			wire.ErrDecode, "key x-opt-qd.to is repeated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var e Envelope
			ok, err := e.Scan(unhex(t, c.message), true)
			checkRefused(t, ok, err, c.condition, c.reason)
		})
	}
	var e Envelope
	ok, err := e.Scan(many, true)
	checkRefused(t, ok, err, wire.ErrDecode, "257 keys, of which at most 256")
}

func checkRefused(t *testing.T, ok bool, err error, condition wire.Symbol, reason string) {
	t.Helper()
	bad, is := err.(*wire.DecodeError)
	if ok || !is {
		t.Fatalf("ok %v, error %v; want a decode error", ok, err)
	}
	if bad.Condition != condition || !strings.Contains(bad.Reason, reason) {
		t.Errorf("got %v; want %s and %q", bad, condition, reason)
	}
}

// The limit of the annotations is enforced when their size is declared, before their octets arrive.
func TestScanRefusesDeclaredSizeAtOnce(t *testing.T) {
	t.Parallel()
	for _, head := range []string{"00 53 72 d1 00 01 00 01", "00 53 71 d1 7f ff ff ff", "00 53 70 d0 00 00 00 15"} {
		b := unhex(t, head)
		var e Envelope
		if ok, err := e.Scan(b[:len(b)-1], false); ok || err != nil {
			t.Errorf("%s but the last octet: %v, %v; want more octets asked for", head, ok, err)
		}
		if _, err := e.Scan(b, false); err == nil {
			t.Errorf("%s: no error", head)
		}
	}
}

// The trace names routers by their id behind the area 0.
func TestExchangesContain(t *testing.T) {
	t.Parallel()
	e := Envelope{RouterAnnotations: RouterAnnotations{Exchanges: unhex(t, "a1 03 'A x' b1 00 00 00 03 'B y'"),
		ExchangeCount: 2}}
	for name, want := range map[string]bool{"A x": true, "B y": true, "A": false, "": false, "A xx": false, "C z": false} {
		if got := e.ExchangesContain(name); got != want {
			t.Errorf("ExchangesContain(%q) = %v", name, got)
		}
	}
}

// Each router on the paths of a message's copies knows by where a copy has come from on which path it is, also when both
// paths lead through it.
func TestNextOnPath(t *testing.T) {
	t.Parallel()
	texts := func(ids ...string) (b []byte) {
		for _, id := range ids {
			b = wire.AppendString(b, "0/"+id)
		}
		return b
	}
	disjoint := texts("B", "D", "C", "E", "D")
	crossed := texts("B", "X", "C", "D", "E", "X", "F", "D") // both through X, on other connections
	for _, c := range []struct {
		paths            []byte
		from, self, want string
	}{
		{disjoint, "A", "B", "D"}, {disjoint, "A", "C", "E"}, {disjoint, "C", "E", "D"},
		{crossed, "B", "X", "C"}, {crossed, "E", "X", "F"}, {crossed, "X", "F", "D"},
		{texts("D", "B", "D"), "A", "B", "D"}, // the first path is a connection
		{disjoint, "A", "E", ""}, {disjoint, "E", "B", ""}, {disjoint, "A", "Y", ""}, {disjoint, "D", "C", ""},
		{disjoint, "E", "D", ""}, {nil, "A", "B", ""}, {disjoint[:6], "A", "B", ""}, {texts("B"), "A", "B", ""},
	} {
		e := Envelope{RouterAnnotations: RouterAnnotations{Ingress: []byte("0/A"), Egress: []byte("0/D"),
			Paths: c.paths}}
		want := c.want
		if want != "" {
			want = "0/" + want
		}
		if next, ok := e.NextOnPath("0/"+c.from, "0/"+c.self); string(next) != want || ok != (want != "") {
			t.Errorf("% x from %s at %s: %q, %v, want %q", c.paths, c.from, c.self, next, ok, want)
		}
	}
}

func TestTraceContains(t *testing.T) {
	t.Parallel()
	e := Envelope{RouterAnnotations: RouterAnnotations{
		Trace: unhex(t, "a1 03 '0/A' b1 00 00 00 08 '0/london' a1 05 '1/rio' a1 01 '0'"), TraceCount: 4}}
	for id, want := range map[string]bool{"A": true, "london": true, "rio": false, "": false, "B": false, "0/A": false} {
		if got := e.TraceContains(id); got != want {
			t.Errorf("TraceContains(%q) = %v", id, got)
		}
	}
}
