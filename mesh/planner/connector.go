package planner

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// CostBasis says where the cost of a planned link comes from.
type CostBasis uint8

// The bases of costs.
const (
	CostFixed CostBasis = iota // Within for all links
	CostSite                   // Within for links inside a site, Between for others
	CostRTT                    // one for each RTTUnit of round-trip time, and one
)

var basisNames = [...]string{"fixed", "site", "rtt"}

// String returns the name that configurations use.
func (b CostBasis) String() string {
	if int(b) < len(basisNames) {
		return basisNames[b]
	}
	return fmt.Sprintf("basis(%d)", uint8(b))
}

// ParseCostBasis is the reverse of [CostBasis.String].
func ParseCostBasis(name string) (CostBasis, error) {
	if i := slices.Index(basisNames[:], name); i >= 0 {
		return CostBasis(i), nil
	}
	return 0, fmt.Errorf("%q is not a basis of costs, use %s", name, strings.Join(basisNames[:], ", "))
}

// maxCost is the highest cost of a link, as in package spf.
const maxCost = math.MaxInt32

// Costs says what planned links cost. Fields that are 0 have the defaults.
type Costs struct {
	Basis   CostBasis
	Within  int // 1
	Between int // 10
	// RTTUnit is the round-trip time that costs one; 1 ms. Until the time is known a link costs what CostSite says.
	RTTUnit time.Duration
	// Hysteresis is the part of the present cost by which a new one must differ; 0.25. It differs by more than two, too.
	Hysteresis float64
}

// Of returns the cost of a link. The present cost is 0 for a new link; rtt is 0 while it is not known.
func (c Costs) Of(sameSite bool, rtt time.Duration, present int) int {
	within, between := c.Within, c.Between
	if within == 0 {
		within = 1
	}
	if between == 0 {
		between = 10
	}
	cost := within
	if c.Basis != CostFixed && !sameSite {
		cost = between
	}
	if c.Basis != CostRTT {
		return min(max(cost, 1), maxCost)
	}
	if rtt <= 0 {
		if present > 0 {
			cost = present
		}
		return min(max(cost, 1), maxCost)
	}
	unit, part := c.RTTUnit, c.Hysteresis
	if unit <= 0 {
		unit = time.Millisecond
	}
	if part <= 0 {
		part = 0.25
	}
	cost = int(min(1+int64(rtt/unit), maxCost))
	difference := math.Abs(float64(cost) - float64(present))
	if present > 0 && difference <= max(2, part*float64(present)) {
		return min(present, maxCost)
	}
	return cost
}

// Local is what one router knows beside the members.
type Local struct {
	// Configured are the routers to which a link exists that was configured by hand, here or there. They get no planned
	// connector.
	Configured []string
	RTT        map[string]time.Duration // measured, by router
	Present    map[string]int           // costs that planned links have now, by router
	Costs      Costs
}

// Connector is a planned link as one of its routers sees it.
type Connector struct {
	Peer string
	Dial bool // this router dials; otherwise the peer will
	Cost int
}

// Connectors returns the planned links of a router, ascending by peer, without those that are configured.
func (p *Plan) Connectors(self string, local Local) []Connector {
	i, ok := p.find(self)
	if !ok {
		return nil
	}
	configured := make(map[string]bool, len(local.Configured))
	for _, id := range local.Configured {
		configured[id] = true
	}
	var out []Connector
	p.neighbors(i, func(j int) {
		peer := p.members[j]
		if configured[peer.ID] {
			return
		}
		cost := local.Costs.Of(peer.Site == p.members[i].Site, local.RTT[peer.ID], local.Present[peer.ID])
		out = append(out, Connector{Peer: peer.ID, Dial: p.link(i, j).Dialer == self, Cost: cost})
	})
	return out
}
