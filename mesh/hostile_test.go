package mesh

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// body makes a control message with any body. Fields are key, value, key, value …
func body(t testing.TB, from, to, opcode string, fields ...any) []byte {
	t.Helper()
	b := wire.AppendDescriptor(nil, wire.DescriptorHeader)
	b = append(b, wire.CodeList0)
	b = appendAnnotations(b, "0/"+from, nil, 0, "0/"+from)
	var m wire.Map
	for i := 0; i < len(fields); i += 2 {
		if n, ok := fields[i+1].(int); ok {
			fields[i+1] = int64(n)
		}
		m = append(m, wire.MapEntry{Key: fields[i], Value: fields[i+1]})
	}
	b = section(t, b, wire.DescriptorProperties, wire.List{nil, nil, to})
	b = section(t, b, wire.DescriptorApplicationProperties, wire.Map{{Key: "opcode", Value: opcode}})
	return section(t, b, wire.DescriptorAMQPValue, m)
}

func section(t testing.TB, b []byte, code uint64, v any) []byte {
	t.Helper()
	b, err := wire.AppendValue(wire.AppendDescriptor(b, code), v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	toHello = "amqp:/_local/qdhello"
	toAll   = "amqp:/_topo/0/all/qdrouter"
	toAllMA = "_topo/0/all/qdrouter.ma"
	toMe    = "amqp:/_topo/0/A/qdrouter"
	toMeMA  = "amqp:/_topo/0/A/qdrouter.ma"
)

// TestWhatIsWrongWithAMessageEndsTheMessage: every wrong message is counted for one reason and logged, changes nothing
// of what is known, and leaves the neighbor a neighbor.
func TestWhatIsWrongWithAMessageEndsTheMessage(t *testing.T) {
	t.Parallel()
	peers := func(cost any) wire.Map {
		return wire.Map{{Key: "id", Value: "B"}, {Key: "ls_seq", Value: int32(9)},
			{Key: "peers", Value: wire.Map{{Key: "A", Value: cost}}}}
	}
	ls := func(from string, ls any) []byte {
		return body(t, from, toMe, "LSU", "id", from, "instance", 2000, "ls_seq", int32(9), "ls", ls)
	}
	many := wire.Map{}
	for i := range 10001 {
		many = append(many, wire.MapEntry{Key: fmt.Sprint("fake", i), Value: int32(1)})
	}
	for _, c := range []struct {
		name    string
		payload []byte
		reason  DropReason
		log     string // "" if there is nothing to say
	}{
		{"nothing", nil, DropMalformed, "no address"},
		{"one octet", []byte{0}, DropMalformed, "nothing where a value should start"},
		{"no AMQP", []byte("GET / HTTP/1.1\r\n\r\n"), DropMalformed, ""},
		{"nested too deep", append([]byte{0, 0x53, 0x77}, bytes.Repeat([]byte{0xc0, 0xff, 1}, 100)...), DropMalformed, ""},
		{"sections in the wrong order", octets(t, "005377 40 005370 45"), DropMalformed, "section 0x70 after 0x77"},
		{"a section twice", octets(t, "005370 45 005370 45"), DropMalformed, "section 0x70 after 0x70"},
		{"binary body", octets(t, "005375 a000"), DropMalformed, "must be an amqp-value"},
		{"no opcode", octets(t, "005373 c0 07 03 40 40 a102 'xy' 005377 c1 01 00"), DropMalformed, "opcode"},
		{"body is no map", section(t, octets(t, goldenHeader+goldenAnnotations+
			"005373 c0 1b 03 40 40 a116 'amqp:/_topo/0/all/qdro' 005374 c1 0b 02 a106 'opcode' a100"),
			wire.DescriptorAMQPValue, "text"), DropMalformed, "is not known"},
		{"unknown opcode", body(t, "B", toAll, "XYZ", "id", "B"), DropMalformed, `opcode "XYZ"`},
		{"RA to one router", body(t, "B", toMe, "RA", "id", "B"), DropMalformed, `opcode "RA"`},
		{"LSR to all routers", body(t, "B", toAll, "LSR", "id", "B"), DropMalformed, `opcode "LSR"`},
		{"MAR to all routers", body(t, "B", toAllMA, "MAR", "id", "B", "have_seq", 0), DropMalformed, `opcode "MAR"`},
		{"RA as a HELLO", body(t, "B", toHello, "RA", "id", "B"), DropMalformed, "must be HELLO"},
		{"management on the control link", body(t, "B", "amqp:/_topo/0/C/$management", "x", "id", "B"), DropMalformed,
			"$management"},
		{"mobile address on the control link", body(t, "B", "orders", "RA", "id", "B"), DropMalformed, `"orders"`},
		{"WITHHOLD to all routers", body(t, "B", toAll, "WITHHOLD", "id", "B", "address", "M0x", "lease", 1000), DropMalformed,
			`opcode "WITHHOLD"`},
		{"HELLO without seen", body(t, "B", toHello, "HELLO", "id", "B"), DropMalformed, `no "seen"`},
		{"seen is no list", body(t, "B", toHello, "HELLO", "id", "B", "seen", "A"), DropMalformed, `"seen"`},
		{"seen is a list of numbers", body(t, "B", toHello, "HELLO", "id", "B", "seen", wire.List{int32(1)}), DropMalformed,
			`"seen"`},
		{"id is a number", body(t, "B", toAll, "RA", "id", int32(7), "ls_seq", int32(1), "mobile_seq", int32(1)),
			DropMalformed, `"id"`},
		{"id is empty", body(t, "B", toMe, "LSR", "id", ""), DropMalformed, "router id"},
		{"id has a slash", body(t, "B", toMe, "LSR", "id", "a/b"), DropMalformed, "router id"},
		{"id is long", body(t, "B", toMe, "LSR", "id", strings.Repeat("x", 256)), DropMalformed, "router id"},
		{"sequence is text", body(t, "B", toAll, "RA", "id", "B", "ls_seq", "9", "mobile_seq", int32(1)),
			DropMalformed, `"ls_seq"`},
		{"sequence is 2^63", body(t, "B", toAll, "RA", "id", "B", "ls_seq", uint64(1<<63), "mobile_seq", int32(1)),
			DropMalformed, `"ls_seq"`},
		{"sequence is negative", body(t, "B", toAll, "RA", "id", "B", "ls_seq", int32(-1), "mobile_seq", int32(1)),
			DropMalformed, "sequence number -1"},
		{"no sequence", body(t, "B", toAll, "RA", "id", "B", "ls_seq", int32(1)), DropMalformed, `no "mobile_seq"`},
		{"cost 0", ls("B", peers(int32(0))), DropMalformed, "cost 0"},
		{"cost negative", ls("B", peers(int32(-4))), DropMalformed, "cost -4"},
		{"cost huge", ls("B", peers(int64(1)<<40)), DropMalformed, "cost 1099511627776"},
		{"cost is text", ls("B", peers("1")), DropMalformed, `"peers"`},
		{"peers are a list", ls("B", wire.Map{{Key: "ls_seq", Value: int32(9)}, {Key: "peers", Value: wire.List{}}}),
			DropMalformed, `"peers"`},
		{"no peers", ls("B", wire.Map{{Key: "ls_seq", Value: int32(9)}}), DropMalformed, "peers"},
		{"10,001 neighbors", ls("B", wire.Map{{Key: "ls_seq", Value: int32(9)}, {Key: "peers", Value: many}}), DropMalformed,
			"10001 neighbors"},
		{"MAU with everything", body(t, "B", toMeMA, "MAU", "id", "B", "mobile_seq", 1, "exist", wire.List{}, "add",
			wire.List{}, "del", wire.List{}), DropMalformed, "either exist"},
		{"MAU with nothing", body(t, "B", toMeMA, "MAU", "id", "B", "mobile_seq", 1), DropMalformed, "either exist"},
		{"MAU without del", body(t, "B", toMeMA, "MAU", "id", "B", "mobile_seq", 1, "add", wire.List{}), DropMalformed,
			"either exist"},
		{"MAU of skupper-router", body(t, "B", toMeMA, "MAU", "id", "B", "pv", int32(2), "mobile_seq", 1, "exist",
			wire.List{wire.List{"M0x", int32(1)}}), DropMalformed, `"exist"`},
		{"a later version", body(t, "B", toMe, "LSR", "id", "B", "pv", int32(2)), DropVersion, "protocol version 2 from B"},
		{"the link state of another", ls("Z", peers(int32(1))), DropSpoofed, "has the trace"},
		{"in the name of another", body(t, "B", toMe, "LSR", "id", "Z"), DropSpoofed, `says that it is of "Z"`},
		{"in the name of this router", body(t, "B", toAll, "RA", "id", "A", "ls_seq", 1, "mobile_seq", 1), DropSpoofed,
			`says that it is of "A"`},
		{"HELLO of another", body(t, "Z", toHello, "HELLO", "id", "Z", "seen", wire.List{"A"}), DropSpoofed,
			`is from "Z", but the router there is "B"`},
		{"HELLO from far away", func() []byte {
			e, _ := decodeEnvelope(body(t, "Z", toHello, "HELLO", "id", "Z", "seen", wire.List{"A"}))
			return e.appendForwarded(nil, "0/B")
		}(), DropSpoofed, "came by way of"},
		{"addresses of an unknown router", func() []byte {
			e, _ := decodeEnvelope(body(t, "Z", toMeMA, "MAU", "id", "Z", "mobile_seq", 1, "exist", wire.List{"M0x"}))
			return e.appendForwarded(nil, "0/B")
		}(), DropUnknownRouter, "unknown router with router id Z"},
		{"what has been here", func() []byte {
			e, _ := decodeEnvelope(body(t, "A", toAll, "RA", "id", "A", "ls_seq", 1, "mobile_seq", 1))
			return e.appendForwarded(nil, "0/B")
		}(), DropLoop, ""},
		{"a message of 100 octets too much", make([]byte, 1<<20+100), DropMalformed, "at most 1048576"},
	} {
		s := newStory(t, Config{LogLevel: LevelWarning, MaxRouters: 10000, MaxMessage: 1 << 20})
		s.meet(1, "B")
		before, routers := s.node.Counters(), fmt.Sprint(s.node.Routers())
		s.node.Input(s.now, 1, c.payload)
		logged := ""
		for _, e := range s.drain() {
			if e.Kind != EventLog {
				t.Errorf("%s: leads to %s", c.name, describe(t, e))
			}
			logged += e.Text
		}
		if c.log != "" && !strings.Contains(logged, c.log) {
			t.Errorf("%s: logs %q, want %q in it", c.name, logged, c.log)
		}
		after := s.node.Counters()
		before.Dropped[c.reason]++
		if after.Dropped != before.Dropped {
			t.Errorf("%s: dropped %v, want %v", c.name, after.Dropped, before.Dropped)
		}
		if got := fmt.Sprint(s.node.Routers()); got != routers {
			t.Errorf("%s: changes what is known from %s to %s", c.name, routers, got)
		}
	}
}

func TestLogOfBadMessagesIsBounded(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelDebug})
	s.meet(1, "B")
	lines := 0
	for range 1000 {
		s.now = s.now.Add(time.Millisecond)
		s.node.Input(s.now, 1, []byte{1, 2, 3})
		for _, e := range s.drain() {
			if e.Kind == EventLog {
				lines++
			}
		}
	}
	if lines == 0 || lines > 5 {
		t.Errorf("a thousand bad messages in a second make %d lines, want a few", lines)
	}
}

func TestOneRouterCannotFillTheTableWithNames(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelWarning, MaxRouters: 100})
	s.meet(1, "B")
	var peers []PeerCost
	for i := range 100 {
		peers = append(peers, PeerCost{fmt.Sprintf("fake%d", i), 1})
	}
	s.lsu(1, []string{"B"}, 2000, 2, peers...)
	if got := len(s.node.Routers()); got > 26 {
		t.Errorf("a link state makes %d routers known, want a quarter of the table", got)
	}
	for i := range 200 {
		s.now = s.now.Add(10 * time.Millisecond)
		s.ra(1, []string{fmt.Sprintf("real%d", i), "B"}, 1, 1, 1)
	}
	if got := len(s.node.Routers()); got != 100 {
		t.Errorf("%d routers are known, want the maximum of 100", got)
	}
	if r, ok := s.node.Router("real0"); !ok || r.ID != "real0" {
		t.Errorf("a router that spoke for itself is not known: names took its place")
	}
	if s.node.Counters().Dropped[DropNoRoom] == 0 {
		t.Errorf("no message was dropped for want of room")
	}
	for i, r := range s.node.Routers() {
		if r.Number < 1 || r.Number > 100 || i > 0 && r.Number <= s.node.Routers()[i-1].Number {
			t.Errorf("router %s has the number %d", r.ID, r.Number)
		}
	}
}

func TestOneRouterCannotAnnounceMoreAddressesThanAllowed(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelWarning, MaxAddresses: 10})
	s.meet(1, "B")
	var keys []string
	for i := range 10 {
		keys = append(keys, fmt.Sprint("M0q", i))
	}
	s.changes(1, []string{"B"}, 1, keys, nil)
	s.changes(1, []string{"B"}, 2, []string{"M0one-more"}, nil)
	s.changes(1, []string{"B"}, 3, []string{"Xnonsense", "", "M", "Tqdrouter", "Lqdhello", "RB",
		"M0" + strings.Repeat("x", 5000)}, nil)
	if got := len(s.node.Addresses("B")); got != 10 {
		t.Errorf("%d addresses are known, want 10", got)
	}
	if r, _ := s.node.Router("B"); r.MobileSeq != 3 {
		t.Errorf("mobile sequence is %d, want 3: what cannot be kept must not stop the rest", r.MobileSeq)
	}
}

func TestAnswersAndForwardingAreBounded(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelWarning})
	s.meet(1, "B")
	s.meet(2, "C")
	s.node.AddAddress(s.now, "M0x", 1)
	s.advance(time.Second)
	s.hello(1, "B", 2000, "A")
	s.hello(2, "C", 2000, "A")
	before, forwarded := s.node.Counters(), s.node.Counters().Forwarded
	for i := range 1000 {
		s.now = s.now.Add(time.Millisecond / 2)
		s.lsr(1, []string{"B"})
		s.mar(1, []string{"B"}, 0)
		s.ra(1, []string{"B"}, 2000, int64(i+2), int64(i))
		s.text.Reset()
	}
	after := s.node.Counters()
	for _, op := range []Opcode{OpcodeLSU, OpcodeMAU} {
		if n := after.Sent[op] - before.Sent[op]; n == 0 || n > 20 {
			t.Errorf("1000 requests in half a second have %d answers of kind %v, want a few", n, op)
		}
	}
	for _, op := range []Opcode{OpcodeLSR, OpcodeMAR} {
		if n := after.Sent[op] - before.Sent[op]; n == 0 || n > 20 {
			t.Errorf("1000 advertisements in half a second lead to %d questions of kind %v, want a few", n, op)
		}
	}
	if n := after.Forwarded - forwarded; n == 0 || n > 60 {
		t.Errorf("of 1000 advertisements in half a second %d are forwarded, want a few", n)
	}
}

func TestSecondRouterWithTheOwnIDIsReportedOnce(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.up(1, 1)
	s.hello(1, "A", 1000) // this router itself, by way of a connection to itself
	critical := 0
	for range 3 {
		for _, e := range s.hello(1, "A", 999) {
			if e.Kind == EventLog && e.Level == LevelCritical && strings.Contains(e.Text, "Duplicate ID - A") {
				critical++
			}
		}
	}
	if critical != 1 || len(s.node.Routers()) != 0 {
		t.Errorf("%d critical lines, want 1; routers: %v", critical, s.node.Routers())
	}
}

func TestNeighborsWithTheSameIDDoNotFight(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelNotice})
	s.meet(1, "B")
	s.up(2, 1)
	s.hello(2, "B", 2500, "A")
	r, _ := s.node.Router("B")
	if r.Instance != 2500 || r.Link != 2 {
		t.Errorf("B has instance %d on link %d, want the later one, 2500, on link 2", r.Instance, r.Link)
	}
	events := s.hello(1, "B", 2000, "A")
	if len(events) != 1 || events[0].Level != LevelNotice || !strings.Contains(events[0].Text, "Two routers say that they are B") {
		t.Errorf("the earlier one leads to %+v, want a line in the log", events)
	}
	if r, _ = s.node.Router("B"); r.Link != 2 {
		t.Errorf("B is on link %d, want 2", r.Link)
	}
}

func TestHelloFromAnotherRouterThanTheOneConnectedIsRefused(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelError})
	s.node.LinkUp(s.now, 1, 1, "B", false)
	s.drain()
	events := s.hello(1, "C", 2000, "A")
	if len(events) != 1 || events[0].Kind != EventLog || len(s.node.Routers()) != 0 {
		t.Errorf("HELLO of C on the link to B leads to %+v", events)
	}
}

// What others say of a neighbor's life counts nothing against its own word.
func TestForgedInstanceDoesNotFlushANeighbor(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelWarning})
	s.meet(1, "B")
	s.meet(2, "C")
	s.changes(1, []string{"B"}, 1, []string{"M0x"}, nil)
	s.ra(2, []string{"B", "C"}, 9999, 100, 100)
	if got := s.node.Addresses("B"); len(got) != 1 {
		t.Errorf("B has addresses %v, want M0x", got)
	}
	if r, _ := s.node.Router("B"); r.Instance != 2000 || r.LinkStateSeq != 1 {
		t.Errorf("B has instance %d, link state %d, want 2000, 1", r.Instance, r.LinkStateSeq)
	}
}

func FuzzInput(f *testing.F) {
	for _, g := range golden {
		f.Add(octets(f, g.octets))
	}
	f.Add(body(f, "B", toAll, "RA", "id", "B", "instance", 2000, "ls_seq", int64(math.MaxInt64), "mobile_seq",
		int64(math.MaxInt64)))
	helloB := encode("0/B", toHello, OpcodeHello, &message{id: "B", seen: []string{"A"}})
	helloD := encode("0/D", toHello, OpcodeHello, &message{id: "D", seen: []string{"A"}})
	lsuB := encode("0/B", toMe, OpcodeLSU, &message{id: "B", ls: &linkState{seq: 1, peers: []PeerCost{{"A", 1}, {"C", 2}}}})
	f.Fuzz(func(t *testing.T, payload []byte) {
		n, err := New(Config{ID: "A", LogLevel: LevelWarning, MaxRouters: 64})
		if err != nil {
			t.Fatal(err)
		}
		now := storyBegin
		n.Start(now)
		n.LinkUp(now, 1, 1, "", false)
		n.LinkUp(now, 2, 1, "", false)
		n.Input(now, 1, helloB)
		n.Input(now, 1, lsuB)
		n.Input(now, 2, helloD)
		for range 2 {
			n.Input(now, 1, payload)
			for _, e := range n.Events() {
				if e.Kind == EventSend {
					if _, err := decodeEnvelope(e.Payload); err != nil {
						t.Fatalf("leads to a message that cannot be decoded: %v", err)
					}
				}
			}
			now = now.Add(time.Second)
			n.Advance(now)
		}
		if known := len(n.Routers()); known > 64 {
			t.Fatalf("%d routers are known, at most 64 are allowed", known)
		}
	})
}

// What can be decoded is decoded to the same again after it has been encoded.
func FuzzDecodeMessage(f *testing.F) {
	for _, g := range golden {
		e, err := decodeEnvelope(octets(f, g.octets))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(g.op), e.body)
	}
	f.Fuzz(func(t *testing.T, op uint8, body []byte) {
		o := Opcode(op%uint8(opcodes-1)) + 1
		lim := limits{100, 100}
		m, err := decodeMessage(o, body, lim)
		if err != nil {
			return
		}
		for i := range m.hints {
			m.hints[i] = int64(int32(m.hints[i])) // they are ints on the wire
		}
		m.version = ProtocolVersion
		if o == OpcodeRA && m.ls != nil {
			m.lsSeq = m.ls.seq
		}
		again, err := decodeMessage(o, m.appendBody(nil, o), lim)
		if err != nil {
			t.Fatalf("%v cannot be decoded again: %v", o, err)
		}
		first, second := m.appendBody(nil, o), again.appendBody(nil, o)
		if !bytes.Equal(first, second) {
			t.Fatalf("%v: %x became %x", o, first, second)
		}
	})
}
