package router

import (
	"sync/atomic"
	"time"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/route"
)

// delivery is one message on its way through this router: the incoming delivery of one connection (its origin) and
// the outgoing branches to others.
//
// Who owns what: fields up to the blank line are set by the origin before the first branch is handed over and only
// read afterwards; the rest belongs to the origin, under its mutex. The content guards itself.
type delivery struct {
	content buf.Content
	origin  *Endpoint
	format  uint32
	transit bool          // came from another router
	wanted  bool          // arrived unsettled: its sender, or the router before, wants an outcome
	meant   bool          // to be settled: its sender sent it so, though it came unsettled
	at      time.Duration // when it arrived, by the origin's clock
	ingress int           // number of the router where it came into the mesh, 0 for this one, -1 for an unknown one
	// clientHead and routerHead are the rewritten sections before the bare message, for a client and for a router;
	// bare is where the bare message begins in the content.
	clientHead, routerHead []byte
	clientBare, bare       int
	expires                time.Duration // when its ttl is over, by the same clock; 0 without one
	copy                   *copyRecord   // of its message, of which two copies come to this router
	doubled                bool          // two copies of it go, or it is one of two
	refs                   atomic.Int32

	to        []byte            // what other routers read as its address, where the message does not say it
	diverted  bool              // address is the fallback of the one it was sent to
	link      *link             // incoming link; nil when it is gone or the origin is the router itself
	id        engine.DeliveryID // of the origin's engine; None when it is over there
	address   *route.Address
	settled   bool // arrived pre-settled, or the sender settled it meanwhile
	priority  uint8
	size      int
	forwarded bool
	arrived   bool // the last frame has arrived, or the delivery was aborted
	counted   bool // its credit has been given back
	aborted   bool // by its sender
	dropped   bool // it was counted as dropped
	held      bool // its link's session window is held for it
	taken     bool // it is the first copy of a numbered message
	pending   int  // branches without an outcome
	attempts  int  // how often it was handed to other consumers after it came back
	anycast   bool // one branch at a time
	outcome   wire.State
	// A delivery that waits for a consumer is in the list of the address that it waits for.
	waitsFor      *route.Address
	before, after *delivery
	follows       bool          // the outcome of the other copy of its message is its own
	waiting       bool          // in the connection's list of those that wait for a consumer
	until         time.Duration // when it stops waiting, by the clock; 0 if it never did
	first         branch
	others        []*branch
	next          *delivery // list of free ones
}

// branch is one outgoing delivery of a message, on one outgoing link. After it was handed over it belongs to the
// link's connection, except for over, which is the origin's.
type branch struct {
	d      *delivery
	link   *link
	remote *route.Remote // the destination router's counter, for a branch to another router
	over   bool          // the origin has its outcome
	// via is the way of a copy through exchanges, nil for all others. It and priority, which tells which of the links
	// between routers is taken, never change. attempts, how often a copy came back, is the origin's.
	via      *route.Via
	priority uint8
	attempts int

	next    *branch // the link's queue
	prev    *branch
	number  uint64 // in the order of the queue
	behind  *link  // on a streaming link: not begun before this one's queue has moved on so far
	until   uint64
	state   branchState
	settled bool // sent as settled: pre-settled, or the sender settled it meanwhile
	size    int  // octets that had arrived when it was handed over
	weight  int  // what it takes in a queue, in octets, if it is a settled one there or like one, else 0
	expired bool // it comes back because its ttl is over
	dropped bool // it was settled, and there was no room for it
	id      engine.DeliveryID
	head    []byte // what is still to be written of the head
	at      buf.Cursor
	skip    int // octets of the content to skip first
}

type branchState uint8

const (
	branchQueued  branchState = iota // nothing written
	branchWriting                    // begun, or its first frame written
	branchWritten                    // all written, waiting for the outcome
	branchOver                       // the outcome is on its way to the origin
)

// headroom is kept for the rewritten heads of a recycled delivery, in octets; a larger one goes back to the heap.
const headroom = 1 << 10

// newDelivery takes a delivery from the connection's free list, with the origin's reference.
func (c *Endpoint) newDelivery() *delivery {
	d := c.deliveries.free
	if d == nil {
		d = &delivery{}
	} else {
		c.deliveries.free = d.next
		c.deliveries.spare--
		d.next = nil
	}
	d.origin, d.at = c, c.clock.at
	d.id = engine.None
	d.refs.Store(1)
	return d
}

// freeLimit bounds the free list of a connection: what a busy link has in flight.
const freeLimit = 512

// drop gives up one reference. The last one empties the delivery and, on the origin, keeps it for reuse; own says
// that the caller is the origin and holds its mutex. An origin that is gone does not hear that the last branch is over:
// its own reference counts as given up.
func (d *delivery) drop(own bool) {
	c := d.origin
	switch d.refs.Add(-1) {
	case 0:
	case 1:
		if !c.near.Gone.Load() || !d.refs.CompareAndSwap(1, 0) {
			return
		}
		own = false
	default:
		return
	}
	d.content.Reset()
	if !own || c.deliveries.spare >= freeLimit {
		return
	}
	client, router, to := d.clientHead[:0], d.routerHead[:0], d.to[:0]
	if cap(client) > headroom {
		client = nil
	}
	if cap(router) > headroom {
		router = nil
	}
	clear(d.others)
	d.reset()
	if cap(to) > headroom {
		to = nil
	}
	d.clientHead, d.routerHead, d.to = client, router, to
	d.next = c.deliveries.free
	c.deliveries.free = d
	c.deliveries.spare++
}

// reset clears everything but the content and the memory of the branch list.
func (d *delivery) reset() {
	d.origin, d.format, d.transit, d.wanted, d.meant, d.settled = nil, 0, false, false, false, false
	d.clientHead, d.routerHead, d.clientBare, d.bare = nil, nil, 0, 0
	d.link, d.id, d.address, d.to, d.diverted = nil, engine.None, nil, nil, false
	d.priority, d.size = 0, 0
	d.forwarded, d.arrived, d.counted, d.held, d.taken = false, false, false, false, false
	d.at, d.ingress, d.aborted, d.dropped = 0, 0, false, false
	d.copy, d.doubled, d.follows = nil, false, false
	d.pending, d.attempts, d.anycast, d.outcome = 0, 0, false, wire.State{}
	d.waiting, d.until, d.expires, d.waitsFor, d.before, d.after = false, 0, 0, nil, nil, nil
	d.first = branch{}
	d.others = d.others[:0]
}

// branches calls f with every branch of the delivery.
func (d *delivery) branches(f func(*branch)) {
	if d.first.d == nil {
		return
	}
	f(&d.first)
	for _, b := range d.others {
		f(b)
	}
}

// newBranch adds a branch on an outgoing link, with its reference: the only one of a message, one of a multicast's, or,
// with its way, a copy for the next hop of an exchange.
func (d *delivery) newBranch(l *link, r *route.Remote, w *route.Via) *branch {
	b := &d.first
	if b.d != nil {
		b = new(branch)
		d.others = append(d.others, b)
	}
	*b = branch{d: d, link: l, remote: r, via: w, priority: w.Priority(d.priority), id: engine.None,
		settled: d.settled && (d.copy == nil || !d.wanted) || l.settled, size: d.size}
	if a := b.address(); l.kind != linkEndpoint && a != nil && a.Presettled == route.Block {
		b.settled = false // its credit comes back when the consumer's router has handed it on
	}
	if d.meant && l.kind == linkEndpoint {
		b.settled = true
	}
	if l.kind == linkEndpoint && !l.annotated {
		b.head, b.skip = d.clientHead, d.clientBare
	} else {
		b.head, b.skip = d.routerHead, d.bare
	}
	d.pending++
	d.refs.Add(1)
	return b
}

// travelsUnsettled tells whether a delivery for the consumers of an address goes to other routers unsettled, though its
// sender sent it settled: they tell each other so, and the last one gives it to its consumers settled.
func (d *delivery) travelsUnsettled(a *route.Address) bool {
	return d.meant || !d.wanted && a.Presettled == route.Block
}

// address is whose consumers a branch is for: the address of its message, or that of a copy's next hop. A control message
// has none.
func (b *branch) address() *route.Address {
	if b.via != nil {
		return b.via.Address
	}
	return b.d.address
}

// hasTried tells whether a delivery, or its copy for the next hop of an exchange, was given to a neighbor before: each
// connection is tried once.
func (d *delivery) hasTried(to *Endpoint, h *route.NextHop) bool {
	if d.first.d == nil {
		return false
	}
	if d.first.isTo(to, h) {
		return true
	}
	for _, b := range d.others {
		if b.isTo(to, h) {
			return true
		}
	}
	return false
}

// isTo tells whether a branch goes, or went, to a neighbor, for the next hop of an exchange or nil.
func (b *branch) isTo(to *Endpoint, h *route.NextHop) bool {
	return b.link.conn == to && b.link.kind != linkEndpoint && b.via.NextHop() == h
}

// combine joins the outcome of one branch of a multicast to those before it: rejected over accepted over modified over
// released.
func combine(sum, one wire.State) wire.State {
	if sum.Kind == wire.StateNone || rank(one.Kind) > rank(sum.Kind) {
		return one
	}
	return sum
}

func rank(k wire.StateKind) int {
	switch k {
	case wire.StateRejected:
		return 4
	case wire.StateAccepted:
		return 3
	case wire.StateModified:
		return 2
	case wire.StateReleased:
		return 1
	case wire.StateNone:
		return 0
	default:
		return 4 // a state that makes no sense here counts as a rejection, as Interconnect does
	}
}

var (
	released       = wire.State{Kind: wire.StateReleased}
	accepted       = wire.State{Kind: wire.StateAccepted}
	deliveryFailed = wire.ModifiedState(true, false, nil)
)
