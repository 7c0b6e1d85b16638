package router

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/mesh/spf"
	"github.com/postroad/postroad/router/books"
)

// address is one address of the table: who consumes it here and behind which routers.
//
// The data plane reads the identity and the routes; the control loop owns the rest and publishes new routes when a
// consumer comes or goes.
type address struct {
	key      string // as routers announce it, "M0orders"
	text     string
	class    addressing.Class
	priority int // 0…9, or -1 when the message decides
	routes   atomic.Pointer[routes]
	turn     atomic.Uint32 // round robin
	gone     atomic.Bool   // no longer in the table
	phase    uint8         // as in annotations
	// presettled never changes; crowd is the number of attached senders, for the share of each in the address's budget.
	presettled presettledPolicy
	redundant  int // copies of an unsettled message for a consumer behind other routers, 1 or 2; never changes
	crowd      atomic.Int32
	// An address with a fallback, and that fallback, know each other.
	fallback, fallbackFor *address
	tally                 books.Tally

	distribution addressing.Distribution
	configured   bool    // the configuration names its distribution
	locals       []*link // in no order; link.local is where each stands
	clients      int     // of locals: those that do not belong to the router itself
	senders      map[*link]struct{}
	exchange     *topicExchange // that has this address, or nil
	pins         int            // next hops of exchanges that have this address
	remotes      []*remote
	announced    bool
	lost         time.Time // as in routes
	dirty        bool      // on control.dirty
}

// routes is where messages of an address may go. It never changes after it was published.
type routes struct {
	distribution addressing.Distribution
	local        []*link
	remote       []*remote
	exchange     *topicExchange // at the address, if it has anywhere to forward to
	lost         time.Time      // when the last consumer went, zero while there is one and when that is long ago
}

// remote is another router that has consumers of an address.
type remote struct {
	router      *peer
	outstanding atomic.Int64 // branches sent there and not settled
}

// peer is another router of the mesh, reachable or not. The control loop publishes its next hop.
type peer struct {
	id     string
	node   string // "0/<id>", as in annotations
	octets []byte // the same
	number int    // as the mesh numbers it
	hop    atomic.Pointer[hop]
	// upstream is the id of the neighbor that the router's multicast messages come through, nil while none is known.
	upstream atomic.Pointer[string]

	direct atomic.Pointer[Endpoint] // the connection to it, if it is a neighbor
	pair   atomic.Pointer[pair]     // of disjoint paths to it, if any address needs it, and there are such
	paired bool                     // the control loop's: they have been looked for
	// copying is held while a copy of one of its messages is handed on: first the connection's mutex, then this, then
	// copyTable.mu or a leaf.
	copying sync.Mutex

	seen    seen    // its numbered messages that have come
	origins spf.Set // the control loop's: what the next hop published will have
}

// hop is how a router is reached. It never changes after it was published.
type hop struct {
	conn    *Endpoint
	others  []*Endpoint // those that take over when conn is lost, the best first: none of them sends anything back here
	equal   []*Endpoint // those to all neighbors on which equal ways begin, conn first; nil if there is one, or none may be used
	forks   bool        // equal ways begin here or further on
	cost    int
	hops    int
	origins spf.Set // routers, by number, whose messages may go through here to the router
	// former is what origins was before, and counts for numbered messages until others have heard of the change, too: not
	// for those of a router that has, as their topology says.
	former      spf.Set
	formerUntil time.Time
}

// isMulticast tells whether every consumer of the address gets a copy.
func (a *address) isMulticast() bool {
	r := a.routes.Load()
	return r != nil && r.isMulticast()
}

// table maps keys to addresses. The control loop writes it, readers of anonymous links look up in it.
type table struct {
	mu     sync.RWMutex
	byKey  map[string]*address
	peers  map[string]*peer // by node name
	radius atomic.Int32     // largest number of hops to any router
	added  atomic.Uint64    // addresses that were added, ever
	// topology is mesh.Node.Topology of the next hops and origins as they are published, 0 while they change.
	topology atomic.Uint64
}

// wanderings is how many routers a message may pass while few are known.
const wanderings = 16

// longest is how many routers a message may have passed: each one once. While the mesh converges, some may not be known
// here yet.
func (t *table) longest() int {
	if r := int(t.radius.Load()) + 1; r > wanderings {
		return r
	}
	return wanderings
}

// get returns the address of a key, or nil.
func (t *table) get(key []byte) *address {
	t.mu.RLock()
	a := t.byKey[string(key)]
	t.mu.RUnlock()
	return a
}

// number returns the mesh's number of a router by its node name.
func (t *table) number(node []byte) (int, bool) {
	p := t.peer(node)
	if p == nil {
		return 0, false
	}
	return p.number, true
}

// peer returns a router by its node name, or nil.
func (t *table) peer(node []byte) *peer {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.peers[string(node)]
}

// upstream returns the id of the neighbor through which the multicast messages of a router come, given by its node name;
// nil when none is known.
func (t *table) upstream(node []byte) *string {
	p := t.peer(node)
	if p == nil {
		return nil
	}
	return p.upstream.Load()
}

// oneAddress remembers the last look-up of a link without a fixed address.
type oneAddress struct {
	text    []byte
	phase   addressing.Phase
	client  bool // text is a client's, and not a router's
	address *address
	to      []byte // as other routers read it, where text does not say it
}

// find returns the address for the text of a message's `to`, or nil: that of a client in the space of its tenant and
// the phase of senders. The caller's connection lock guards the cache and the scratch; c.key is the key that was looked
// up unless the cache had it.
func (c *Endpoint) find(l *link, to []byte) *address {
	return c.findIn(l, to, addressing.PhaseZero, true)
}

// findAt returns the address for what a router's annotations say, or nil.
func (c *Endpoint) findAt(l *link, to []byte, phase uint8) *address {
	p, _ := addressing.PhaseOf(phase)
	return c.findIn(l, to, p, false)
}

func (c *Endpoint) findIn(l *link, to []byte, phase addressing.Phase, client bool) *address {
	known := &l.known
	if a := known.address; a != nil && !a.gone.Load() && known.phase == phase && known.client == client &&
		string(known.text) == string(to) {
		return a
	}
	c.choice.key = c.plane.identity.AppendKeyIn(c.choice.key[:0], c.peer.space, to, phase)
	if client && c.plane.phased && addressing.Class(c.choice.key[0]) == addressing.ClassMobile {
		if t, ok := c.plane.treatments.MatchBytes(c.choice.key[2:]); ok {
			c.choice.key[1] = byte(t.ingress)
		}
	}
	a := c.plane.table.get(c.choice.key)
	if a != nil {
		known.text, known.phase, known.client, known.address = append(known.text[:0], to...), phase, client, a
		known.to = known.to[:0]
		if client && (c.peer.space != "" || a.phase != 0) {
			known.to = c.appendForRouters(known.to, to)
		}
	}
	return a
}

// unavailable tells whether the configuration says that nobody is to use the address of a key that is not in the table.
func (p *Plane) unavailable(key []byte) bool {
	parsed, ok := addressing.ParseKey(string(key))
	if !ok {
		return false
	}
	t, _ := p.treatmentOf(parsed)
	return t.distribution == addressing.DistributionUnavailable
}
