package router

import (
	"sync"
	"sync/atomic"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/mesh/spf"
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
	tally    tally

	distribution addressing.Distribution
	configured   bool    // the configuration names its distribution
	locals       []*link // in no order; link.local is where each stands
	clients      int     // of locals: those that do not belong to the router itself
	senders      map[*link]struct{}
	remotes      []*remote
	announced    bool
	dirty        bool // on control.dirty
}

// routes is where messages of an address may go. It never changes after it was published.
type routes struct {
	distribution addressing.Distribution
	local        []*link
	remote       []*remote
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
	number int    // as the mesh numbers it
	hop    atomic.Pointer[hop]

	origins spf.Set // the control loop's: what the next hop published will have
}

// hop is how a router is reached. It never changes after it was published.
type hop struct {
	conn    *conn
	cost    int
	hops    int
	origins spf.Set // routers, by number, whose messages may go through here to the router
}

// table maps keys to addresses. The control loop writes it, readers of anonymous links look up in it.
type table struct {
	mu     sync.RWMutex
	byKey  map[string]*address
	peers  map[string]*peer // by node name
	radius atomic.Int32     // largest number of hops to any router
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
	t.mu.RLock()
	p := t.peers[string(node)]
	t.mu.RUnlock()
	if p == nil {
		return 0, false
	}
	return p.number, true
}

// oneAddress remembers the last look-up of a link without a fixed address.
type oneAddress struct {
	text    []byte
	address *address
}

// find returns the address for the text of a message's `to`, or nil. The caller's connection lock guards the cache and
// the scratch.
func (c *conn) find(l *link, to []byte) *address {
	if a := l.known.address; a != nil && !a.gone.Load() && string(l.known.text) == string(to) {
		return a
	}
	c.key = c.router.identity.AppendKey(c.key[:0], c.tenant(to), addressing.PhaseZero)
	a := c.router.table.get(c.key)
	if a != nil {
		l.known.text = append(l.known.text[:0], to...)
		l.known.address = a
	}
	return a
}

// tenant is the place where a multi-tenant listener's prefix will be put before an address.
func (c *conn) tenant(to []byte) []byte { return to }

// reachable tells whether a message to the address would find a consumer.
func (a *address) reachable() bool {
	r := a.routes.Load()
	return r != nil && (len(r.local) > 0 || len(r.remote) > 0)
}
