package management

import "github.com/postroad/postroad/internal/config"

// RouterNode is the row of the entity router.node: one router of the mesh, this one included.
type RouterNode struct {
	ID              string
	Self            bool     // this router
	Index           int64    // position in Link.IngressHistogram and Address.TransitOutstanding; 0 for this router
	ProtocolVersion int64    // of the routing protocol
	Instance        int64    // boot number
	LinkState       []string // ids of its neighbors
	Neighbor        bool     // one hop away
	RouterLink      int64    // for a neighbor: number of the link to it
	NextHop         string   // id of the neighbor on the way to it; empty = unreachable, or a neighbor reached directly
	ValidOrigins    []string // routers whose messages for it may arrive here
	Cost            int64    // of the path to it; 0 = null
	RTT             int64    // of the link to it, for a neighbor: microseconds; 0 = null
	LastTopoChange  int64    // of this router: seconds since 1970 when the topology changed last
	Heard           bool     // an advertisement of another router has come
	HeardSeconds    int64    // since the last one, when Heard
}

// routerNodeColumns lists the attributes of router.node, with the types of Interconnect's
// python/qpid_dispatch_internal/router/node.py: integers are int, or long where they need it.
var routerNodeColumns = []column[RouterNode]{
	text("id", func(n *RouterNode) string { return n.ID }),
	integer("protocolVersion", func(n *RouterNode) int64 { return n.ProtocolVersion }),
	integer("instance", func(n *RouterNode) int64 { return n.Instance }),
	texts("linkState", func(n *RouterNode) []string { return n.LinkState }),
	text("nextHop", func(n *RouterNode) string {
		switch {
		case n.Self:
			return "(self)"
		case n.Neighbor && n.NextHop == "":
			return ""
		}
		return n.NextHop
	}),
	texts("validOrigins", func(n *RouterNode) []string { return n.ValidOrigins }),
	text("address", func(n *RouterNode) string { return topological(n.ID, "") }),
	optional(integer("routerLink", func(n *RouterNode) int64 { return n.RouterLink }),
		func(n *RouterNode) bool { return n.Neighbor && !n.Self }),
	optional(integer("cost", func(n *RouterNode) int64 { return n.Cost }),
		func(n *RouterNode) bool { return n.Cost != 0 && !n.Self }),
	optional(integer("lastTopoChange", func(n *RouterNode) int64 { return n.LastTopoChange }),
		func(n *RouterNode) bool { return n.Self }),
	optional(integer("rtt", func(n *RouterNode) int64 { return n.RTT }), func(n *RouterNode) bool { return n.RTT != 0 }),
	integer("index", func(n *RouterNode) int64 { return n.Index }),
	text("name", func(n *RouterNode) string { return typeRouterNode + "/" + n.ID }),
	text("identity", func(n *RouterNode) string { return typeRouterNode + "/" + n.ID }),
	text("type", func(*RouterNode) string { return config.TypePrefix + typeRouterNode }),
	optional(integer("lastHeardSeconds", func(n *RouterNode) int64 { return n.HeardSeconds }),
		func(n *RouterNode) bool { return n.Heard }),
}

// topological returns the address of a router, or of a node in it.
func topological(id, node string) string {
	address := "amqp:/_topo/0/" + id
	if node != "" {
		address += "/" + node
	}
	return address
}
