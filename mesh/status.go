package mesh

import (
	"slices"
	"time"

	"github.com/postroad/postroad/addressing"
)

// RouterStatus is what management shows of a router (entity router.node).
type RouterStatus struct {
	ID              string
	Number          int // 0 is this router
	Instance        int64
	ProtocolVersion int64
	LinkState       []PeerCost // its neighbors as it reports them
	LinkStateSeq    int64
	MobileSeq       int64
	Addresses       int           // how many it has announced
	Reachable       bool          // there is a path; always for this router
	NextHop         string        // id of the next router; "(self)" for this router, "" for a neighbor and without a path
	ValidOrigins    []string      // ids in ascending order, without this router
	Cost            int           // of the path
	Hops            int           // on the path
	Link            LinkID        // the control link, if it is a neighbor
	Neighbor        bool          // Link counts
	RTT             time.Duration // of Link; 0 as long as it is not known
	LastHeard       time.Time     // last RA; zero if there was none
	Overloaded      bool          // it wants no messages that it would have to pass on
}

// Status returns what management shows of this router.
func (n *Node) Status() RouterStatus {
	told := 0
	for _, a := range n.mobile.addresses {
		if a.told {
			told++
		}
	}
	return RouterStatus{ID: n.config.ID, Instance: n.instance, ProtocolVersion: ProtocolVersion,
		LinkState: slices.Clone(n.own.peers), LinkStateSeq: n.own.seq, MobileSeq: n.mobile.seq, Addresses: told,
		Reachable: true, NextHop: "(self)", Overloaded: n.overload}
}

// Routers returns what management shows of the other routers, in the order of their numbers.
func (n *Node) Routers() []RouterStatus {
	list := make([]RouterStatus, 0, len(n.routers))
	for _, r := range n.numbers {
		if r != nil {
			list = append(list, n.routerStatus(r))
		}
	}
	return list
}

// Router returns what management shows of the router with this id, and false if it is not known.
func (n *Node) Router(id string) (RouterStatus, bool) {
	if id == n.config.ID {
		return n.Status(), true
	}
	if r := n.routers[id]; r != nil {
		return n.routerStatus(r), true
	}
	return RouterStatus{}, false
}

func (n *Node) routerStatus(r *router) RouterStatus {
	s := RouterStatus{ID: r.id, Number: r.number, Instance: r.instance, ProtocolVersion: r.version,
		LinkState: slices.Clone(r.ls.peers), LinkStateSeq: r.ls.seq, MobileSeq: r.addresses.seq,
		Addresses: len(r.addresses.hints), Reachable: r.reached, LastHeard: r.heard,
		Overloaded: r.ls.overload}
	if r.link != nil {
		s.Link, s.Neighbor = r.link.id, true
		s.RTT, _ = r.link.gauge.known()
	}
	if r.reached {
		s.Cost, s.Hops = r.path.Cost, r.path.Hops
		if r.path.Router != r.number {
			s.NextHop = n.idOf(r.path.Router)
		}
		for i := range r.origins.All() {
			if i != 0 && n.numbers[i] != nil {
				s.ValidOrigins = append(s.ValidOrigins, n.numbers[i].id)
			}
		}
		slices.Sort(s.ValidOrigins)
	}
	return s
}

// LinkState returns the instance and the number of the link state of the router with this id as they are known, and
// false if there is none.
func (n *Node) LinkState(id string) (instance, seq int64, known bool) {
	if id == n.config.ID {
		return n.instance, n.own.seq, true
	}
	if r := n.routers[id]; r != nil {
		return r.instance, r.ls.seq, r.hasLS
	}
	return 0, 0, false
}

// Number returns the number of the router with this id, 0 for this router, and false if it is not known.
func (n *Node) Number(id string) (int, bool) {
	if id == n.config.ID {
		return 0, true
	}
	if r := n.routers[id]; r != nil {
		return r.number, true
	}
	return 0, false
}

// LinkStatus is what management shows of a control link.
type LinkStatus struct {
	Link     LinkID
	Router   string // id at the other end; "" as long as it is not known
	Instance int64
	Cost     int
	Hearing  bool          // HELLOs arrive
	Up       bool          // and say that mine arrive too
	Active   bool          // messages to this neighbor go by this link
	Heard    time.Time     // last HELLO
	MaxAge   time.Duration // how old it may become
	Refused  bool          // the router is not taken as a neighbor: an older one has the same id
	RTT      time.Duration // round-trip time, the lowest of late; 0 as long as it is not known
	Measured bool          // the cost follows from it
}

// Links returns what management shows of the control links, in the order of their numbers.
func (n *Node) Links() []LinkStatus {
	list := make([]LinkStatus, 0, len(n.links))
	for _, l := range n.links {
		r := n.routers[l.peer]
		rtt, _ := l.gauge.known()
		list = append(list, LinkStatus{RTT: rtt, Measured: l.pricing.on && l.pricing.known, Link: l.id, Router: l.peer, Instance: l.instance, Cost: l.cost, Hearing: l.hearing,
			Up: l.up, Active: r != nil && r.link == l, Heard: l.liveness.heard, MaxAge: n.maxAge(l), Refused: l.refused})
	}
	return list
}

// Address is an address that another router has announced.
type Address struct {
	Key     string
	Hint    addressing.Distribution
	HasHint bool
}

// Addresses returns the addresses that the router with this id has announced, in the order of their keys. They count
// only while the router can be reached.
func (n *Node) Addresses(id string) []Address {
	r := n.routers[id]
	if r == nil {
		return nil
	}
	list := make([]Address, 0, len(r.addresses.hints))
	for _, key := range sortedKeys(r.addresses.hints) {
		h := r.addresses.hints[key]
		list = append(list, Address{key, h.distribution, h.known})
	}
	return list
}

// Size is how much a Node knows.
type Size struct {
	Routers    int // other routers
	Reachable  int // those to which there is a path
	LinkStates int // routers whose link state is known, this one included
	Edges      int // of these link states
	Addresses  int // that other routers have announced
}

// Size returns how much the Node knows. It costs less than asking for everything.
func (n *Node) Size() Size {
	s := Size{Routers: len(n.routers), LinkStates: 1, Edges: len(n.own.peers)}
	for _, r := range n.routers {
		if r.reached {
			s.Reachable++
		}
		if r.hasLS {
			s.LinkStates++
			s.Edges += len(r.ls.peers)
		}
		s.Addresses += len(r.addresses.hints)
	}
	return s
}

// Routes returns where messages to all routers may go.
func (n *Node) Routes() *Routes { return n.routes }

// Radius returns the number of hops to the farthest router.
func (n *Node) Radius() int { return n.radius }

// Settled reports whether everything that the Node knows has been worked into its paths and origins, and told to others.
// With equal databases on all routers that means that the mesh has converged.
func (n *Node) Settled() bool {
	return n.search == nil && !n.paths.pending && !n.mobile.pacer.pending && !n.ra.pending
}

// Topology is a number of the link states that all paths and origins follow from, as the events so far tell them; 0 while
// some of them follow from others. Routers where it is the same see the same trees of shortest paths.
func (n *Node) Topology() uint64 {
	if n.search != nil {
		return 0
	}
	return n.topology
}

// LastTopologyChange returns when the topology changed last, zero if it never has.
func (n *Node) LastTopologyChange() time.Time { return n.topologyAt }

// DropReason says why a control message was not taken or not forwarded.
type DropReason uint8

// The reasons.
const (
	DropMalformed     DropReason = iota // it could not be decoded, or has no meaning
	DropVersion                         // it is of a later version of the protocol
	DropSpoofed                         // it claims to be of another router than it can be
	DropLoop                            // it has been here, or where it would go next
	DropStale                           // it is of an earlier life of its router
	DropNoHello                         // it came before the first HELLO
	DropNoLink                          // it came by a link that is not up
	DropNoPath                          // there is no way to where it is to go
	DropNoRoom                          // there are too many routers or addresses
	DropUnknownRouter                   // it is about the addresses of an unknown router
	DropRate                            // there are too many of them
	dropReasons
)

var dropNames = [dropReasons]string{"malformed", "version", "spoofed", "loop", "stale", "no-hello", "no-link",
	"no-path", "no-room", "unknown-router", "rate"}

// String returns the name of the reason as a metric has it.
func (d DropReason) String() string { return dropNames[d] }

// Counters count since the start.
type Counters struct {
	PathComputations uint64
	PathTime         Times           // of a computation of all paths and valid origins; nothing without Config.Clock
	Received         [opcodes]uint64 // messages for this router, by Opcode
	Sent             [opcodes]uint64 // messages of this router, by Opcode; one for each link
	Duplicates       uint64          // pairs of routers with the same id
	Forwarded        uint64          // messages of other routers; one for each link
	Dropped          [dropReasons]uint64
}

// Counters returns the counters.
func (n *Node) Counters() Counters { return n.counters }
