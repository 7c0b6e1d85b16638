package forwarding

import (
	"time"

	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/route"
)

// LinkKind says what a link is for.
type LinkKind uint8

// What links are for.
const (
	LinkEndpoint LinkKind = iota // to a client
	LinkControl                  // between routers: HELLO, RA, LSU, LSR, MAU, MAR
	LinkData                     // between routers: messages of one priority
	LinkStream                   // between routers: one message at a time, of any size
)

// String returns the name of the kind in management.
func (k LinkKind) String() string {
	switch k {
	case LinkControl:
		return "router-control"
	case LinkEndpoint:
		return "endpoint"
	default:
		return "inter-router"
	}
}

// Link is one link of a connection. Fields of the first block never change after the link is made. The others belong to
// the endpoint, under its mutex, except the atomic ones.
type Link struct {
	Number    uint64 // unique in this router, for management
	End       *Endpoint
	Name      string
	Outgoing  bool // messages leave the router on it
	Kind      LinkKind
	settled   bool // outgoing: the receiver wants everything pre-settled [2.8.2]
	Node      bool // in-process: belongs to the router itself
	annotated bool // outgoing, to a client: the routers' annotations are kept (stripAnnotations)
	Fallback  bool // its client claims to be, or to send from, the fallback of its address

	// Consumer is what others see of an outgoing link. Its Dead counts for both directions.
	route.Consumer
	Address     *route.Address // nil for an anonymous link and between routers
	AddressText string         // as the peer asked for it
	Priority    uint8          // between routers

	ID       engine.LinkID
	session  engine.SessionID
	Attached bool
	ending   bool // it lets go of what it has, and is detached then
	Stats    books.Stats
	Watch    observed

	queue  // of an outgoing link
	intake // of an incoming link

	// the control loop's
	At    *route.Address // where the link stands in the table; nil for an anonymous link and between routers
	Local int            // its index among the consumers of At
}

// queue is what an outgoing link has to send, and what its peer has not settled.
type queue struct {
	Head, tail *Branch
	Queued     int
	// WaitingSize is what the settled branches of the queue take, in octets.
	WaitingSize int
	pushed      uint64 // branches that have come to the queue, ever
	Unsettled   int
	BlockedAt   int  // where in Turns.Blocked
	Blocked     bool // in the list of links that wait for window (Turns.Blocked)
	ready       bool // in the list of links to pump (Turns.ready)
	waiting     bool // in the list of links that wait for another's queue (Turns.Behind)
	expiring    bool // a branch of the queue has a ttl
}

// Push puts a branch at the end of the queue.
func (q *queue) Push(b *Branch) {
	b.Next, b.prev, b.number = nil, q.tail, q.pushed
	q.pushed++
	if q.tail == nil {
		q.Head = b
	} else {
		q.tail.Next = b
	}
	q.tail = b
	q.Queued++
}

// Pop takes the branch at the head of the queue out.
func (q *queue) Pop() *Branch {
	b := q.Head
	q.Remove(b)
	return b
}

// Remove takes a branch out of the queue, wherever it stands.
func (q *queue) Remove(b *Branch) {
	if b.prev == nil {
		q.Head = b.Next
	} else {
		b.prev.Next = b.Next
	}
	if b.Next == nil {
		q.tail = b.prev
	} else {
		b.Next.prev = b.prev
	}
	b.Next, b.prev = nil, nil
	q.Queued--
}

// intake is what an incoming link may send, and what has come on it.
type intake struct {
	Reachable bool // messages may be sent: credit is given
	shares    bool // it is one of those that share the memory for deliveries
	Size      int  // of its messages, in octets: a moving average, 0 before the first
	InHand    int  // deliveries that arrived and whose credit was not given back
	Back      int  // credit to give back
	// Rest is when credit is given again, by the clock of the connection, after messages were dropped; 0 for now.
	Rest      time.Duration
	to        []byte    // the address as other routers read it in the annotations
	Receiving *Delivery // delivery whose frames are still coming
	Streams   []streamUse
	known     oneAddress
}

// Face is what others see of a link; nil for none.
func (l *Link) Face() *route.Consumer {
	if l == nil {
		return nil
	}
	return &l.Consumer
}

// Own lets the link be found by its face.
func (l *Link) Own() *Link {
	l.Owner = l
	return l
}

// LinkOf is the link with a face, nil for none.
func LinkOf(c *route.Consumer) *Link {
	if c == nil {
		return nil
	}
	l, _ := c.Owner.(*Link)
	return l
}

// streamUse is a streaming link that an incoming link's messages take to a next hop.
type streamUse struct {
	to      *Endpoint
	hop     *route.NextHop // of an exchange, nil for messages that go through none
	link    *Link
	settled bool // also by settled ones: nobody says when they have arrived
}

// ManagementAddress is where the agent consumes.
const ManagementAddress = "$management"

// MaxRequests is how many management requests may wait or be answered at a time; more are rejected.
const MaxRequests = 256

// requestsOfConn is how many of the management requests that wait may have come over one connection of a client.
const requestsOfConn = MaxRequests - 16

// isBusy reports whether a link leads to the management node, and too many requests wait there, or have come from here.
func (c *Endpoint) isBusy(l *Link) bool {
	if l == nil || !l.Node {
		return false
	}
	return l.Outstanding.Load() >= MaxRequests || c.requests >= requestsOfConn && c.Terms.Role != RoleInterRouter
}

// isToManagement reports whether a sender's link leads to the management node of this router. A drain leaves it out, so
// that one may ask how far the drain is.
func (l *Link) isToManagement() bool { return l.Address != nil && l.Address.Text == ManagementAddress }
