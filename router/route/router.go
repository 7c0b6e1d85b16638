package route

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/mesh/spf"
)

// Router is another router of the mesh, reachable or not. ID, Node, Octets and Number never change. The control loop
// writes what is atomic, and alone uses the last two fields.
type Router struct {
	ID     string
	Node   string              // node name, "0/<id>", as in annotations
	Octets []byte              // the same
	Number int                 // as the mesh numbers it
	Hop    atomic.Pointer[Hop] // nil while there is no path
	// Upstream is the id of the neighbor that the router's multicast messages come through, nil while none is known.
	Upstream atomic.Pointer[string]

	Direct atomic.Pointer[Neighbor] // the connection to it, nil unless it is a neighbor
	Pair   atomic.Pointer[Pair]     // nil unless an address needs disjoint paths to it, and there are two
	// Copying is held while a copy of one of its messages is handed on. It is taken after the mutex of an endpoint, and
	// before that of the table of copies, or a leaf. Nobody who holds it waits for anything else.
	Copying sync.Mutex

	Seen Seen // which of its numbered messages have come

	Paired  bool    // disjoint paths have been looked for
	Origins spf.Set // what the next published Hop will have
}

// NewRouter returns a router with an id and the number that the mesh has given to it.
func NewRouter(id string, number int) *Router {
	return &Router{ID: id, Number: number, Node: addressing.NodeName(id), Octets: []byte(addressing.NodeName(id))}
}

// Hop is how a router is reached. It never changes after it was published.
type Hop struct {
	Next   *Neighbor
	Others []*Neighbor // alternates that take over when Next is lost, the best first: none sends anything back here
	// Equal lists the neighbors on which equal ways begin, Next first; nil if there is only one, or may be only one.
	Equal   []*Neighbor
	Forks   bool // equal ways begin here or further on
	Cost    int
	Hops    int     // length of the path
	Origins spf.Set // valid origins: routers, by number, whose messages may go through here to the router
	// Former is what Origins was before a change. It counts until FormerUntil, for numbered messages of routers that
	// have not heard of the change yet, as the topology in the message shows.
	Former      spf.Set
	FormerUntil time.Time
}

// formerTime is how long routers may take to hear of a change, and messages sent before it to arrive.
const formerTime = 2 * time.Second

// Inherit takes over the origins of the hop that was published before, nil for none, and the former ones which that one
// still had. It must be called before h is published.
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

// Pair is two disjoint paths to a router. It never changes after it was published.
type Pair struct {
	First [2]*Neighbor // where they begin
	Paths []byte       // the routers on both behind First, encoded as in annotations
	Count int          // of these routers
}
