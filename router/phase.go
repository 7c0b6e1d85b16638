package router

import (
	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/config"
)

// treatment is what the configuration says about a set of addresses.
type treatment struct {
	distribution    addressing.Distribution
	priority        int // -1: the message's
	ingress, egress addressing.Phase
	fallback        bool
	presettled      presettledPolicy
	redundant       int
}

// presettledPolicy says what happens to settled messages for which a consumer is too slow.
type presettledPolicy uint8

const (
	presettledDropNewest presettledPolicy = iota
	presettledDropOldest
	presettledBlock // senders are held back
)

// presettledPolicies are the policies by their names in the configuration.
var presettledPolicies = map[config.Presettled]presettledPolicy{
	config.PresettledDropNewest: presettledDropNewest,
	config.PresettledDropOldest: presettledDropOldest,
	config.PresettledBlock:      presettledBlock,
}

// newTreatment reads an address entity.
func newTreatment(a *config.Address) (treatment, error) {
	distribution, err := addressing.ParseDistribution(string(a.Distribution))
	t := treatment{distribution: distribution, priority: -1, ingress: addressing.PhaseZero, egress: addressing.PhaseZero,
		fallback: a.EnableFallback, presettled: presettledPolicies[a.Presettled], redundant: a.Redundant}
	if a.Priority != nil {
		t.priority = *a.Priority
	}
	switch {
	case a.IngressPhase != nil && a.EgressPhase != nil:
		t.ingress, _ = addressing.PhaseNumber(*a.IngressPhase)
		t.egress, _ = addressing.PhaseNumber(*a.EgressPhase)
	case a.Waypoint:
		t.egress++
	}
	return t, err
}

// treatmentOf is what the configuration says about an address; configured says that it names it. Only mobile and local
// addresses can be named, a local one as "_local/…".
func (p *Plane) treatmentOf(a addressing.Address) (t treatment, configured bool) {
	t = treatment{distribution: addressing.DistributionClosest, priority: -1, redundant: 1, ingress: addressing.PhaseZero,
		egress: addressing.PhaseZero}
	text := a.Text
	switch {
	case a.Class == addressing.ClassMobile && isTemporary(a):
		t.distribution = addressing.DistributionBalanced
		return t, false
	case a.Class == addressing.ClassLocal && !isTemporary(a):
		text = "_local/" + text
	case a.Class != addressing.ClassMobile:
		return t, false
	}
	if found, ok := p.treatments.Match(text); ok {
		return found, true
	}
	t.distribution = p.defaultDistribution
	return t, false
}

// Capabilities of a terminus by which a client claims its part in the route of an address.
const (
	capabilityWaypoint = "qd.waypoint"
	capabilityFallback = "qd.fallback"
)

// waypoint is the number that a capability among these gives to a waypoint: n for "qd.waypoint.n", 1 for "qd.waypoint",
// 0 for none.
func waypoint(capabilities []wire.Symbol) int {
	for _, c := range capabilities {
		if len(c) < len(capabilityWaypoint) || c[:len(capabilityWaypoint)] != capabilityWaypoint {
			continue
		}
		switch rest := c[len(capabilityWaypoint):]; {
		case rest == "":
			return 1
		case len(rest) == 2 && rest[0] == '.' && rest[1] >= '1' && rest[1] <= '9':
			return int(rest[1] - '0')
		}
	}
	return 0
}

// phaseFor is the phase in which a link finds its address. A waypoint n receives what is in phase n−1 and sends on in
// phase n; the consumer that claims the fallback of an address receives what its other consumers cannot have; all
// others go by the configuration.
func (k *control) phaseFor(l *link, a addressing.Address, capabilities []wire.Symbol) addressing.Phase {
	if a.Class != addressing.ClassMobile {
		return addressing.PhaseZero
	}
	t, _ := k.plane.treatmentOf(a)
	n := waypoint(capabilities)
	switch {
	case l.outgoing && l.fallback:
		return addressing.PhaseFallback
	case n > 0 && l.outgoing:
		return addressing.PhaseZero + addressing.Phase(n-1)
	case n > 0:
		return addressing.PhaseZero + addressing.Phase(n)
	case l.outgoing:
		return t.egress
	default:
		return t.ingress
	}
}
