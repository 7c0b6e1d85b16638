package router

import (
	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/router/route"
)

// presettledPolicies are the policies by their names in the configuration.
var presettledPolicies = map[config.Presettled]route.Presettled{
	config.PresettledDropNewest: route.DropNewest,
	config.PresettledDropOldest: route.DropOldest,
	config.PresettledBlock:      route.Block,
}

// newTreatment reads an address entity.
func newTreatment(a *config.Address) (route.Treatment, error) {
	distribution, err := addressing.ParseDistribution(string(a.Distribution))
	t := route.Treatment{Distribution: distribution, Priority: -1, Ingress: addressing.PhaseZero, Egress: addressing.PhaseZero,
		Fallback: a.EnableFallback, Presettled: presettledPolicies[a.Presettled], Redundant: a.Redundant}
	if a.Priority != nil {
		t.Priority = *a.Priority
	}
	switch {
	case a.IngressPhase != nil && a.EgressPhase != nil:
		t.Ingress, _ = addressing.PhaseNumber(*a.IngressPhase)
		t.Egress, _ = addressing.PhaseNumber(*a.EgressPhase)
	case a.Waypoint:
		t.Egress++
	}
	return t, err
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
	t, _ := k.plane.treatments.Of(a)
	n := waypoint(capabilities)
	switch {
	case l.outgoing && l.fallback:
		return addressing.PhaseFallback
	case n > 0 && l.outgoing:
		return addressing.PhaseZero + addressing.Phase(n-1)
	case n > 0:
		return addressing.PhaseZero + addressing.Phase(n)
	case l.outgoing:
		return t.Egress
	default:
		return t.Ingress
	}
}
