package planner

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// CostBasis says where the cost of a planned link comes from.
type CostBasis uint8

// The bases of costs.
const (
	CostFixed CostBasis = iota // Within for all links
	CostSite                   // Within for links inside a site, Between for others
	CostRTT                    // measured by the link-state engine; that of CostSite where it cannot be
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
}

// Of returns the cost that a link is given.
func (c Costs) Of(sameSite bool) int {
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
	return min(max(cost, 1), maxCost)
}

// Local is what one router knows beside the members.
type Local struct {
	// Configured are the routers to which a link exists that was configured by hand, here or there. They get no planned
	// connector.
	Configured []string
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
		cost := local.Costs.Of(peer.Site == p.members[i].Site)
		out = append(out, Connector{Peer: peer.ID, Dial: p.link(i, j).Dialer == self, Cost: cost})
	})
	return out
}
