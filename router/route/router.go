package route

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/mesh/spf"
)

// Router is another router of the mesh, reachable or not. The control loop publishes its next hop.
type Router struct {
	ID     string
	Node   string // "0/<id>", as in annotations
	Octets []byte // the same
	Number int    // as the mesh numbers it
	Hop    atomic.Pointer[Hop]
	// Upstream is the id of the neighbor that the router's multicast messages come through, nil while none is known.
	Upstream atomic.Pointer[string]

	Direct atomic.Pointer[Neighbor] // the connection to it, if it is a neighbor
	Pair   atomic.Pointer[Pair]     // of disjoint paths to it, if any address needs it, and there are such
	// Copying is held while a copy of one of its messages is handed on: first the connection's mutex, then this, then
	// that of what is known of copies, or a leaf. Nobody waits for anything with it.
	Copying sync.Mutex

	Seen Seen // its numbered messages that have come

	// The control loop's.
	Paired  bool    // disjoint paths have been looked for
	Origins spf.Set // what the next hop published will have
}

// NewRouter returns a router with an id and a number.
func NewRouter(id string, number int) *Router {
	return &Router{ID: id, Number: number, Node: addressing.NodeName(id), Octets: []byte(addressing.NodeName(id))}
}

// Hop is how a router is reached. It never changes after it was published.
type Hop struct {
	Next   *Neighbor
	Others []*Neighbor // those that take over when Next is lost, the best first: none of them sends anything back here
	// Equal are those to all neighbors on which equal ways begin, Next first; nil if there is one, or none may be used.
	Equal   []*Neighbor
	Forks   bool // equal ways begin here or further on
	Cost    int
	Hops    int
	Origins spf.Set // routers, by number, whose messages may go through here to the router
	// Former is what Origins was before, and counts for numbered messages until others have heard of the change, too: not
	// for those of a router that has, as their topology says.
	Former      spf.Set
	FormerUntil time.Time
}

// formerTime is how long routers may take to hear of a change, and messages of before to arrive.
const formerTime = 2 * time.Second

// Inherit keeps the origins that another next hop had until now, and those that it had kept itself. The hop is not
// published yet.
func (h *Hop) Inherit(before *Hop, now time.Time) {
	if before == nil || before.Origins.Equal(h.Origins) && before.Former == nil {
		return
	}
	h.Former = slices.Clone(before.Origins)
	if now.Before(before.FormerUntil) {
		for i, w := range before.Former {
			if i < len(h.Former) {
				h.Former[i] |= w
			} else {
				h.Former = append(h.Former, w)
			}
		}
	}
	h.FormerUntil = now.Add(formerTime)
}

// Pair is two disjoint paths to a router. It never changes.
type Pair struct {
	First [2]*Neighbor // on which they begin
	Paths []byte       // as in annotations
	Count int
}
