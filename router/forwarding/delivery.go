package forwarding

import (
	"sync/atomic"
	"time"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/route"
)

// Delivery is one message on its way through this router: the incoming delivery of one connection (its origin) and
// the outgoing branches to others. Its content guards itself.
type Delivery struct {
	Content buf.Content
	Refs    atomic.Int32 // the origin's reference, one of each branch, and one of each note that names it
	fixed
	course
	next *Delivery // in the list of free ones
}

// fixed is what the branches of a delivery read, too. The origin sets it while no branch is out.
type fixed struct {
	Origin  *Endpoint
	Format  uint32
	Transit bool          // came from another router
	Wanted  bool          // arrived unsettled: its sender, or the router before, wants an outcome
	meant   bool          // to be settled: its sender sent it so, though it came unsettled
	doubled bool          // two copies of it go, or it is one of two
	at      time.Duration // when it arrived, by the origin's clock
	ingress int           // number of the router where it came into the mesh, 0 for this one, -1 for an unknown one
	expires time.Duration // when its ttl is over, by the same clock; 0 without one
	address *route.Address
	copy    *copyRecord // of its message, of which two copies come to this router
}

// course is how far a delivery has come. It belongs to the origin, under its mutex.
type course struct {
	Arrival  Arrival
	Stage    Stage
	Settled  bool // arrived pre-settled, or the sender settled it meanwhile
	Anycast  bool // one branch at a time
	diverted bool // address is the fallback of the one it was sent to
	dropped  bool // it was counted as dropped
	held     bool // its link's session window is withheld for it
	taken    bool // it is the first copy of a numbered message
	priority uint8
	Link     *Link             // incoming link; nil when it is gone or the origin is the router itself
	id       engine.DeliveryID // of the origin's engine; None when it is over there
	to       []byte            // what other routers read as its address, where the message does not say it
	Size     int
	Pending  int // branches without an outcome
	Attempts int // how often it was handed to other consumers after it came back
	outcome  wire.State
	// clientHead and routerHead are the rewritten sections before the bare message, for a client and for a router;
	// bare is where the bare message begins in the content.
	clientHead, routerHead []byte
	clientBare, bare       int
	// A delivery that waits for a consumer is in the list of the address that it waits for.
	waitsFor      *route.Address
	before, After *Delivery
	Until         time.Duration // when it stops waiting, by the clock; 0 if it never did
	charged       int           // octets for its branches that the origin's meter counts
	asker         *Endpoint     // the endpoint that waits for a management reply, and counts its size
	first         Branch
	others        []*Branch
}

// Arrival says what has come of the frames of a delivery.
//
//	from      to        when
//	Arriving  Arrived   its last frame has come, or it is too large, and nothing of it was handed on
//	Arriving  Aborted   it was given up in the middle, its link is gone, or it is too large, and on its way
type Arrival uint8

// What has come of the frames of a delivery.
const (
	Arriving Arrival = iota
	Arrived
	Aborted
)

// Stage says what becomes of a delivery at its origin.
//
//	from            to              when
//	StageComing     StageRouted     its address is looked for, or it has an outcome before that
//	StageRouted     StageWaiting    there is no consumer, and one may come (wait)
//	StageWaiting    StageRouted     it is tried again, or has an outcome (Retry, Unwait)
//	StageRouted     StageFollowing  it is the second copy of its message (CopyTable.Meet)
//	StageFollowing  StageRouted     the first copy has an outcome, or is lost (follow)
//	StageFollowing  StageOver       its sender has given it up (aborted)
//	StageRouted     StageOver       it has its outcome, and its credit has been given back (finished)
//
// One whose link is gone stays as it is until its branches are over.
type Stage uint8

// The stages of a delivery at its origin.
const (
	StageComing    Stage = iota // frames are gathered
	StageRouted                 // its targets are chosen, or its branches are out
	StageWaiting                // in the endpoint's list of those that wait for a consumer
	StageFollowing              // the outcome of the other copy of its message is its own
	StageOver
)

// hasArrived reports whether no more frames of a delivery come.
func (d *Delivery) hasArrived() bool { return d.Arrival != Arriving }

// Branch is one outgoing delivery of a message, on one outgoing link. Once handed over, a branch belongs to the
// endpoint of the link, but for what is the origin's.
type Branch struct {
	Delivery *Delivery
	Link     *Link
	remote   *route.Remote // the destination router's counter, for a branch to another router
	via      *route.Via    // the way of a copy through exchanges, nil for all others; never changes
	Priority uint8         // which of the links between routers is taken; never changes
	Over     bool          // the origin's: it has the outcome
	attempts int           // the origin's: how often a copy came back

	Next    *Branch // the link's queue
	prev    *Branch
	number  uint64 // in the order of the queue
	Behind  *Link  // on a streaming link: not begun before this one's queue has moved on so far
	until   uint64
	State   branchState
	Settled bool // sent as settled: pre-settled, or the sender settled it meanwhile
	Size    int  // octets that had arrived when it was handed over
	weight  int  // what it takes in a queue, in octets, if it is a settled one there or like one, else 0
	expired bool // it comes back because its ttl is over
	dropped bool // it was settled, and there was no room for it
	id      engine.DeliveryID
	Head    []byte // what is still to be written of the head
	at      buf.Cursor
	Skip    int // octets of the content to skip first
}

// branchState says how far a branch has come on its link. It goes from one to the next, or from any of them to
// BranchOver.
type branchState uint8

// What has become of a branch on its link.
const (
	branchQueued  branchState = iota // nothing written
	branchWriting                    // begun, or its first frame written
	branchWritten                    // all written, waiting for the outcome
	BranchOver                       // the outcome is on its way to the origin
)

// ContentHigh is the number of octets of one message held here above which its sender has to wait.
const ContentHigh = 256 << 10

// branchCost is about what a branch takes while it waits, in octets, besides its message.
const branchCost = 512

// headroom is kept for the rewritten heads of a recycled delivery, in octets; a larger one goes back to the heap.
const headroom = 1 << 10

// NewDelivery takes a delivery from the connection's free list, with the origin's reference.
func (c *Endpoint) NewDelivery() *Delivery {
	d := c.Deliveries.free
	if d == nil {
		d = &Delivery{}
	} else {
		c.Deliveries.free = d.next
		c.Deliveries.Spare--
		d.next = nil
	}
	d.Origin, d.at = c, c.Clock.At
	d.id = engine.None
	d.Refs.Store(1)
	return d
}

// freeLimit bounds the free list of a connection: what a busy link has in flight.
const freeLimit = 512

// Drop gives up one reference. The last one empties the delivery and, on the origin, keeps it for reuse. own says that
// the caller is the origin, and holds its mutex. An origin that is gone does not hear that the last branch is over: its
// own reference counts as given up.
func (d *Delivery) Drop(own bool) {
	c := d.Origin
	switch d.Refs.Add(-1) {
	case 0:
	case 1:
		if !c.Near.Gone.Load() || !d.Refs.CompareAndSwap(1, 0) {
			return
		}
		own = false
	default:
		return
	}
	d.uncharge()
	d.Content.Reset()
	if !own || c.Deliveries.Spare >= freeLimit {
		return
	}
	d.reset()
	d.next = c.Deliveries.free
	c.Deliveries.free = d
	c.Deliveries.Spare++
}

// charge counts what the branches of a delivery take, beyond the first one.
func (d *Delivery) charge(branches int) {
	if branches > 1 {
		octets := (branches - 1) * branchCost
		d.charged += octets
		d.Origin.Meter.Add(octets)
	}
}

// replyTime is how long a management reply waits for its receiver.
const replyTime = time.Minute

// AskedBy says for whom a delivery of the router's own is a management reply. Its size is known. Until it is over, the
// octets count to the endpoint over which the request came.
func (d *Delivery) AskedBy(c *Endpoint) {
	d.asker, d.expires = c, d.at+replyTime
	c.asked(d.Size)
}

// uncharge takes back what was counted for a delivery that is over.
func (d *Delivery) uncharge() {
	if d.charged > 0 {
		d.Origin.Meter.Add(-d.charged)
		d.charged = 0
	}
	if d.asker != nil {
		d.asker.asked(-d.Size)
		d.asker = nil
	}
}

// reset empties a delivery but for its content, and keeps the memory of its lists, as far as that is not too much.
func (d *Delivery) reset() {
	client, router, to, others := emptied(d.clientHead), emptied(d.routerHead), emptied(d.to), d.others
	if cap(others) > fanOut {
		others = nil
	}
	clear(others)
	d.fixed = fixed{} // one by one: together, they would be copied from the stack
	d.course = course{}
	d.clientHead, d.routerHead, d.to, d.others = client, router, to, others[:0]
}

// emptied is the memory of octets that are not needed any more, nil if it is more than headroom.
func emptied(b []byte) []byte {
	if cap(b) > headroom {
		return nil
	}
	return b[:0]
}

// Branches calls f with every branch of the delivery.
func (d *Delivery) Branches(f func(*Branch)) {
	if d.first.Delivery == nil {
		return
	}
	f(&d.first)
	for _, b := range d.others {
		f(b)
	}
}

// NewBranch adds a branch on an outgoing link, with its reference. r is where another router's deliveries are counted,
// and w the way of a copy for the next hop of an exchange; each may be nil.
func (d *Delivery) NewBranch(l *Link, r *route.Remote, w *route.Via) *Branch {
	b := &d.first
	if b.Delivery != nil {
		b = new(Branch)
		d.others = append(d.others, b)
	}
	*b = Branch{Delivery: d, Link: l, remote: r, via: w, Priority: w.Priority(d.priority), id: engine.None,
		Settled: d.Settled && (d.copy == nil || !d.Wanted) || l.settled, Size: d.Size}
	if a := b.Address(); l.Kind != LinkEndpoint && a != nil && a.Presettled == route.Block {
		b.Settled = false // its credit comes back when the consumer's router has handed it on
	}
	if d.meant && l.Kind == LinkEndpoint {
		b.Settled = true
	}
	if l.Kind == LinkEndpoint && !l.annotated {
		b.Head, b.Skip = d.clientHead, d.clientBare
	} else {
		b.Head, b.Skip = d.routerHead, d.bare
	}
	d.Pending++
	d.Refs.Add(1)
	return b
}

// travelsUnsettled reports whether a delivery for an address goes to other routers unsettled, though it was sent
// settled. The routers tell each other so, and the last one gives it to its consumers settled.
func (d *Delivery) travelsUnsettled(a *route.Address) bool {
	return d.meant || !d.Wanted && a.Presettled == route.Block
}

// Address is whose consumers a branch is for: the address of its message, or that of a copy's next hop; nil for a
// control message.
func (b *Branch) Address() *route.Address {
	if b.via != nil {
		return b.via.Address
	}
	return b.Delivery.address
}

// combine joins the outcome of one branch of a multicast to those before it: rejected over accepted over modified over
// released.
func combine(sum, one wire.State) wire.State {
	if sum.Kind == wire.StateNone || Rank(one.Kind) > Rank(sum.Kind) {
		return one
	}
	return sum
}

// Rank orders outcomes for combine: the highest one of several branches is that of the message.
func Rank(k wire.StateKind) int {
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

// Outcomes that this router gives itself.
var (
	Released       = wire.State{Kind: wire.StateReleased}
	Accepted       = wire.State{Kind: wire.StateAccepted}
	DeliveryFailed = wire.ModifiedState(true, false, nil)
)
