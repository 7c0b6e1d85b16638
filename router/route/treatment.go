package route

import (
	"strings"

	"github.com/postroad/postroad/addressing"
)

// Treatment is what the configuration says about a set of addresses.
type Treatment struct {
	Distribution    addressing.Distribution
	Priority        int // -1: the message's
	Ingress, Egress addressing.Phase
	Fallback        bool
	Presettled      Presettled
	Redundant       int
}

// Presettled says what happens to settled messages for which a consumer is too slow.
type Presettled uint8

// The policies.
const (
	DropNewest Presettled = iota
	DropOldest
	Block // senders are held back
)

// Treatments are those of all addresses. They never change.
type Treatments struct {
	Tree    *addressing.Tree[Treatment]
	Default addressing.Distribution
	Phased  bool // some treatment has an ingress phase
}

// Of is what the configuration says about an address; configured says that it names it. Only mobile and local addresses
// can be named, a local one as "_local/…".
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

// IngressPhase is the phase in which senders find the mobile address with a text.
func (s *Treatments) IngressPhase(text []byte) (phase addressing.Phase, ok bool) {
	if !s.Phased {
		return 0, false
	}
	t, ok := s.Tree.MatchBytes(text)
	return t.Ingress, ok
}

// IsUnavailable reports whether the configuration says that nobody is to use the address of a key that is not in the
// table.
func (s *Treatments) IsUnavailable(key []byte) bool {
	parsed, ok := addressing.ParseKey(string(key))
	if !ok {
		return false
	}
	t, _ := s.Of(parsed)
	return t.Distribution == addressing.DistributionUnavailable
}

// isTemporary reports whether an address is one that a router made for a dynamic terminus.
func isTemporary(a addressing.Address) bool {
	switch a.Class {
	case addressing.ClassMobile:
		return strings.HasPrefix(a.Text, "_$temp.")
	case addressing.ClassLocal:
		return strings.HasPrefix(a.Text, "temp.")
	}
	return false
}
