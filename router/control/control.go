package control

import (
	"fmt"
	"sync"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/mesh"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/route"
)

// Entry is what the control knows of an address, beside what the data plane reads.
type Entry struct {
	*route.Address
	Distribution addressing.Distribution
	Configured   bool                          // the configuration names its distribution
	Locals       []*forwarding.Link            // consumers here, in no order; Link.Local is the index of each
	Clients      int                           // how many Locals do not belong to the router itself
	Senders      map[*forwarding.Link]struct{} // of clients here
	Exchange     *topicExchange                // that has this address, or nil
	Pins         int                           // how many next hops of exchanges have this address
	Remotes      []*route.Remote               // routers with consumers, by number, whether or not there is a path
	Announced    bool                          // to the mesh
	Lost         time.Time                     // when the last consumer went, for the hold time; then zero
	dirty        bool                          // the address is on Control.dirty
}

// Control is the only writer of the tables: addresses, routers, next hops. It does no input or output, starts no
// goroutine and reads no clock.
//
// Input: Take, with the time. Output: what it publishes in the tables of the plane, notes in the inboxes of endpoints,
// and lines for the journal; Wakes gathers the endpoints that got notes. Deadline says when Take is to be called again,
// if only without events. The caller of all methods but Load holds Mu.
type Control struct {
	Plane   *forwarding.Plane
	Journal logbook
	Voice   *forwarding.Endpoint // the agent's endpoint, from which control messages come

	Mu        sync.Mutex // guards all below; held while events are handled, and taken by others to look
	Wakes     forwarding.Wakes
	Neighbors map[mesh.LinkID]*forwarding.Endpoint // connections between routers whose control link is up
	Addresses map[string]*Entry                    // by key
	Routers   map[int]*route.Router                // by the mesh's number
	dirty     []*Entry                             // changed, and not published yet
	Exchanges []*topicExchange                     // in the order in which they were made
	Panicked  bool                                 // something has panicked; whoever sees that clears it
	Mesh      *mesh.Node                           // nil on a standalone router
	Totals    controlCounts
	lost      []*Entry          // whose last consumer went within the hold time
	answers   []forwarding.Note // to attaches, to be posted when the routes are published
	Redundant bool              // some address is redundant
	Now       time.Time         // when the turn began
	withdrawn bool              // other routers are to know of no consumers here: this one ends
}

// logbook takes the lines that the control writes for people.
type logbook interface {
	// Line writes a line of a module, with the names and levels of the mesh.
	Line(module mesh.Module, level mesh.Level, text string)
	// Server writes a line about a connection.
	Server(text string)
	// Panicked reports a panic with value v, while its stack still stands.
	Panicked(where string, v any)
}

// controlCounts are totals for metrics: connections that were opened and closed, attaches that were answered, and those
// of them that were refused.
type controlCounts struct {
	Opened, Closed, Attaches, Refused uint64
}

// Take is one turn: it lets time pass, handles events in their order, and publishes what has changed. Give it a bounded
// number of events: others wait for Mu meanwhile.
func (k *Control) Take(now time.Time, events []forwarding.Event) {
	k.advance(now)
	for i := range events {
		k.guarded(now, &events[i])
	}
	k.PublishChanges()
}

// advance lets the time of the mesh and of lost addresses pass.
func (k *Control) advance(now time.Time) {
	k.Now = now
	if k.Mesh != nil {
		k.try(func() {
			k.Mesh.Advance(now)
			k.drainMesh(now)
		})
	}
	k.try(func() { k.ForgetLost(now) })
}

// Deadline returns when Take is to be called next, or the zero time for never.
func (k *Control) Deadline() (at time.Time) {
	if k.Mesh != nil {
		at = k.Mesh.Deadline()
	}
	for _, a := range k.lost {
		if end := a.Lost.Add(k.Plane.Hold); at.IsZero() || end.Before(at) {
			at = end
		}
	}
	return at
}

// try does something that may panic, and reports whether it did not.
func (k *Control) try(what func()) (ok bool) {
	defer func() {
		if v := recover(); v != nil {
			k.Panicked = true
			k.Journal.Panicked("control loop", v)
		}
	}()
	what()
	return true
}

// guarded handles an event. An attach is refused when handling it panics.
func (k *Control) guarded(now time.Time, e *forwarding.Event) {
	ok := k.try(func() {
		k.Plane.Here(forwarding.AtEvent, e.End)
		k.handle(now, e)
	})
	if !ok && e.Kind == forwarding.EventAttach {
		answer := &forwarding.AttachAnswer{Attach: &wire.Attach{SndSettleMode: e.Attach.SndSettleMode}, Err: forwarding.InternalError()}
		k.Wakes.Post(e.End, forwarding.Note{Kind: forwarding.NoteAttached, Link: e.Link, Answer: answer})
	}
}

// handle gives an event to its function.
func (k *Control) handle(now time.Time, e *forwarding.Event) {
	if e.Done != nil {
		defer close(e.Done)
	}
	if e.Kind != forwarding.EventAttach { // an attach is answered when the endpoint takes the note
		defer e.End.Unanswered.Add(-e.Weight())
	}
	switch e.Kind {
	case forwarding.EventOpened:
		k.Totals.Opened++
		k.Journal.Server(fmt.Sprintf("[C%d] Connection opened: container=%s host=%s role=%v", e.End.Number, e.End.Near.ID,
			e.End.Remote, e.End.Terms.Role))
	case forwarding.EventConnGone:
		k.connGone(now, e.End)
	case forwarding.EventAttach:
		k.attach(e)
	case forwarding.EventLinkGone:
		k.linkGone(now, e.Link)
	case forwarding.EventControlUp:
		k.controlUp(now, e.Link)
	case forwarding.EventOverload:
		k.overloaded(now)
	case forwarding.EventWithdraw:
		k.withdrawAll()
	case forwarding.EventRetry:
		k.Plane.Holders.WakeAll(&k.Wakes)
	case forwarding.EventLeave:
		k.leave(now)
	case forwarding.EventWithhold:
		k.askToWithhold(e)
	case forwarding.EventMessage:
		if k.Mesh != nil && k.Neighbors[mesh.LinkID(e.End.Number)] == e.End {
			k.Mesh.Input(now, mesh.LinkID(e.End.Number), e.Payload)
			k.drainMesh(now)
		}
	}
}

// attach answers a client's attach, and puts a new consumer into the table.
func (k *Control) attach(e *forwarding.Event) {
	l := e.Link
	answer := k.answerAttach(l, e.Attach)
	k.Totals.Attaches++
	if answer.Err != nil {
		k.Totals.Refused++
	}
	k.answers = append(k.answers, forwarding.Note{Kind: forwarding.NoteAttached, Link: l, Answer: answer})
	if answer.Err != nil {
		return
	}
	l.At = answer.Address
	if l.Outgoing {
		k.AddLocal(k.Addresses[l.At.Key], l)
	}
}

// AddLocal puts a consumer into the table.
func (k *Control) AddLocal(a *Entry, l *forwarding.Link) {
	l.At, l.Local = a.Address, len(a.Locals)
	a.Locals = append(a.Locals, l)
	if !l.Node {
		a.Clients++
	}
	k.changed(a)
}

// removeLocal takes a consumer out of the table. Its link is dead already: until the routes without it are published,
// no message is given to it.
func (k *Control) removeLocal(a *Entry, l *forwarding.Link) {
	last := len(a.Locals) - 1
	moved := a.Locals[last]
	a.Locals[l.Local], moved.Local = moved, l.Local
	a.Locals[last] = nil
	a.Locals = a.Locals[:last]
	if !l.Node {
		a.Clients--
	}
	k.changed(a)
}

// linkGone takes a client's link that has ended out of the tables. The end of a neighbor's control link ends the
// adjacency.
func (k *Control) linkGone(now time.Time, l *forwarding.Link) {
	if l.Kind != forwarding.LinkEndpoint {
		if l == l.End.Neighbor {
			k.neighborDown(now, l.End)
		}
		return
	}
	if l.At == nil {
		return
	}
	at := k.Addresses[l.At.Key]
	l.At = nil
	if l.Outgoing {
		k.removeLocal(at, l)
		return
	}
	delete(at.Senders, l)
	at.Crowd.Store(int32(len(at.Senders)))
	k.DropUnused(at)
}

// connGone ends the adjacency of a connection that has ended, and counts the connection.
func (k *Control) connGone(now time.Time, c *forwarding.Endpoint) {
	k.neighborDown(now, c)
	if c.Peer.Open != nil {
		k.Totals.Closed++
		k.Journal.Server(fmt.Sprintf("[C%d] Connection closed: container=%s host=%s %s", c.Number, c.Near.ID, c.Remote,
			c.Ending.Reason))
	}
}

// controlUp begins to speak to a neighbor over its control link. The link may take the place of one that was detached.
func (k *Control) controlUp(now time.Time, l *forwarding.Link) {
	c := l.End
	if k.Mesh == nil || c.Near.Gone.Load() || l.Dead.Load() {
		return
	}
	k.neighborDown(now, c)
	id := mesh.LinkID(c.Number)
	k.Neighbors[id], c.Neighbor = c, l
	k.Mesh.LinkUp(now, id, c.Cost(), c.Near.ID, c.Peer.Extended)
	if c.Terms.Measured || forwarding.RemoteSays(c.Peer.Open, forwarding.MeasuredProperty) {
		k.Mesh.MeasureCost(now, id)
	}
	k.drainMesh(now)
}

// neighborDown ends an adjacency, unless the endpoint has none.
func (k *Control) neighborDown(now time.Time, c *forwarding.Endpoint) {
	id := mesh.LinkID(c.Number)
	if k.Neighbors[id] != c {
		return
	}
	delete(k.Neighbors, id)
	c.Neighbor = nil
	k.Mesh.LinkDown(now, id)
	k.drainMesh(now)
}

// Address returns the address of a key, which must be a valid one. When the table has none, it makes the address, and
// with it the fallback or the main address that belongs to it.
func (k *Control) Address(key string) *Entry {
	if a := k.Addresses[key]; a != nil {
		return a
	}
	parsed, _ := addressing.ParseKey(key)
	a := k.newAddress(parsed)
	var b *Entry
	if s, _ := k.Plane.Treatments.Of(parsed); s.Fallback &&
		(parsed.Phase == addressing.PhaseZero || parsed.Phase == addressing.PhaseFallback) {
		b = k.pair(a, parsed)
	}
	k.Addresses[key] = a
	var with *route.Address
	if b != nil {
		k.Addresses[b.Key], with = b, b.Address
	}
	k.Plane.Table.Add(a.Address, with)
	return a
}

// newAddress makes an address as the configuration wants it. The caller puts it into the table.
func (k *Control) newAddress(parsed addressing.Address) *Entry {
	t, configured := k.Plane.Treatments.Of(parsed)
	a := &Entry{Senders: make(map[*forwarding.Link]struct{}), Distribution: t.Distribution, Configured: configured,
		Address: &route.Address{Key: parsed.Key(), Text: parsed.Text, Class: parsed.Class, Priority: t.Priority,
			Presettled: t.Presettled, Redundant: t.Redundant}}
	if parsed.Class == addressing.ClassMobile {
		a.Phase = parsed.Phase.Number()
	}
	if parsed.Phase == addressing.PhaseFallback && a.Distribution != addressing.DistributionUnavailable {
		a.Distribution = addressing.DistributionBalanced // one consumer gets each message, also of a multicast
	}
	return a
}

// DropUnused takes an address out of the table if nobody uses it. An address and its fallback are dropped together,
// when nobody uses either.
func (k *Control) DropUnused(a *Entry) {
	b := k.Other(a)
	if a.isUsed() || b != nil && b.isUsed() {
		return
	}
	var with *route.Address
	if b != nil {
		with = b.Address
		delete(k.Addresses, b.Key)
	}
	delete(k.Addresses, a.Key)
	k.Plane.Table.Remove(a.Address, with)
}

// Other returns the fallback of a main address, the main address of a fallback, and nil for all others.
func (k *Control) Other(a *Entry) *Entry {
	if b := a.Other(); b != nil {
		return k.Addresses[b.Key]
	}
	return nil
}

// isUsed reports whether an address has to stay in the table: somebody uses it, or it will be looked at again.
func (a *Entry) isUsed() bool {
	return a.dirty || !a.Lost.IsZero() || len(a.Locals) > 0 || len(a.Senders) > 0 || len(a.Remotes) > 0 ||
		a.Exchange != nil || a.Pins > 0
}

// changed remembers that an address is to be published, or dropped when nobody uses it. PublishChanges does so once for
// all events of a turn, because publishing copies the list of consumers each time.
func (k *Control) changed(a *Entry) {
	if !a.dirty {
		a.dirty = true
		k.dirty = append(k.dirty, a)
	}
}

// PublishChanges publishes the addresses that have changed, and then answers the attaches of the turn.
func (k *Control) PublishChanges() {
	for i := 0; i < len(k.dirty); i++ { // announcing one may change others
		a := k.dirty[i]
		k.dirty[i] = nil
		a.dirty = false
		k.try(func() {
			k.publish(a)
			k.DropUnused(a)
		})
	}
	k.dirty = k.dirty[:0]
	for i := range k.answers { // whoever has the answer finds the routes
		n := &k.answers[i]
		if a := n.Answer.Address; a != nil && !n.Link.Outgoing {
			n.Answer.Reachable = a.ReachableFrom(n.Link.Fallback)
		}
		k.Wakes.Post(n.Link.End, *n)
	}
	clear(k.answers)
	k.answers = k.answers[:0]
}

// publish gives the data plane the routes of an address as they are now, and has waiting messages tried again. It tells
// the senders whether there is anybody to send to, and announces the address to the mesh.
func (k *Control) publish(a *Entry) {
	served, reachable := a.IsServed(), a.Reachable()
	var f *Entry // the main address, if this is a fallback
	var reachableFor bool
	if a.FallbackFor != nil {
		f = k.Addresses[a.FallbackFor.Key]
		reachableFor = f.Reachable()
	}
	r := &route.Routes{Distribution: a.Distribution, Local: make([]*route.Consumer, len(a.Locals))}
	for i, l := range a.Locals {
		r.Local[i] = l.Face()
	}
	for _, m := range a.Remotes {
		if m.Router.Hop.Load() != nil {
			r.Remote = append(r.Remote, m)
		}
	}
	switch before := a.Routes.Load(); {
	case len(r.Local)+len(r.Remote) > 0 || before == nil:
	case served:
		r.Lost = k.Now
	default:
		r.Lost = before.Lost
	}
	if x := a.Exchange; x != nil && x.usable() && a.Distribution != addressing.DistributionUnavailable {
		r.Exchange = &x.Exchange
	}
	a.Routes.Store(r)
	k.Plane.Holders.Wake(a.Address, &k.Wakes)
	if a.Pins > 0 { // messages wait at the exchanges that lead here
		for _, x := range k.Exchanges {
			if x.address != nil {
				k.Plane.Holders.Wake(x.address.Address, &k.Wakes)
			}
		}
	}
	k.reachabilityChanged(a, served, reachable)
	if f != nil {
		k.reachabilityChanged(f, f.IsServed(), reachableFor)
	}
	k.announce(a)
}

// announce tells the mesh that an address has consumers here, or has none any more. Links of the router itself do not
// count as consumers.
func (k *Control) announce(a *Entry) {
	if k.Mesh == nil || a.Class != addressing.ClassMobile {
		return
	}
	switch on := !k.withdrawn && (a.Clients > 0 || a.Routes.Load().Exchange != nil); {
	case on && !a.Announced:
		a.Announced = true
		k.Mesh.AddAddress(k.Now, a.Key, a.Distribution)
	case !on && a.Announced:
		a.Announced = false
		k.Mesh.RemoveAddress(k.Now, a.Key)
	default:
		return
	}
	k.drainMesh(k.Now)
}

// lose begins the hold time of an address whose last consumer has gone. Until it is over, the senders keep their
// credit.
func (k *Control) lose(a *Entry) {
	if a.Lost.IsZero() {
		k.lost = append(k.lost, a)
	}
	a.Lost = k.Now
}

// ForgetLost takes back the credit of the senders to addresses that had no consumer for the whole hold time.
func (k *Control) ForgetLost(now time.Time) {
	rest := k.lost[:0]
	for _, a := range k.lost {
		if now.Before(a.Lost.Add(k.Plane.Hold)) {
			rest = append(rest, a)
			continue
		}
		a.Lost = time.Time{}
		for l := range a.Senders {
			if !a.ReachableFrom(l.Fallback) {
				k.Wakes.Post(l.End, forwarding.Note{Kind: forwarding.NoteReachable, Link: l})
			}
		}
		k.DropUnused(a)
	}
	clear(k.lost[len(rest):])
	k.lost = rest
}

// overloaded asks the other routers to take other ways than through this one.
func (k *Control) overloaded(now time.Time) {
	if k.Mesh != nil {
		k.Mesh.SetOverload(now, true)
		k.drainMesh(now)
	}
}

// leave tells the other routers that this one goes, so that they do not have to find out.
func (k *Control) leave(now time.Time) {
	if k.Mesh != nil {
		k.Mesh.Leave(now)
		k.drainMesh(now)
	}
}

// withdrawAll takes the consumers here out of the mesh. They stay attached, and still get what comes for them.
func (k *Control) withdrawAll() {
	k.withdrawn = true
	for _, a := range k.Addresses {
		k.announce(a)
	}
}

// Outstanding returns how many deliveries of a balanced address other routers have not settled: by the number of the
// router, and their sum. For other addresses it returns nil and 0, because nothing is decided by these numbers there.
func (a *Entry) Outstanding() (byRouter []int64, sum int64) {
	if a.Distribution != addressing.DistributionBalanced || len(a.Remotes) == 0 {
		return nil, 0
	}
	for _, m := range a.Remotes {
		for m.Router.Number >= len(byRouter) {
			byRouter = append(byRouter, 0)
		}
		n := max(m.Outstanding.Load(), 0)
		byRouter[m.Router.Number] += n
		sum += n
	}
	return byRouter, sum
}
