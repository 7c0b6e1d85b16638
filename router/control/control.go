package control

import (
	"sync"
	"time"

	"github.com/postroad/postroad/addressing"
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
	asked     asked                                // for credit to be withheld
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
