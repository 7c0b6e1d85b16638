package mesh

import "time"

// twins is the search for routers with the same id. Every router of our kind says in its link state which instance of
// each neighbor it hears. When two routers hear different instances of a third one at the same time, and go on hearing
// them for longer than a restart takes to be noticed, there are two routers with one id. All routers can see that and
// where they are. The one that started later is refused by its neighbors, for the other one has been working.
type twins struct {
	wake     time.Time // when to look
	suspects map[twinPair]*suspicion
	reported bool // that this router has a twin
}

// twinPair is two instances with the same id.
type twinPair struct {
	id             string
	elder, younger int64
}

type suspicion struct {
	since    time.Time
	seen     time.Time
	reported bool

	reportedAt time.Time
}

// sighting is where an instance of a router is heard: at a router, by number, or on a link of this one.
type sighting struct {
	instance int64
	at       int
	link     *link
}

// twinsInterval is how often suspicions are looked at.
const twinsInterval = time.Second

// twinsAge is how long two instances must be heard at the same time. A link to the life of a router that has ended is
// noticed to be dead after HelloMaxAge, and a link state is everywhere soon.
func (n *Node) twinsAge() time.Duration { return n.config.HelloMaxAge + 2*time.Second }

// twinsGrace is how long after the report the younger one is refused, so that all routers see what this one has seen.
const twinsGrace = 3 * twinsInterval

// stillSeen reports whether an instance is still heard long after the suspicion arose: by this router, or by one whose
// link state has been confirmed since. If not, that one is asked.
func (n *Node) stillSeen(s sighting, since time.Time) bool {
	old := since.Add(n.twinsAge())
	if r := n.numbers[s.at]; r != nil {
		if r.ls.seq == r.advertised && r.confirmed.After(old) {
			return true
		}
		if n.now.After(old) {
			r.lsr.want(n.now, 0)
			n.wakeRouters(n.now)
		}
		return false
	}
	return n.now.After(old)
}

// suspect makes the Node look for twins before long.
func (n *Node) suspect() {
	if n.twins.wake.IsZero() {
		n.twins.wake = n.now.Add(twinsInterval)
	}
}

// checkTwins compares what all routers that can be reached hear of their neighbors.
func (n *Node) checkTwins() {
	n.twins.wake = time.Time{}
	seen := make(map[string]sighting)
	refused := make(map[*link]bool)
	look := func(id string, s sighting) {
		before, known := seen[id]
		switch {
		case !known:
			seen[id] = s
		case before.instance < s.instance:
			n.twinsSeen(id, before, s, refused)
		case before.instance > s.instance:
			n.twinsSeen(id, s, before, refused)
			seen[id] = s
		}
	}
	look(n.config.ID, sighting{instance: n.instance})
	for _, r := range n.numbers {
		if r == nil || !r.reached {
			continue
		}
		for i, p := range r.ls.peers {
			if instance, ok := r.ls.instance(i); ok {
				look(p.ID, sighting{instance: instance, at: r.number})
			}
		}
	}
	for _, l := range n.links {
		if l.hearing && l.peer != "" {
			look(l.peer, sighting{instance: l.instance, link: l})
		}
	}
	for pair, s := range n.twins.suspects {
		if s.seen != n.now {
			delete(n.twins.suspects, pair)
		}
	}
	if len(n.twins.suspects) > 0 {
		n.suspect()
	}
	for _, l := range n.links {
		if l.refused != refused[l] {
			n.refuse(l, refused[l])
		}
	}
}

// twinsSeen takes note of two instances that are heard at the same time.
func (n *Node) twinsSeen(id string, elder, younger sighting, refused map[*link]bool) {
	pair := twinPair{id, elder.instance, younger.instance}
	s := n.twins.suspects[pair]
	if s == nil {
		if len(n.twins.suspects) >= n.config.MaxRouters {
			return
		}
		if n.twins.suspects == nil {
			n.twins.suspects = make(map[twinPair]*suspicion)
		}
		s = &suspicion{since: n.now}
		n.twins.suspects[pair] = s
	}
	s.seen = n.now
	if !s.reported {
		if there := n.stillSeen(younger, s.since); !n.stillSeen(elder, s.since) || !there {
			return
		}
	}
	if s.reported {
		if younger.link != nil && n.now.Sub(s.reportedAt) >= twinsGrace {
			refused[younger.link] = true
		}
		return
	}
	s.reported, s.reportedAt = true, n.now
	e := Event{Kind: EventDuplicate, ID: id, Instance: elder.instance, Place: n.place(elder),
		RefusedInstance: younger.instance, RefusedPlace: n.place(younger)}
	n.counters.Duplicates++
	n.complain(LevelCritical, ModuleRouter, "twins "+id,
		"Two routers have the ID %s: the one connected to %s, instance %d, is kept; the one connected to %s, instance %d, is refused",
		id, e.Place, e.Instance, e.RefusedPlace, e.RefusedInstance)
	n.emit(e)
}

// place returns the id of the router that hears an instance.
func (n *Node) place(s sighting) string { return n.idOf(s.at) }

// refuse ends or allows the adjacency with the younger of two routers with the same id.
func (n *Node) refuse(l *link, refused bool) {
	l.refused = refused
	if refused {
		n.adjacent = n.adjacent || l.up
		l.up = false
		if r := n.routers[l.peer]; r != nil && r.instance == l.instance { // what is known may be of it; ask the other one
			r.hasInstance, r.ls, r.hasLS, r.advertised = false, linkState{}, false, 0
			r.lsr.answered()
			r.lsr.want(n.now, 0)
			n.flushAddresses(r)
			n.wakeRouters(n.now)
			n.topologyChanged()
		}
	}
	n.sendHello(l)
}

// selfTwin reports, once, that another router with this router's id was heard through the router place.
func (n *Node) selfTwin(instance int64, place string) {
	if n.twins.reported {
		return
	}
	n.twins.reported = true
	n.counters.Duplicates++
	if place == "" {
		n.log(LevelCritical, ModuleHello, "Detected Neighbor Router with a Duplicate ID - %s", n.config.ID)
	} else {
		n.log(LevelCritical, ModuleRouter, "Another router in the mesh has the ID %s of this one: heard through router %s",
			n.config.ID, place)
	}
	n.emit(Event{Kind: EventDuplicate, ID: n.config.ID, Instance: n.instance, RefusedInstance: instance, RefusedPlace: place})
}

// earlierLife is how long after the start of this router messages of its earlier life may still be under way.
const earlierLife = 10 * time.Second

// heardMyself looks at an RA that says it is of this router. If it is not, somebody else has the same id.
func (n *Node) heardMyself(e *envelope) {
	m, err := decodeMessage(OpcodeRA, e.body, limits{peers: n.config.MaxRouters})
	if err != nil || m.id != n.config.ID || m.instance == n.instance ||
		m.instance < n.instance && n.now.Sub(n.begun) <= earlierLife {
		return
	}
	n.selfTwin(m.instance, e.routers[len(e.routers)-1])
}
