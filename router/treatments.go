package router

import (
	"github.com/postroad/postroad/addressing"
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
