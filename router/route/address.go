package route

import (
	"sync/atomic"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/router/books"
)

// Priorities is the number of priorities of messages between routers.
const Priorities = 10

// Consumer is the face of an outgoing link: what the choice of targets knows of the link. Its methods, and those of
// Neighbor, are safe for concurrent use.
type Consumer struct {
	Owner       any          // the link itself, for router/forwarding; never changes
	Capacity    int          // number of outstanding deliveries from which it counts as full; never changes
	Dead        atomic.Bool  // no message may be given to it any more
	Outstanding atomic.Int64 // deliveries that were given to it and are not over
}

// Neighbor is the face of a connection to another router: what the choice of targets knows of the connection.
type Neighbor struct {
	Owner    any         // the endpoint itself, for router/forwarding; never changes
	ID, Node string      // id and node name of the router there; set before the first link, and never changed then
	Capacity int         // of its links; never changes
	Gone     atomic.Bool // the connection has ended
	links    [Priorities]atomic.Pointer[Consumer]
}

// IsUp reports whether messages can be given to the other router. A router is a neighbor before its links for messages
// are up.
func (n *Neighbor) IsUp() bool { return !n.Gone.Load() && n.Link(0) != nil }

// Link returns the link for messages of a priority. When there is none, it returns that of the nearest lower priority,
// else that of the nearest higher one, else nil.
func (n *Neighbor) Link(priority uint8) *Consumer {
	for p := int(priority); p >= 0; p-- {
		if s := n.links[p].Load(); s != nil && !s.Dead.Load() {
			return s
		}
	}
	for p := int(priority) + 1; p < Priorities; p++ {
		if s := n.links[p].Load(); s != nil && !s.Dead.Load() {
			return s
		}
	}
	return nil
}

// Use takes a link into use for the first priority that has none, and returns that priority. It returns Priorities, and
// does nothing, when all have one.
func (n *Neighbor) Use(c *Consumer) (priority int) {
	for priority < Priorities && n.links[priority].Load() != nil {
		priority++
	}
	if priority < Priorities {
		n.links[priority].Store(c)
	}
	return priority
}

// Forget takes a link out of use for a priority, unless another link is used for the priority by now.
func (n *Neighbor) Forget(c *Consumer, priority uint8) { n.links[priority].CompareAndSwap(c, nil) }

// ForgetAll takes all links out of use.
func (n *Neighbor) ForgetAll() {
	for p := range n.links {
		n.links[p].Store(nil)
	}
}

// Address is one address as the data plane sees it. What is not atomic never changes; Tally guards itself.
type Address struct {
	Key      string // as routers announce it, "M0orders"
	Text     string // without class and phase, "orders"
	Class    addressing.Class
	Priority int                    // 0 to 9, or -1 when the message decides
	Routes   atomic.Pointer[Routes] // nil before the first ones are published
	Turn     atomic.Uint32          // of consumers that get messages in turn
	Gone     atomic.Bool            // no longer in the table
	Phase    uint8                  // as in annotations
	// Crowd is the number of attached senders. They share the address's budget of credit.
	Crowd atomic.Int32
	// Withheld is until when its senders get no credit since another router has no memory for their messages, by the
	// clock of the plane, in nanoseconds.
	Withheld   atomic.Int64
	Presettled Presettled
	Redundant  int // copies of an unsettled message for a consumer behind other routers, 1 or 2
	// Fallback is that of a main address, FallbackFor the main address of a fallback; both are nil for all others.
	Fallback, FallbackFor *Address
	Tally                 books.Tally
}

// Routes is where messages of an address may go. It never changes after it was published.
type Routes struct {
	Distribution addressing.Distribution
	Local        []*Consumer // at this router
	Remote       []*Remote   // other routers to which there is a path
	Exchange     *Exchange   // at the address; nil when there is none, or when it has nowhere to forward to
	Lost         time.Time   // when the last consumer went; zero while there is one, and before the first
}

// Remote is another router that has consumers of an address.
type Remote struct {
	Router      *Router
	Outstanding atomic.Int64 // branches that went there and are not over
}

// IsMulticast reports whether every consumer of the address gets a copy of a message.
func (a *Address) IsMulticast() bool {
	r := a.Routes.Load()
	return r != nil && r.IsMulticast()
}

// Branches is how many consumers here get a copy of each message, 0 when one consumer gets it.
func (a *Address) Branches() int {
	r := a.Routes.Load()
	if r == nil || !r.IsMulticast() {
		return 0
	}
	return len(r.Local)
}

// Other returns the fallback of a main address, the main address of a fallback, and nil for all others.
func (a *Address) Other() *Address {
	if a.Fallback != nil {
		return a.Fallback
	}
	return a.FallbackFor
}

// Main returns the main address of a fallback, and any other address itself, nil included.
func (a *Address) Main() *Address {
	if a != nil && a.FallbackFor != nil {
		return a.FallbackFor
	}
	return a
}

// IsServed reports whether the address itself has a consumer.
func (a *Address) IsServed() bool {
	r := a.Routes.Load()
	return r != nil && (len(r.Local) > 0 || len(r.Remote) > 0 || r.Exchange != nil)
}

// Reachable reports whether the address or its fallback has a consumer.
func (a *Address) Reachable() bool { return a.IsServed() || a.Fallback != nil && a.Fallback.IsServed() }

// ReachableFrom is Reachable for one sender. fallback says that the sender is the fallback of the address, whose
// messages do not go back to it.
func (a *Address) ReachableFrom(fallback bool) bool {
	if fallback {
		return a.IsServed()
	}
	return a.Reachable()
}

// forks reports whether several equal paths lead to one of the routers that have consumers of the address. Routers on
// the way must not choose among consumers then: their paths are not this router's.
func (a *Address) forks() bool {
	r := a.Routes.Load()
	if r == nil {
		return false
	}
	for _, m := range r.Remote {
		if h := m.Router.Hop.Load(); h != nil && h.Forks {
			return true
		}
	}
	return false
}

// IsMulticast reports whether every consumer gets a copy.
func (r *Routes) IsMulticast() bool {
	return r.Distribution == addressing.DistributionMulticast || r.Distribution == addressing.DistributionFlood
}

// MayCome reports whether a message that finds no consumer now, with envelope e, may find one soon. That is so when
// there are consumers that cannot be reached at the moment, or when the last one went within the hold time. announced
// says that the router that sent the message knows of some. A multicast never waits.
func (r *Routes) MayCome(e *message.Envelope, announced bool, now time.Time, hold time.Duration) bool {
	switch r.Distribution {
	case addressing.DistributionBalanced, addressing.DistributionClosest:
	default:
		return false
	}
	switch {
	case len(r.Local)+len(r.Remote) > 0: // they cannot be reached at the moment
		return len(r.Local) > 0 || !r.isPassed(e)
	case announced:
		return true
	}
	return !r.Lost.IsZero() && now.Sub(r.Lost) < hold
}

// isPassed reports whether a message has passed all other routers with consumers. It goes back to none of them, and its
// sender could send it again. Where only the way to a consumer leads back, the message is worth waiting: this router
// may not have heard of a change yet.
func (r *Routes) isPassed(e *message.Envelope) bool {
	if !e.HasRouter || e.TraceCount == 0 {
		return false
	}
	for _, m := range r.Remote {
		if !e.TraceContains(m.Router.ID) {
			return false
		}
	}
	return true
}
