package message

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/Azure/go-amqp"
)

// jsonMessage is one message as `postroad receive --output json` prints it. Sections that are absent are left out.
type jsonMessage struct {
	Header                *headerJSON     `json:"header,omitempty"`
	DeliveryAnnotations   map[string]any  `json:"deliveryAnnotations,omitempty"`
	MessageAnnotations    map[string]any  `json:"messageAnnotations,omitempty"`
	Properties            *propertiesJSON `json:"properties,omitempty"`
	ApplicationProperties map[string]any  `json:"applicationProperties,omitempty"`
	BodyType              string          `json:"bodyType"` // data, value or sequence
	Body                  any             `json:"body"`     // text when a data section is valid UTF-8
	BodyBase64            string          `json:"bodyBase64,omitempty"`
	Footer                map[string]any  `json:"footer,omitempty"`
}

// headerJSON is the header section [3.2.1].
type headerJSON struct {
	Durable       bool   `json:"durable"`
	Priority      uint8  `json:"priority"`
	TTL           int64  `json:"ttlMilliseconds,omitempty"`
	FirstAcquirer bool   `json:"firstAcquirer"`
	DeliveryCount uint32 `json:"deliveryCount"`
}

// propertiesJSON is the properties section [3.2.4].
type propertiesJSON struct {
	MessageID          any        `json:"messageId,omitempty"`
	UserID             string     `json:"userId,omitempty"`
	To                 *string    `json:"to,omitempty"`
	Subject            *string    `json:"subject,omitempty"`
	ReplyTo            *string    `json:"replyTo,omitempty"`
	CorrelationID      any        `json:"correlationId,omitempty"`
	ContentType        *string    `json:"contentType,omitempty"`
	ContentEncoding    *string    `json:"contentEncoding,omitempty"`
	AbsoluteExpiryTime *time.Time `json:"absoluteExpiryTime,omitempty"`
	CreationTime       *time.Time `json:"creationTime,omitempty"`
	GroupID            *string    `json:"groupId,omitempty"`
	GroupSequence      *uint32    `json:"groupSequence,omitempty"`
	ReplyToGroupID     *string    `json:"replyToGroupId,omitempty"`
}

// toJSON converts a message.
func toJSON(m *amqp.Message) *jsonMessage {
	j := &jsonMessage{
		DeliveryAnnotations: annotationsJSON(m.DeliveryAnnotations), MessageAnnotations: annotationsJSON(m.Annotations),
		Footer: annotationsJSON(m.Footer),
	}
	if h := m.Header; h != nil {
		j.Header = &headerJSON{
			Durable: h.Durable, Priority: h.Priority, TTL: h.TTL.Milliseconds(), FirstAcquirer: h.FirstAcquirer,
			DeliveryCount: h.DeliveryCount,
		}
	}
	if p := m.Properties; p != nil {
		j.Properties = &propertiesJSON{
			MessageID: valueJSON(p.MessageID), UserID: string(p.UserID), To: p.To, Subject: p.Subject,
			ReplyTo: p.ReplyTo, CorrelationID: valueJSON(p.CorrelationID), ContentType: p.ContentType,
			ContentEncoding: p.ContentEncoding, AbsoluteExpiryTime: p.AbsoluteExpiryTime,
			CreationTime: p.CreationTime, GroupID: p.GroupID, GroupSequence: p.GroupSequence,
			ReplyToGroupID: p.ReplyToGroupID,
		}
	}
	if len(m.ApplicationProperties) > 0 {
		j.ApplicationProperties = map[string]any{}
		for k, v := range m.ApplicationProperties {
			j.ApplicationProperties[k] = valueJSON(v)
		}
	}
	switch {
	case len(m.Data) > 0:
		octets := joinData(m)
		j.BodyType = "data"
		if utf8.Valid(octets) {
			j.Body = string(octets)
		} else {
			j.BodyBase64 = base64.StdEncoding.EncodeToString(octets)
		}
	case len(m.Sequence) > 0:
		j.BodyType, j.Body = "sequence", valueJSON(m.Sequence)
	default:
		j.BodyType, j.Body = "value", valueJSON(m.Value)
	}
	return j
}

// joinData returns the octets of all data sections together.
func joinData(m *amqp.Message) []byte {
	if len(m.Data) == 1 {
		return m.Data[0]
	}
	var all []byte
	for _, d := range m.Data {
		all = append(all, d...)
	}
	return all
}

// annotationsJSON converts annotations, whose keys are symbols or numbers.
func annotationsJSON(a amqp.Annotations) map[string]any {
	if len(a) == 0 {
		return nil
	}
	m := make(map[string]any, len(a))
	for k, v := range a {
		m[fmt.Sprint(k)] = valueJSON(v)
	}
	return m
}

// deepestJSON bounds how deep a value from the wire is followed.
const deepestJSON = 32

// valueJSON converts an AMQP value to what encoding/json can print: binary to text or base64, identifiers, times and
// numbers without a JSON form to strings.
func valueJSON(v any) any { return nestedJSON(v, deepestJSON) }

func nestedJSON(v any, depth int) any {
	if depth == 0 {
		return "…"
	}
	switch v := v.(type) {
	case nil, bool, string, int8, int16, int32, int64, int, uint8, uint16, uint32, uint64, time.Time:
		return v
	case float32:
		return floatJSON(float64(v))
	case float64:
		return floatJSON(v)
	case []byte:
		if utf8.Valid(v) {
			return string(v)
		}
		return base64.StdEncoding.EncodeToString(v)
	case amqp.UUID:
		return uuidText(v)
	case amqp.Symbol:
		return string(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = nestedJSON(v[i], depth-1)
		}
		return list
	case [][]any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = nestedJSON(v[i], depth-1)
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[k] = nestedJSON(e, depth-1)
		}
		return m
	case map[any]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[fmt.Sprint(nestedJSON(k, depth-1))] = nestedJSON(e, depth-1)
		}
		return m
	}
	if _, err := json.Marshal(v); err == nil {
		return v // arrays of one type
	}
	return fmt.Sprint(v)
}

// floatJSON keeps numbers that JSON can write.
func floatJSON(v float64) any {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Sprint(v)
	}
	return v
}

// uuidText writes a UUID in its usual form.
func uuidText(u amqp.UUID) string {
	h := hex.EncodeToString(u[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// bodyText is the body of a message for people: text as it is, other octets as hexadecimal, values as JSON.
func bodyText(m *amqp.Message) string {
	switch v := m.Value.(type) {
	case nil:
	case string:
		return v
	default:
		return compactJSON(valueJSON(v))
	}
	if len(m.Sequence) > 0 {
		return compactJSON(valueJSON(m.Sequence))
	}
	octets := joinData(m)
	if utf8.Valid(octets) {
		return string(octets)
	}
	return hex.EncodeToString(octets)
}

// compactJSON renders a value in one line.
func compactJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
