package addressing

import "strings"

// Address is an address reduced to what a router's tables need. It is a value; two addresses are the same if and only
// if their Class, Phase and Text are.
type Address struct {
	Class Class
	// Phase is PhaseZero after parsing and only counts for ClassMobile.
	Phase Phase
	// Text is the address (mobile, topological, local), the router id (router), the edge id (edge) or the area.
	Text string
	// Rest is what followed Text and its '/' for the classes router, area and edge: the address on that router. It is
	// not part of the key.
	Rest string
}

// Key returns the string under which routers keep and announce the address: the class, for a mobile address its phase,
// and the text.
func (a Address) Key() string {
	if a.Class == ClassMobile {
		return string([]byte{byte(a.Class), byte(a.Phase)}) + a.Text
	}
	return string([]byte{byte(a.Class)}) + a.Text
}

// String returns the address as logs and management show it: the text, and the class and phase where they are not
// those of an ordinary address.
func (a Address) String() string {
	switch {
	case a.Class == ClassMobile && a.Phase == PhaseZero:
		return a.Text
	case a.Class == ClassMobile:
		return a.Text + ";phase=" + string(rune(a.Phase))
	}
	return a.Text + ";class=" + string(rune(a.Class))
}

// ParseKey takes a key apart that another router announced or that Key made. It returns false when the class or the
// phase is unknown or no text follows them.
func ParseKey(key string) (Address, bool) {
	if len(key) < 2 {
		return Address{}, false
	}
	a := Address{Class: Class(key[0]), Phase: PhaseZero, Text: key[1:]}
	switch a.Class {
	case ClassMobile:
		if len(key) < 3 || !Phase(key[1]).Valid() {
			return Address{}, false
		}
		a.Phase, a.Text = Phase(key[1]), key[2:]
	case ClassTopological, ClassLocal, ClassArea, ClassRouter:
	default:
		if !a.Class.Announced() {
			return Address{}, false
		}
	}
	return a, true
}

// Area is the one area that exists. Interconnect writes it into every topological address and node name.
const Area = "0"

// Router is the identity that decides which addresses are local. It is immutable and safe for concurrent use.
type Router struct {
	id     string
	prefix string // id and '/'
	edge   bool
}

// NewRouter returns the identity of the interior (or standalone) router with this id.
func NewRouter(id string) *Router { return &Router{id: id, prefix: id + "/"} }

// NewEdgeRouter returns the identity of the edge router with this id. An edge router has no neighbors: what is neither
// mobile nor its own goes to its uplink, which its tables know under the key "L_edge".
func NewEdgeRouter(id string) *Router { return &Router{id: id, prefix: id + "/", edge: true} }

// ID returns the router id.
func (r *Router) ID() string { return r.id }

// NodeName returns the form in which the router appears in the ingress and trace annotations of a message: "0/<id>".
func (r *Router) NodeName() string { return NodeName(r.id) }

// NodeName returns the form in which the router id appears in the ingress and trace annotations of a message.
func NodeName(id string) string { return Area + "/" + id }

// RouterOfNode returns the router id in a node name from an ingress or trace annotation. It returns false for a node
// of another area or without an id.
func RouterOfNode[S ~string | ~[]byte](node S) (id S, ok bool) {
	if len(node) < 3 || node[0] != Area[0] || node[1] != '/' {
		return node, false
	}
	return node[2:], true
}

// Parse reduces an address in any of its forms to class and text. It accepts every string: what has no special
// form is a mobile address. The fields of the result share the memory of s.
func (r *Router) Parse(s string) Address {
	p := locate(r, s)
	if p.uplink {
		return Address{Class: ClassLocal, Phase: PhaseZero, Text: uplinkText}
	}
	return Address{Class: p.class, Phase: PhaseZero, Text: s[p.start:p.end], Rest: s[p.rest:p.stop]}
}

// AppendKey appends the key of the address to dst, with the given phase if it is a mobile one. It allocates only when
// dst has no room.
func (r *Router) AppendKey(dst, address []byte, phase Phase) []byte {
	return appendKey(r, dst, address, phase)
}

// AppendKeyString is AppendKey for an address that is a string.
func (r *Router) AppendKeyString(dst []byte, address string, phase Phase) []byte {
	return appendKey(r, dst, address, phase)
}

func appendKey[S ~string | ~[]byte](r *Router, dst []byte, s S, phase Phase) []byte {
	p := locate(r, s)
	dst = append(dst, byte(p.class))
	if p.uplink {
		return append(dst, uplinkText...)
	}
	if p.class == ClassMobile {
		dst = append(dst, byte(phase))
	}
	return append(dst, s[p.start:p.end]...)
}

// uplinkText is the local address under which an edge router keeps its uplink.
const uplinkText = "_edge"

// parts says where the pieces of an address are.
type parts struct {
	class      Class
	uplink     bool // the address is that of the uplink, whatever the text says
	start, end int  // the text
	rest, stop int  // what follows it
}

// locate finds class and text in s. It follows Interconnect's iterator.c (parse_address_view) to the letter, including
// that "_topo/0/B" without anything behind it stays an address of class router even on router B.
func locate[S ~string | ~[]byte](r *Router, s S) parts {
	start := skipHost(s)
	stop := len(s)
	if stop > start && separator(s[stop-1]) {
		stop--
	}
	p := parts{class: ClassMobile, start: start, end: stop, rest: stop, stop: stop}
	at, ok := skip(s[:stop], start, "_")
	if !ok {
		return p
	}
	if next, ok := skip(s[:stop], at, "local/"); ok {
		p.class, p.start = ClassLocal, next
		return p
	}
	if next, ok := skip(s[:stop], at, "topo/"); ok {
		return locateTopological(r, s[:stop], next)
	}
	if next, ok := skip(s[:stop], at, "edge/"); ok {
		if local, ok := skip(s[:stop], next, r.prefix); ok {
			p.class, p.start = ClassLocal, local
			return p
		}
		return remoteParts(r, s[:stop], ClassEdge, next)
	}
	return p
}

// locateTopological finds class and text behind "_topo/".
func locateTopological[S ~string | ~[]byte](r *Router, s S, at int) parts {
	next, ok := skip(s, at, "all/")
	if !ok {
		next, ok = skip(s, at, Area+"/")
	}
	if !ok {
		return remoteParts(r, s, ClassArea, at)
	}
	if all, ok := skip(s, next, "all/"); ok {
		return parts{class: ClassTopological, start: all, end: len(s), rest: len(s), stop: len(s)}
	}
	if local, ok := skip(s, next, r.prefix); ok {
		return parts{class: ClassLocal, start: local, end: len(s), rest: len(s), stop: len(s)}
	}
	return remoteParts(r, s, ClassRouter, next)
}

// remoteParts splits an address of another router at the first '/' behind its name.
func remoteParts[S ~string | ~[]byte](r *Router, s S, class Class, at int) parts {
	if r.edge {
		return parts{class: ClassLocal, uplink: true}
	}
	p := parts{class: class, start: at, end: len(s), rest: len(s), stop: len(s)}
	for i := at + 1; i < len(s); i++ { // a name has at least one octet, even if it is a '/'
		if s[i] == '/' {
			p.end, p.rest = i, i+1
			break
		}
	}
	return p
}

// skipHost returns where the address begins behind a scheme and a host. Without them, or when nothing follows them, the
// whole string is the address.
func skipHost[S ~string | ~[]byte](s S) int {
	i := 1
	if len(s) == 0 {
		return 0
	}
	if s[0] != '/' {
		if i = schemeEnd(s); i == 0 {
			return 0
		}
	}
	if i >= len(s) {
		return 0
	}
	if s[i] != '/' {
		return i
	}
	for i++; i < len(s); i++ {
		if s[i] == '/' {
			return i + 1
		}
	}
	return 0
}

// schemeEnd returns the position behind the first ":/", or 0. Like Interconnect it takes the two octets of ':' and
// whatever follows it together, so that "a::/b" has no scheme.
func schemeEnd[S ~string | ~[]byte](s S) int {
	for i := 1; i+1 < len(s); i++ {
		if s[i] != ':' {
			continue
		}
		if i++; s[i] == '/' {
			return i + 1
		}
	}
	return 0
}

// skip returns the position behind prefix if s has it at the position at.
func skip[S ~string | ~[]byte](s S, at int, prefix string) (int, bool) {
	if len(s)-at < len(prefix) || string(s[at:at+len(prefix)]) != prefix {
		return at, false
	}
	return at + len(prefix), true
}

// separator reports whether c separates tokens.
func separator(c byte) bool { return addressSyntax.separator(c) }

// trimSeparators removes all separators at both ends.
func trimSeparators(s string) string { return strings.Trim(s, "./") }
