package router

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/postroad/postroad/internal/metrics"
	"github.com/postroad/postroad/router/books"
)

// roll lists the endpoints whose counters are summed.
type roll struct {
	ledger *books.Ledger
	mu     sync.Mutex // a leaf
	ends   map[*Endpoint]struct{}
}

// fails notes why a connection is going to end, unless a reason is known already. The mutex is held.
func (c *Endpoint) fails(reason string) {
	if c.ending.failure == "" && !c.plane.stopping.Load() {
		c.ending.failure = reason
	}
}

// enter adds an endpoint.
func (o *roll) enter(c *Endpoint) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ends[c] = struct{}{}
}

// leave keeps the counters of an endpoint that is over. What it counts later goes where it belongs at once.
func (o *roll) leave(c *Endpoint) {
	o.ledger.Locked(func() {
		o.mu.Lock()
		_, ok := o.ends[c]
		delete(o.ends, c)
		o.mu.Unlock()
		if ok {
			c.closeBooks(o.ledger)
		}
	})
}

// closeBooks gives the ledger, which is locked, all that the endpoint has counted.
func (c *Endpoint) closeBooks(ledger *books.Ledger) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ledger.Close(&c.counted.past, &c.counted.shares,
		books.Failure{Role: c.terms.role.String(), Dialed: c.dialed, Reason: c.ending.failure})
	c.counted.closed = true
}

// list returns the endpoints as they are now, in no order.
func (o *roll) list() []*Endpoint {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Collect(maps.Keys(o.ends))
}

// sheet is a sum of everything.
type sheet struct {
	totals    books.Counts
	addresses map[*books.Tally]*books.Counts // those with any deliveries; nil when not asked for

	connections map[metrics.Connections]int
	opened      int // connections that are open
	links       [linkKinds][2]shapeCount
	handles     int
	sessions    int
	unsettled   [2]int       // incoming, outgoing
	held        [roles]int64 // octets of clients' messages, by role
	unseen      int          // endpoints that were busy all the time
	waiting     int          // deliveries that wait for a consumer to come back
	failed      map[books.Failure]uint64
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
func (v *view) sum(addresses bool) *sheet {
	v.scan(time.Now(), scanAge)
	s := &sheet{connections: make(map[metrics.Connections]int)}
	v.plane.ledger.Locked(func() {
		s.totals, s.failed = v.plane.ledger.Past(), v.plane.ledger.Failed()
		if addresses {
			s.addresses = make(map[*books.Tally]*books.Counts, v.plane.table.Len())
		}
		for _, c := range v.roll.list() {
			if v.look(c, func() { s.addConn(c) }) {
				continue
			}
			s.unseen++
		}
		if addresses {
			s.addAddresses(v.control)
		}
	})
	return s
}

// addAddresses adds what the addresses have counted of connections that are over.
func (s *sheet) addAddresses(k *control) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, a := range k.addresses {
		t := a.Tally.Get()
		switch sum := s.addresses[&a.Tally]; {
		case sum != nil:
			sum.Merge(&t)
		case t != (books.Counts{}):
			s.addresses[&a.Tally] = &t
		}
	}
}

func (s *sheet) address(a *books.Tally) *books.Counts {
	t := s.addresses[a]
	if t == nil {
		t = new(books.Counts)
		s.addresses[a] = t
	}
	return t
}

// addConn adds a connection. Its mutex is held.
func (s *sheet) addConn(c *Endpoint) {
	s.totals.Merge(&c.counted.past)
	if s.addresses != nil {
		for tally, counts := range c.counted.shares.All() {
			s.address(tally).Merge(counts)
		}
	}
	if c.resident != nil || c.near.Gone.Load() { // the router itself, or nothing but its past
		return
	}
	at := metrics.Connections{Role: c.terms.role.String(), Direction: "in", State: "opening"}
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
	s.held[c.terms.role] += c.meter.Held()
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
		sessions, _ := c.eng.Counts()
		s.sessions += sessions
	}
}

// addLink adds a link. Its connection's mutex is held.
func (s *sheet) addLink(l *link) {
	s.totals.Add(l.part(), &l.stats)
	if s.addresses != nil && l.address != nil && l.stats != (books.Stats{}) {
		s.address(&l.address.Tally).Add(l.part(), &l.stats)
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
