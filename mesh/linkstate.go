package mesh

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/mesh/spf"
)

// router is what is known of another router.
type router struct {
	id        string
	number    int
	version   int64
	firstHand bool // it has spoken for itself; otherwise others have named it as their neighbor

	hasInstance bool
	instance    int64
	heard       time.Time // its last RA or LSU

	ls         linkState
	hasLS      bool
	advertised int64     // sequence number of its link state as its RA has it, never below ls.seq
	confirmed  time.Time // when it was heard last that the number is at least as high
	lsr        request
	check      time.Time // when to look whether the router is still of interest
	orphaned   int       // how often in a row it was not

	addresses remoteAddresses
	mar       request

	link     *link // control link if it is a neighbor
	path     Path
	reached  bool // path counts
	origins  spf.Set
	upstream string

	flooded   memory // what was flooded for it
	answers   bucket // answers to its LSRs and MARs
	withholds bucket // its requests to withhold credit
}

// The age of a router that nothing but a name is known of, and how often it may be looked at in vain before it is
// forgotten.
const (
	checkInterval = time.Second
	checkMax      = 3
)

// nextCheck returns when to look at a router again. In a large mesh all are looked at in the same moment.
func (n *Node) nextCheck() time.Time {
	at := n.now.Add(checkInterval)
	if len(n.routers) <= crowd {
		return at
	}
	return n.begun.Add(at.Sub(n.begun).Truncate(checkInterval) + checkInterval)
}

// The rate of answers to one router, per second and at once.
const (
	answerRate  = 4
	answerBurst = 8
)

// learn returns the router with this id, and makes it known if it is not yet. firstHand says that the router has spoken
// for itself; such a one may take the place of one that is known by name only. It returns nil for the own id and when
// there is no room.
func (n *Node) learn(id string, firstHand bool) *router {
	if r := n.routers[id]; r != nil {
		if firstHand && !r.firstHand {
			r.firstHand = true
			n.hearsay--
		}
		return r
	}
	if id == n.config.ID {
		return nil
	}
	full := len(n.routers) >= n.config.MaxRouters && !(firstHand && n.evict())
	if full || !firstHand && n.hearsay >= n.config.MaxRouters/4 {
		n.counters.Dropped[DropNoRoom]++
		n.complain(LevelCritical, ModuleRouter, "room", "Exceeded Maximum Router Count: %d routers are known, no room for %q",
			len(n.routers), id)
		return nil
	}
	number := slices.Index(n.numbers[1:], nil) + 1
	if number == 0 {
		number = len(n.numbers)
		n.numbers = append(n.numbers, nil)
	}
	r := &router{id: id, number: number, firstHand: firstHand, check: n.nextCheck()}
	n.numbers[number], n.routers[id] = r, r
	r.lsr.want(n.now, 0)
	if !firstHand {
		n.hearsay++
	}
	n.wakeRouters(r.check)
	n.log(LevelTrace, ModuleRouter, "Node %s created: maskbit=%d", id, number)
	n.emit(Event{Kind: EventRouterUp, Router: number, ID: id})
	n.paths.request(n.now) // others may have named it while there was no room for it
	return r
}

// evict forgets a router that is known by name only.
func (n *Node) evict() bool {
	for _, r := range slices.Backward(n.numbers) {
		if r != nil && !r.firstHand && r.link == nil {
			n.forget(r)
			return true
		}
	}
	return false
}

func (n *Node) forget(r *router) {
	n.pathDown(r)
	n.withdrawRoute(r.number)
	n.numbers[r.number] = nil
	delete(n.routers, r.id)
	if !r.firstHand {
		n.hearsay--
	}
	n.search = nil
	n.log(LevelTrace, ModuleRouter, "Node %s deleted", r.id)
	n.emit(Event{Kind: EventRouterDown, Router: r.number, ID: r.id})
	n.paths.request(n.now)
}

// setInstance takes note of which life of a router speaks. With a new life everything known of the earlier one is
// forgotten. It returns false if the message is to be ignored because it is of an earlier life: a copy that was under
// way for long, or a forgery. What a neighbor says of itself in its HELLO (direct) is always believed, and nothing
// else.
func (n *Node) setInstance(r *router, instance int64, direct bool) bool {
	if !r.hasInstance {
		r.hasInstance, r.instance = true, instance
		n.askAddresses(r) // they were not taken as long as it was not known whose they are
		return true
	}
	if r.instance == instance {
		return true
	}
	if !direct && (r.link != nil || instance < r.instance && n.now.Sub(r.heard) <= n.config.RAIntervalFlux) {
		n.counters.Dropped[DropStale]++
		return false
	}
	n.complain(LevelInfo, ModuleRouter, "restart", "Detected Restart of Router Node %s", r.id)
	r.instance = instance
	r.ls, r.hasLS, r.advertised, r.flooded = linkState{}, false, 0, memory{}
	r.lsr.answered()
	r.lsr.want(n.now, 0)
	n.flushAddresses(r)
	n.wakeRouters(n.now)
	n.topologyChanged()
	return true
}

// handleRA takes an advertisement, which has come straight from its router or by way of others. It returns the router
// that sent it if the message is to be forwarded.
func (n *Node) handleRA(m *message, straight bool) *router {
	r := n.learn(m.id, true)
	if r == nil || !n.setInstance(r, m.instance, false) {
		return nil
	}
	if n.config.LogLevel <= LevelTrace {
		n.log(LevelTrace, ModuleLS, "RCVD: RA(id=%s pv=%d area=0 inst=%d ls_seq=%d mobile_seq=%d)", m.id, m.version,
			m.instance, m.lsSeq, m.mobileSeq)
	}
	r.version, r.heard = m.version, n.now
	n.linkStateAdvertised(r, m.lsSeq)
	if m.ls != nil && m.ls.seq == m.lsSeq {
		n.storeLinkState(r, m.ls)
	}
	r.lsr.soon(n.now)
	if !r.hasLS || r.advertised > r.ls.seq {
		r.lsr.want(n.now, 0)
		n.wakeRouters(n.now)
	}
	if m.leaving && r.hasLS && r.ls.seq == m.lsSeq && (straight || r.link == nil) {
		n.purge(r)
		return r
	}
	n.addressesAdvertised(r, m.mobileSeq)
	n.wakeRouters(r.heard.Add(n.config.LSMaxAge + 1))
	return r
}

// purge forgets what is known of a router that has taken its leave. Its last link state, without neighbors, is kept, so
// that an earlier one that was under way for longer is not taken for news; it is forgotten itself when nobody names it.
func (n *Node) purge(r *router) {
	n.log(LevelInfo, ModuleRouter, "Router %s leaves", r.id)
	n.flushAddresses(r)
	for _, l := range n.links {
		if l.peer == r.id { // all connections to it
			n.adjacent = n.adjacent || l.up
			l.up, l.hearing = false, false
		}
	}
}

// linkStateAdvertised takes the number of a router's link state from its RA. A lower number than before is that of an
// RA that was under way for long. But if no other was heard for a while, what is known cannot be true: it was forged, or
// the router has restarted within the second. It is then forgotten.
func (n *Node) linkStateAdvertised(r *router, seq int64) {
	switch {
	case seq >= r.advertised:
		r.advertised, r.confirmed = seq, n.now
	case n.now.Sub(r.confirmed) > n.config.RAIntervalFlux:
		n.complain(LevelWarning, ModuleLS, "back", "Link state of router %s goes back from %d to %d", r.id, r.advertised, seq)
		r.ls, r.hasLS, r.advertised, r.confirmed = linkState{}, false, seq, n.now
		n.topologyChanged()
	}
}

// handleLSU takes the link state of another router, for which it has been asked.
func (n *Node) handleLSU(m *message) {
	if n.config.LogLevel <= LevelTrace {
		n.log(LevelTrace, ModuleLS, "RCVD: LSU(id=%s pv=%d area=0 inst=%d ls_seq=%d peers=%v)", m.id, m.version, m.instance,
			m.lsSeq, m.ls.peers)
	}
	r := n.learn(m.id, true)
	if r == nil || !n.setInstance(r, m.instance, false) {
		return
	}
	r.version = m.version
	if r.heard.IsZero() {
		r.heard = n.now
	}
	n.storeLinkState(r, m.ls)
	n.wakeRouters(r.heard.Add(n.config.LSMaxAge + 1))
}

// storeLinkState puts a link state into the database if it is newer than what is there. Routers that it names become
// known, so that they can be asked for theirs.
func (n *Node) storeLinkState(r *router, ls *linkState) {
	if ls.seq >= r.advertised {
		r.lsr.answered()
	}
	if r.hasLS && ls.seq <= r.ls.seq {
		if ls.seq == r.advertised {
			r.confirmed = n.now
		}
		return
	}
	changed := ls.overload != r.ls.overload || !slices.Equal(ls.peers, r.ls.peers)
	if !slices.Equal(ls.instances, r.ls.instances) {
		n.suspect()
	}
	r.ls, r.hasLS, r.heard = *ls, true, n.now
	if ls.seq >= r.advertised {
		r.advertised, r.confirmed = ls.seq, n.now
	}
	if !changed {
		return
	}
	for _, p := range ls.peers {
		n.learn(p.ID, false)
	}
	n.topologyChanged()
}

// handleLSR answers with the own link state.
func (n *Node) handleLSR(m *message) {
	if n.config.LogLevel <= LevelTrace {
		n.log(LevelTrace, ModuleLS, "RCVD: LSR(id=%s pv=%d area=0)", m.id, m.version)
	}
	r := n.learn(m.id, true)
	if r == nil || !r.answers.take(n.now, answerRate, answerBurst) {
		return
	}
	own := n.own
	n.sendTo(r, pathRouter, OpcodeLSU, &message{id: n.config.ID, instance: n.instance, lsSeq: own.seq, ls: &own})
}

// topologyChanged asks for new paths and puts the mesh into flux, in which RAs come more often.
func (n *Node) topologyChanged() {
	if !n.inFlux() {
		n.fluxAt = n.now
	}
	n.topologyAt = n.now
	n.paths.long = backoffLongDelay + time.Duration(len(n.routers))*time.Millisecond
	n.mobile.pacer.max = mauMax * time.Duration(1+len(n.routers)/crowd)
	n.paths.request(n.now)
}

// advanceRouters asks what is to be asked, and forgets what is too old.
func (n *Node) advanceRouters() {
	n.routerWake = time.Time{}
	var named map[string]bool // routers that others name as neighbors; made when it is needed
	for _, r := range n.numbers {
		if r == nil {
			continue
		}
		if r.hasLS && n.now.Sub(r.heard) > n.config.LSMaxAge {
			n.log(LevelDebug, ModuleLS, "Link state of router %s is too old", r.id)
			r.ls, r.hasLS, r.advertised = linkState{}, false, 0
			r.lsr.want(n.now, 0)
			n.topologyChanged()
		}
		if due(r.check, n.now) {
			if named == nil && len(r.ls.peers) == 0 && r.link == nil {
				named = n.namedNeighbors()
			}
			if n.orphan(r, named) {
				n.forget(r)
				continue
			}
		}
		n.ask(r)
		n.wakeRouters(r.check)
		if r.hasLS {
			n.wakeRouters(r.heard.Add(n.config.LSMaxAge + 1))
		}
	}
}

// namedNeighbors returns the ids of all routers that occur in a link state.
func (n *Node) namedNeighbors() map[string]bool {
	named := make(map[string]bool)
	for _, r := range n.numbers {
		if r != nil {
			for _, p := range r.ls.peers {
				named[p.ID] = named[p.ID] || p.ID != r.id
			}
		}
	}
	return named
}

// orphan reports whether the router has no link state, is no neighbor and nobody's neighbor, for the third time.
func (n *Node) orphan(r *router, named map[string]bool) bool {
	r.check = n.nextCheck()
	if len(r.ls.peers) > 0 || r.link != nil || named[r.id] {
		r.orphaned = 0
		return false
	}
	r.orphaned++
	return r.orphaned >= checkMax
}

// ask puts the questions to the router that are due, if there is a way to it.
func (n *Node) ask(r *router) {
	if n.way(r) == nil {
		return // asked when there is one
	}
	if r.lsr.put(n.now) {
		n.sendTo(r, pathRouter, OpcodeLSR, &message{id: n.config.ID})
	}
	if r.mar.put(n.now) {
		n.log(LevelDebug, ModuleMA, "Send MAR request to router %s, have_seq=%d", r.id, r.addresses.seq)
		n.sendTo(r, pathMobile, OpcodeMAR, &message{id: n.config.ID, haveSeq: r.addresses.seq})
	}
	for _, q := range []*request{&r.lsr, &r.mar} {
		if q.wanted {
			n.wakeRouters(q.next)
		}
	}
}

// sentRA is what the last RA said.
type sentRA struct{ lsSeq, mobileSeq int64 }

// inFlux reports whether the topology has changed lately.
func (n *Node) inFlux() bool {
	return !n.topologyAt.IsZero() && n.now.Sub(n.topologyAt) <= 2*n.config.RAIntervalFlux
}

// raDue returns when the next RA is due without any other reason. In flux RAs come more often, so that what has been
// missed is noticed; not so much more often in a large mesh, where all of them together would be too many.
func (n *Node) raDue() time.Time {
	stable := n.raLastTime.Add(n.config.RAInterval)
	if !n.inFlux() {
		return stable
	}
	begin := n.raLastTime
	if n.fluxAt.After(begin) {
		begin = n.fluxAt
	}
	return earlier(stable, begin.Add(n.config.RAIntervalFlux*time.Duration(1+len(n.routers)/crowd)))
}

// advanceRA sends an RA if there is a reason.
func (n *Node) advanceRA() {
	current := sentRA{n.own.seq, n.mobile.seq}
	news := current != n.raLast
	if n.raReach.pending && !news {
		if again := n.raLastTime.Add(raAgain); n.raReach.due.Before(again) {
			n.raReach.due = again
		}
	}
	changed := n.ra.take(n.now)
	reached := n.raReach.take(n.now)
	periodic := due(n.raDue(), n.now)
	if !changed && !reached && !periodic && !due(n.raAt, n.now) {
		return
	}
	m := &message{id: n.config.ID, instance: n.instance, lsSeq: current.lsSeq, mobileSeq: current.mobileSeq}
	if (changed || reached || current.lsSeq != n.raLast.lsSeq) && !n.config.Plain {
		own := n.own
		m.ls = &own
	}
	n.raLast, n.raLastTime, n.raAt = current, n.now, time.Time{}
	n.ra.pending = false
	if n.raReach.pending { // whatever the reason was, they hear this one
		n.raReach.done(n.now)
	}
	n.sendAll(n.neighborLinks(nil), "amqp:/"+allRouters+pathRouter, OpcodeRA, m)
}

// allRouters is the topological address of all routers, to be followed by a path.
const allRouters = "_topo/" + addressing.Area + "/all/"

// sortedKeys returns the keys of m in ascending order.
func sortedKeys[V any](m map[string]V) []string {
	return slices.SortedFunc(maps.Keys(m), cmp.Compare[string])
}
