package addressing

import "strings"

// A tenant is a set of clients that has addresses of its own: its space, a name without '/', stands before each of
// them. The functions of this file put it there. Without a space (""), they do what Parse and AppendKey do.
//
// Mobile addresses that begin with '_' are common to all tenants, as in Interconnect, and so are the reply addresses
// that routers make ("temp.…"), which cannot be guessed. All other addresses are in the space of the tenant, also those
// that name a router: Interconnect leaves these common.

// ValidSpace reports whether a name can be that of a tenant: with a '/' in it, the addresses of two tenants could be
// the same, and with a '_' at its start, or no octet, it would not stand apart from the common ones.
func ValidSpace(space string) bool {
	return space != "" && space[0] != '_' && !strings.Contains(space, "/")
}

// temporary is what the reply addresses that routers make begin with.
const temporary = "temp."

// ParseIn reduces an address that a client of a tenant gave to class and text.
func (r *Router) ParseIn(space, s string) Address {
	p := locate(r, s)
	if p.uplink {
		return r.Parse(s)
	}
	a := Address{Class: p.class, Phase: PhaseZero, Text: s[p.start:p.end], Rest: s[p.rest:p.stop]}
	switch {
	case space == "":
	case spaced(p.class, a.Text):
		a.Text = space + "/" + a.Text
	case a.Rest != "" && !strings.HasPrefix(a.Rest, temporary):
		a.Rest = space + "/" + a.Rest
	}
	return a
}

// AppendKeyIn is AppendKey for an address that a client of a tenant gave.
func (r *Router) AppendKeyIn(dst []byte, space string, address []byte, phase Phase) []byte {
	at := len(dst)
	dst = appendKey(r, dst, address, phase)
	if space == "" {
		return dst
	}
	head := 1
	if Class(dst[at]) == ClassMobile {
		head = 2
	}
	text := dst[at+head:]
	if !spaced(Class(dst[at]), text) || locate(r, address).uplink {
		return dst
	}
	n, more := len(text), len(space)+1
	dst = append(append(dst, space...), '/') // room; the text moves behind the space
	text = dst[at+head:]
	copy(text[more:], text[:n])
	copy(text, space)
	text[len(space)] = '/'
	return dst
}

// spaced reports whether the space of a tenant stands before the text of an address.
func spaced[S ~string | ~[]byte](class Class, text S) bool {
	switch class {
	case ClassMobile:
		return len(text) == 0 || text[0] != '_'
	case ClassLocal:
		return len(text) < len(temporary) || string(text[:len(temporary)]) != temporary
	case ClassTopological:
		return true
	}
	return false
}

// AppendForRouters appends the address in a form that every router reduces to the same class and text, whatever is in
// the text: an address that a client gave in one form must not turn into another one on the next router. The phase is
// not in it.
func (a Address) AppendForRouters(dst []byte) []byte {
	switch a.Class {
	case ClassLocal:
		return a.appendBehind(dst, "_local/", a.Text)
	case ClassTopological:
		return a.appendBehind(dst, "_topo/"+Area+"/all/", a.Text)
	case ClassRouter:
		return a.appendBehind(dst, "_topo/"+Area+"/", a.Text)
	case ClassEdge:
		return a.appendBehind(dst, "_edge/", a.Text)
	case ClassArea:
		return a.appendBehind(dst, "_topo/", a.Text)
	}
	return AppendMobile(dst, a.Text)
}

func (a Address) appendBehind(dst []byte, prefix, text string) []byte {
	if strings.Contains(text, ":") || strings.Contains(a.Rest, ":") {
		dst = append(dst, "amqp:/"...)
	}
	dst = append(append(dst, prefix...), text...)
	if a.Rest != "" {
		dst = append(append(dst, '/'), a.Rest...)
	}
	return guarded(dst)
}

// AppendMobile is Address.AppendForRouters for a mobile address with this text.
func AppendMobile[S ~string | ~[]byte](dst []byte, text S) []byte {
	if len(text) > 0 && text[0] == '/' {
		dst = append(dst, "amqp://x/"...)
		return guarded(append(dst, text...))
	}
	for i := range len(text) {
		if text[i] == ':' {
			dst = append(dst, "amqp:/"...)
			break
		}
	}
	return guarded(append(dst, text...))
}

// guarded adds a separator behind an address that ends with one: it is the one that routers do not count.
func guarded(address []byte) []byte {
	if n := len(address); n > 0 && separator(address[n-1]) {
		return append(address, '/')
	}
	return address
}
