package addressing

// Class is the first letter of a key and says how far an address reaches.
type Class byte

// The classes of addresses. The four link-route classes occur in keys that routers announce to each other, never as the
// result of Router.Parse.
const (
	ClassMobile              Class = 'M' // known on every router, wherever its consumers are
	ClassTopological         Class = 'T' // every router of the mesh
	ClassLocal               Class = 'L' // this router
	ClassArea                Class = 'A' // a router of another area; there is one area, so nothing is found there
	ClassRouter              Class = 'R' // one other router
	ClassEdge                Class = 'H' // one edge router, through the interior router it is connected to
	ClassLinkRoutePrefixIn   Class = 'C' // link-route prefix, clients send
	ClassLinkRoutePrefixOut  Class = 'D' // link-route prefix, clients receive
	ClassLinkRoutePatternIn  Class = 'E' // link-route pattern, clients send
	ClassLinkRoutePatternOut Class = 'F' // link-route pattern, clients receive
)

// Announced reports whether routers tell each other about addresses of this class.
func (c Class) Announced() bool {
	switch c {
	case ClassMobile, ClassEdge, ClassLinkRoutePrefixIn, ClassLinkRoutePrefixOut, ClassLinkRoutePatternIn,
		ClassLinkRoutePatternOut:
		return true
	}
	return false
}

// String returns the name of the class for people, "mobile" for example.
func (c Class) String() string {
	switch c {
	case ClassMobile:
		return "mobile"
	case ClassTopological:
		return "topological"
	case ClassLocal:
		return "local"
	case ClassArea:
		return "area"
	case ClassRouter:
		return "router"
	case ClassEdge:
		return "edge"
	case ClassLinkRoutePrefixIn:
		return "link route prefix (in)"
	case ClassLinkRoutePrefixOut:
		return "link route prefix (out)"
	case ClassLinkRoutePatternIn:
		return "link route pattern (in)"
	case ClassLinkRoutePatternOut:
		return "link route pattern (out)"
	}
	return "unknown"
}

// Phase numbers the stations of a message on its way through waypoints. It is the second octet of a mobile key.
type Phase byte

// The phases that have names. Phases between them are Phase('1') … Phase('9').
const (
	PhaseZero     Phase = '0' // where an ordinary address lives
	PhaseFallback Phase = 'F' // the fallback of an address: used while the address itself has no destination
)

// PhaseNumber returns the phase for the number n, 0 to 9, and false for any other number.
func PhaseNumber(n int) (Phase, bool) {
	if n < 0 || n > 9 {
		return 0, false
	}
	return PhaseZero + Phase(n), true
}

// fallbackNumber stands for the fallback in the phase annotation: the distance of 'F' from '0', as Interconnect computes
// it.
const fallbackNumber = uint8(PhaseFallback - PhaseZero)

// Number returns the number of the phase in the annotation that routers send each other: 0 to 9, or 22 for the
// fallback.
func (p Phase) Number() uint8 { return uint8(p - PhaseZero) }

// PhaseOf returns the phase for the number in an annotation, and false for a number that is none.
func PhaseOf(number uint8) (Phase, bool) {
	p := PhaseZero + Phase(number)
	return p, p.Valid() && number <= fallbackNumber
}

// Valid reports whether p is one of the phases '0' … '9' or the fallback.
func (p Phase) Valid() bool { return p >= '0' && p <= '9' || p == PhaseFallback }
