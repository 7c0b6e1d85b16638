package router

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/metrics"
)

// ledger is where all that the connections count is summed. Counters move from a link to its connection's past and to
// its shares when it ends, under the connection's mutex, and from there to past and to the addresses when the connection
// is over or its shares are many, under the ledger's mutex. So a sum misses nothing, has nothing twice, and never goes
// down.
type ledger struct {
	mu     sync.Mutex // taken before the mutex of a connection and of the control loop; who holds one of those only tries it
	conns  map[*Endpoint]struct{}
	past   tally // of connections that are over
	failed map[failure]uint64
}

// failure is one way in which connections fail.
type failure struct {
	role   Role
	dialed bool
	reason string // one of a fixed set: see docs/operations/monitoring.md
}

// Reasons for which connections fail.
const (
	failedDial           = "dial"              // nobody answered, or the name is not known
	failedTLS            = "tls"               // the handshake of the transport
	failedHandshake      = "handshake"         // it ended before the peer's open
	failedTimeout        = "handshake-timeout" // the peer's open did not come in time
	failedAuthentication = "authentication"
	failedRefused        = "refused"      // by the rules of the listener
	failedIdle           = "idle-timeout" // the peer was silent for too long
	failedProtocol       = "protocol"     // the peer broke a rule of AMQP
	failedClosed         = "closed"       // this router closed it with an error
	failedPeer           = "peer-error"   // the peer closed it with an error
	failedLost           = "lost"         // it ended without a close
	failedInternal       = "internal"     // a panic in this router
	failedOverload       = "overload"     // it was refused for want of memory
)

// fails notes why a connection is going to end, unless a reason is known already. The mutex is held.
func (c *Endpoint) fails(reason string) {
	if c.ending.failure == "" && !c.plane.stopping.Load() {
		c.ending.failure = reason
	}
}

// failedToConnect counts a connection that was not made.
func (b *ledger) failedToConnect(role Role) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count(failure{role, true, failedDial})
}

// failedToBegin counts a connection that has ended before it was accepted.
func (b *ledger) failedToBegin(role Role) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count(failure{role, false, failedTLS})
}

func (b *ledger) count(f failure) {
	if b.failed == nil {
		b.failed = make(map[failure]uint64)
	}
	b.failed[f]++
}

// enter adds a connection.
func (b *ledger) enter(c *Endpoint) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conns == nil {
		b.conns = make(map[*Endpoint]struct{})
	}
	b.conns[c] = struct{}{}
}

// leave keeps the counters of a connection that is over. What it counts later goes where it belongs at once.
func (b *ledger) leave(c *Endpoint) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.conns[c]; !ok {
		return
	}
	delete(b.conns, c)
	c.mu.Lock()
	defer c.mu.Unlock()
	b.past.take(&c.counted.past)
	c.counted.shares.flush()
	c.counted.closed = true
	if c.ending.failure != "" {
		b.count(failure{c.settings.role, c.dialed, c.ending.failure})
	}
}

// list returns the connections as they are now, in no order.
func (b *ledger) list() []*Endpoint {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Keys(b.conns))
}

// sheet is a sum of everything.
type sheet struct {
	totals    counts
	addresses map[*address]*counts // those with any deliveries; nil when not asked for

	connections map[metrics.Connections]int
	opened      int // connections that are open
	links       [linkKinds][2]shapeCount
	handles     int
	sessions    int
	unsettled   [2]int       // incoming, outgoing
	held        [roles]int64 // octets of clients' messages, by role
	waiting     int          // deliveries that wait for a consumer to come back
	failed      map[failure]uint64
}

// shapeCount is what the links of one kind and direction have at the moment.
type shapeCount struct {
	links, blocked, stuck, queued int
	credit                        uint64
}

// linkKinds and roles are the numbers of kinds of links and of roles of connections.
const (
	linkKinds = int(linkStream) + 1
	roles     = int(RoleEdge) + 1
)

func directionOf(outgoing bool) int {
	if outgoing {
		return 1
	}
	return 0
}

// sum adds up what all connections have and have had, and if asked for, the same for every address.
func (r *Router) sum(addresses bool) *sheet {
	r.scan(time.Now(), scanAge)
	b := &r.plane.ledger
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &sheet{totals: b.past.get(), connections: make(map[metrics.Connections]int), failed: maps.Clone(b.failed)}
	if addresses {
		r.plane.table.mu.RLock()
		known := len(r.plane.table.byKey)
		r.plane.table.mu.RUnlock()
		s.addresses = make(map[*address]*counts, known)
	}
	for c := range b.conns {
		s.addConn(c)
	}
	if addresses {
		r.control.mu.Lock()
		defer r.control.mu.Unlock()
		for _, a := range r.plane.table.byKey {
			t := a.tally.get()
			switch sum := s.addresses[a]; {
			case sum != nil:
				sum.merge(&t)
			case t != (counts{}):
				s.addresses[a] = &t
			}
		}
	}
	return s
}

func (s *sheet) address(a *address) *counts {
	t := s.addresses[a]
	if t == nil {
		t = new(counts)
		s.addresses[a] = t
	}
	return t
}

// addConn adds a connection.
func (s *sheet) addConn(c *Endpoint) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.totals.merge(&c.counted.past)
	if s.addresses != nil {
		for i := range c.counted.shares.list {
			s.address(c.counted.shares.list[i].address).merge(&c.counted.shares.list[i].counts)
		}
	}
	if c.resident != nil || c.gone.Load() { // the router itself, or nothing but its past
		return
	}
	at := metrics.Connections{Role: c.settings.role.String(), Direction: "in", State: "opening"}
	if c.dialed {
		at.Direction = "out"
	}
	if c.peer.open != nil {
		at.State = "open"
		s.opened++
	}
	if c.ending.closing {
		at.State = "closing"
	}
	s.connections[at]++
	s.held[c.settings.role] += c.meter.Held()
	s.waiting += c.waits.count
	for _, l := range c.links {
		if l == nil {
			continue
		}
		s.handles++
		if l.attached {
			s.addLink(l)
		}
	}
	if c.eng != nil {
		in, out := c.eng.Unsettled()
		s.unsettled[0] += in
		s.unsettled[1] += out
		c.eng.Sessions(func(engine.SessionID) { s.sessions++ })
	}
}

// addLink adds a link. Its connection's mutex is held.
func (s *sheet) addLink(l *link) {
	s.totals.add(l, &l.stats)
	if s.addresses != nil && l.address != nil && l.stats != (linkStats{}) {
		s.address(l.address).add(l, &l.stats)
	}
	n := &s.links[l.kind][directionOf(l.outgoing)]
	n.links++
	n.credit += uint64(l.conn.eng.Credit(l.id))
	n.stuck += l.watch.stuck
	n.queued += l.queued + l.watch.coming
	if l.watch.blocked {
		n.blocked++
	}
}
