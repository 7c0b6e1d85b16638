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
	ConnectionsOpened uint64 // total, since the start
	ConnectionsFailed []Failures
	ConnectionPanics  uint64 // total; the router goes on after each

	Links                     []Links
	OpenHandles               int // link handles in use, halfway attached or detached ones included
	Sessions                  int
	Attaches, AttachesRefused uint64 // totals of clients' attaches

	// Deliveries are the totals over all addresses, anonymous and vanished ones included. They are never less than the
	// sum over Addresses.
	Deliveries                Deliveries
	UnsettledIn, UnsettledOut int // deliveries that wait to be settled, from peers and to peers
	// Delayed1s and Delayed10s are totals of incoming deliveries that were over after 1–10 s, and after more than 10 s;
	// DelayedOut1s and DelayedOut10s are those of outgoing ones.
	Delayed1s, Delayed10s, DelayedOut1s, DelayedOut10s uint64
	Waiting                                            int    // deliveries that wait for a consumer to come back
	RerouteHeld                                        uint64 // total of deliveries that waited so
	Expired                                            uint64 // total of deliveries that were ended by their ttl
	Duplicates                                         uint64 // total of copies of messages not forwarded, as another one was

	Addresses       []Address
	MobileLocal     int // mobile addresses with consumers attached here
	MobileRemote    int // mobile addresses with consumers at other routers
	AddressesKnown  int // addresses in the table, of all classes
	BuffersInFlight int // read buffers that hold parts of messages
	BytesInFlight   int // octets of those buffers
	Held            []Held
	HeldBudget      int64 // octets that all of Held may come to
	Overload        int   // what the router does against a lack of memory: 0 nothing, and more the higher it is

	Mesh Mesh

	// Totals and numbers as Interconnect counts them; zero where a router has none of it.
	LinkRoutes, AutoLinks                         int
	IngressRouteContainer, EgressRouteContainer   uint64 // totals of deliveries from and to brokers
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

// Failures is a total of connections that failed in one way.
type Failures struct {
	Role      string // as of Connections
	Direction string // in or out
	Reason    string // of a small set, such as handshake-timeout or tls
	Count     uint64
}

// Links is a number of attached links of one kind, and what they have now.
type Links struct {
	Type      string // endpoint, router-control, inter-router or edge-downlink
	Direction string // in or out
	Count     int
	Credit    uint64 // sum over the links
	Blocked   int    // links that have had no credit for more than 10 s; outgoing: and have something to send
	Stuck     int    // deliveries that have been queued or unsettled for more than 10 s
	Queued    int    // outgoing: deliveries that wait for credit
}

// Held is how much of messages the router holds for the connections of one role.
type Held struct {
	Role   string
	Octets int64
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
	Redirected        uint64   // to the fallback destination
	ToSelf, FromSelf  uint64   // to and from consumers inside the router, such as $management
}

// Outcomes are totals of deliveries by outcome.
type Outcomes struct {
	Deliveries, Octets                     uint64 // all of them, those without an outcome yet included
	Accepted, Rejected, Released, Modified uint64
	Presettled                             uint64 // settled by the sender from the start
	None                                   uint64 // over without an outcome: aborted, or settled by the sender meanwhile
}

// Mesh is what a router knows of the others.
type Mesh struct {
	Routers            int // other routers known
	Reachable          int // those to which there is a path
	LinkStates, Edges  int // in the link-state database
	Addresses          int // that other routers have announced
	Neighbors          []Neighbor
	PathComputations   uint64    // total
	PathTime           Histogram // of computations of paths and valid origins
	LastTopologyChange time.Time // zero: never
	ControlMessages    []ControlMessages
	Forwarded          uint64 // total of control messages of other routers that were passed on
	Dropped            []Dropped
	Gossip             *Gossip // nil without
}

// Gossip is what a router knows of the others by gossip, and what it makes of that.
type Gossip struct {
	Members, Lost           int // this router among the first
	PlannedLinks, PlannedUp int // links of this router that are planned, whoever dials; those that are up
	Refused                 uint64
	PacketsIn, PacketsOut   uint64
	DroppedPackets          uint64
}

// Histogram is how often something took how long: Counts[i] times at most Bounds[i] and longer than the bound before,
// and in its last element longer than all of them.
type Histogram struct {
	Bounds []time.Duration
	Counts []uint64
	Sum    time.Duration
}

// Dropped is the total of control messages that were not taken or not forwarded, for one reason.
type Dropped struct {
	Reason string
	Count  uint64
}

// Neighbor is a router one hop away, or one that was.
type Neighbor struct {
	ID   string
	Cost int           // of the link
	Up   bool          // there is an adjacency
	RTT  time.Duration // round-trip time, 0 while it is not known
}

// ControlMessages is the total of mesh control messages of one kind.
type ControlMessages struct {
	Opcode    string // HELLO, RA, LSR, LSU, MAR, MAU
	Direction string // in or out
	Count     uint64
}
