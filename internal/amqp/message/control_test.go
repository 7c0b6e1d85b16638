package message

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// hello is a HELLO as qdrouterd 1.19 sends it on the control link: with wide lists and maps throughout, and with null
// fields spelled out.
const hello = `00 53 70 d0 00 00 00 05 00 00 00 01 42
	00 53 72 c1 30 04 a3 10 'x-opt-qd.ingress' a1 03 '0/B' a3 0e 'x-opt-qd.trace' c0 06 01 a1 03 '0/B'
	00 53 73 d0 00 00 00 1f 00 00 00 06 40 40 a1 14 'amqp:/_local/qdhello' 40 40 40
	00 53 74 d1 00 00 00 13 00 00 00 02 a1 06 'opcode' a1 05 'HELLO'
	00 53 77 d1 00 00 00 3b 00 00 00 0a a1 02 'id' a1 01 'B' a1 02 'pv' 54 01 a1 04 'area' a1 01 '0'
	a1 08 'instance' 71 65 00 00 00 a1 04 'seen' d0 00 00 00 07 00 00 00 01 a1 01 'A'`

// A control message of Interconnect is understood lazily and as a whole.
func TestControlMessageOfInterconnect(t *testing.T) {
	t.Parallel()
	b := unhex(t, hello)
	var e Envelope
	if ok, err := e.Scan(b, true); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if string(e.Ingress) != "0/B" || !e.TraceContains("B") || e.TraceContains("A") {
		t.Errorf("%+v", e)
	}
	to, present, ok, err := Address(b[e.Bare:], true)
	if string(to) != "amqp:/_local/qdhello" || !present || !ok || err != nil {
		t.Error(string(to), present, ok, err)
	}
	got, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	want := &Message{
		Header: &Header{Priority: 4},
		Annotations: wire.Map{{Key: wire.Symbol("x-opt-qd.ingress"), Value: "0/B"},
			{Key: wire.Symbol("x-opt-qd.trace"), Value: wire.List{"0/B"}}},
		Properties:            &Properties{To: "amqp:/_local/qdhello"},
		ApplicationProperties: wire.Map{{Key: "opcode", Value: "HELLO"}},
		Body: Value{wire.Map{{Key: "id", Value: "B"}, {Key: "pv", Value: int32(1)}, {Key: "area", Value: "0"},
			{Key: "instance", Value: int32(0x65000000)}, {Key: "seen", Value: wire.List{"A"}}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Decode takes at most eight times its input and 4 KiB of memory, and a few hundred octets for the message itself,
// whatever is in it. Not parallel: it measures.
func TestDecodeMemoryIsBounded(t *testing.T) {
	const itself = 2048
	for name, section := range map[string]string{
		"empty data sections":       "\x00\x53\x75\xa0\x00",
		"short data sections":       "\x00\x53\x75\xa0\x01x",
		"empty sequences":           "\x00\x53\x76\x45",
		"sequences of null":         "\x00\x53\x76\xc0\x02\x01\x40",
		"sequences of short values": "\x00\x53\x76\xc0\x07\x03\xa1\x01x\x60\x01\x01",
	} {
		b := bytes.Repeat([]byte(section), 5000)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Decode(b)
		runtime.ReadMemStats(&after)
		got, most := int(after.TotalAlloc-before.TotalAlloc), wire.MemoryBudget(len(b))+itself
		if got > most {
			t.Errorf("%s: %d octets of input, %d of memory, at most %d are allowed; %v", name, len(b), got, most, err)
		}
	}
}
