package management

import "github.com/postroad/postroad/internal/config"

// Router is the row of the entity router: the router as a whole. Its configured attributes that are not fields here,
// such as helloIntervalSeconds, come from the configuration.
type Router struct {
	ID            string
	Mode          string // standalone, interior or edge
	Area          string // always "0" in a mesh of Interconnect routers; empty = "0"
	Version       string // of the software
	Metadata      string // text an operator gave; empty = null
	HostName      string // of the machine
	WorkerThreads int32  // threads that may run at once

	AddrCount       uint64 // addresses in the table
	LinkCount       uint64 // attached links, those between routers included
	NodeCount       uint64 // other routers known
	LinkRouteCount  uint64
	AutoLinkCount   uint64
	ConnectionCount uint64 // open connections

	// Deliveries since the start, by outcome.
	PresettledDeliveries        uint64
	DroppedPresettledDeliveries uint64 // pre-settled ones that found no destination or no credit
	AcceptedDeliveries          uint64
	RejectedDeliveries          uint64
	ReleasedDeliveries          uint64
	ModifiedDeliveries          uint64

	// Deliveries that took long to settle: counts of those held 1–10 s and longer, and those that are stuck now.
	DeliveriesDelayed1Sec  uint64
	DeliveriesDelayed10Sec uint64
	DeliveriesStuck        uint64

	// Deliveries since the start, by the way they took.
	DeliveriesIngress               uint64 // in from clients and brokers
	DeliveriesEgress                uint64 // out to clients and brokers
	DeliveriesTransit               uint64 // in from one router and out to another
	DeliveriesIngressRouteContainer uint64 // in from connections of role route-container
	DeliveriesEgressRouteContainer  uint64 // out to connections of role route-container
	DeliveriesRedirectedToFallback  uint64

	LinksBlocked  uint32 // links that have had no credit for more than 10 s
	UptimeSeconds uint32
	MemoryUsage   uint64 // octets of virtual memory of the process; 0 = null

	DrainStep       string // what the router waits for while it drains; empty = it does not, and these are null
	DrainSenders    uint64 // clients' senders that may still send
	DrainDeliveries uint64 // without an outcome
	DrainClients    uint64 // connections
	DrainProblem    string // what was left when the time was over; empty = null
}

// routerColumns lists the attributes of router, in the order and with the types of Interconnect's
// src/router_core/agent_router.c.
var routerColumns = []column[Router]{
	text("name", func(r *Router) string { return r.ID }),
	text("identity", func(*Router) string { return "1" }),
	text("id", func(r *Router) string { return r.ID }),
	text("type", func(*Router) string { return config.TypePrefix + typeRouter }),
	text("mode", func(r *Router) string { return r.Mode }),
	text("area", func(r *Router) string {
		if r.Area == "" {
			return "0"
		}
		return r.Area
	}),
	text("version", func(r *Router) string { return r.Version }),
	text("metadata", func(r *Router) string { return r.Metadata }),
	ulong("addrCount", func(r *Router) uint64 { return r.AddrCount }),
	ulong("linkCount", func(r *Router) uint64 { return r.LinkCount }),
	ulong("nodeCount", func(r *Router) uint64 { return r.NodeCount }),
	ulong("linkRouteCount", func(r *Router) uint64 { return r.LinkRouteCount }),
	ulong("autoLinkCount", func(r *Router) uint64 { return r.AutoLinkCount }),
	ulong("connectionCount", func(r *Router) uint64 { return r.ConnectionCount }),
	ulong("presettledDeliveries", func(r *Router) uint64 { return r.PresettledDeliveries }),
	ulong("droppedPresettledDeliveries", func(r *Router) uint64 { return r.DroppedPresettledDeliveries }),
	ulong("acceptedDeliveries", func(r *Router) uint64 { return r.AcceptedDeliveries }),
	ulong("rejectedDeliveries", func(r *Router) uint64 { return r.RejectedDeliveries }),
	ulong("releasedDeliveries", func(r *Router) uint64 { return r.ReleasedDeliveries }),
	ulong("modifiedDeliveries", func(r *Router) uint64 { return r.ModifiedDeliveries }),
	ulong("deliveriesDelayed1Sec", func(r *Router) uint64 { return r.DeliveriesDelayed1Sec }),
	ulong("deliveriesDelayed10Sec", func(r *Router) uint64 { return r.DeliveriesDelayed10Sec }),
	ulong("deliveriesStuck", func(r *Router) uint64 { return r.DeliveriesStuck }),
	ulong("deliveriesIngress", func(r *Router) uint64 { return r.DeliveriesIngress }),
	ulong("deliveriesEgress", func(r *Router) uint64 { return r.DeliveriesEgress }),
	ulong("deliveriesTransit", func(r *Router) uint64 { return r.DeliveriesTransit }),
	ulong("deliveriesIngressRouteContainer", func(r *Router) uint64 { return r.DeliveriesIngressRouteContainer }),
	ulong("deliveriesEgressRouteContainer", func(r *Router) uint64 { return r.DeliveriesEgressRouteContainer }),
	ulong("deliveriesRedirectedToFallback", func(r *Router) uint64 { return r.DeliveriesRedirectedToFallback }),
	unsigned("linksBlocked", func(r *Router) uint32 { return r.LinksBlocked }),
	unsigned("uptimeSeconds", func(r *Router) uint32 { return r.UptimeSeconds }),
	optional(ulong("memoryUsage", func(r *Router) uint64 { return r.MemoryUsage }),
		func(r *Router) bool { return r.MemoryUsage != 0 }),
	signed("workerThreads", func(r *Router) int32 { return r.WorkerThreads }),
	// The columns above are those of Interconnect's core; its schema has two more.
	text("hostName", func(r *Router) string { return r.HostName }),
	unsigned("blockedLinkCount", func(r *Router) uint32 { return r.LinksBlocked }),
	// Postroad's own.
	text("drainStep", func(r *Router) string { return r.DrainStep }),
	whileDraining("drainSenders", func(r *Router) uint64 { return r.DrainSenders }),
	whileDraining("drainDeliveries", func(r *Router) uint64 { return r.DrainDeliveries }),
	whileDraining("drainClients", func(r *Router) uint64 { return r.DrainClients }),
	text("drainProblem", func(r *Router) string { return r.DrainProblem }),
}

// whileDraining is a column that counts what is left of a drain.
func whileDraining(name string, get func(*Router) uint64) column[Router] {
	return optional(ulong(name, get), func(r *Router) bool { return r.DrainStep != "" })
}
