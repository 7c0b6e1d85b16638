package management

import (
	"strconv"

	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// request is a decoded request. Texts are empty when they are absent.
type request struct {
	replyTo     string
	correlation any // correlation-id, else message-id [3.2.4]; nil for none

	operation  string
	typeName   string // property type
	entityType string
	name       string
	identity   string

	properties wire.Map
	body       wire.Map // nil when the body is something else than a map

	mayWrite func() error // as in Request
	then     func()       // as in Reply
}

// decodeRequest decodes the message of a request.
func decodeRequest(b []byte) (*request, error) {
	m, err := message.Decode(b)
	if err != nil {
		return nil, err
	}
	r := &request{properties: m.ApplicationProperties}
	if p := m.Properties; p != nil {
		r.replyTo, r.correlation = p.ReplyTo, p.CorrelationID
		if r.correlation == nil {
			r.correlation = p.MessageID
		}
	}
	if v, ok := m.Body.(message.Value); ok {
		r.body, _ = v.Value.(wire.Map)
	}
	r.operation = r.text("operation")
	r.typeName = r.text("type")
	r.entityType = r.text("entityType")
	r.name = r.text("name")
	r.identity = r.text("identity")
	return r, nil
}

// text returns an application property that is a text, "" when it is absent or something else.
func (r *request) text(key string) string {
	v, _ := r.properties.Get(key)
	text, _ := textOf(v)
	return text
}

// natural returns an application property that must not be negative, 0 when it is absent.
func (r *request) natural(key string) (int, error) {
	const most = 1<<31 - 1
	v, _ := r.properties.Get(key)
	if v == nil {
		return 0, nil
	}
	n, ok := integerOf(v)
	switch {
	case !ok:
		return 0, failed(400, "Property '%s' is no integer: give 0 or more", key)
	case n < 0:
		return 0, failed(400, "Property '%s' is %d: give 0 or more", key, n)
	}
	return int(min(n, most)), nil
}

// attributeNames returns the names that the body of a query lists under attributeNames, nil for all.
func (r *request) attributeNames() ([]string, error) {
	const most = 1000 // more than the schema has
	v, _ := r.body.Get("attributeNames")
	var items []any
	switch v := v.(type) {
	case nil:
		return nil, nil
	case wire.List:
		items = v
	case wire.Array:
		items = v.Elements
	default:
		return nil, failed(400, "attributeNames is no list: give a list of strings, or none for all attributes")
	}
	if len(items) > most {
		return nil, failed(400, "attributeNames has %d names: give at most %d", len(items), most)
	}
	names := make([]string, len(items))
	for i, item := range items {
		name, ok := textOf(item)
		if !ok {
			return nil, failed(400, "attributeNames holds something else than a string at position %d", i+1)
		}
		names[i] = name
	}
	return names, nil
}

// textOf returns a string or symbol as text.
func textOf(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case wire.Symbol:
		return string(v), true
	}
	return "", false
}

// integerOf returns an integer of any AMQP type, or one that is written out in a string: qdmanage sends both.
func integerOf(v any) (int64, bool) {
	switch v := v.(type) {
	case int8:
		return int64(v), true
	case int16:
		return int64(v), true
	case int32:
		return int64(v), true
	case int64:
		return v, true
	case uint8:
		return int64(v), true
	case uint16:
		return int64(v), true
	case uint32:
		return int64(v), true
	case uint64:
		return int64(min(v, 1<<63-1)), true
	}
	text, _ := textOf(v)
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}
