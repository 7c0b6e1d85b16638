package message

import "github.com/postroad/postroad/internal/amqp/wire"

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

	// Router annotations, nil or zero when absent. HasRouter tells whether there is any.
	HasRouter  bool
	Stream     bool
	Phase      uint8
	TraceCount int
	To         []byte
	Ingress    []byte
	Trace      []byte // the encoded items of the list

	gathered []byte // backs User when the pairs are not next to each other
}

// Scan reads the sections of the message b up to and including the message annotations and overwrites e. complete
// tells that b is the whole message. ok is false, with a nil error, when more octets are needed; the message is then
// scanned again from its start. Limits are checked as soon as a size is declared.
func (e *Envelope) Scan(b []byte, complete bool) (ok bool, err error) {
	*e = Envelope{Priority: defaultPriority, gathered: e.gathered[:0]}
	if len(b) >= 3 && b[2]-byte(wire.DescriptorProperties) <= byte(wire.DescriptorFooter-wire.DescriptorProperties) &&
		b[0] == wire.CodeDescribed && b[1] == wire.CodeSmallUlong {
		return true, nil // the bare message comes first
	}
	s := scanner{b: b, complete: complete}
	e.scan(&s)
	if s.bad != nil {
		*e = Envelope{Priority: defaultPriority, gathered: e.gathered[:0]}
		return false, s.bad
	}
	return !s.short, nil
}

// scan reads section after section [3.2]: header, delivery annotations, message annotations, each at most once.
func (e *Envelope) scan(s *scanner) {
	for next := wire.DescriptorHeader; ; {
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

// header reads the header section [3.2.1].
func (e *Envelope) header(s *scanner) {
	count := s.compound(wire.CodeList8, "header", maxHeader)
	if s.stopped() {
		return
	}
	if count > 5 {
		s.fail(s.i, "header of %d fields, which has only 5", count)
		return
	}
	fields := s.b[:s.end]
	for k := range count {
		if wire.IsNull(fields[s.i:]) {
			s.i++
			continue
		}
		rest, err := e.headerField(fields[s.i:], k)
		if err != nil {
			s.nested(err, s.i)
			return
		}
		s.i = s.end - len(rest)
	}
	if s.i != s.end {
		s.fail(s.i, "%d octets are left after the last field of the header", s.end-s.i)
	}
}

// headerField reads field k of the header, which is not null.
func (e *Envelope) headerField(b []byte, k int) (rest []byte, err error) {
	switch k {
	case 0:
		e.Durable, rest, err = wire.ReadBool(b)
	case 1:
		e.Priority, rest, err = wire.ReadUbyte(b)
		e.Priority = min(e.Priority, highestPriority)
	case 2:
		e.TTL, rest, err = wire.ReadUint32(b)
		e.HasTTL = err == nil
	case 3: // first-acquirer
		_, rest, err = wire.ReadBool(b)
	default: // delivery-count
		_, rest, err = wire.ReadUint32(b)
	}
	return rest, err
}

// TraceContains tells whether the router with the given id is in the trace, whose items are "0/<id>".
func (e *Envelope) TraceContains(id string) bool {
	for b := e.Trace; len(b) > 0; {
		item, rest, err := wire.ReadString(b)
		if err != nil {
			return false
		}
		if len(item) == len(id)+2 && item[0] == '0' && item[1] == '/' && string(item[2:]) == id {
			return true
		}
		b = rest
	}
	return false
}
