package management

import (
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/config"
)

// Address is the row of the entity router.address: one address in the router's table.
type Address struct {
	// Key is the class and, for mobile addresses, the phase, before the address: M0orders, Ltemp.x, Rlondon, Tqdrouter.
	// qdstat takes it apart.
	Key          string
	Distribution string // closest, balanced, multicast, flood, linkBalanced or unavailable

	InProcess       uint32 // consumers inside the router, such as $management
	SubscriberCount uint32 // consumers attached here
	RemoteCount     uint32 // other routers with consumers
	ContainerCount  uint32 // connected containers that serve a link-route address

	RemoteHostRouters []string // ids of the other routers with consumers

	// Deliveries since the address was made, by the way they took.
	DeliveriesIngress               uint64
	DeliveriesEgress                uint64
	DeliveriesTransit               uint64
	DeliveriesToContainer           uint64 // to consumers inside the router
	DeliveriesFromContainer         uint64 // from producers inside the router
	DeliveriesEgressRouteContainer  uint64
	DeliveriesIngressRouteContainer uint64
	DeliveriesRedirectedToFallback  uint64

	// TransitOutstanding counts unsettled deliveries of a balanced address by the next router, at the position
	// RouterNode.Index; nil = null.
	TransitOutstanding []int64
	TrackedDeliveries  int64 // deliveries that the counts above contain
	Priority           int32 // of the address, -1 = none configured
}

// addressColumns lists the attributes of router.address, in the order and with the types of Interconnect's
// src/router_core/agent_address.c.
var addressColumns = []column[Address]{
	text("name", func(a *Address) string { return a.Key }),
	text("identity", func(a *Address) string { return a.Key }),
	text("type", func(*Address) string { return config.TypePrefix + typeAddress }),
	text("key", func(a *Address) string { return a.Key }),
	text("distribution", func(a *Address) string { return a.Distribution }),
	unsigned("inProcess", func(a *Address) uint32 { return a.InProcess }),
	unsigned("subscriberCount", func(a *Address) uint32 { return a.SubscriberCount }),
	unsigned("remoteCount", func(a *Address) uint32 { return a.RemoteCount }),
	unsigned("containerCount", func(a *Address) uint32 { return a.ContainerCount }),
	texts("remoteHostRouters", func(a *Address) []string { return a.RemoteHostRouters }),
	ulong("deliveriesIngress", func(a *Address) uint64 { return a.DeliveriesIngress }),
	ulong("deliveriesEgress", func(a *Address) uint64 { return a.DeliveriesEgress }),
	ulong("deliveriesTransit", func(a *Address) uint64 { return a.DeliveriesTransit }),
	ulong("deliveriesToContainer", func(a *Address) uint64 { return a.DeliveriesToContainer }),
	ulong("deliveriesFromContainer", func(a *Address) uint64 { return a.DeliveriesFromContainer }),
	ulong("deliveriesEgressRouteContainer", func(a *Address) uint64 { return a.DeliveriesEgressRouteContainer }),
	ulong("deliveriesIngressRouteContainer", func(a *Address) uint64 { return a.DeliveriesIngressRouteContainer }),
	list("transitOutstanding", wire.AppendInt64, func(a *Address) []int64 { return a.TransitOutstanding }),
	long("trackedDeliveries", func(a *Address) int64 { return a.TrackedDeliveries }),
	signed("priority", func(a *Address) int32 { return a.Priority }),
	ulong("deliveriesRedirectedToFallback", func(a *Address) uint64 { return a.DeliveriesRedirectedToFallback }),
}
