package message

import (
	"testing"
	"time"

	amqp "github.com/Azure/go-amqp"
	"github.com/google/go-cmp/cmp"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// foreignMessage has a value of every type that go-amqp knows.
func foreignMessage() (*amqp.Message, *Message) {
	at := time.UnixMilli(1_700_000_000_123).UTC()
	id := amqp.UUID{1, 2, 3, 15: 16}
	to, subject, contentType := "orders", "s", "text/plain"
	group := uint32(7)
	foreign := &amqp.Message{
		Header:      &amqp.MessageHeader{Durable: true, Priority: 6, TTL: 5 * time.Second, DeliveryCount: 3},
		Annotations: amqp.Annotations{"x-opt-user": "here"},
		Properties: &amqp.MessageProperties{MessageID: id, UserID: []byte("me"), To: &to, Subject: &subject,
			CorrelationID: uint64(1 << 40), ContentType: &contentType, CreationTime: &at, GroupSequence: &group},
		ApplicationProperties: map[string]any{"one": int32(1)},
		Value: []any{nil, true, false, uint8(1), uint16(2), uint32(3), uint32(300), uint64(4), uint64(400), int8(-5),
			int16(-6), int32(-7), int32(-700), int64(-8), int64(-800), float32(1.5), 2.5, at, id, []byte("octets"), "text",
			[]any{"nested"}, map[string]any{"k": "v"}, []string{"a", "b"}, []uint32{1, 2, 300},
			[]int64{-1, 1}, []bool{true, false}, []float64{0.5}},
	}
	array := func(code byte, elements ...any) wire.Array { return wire.Array{Elements: elements, Code: code} }
	own := &Message{
		Header:      &Header{Durable: true, Priority: 6, TTL: 5000, HasTTL: true, DeliveryCount: 3},
		Annotations: wire.Map{{Key: wire.Symbol("x-opt-user"), Value: "here"}},
		Properties: &Properties{MessageID: wire.UUID(id), UserID: []byte("me"), To: to, Subject: subject,
			CorrelationID: uint64(1 << 40), ContentType: wire.Symbol(contentType),
			CreationTime: wire.Timestamp(at.UnixMilli()), GroupSequence: group, HasGroupSequence: true},
		ApplicationProperties: wire.Map{{Key: "one", Value: int32(1)}},
		Body: Value{wire.List{nil, true, false, uint8(1), uint16(2), uint32(3), uint32(300), uint64(4), uint64(400),
			int8(-5), int16(-6), int32(-7), int32(-700), int64(-8), int64(-800), float32(1.5), 2.5,
			wire.Timestamp(at.UnixMilli()), wire.UUID(id), []byte("octets"), "text",
			wire.List{"nested"}, wire.Map{{Key: "k", Value: "v"}}, array(wire.CodeString8, "a", "b"),
			array(wire.CodeUint, uint32(1), uint32(2), uint32(300)), array(wire.CodeSmallLong, int64(-1), int64(1)),
			array(wire.CodeBoolean, true, false), array(wire.CodeDouble, 0.5)}},
	}
	return foreign, own
}

// An independent implementation encodes what this one decodes to the same values, type by type, and the reverse.
func TestAgreesWithGoAMQP(t *testing.T) {
	t.Parallel()
	foreign, own := foreignMessage()
	encoded, err := foreign.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(own, got); diff != "" {
		t.Error(diff)
	}
	encoded, err = own.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	var back amqp.Message
	if err := back.UnmarshalBinary(encoded); err != nil {
		t.Fatal(err)
	}
	again, err := back.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if got, err = Decode(again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(own, got); diff != "" {
		t.Error(diff)
	}
}
