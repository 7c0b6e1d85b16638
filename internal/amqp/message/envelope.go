package message

import (
	"encoding/binary"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// Limits of the sections before the bare message.
const (
	// MaxAnnotations is how many octets the map of an annotations section may take.
	MaxAnnotations = 64 << 10
	// MaxAnnotationKeys is how many keys an annotations section may have.
	MaxAnnotationKeys = 256
	// maxHeader is how many octets the list of a header section can take: its five fields at their widest.
	maxHeader = 4 + 2 + 2 + 5 + 2 + 5
)

const (
	headerFields    = 5
	defaultPriority = 4 // [3.2.1]
	highestPriority = 9
)

// Envelope is what a router reads of a message: the sections before the bare message. It references the scanned octets
// and may be used again for the next message. It is not safe for concurrent use.
type Envelope struct {
	// Header [3.2.1].
	Priority uint8 // 0 to 9; 4 when absent, 9 when above 9
	Durable  bool
	HasTTL   bool
	TTL      uint32 // milliseconds

	// Of the octets b that were scanned, b[:AnnotationsStart] are header and delivery annotations,
	// b[AnnotationsStart:Bare] the message annotations, and b[Bare:] is everything after them.
	AnnotationsStart int
	Bare             int

	// Message annotations that are not the router's: the number of pairs, and their encoded keys and values.
	UserCount int
	User      []byte

	// Router annotations. HasRouter says that there is any of their keys.
	HasRouter bool
	RouterAnnotations

	gathered []byte // backs User when the pairs are not next to each other
}

// Scan reads the sections of the message b up to and including the message annotations and overwrites e. complete
// says that b is the whole message. ok is false, with a nil error, when more octets are needed; the message is then
// scanned again from its start. Limits are checked as soon as a size is declared.
func (e *Envelope) Scan(b []byte, complete bool) (ok bool, err error) {
	*e = Envelope{Priority: defaultPriority, gathered: e.gathered[:0]}
	start := e.usualHeader(b)
	if startsBareMessage(b, start) {
		e.AnnotationsStart, e.Bare = start, start
		return true, nil
	}
	s := scanner{b: b, i: start, complete: complete}
	e.scan(&s)
	if s.bad != nil {
		*e = Envelope{Priority: defaultPriority, gathered: e.gathered[:0]}
		return false, s.bad
	}
	return !s.short, nil
}

// startsBareMessage reports whether a section of the bare message or a footer starts at b[i], by its usual descriptor.
func startsBareMessage(b []byte, i int) bool {
	const first, last = byte(wire.DescriptorProperties), byte(wire.DescriptorFooter)
	return i+2 < len(b) && b[i] == wire.CodeDescribed && b[i+1] == wire.CodeSmallUlong && b[i+2]-first <= last-first
}

// scan reads section after section [3.2]: header, delivery annotations, message annotations, each at most once.
func (e *Envelope) scan(s *scanner) {
	next := wire.DescriptorHeader
	if s.i > 0 {
		next++ // Scan has read the header
	}
	for {
		if s.i == len(s.b) && s.complete {
			break // a message without a bare message
		}
		start := s.i
		code := s.descriptor()
		switch {
		case s.stopped():
			return
		case code > wire.DescriptorMessageAnnotations && code <= wire.DescriptorFooter:
			e.AnnotationsStart, e.Bare = start, start
			return
		case code < wire.DescriptorHeader || code > wire.DescriptorFooter:
			s.fail(start, "descriptor 0x%x is not that of a message section", code)
			return
		case code < next:
			s.fail(start, "section 0x%x is repeated or out of order", code)
			return
		}
		next = code + 1
		switch code {
		case wire.DescriptorHeader:
			e.header(s)
		case wire.DescriptorDeliveryAnnotations:
			s.annotations("delivery-annotations")
			s.i = s.end
		case wire.DescriptorMessageAnnotations:
			e.AnnotationsStart = start
			e.messageAnnotations(s)
			e.Bare = s.end
			return
		}
		if s.stopped() {
			return
		}
	}
	e.AnnotationsStart, e.Bare = s.i, s.i
}

// TraceContains reports whether the router with the given id is in the trace, whose items are "0/<id>".
func (e *Envelope) TraceContains(id string) bool {
	const area = 2 // "0/"
	for b := e.Trace; ; {
		item, rest, ok := nextText(b)
		if !ok {
			return false
		}
		if len(item) == area+len(id) && string(item[area:]) == id && item[0] == '0' && item[1] == '/' {
			return true
		}
		b = rest
	}
}

// ExchangesContain reports whether the message has passed the exchange with the given name.
func (e *Envelope) ExchangesContain(name string) bool {
	for b := e.Exchanges; ; {
		item, rest, ok := nextText(b)
		if !ok {
			return false
		}
		if string(item) == name {
			return true
		}
		b = rest
	}
}

// NextOnPath returns the name, "0/<id>", of the next router for a copy of the message that is at the router self and has
// come from the router from. Each path begins with the router behind the ingress router and ends with the egress router.
// No two have a connection in common. ok is false when the copy is on none of them.
func (e *Envelope) NextOnPath(from, self string) (next []byte, ok bool) {
	before := e.Ingress
	for b := e.Paths; ; {
		item, rest, more := nextText(b)
		if !more {
			return nil, false
		}
		if string(item) == self && string(before) == from {
			next, _, ok = nextText(rest)
			return next, ok
		}
		before = item
		if string(item) == string(e.Egress) {
			before = e.Ingress
		}
		b = rest
	}
}

// nextText returns the string at b[0], one of a list that was read before, and what follows it.
func nextText(b []byte) (text, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	start, end := 2, 2+int(b[1])
	if b[0] != wire.CodeString8 {
		if len(b) < 5 {
			return nil, nil, false
		}
		start, end = 5, 5+int(min(binary.BigEndian.Uint32(b[1:]), MaxAnnotations))
	}
	if end > len(b) {
		return nil, nil, false
	}
	return b[start:end], b[end:], true
}
