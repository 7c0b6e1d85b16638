package router

import (
	"sync"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/metrics"
	"github.com/postroad/postroad/mesh"
)

// linkStats are the counters of a link, guarded by its connection's mutex.
type linkStats struct {
	deliveries, octets                     uint64
	presettled, dropped                    uint64
	accepted, rejected, released, modified uint64
	forwarded                              uint64 // between routers, incoming: handed on to another router
}

// count adds an outcome.
func (s *linkStats) count(k wire.StateKind) {
	switch k {
	case wire.StateAccepted:
		s.accepted++
	case wire.StateRejected:
		s.rejected++
	case wire.StateReleased:
		s.released++
	case wire.StateModified:
		s.modified++
	}
}

// add adds the counters of o.
func (s *linkStats) add(o *linkStats) {
	s.deliveries += o.deliveries
	s.octets += o.octets
	s.presettled += o.presettled
	s.dropped += o.dropped
	s.accepted += o.accepted
	s.rejected += o.rejected
	s.released += o.released
	s.modified += o.modified
	s.forwarded += o.forwarded
}

// counts are the counters of many links by what the links are for.
type counts struct {
	in, out   linkStats // from and to clients
	transit   linkStats // to other routers, with the outcomes that came back
	forwarded uint64    // from one router to another
}

// add adds counters of a link.
func (t *counts) add(l *link, s *linkStats) {
	switch {
	case l.kind == linkControl:
	case l.kind == linkEndpoint && l.outgoing:
		t.out.add(s)
	case l.kind == linkEndpoint:
		t.in.add(s)
	case l.outgoing:
		t.transit.add(s)
	default:
		t.forwarded += s.forwarded
		t.transit.dropped += s.dropped
	}
}

// tally holds the counters of links that are gone.
type tally struct {
	mu sync.Mutex // a leaf
	counts
}

func (t *tally) retire(l *link, s *linkStats) {
	t.mu.Lock()
	t.counts.add(l, s)
	t.mu.Unlock()
}

// retire keeps counters of a link that is gone.
func (c *conn) retire(l *link, s *linkStats) {
	c.router.retired.retire(l, s)
	if l.address != nil {
		l.address.tally.retire(l, s)
	}
}

// count adds to the counters of a link. It may be gone: what it sent as settled finishes later.
func (c *conn) count(l *link, s linkStats) {
	if l.dead.Load() {
		c.retire(l, &s)
		return
	}
	l.stats.add(&s)
}

func (t *tally) get() counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts
}

// connCounts is what one connection has at the moment.
type connCounts struct {
	conn               *conn
	open, closing      bool
	links              int
	incoming, outgoing int // unsettled deliveries
	byKind             map[linkShape]*shapeCount
}

type linkShape struct {
	kind     linkKind
	outgoing bool
}

type shapeCount struct {
	links  int
	credit uint64
}

// count sums all links into t, those that are gone included, and returns what each connection has.
func (r *Router) count(t *counts) []connCounts {
	*t = r.retired.get()
	conns := r.conns()
	list := make([]connCounts, 0, len(conns))
	for _, c := range conns {
		c.mu.Lock()
		n := connCounts{conn: c, open: c.open != nil, closing: c.closing, byKind: make(map[linkShape]*shapeCount)}
		for _, l := range c.links {
			if l == nil || !l.attached {
				continue
			}
			t.add(l, &l.stats)
			n.links++
			shape := linkShape{l.kind, l.outgoing}
			if n.byKind[shape] == nil {
				n.byKind[shape] = new(shapeCount)
			}
			n.byKind[shape].links++
			n.byKind[shape].credit += uint64(c.eng.Credit(l.id))
		}
		if c.eng != nil {
			n.incoming, n.outgoing = c.eng.Unsettled()
		}
		c.mu.Unlock()
		list = append(list, n)
	}
	return list
}

// countAddresses sums the links of every address.
func (r *Router) countAddresses() map[*address]*counts {
	sums := make(map[*address]*counts)
	r.control.mu.Lock()
	for _, a := range r.table.byKey {
		t := a.tally.get()
		sums[a] = &t
	}
	r.control.mu.Unlock()
	for _, c := range append(r.conns(), r.agent.conn) {
		c.mu.Lock()
		for _, l := range c.links {
			if l != nil && l.address != nil && sums[l.address] != nil {
				sums[l.address].add(l, &l.stats)
			}
		}
		c.mu.Unlock()
	}
	return sums
}

func (s *linkStats) outcomes() metrics.Outcomes {
	return metrics.Outcomes{Accepted: s.accepted, Rejected: s.rejected, Released: s.released, Modified: s.modified,
		Presettled: s.presettled}
}

func (t *counts) deliveries() metrics.Deliveries {
	return metrics.Deliveries{Ingress: t.in.outcomes(), Egress: t.out.outcomes(), Transit: t.transit.outcomes(),
		DroppedPresettled: t.in.dropped + t.out.dropped + t.transit.dropped}
}

// Snapshot implements [metrics.Source].
func (r *Router) Snapshot() metrics.Snapshot {
	s := metrics.Snapshot{ID: r.id, Mode: string(r.mode), Version: r.version}
	var t counts
	links := make(map[linkShape]*shapeCount)
	conns := make(map[metrics.Connections]int)
	for _, n := range r.count(&t) {
		at := metrics.Connections{Role: n.conn.settings.role.String(), Direction: "in", State: "opening"}
		if n.conn.dialed {
			at.Direction = "out"
		}
		if n.open {
			at.State = "open"
		}
		if n.closing {
			at.State = "closing"
		}
		conns[at]++
		for shape, c := range n.byKind {
			if links[shape] == nil {
				links[shape] = new(shapeCount)
			}
			links[shape].links += c.links
			links[shape].credit += c.credit
		}
		s.OpenHandles += n.links
		s.Unsettled += n.incoming
	}
	for at, n := range conns {
		at.Count = n
		s.Connections = append(s.Connections, at)
	}
	s.Links = linkCounts(links)
	s.Deliveries = t.deliveries()
	all := t.in
	s.AcceptedTotal, s.RejectedTotal = all.accepted, all.rejected
	s.ReleasedTotal, s.ModifiedTotal, s.PresettledTotal = all.released, all.modified, all.presettled
	s.BuffersInFlight = int(buf.Outstanding())
	r.snapshotAddresses(&s)
	r.snapshotMesh(&s)
	return s
}

func linkCounts(links map[linkShape]*shapeCount) []metrics.Links {
	sums := make(map[[2]string]*metrics.Links)
	var order [][2]string
	for shape, n := range links {
		direction := "in"
		if shape.outgoing {
			direction = "out"
		}
		at := [2]string{shape.kind.String(), direction}
		if sums[at] == nil {
			sums[at] = &metrics.Links{Type: at[0], Direction: at[1]}
			order = append(order, at)
		}
		sums[at].Count += n.links
		sums[at].Credit += n.credit
	}
	list := make([]metrics.Links, 0, len(order))
	for _, at := range order {
		list = append(list, *sums[at])
	}
	return list
}

func (r *Router) snapshotAddresses(s *metrics.Snapshot) {
	sums := r.countAddresses()
	r.control.mu.Lock()
	defer r.control.mu.Unlock()
	s.ConnectionsOpened = r.control.counts.opened
	s.AddressesKnown = len(r.table.byKey)
	byName := make(map[string]*counts)
	for _, a := range r.table.byKey {
		if len(a.locals) > 0 && a.announced {
			s.MobileLocal++
		}
		if len(a.remotes) > 0 && a.key[0] == 'M' {
			s.MobileRemote++
		}
		if t := sums[a]; t != nil && a.key[0] != 'R' {
			if sum := byName[a.text]; sum != nil { // a local and a mobile address of one name
				sum.in.add(&t.in)
				sum.out.add(&t.out)
				sum.transit.add(&t.transit)
			} else {
				byName[a.text] = t
			}
		}
	}
	for name, t := range byName {
		s.Addresses = append(s.Addresses, metrics.Address{Name: name, Deliveries: t.deliveries()})
	}
}

func (r *Router) snapshotMesh(s *metrics.Snapshot) {
	k := r.control
	if k.mesh == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	m := &s.Mesh
	m.Routers = len(k.mesh.Routers())
	at := make(map[string]int) // several links to one neighbor are one adjacency
	for _, l := range k.mesh.Links() {
		i, known := at[l.Router]
		switch {
		case l.Router == "":
		case !known:
			at[l.Router] = len(m.Neighbors)
			m.Neighbors = append(m.Neighbors, metrics.Neighbor{ID: l.Router, Cost: l.Cost, Up: l.Up})
		case l.Active:
			m.Neighbors[i] = metrics.Neighbor{ID: l.Router, Cost: l.Cost, Up: l.Up}
		}
	}
	n := k.mesh.Counters()
	m.PathComputations = n.PathComputations
	m.LastTopologyChange = k.mesh.LastTopologyChange()
	for o := mesh.OpcodeHello; o <= mesh.OpcodeMAU; o++ {
		m.ControlMessages = append(m.ControlMessages,
			metrics.ControlMessages{Opcode: o.String(), Direction: "in", Count: n.Received[o]},
			metrics.ControlMessages{Opcode: o.String(), Direction: "out", Count: n.Sent[o]})
	}
}
