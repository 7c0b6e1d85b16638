package metrics

import "github.com/prometheus/client_golang/prometheus"

// allDescs are the descriptions made by desc.
var allDescs []*prometheus.Desc

// desc describes a metric of this router's own.
func desc(name, help string, labels ...string) *prometheus.Desc {
	d := prometheus.NewDesc("postroad_"+name, help, labels, nil)
	allDescs = append(allDescs, d)
	return d
}

var (
	descRouter = desc("router_info", "Who the router is; always 1.", "id", "mode", "version")

	descConnections = desc("connections", "Connections, by role, by who opened them, and by state.",
		"role", "direction", "state")
	descConnectionsOpened = desc("connections_opened_total", "Connections that came to the state open.")
	descConnectionsFailed = desc("connections_failed_total",
		"Connections that ended before they were open, or by a fault, by reason.", "reason")
	descSessions = desc("sessions", "Sessions in use.")

	descLinks  = desc("links", "Attached links, by type and direction of their deliveries.", "type", "direction")
	descCredit = desc("link_credit", "Credit on attached links, by type and direction of their deliveries.",
		"type", "direction")
	descLinksBlocked = desc("links_blocked", "Links that have had no credit for more than 10 seconds.")
	descOpenHandles  = desc("open_handles", "Link handles in use, those of links halfway attached or detached included.")

	descDeliveries = desc("deliveries_total",
		"Deliveries, by address, by the way they took (ingress: in from clients and brokers, egress: out to them, "+
			"transit: on to another router) and by outcome. "+
			"Addresses without series of their own are counted under _other.",
		"address", "direction", "outcome")
	descDropped = desc("presettled_dropped_total",
		"Pre-settled deliveries that were dropped, by address.", "address")
	descUnsettled = desc("deliveries_unsettled", "Deliveries that wait to be settled.")
	descStuck     = desc("deliveries_stuck", "Deliveries that have waited for more than 10 seconds to be settled.")
	descDelayed   = desc("deliveries_delayed_total", "Deliveries that took long to be settled, by how long.", "duration")

	descAddresses = desc("addresses", "Addresses in the table, of all classes.")
	descMobile    = desc("mobile_addresses", "Mobile addresses with consumers, by where these are attached.", "scope")
	descBuffers   = desc("buffers_in_flight", "Read buffers that hold parts of messages.")
	descBytes     = desc("buffers_in_flight_bytes", "Octets of read buffers that hold parts of messages.")

	descRouters      = desc("routers", "Other routers known.")
	descNeighbors    = desc("neighbors", "Neighbors, by whether there is an adjacency.", "state")
	descNeighborUp   = desc("neighbor_up", "Whether there is an adjacency with the neighbor.", "neighbor")
	descNeighborCost = desc("neighbor_cost", "Cost of the link to the neighbor.", "neighbor")

	descPathComputations = desc("path_computations_total", "Computations of the paths to all routers.")
	descPathSeconds      = desc("path_computation_seconds_total", "Time spent computing paths.")
	descTopologyChange   = desc("last_topology_change_timestamp_seconds",
		"When the topology changed last, in seconds since 1970; 0 for never.")
	descControlMessages = desc("control_messages_total", "Control messages between routers, by opcode and direction.",
		"opcode", "direction")
)
