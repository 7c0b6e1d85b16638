package message

import "testing"

// Nothing is allocated for a message in steady state, wherever its keys stand. Not parallel: it counts.
func TestHotPathAllocatesNothing(t *testing.T) {
	var e Envelope
	dst := make([]byte, 0, 1024)
	for _, c := range scanCases(t) {
		if n := testing.AllocsPerRun(100, func() {
			if ok, err := e.Scan(c.message, true); !ok || err != nil {
				t.Fatal(ok, err)
			}
			e.TraceContains("A")
			if _, _, ok, err := Address(c.message[e.Bare:], true); !ok || err != nil {
				t.Fatal(ok, err)
			}
			r := RouterAnnotations{To: e.To, Ingress: e.Ingress, Trace: e.Trace, TraceCount: e.TraceCount, Self: "0/A"}
			dst = AppendAnnotations(dst[:0], e.UserCount, e.User, &r)
		}); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	for _, c := range scanCases(b) {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var e Envelope
			for b.Loop() {
				if ok, err := e.Scan(c.message, true); !ok || err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAddress(b *testing.B) {
	bare := unhex(b, bareOnly)
	b.ReportAllocs()
	for b.Loop() {
		if _, present, ok, err := Address(bare, false); !present || !ok || err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendAnnotations(b *testing.B) {
	user := unhex(b, stringX)
	r := RouterAnnotations{To: []byte("q1"), Ingress: []byte("0/B"), Trace: unhex(b, "a1 03 '0/B'"), TraceCount: 1,
		Self: "0/A"}
	dst := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendAnnotations(dst[:0], 1, user, &r)
	}
}

func BenchmarkTraceContains(b *testing.B) {
	e := Envelope{RouterAnnotations: RouterAnnotations{
		Trace: unhex(b, "a1 08 '0/london' a1 07 '0/tokyo' a1 09 '0/newyork'")}}
	b.ReportAllocs()
	for b.Loop() {
		if e.TraceContains("sydney") {
			b.Fatal("found")
		}
	}
}
