package management

import (
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/config"
)

// Link is the row of the entity router.link: one attached link, of a client or between routers.
type Link struct {
	ID           uint64 // unique in this run of the router, as in log lines [C<connection>][L<id>]
	Name         string // as in the attach
	Type         string // endpoint, router-control, inter-router or edge-downlink
	Outgoing     bool   // deliveries go from this router to the peer
	ConnectionID uint64 // Connection.ID of its connection
	OwningAddr   string // key of its address, as in Address.Key; empty = null (an anonymous link)
	Peer         uint64 // ID of the link it is joined with by a link route, 0 = none
	OperStatus   string // up, down, quiescing or idle; empty = up
	Capacity     uint32 // deliveries that may be in flight
	Priority     uint32 // of messages on a data link between routers

	UndeliveredCount       uint64 // deliveries that wait to be sent on it
	UnsettledCount         uint64 // deliveries that wait to be settled
	DeliveryCount          uint64 // deliveries that crossed it
	PresettledCount        uint64
	DroppedPresettledCount uint64
	AcceptedCount          uint64
	RejectedCount          uint64
	ReleasedCount          uint64
	ModifiedCount          uint64
	DeliveriesDelayed1Sec  uint64 // settled after 1–10 s
	DeliveriesDelayed10Sec uint64 // settled after more than 10 s
	DeliveriesStuck        uint64 // unsettled for more than 10 s now

	SettleRate        uint32 // settlements per second, mean of the last 5 s
	CreditAvailable   uint32
	ZeroCreditSeconds uint32 // for how long it has had no credit

	// IngressHistogram counts the settled deliveries of an outgoing client link by ingress router, at the position
	// RouterNode.Index; nil = null.
	IngressHistogram []uint64
}

// linkColumns lists the attributes of router.link, in the order and with the types of Interconnect's
// src/router_core/agent_link.c.
var linkColumns = []column[Link]{
	text("name", func(l *Link) string { return l.Name }),
	text("identity", func(l *Link) string { return decimal(l.ID) }),
	text("type", func(*Link) string { return config.TypePrefix + typeLink }),
	text("linkName", func(l *Link) string { return l.Name }),
	text("linkType", func(l *Link) string { return l.Type }),
	text("linkDir", func(l *Link) string { return direction(l.Outgoing) }),
	text("owningAddr", func(l *Link) string { return l.OwningAddr }),
	unsigned("capacity", func(l *Link) uint32 { return l.Capacity }),
	text("peer", func(l *Link) string {
		if l.Peer == 0 {
			return ""
		}
		return decimal(l.Peer)
	}),
	ulong("undeliveredCount", func(l *Link) uint64 { return l.UndeliveredCount }),
	ulong("unsettledCount", func(l *Link) uint64 { return l.UnsettledCount }),
	ulong("deliveryCount", func(l *Link) uint64 { return l.DeliveryCount }),
	text("connectionId", func(l *Link) string { return decimal(l.ConnectionID) }),
	text("adminStatus", func(*Link) string { return "enabled" }),
	text("operStatus", func(l *Link) string {
		if l.OperStatus == "" {
			return "up"
		}
		return l.OperStatus
	}),
	ulong("presettledCount", func(l *Link) uint64 { return l.PresettledCount }),
	ulong("droppedPresettledCount", func(l *Link) uint64 { return l.DroppedPresettledCount }),
	ulong("acceptedCount", func(l *Link) uint64 { return l.AcceptedCount }),
	ulong("rejectedCount", func(l *Link) uint64 { return l.RejectedCount }),
	ulong("releasedCount", func(l *Link) uint64 { return l.ReleasedCount }),
	ulong("modifiedCount", func(l *Link) uint64 { return l.ModifiedCount }),
	ulong("deliveriesDelayed1Sec", func(l *Link) uint64 { return l.DeliveriesDelayed1Sec }),
	ulong("deliveriesDelayed10Sec", func(l *Link) uint64 { return l.DeliveriesDelayed10Sec }),
	ulong("deliveriesStuck", func(l *Link) uint64 { return l.DeliveriesStuck }),
	list("ingressHistogram", wire.AppendUlong, func(l *Link) []uint64 { return l.IngressHistogram }),
	unsigned("priority", func(l *Link) uint32 { return l.Priority }),
	unsigned("settleRate", func(l *Link) uint32 { return l.SettleRate }),
	unsigned("creditAvailable", func(l *Link) uint32 { return l.CreditAvailable }),
	unsigned("zeroCreditSeconds", func(l *Link) uint32 { return l.ZeroCreditSeconds }),
}
