package mesh

import (
	"cmp"
	"slices"
	"time"
)

// link is a control link. It leads to one router, whose id is known from the start or from its first HELLO.
type link struct {
	id   LinkID
	cost int
	peer string // id of the router at the other end; "" as long as it is not known

	instance  int64 // from the last HELLO
	hearing   bool  // there was a HELLO within the maximum age; mine list the peer
	up        bool  // and the last one listed me: the link works in both directions
	heard     time.Time
	nextHello time.Time
	hellos    bucket // HELLOs outside the interval
	floods    bucket // messages to be flooded that came by this link
}

// The rate of HELLOs on a link that events cause, per second and at once.
const (
	helloRate  = 2
	helloBurst = 5
)

// advanceLinks drops the peers that were not heard for too long, and says hello where it is time to.
func (n *Node) advanceLinks() {
	n.linkWake = time.Time{}
	for _, l := range n.links {
		if l.hearing && n.now.Sub(l.heard) > n.config.HelloMaxAge {
			n.log(LevelTrace, ModuleHello, "HELLO peer expired: %s", l.peer)
			n.adjacent = n.adjacent || l.up
			l.hearing, l.up = false, false
		}
		if !l.nextHello.After(n.now) {
			n.sendHello(l)
		}
		n.wakeLinks(l.nextHello)
		if l.hearing {
			n.wakeLinks(l.heard.Add(n.config.HelloMaxAge + 1))
		}
	}
}

func (n *Node) sendHello(l *link) {
	m := &message{id: n.config.ID, version: ProtocolVersion, instance: n.config.Instance}
	if l.hearing {
		m.seen = []string{l.peer}
	}
	l.nextHello = n.now.Add(n.config.HelloInterval)
	n.wakeLinks(l.nextHello)
	if n.config.LogLevel <= LevelTrace {
		n.log(LevelTrace, ModuleHello, "SENT: HELLO(id=%s pv=%d area=0 inst=%d seen=%q)", m.id, m.version, m.instance, m.seen)
	}
	n.send(l, OpcodeHello, encode(n.self.NodeName(), "amqp:/_local/"+pathHello, OpcodeHello, m))
}

// handleHello takes a HELLO, which has travelled one link and no further.
func (n *Node) handleHello(l *link, m *message) {
	if n.config.LogLevel <= LevelTrace {
		n.log(LevelTrace, ModuleHello, "RCVD: HELLO(id=%s pv=%d area=0 inst=%d seen=%q)", m.id, m.version, m.instance, m.seen)
	}
	switch {
	case m.id == n.config.ID:
		n.counters.Dropped[DropSpoofed]++
		if !n.duplicate && m.instance != n.config.Instance { // with the own instance it is a connection to itself
			n.duplicate = true
			n.log(LevelCritical, ModuleHello, "Detected Neighbor Router with a Duplicate ID - %s", m.id)
		}
		return
	case l.peer != "" && l.peer != m.id:
		n.counters.Dropped[DropSpoofed]++
		n.complain(LevelError, ModuleHello, subject("peer", l),
			"HELLO on link %d is from %q, but the router there is %q: ignored", l.id, m.id, l.peer)
		return
	case !n.resolveTwins(l, m):
		return
	}
	l.peer, l.instance, l.heard = m.id, m.instance, n.now
	news := !l.hearing
	l.hearing = true
	listed := slices.Contains(m.seen, n.config.ID)
	if listed != l.up {
		n.adjacent, l.up = true, listed
	}
	if news && l.hellos.take(n.now, helloRate, helloBurst) {
		n.sendHello(l) // so that the peer need not wait until it is listed
	}
	n.wakeLinks(l.heard.Add(n.config.HelloMaxAge + 1))
	if !listed {
		return
	}
	if r := n.learn(m.id, true); r != nil {
		r.version = m.version
		n.setInstance(r, m.instance, true)
	}
}

// resolveTwins handles two links on which routers of different instances claim the same id. The later instance is
// believed: as a rule it is the same router, restarted, and the other link has not been noticed to be dead. It returns
// false if the HELLO is of the earlier one.
func (n *Node) resolveTwins(l *link, m *message) bool {
	for _, o := range n.links {
		if o == l || o.peer != m.id || !o.hearing || o.instance == m.instance {
			continue
		}
		if m.instance < o.instance {
			n.complain(LevelCritical, ModuleHello, subject("twins", l),
				"Detected Neighbor Routers with a Duplicate ID - %s: on links %d and %d; the one on link %d is ignored", m.id, o.id,
				l.id, l.id)
			return false
		}
		n.adjacent = n.adjacent || o.up
		o.hearing, o.up = false, false
	}
	return true
}

// updateAdjacencies finds out which routers are neighbors, and by which link: the cheapest that is up, or of several
// the one with the lowest number. A change of own link state leads to an RA, any change to new paths.
func (n *Node) updateAdjacencies() {
	n.adjacent = false
	best := make(map[string]*link)
	for _, l := range n.links {
		if b := best[l.peer]; l.up && (b == nil || l.cost < b.cost) {
			best[l.peer] = l
		}
	}
	changed, lost := false, false
	for _, r := range n.numbers {
		if r == nil || r.link == nil || r.link == best[r.id] {
			continue
		}
		if best[r.id] == nil {
			n.log(LevelInfo, ModuleLS, "Link to Neighbor Router Lost - link_tag=%d", r.link.id)
		}
		r.link, changed, lost = nil, true, true
	}
	own := linkState{seq: n.own.seq}
	n.neighbors = n.neighbors[:0]
	for _, l := range n.links {
		if best[l.peer] != l {
			continue
		}
		r := n.learn(l.peer, true)
		if r == nil {
			continue // no room; learn has complained
		}
		if r.link == nil {
			r.link, changed = l, true
			r.lsr.want(n.now, 0)
			n.wakeRouters(n.now)
		}
		n.neighbors = append(n.neighbors, r)
		own.peers = append(own.peers, PeerCost{r.id, l.cost})
	}
	slices.SortFunc(own.peers, func(a, b PeerCost) int { return cmp.Compare(a.ID, b.ID) })
	if !slices.Equal(own.peers, n.own.peers) {
		own.seq++
		n.own, changed = own, true
		n.ra.request(n.now)
		if n.config.LogLevel <= LevelTrace {
			n.log(LevelTrace, ModuleLS, "Local Link State: LS(id=%s area=0 ls_seq=%d peers=%v)", n.config.ID, own.seq, own.peers)
		}
	}
	if changed {
		n.topologyChanged()
	}
	if lost {
		n.paths.hurry(n.now)
	}
}
