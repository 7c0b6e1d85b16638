package message

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/Azure/go-amqp"
)

func TestSenselessMessageFlagsAreRefused(t *testing.T) {
	t.Parallel()
	for _, f := range []flags{
		{priority: 10}, {ttl: -1}, {ttl: time.Microsecond}, {properties: []string{"x"}}, {properties: []string{"=x"}},
		{properties: []string{":=1"}}, {properties: []string{"x:=[1]"}}, {properties: []string{"x:=1 2"}},
		{annotations: []string{"x"}},
	} {
		if err := f.check(); err == nil {
			t.Errorf("%+v was accepted", f)
		}
	}
}

func TestMessageIDsAreNumberedWhenThereAreSeveral(t *testing.T) {
	t.Parallel()
	f := flags{id: "m", priority: defaultPriority}
	if one, many := f.build(body{}, 0), f.build(body{}, 3); one.Properties.MessageID != "m" ||
		many.Properties.MessageID != "m-3" || one.Header != nil {
		t.Errorf("%v and %v", one.Properties.MessageID, many.Properties.MessageID)
	}
}

func TestAnyMessagePrintsAsJSON(t *testing.T) {
	t.Parallel()
	deep := any("end")
	for range 1000 {
		deep = []any{deep}
	}
	m := &amqp.Message{
		Annotations: amqp.Annotations{"k": []byte{0xff}, int64(7): amqp.Symbol("s")},
		Properties:  &amqp.MessageProperties{MessageID: amqp.UUID{1}, CorrelationID: uint64(5)},
		ApplicationProperties: map[string]any{
			"nan": math.NaN(), "half": float32(0.5), "when": time.UnixMilli(0).UTC(), "list": []int32{1, 2},
		},
		Value: map[any]any{int8(1): []any{nil, true, "x"}, "deep": deep},
	}
	got := compactJSON(toJSON(m))
	for _, want := range []string{
		`"k":"/w=="`, `"7":"s"`, `"messageId":"01000000-0000-0000-0000-000000000000"`, `"correlationId":5`, `"nan":"NaN"`,
		`"half":0.5`, `"when":"1970-01-01T00:00:00Z"`, `"list":[1,2]`, `"1":[null,true,"x"]`, `"…"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the JSON lacks %s: %s", want, got)
		}
	}
	for _, m := range []*amqp.Message{
		{}, {Data: [][]byte{[]byte("a"), []byte("b")}}, {Sequence: [][]any{{1, "x"}}}, {Value: []any{int64(1)}},
	} {
		if compactJSON(toJSON(m)) == "" || strings.Contains(bodyText(m), "\n") {
			t.Errorf("%+v prints as %q", m, bodyText(m))
		}
	}
	if got := bodyText(&amqp.Message{Data: [][]byte{[]byte("a"), []byte("b")}}); got != "ab" {
		t.Errorf("two data sections print as %q", got)
	}
}

func TestRepliesAreMatchedByEitherIdentifier(t *testing.T) {
	t.Parallel()
	p := &amqp.MessageProperties{MessageID: "m", CorrelationID: "c"}
	for id, want := range map[any]bool{nil: true, "m": true, "c": true, "x": false} {
		if got := correlates(id, p); got != want {
			t.Errorf("a reply with correlation-id %v: %v", id, got)
		}
	}
}
