package goamqp

import (
	"errors"
	"fmt"
	"testing"

	"github.com/Azure/go-amqp"
	"github.com/google/go-cmp/cmp"
)

func TestValuesOfAnyTypeAreRead(t *testing.T) {
	t.Parallel()
	for _, v := range []any{int8(7), int16(7), int32(7), int64(7), uint8(7), uint16(7), uint32(7), uint64(7)} {
		if got := Int(v); got != 7 {
			t.Errorf("%T: %d", v, got)
		}
	}
	if Int("7") != 0 || Int(nil) != 0 {
		t.Error("a text is a number")
	}
	if String("a") != "a" || String(amqp.Symbol("a")) != "a" || String(7) != "" {
		t.Error("a string and a symbol are texts, and nothing else is")
	}
	for _, v := range []any{map[string]any{"a": 1}, map[amqp.Symbol]any{"a": 1}, map[any]any{"a": 1, 7: 2},
		map[any]any{amqp.Symbol("a"): 1}} {
		if diff := cmp.Diff(map[string]any{"a": 1}, Map(v)); diff != "" {
			t.Errorf("%T (-want +got):\n%s", v, diff)
		}
	}
	for _, v := range []any{[]any{"a", 7, amqp.Symbol("b")}, []string{"a", "b"}, []amqp.Symbol{"a", "b"}} {
		if diff := cmp.Diff([]string{"a", "b"}, Strings(v)); diff != "" {
			t.Errorf("%T (-want +got):\n%s", v, diff)
		}
	}
}

func TestErrorsAreInTheWordsOfThePeer(t *testing.T) {
	t.Parallel()
	short := &amqp.Error{Condition: "amqp:not-found"}
	full := &amqp.Error{Condition: "amqp:not-found", Description: "no such queue"}
	for want, err := range map[string]error{
		"the router detached the link: amqp:not-found: no such queue": &amqp.LinkError{RemoteErr: full},
		"the router ended the session: amqp:not-found":                &amqp.SessionError{RemoteErr: short},
		"the router closed the connection: amqp:not-found: no such queue": fmt.Errorf("sending: %w",
			&amqp.ConnError{RemoteErr: full}),
		"another": errors.New("another"),
	} {
		if got := Explain(err); got.Error() != want {
			t.Errorf("%v, want %s", got, want)
		}
	}
	if err := Explain(nil); err != nil {
		t.Errorf("nothing is explained as %v", err)
	}
	if got := Reason(nil); got != "no reason given" {
		t.Errorf("no error is %q", got)
	}
}
