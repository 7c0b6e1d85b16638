package router

import (
	"fmt"
	"sync"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/mesh"
	"github.com/postroad/postroad/router/route"
)

// eventKind says what the control loop is told.
type eventKind uint8

const (
	eventOpened    eventKind = iota // a connection is open
	eventConnGone                   // a connection ended
	eventAttach                     // a client attached a link
	eventLinkGone                   // a link ended
	eventControlUp                  // the outgoing control link to a neighbor is up
	eventMessage                    // a control message arrived from a neighbor
	// from whoever drains or stops the router
	eventOverload // others are to take other ways than through this router
	eventWithdraw // the consumers here are taken out of the mesh
	eventRetry    // what waits for a consumer is tried once more
	eventLeave    // the router goes
)

// event is what endpoints, and whoever ends the router, tell the control loop.
type event struct {
	kind    eventKind
	conn    *Endpoint
	link    *link
	attach  *wire.Attach
	payload []byte
	done    chan<- struct{} // closed when it was handled, unless nil
}

// entry is what the control loop knows of an address, beside what the data plane reads.
type entry struct {
	*route.Address
	distribution addressing.Distribution
	configured   bool    // the configuration names its distribution
	locals       []*link // in no order; link.local is where each stands
	clients      int     // of locals: those that do not belong to the router itself
	senders      map[*link]struct{}
	exchange     *topicExchange // that has this address, or nil
	pins         int            // next hops of exchanges that have this address
	remotes      []*route.Remote
	announced    bool
	lost         time.Time // as in routes
	dirty        bool      // on control.dirty
}

// control is the only writer of the tables: addresses, routers, next hops. It does no input or output, starts no goroutine
// and reads no clock.
//
// Input: take and advance, each with the time. Output: what it publishes in the tables of the plane, notes in the inboxes
// of endpoints, and lines for the journal; wakes says whose inboxes have notes. Deadline says when advance is to be
// called. The caller holds mu.
type control struct {
	plane   *Plane
	journal logbook
	voice   *Endpoint // the router's own endpoint, from which control messages come

	mu        sync.Mutex // held while events are handled; others take it to look
	wakes     wakes
	neighbors map[mesh.LinkID]*Endpoint // connections between routers whose control link is up
	addresses map[string]*entry         // by key
	peers     map[int]*route.Router     // by the mesh's number
	dirty     []*entry                  // changed, and not published yet
	exchanges []*topicExchange
	panicked  bool       // in this turn
	mesh      *mesh.Node // nil on a standalone router
	totals    controlCounts
	lost      []*entry  // whose last consumer went within the hold time
	answers   []note    // to attaches, to be posted when the routes are published
	redundant bool      // some addresses are
	now       time.Time // when the turn began
	withdrawn bool      // the router ends: no consumers here for other routers
}

// logbook takes the lines that control writes for people.
type logbook interface {
	// line writes a line of a module, whose names and levels are those of the mesh.
	line(module mesh.Module, level mesh.Level, text string)
	// server writes a line about a connection.
	server(text string)
	panicked(where string, v any)
}

// controlCounts are totals for metrics, guarded by control.mu.
type controlCounts struct {
	opened, closed, attaches, refused uint64
}

// take handles events, not too many at a time: others wait for the mutex, and the mesh for its time to pass.
func (k *control) take(now time.Time, events []event) {
	k.advance(now)
	for i := range events {
		k.guarded(now, &events[i])
	}
	k.publishChanges()
}

// advance lets time pass.
func (k *control) advance(now time.Time) {
	k.now = now
	if k.mesh != nil {
		k.try(func() {
			k.mesh.Advance(now)
			k.drainMesh(now)
		})
	}
	k.try(func() { k.forgetLost(now) })
}

// deadline is when advance is to be called next, or the zero time.
func (k *control) deadline() (at time.Time) {
	if k.mesh != nil {
		at = k.mesh.Deadline()
	}
	for _, a := range k.lost {
		if end := a.lost.Add(k.plane.hold); at.IsZero() || end.Before(at) {
			at = end
		}
	}
	return at
}

// try does something that may panic, and tells whether it did not.
func (k *control) try(what func()) (ok bool) {
	defer func() {
		if v := recover(); v != nil {
			k.panicked = true
			k.journal.panicked("control loop", v)
		}
	}()
	what()
	return true
}

// guarded handles an event. An attach that the loop panics with is refused.
func (k *control) guarded(now time.Time, e *event) {
	ok := k.try(func() {
		k.plane.here(atEvent, e.conn)
		k.handle(now, e)
	})
	if !ok && e.kind == eventAttach {
		answer := &attachAnswer{attach: &wire.Attach{SndSettleMode: e.attach.SndSettleMode}, err: internalError()}
		k.wakes.post(e.conn, note{kind: noteAttached, link: e.link, answer: answer})
	}
}

func (k *control) handle(now time.Time, e *event) {
	if e.done != nil {
		defer close(e.done)
	}
	if e.kind != eventAttach { // that is answered when the connection has taken the answer
		defer e.conn.unanswered.add(-e.weight())
	}
	switch e.kind {
	case eventOpened:
		k.totals.opened++
		k.journal.server(fmt.Sprintf("[C%d] Connection opened: container=%s host=%s role=%v", e.conn.number, e.conn.near.ID,
			e.conn.remote, e.conn.terms.role))
	case eventConnGone:
		k.connGone(now, e.conn)
	case eventAttach:
		k.attach(e)
	case eventLinkGone:
		k.linkGone(now, e.link)
	case eventControlUp:
		k.controlUp(now, e.link)
	case eventOverload:
		k.overloaded(now)
	case eventWithdraw:
		k.withdrawAll()
	case eventRetry:
		k.plane.holders.wakeAll(&k.wakes)
	case eventLeave:
		k.leave(now)
	case eventMessage:
		if k.mesh != nil && k.neighbors[mesh.LinkID(e.conn.number)] == e.conn {
			k.mesh.Input(now, mesh.LinkID(e.conn.number), e.payload)
			k.drainMesh(now)
		}
	}
}

// attach answers a client's attach and puts a new consumer into the table.
func (k *control) attach(e *event) {
	l := e.link
	answer := k.answerAttach(l, e.attach)
	k.totals.attaches++
	if answer.err != nil {
		k.totals.refused++
	}
	k.answers = append(k.answers, note{kind: noteAttached, link: l, answer: answer})
	if answer.err != nil {
		return
	}
	l.at = answer.address
	if l.outgoing {
		k.addLocal(k.addresses[l.at.Key], l)
	}
}

// addLocal puts a consumer into the table.
func (k *control) addLocal(a *entry, l *link) {
	l.at, l.local = a.Address, len(a.locals)
	a.locals = append(a.locals, l)
	if !l.node {
		a.clients++
	}
	k.changed(a)
}

// removeLocal takes a consumer out of the table. Its link is dead already, so that no message is given to it until the
// routes without it are published.
func (k *control) removeLocal(a *entry, l *link) {
	last := len(a.locals) - 1
	moved := a.locals[last]
	a.locals[l.local], moved.local = moved, l.local
	a.locals[last] = nil
	a.locals = a.locals[:last]
	if !l.node {
		a.clients--
	}
	k.changed(a)
}

// linkGone takes a link of a client out of the tables.
func (k *control) linkGone(now time.Time, l *link) {
	if l.kind != linkEndpoint {
		if l == l.conn.neighbor {
			k.neighborDown(now, l.conn)
		}
		return
	}
	if l.at == nil {
		return
	}
	at := k.addresses[l.at.Key]
	l.at = nil
	if l.outgoing {
		k.removeLocal(at, l)
		return
	}
	delete(at.senders, l)
	at.Crowd.Store(int32(len(at.senders)))
	k.dropUnused(at)
}

func (k *control) connGone(now time.Time, c *Endpoint) {
	k.neighborDown(now, c)
	if c.peer.open != nil {
		k.totals.closed++
		k.journal.server(fmt.Sprintf("[C%d] Connection closed: container=%s host=%s %s", c.number, c.near.ID, c.remote,
			c.ending.reason))
	}
}

// controlUp begins to speak to a neighbor over its control link, which may be the next one after another was detached.
func (k *control) controlUp(now time.Time, l *link) {
	c := l.conn
	if k.mesh == nil || c.near.Gone.Load() || l.Dead.Load() {
		return
	}
	k.neighborDown(now, c)
	id := mesh.LinkID(c.number)
	k.neighbors[id], c.neighbor = c, l
	k.mesh.LinkUp(now, id, c.cost(), c.near.ID, c.peer.extended)
	if c.terms.measured || remoteSays(c.peer.open, measuredProperty) {
		k.mesh.MeasureCost(now, id)
	}
	k.drainMesh(now)
}

func (k *control) neighborDown(now time.Time, c *Endpoint) {
	id := mesh.LinkID(c.number)
	if k.neighbors[id] != c {
		return
	}
	delete(k.neighbors, id)
	c.neighbor = nil
	k.mesh.LinkDown(now, id)
	k.drainMesh(now)
}

// address returns the address of a key, making it when there is none.
func (k *control) address(key string) *entry {
	if a := k.addresses[key]; a != nil {
		return a
	}
	parsed, _ := addressing.ParseKey(key)
	a := k.newAddress(parsed)
	var b *entry
	if s, _ := k.plane.treatments.Of(parsed); s.Fallback &&
		(parsed.Phase == addressing.PhaseZero || parsed.Phase == addressing.PhaseFallback) {
		b = k.pair(a, parsed)
	}
	k.addresses[key] = a
	var with *route.Address
	if b != nil {
		k.addresses[b.Key], with = b, b.Address
	}
	k.plane.table.Add(a.Address, with)
	return a
}

// newAddress makes an address as the configuration wants it, and does not put it into the table.
func (k *control) newAddress(parsed addressing.Address) *entry {
	t, configured := k.plane.treatments.Of(parsed)
	a := &entry{senders: make(map[*link]struct{}), distribution: t.Distribution, configured: configured,
		Address: &route.Address{Key: parsed.Key(), Text: parsed.Text, Class: parsed.Class, Priority: t.Priority,
			Presettled: t.Presettled, Redundant: t.Redundant}}
	if parsed.Class == addressing.ClassMobile {
		a.Phase = parsed.Phase.Number()
	}
	if parsed.Phase == addressing.PhaseFallback && a.distribution != addressing.DistributionUnavailable {
		a.distribution = addressing.DistributionBalanced // one gets it, whatever the others would have
	}
	return a
}

// dropUnused takes an address without links and routers out of the table, unless it is looked at later anyway. One with
// a fallback, and that fallback, are dropped together.
func (k *control) dropUnused(a *entry) {
	b := k.other(a)
	if a.isUsed() || b != nil && b.isUsed() {
		return
	}
	var with *route.Address
	if b != nil {
		with = b.Address
		delete(k.addresses, b.Key)
	}
	delete(k.addresses, a.Key)
	k.plane.table.Remove(a.Address, with)
}

// other is the other half of an address with a fallback, or nil.
func (k *control) other(a *entry) *entry {
	if b := a.Other(); b != nil {
		return k.addresses[b.Key]
	}
	return nil
}

// isUsed tells whether an address has to stay in the table.
func (a *entry) isUsed() bool {
	return a.dirty || !a.lost.IsZero() || len(a.locals) > 0 || len(a.senders) > 0 || len(a.remotes) > 0 ||
		a.exchange != nil || a.pins > 0
}

// changed remembers to publish an address, or to drop it when nobody uses it. That is done once for a portion of
// events: the routes of an address are as long as it has consumers, and are copied each time.
func (k *control) changed(a *entry) {
	if !a.dirty {
		a.dirty = true
		k.dirty = append(k.dirty, a)
	}
}

// publishChanges publishes the addresses that have changed, and then answers the attaches of the same portion.
func (k *control) publishChanges() {
	for i := 0; i < len(k.dirty); i++ { // announcing one may change others
		a := k.dirty[i]
		k.dirty[i] = nil
		a.dirty = false
		k.try(func() {
			k.publish(a)
			k.dropUnused(a)
		})
	}
	k.dirty = k.dirty[:0]
	for i := range k.answers { // who has the answer finds the routes
		n := &k.answers[i]
		if a := n.answer.address; a != nil && !n.link.outgoing {
			n.answer.reachable = a.ReachableFrom(n.link.fallback)
		}
		k.wakes.post(n.link.conn, *n)
	}
	clear(k.answers)
	k.answers = k.answers[:0]
}

// publish gives the data plane the routes of an address as they are now, announces the address to the mesh, and tells
// its senders whether there is anybody to send to.
func (k *control) publish(a *entry) {
	served, reachable := a.IsServed(), a.Reachable()
	var f *entry // which it is the fallback of
	var reachableFor bool
	if a.FallbackFor != nil {
		f = k.addresses[a.FallbackFor.Key]
		reachableFor = f.Reachable()
	}
	r := &route.Routes{Distribution: a.distribution, Local: make([]*route.Consumer, len(a.locals))}
	for i, l := range a.locals {
		r.Local[i] = l.face()
	}
	for _, m := range a.remotes {
		if m.Router.Hop.Load() != nil {
			r.Remote = append(r.Remote, m)
		}
	}
	switch before := a.Routes.Load(); {
	case len(r.Local)+len(r.Remote) > 0 || before == nil:
	case served:
		r.Lost = k.now
	default:
		r.Lost = before.Lost
	}
	if x := a.exchange; x != nil && x.usable() && a.distribution != addressing.DistributionUnavailable {
		r.Exchange = &x.Exchange
	}
	a.Routes.Store(r)
	k.plane.holders.wake(a.Address, &k.wakes)
	if a.pins > 0 { // messages wait at the exchanges that lead here
		for _, x := range k.exchanges {
			if x.address != nil {
				k.plane.holders.wake(x.address.Address, &k.wakes)
			}
		}
	}
	k.reachabilityChanged(a, served, reachable)
	if f != nil {
		k.reachabilityChanged(f, f.IsServed(), reachableFor)
	}
	k.announce(a)
}

// announce tells the mesh that an address has consumers here, or has none any more. Consumers inside the router alone
// do not count.
func (k *control) announce(a *entry) {
	if k.mesh == nil || a.Class != addressing.ClassMobile {
		return
	}
	switch on := !k.withdrawn && (a.clients > 0 || a.Routes.Load().Exchange != nil); {
	case on && !a.announced:
		a.announced = true
		k.mesh.AddAddress(k.now, a.Key, a.distribution)
	case !on && a.announced:
		a.announced = false
		k.mesh.RemoveAddress(k.now, a.Key)
	default:
		return
	}
	k.drainMesh(k.now)
}

// lose begins the hold time of an address whose last consumer has gone: its senders keep their credit until it is over.
func (k *control) lose(a *entry) {
	if a.lost.IsZero() {
		k.lost = append(k.lost, a)
	}
	a.lost = k.now
}

// forgetLost withdraws the credit of the senders to addresses that had no consumer for the whole hold time.
func (k *control) forgetLost(now time.Time) {
	rest := k.lost[:0]
	for _, a := range k.lost {
		if now.Before(a.lost.Add(k.plane.hold)) {
			rest = append(rest, a)
			continue
		}
		a.lost = time.Time{}
		for l := range a.senders {
			if !a.ReachableFrom(l.fallback) {
				k.wakes.post(l.conn, note{kind: noteReachable, link: l})
			}
		}
		k.dropUnused(a)
	}
	clear(k.lost[len(rest):])
	k.lost = rest
}

// overloaded tells the other routers to take other ways than through this one.
func (k *control) overloaded(now time.Time) {
	if k.mesh != nil {
		k.mesh.SetOverload(now, true)
		k.drainMesh(now)
	}
}

// leave tells the other routers that this one goes, so that they need not find out.
func (k *control) leave(now time.Time) {
	if k.mesh != nil {
		k.mesh.Leave(now)
		k.drainMesh(now)
	}
}

// withdrawAll takes the consumers here out of the mesh. Those who are attached still get what comes for them.
func (k *control) withdrawAll() {
	k.withdrawn = true
	for _, a := range k.addresses {
		k.announce(a)
	}
}
