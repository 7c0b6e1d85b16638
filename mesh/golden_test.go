package mesh

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// octets makes a message from text: hexadecimal octets, and 'characters'. Blanks and lines do not count.
func octets(t testing.TB, text string) []byte {
	t.Helper()
	var b []byte
	for _, f := range strings.Fields(text) {
		if s, ok := strings.CutPrefix(f, "'"); ok {
			b = append(b, strings.TrimSuffix(s, "'")...)
			continue
		}
		x, err := hex.DecodeString(f)
		if err != nil {
			t.Fatalf("%q: %v", f, err)
		}
		b = append(b, x...)
	}
	return b
}

// The sections before the body, as qdrouterd's Python code (HELLO, RA, LSR, LSU) and C code (MAR, MAU) write them.
const (
	goldenHeader      = "005370 d0 00000005 00000001 42 "
	goldenAnnotations = `005372 c1 30 04 a310 'x-opt-qd.ingress' a103 '0/B' a30e 'x-opt-qd.trace' c0 06 01 a103 '0/B' `
)

// golden are messages in the encoding of qdrouterd 1.19. HELLO, LSU and MAU are the frames that reference part 2.11
// describes.
var golden = []struct {
	name    string
	op      Opcode
	to      string
	message message
	octets  string
}{
	{"HELLO without neighbors", OpcodeHello, "amqp:/_local/qdhello",
		message{id: "B", instance: 1700000000},
		goldenHeader + goldenAnnotations + `
		005373 d0 0000001f 00000006 40 40 a114 'amqp:/_local/qdhello' 40 40 40
		005374 d1 00000013 00000002 a106 'opcode' a105 'HELLO'
		005377 d1 00000030 0000000a
			a102 'id' a101 'B'  a102 'pv' 5401  a104 'area' a101 '0'
			a108 'instance' 71 6553f100  a104 'seen' 45`},
	{"HELLO with neighbors", OpcodeHello, "amqp:/_local/qdhello",
		message{id: "B", instance: 1700000000, seen: []string{"A", "C"}},
		goldenHeader + goldenAnnotations + `
		005373 d0 0000001f 00000006 40 40 a114 'amqp:/_local/qdhello' 40 40 40
		005374 d1 00000013 00000002 a106 'opcode' a105 'HELLO'
		005377 d1 0000003e 0000000a
			a102 'id' a101 'B'  a102 'pv' 5401  a104 'area' a101 '0'
			a108 'instance' 71 6553f100  a104 'seen' d0 0000000a 00000002 a101 'A' a101 'C'`},
	{"RA", OpcodeRA, "amqp:/_topo/0/all/qdrouter",
		message{id: "B", instance: 1700000000, lsSeq: 3, mobileSeq: 200},
		goldenHeader + goldenAnnotations + `
		005373 d0 00000025 00000006 40 40 a11a 'amqp:/_topo/0/all/qdrouter' 40 40 40
		005374 d1 00000010 00000002 a106 'opcode' a102 'RA'
		005377 d1 00000044 0000000c
			a102 'id' a101 'B'  a102 'pv' 5401  a104 'area' a101 '0'
			a108 'instance' 71 6553f100  a106 'ls_seq' 5403  a10a 'mobile_seq' 71 000000c8`},
	{"LSR", OpcodeLSR, "amqp:/_topo/0/A/qdrouter",
		message{id: "B"},
		goldenHeader + goldenAnnotations + `
		005373 d0 00000023 00000006 40 40 a118 'amqp:/_topo/0/A/qdrouter' 40 40 40
		005374 d1 00000011 00000002 a106 'opcode' a103 'LSR'
		005377 d1 0000001a 00000006 a102 'id' a101 'B'  a102 'pv' 5401  a104 'area' a101 '0'`},
	{"LSU without neighbors", OpcodeLSU, "amqp:/_topo/0/A/qdrouter",
		message{id: "B", instance: 1700000000, ls: &linkState{}},
		goldenHeader + goldenAnnotations + `
		005373 d0 00000023 00000006 40 40 a118 'amqp:/_topo/0/A/qdrouter' 40 40 40
		005374 d1 00000011 00000002 a106 'opcode' a103 'LSU'
		005377 d1 0000006a 0000000c
			a102 'id' a101 'B'  a102 'pv' 5401  a104 'area' a101 '0'
			a108 'instance' 71 6553f100  a106 'ls_seq' 5400
			a102 'ls' d1 0000002e 00000008
				a102 'id' a101 'B'  a104 'area' a101 '0'  a106 'ls_seq' 5400  a105 'peers' d1 00000004 00000000`},
	{"LSU with neighbors", OpcodeLSU, "amqp:/_topo/0/A/qdrouter",
		message{id: "B", instance: 5000000000, lsSeq: 7, ls: &linkState{seq: 7, peers: []PeerCost{{"A", 1}, {"C", 300}}}},
		goldenHeader + goldenAnnotations + `
		005373 d0 00000023 00000006 40 40 a118 'amqp:/_topo/0/A/qdrouter' 40 40 40
		005374 d1 00000011 00000002 a106 'opcode' a103 'LSU'
		005377 d1 0000007b 0000000c
			a102 'id' a101 'B'  a102 'pv' 5401  a104 'area' a101 '0'
			a108 'instance' 81 000000012a05f200  a106 'ls_seq' 5407
			a102 'ls' d1 0000003b 00000008
				a102 'id' a101 'B'  a104 'area' a101 '0'  a106 'ls_seq' 5407  a105 'peers'
				d1 00000011 00000004 a101 'A' 5401 a101 'C' 71 0000012c`},
	{"MAR", OpcodeMAR, "amqp:/_topo/0/A/qdrouter.ma",
		message{id: "B", haveSeq: 0},
		goldenHeader + goldenAnnotations + `
		005373 d0 00000023 00000003 40 40 a11b 'amqp:/_topo/0/A/qdrouter.ma'
		005374 d1 00000011 00000002 a306 'opcode' a103 'MAR'
		005377 d1 00000026 00000008 a302 'id' a101 'B'  a302 'pv' 5501  a304 'area' a101 '0'  a308 'have_seq' 5500`},
	{"MAU with changes", OpcodeMAU, "_topo/0/all/qdrouter.ma",
		message{id: "B", mobileSeq: 1, hints: []int64{2}, add: []string{"M0near/x"}, del: []string{}},
		goldenHeader + goldenAnnotations + `
		005373 d0 0000001f 00000003 40 40 a117 '_topo/0/all/qdrouter.ma'
		005374 d1 00000011 00000002 a306 'opcode' a103 'MAU'
		005377 d1 00000060 0000000e
			a302 'id' a101 'B'  a302 'pv' 5501  a304 'area' a101 '0'  a30a 'mobile_seq' 5501
			a305 'hints' d0 00000006 00000001 5402
			a303 'add' d0 0000000e 00000001 a108 'M0near/x'
			a303 'del' d0 00000004 00000000`},
	{"MAU with all addresses", OpcodeMAU, "amqp:/_topo/0/A/qdrouter.ma",
		message{id: "B", mobileSeq: 130, absolute: true, exist: []string{"HE1", "M0q"}, hints: []int64{3, 3}},
		goldenHeader + goldenAnnotations + `
		005373 d0 00000023 00000003 40 40 a11b 'amqp:/_topo/0/A/qdrouter.ma'
		005374 d1 00000011 00000002 a306 'opcode' a103 'MAU'
		005377 d1 0000005d 0000000c
			a302 'id' a101 'B'  a302 'pv' 5501  a304 'area' a101 '0'  a30a 'mobile_seq' 81 0000000000000082
			a305 'exist' d0 0000000e 00000002 a103 'HE1' a103 'M0q'
			a305 'hints' d0 00000008 00000002 5403 5403`},
	{"RA of our kind", OpcodeRA, "amqp:/_topo/0/all/qdrouter",
		message{id: "B", instance: 1700000000, lsSeq: 7, ls: &linkState{seq: 7, peers: []PeerCost{{"A", 1}}}},
		goldenHeader + goldenAnnotations + `
		005373 d0 00000025 00000006 40 40 a11a 'amqp:/_topo/0/all/qdrouter' 40 40 40
		005374 d1 00000010 00000002 a106 'opcode' a102 'RA'
		005377 d1 0000007d 0000000e
			a102 'id' a101 'B'  a102 'pv' 5401  a104 'area' a101 '0'
			a108 'instance' 71 6553f100  a106 'ls_seq' 5407  a10a 'mobile_seq' 5400
			a102 'ls' d1 00000033 00000008
				a102 'id' a101 'B'  a104 'area' a101 '0'  a106 'ls_seq' 5407  a105 'peers'
				d1 00000009 00000002 a101 'A' 5401`},
	{"MAU of our kind", OpcodeMAU, "_topo/0/all/qdrouter.ma",
		message{id: "B", mobileSeq: 1, instance: 1700000000, has: hasInstance},
		goldenHeader + goldenAnnotations + `
		005373 d0 0000001f 00000003 40 40 a117 '_topo/0/all/qdrouter.ma'
		005374 d1 00000011 00000002 a306 'opcode' a103 'MAU'
		005377 d1 00000067 00000010
			a302 'id' a101 'B'  a302 'pv' 5501  a304 'area' a101 '0'  a30a 'mobile_seq' 5501
			a305 'hints' d0 00000004 00000000
			a303 'add' d0 00000004 00000000
			a303 'del' d0 00000004 00000000
			a308 'instance' 81 000000006553f100`},
	{"HELLO of our kind", OpcodeHello, "amqp:/_local/qdhello",
		message{id: "B", instance: 1700000000, interval: 100, refused: true},
		goldenHeader + goldenAnnotations + `
		005373 d0 0000001f 00000006 40 40 a114 'amqp:/_local/qdhello' 40 40 40
		005374 d1 00000013 00000002 a106 'opcode' a105 'HELLO'
		005377 d1 00000047 0000000e
			a102 'id' a101 'B'  a102 'pv' 5401  a104 'area' a101 '0'
			a108 'instance' 71 6553f100  a104 'seen' 45  a108 'interval' 5464  a107 'refused' 5401`},
	{"HELLO of our kind that measures the time", OpcodeHello, "amqp:/_local/qdhello",
		message{id: "B", instance: 1700000000, interval: 100, probe: probe{sent: 1000000, echo: 5, held: 200}},
		goldenHeader + goldenAnnotations + `
		005373 d0 0000001f 00000006 40 40 a114 'amqp:/_local/qdhello' 40 40 40
		005374 d1 00000013 00000002 a106 'opcode' a105 'HELLO'
		005377 d1 0000005a 00000012
			a102 'id' a101 'B'  a102 'pv' 5401  a104 'area' a101 '0'
			a108 'instance' 71 6553f100  a104 'seen' 45  a108 'interval' 5464
			a104 'sent' 71 000f4240  a104 'echo' 5405  a104 'held' 71 000000c8`},
	{"RA of our kind that is the last one", OpcodeRA, "amqp:/_topo/0/all/qdrouter",
		message{id: "B", instance: 1700000000, lsSeq: 7, ls: &linkState{seq: 7}, leaving: true},
		goldenHeader + goldenAnnotations + `
		005373 d0 00000025 00000006 40 40 a11a 'amqp:/_topo/0/all/qdrouter' 40 40 40
		005374 d1 00000010 00000002 a106 'opcode' a102 'RA'
		005377 d1 00000083 00000010
			a102 'id' a101 'B'  a102 'pv' 5401  a104 'area' a101 '0'
			a108 'instance' 71 6553f100  a106 'ls_seq' 5407  a10a 'mobile_seq' 5400
			a102 'ls' d1 0000002e 00000008
				a102 'id' a101 'B'  a104 'area' a101 '0'  a106 'ls_seq' 5407  a105 'peers' d1 00000004 00000000
			a107 'leaving' 5401`},
	{"LSU of our kind, overloaded", OpcodeLSU, "amqp:/_topo/0/A/qdrouter",
		message{id: "B", instance: 1700000000, lsSeq: 7, ls: &linkState{seq: 7, peers: []PeerCost{{"A", OverloadCost + 1}},
			instances: []int64{1700000000001}, overload: true}},
		goldenHeader + goldenAnnotations + `
		005373 d0 00000023 00000006 40 40 a118 'amqp:/_topo/0/A/qdrouter' 40 40 40
		005374 d1 00000011 00000002 a106 'opcode' a103 'LSU'
		005377 d1 0000009b 0000000c
			a102 'id' a101 'B'  a102 'pv' 5401  a104 'area' a101 '0'
			a108 'instance' 71 6553f100  a106 'ls_seq' 5407
			a102 'ls' d1 0000005f 0000000c
				a102 'id' a101 'B'  a104 'area' a101 '0'  a106 'ls_seq' 5407
				a105 'peers' d1 0000000c 00000002 a101 'A' 71 01000001
				a109 'instances' d0 0000000d 00000001 81 0000018bcfe56801  a108 'overload' 5401`},
}

func TestMessagesAreEncodedAsQdrouterdDoesIt(t *testing.T) {
	t.Parallel()
	for _, g := range golden {
		got, want := encode("0/B", g.to, g.op, &g.message), octets(t, g.octets)
		if !bytes.Equal(got, want) {
			t.Errorf("%s:\n%s", g.name, cmp.Diff(hex.Dump(want), hex.Dump(got)))
		}
	}
}

func TestMessagesOfQdrouterdAreDecoded(t *testing.T) {
	t.Parallel()
	for _, g := range golden {
		e, err := decodeEnvelope(octets(t, g.octets))
		if err != nil {
			t.Errorf("%s: %v", g.name, err)
			continue
		}
		if string(e.to) != g.to || string(e.opcode) != g.op.String() || string(e.ingress) != "B" ||
			!cmp.Equal(e.routers, []string{"B"}) {
			t.Errorf("%s: envelope is to %q, opcode %q, ingress %q, trace %q", g.name, e.to, e.opcode, e.ingress, e.routers)
		}
		m, err := decodeMessage(g.op, e.body, limits{10, 10})
		if err != nil {
			t.Errorf("%s: %v", g.name, err)
			continue
		}
		m.has &= hasInstance & g.message.has
		g.message.version = 1
		if diff := cmp.Diff(&g.message, m, cmp.AllowUnexported(message{}, linkState{}, probe{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: %s", g.name, diff)
		}
	}
}

// What qdrouterd forwards has its own id behind the others in the trace; everything else stays.
func TestForwardedMessageIsEncodedAsQdrouterdDoesIt(t *testing.T) {
	t.Parallel()
	body := `
		005373 d0 0000001f 00000003 40 40 a117 '_topo/0/all/qdrouter.ma'
		005374 d1 00000011 00000002 a306 'opcode' a103 'MAU'
		005377 d1 00000004 00000000 005378 c1 01 00`
	e, err := decodeEnvelope(octets(t, goldenHeader+goldenAnnotations+body))
	if err != nil {
		t.Fatal(err)
	}
	got := e.appendForwarded(nil, "0/C")
	want := octets(t, goldenHeader+`005372 c1 35 04
		a310 'x-opt-qd.ingress' a103 '0/B' a30e 'x-opt-qd.trace' c0 0b 02 a103 '0/B' a103 '0/C' `+body)
	if !bytes.Equal(got, want) {
		t.Error(cmp.Diff(hex.Dump(want), hex.Dump(got)))
	}
}

func TestForwardingGrowsTheTraceWhateverItsEncoding(t *testing.T) {
	t.Parallel()
	rest := `005373 c0 06 03 40 40 a102 'to' 005374 c1 0b 02 a106 'opcode' a101 'x' 005377 c1 01 00`
	for name, msg := range map[string]string{
		"no annotations at all":     rest,
		"delivery annotations only": `005371 c1 01 00 ` + rest,
		"empty annotations":         `005372 c1 01 00 ` + rest,
		"strings as keys, wide encoding": `005372 d1 00000023 00000002 a10e 'x-opt-qd.trace'
			d0 0000000a 00000002 a103 '0/a' 40 ` + rest,
		"annotations of others": `005372 c1 11 04 a302 'aa' 41 a303 'bbb' c0 04 02 40 40 41 ` + rest,
		"a long trace": `005372 c1 3d 02 a30e 'x-opt-qd.trace' c0 2a 08` + strings.Repeat(" a103 '0/z'", 8) +
			" " + rest,
	} {
		e, err := decodeEnvelope(octets(t, msg))
		if err != nil {
			continue // not all of these are well formed; none may panic
		}
		for hop := 1; hop < 200; hop++ {
			before := len(e.routers)
			if e, err = decodeEnvelope(e.appendForwarded(nil, "0/some-router")); err != nil {
				t.Fatalf("%s, hop %d: %v", name, hop, err)
			}
			if len(e.routers) != before+1 || e.routers[before] != "some-router" || e.ingress == nil {
				t.Fatalf("%s, hop %d: trace is %q, ingress %q", name, hop, e.routers, e.ingress)
			}
		}
	}
}
