package route

import (
	"strings"

	"github.com/postroad/postroad/addressing"
)

// Treatment is what the configuration says about a set of addresses.
type Treatment struct {
	Distribution    addressing.Distribution
	Priority        int              // between routers, 0 to 9; -1 for that of each message
	Ingress, Egress addressing.Phase // of senders, and of consumers
	Fallback        bool             // the addresses have a fallback
	Presettled      Presettled
	Redundant       int // copies of an unsettled message between routers, 1 or 2
}

// Presettled says what happens to pre-settled messages when their consumer is too slow.
type Presettled uint8

// The policies.
const (
	DropNewest Presettled = iota // the message that comes is dropped
	DropOldest                   // the message that has waited longest is dropped
	Block                        // senders are held back, and nothing is dropped
)

// Treatments is what the configuration says about all addresses. It never changes.
type Treatments struct {
	Tree    *addressing.Tree[Treatment] // by prefix and pattern
	Default addressing.Distribution     // of addresses that no entity names
	Phased  bool                        // some treatment has an ingress phase
}

// Of returns the treatment of an address, and reports whether the configuration names the address. Only mobile and
// local addresses can be named, a local one as "_local/…".
func (s *Treatments) Of(a addressing.Address) (t Treatment, configured bool) {
	t = Treatment{Distribution: addressing.DistributionClosest, Priority: -1, Redundant: 1, Ingress: addressing.PhaseZero,
		Egress: addressing.PhaseZero}
	text := a.Text
	switch {
	case a.Class == addressing.ClassMobile && isTemporary(a):
		t.Distribution = addressing.DistributionBalanced
		return t, false
	case a.Class == addressing.ClassLocal && !isTemporary(a):
		text = "_local/" + text
	case a.Class != addressing.ClassMobile:
		return t, false
	}
	if found, ok := s.Tree.Match(text); ok {
		return found, true
	}
	t.Distribution = s.Default
	return t, false
}

// IngressPhase returns the phase in which senders find the mobile address with a text. ok is false when no entity names
// the address, or none has an ingress phase: then senders find it in phase 0.
func (s *Treatments) IngressPhase(text []byte) (phase addressing.Phase, ok bool) {
	if !s.Phased {
		return 0, false
	}
	t, ok := s.Tree.MatchBytes(text)
	return t.Ingress, ok
}

// IsUnavailable reports whether the configuration forbids everybody to use the address of a key. It is for keys that
// are not in the table.
func (s *Treatments) IsUnavailable(key []byte) bool {
	parsed, ok := addressing.ParseKey(string(key))
	if !ok {
		return false
	}
	t, _ := s.Of(parsed)
	return t.Distribution == addressing.DistributionUnavailable
}

// isTemporary reports whether a router made the address for a dynamic terminus.
func isTemporary(a addressing.Address) bool {
	switch a.Class {
	case addressing.ClassMobile:
		return strings.HasPrefix(a.Text, "_$temp.")
	case addressing.ClassLocal:
		return strings.HasPrefix(a.Text, "temp.")
	}
	return false
}
