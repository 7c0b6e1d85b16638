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
		"Connections that ended before they were open, or by a fault, by role, by who opened them, and by reason.",
		"role", "direction", "reason")
	descPanics = desc("connection_panics_total",
		"Panics that ended a connection, or what the control loop or the agent was doing, and not the process.")
	descSessions = desc("sessions", "Sessions in use.")

	descLinks  = desc("links", "Attached links, by type and direction of their deliveries.", "type", "direction")
	descCredit = desc("link_credit", "Credit on attached links, by type and direction of their deliveries.",
		"type", "direction")
	descLinksBlocked = desc("links_blocked",
		"Links that have had no credit for more than 10 seconds; outgoing ones only if deliveries wait for it.",
		"type", "direction")
	descOpenHandles     = desc("open_handles", "Link handles in use, those of links halfway attached or detached included.")
	descAttaches        = desc("attaches_total", "Links that clients have attached, refused ones included.")
	descAttachesRefused = desc("attaches_refused_total", "Links of clients that were refused.")

	descDeliveries = desc("deliveries_total",
		"Deliveries, by address, by the way they took (ingress: in from clients and brokers, egress: out to them, "+
			"transit: on to another router) and by outcome. "+
			"Addresses without series of their own are counted under _other.",
		"address", "direction", "outcome")
	descDropped = desc("presettled_dropped_total",
		"Pre-settled deliveries that were dropped, by address.", "address")
	descRedirected = desc("deliveries_redirected_total",
		"Deliveries that went to the fallback destination of their address.", "address")
	descOctets = desc("delivery_bytes_total",
		"Octets of messages, by the way they took (see postroad_deliveries_total).", "direction")
	descInternal = desc("internal_deliveries_total",
		"Deliveries to (in) and from (out) the consumers inside the router, such as $management.", "direction")
	descUnsettled = desc("deliveries_unsettled", "Deliveries that wait to be settled, from peers (in) and to peers (out).",
		"direction")
	descQueued = desc("deliveries_queued", "Deliveries that wait for credit of the link they are to go out on, by its type.",
		"type")
	descStuck = desc("deliveries_stuck",
		"Deliveries that have been queued or unsettled for more than 10 seconds, by type and direction of the link.",
		"type", "direction")
	descDelayed = desc("deliveries_delayed_total",
		"Deliveries that were over more than a second after they had come to the router, by the link that they were "+
			"counted on (in: from a peer, out: to a peer) and by how long.", "direction", "duration")
	descWaiting    = desc("deliveries_waiting", "Deliveries that wait for a consumer to come back while the mesh converges.")
	descHeldTotal  = desc("deliveries_held_total", "Deliveries that had to wait for a consumer to come back.")
	descExpired    = desc("deliveries_expired_total", "Deliveries whose time to live was over before a consumer took them.")
	descDuplicates = desc("duplicates_total",
		"Copies of multicast and redundant messages that were dropped: another one was taken, or comes by the right way.")

	descAddresses = desc("addresses", "Addresses in the table, of all classes.")
	descMobile    = desc("mobile_addresses", "Mobile addresses with consumers, by where these are attached.", "scope")
	descBuffers   = desc("buffers_in_flight", "Read buffers that hold parts of messages.")
	descBytes     = desc("buffers_in_flight_bytes", "Octets of read buffers that hold parts of messages.")
	descHeld      = desc("held_bytes", "Octets of messages that are held, by the role of the connection they came from.",
		"role")
	descHeldBudget = desc("held_budget_bytes",
		"Octets of messages that may be held in all; with more the router withholds credit, and then does worse.")
	descOverload = desc("overload_level", "What the router does against a lack of memory, 0 for nothing.")

	descRouters      = desc("routers", "Other routers known.")
	descReachable    = desc("routers_reachable", "Other routers to which there is a path.")
	descLinkStates   = desc("link_states", "Routers in the link-state database, this one included.")
	descEdges        = desc("link_state_edges", "Edges in the link-state database: neighbors that routers have told of.")
	descRemote       = desc("remote_addresses", "Addresses that other routers have announced, one for each router.")
	descNeighbors    = desc("neighbors", "Neighbors, by whether there is an adjacency.", "state")
	descNeighborUp   = desc("neighbor_up", "Whether there is an adjacency with the neighbor.", "neighbor")
	descNeighborCost = desc("neighbor_cost", "Cost of the link to the neighbor.", "neighbor")
	descNeighborRTT  = desc("neighbor_rtt_seconds", "Round-trip time of the link to the neighbor, the lowest of late.", "neighbor")

	descMembers      = desc("gossip_members", "Routers that gossip knows, this one included, by state: present, lost.", "state")
	descPlannedLinks = desc("planned_links",
		"Links of this router that follow from gossip, whoever dials, by whether there is an adjacency.", "state")
	descGossipRefused = desc("gossip_refused_total", "Connections, packets and statements of gossip that were refused.")
	descGossipPackets = desc("gossip_packets_total", "Packets of gossip.", "direction")
	descGossipDropped = desc("gossip_packets_dropped_total", "Packets of gossip for which there was no room or no way.")

	descPathComputations = desc("path_computations_total", "Computations of the paths to all routers.")
	descPathSeconds      = desc("path_computation_seconds", "Time of a computation of paths and valid origins.")
	descTopologyChange   = desc("last_topology_change_timestamp_seconds",
		"When the topology changed last, in seconds since 1970; 0 for never.")
	descControlMessages = desc("control_messages_total", "Control messages between routers, by opcode and direction.",
		"opcode", "direction")
	descForwarded = desc("control_messages_forwarded_total",
		"Control messages of other routers that were passed on, one for each link.")
	descControlDropped = desc("control_messages_dropped_total",
		"Control messages that were not taken or not forwarded, by reason.", "reason")
)
