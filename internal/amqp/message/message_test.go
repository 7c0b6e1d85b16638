package message

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// goldenMessages are messages with their encodings, both ways.
func goldenMessages() map[string]*Message {
	return map[string]*Message{
		"00 53 75 a0 00": {Body: Data{{}}},
		"00 53 75 a0 01 'a' 00 53 75 a0 01 'b' 00 53 78 c1 01 00": {Body: Data{[]byte("a"), []byte("b")}, Footer: wire.Map{}},
		"00 53 76 45 00 53 76 c0 02 01 41":                        {Body: Sequence{{}, {true}}},
		"00 53 77 40":                                             {Body: Value{}},
		"00 53 70 45":                                             {Header: &Header{Priority: 4}},
		"00 53 73 45":                                             {Properties: &Properties{}},
		"00 53 73 c0 07 03 40 40 a1 02 'q1' 00 53 77 a1 02 'm0'": {Properties: &Properties{To: "q1"}, Body: Value{"m0"}},
		"00 53 70 c0 09 05 41 50 09 52 05 41 52 02 00 53 77 54 ff": {
			Header: &Header{Durable: true, Priority: 9, TTL: 5, HasTTL: true, FirstAcquirer: true, DeliveryCount: 2},
			Body:   Value{int32(-1)}},
		`00 53 71 c1 05 02 a3 01 'd' 40 00 53 72 c1 05 02 a3 01 'm' 41 00 53 74 c1 0b 02 a1 06 'opcode' a1 00 00 53 77 40`: {
			DeliveryAnnotations:   wire.Map{{Key: wire.Symbol("d")}},
			Annotations:           wire.Map{{Key: wire.Symbol("m"), Value: true}},
			ApplicationProperties: wire.Map{{Key: "opcode", Value: ""}}, Body: Value{}},
		`00 53 73 c0 40 0d 98 000102030405060708090a0b0c0d0e0f a0 01 'u' a1 01 't' a1 01 's' a1 01 'r' 53 07 
		a3 01 'c' a3 01 'e'
		83 0000000000000001 83 0000000000000002 a1 01 'g' 43 a1 02 'rg' 00 53 77 40`: {
			Properties: &Properties{MessageID: wire.UUID{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
				UserID: []byte("u"),
				To:     "t", Subject: "s", ReplyTo: "r", CorrelationID: uint64(7), ContentType: "c", ContentEncoding: "e",
				AbsoluteExpiryTime: 1, CreationTime: 2, GroupID: "g", HasGroupSequence: true, ReplyToGroupID: "rg"},
			Body: Value{}},
	}
}

// Whole messages have the encoding that the specification gives them and decode to the same again.
func TestGoldenMessages(t *testing.T) {
	t.Parallel()
	for encoding, m := range goldenMessages() {
		want := unhex(t, encoding)
		got, err := m.Append([]byte("before"))
		if err != nil || !bytes.Equal(got, append([]byte("before"), want...)) {
			t.Errorf("error %v\n got % x\nwant % x", err, got[len("before"):], want)
		}
		back, err := Decode(want)
		if err != nil {
			t.Errorf("%s: %v", encoding, err)
			continue
		}
		if diff := cmp.Diff(m, back); diff != "" {
			t.Errorf("%s: %s", encoding, diff)
		}
	}
}

// A message that breaks the rules of a section is refused as a decode error that says which.
func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, message, reason string }{
		{"something that is no section", "41", "where a described value"},
		{"a performative", "00 53 14 45", "not that of a message section"},
		{"two bodies", "00 53 77 40 00 53 77 40", "section 0x77 is repeated"},
		{"two kinds of body", "00 53 75 a0 00 00 53 77 40", "section 0x77 is repeated or out of order"},
		{"properties after the body", "00 53 77 40 00 53 73 45", "section 0x73 is repeated or out of order"},
		{"two headers", "00 53 70 45 00 53 70 45", "section 0x70 is repeated"},
		{"a header that is no list", "00 53 70 40", "list of section header"},
		{"a header of six fields", "00 53 70 c0 07 06 40 40 40 40 40 40", "header of 6 fields"},
		{"a priority that is a uint", "00 53 70 c0 03 02 40 43", "header.priority is of Go type uint32"},
		{"a message-id that is a symbol", "00 53 73 c0 03 01 a3 00", "properties.message-id is of Go type wire.Symbol"},
		{"annotations that are a list", "00 53 72 45", "map of section message-annotations"},
		{"application properties with a symbol", "00 53 74 c1 04 02 a3 00 40", "whose keys are strings"},
		{"data that is a string", "00 53 75 a1 00", "where binary should stand"},
		{"a sequence that is a map", "00 53 76 c1 01 00", "list of an amqp-sequence"},
		{"a body that is cut off", "00 53 77 a1 05 'abc'", "only 3 are left"},
		{"a body without a value", "00 53 77", "nothing where a value should start"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m, err := Decode(unhex(t, c.message))
			checkRefused(t, m != nil, err, wire.ErrDecode, c.reason)
		})
	}
}

// What has no encoding is refused, and the destination stays as it was.
func TestAppendRefuses(t *testing.T) {
	t.Parallel()
	for _, m := range []*Message{
		{Body: "bare text"},
		{Body: Value{make(chan int)}},
		{Properties: &Properties{MessageID: 1}},
		{Annotations: wire.Map{{Key: wire.Symbol("ü")}}},
	} {
		if got, err := m.Append([]byte("before")); err == nil || string(got) != "before" {
			t.Errorf("%+v: %q, %v", m, got, err)
		}
	}
}
