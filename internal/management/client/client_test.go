package client

import (
	"testing"

	"github.com/Azure/go-amqp"
	"github.com/google/go-cmp/cmp"
)

// TestTableOf: an answer to a QUERY is a table, with keys and names as strings or symbols; anything else is an error.
func TestTableOf(t *testing.T) {
	t.Parallel()
	ok := map[string]any{"statusCode": int32(200)}
	got, err := tableOf(&amqp.Message{ApplicationProperties: ok, Value: map[any]any{
		"attributeNames":          []any{"id", "cost"},
		amqp.Symbol("results"):    []any{[]any{"a", int64(1)}, []any{"b", nil}, []any{}},
		"something else entirely": 1,
	}})
	want := []map[string]any{{"id": "a", "cost": int64(1)}, {"id": "b"}, {}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v, table (-want +got):\n%s", err, diff)
	}
	for name, m := range map[string]*amqp.Message{
		"refused":  {ApplicationProperties: map[string]any{"statusCode": int32(403), "statusDescription": "no"}},
		"no code":  {Value: map[string]any{}},
		"no table": {ApplicationProperties: ok, Value: "x"},
		"no lists": {ApplicationProperties: ok, Value: map[string]any{"attributeNames": 1, "results": 2}},
		"too long": {ApplicationProperties: ok, Value: map[string]any{"attributeNames": []any{}, "results": []any{[]any{1}}}},
		"no row":   {ApplicationProperties: ok, Value: map[string]any{"attributeNames": []any{}, "results": []any{1}}},
	} {
		if rows, err := tableOf(m); err == nil {
			t.Errorf("%s: %v", name, rows)
		}
	}
}
