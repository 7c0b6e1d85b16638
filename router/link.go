package router

import (
	"time"

	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/route"
)

// linkKind says what a link is for.
type linkKind uint8

const (
	linkEndpoint linkKind = iota // to a client
	linkControl                  // between routers: HELLO, RA, LSU, LSR, MAU, MAR
	linkData                     // between routers: messages of one priority
	linkStream                   // between routers: one message at a time, of any size
)

func (k linkKind) String() string {
	switch k {
	case linkControl:
		return "router-control"
	case linkEndpoint:
		return "endpoint"
	default:
		return "inter-router"
	}
}

// link is one link of a connection.
//
// Fields of the first block never change after the link is made. The others belong to the connection, under its
// mutex, except the atomic ones.
type link struct {
	number    uint64 // unique in this router, for management
	conn      *Endpoint
	name      string
	outgoing  bool // messages leave the router on it
	kind      linkKind
	settled   bool // outgoing: the receiver wants everything pre-settled [2.8.2]
	node      bool // in-process: belongs to the router itself
	annotated bool // outgoing, to a client: the routers' annotations are kept (stripAnnotations)
	fallback  bool // its client claims to be, or to send from, the fallback of its address

	// Consumer is what others see of an outgoing link. Its Dead counts for both directions.
	route.Consumer
	address     *route.Address // nil for an anonymous link and between routers
	addressText string         // as the peer asked for it
	priority    uint8          // between routers

	id       engine.LinkID
	session  engine.SessionID
	attached bool
	stats    books.Stats
	watch    observed

	// outgoing
	head, tail *branch
	// waitingSize is what the settled branches of the queue take, in octets; expiring says that a branch of it has a ttl.
	waitingSize int
	expiring    bool
	queued      int
	pushed      uint64 // branches that have come to the queue, ever
	ready       bool   // in the connection's list of links to pump
	blocked     bool   // in the connection's list of links that wait for window
	blockedAt   int    // where
	waiting     bool   // in the connection's list of links that wait for another's queue
	unsettled   int

	// incoming
	reachable bool // messages may be sent: credit is given
	shares    bool // it is one of those that share the memory for deliveries
	size      int  // of its messages, in octets: a moving average, 0 before the first
	inHand    int  // deliveries that arrived and whose credit was not given back
	back      int  // credit to give back
	// rest is when credit is given again, by the clock of the connection, after messages were dropped; 0 for now.
	rest      time.Duration
	to        []byte    // the address as other routers read it in the annotations
	receiving *delivery // delivery whose frames are still coming
	streams   []streamUse
	known     oneAddress

	// the control loop's
	at    *route.Address // where the link stands in the table; nil for an anonymous link and between routers
	local int            // its index among the consumers of at
}

// face is what others see of a link; nil for none.
func (l *link) face() *route.Consumer {
	if l == nil {
		return nil
	}
	return &l.Consumer
}

// own lets the link be found by its face.
func (l *link) own() *link {
	l.Owner = l
	return l
}

// linkOf is the link with a face, nil for none.
func linkOf(c *route.Consumer) *link {
	if c == nil {
		return nil
	}
	l, _ := c.Owner.(*link)
	return l
}

// push puts a branch at the end of an outgoing link's queue.
func (l *link) push(b *branch) {
	b.next, b.prev, b.number = nil, l.tail, l.pushed
	l.pushed++
	if l.tail == nil {
		l.head = b
	} else {
		l.tail.next = b
	}
	l.tail = b
	l.queued++
}

// pop takes the branch at the head of the queue out.
func (l *link) pop() *branch {
	b := l.head
	l.remove(b)
	return b
}

// remove takes a branch out of the queue, wherever it stands.
func (l *link) remove(b *branch) {
	if b.prev == nil {
		l.head = b.next
	} else {
		b.prev.next = b.next
	}
	if b.next == nil {
		l.tail = b.prev
	} else {
		b.next.prev = b.prev
	}
	b.next, b.prev = nil, nil
	l.queued--
}

// streamUse is a streaming link that an incoming link's messages take to a next hop.
type streamUse struct {
	to      *Endpoint
	hop     *route.NextHop // of an exchange, nil for messages that go through none
	link    *link
	settled bool // also by settled ones: nobody says when they have arrived
}
