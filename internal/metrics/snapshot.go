package metrics

import "time"

// Source is what there is to show. The router implements it.
type Source interface {
	// Snapshot returns the state of the router now. It is called on each scrape and has to return within milliseconds;
	// when the source has several [Metrics], calls may come from several goroutines at once. The result belongs to the
	// caller. Slices whose elements are counts by label must not hold the same labels twice.
	Snapshot() Snapshot
}

// Snapshot is the state of a router at one moment. Fields said to be totals only ever grow while the router runs;
// all others are what there is now.
type Snapshot struct {
	ID      string // of the router
	Mode    string // standalone, interior or edge
	Version string // of the software

	Connections       []Connections
	ConnectionsOpened uint64            // total, since the start
	ConnectionsFailed map[string]uint64 // totals by a short reason, such as handshake-timeout, tls or panic

	Links        []Links
	LinksBlocked int // links that have had no credit for more than 10 s
	OpenHandles  int // link handles in use, halfway attached or detached ones included
	Sessions     int

	// Deliveries are the totals over all addresses, anonymous and vanished ones included. They are never less than the
	// sum over Addresses.
	Deliveries Deliveries
	Unsettled  int // deliveries that wait to be settled
	Stuck      int // deliveries that have waited for more than 10 s
	// Delayed1s and Delayed10s are totals of deliveries that were settled after 1–10 s, and after more than 10 s.
	Delayed1s, Delayed10s uint64

	Addresses       []Address
	MobileLocal     int // mobile addresses with consumers attached here
	MobileRemote    int // mobile addresses with consumers at other routers
	AddressesKnown  int // addresses in the table, of all classes
	BuffersInFlight int // read buffers that hold parts of messages
	BytesInFlight   int // octets of those buffers

	Mesh Mesh

	// What only Interconnect counts: zero where a router has none of it.
	LinkRoutes, AutoLinks                         int
	IngressRouteContainer, EgressRouteContainer   uint64 // totals of deliveries from and to brokers
	RedirectedToFallback                          uint64 // total
	AcceptedTotal, RejectedTotal                  uint64 // totals of settled deliveries, as the router entity has them
	ReleasedTotal, ModifiedTotal, PresettledTotal uint64
}

// Connections is a number of connections of one kind.
type Connections struct {
	Role      string // normal, inter-router, route-container or edge
	Direction string // in or out
	State     string // opening, open or closing
	Count     int
}

// Links is a number of attached links of one kind, and the credit they have.
type Links struct {
	Type      string // endpoint, router-control, inter-router or edge-downlink
	Direction string // in or out
	Count     int
	Credit    uint64 // sum over the links
}

// Address is an address with what was delivered to it. Counts start again from zero when an address vanishes and is
// made again.
type Address struct {
	Name       string // as clients say it, without class and phase: orders, temp.x
	Deliveries Deliveries
}

// Deliveries are totals of deliveries by direction and outcome.
type Deliveries struct {
	Ingress           Outcomes // in from clients and brokers
	Egress            Outcomes // out to clients and brokers
	Transit           Outcomes // on to another router
	DroppedPresettled uint64   // pre-settled ones that found no destination or no credit
}

// Outcomes are totals of deliveries by outcome.
type Outcomes struct {
	Accepted, Rejected, Released, Modified uint64
	Presettled                             uint64 // settled by the sender from the start
}

// Mesh is what a router knows of the others.
type Mesh struct {
	Routers             int // other routers known
	Neighbors           []Neighbor
	PathComputations    uint64        // total
	PathComputationTime time.Duration // total
	LastTopologyChange  time.Time     // zero: never
	ControlMessages     []ControlMessages
}

// Neighbor is a router one hop away, or one that was.
type Neighbor struct {
	ID   string
	Cost int  // of the link
	Up   bool // there is an adjacency
}

// ControlMessages is the total of mesh control messages of one kind.
type ControlMessages struct {
	Opcode    string // HELLO, RA, LSR, LSU, MAR, MAU
	Direction string // in or out
	Count     uint64
}
