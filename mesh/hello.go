package mesh

import (
	"bytes"
	"cmp"
	"slices"
	"time"
)

// link is a control link. It leads to one router, whose id is known from the start or from its first HELLO.
type link struct {
	id       LinkID
	given    int    // cost as the router has it …
	cost     int    // … and as it counts
	peer     string // id of the router at the other end; "" as long as it is not known
	extended bool   // that router is of our kind

	instance int64 // from the last HELLO
	hearing  bool  // there was a HELLO within the maximum age; mine list the peer
	up       bool  // and the last one listed me: the link works in both directions
	refused  bool  // an older router has the same id: mine do not list the peer
	liveness liveness
	gauge    gauge
	pricing  pricing

	nextHello time.Time
	said      helloContent // the last HELLO that was sent and measures nothing …
	saying    []byte       // … encoded
	got       []byte       // the last HELLO that arrived and measures nothing …
	gotten    message      // … decoded

	hellos bucket // HELLOs outside the interval
	floods bucket // messages to be flooded that came by this link
}

// helloContent is what may change in HELLOs on a link.
type helloContent struct {
	instance                int64
	seen, refused, extended bool
}

// The rate of HELLOs on a link that events cause, per second and at once.
const (
	helloRate  = 2
	helloBurst = 5
)

// advanceLinks drops the peers that were not heard for too long, and says hello where it is time to.
func (n *Node) advanceLinks() {
	if late := n.now.Sub(n.linkWake); late > 0 {
		n.stalled += late
		if late >= helloIntervalMin {
			n.resumed = n.now
		}
	}
	n.linkWake = time.Time{}
	for _, l := range n.links {
		if l.hearing {
			n.expire(l)
		}
		n.unmeasured(l)
		if !l.nextHello.After(n.now) {
			n.sendHello(l)
		}
		n.wakeLinks(l.nextHello)
	}
}

func (n *Node) sendHello(l *link) {
	interval := n.config.HelloInterval
	if l.extended {
		interval = n.config.FastHelloInterval
	}
	l.nextHello = n.now.Add(interval)
	n.wakeLinks(l.nextHello)
	content := helloContent{n.instance, l.hearing && !l.refused, l.refused, l.extended}
	asks, payload := n.probing(l), l.saying
	if payload == nil || content != l.said || asks != (probe{}) {
		m := &message{id: n.config.ID, version: ProtocolVersion, instance: n.instance, refused: l.refused, probe: asks}
		if content.seen {
			m.seen = []string{l.peer}
		}
		if l.extended {
			m.interval = interval.Milliseconds()
		}
		payload = encode(n.self.NodeName(), "amqp:/_local/"+pathHello, OpcodeHello, m)
		if asks == (probe{}) {
			l.said, l.saying = content, payload
		}
	}
	if n.config.LogLevel <= LevelTrace {
		var seen []string
		if content.seen {
			seen = []string{l.peer}
		}
		n.log(LevelTrace, ModuleHello, "SENT: HELLO(id=%s pv=%d area=0 inst=%d seen=%q)", n.config.ID, ProtocolVersion,
			n.instance, seen)
	}
	n.send(l, OpcodeHello, payload)
}

// sameHello takes a HELLO that is octet for octet the one before, as nearly all are, without decoding it.
func (n *Node) sameHello(l *link, payload []byte) bool {
	if !l.hearing || !bytes.Equal(payload, l.got) {
		return false
	}
	n.counters.Received[OpcodeHello]++
	n.handleHello(l, &l.gotten)
	return true
}

// handleHello takes a HELLO, which has travelled one link and no further.
func (n *Node) handleHello(l *link, m *message) {
	if n.config.LogLevel <= LevelTrace {
		n.log(LevelTrace, ModuleHello, "RCVD: HELLO(id=%s pv=%d area=0 inst=%d seen=%q)", m.id, m.version, m.instance, m.seen)
	}
	switch {
	case m.id == n.config.ID:
		n.counters.Dropped[DropSpoofed]++
		if m.instance != n.instance { // with the own instance it is a connection to itself
			n.selfTwin(m.instance, "")
		}
		return
	case l.peer != "" && l.peer != m.id:
		n.counters.Dropped[DropSpoofed]++
		n.complain(LevelError, ModuleHello, subject("peer", l),
			"HELLO on link %d is from %q, but the router there is %q: ignored", l.id, m.id, l.peer)
		return
	}
	news := !l.hearing
	n.heard(l, m)
	if l.instance != m.instance {
		l.refused = false
		n.adjacent = n.adjacent || l.up
	}
	l.peer, l.instance, l.hearing = m.id, m.instance, true
	n.probed(l, m.probe)
	if m.refused {
		n.selfTwin(0, l.peer)
		n.complain(LevelCritical, ModuleHello, subject("refused", l),
			"Router %s refuses this router: another one in the mesh, started earlier, has the same ID %s", m.id, n.config.ID)
	}
	if l.refused || n.shadowed(l) {
		return
	}
	listed := slices.Contains(m.seen, n.config.ID)
	if listed != l.up {
		n.adjacent, l.up = true, listed
	}
	if news && l.hellos.take(n.now, helloRate, helloBurst) {
		n.sendHello(l) // so that the peer need not wait until it is listed
	}
	if !listed {
		return
	}
	if r := n.learn(m.id, true); r != nil {
		r.version = m.version
		n.setInstance(r, m.instance, true)
	}
}

// shadowed handles two links on which routers of different instances claim the same id. The later instance is believed:
// as a rule it is the same router, restarted, and the other link has not been noticed to be dead. If both go on
// speaking, checkTwins decides. It returns true if the router on l is not believed.
func (n *Node) shadowed(l *link) bool {
	for _, o := range n.links {
		if o == l || o.peer != l.peer || !o.hearing || o.refused || o.instance == l.instance {
			continue
		}
		n.suspect()
		if l.instance < o.instance {
			n.complain(LevelNotice, ModuleHello, subject("twins", l),
				"Two routers say that they are %s, on links %d and %d: has it restarted? The one on link %d started earlier and is ignored",
				l.peer, o.id, l.id, l.id)
			n.adjacent = n.adjacent || l.up
			l.up = false
			return true
		}
		n.adjacent = n.adjacent || o.up
		o.up = false
	}
	return false
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
	extra := 0
	if n.overload {
		extra = OverloadCost
	}
	own := linkState{seq: n.own.seq, overload: n.overload && !n.config.Plain}
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
	}
	n.announced = slices.SortedFunc(slices.Values(n.neighbors), func(a, b *router) int { return cmp.Compare(a.id, b.id) })
	for _, r := range n.announced {
		own.peers = append(own.peers, PeerCost{r.id, stress(r.link.cost, extra)})
		if !n.config.Plain {
			own.instances = append(own.instances, r.link.instance)
		}
	}
	if !own.equal(&n.own) {
		n.nextSequence()
		own.seq = n.own.seq
		changed = changed || own.overload != n.own.overload || !slices.Equal(own.peers, n.own.peers)
		n.own, n.raised = own, extra
		n.ra.request(n.now)
		n.suspect()
		if n.config.LogLevel <= LevelTrace {
			n.log(LevelTrace, ModuleLS, "Local Link State: LS(id=%s area=0 ls_seq=%d peers=%v)", n.config.ID, own.seq, own.peers)
		}
	}
	if changed {
		n.topologyChanged()
	} else {
		n.publish(&Routes{mixed: n.routes.mixed, to: n.routes.to, links: n.linkTable()})
	}
	if lost && !n.paths.hurry(n.now) {
		n.switchOver()
	}
}
