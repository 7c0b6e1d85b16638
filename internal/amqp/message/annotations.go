package message

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// Keys of the router annotations. Class and the bare prefix are obsolete: they are accepted and dropped.
const (
	keyPrefix  = "x-opt-qd."
	keyPhase   = "x-opt-qd.phase"
	keyStream  = "x-opt-qd.stream"
	keyTo      = "x-opt-qd.to"
	keyIngress = "x-opt-qd.ingress"
	keyTrace   = "x-opt-qd.trace"
	keyClass   = "x-opt-qd.class"

	// Postroad's own, whose meaning stands at the fields of RouterAnnotations. They are written before the others: a
	// router that does not know them takes them for the user's and passes them on.
	keyExchanges = "x-opt-qd.exchanges"
	keyNumber    = "x-opt-qd.number"
	keyTopology  = "x-opt-qd.topology"
	keySettled   = "x-opt-qd.settled"
	keyEgress    = "x-opt-qd.egress"
	keyFlow      = "x-opt-qd.flow"
	keyPaths     = "x-opt-qd.paths"
	keyUser      = "x-opt-qd.user"
)

// Phases that an address can have: 0 to 9, and that of a fallback, by the number that Interconnect gives it.
const (
	highestPhase  = 9
	fallbackPhase = 'F' - '0'
)

// annotations reads the constructor of an annotations section [3.2.10].
func (s *scanner) annotations(name string) (pairs int) {
	if b := s.b[s.i:]; len(b) >= 3 && b[0] == wire.CodeMap8 {
		size, count := int(b[1]), int(b[2])
		if size <= len(b)-2 && count < size && count&1 == 0 {
			s.end = s.i + 2 + size
			s.i += 3
			return count / 2
		}
	}
	count := s.compound(wire.CodeMap8, name, MaxAnnotations)
	if count > 2*MaxAnnotationKeys {
		s.fail(s.i, "section %s of %d keys, of which at most %d are allowed", name, count/2, MaxAnnotationKeys)
	}
	return count / 2
}

// messageAnnotations reads the message annotations [3.2.3]: it takes the router's keys out and keeps the others.
func (e *Envelope) messageAnnotations(s *scanner) {
	pairs := s.annotations("message-annotations")
	if s.stopped() {
		return
	}
	content := s.b[:s.end]
	userStart, userEnd := s.i, s.i
	var seen uint16 // router keys
	for range pairs {
		start := s.i
		bit := e.usualRouterAnnotation(s, content)
		if bit == 0 {
			key, symbol := s.annotationKey(content)
			if symbol && len(key) >= len(keyPrefix) && string(key[:len(keyPrefix)]) == keyPrefix {
				bit = e.routerAnnotation(s, content, key)
			}
		}
		if seen&bit != 0 {
			s.i = start
			key, _ := s.annotationKey(content)
			s.fail(start, "key %s is repeated", key)
		}
		if s.bad != nil {
			return
		}
		if bit != 0 {
			seen |= bit
			continue
		}
		n, err := wire.Skip(content[s.i:])
		if err != nil {
			s.nested(err, s.i)
			return
		}
		s.i += n
		e.UserCount++
		switch {
		case e.UserCount == 1:
			userStart, userEnd = start, s.i
		case len(e.gathered) == 0 && start == userEnd:
			userEnd = s.i
		default:
			if len(e.gathered) == 0 {
				e.gathered = append(e.gathered, content[userStart:userEnd]...)
			}
			e.gathered = append(e.gathered, content[start:s.i]...)
		}
	}
	if s.i != s.end {
		s.fail(s.i, "%d octets are left after the last message annotation", s.end-s.i)
		return
	}
	e.HasRouter = seen != 0
	switch {
	case len(e.gathered) > 0:
		e.User = e.gathered
	case e.UserCount > 0:
		e.User = content[userStart:userEnd:userEnd]
	}
}

// annotationKey reads a key. The specification allows symbols and, reserved, ulongs [3.2.10]; strings are let through
// because clients send them and Interconnect passes them on.
func (s *scanner) annotationKey(content []byte) (key []byte, symbol bool) {
	b := content[s.i:]
	if len(b) == 0 {
		s.fail(s.i, "nothing where the key of an annotation should stand")
		return nil, false
	}
	var rest []byte
	var err error
	switch b[0] {
	case wire.CodeSymbol8, wire.CodeSymbol32:
		key, rest, err = wire.ReadSymbol(b)
		symbol = true
	case wire.CodeUlong0, wire.CodeSmallUlong, wire.CodeUlong:
		_, rest, err = wire.ReadUlong(b)
	case wire.CodeString8, wire.CodeString32:
		_, rest, err = wire.ReadString(b)
	default:
		s.fail(s.i, "format code 0x%02x where a symbol or ulong, the key of an annotation, should stand", b[0])
		return nil, false
	}
	if err != nil {
		s.nested(err, s.i)
		return nil, false
	}
	s.i = len(content) - len(rest)
	return key, symbol
}

// Bits for the router's keys.
const (
	hasTo uint16 = 1 << iota
	hasIngress
	hasTrace
	hasPhase
	hasStream
	hasClass
	hasPrefix
	hasExchanges
	hasNumber
	hasSettled
	hasTopology
	hasEgress
	hasFlow
	hasPaths
	hasUser
)

// usualRouterAnnotation reads to, ingress or trace in the encodings that Interconnect and Postroad write. It returns 0
// and leaves s as it is when anything else stands there.
func (e *Envelope) usualRouterAnnotation(s *scanner, content []byte) (bit uint16) {
	const header = 2 // of a symbol8 or string8
	b := content[s.i:]
	if len(b) < header+len(keyTo) || b[0] != wire.CodeSymbol8 || b[2] != 'x' || int(b[1]) > len(b)-header {
		return 0
	}
	i := header + int(b[1])
	switch string(b[header:i]) {
	case keyTo:
		bit = hasTo
	case keyIngress:
		bit = hasIngress
	case keyTrace:
		end := usualTrace(b, i)
		if end == 0 {
			return 0
		}
		e.Trace, e.TraceCount = b[i+3:end:end], int(b[i+2])
		s.i += end
		return hasTrace
	default:
		return 0
	}
	end := usualString(b, i)
	if end == 0 {
		return 0
	}
	value := b[i+header : end : end]
	if bit == hasTo {
		e.To = value
	} else {
		e.Ingress = value
	}
	s.i += end
	return bit
}

// usualString returns the position after the string8 at b[i], 0 when there is none.
func usualString(b []byte, i int) (end int) {
	if i+2 > len(b) || b[i] != wire.CodeString8 {
		return 0
	}
	end = i + 2 + int(b[i+1])
	if end > len(b) || !utf8.Valid(b[i+2:end]) {
		return 0
	}
	return end
}

// usualTrace returns the position after the list8 of string8s at b[i], 0 when there is none.
func usualTrace(b []byte, i int) (end int) {
	if i+3 > len(b) || b[i] != wire.CodeList8 {
		return 0
	}
	end = i + 2 + int(b[i+1])
	count := int(b[i+2])
	if end > len(b) {
		return 0
	}
	for i += 3; count > 0; count-- {
		if i = usualString(b[:end], i); i == 0 {
			return 0
		}
	}
	if i != end {
		return 0
	}
	return end
}

// routerAnnotation reads the value of a key that starts with keyPrefix. It returns a bit for each known key, 0 for
// others.
func (e *Envelope) routerAnnotation(s *scanner, content, key []byte) (bit uint16) {
	b := content[s.i:]
	var rest []byte
	var err error
	want := "a string"
	switch string(key) {
	case keyTo:
		bit = hasTo
		e.To, rest, err = wire.ReadString(b)
	case keyIngress:
		bit = hasIngress
		e.Ingress, rest, err = wire.ReadString(b)
	case keyTrace:
		bit, want = hasTrace, "a list of strings"
		e.Trace, e.TraceCount, rest, err = readTexts(b)
	case keyPhase:
		bit, want = hasPhase, "an integer from 0 to 9, or 22 for a fallback"
		var v int64
		if v, rest, err = wire.ReadInteger(b); err == nil && (v < 0 || v > highestPhase) && v != fallbackPhase {
			err = &wire.DecodeError{Condition: wire.ErrInvalidField, Reason: fmt.Sprintf("value %d", v)}
		}
		e.Phase = uint8(v)
	case keyStream:
		bit, want = hasStream, "an integer"
		var v int64
		v, rest, err = wire.ReadInteger(b)
		e.Stream = v != 0
	case keyExchanges:
		bit, want = hasExchanges, "a list of strings"
		e.Exchanges, e.ExchangeCount, rest, err = readTexts(b)
	case keyNumber:
		bit, want = hasNumber, "a ulong"
		e.Number, rest, err = wire.ReadUlong(b)
	case keyTopology:
		bit, want = hasTopology, "a ulong"
		e.Topology, rest, err = wire.ReadUlong(b)
	case keySettled:
		bit, want = hasSettled, "a boolean"
		e.Settled, rest, err = wire.ReadBool(b)
	case keyEgress:
		bit = hasEgress
		e.Egress, rest, err = wire.ReadString(b)
	case keyFlow:
		bit, want = hasFlow, "a uint"
		e.Flow, rest, err = wire.ReadUint32(b)
	case keyPaths:
		bit, want = hasPaths, "a list of strings"
		e.Paths, e.PathCount, rest, err = readTexts(b)
	case keyUser:
		bit = hasUser
		e.Sender, rest, err = wire.ReadString(b)
	case keyClass, keyPrefix:
		bit = hasClass
		if string(key) == keyPrefix {
			bit = hasPrefix
		}
		n := 0
		if n, err = wire.Skip(b); err == nil {
			rest = b[n:]
		}
	default:
		return 0
	}
	if err != nil {
		s.routerMismatch(err, key, want)
		return bit
	}
	s.i = len(content) - len(rest)
	return bit
}

// routerMismatch keeps the failure of reading the value of a router annotation.
func (s *scanner) routerMismatch(err error, key []byte, want string) {
	bad, ok := err.(*wire.DecodeError)
	if !ok || bad.Condition != wire.ErrInvalidField {
		s.nested(err, s.i)
		return
	}
	s.bad = &wire.DecodeError{Condition: wire.ErrInvalidField, Offset: s.i + bad.Offset,
		Reason: fmt.Sprintf("%s: %s, but the value must be %s", key, bad.Reason, want)}
}

// readTexts reads the list of strings that starts at b[0].
func readTexts(b []byte) (items []byte, count int, rest []byte, err error) {
	count, items, rest, err = wire.ReadListHeader(b)
	if err != nil {
		return nil, 0, nil, err
	}
	left := items
	for range count {
		at := len(b) - len(rest) - len(left)
		if _, left, err = wire.ReadString(left); err != nil {
			if bad, ok := err.(*wire.DecodeError); ok {
				bad.Offset += at
			}
			return nil, 0, nil, err
		}
	}
	if len(left) > 0 {
		return nil, 0, nil, &wire.DecodeError{Condition: wire.ErrDecode, Offset: len(b) - len(rest) - len(left),
			Reason: fmt.Sprintf("%d octets are left after the last item of the list", len(left))}
	}
	return items, count, rest, nil
}

// RouterAnnotations are the annotations that a router reads in a message, and those that it adds for the next router.
// Zero fields are absent, or left out.
type RouterAnnotations struct {
	Phase      uint8  // of the address, 1 to 9, or 22 for a fallback
	Stream     bool   // the message is larger than a router buffers
	To         []byte // address that overrides properties.to
	Ingress    []byte // "0/<id>" of the first router
	Trace      []byte // encoded items of the routers passed so far
	TraceCount int    // number of the items in Trace
	Self       string // "0/<id>" of this router, which is added to the trace; never read

	Exchanges     []byte // encoded names of the exchanges passed so far
	ExchangeCount int

	Number   uint64 // tells copies of a message from other messages of the same ingress router; 0 for none
	Topology uint64 // by which the ingress router chose the message's ways; 0 for none
	Settled  bool   // its sender sent it settled, though it travels unsettled

	Egress    []byte // "0/<id>" of the router whose consumer the message is for; nil for none in particular
	Flow      uint32 // messages of one flow take the same of several equal ways; 0 for no choice
	Paths     []byte // encoded "0/<id>" of the routers on the paths of the message's copies, each path with its end
	PathCount int    // number of the items in Paths

	Sender []byte // the authenticated user who sent a management request
}

// AppendAnnotations appends a message-annotations section [3.2.3] with the given user pairs first, as Interconnect
// requires it, and then the router's keys. r may be nil. Nothing is appended when there are neither. It allocates
// nothing when dst has room.
func AppendAnnotations(dst []byte, userCount int, user []byte, r *RouterAnnotations) []byte {
	start := len(dst)
	dst = append(dst, wire.CodeDescribed, wire.CodeSmallUlong, byte(wire.DescriptorMessageAnnotations))
	header := len(dst)
	dst = wire.AppendMapHeader(dst, len(user), userCount)
	content := len(dst)
	dst = append(dst, user...)
	pairs := userCount
	if r != nil {
		var more int
		dst, more = r.append(dst)
		pairs += more
	}
	switch {
	case pairs == 0:
		return dst[:start]
	case pairs > userCount:
		return setMapHeader(dst, header, content, pairs)
	}
	return dst
}

// setMapHeader writes the header of a map at b[header:content] anew, once the content that follows it, with a number of
// pairs, is complete. The content moves when its header has to be a wide one and was not.
func setMapHeader(b []byte, header, content, pairs int) []byte {
	const narrow, wide = 3, 9
	size := len(b) - content
	if isWide := size+1 > 0xff || 2*pairs > 0xff; isWide && content-header == narrow {
		b = append(b, make([]byte, wide-narrow)...)
		copy(b[header+wide:], b[content:content+size])
	}
	wire.AppendMapHeader(b[:header], size, pairs)
	return b
}

// append appends the pairs for the fields that are not zero, in the order in which Interconnect writes them, with
// Postroad's own before its. This is the only place that says how each of them is written.
func (r *RouterAnnotations) append(dst []byte) (longer []byte, pairs int) {
	if r.ExchangeCount > 0 {
		dst, pairs = append(dst, "\xa3\x12"+keyExchanges...), pairs+1
		dst = append(wire.AppendListHeader(dst, len(r.Exchanges), r.ExchangeCount), r.Exchanges...)
	}
	if r.Number != 0 {
		dst, pairs = append(dst, "\xa3\x0f"+keyNumber+"\x80"...), pairs+1
		dst = binary.BigEndian.AppendUint64(dst, r.Number)
	}
	if r.Topology != 0 {
		dst, pairs = append(dst, "\xa3\x11"+keyTopology+"\x80"...), pairs+1
		dst = binary.BigEndian.AppendUint64(dst, r.Topology)
	}
	if r.Settled {
		dst, pairs = append(dst, "\xa3\x10"+keySettled+"\x41"...), pairs+1
	}
	if len(r.Egress) > 0 {
		dst, pairs = wire.AppendString(append(dst, "\xa3\x0f"+keyEgress...), r.Egress), pairs+1
	}
	if r.Flow != 0 {
		dst, pairs = append(dst, "\xa3\x0d"+keyFlow+"\x70"...), pairs+1
		dst = binary.BigEndian.AppendUint32(dst, r.Flow)
	}
	if r.PathCount > 0 {
		dst, pairs = append(dst, "\xa3\x0e"+keyPaths...), pairs+1
		dst = append(wire.AppendListHeader(dst, len(r.Paths), r.PathCount), r.Paths...)
	}
	if len(r.Sender) > 0 {
		dst, pairs = wire.AppendString(append(dst, "\xa3\x0d"+keyUser...), r.Sender), pairs+1
	}
	if r.Phase != 0 {
		dst, pairs = append(append(dst, "\xa3\x0e"+keyPhase+"\x54"...), r.Phase), pairs+1
	}
	if r.Stream {
		dst, pairs = append(dst, "\xa3\x0f"+keyStream+"\x54\x01"...), pairs+1
	}
	if len(r.To) > 0 {
		dst, pairs = wire.AppendString(append(dst, "\xa3\x0b"+keyTo...), r.To), pairs+1
	}
	if len(r.Ingress) > 0 {
		dst, pairs = wire.AppendString(append(dst, "\xa3\x10"+keyIngress...), r.Ingress), pairs+1
	}
	if r.TraceCount > 0 || r.Self != "" {
		dst, pairs = r.appendTrace(append(dst, "\xa3\x0e"+keyTrace...)), pairs+1
	}
	return dst, pairs
}

// appendTrace appends the list of the routers that the message has passed, this one included.
func (r *RouterAnnotations) appendTrace(dst []byte) []byte {
	if r.Self == "" {
		return append(wire.AppendListHeader(dst, len(r.Trace), r.TraceCount), r.Trace...)
	}
	dst = append(wire.AppendListHeader(dst, len(r.Trace)+textSize(len(r.Self)), r.TraceCount+1), r.Trace...)
	return wire.AppendString(dst, r.Self)
}

// textSize returns the size of an encoded string of n octets.
func textSize(n int) int {
	if n <= 0xff {
		return 2 + n
	}
	return 5 + n
}
