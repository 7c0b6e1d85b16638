package router

import (
	"sync"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/logging"
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
	eventChange                     // something is to be done in the loop
)

// event is what connections tell the control loop.
type event struct {
	kind    eventKind
	conn    *Endpoint
	link    *link
	attach  *wire.Attach
	payload []byte
	change  func()
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

// control is the only writer of the tables: addresses, peers, next hops. Its loop takes one event after the other.
type control struct {
	router *Router
	plane  *Plane
	wake   chan struct{}

	queue struct { // bounded by what each connection may leave unanswered
		sync.Mutex
		events []event
		closed bool
	}
	spare []event // the loop's: memory for the queue

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
	offended  bool      // the link that holds the most is to be detached
	redundant bool      // some addresses are
	now       time.Time // when the turn began
	withdrawn bool      // the router ends: no consumers here for other routers
}

// controlCounts are totals for metrics, guarded by control.mu.
type controlCounts struct {
	opened, closed, attaches, refused uint64
}

// put tells the loop something. It never blocks; the reader of a connection that has told too much waits by itself.
func (k *control) put(e event) {
	e.conn.unanswered.add(e.weight())
	k.queue.Lock()
	if !k.queue.closed {
		k.queue.events = append(k.queue.events, e)
	}
	k.queue.Unlock()
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// loop handles events and the mesh's deadlines until the router stops.
func (k *control) loop(stop <-chan struct{}) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(k.turn())
		select {
		case <-stop:
			k.queue.Lock()
			k.queue.closed = true
			k.queue.Unlock()
			k.turn() // the connections that ended last
			k.mu.Lock()
			k.now = time.Now()
			k.forgetLost(k.now.Add(k.plane.hold), 0)
			k.mu.Unlock()
			return
		case <-k.wake:
		case <-timer.C:
		}
	}
}

// portion is how many events are handled before the mesh's time passes again and the lock is given to others.
const portion = 256

// turn lets the mesh's time pass and handles the events that have come. It returns how long the mesh can wait.
func (k *control) turn() (wait time.Duration) {
	k.mu.Lock()
	now := k.advance()
	k.queue.Lock()
	events := k.queue.events
	k.queue.events = k.spare[:0]
	k.queue.Unlock()
	for i := range events {
		if i > 0 && i%portion == 0 { // others get their turn, and the mesh above all
			k.publishChanges()
			k.mu.Unlock()
			k.wakes.poke()
			k.mu.Lock()
			now = k.advance()
		}
		k.guarded(now, &events[i])
	}
	k.publishChanges()
	clear(events)
	k.spare = events
	wait = time.Hour
	if k.mesh != nil {
		if at := k.mesh.Deadline(); !at.IsZero() {
			wait = max(at.Sub(now), 0)
		}
	}
	k.try(func() { wait = k.watchMemory(now, k.forgetLost(now, wait)) })
	if k.panicked { // the same may happen again at once
		k.panicked = false
		wait = max(wait, afterPanic)
	}
	offended := k.offended
	k.offended = false
	k.mu.Unlock()
	k.wakes.poke()
	if offended {
		k.try(k.router.detachOffender)
	}
	k.try(func() { k.router.scan(now, scanInterval) })
	k.try(func() { k.router.giveMemoryBack(now) })
	return min(wait, scanInterval)
}

// advance lets the mesh's time pass.
func (k *control) advance() (now time.Time) {
	now = time.Now()
	k.now = now
	if k.mesh != nil {
		k.try(func() {
			k.mesh.Advance(now)
			k.drainMesh(now)
		})
	}
	return now
}

// afterPanic is how long the loop waits for something else to happen after a panic.
const afterPanic = 100 * time.Millisecond

// try does something that may panic, and tells whether it did not.
func (k *control) try(what func()) (ok bool) {
	defer func() {
		if v := recover(); v != nil {
			k.panicked = true
			k.router.panicIn(logging.RouterCore, "control loop", v)
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
	if e.kind != eventAttach { // that is answered when the connection has taken the answer
		defer e.conn.unanswered.add(-e.weight())
	}
	switch e.kind {
	case eventOpened:
		k.totals.opened++
		k.router.log(logging.Server).Infof("[C%d] Connection opened: container=%s host=%s role=%v",
			e.conn.number, e.conn.near.ID, e.conn.remote, e.conn.settings.role)
	case eventConnGone:
		k.connGone(now, e.conn)
	case eventAttach:
		k.attach(e)
	case eventLinkGone:
		k.linkGone(now, e.link)
	case eventControlUp:
		k.controlUp(now, e.link)
	case eventChange:
		e.change()
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
		k.router.log(logging.Server).Infof("[C%d] Connection closed: container=%s host=%s %s",
			c.number, c.near.ID, c.remote, c.ending.reason)
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
	if c.settings.measured || remoteSays(c.peer.open, measuredProperty) {
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

// forgetLost withdraws the credit of the senders to addresses that had no consumer for the whole hold time. It returns
// how long until the next one, or wait.
func (k *control) forgetLost(now time.Time, wait time.Duration) time.Duration {
	rest := k.lost[:0]
	for _, a := range k.lost {
		if left := a.lost.Add(k.plane.hold).Sub(now); left > 0 {
			rest = append(rest, a)
			wait = min(wait, left)
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
	return wait
}
