package message

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// The section that goes to the next router is what qdrouterd writes, octet by octet: user keys first, then the router's
// in its order.
func TestAppendAnnotations(t *testing.T) {
	t.Parallel()
	trace := unhex(t, "a1 03 '0/B'")
	long := bytes.Repeat([]byte{'x'}, 300)
	for _, c := range []struct {
		name   string
		count  int
		user   string
		router *RouterAnnotations
		want   []byte
	}{
		{"nothing", 0, "", nil, nil},
		{"nothing of the router", 0, "", &RouterAnnotations{}, nil},
		{"user keys only", 1, stringX, nil, section(t, 0x72, 1, stringX)},
		{"what qdrouterd adds at the first router", 1, stringX,
			&RouterAnnotations{To: []byte("q1"), Ingress: []byte("0/B"), Self: "0/B"},
			section(t, 0x72, 4, stringX+routerTo+routerFrom+routerHops)},
		{"what qdrouterd adds in transit", 0, "",
			&RouterAnnotations{Ingress: []byte("0/B"), Trace: trace, TraceCount: 1, Self: "0/A"},
			section(t, 0x72, 2, routerFrom+`a3 0e 'x-opt-qd.trace' c0 0b 02 a1 03 '0/B' a1 03 '0/A'`)},
		{"all keys", 1, stringX, &RouterAnnotations{Phase: 1, Stream: true, To: []byte("q1"), Ingress: []byte("0/B"),
			Trace: trace, TraceCount: 1, Exchanges: unhex(t, "a1 03 'A x' a1 03 'B y'"), ExchangeCount: 2, Number: 7,
			Topology: 8, Settled: true, Egress: []byte("D"), Flow: 9, Paths: unhex(t, "a1 01 'D' a1 01 'C' a1 01 'D'"), PathCount: 3},
			section(t, 0x72, 13, stringX+passed+numbered+`a3 11 'x-opt-qd.topology' 80 00 00 00 00 00 00 00 08 a3 10 'x-opt-qd.settled' 41 a3 0f 'x-opt-qd.egress' a1 01 'D' a3 0d 'x-opt-qd.flow' 70 00 00 00 09 a3 0e 'x-opt-qd.paths' c0 0a 03 a1 01 'D' a1 01 'C' a1 01 'D' a3 0e 'x-opt-qd.phase' 54 01 a3 0f 'x-opt-qd.stream' 54 01`+
				routerTo+routerFrom+routerHops)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := AppendAnnotations([]byte("before"), c.count, unhex(t, c.user), c.router)
			if want := append([]byte("before"), c.want...); !bytes.Equal(got, want) {
				t.Errorf("\n got % x\nwant % x", got, want)
			}
		})
	}
	t.Run("wide encodings are understood again", func(t *testing.T) {
		t.Parallel()
		r := RouterAnnotations{To: long, Ingress: long, Trace: trace, TraceCount: 1, Self: string(long),
			Exchanges: wire.AppendString(nil, long), ExchangeCount: 1}
		b := AppendAnnotations(nil, 1, unhex(t, stringX), &r)
		var e Envelope
		if ok, err := e.Scan(b, true); !ok || err != nil {
			t.Fatal(ok, err)
		}
		want := Envelope{Priority: 4, Bare: len(b), UserCount: 1, User: unhex(t, stringX), HasRouter: true,
			RouterAnnotations: RouterAnnotations{To: long, Ingress: long, Exchanges: r.Exchanges,
				ExchangeCount: 1, TraceCount: 2, Trace: append(append(trace, 0xb1, 0, 0, 1, 0x2c), long...)}}
		if diff := cmp.Diff(want, e, sameEnvelope); diff != "" {
			t.Error(diff)
		}
	})
}
