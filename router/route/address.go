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

// Consumer is what the choice of targets knows of an outgoing link.
type Consumer struct {
	Owner       any          // whoever has the link finds it here again; never changes
	Capacity    int          // deliveries outstanding from which it counts as full; never changes
	Dead        atomic.Bool  // no message may be given to it any more
	Outstanding atomic.Int64 // deliveries that were given to it and are not over
}

// Neighbor is what the choice of targets knows of a connection to another router.
type Neighbor struct {
	Owner    any    // whoever has the connection finds it here again; never changes
	ID, Node string // of the router there; set before the first link, and never changed then
	Capacity int    // of its links; never changes
	Gone     atomic.Bool
	links    [Priorities]atomic.Pointer[Consumer]
}

// IsUp reports whether messages can be given to the other router: it is a neighbor before its links for messages are up.
func (n *Neighbor) IsUp() bool { return !n.Gone.Load() && n.Link(0) != nil }

// Link is the link for messages of a priority, or of one near it; nil when there is none.
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

// Use takes a link for the first priority that has none, and returns which that is; Priorities when all have one.
func (n *Neighbor) Use(c *Consumer) (priority int) {
	for priority < Priorities && n.links[priority].Load() != nil {
		priority++
	}
	if priority < Priorities {
		n.links[priority].Store(c)
	}
	return priority
}

// Forget takes a link out that was used for a priority.
func (n *Neighbor) Forget(c *Consumer, priority uint8) { n.links[priority].CompareAndSwap(c, nil) }

// ForgetAll takes all links out.
func (n *Neighbor) ForgetAll() {
	for p := range n.links {
		n.links[p].Store(nil)
	}
}

// Address is one address as the data plane sees it. What is not atomic never changes.
type Address struct {
	Key      string // as routers announce it, "M0orders"
	Text     string
	Class    addressing.Class
	Priority int // 0…9, or -1 when the message decides
	Routes   atomic.Pointer[Routes]
	Turn     atomic.Uint32 // round robin
	Gone     atomic.Bool   // no longer in the table
	Phase    uint8         // as in annotations
	// Crowd is the number of attached senders, for the share of each in the address's budget.
	Crowd      atomic.Int32
	Presettled Presettled
	Redundant  int // copies of an unsettled message for a consumer behind other routers, 1 or 2
	// An address with a fallback, and that fallback, know each other.
	Fallback, FallbackFor *Address
	Tally                 books.Tally
}

// Routes is where messages of an address may go. It never changes after it was published.
type Routes struct {
	Distribution addressing.Distribution
	Local        []*Consumer
	Remote       []*Remote
	Exchange     *Exchange // at the address, if it has anywhere to forward to
	Lost         time.Time // when the last consumer went, zero while there is one and when that is long ago
}

// Remote is another router that has consumers of an address.
type Remote struct {
	Router      *Router
	Outstanding atomic.Int64 // branches sent there and not settled
}

// IsMulticast reports whether every consumer of the address gets a copy.
func (a *Address) IsMulticast() bool {
	r := a.Routes.Load()
	return r != nil && r.IsMulticast()
}

// Other is the other half of an address with a fallback, or nil.
func (a *Address) Other() *Address {
	if a.Fallback != nil {
		return a.Fallback
	}
	return a.FallbackFor
}

// Main is the address itself, or the one that it is the fallback of. A nil address has none.
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

// Reachable reports whether a message to the address would find a consumer, if only that of the fallback.
func (a *Address) Reachable() bool { return a.IsServed() || a.Fallback != nil && a.Fallback.IsServed() }

// ReachableFrom is Reachable for a sender: what comes from the fallback does not go back to it.
func (a *Address) ReachableFrom(fallback bool) bool {
	if fallback {
		return a.IsServed()
	}
	return a.Reachable()
}

// forks reports whether several equal paths lead to one of the routers that have consumers of an address. Then those on
// the way are not to choose among them: they would have other paths to them than this one.
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

// MayCome reports whether a consumer may be there soon for a message that finds none now, by its envelope: there are some
// that cannot be reached at the moment, or the last one has gone within the hold time, or the router that sent the message
// knows of some. Of multicasts nobody waits for one.
func (r *Routes) MayCome(e *message.Envelope, announced bool, now time.Time, hold time.Duration) bool {
	switch r.Distribution {
	case addressing.DistributionBalanced, addressing.DistributionClosest:
	default:
		return false
	}
	switch {
	case len(r.Local)+len(r.Remote) > 0: // they cannot be reached at the moment
		return len(r.Local) > 0 || !r.isPassed(e)
	case announced: // the other router knows of some
		return true
	}
	return !r.Lost.IsZero() && now.Sub(r.Lost) < hold
}

// isPassed reports whether a message has passed all other routers with consumers: it goes back to none of them, and
// waiting for another one would keep its sender from sending it again. Where only the way to a consumer leads back, the
// message waits: this router may not have heard yet of what has changed.
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
