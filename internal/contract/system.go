package contract

import (
	"time"

	"github.com/postroad/postroad/internal/lab"
)

// System is a kind of router that the suite can be held against. What is done to its processes (start, stop, kill -9,
// SIGSTOP) is the same for each kind, see [Network].
type System interface {
	// Name is how the documentation calls it.
	Name() string
	// Promises reports whether the contract is this system's: then a cell that differs from it fails. Otherwise the
	// suite only records.
	Promises() bool
	// Configuration returns the configuration file of one router of a network.
	Configuration(n *Network, r *Router) string
	// Program returns what runs a router.
	Program() (lab.Program, error)
	// Environment returns what is added to the environment of the routers of a plan.
	Environment(p *Plan) []string
}

// Plan says which routers there are, how they are connected, and what they are configured with beyond the common part.
type Plan struct {
	Routers []string // ids; the first is where senders are, the last where consumers are
	Links   []Join
	// RerouteHold is how long messages are held for a route to come; 0 leaves the default.
	RerouteHold time.Duration
	// Patient has routers wait for a neighbor that says nothing for half a minute, where there is a choice.
	Patient bool
	// MaxMessageSize bounds the messages of clients, in octets; 0 for no bound.
	MaxMessageSize int
	// MemoryLimit is what a router's process may use, in octets; 0 for no limit.
	MemoryLimit int
	// Failover has every router tell its clients the other ones.
	Failover bool
}

// Join is a connection between two routers, which From opens. Through says that it leads through a proxy, which can cut
// it. A cost of 0 is 1.
type Join struct {
	From, To string
	Cost     int
	Through  bool
}

// name is the name of the connector and of its proxy.
func (j Join) name() string { return j.From + "-" + j.To }

// Prefixes of the addresses that every router is configured with. The last two have a policy for pre-settled messages
// that wait for a slow consumer; where a system has none, they are as closest.
const (
	Closest     = "closest"
	Multicast   = "multicast"
	Unavailable = "unavailable"
	DropOldest  = "oldest"
	Block       = "block"
)

// chain connects each of the routers to the next one.
func chain(through bool, ids ...string) Plan {
	p := Plan{Routers: ids}
	for i := 1; i < len(ids); i++ {
		p.Links = append(p.Links, Join{From: ids[i-1], To: ids[i], Through: through})
	}
	return p
}

// triangle is a chain A – B – C with a way around B that costs more.
func triangle() Plan {
	p := chain(false, "A", "B", "C")
	p.Links = append(p.Links, Join{From: "A", To: "C", Cost: 10})
	return p
}
