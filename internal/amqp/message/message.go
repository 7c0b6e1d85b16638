package message

import (
	"fmt"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// Message is a whole message [3.2] for consumers inside a router and for tests. Nil sections are absent.
type Message struct {
	Header                *Header
	DeliveryAnnotations   wire.Map
	Annotations           wire.Map
	Properties            *Properties
	ApplicationProperties wire.Map
	// Body is Data, Sequence or Value; nil when the message has no body, which peers send though [3.2] wants one.
	Body   any
	Footer wire.Map
}

// Data is a body of one or more data sections [3.2.6].
type Data [][]byte

// Sequence is a body of one or more amqp-sequence sections [3.2.7].
type Sequence []wire.List

// Value is a body of one amqp-value section [3.2.8].
type Value struct{ Value any }

// Header is the header section [3.2.1].
type Header struct {
	Durable       bool
	Priority      uint8 // decoding yields 4 when absent
	TTL           uint32
	HasTTL        bool // TTL, in milliseconds, is given
	FirstAcquirer bool
	DeliveryCount uint32
}

// Properties is the properties section [3.2.4]. Empty strings, nil and zero times stand for absent fields.
type Properties struct {
	MessageID          any // uint64, wire.UUID, []byte or string
	UserID             []byte
	To                 string
	Subject            string
	ReplyTo            string
	CorrelationID      any // uint64, wire.UUID, []byte or string
	ContentType        wire.Symbol
	ContentEncoding    wire.Symbol
	AbsoluteExpiryTime wire.Timestamp
	CreationTime       wire.Timestamp
	GroupID            string
	GroupSequence      uint32
	HasGroupSequence   bool
	ReplyToGroupID     string
}

// Decode decodes the whole message b. The result does not reference b. Sections must be in the order of [3.2].
func Decode(b []byte) (*Message, error) {
	budget := wire.MemoryBudget(len(b))
	d := decoder{b: b, budget: &budget, m: &Message{}}
	for next := wire.DescriptorHeader; len(d.rest()) > 0; {
		code, rest, err := wire.ReadDescriptor(d.rest())
		if err != nil {
			return nil, d.failed(err)
		}
		if code < wire.DescriptorHeader || code > wire.DescriptorFooter {
			return nil, d.failed(fmt.Errorf("descriptor 0x%x is not that of a message section", code))
		}
		repeats := code == next-1 && (code == wire.DescriptorData || code == wire.DescriptorAMQPSequence)
		if code < next && !repeats || isBody(code) && d.body && !repeats {
			return nil, d.failed(fmt.Errorf("section 0x%x is repeated or out of order", code))
		}
		next = code + 1
		d.i = len(b) - len(rest)
		d.body = d.body || isBody(code)
		if err := d.section(code); err != nil {
			return nil, d.failed(err)
		}
	}
	switch {
	case d.data != nil:
		d.m.Body = d.data
	case d.sequence != nil:
		d.m.Body = d.sequence
	}
	return d.m, nil
}

func isBody(code uint64) bool { return code >= wire.DescriptorData && code <= wire.DescriptorAMQPValue }

// decoder walks over the sections of a whole message.
type decoder struct {
	b      []byte
	i      int // position of the section or its value
	budget *int
	m      *Message

	body     bool // there is one
	data     Data
	sequence Sequence
}

func (d *decoder) rest() []byte { return d.b[d.i:] }

// failed makes err, which was found in the value at d.i, a decode error of the message.
func (d *decoder) failed(err error) error {
	bad, ok := err.(*wire.DecodeError)
	if !ok {
		return &wire.DecodeError{Condition: wire.ErrDecode, Offset: d.i, Reason: err.Error()}
	}
	if bad.Condition == wire.ErrInvalidField {
		bad.Condition = wire.ErrDecode
	}
	bad.Offset += d.i
	return bad
}

// section decodes the value at d.i of the section with the given descriptor.
func (d *decoder) section(code uint64) (err error) {
	if isBody(code) && code != wire.DescriptorAMQPValue && d.data == nil && d.sequence == nil {
		if err := d.reserve(code); err != nil {
			return err
		}
	}
	if code == wire.DescriptorData {
		content, rest, err := wire.ReadBinary(d.rest())
		if err != nil {
			return err
		}
		if *d.budget -= (len(content) + 7) &^ 7; *d.budget < 0 {
			return d.tooMuch()
		}
		d.data = append(d.data, append([]byte{}, content...))
		d.i = len(d.b) - len(rest)
		return nil
	}
	v, rest, err := wire.DecodeValueWithin(d.rest(), d.budget)
	if err != nil {
		return err
	}
	switch code {
	case wire.DescriptorHeader:
		d.m.Header, err = headerOf(v)
	case wire.DescriptorDeliveryAnnotations:
		d.m.DeliveryAnnotations, err = mapOf(v, "delivery-annotations")
	case wire.DescriptorMessageAnnotations:
		d.m.Annotations, err = mapOf(v, "message-annotations")
	case wire.DescriptorProperties:
		d.m.Properties, err = propertiesOf(v)
	case wire.DescriptorApplicationProperties:
		d.m.ApplicationProperties, err = mapOf(v, "application-properties")
	case wire.DescriptorAMQPSequence:
		list, ok := v.(wire.List)
		if !ok {
			return fmt.Errorf("%T where the list of an amqp-sequence should stand", v)
		}
		d.sequence = append(d.sequence, list)
	case wire.DescriptorAMQPValue:
		d.m.Body = Value{v}
	case wire.DescriptorFooter:
		d.m.Footer, err = mapOf(v, "footer")
	}
	if err != nil {
		return err
	}
	d.i = len(d.b) - len(rest)
	return nil
}

// reserve makes room for the data or amqp-sequence sections that follow one another from the value at d.i on.
func (d *decoder) reserve(code uint64) error {
	const sliceHeader = 24
	n := 0
	for own, b := code, d.rest(); own == code; n++ {
		size, err := wire.Skip(b)
		if err != nil {
			break // it is reported when it is decoded
		}
		if own, b, err = wire.ReadDescriptor(b[size:]); err != nil {
			n++
			break
		}
	}
	const rounding = 8 // the allocator rounds up by an eighth at most
	if *d.budget -= n*sliceHeader + n*sliceHeader/rounding; *d.budget < 0 {
		return d.tooMuch()
	}
	if code == wire.DescriptorData {
		d.data = make(Data, 0, n)
	} else {
		d.sequence = make(Sequence, 0, n)
	}
	return nil
}

func (d *decoder) tooMuch() error {
	return &wire.DecodeError{Condition: wire.ErrResourceLimitExceeded,
		Reason: "message takes more than eight times its size in memory"}
}

func mapOf(v any, section string) (wire.Map, error) {
	m, ok := v.(wire.Map)
	if !ok {
		return nil, fmt.Errorf("%T where the map of section %s should stand", v, section)
	}
	if section == "application-properties" {
		for _, e := range m {
			if _, ok := e.Key.(string); !ok {
				return nil, fmt.Errorf("key of type %T in the application-properties, whose keys are strings", e.Key)
			}
		}
	}
	return m, nil
}

// Append appends the encoding of m. The error says which value has none, as of [wire.AppendValue]; dst is then returned
// as it was.
func (m *Message) Append(dst []byte) ([]byte, error) {
	out := dst
	var err error
	section := func(code uint64, v any, present bool) {
		if present && err == nil {
			if out, err = wire.AppendValue(wire.AppendDescriptor(out, code), v); err != nil {
				err = fmt.Errorf("section 0x%x: %w", code, err)
			}
		}
	}
	if m.Header != nil {
		section(wire.DescriptorHeader, m.Header.list(), true)
	}
	section(wire.DescriptorDeliveryAnnotations, m.DeliveryAnnotations, m.DeliveryAnnotations != nil)
	section(wire.DescriptorMessageAnnotations, m.Annotations, m.Annotations != nil)
	if m.Properties != nil {
		section(wire.DescriptorProperties, m.Properties.list(), true)
	}
	section(wire.DescriptorApplicationProperties, m.ApplicationProperties, m.ApplicationProperties != nil)
	switch body := m.Body.(type) {
	case nil:
	case Data:
		for _, content := range body {
			section(wire.DescriptorData, content, true)
		}
	case Sequence:
		for _, list := range body {
			section(wire.DescriptorAMQPSequence, list, true)
		}
	case Value:
		section(wire.DescriptorAMQPValue, body.Value, true)
	default:
		err = fmt.Errorf("body of Go type %T, which must be Data, Sequence or Value", body)
	}
	section(wire.DescriptorFooter, m.Footer, m.Footer != nil)
	if err != nil {
		return dst, err
	}
	return out, nil
}
