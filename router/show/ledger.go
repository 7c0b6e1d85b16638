package show

import (
	"time"

	"github.com/postroad/postroad/internal/metrics"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/control"
	"github.com/postroad/postroad/router/forwarding"
)

// sheet is a sum over all connections, those that are over included.
type sheet struct {
	Totals    books.Counts
	addresses map[*books.Tally]*books.Counts // those with any deliveries; nil when not asked for

	connections map[metrics.Connections]int // how many of each kind there are now
	opened      int                         // connections that are open
	Links       [linkKinds][2]shapeCount
	handles     int
	sessions    int
	unsettled   [2]int       // deliveries, incoming and outgoing
	held        [roles]int64 // octets held, by role of the connection that they came on
	unseen      int          // endpoints that were busy all the time, and are left out
	waiting     int          // deliveries that wait for a consumer to come back
	Failed      map[books.Failure]uint64
}

// shapeCount is what the links of one kind and direction have at the moment.
type shapeCount struct {
	links, Blocked, stuck, queued int
	credit                        uint64
}

// linkKinds and roles are the numbers of kinds of links and of roles of connections.
const (
	linkKinds = int(forwarding.LinkStream) + 1
	roles     = int(forwarding.RoleEdge) + 1
)

// directionOf returns the index of a direction in a sheet.
func directionOf(outgoing bool) int {
	if outgoing {
		return 1
	}
	return 0
}

// Sum adds up what all connections have and have had. With addresses, it does so for every address, too. An endpoint
// that is busy all the time is left out, but no counter goes down for that.
func (v *View) Sum(addresses bool) *sheet {
	v.Scan(time.Now(), forwarding.ScanAge)
	s := &sheet{connections: make(map[metrics.Connections]int)}
	looker := NewLooker()
	defer looker.Stop()
	v.Plane.Ledger.Locked(func() {
		s.Totals, s.Failed = v.Plane.Ledger.Past(), v.Plane.Ledger.Failed()
		if addresses {
			s.addresses = make(map[*books.Tally]*books.Counts, v.Plane.Table.Len())
		}
		for _, c := range v.Roll.List() {
			if looker.Look(c, func() { s.addConn(c) }) {
				continue
			}
			s.unseen++
		}
		if addresses {
			s.addAddresses(v.Control, v.shown.addresses)
		}
		v.keep(s)
	})
	return s
}

// addAddresses adds what the addresses have counted of connections that are over. Those that were shown before are
// shown again.
func (s *sheet) addAddresses(k *control.Control, before map[*books.Tally]*books.Counts) {
	k.Mu.Lock()
	defer k.Mu.Unlock()
	for _, a := range k.Addresses {
		t := a.Tally.Get()
		switch sum := s.addresses[&a.Tally]; {
		case sum != nil:
			sum.Merge(&t)
		case t != (books.Counts{}) || before[&a.Tally] != nil:
			s.addresses[&a.Tally] = &t
		}
	}
}

// shown is what was last shown, of all connections and of each address. The mutex of the ledger guards it.
type shown struct {
	totals    books.Counts
	addresses map[*books.Tally]*books.Counts
}

// keep takes care that no counter goes down because endpoints were too busy to be asked, and remembers the sums. The
// ledger is locked.
func (v *View) keep(s *sheet) {
	if s.unseen > 0 {
		s.Totals.Raise(&v.shown.totals)
		for tally, sum := range s.addresses {
			if before := v.shown.addresses[tally]; before != nil {
				sum.Raise(before)
			}
		}
	}
	v.shown.totals = s.Totals
	if s.addresses != nil {
		v.shown.addresses = s.addresses
	}
}

// address returns the sum for an address.
func (s *sheet) address(a *books.Tally) *books.Counts {
	t := s.addresses[a]
	if t == nil {
		t = new(books.Counts)
		s.addresses[a] = t
	}
	return t
}

// addConn adds an endpoint, whose mutex is held.
func (s *sheet) addConn(c *forwarding.Endpoint) {
	s.Totals.Merge(&c.Counted.Past)
	if s.addresses != nil {
		for tally, counts := range c.Counted.Shares.All() {
			s.address(tally).Merge(counts)
		}
	}
	if c.Resident != nil || c.Near.Gone.Load() { // the router itself, or a connection that has nothing but its past
		return
	}
	at := metrics.Connections{Role: c.Terms.Role.String(), Direction: "in", State: "opening"}
	if c.Dialed {
		at.Direction = "out"
	}
	if c.Peer.Open != nil {
		at.State = "open"
		s.opened++
	}
	if c.Ending.Closing {
		at.State = "closing"
	}
	s.connections[at]++
	s.held[c.Terms.Role] += c.Meter.Held()
	s.waiting += c.Waits.Count
	for _, l := range c.Links {
		if l == nil {
			continue
		}
		s.handles++
		if l.Attached {
			s.addLink(l)
		}
	}
	if c.Engine != nil {
		in, out := c.Engine.Unsettled()
		s.unsettled[0] += in
		s.unsettled[1] += out
		sessions, _ := c.Engine.Counts()
		s.sessions += sessions
	}
}

// addLink adds a link. The mutex of its endpoint is held.
func (s *sheet) addLink(l *forwarding.Link) {
	s.Totals.Add(l.Part(), &l.Stats)
	if s.addresses != nil && l.Address != nil && l.Stats != (books.Stats{}) {
		s.address(&l.Address.Tally).Add(l.Part(), &l.Stats)
	}
	n := &s.Links[l.Kind][directionOf(l.Outgoing)]
	n.links++
	n.credit += uint64(l.End.Engine.Credit(l.ID))
	n.stuck += l.Watch.Stuck
	n.queued += l.Queued + l.Watch.Coming
	if l.Watch.Blocked {
		n.Blocked++
	}
}
