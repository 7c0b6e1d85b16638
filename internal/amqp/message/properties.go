package message

import (
	"fmt"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// record reads the fields of a list in order. The first failure sticks in err.
type record struct {
	section string
	fields  wire.List
	index   int
	err     error
}

// open starts reading the list of a section that has the given number of fields.
func open(v any, section string, most int) record {
	list, ok := v.(wire.List)
	r := record{section: section, fields: list}
	if !ok {
		r.err = fmt.Errorf("%T where the list of section %s should stand", v, section)
	} else if len(list) > most {
		r.err = fmt.Errorf("%s of %d fields, which has only %d", section, len(list), most)
	}
	return r
}

// next returns the next field, nil when it is absent.
func (r *record) next() (v any) {
	if r.err == nil && r.index < len(r.fields) {
		v = r.fields[r.index]
	}
	r.index++
	return v
}

// field reads the next field, which must be a T when it is present.
func field[T any](r *record, name string) (v T, present bool) {
	raw := r.next()
	if raw == nil {
		return v, false
	}
	if v, present = raw.(T); !present {
		r.err = fmt.Errorf("%s.%s is of Go type %T, which must be %T", r.section, name, raw, v)
	}
	return v, present
}

// id reads a message-id or correlation-id [3.2.11–3.2.14].
func (r *record) id(name string) any {
	v := r.next()
	switch v.(type) {
	case nil, uint64, wire.UUID, []byte, string:
		return v
	}
	r.err = fmt.Errorf("%s.%s is of Go type %T, which must be uint64, UUID, []byte or string", r.section, name, v)
	return nil
}

func headerOf(v any) (*Header, error) {
	r := open(v, "header", 5)
	h := &Header{Priority: defaultPriority}
	h.Durable, _ = field[bool](&r, "durable")
	if priority, ok := field[uint8](&r, "priority"); ok {
		h.Priority = priority
	}
	h.TTL, h.HasTTL = field[uint32](&r, "ttl")
	h.FirstAcquirer, _ = field[bool](&r, "first-acquirer")
	h.DeliveryCount, _ = field[uint32](&r, "delivery-count")
	if r.err != nil {
		return nil, r.err
	}
	return h, nil
}

func propertiesOf(v any) (*Properties, error) {
	r := open(v, "properties", propertiesFields)
	p := &Properties{}
	p.MessageID = r.id("message-id")
	p.UserID, _ = field[[]byte](&r, "user-id")
	p.To, _ = field[string](&r, "to")
	p.Subject, _ = field[string](&r, "subject")
	p.ReplyTo, _ = field[string](&r, "reply-to")
	p.CorrelationID = r.id("correlation-id")
	p.ContentType, _ = field[wire.Symbol](&r, "content-type")
	p.ContentEncoding, _ = field[wire.Symbol](&r, "content-encoding")
	p.AbsoluteExpiryTime, _ = field[wire.Timestamp](&r, "absolute-expiry-time")
	p.CreationTime, _ = field[wire.Timestamp](&r, "creation-time")
	p.GroupID, _ = field[string](&r, "group-id")
	p.GroupSequence, p.HasGroupSequence = field[uint32](&r, "group-sequence")
	p.ReplyToGroupID, _ = field[string](&r, "reply-to-group-id")
	if r.err != nil {
		return nil, r.err
	}
	return p, nil
}

// list returns the fields of h for encoding.
func (h *Header) list() wire.List {
	return trimmed(wire.List{
		unless(h.Durable, false),
		unless(h.Priority, defaultPriority),
		when(h.TTL, h.HasTTL),
		unless(h.FirstAcquirer, false),
		unless(h.DeliveryCount, 0),
	})
}

// list returns the fields of p for encoding.
func (p *Properties) list() wire.List {
	return trimmed(wire.List{
		p.MessageID,
		when(p.UserID, p.UserID != nil),
		unless(p.To, ""),
		unless(p.Subject, ""),
		unless(p.ReplyTo, ""),
		p.CorrelationID,
		unless(p.ContentType, ""),
		unless(p.ContentEncoding, ""),
		unless(p.AbsoluteExpiryTime, 0),
		unless(p.CreationTime, 0),
		unless(p.GroupID, ""),
		when(p.GroupSequence, p.HasGroupSequence),
		unless(p.ReplyToGroupID, ""),
	})
}

// unless returns v, or nil when it is the default.
func unless[T comparable](v, ordinary T) any { return when(v, v != ordinary) }

// when returns v, or nil when it is absent.
func when[T any](v T, present bool) any {
	if !present {
		return nil
	}
	return v
}

// trimmed returns the list without the nulls at its end.
func trimmed(list wire.List) wire.List {
	for len(list) > 0 && list[len(list)-1] == nil {
		list = list[:len(list)-1]
	}
	return list
}
