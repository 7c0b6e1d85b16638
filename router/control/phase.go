package control

import (
	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
)

// waypoint is the number that a capability among these gives to a waypoint: n for "qd.waypoint.n", 1 for "qd.waypoint",
// 0 for none.
func waypoint(capabilities []wire.Symbol) int {
	for _, c := range capabilities {
		if len(c) < len(forwarding.CapabilityWaypoint) || c[:len(forwarding.CapabilityWaypoint)] != forwarding.CapabilityWaypoint {
			continue
		}
		switch rest := c[len(forwarding.CapabilityWaypoint):]; {
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
func (k *Control) phaseFor(l *forwarding.Link, a addressing.Address, capabilities []wire.Symbol) addressing.Phase {
	if a.Class != addressing.ClassMobile {
		return addressing.PhaseZero
	}
	t, _ := k.Plane.Treatments.Of(a)
	n := waypoint(capabilities)
	switch {
	case l.Outgoing && l.Fallback:
		return addressing.PhaseFallback
	case n > 0 && l.Outgoing:
		return addressing.PhaseZero + addressing.Phase(n-1)
	case n > 0:
		return addressing.PhaseZero + addressing.Phase(n)
	case l.Outgoing:
		return t.Egress
	default:
		return t.Ingress
	}
}
