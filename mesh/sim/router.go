package sim

import (
	"slices"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/mesh"
	"github.com/postroad/postroad/mesh/spf"
)

// Kind says what a router runs.
type Kind uint8

// The kinds of routers.
const (
	Postroad     Kind = iota // a mesh.Node
	Interconnect             // the model of qdrouterd 1.19
	Liar                     // says anything in the name of anybody
)

// Router is a router of a World.
type Router struct {
	ID   string
	Kind Kind
	// Addresses are its consumers by key. They survive a crash: clients come back.
	Addresses map[string]addressing.Distribution

	world    *World
	offset   time.Duration // of its clock
	drift    float64       // of its clock: how much faster it runs
	instance int64         // of its last life
	stalled  time.Time     // until when it does not run, though it is up
	overload bool
	engine   Engine // nil while the router is down
	life     int
	wake     time.Time // the next deadline in the queue
	links    mesh.LinkID
	ends     map[mesh.LinkID]end

	view   []*peer // what its events have said, by number
	routes *mesh.Routes
	radius int
	sent   uint64

	duplicates []mesh.Event
}

// end is one end of a cable.
type end struct {
	cable *Cable
	side  int
}

// peer is what a router's events have said of another router.
type peer struct {
	id        string
	number    int
	router    *Router // nil if there is none of this id
	reached   bool
	path      mesh.Path
	origins   spf.Set
	addresses map[string]mesh.Event
}

// peer returns what is known of the router with the number, nil if it is not known.
func (r *Router) peer(number int) *peer {
	if number < 0 || number >= len(r.view) {
		return nil
	}
	return r.view[number]
}

// AddRouter adds a router, which is down until Boot.
func (w *World) AddRouter(id string, kind Kind) *Router {
	r := &Router{ID: id, Kind: kind, world: w, Addresses: make(map[string]addressing.Distribution)}
	w.Routers = append(w.Routers, r)
	return r
}

// Up reports whether the router runs.
func (r *Router) Up() bool { return r.engine != nil }

// Node returns the engine of a router of kind Postroad that is up, else nil.
func (r *Router) Node() *mesh.Node {
	n, _ := r.engine.(*mesh.Node)
	return n
}

// Boot starts the router. Its cables come up if the routers at their other ends are up and they are not cut.
func (r *Router) Boot() {
	if r.engine != nil {
		return
	}
	w := r.world
	config := w.Config
	config.ID, config.Instance = r.ID, w.nextInstance(r)
	switch r.Kind {
	case Interconnect:
		r.engine = newInterconnect(config, w.now.Add(time.Duration(w.Rand.Int64N(int64(time.Second)))))
	case Liar:
		var names []string
		for _, o := range w.Routers {
			names = append(names, o.ID)
		}
		r.engine = newLiar(r.ID, names, config, w.Rand)
	default:
		n, err := mesh.New(config)
		if err != nil {
			w.problem(r, "%v", err)
			return
		}
		r.engine = n
	}
	r.life++
	r.stalled, r.overload = time.Time{}, false
	r.ends, r.view, r.wake, r.radius = make(map[mesh.LinkID]end), nil, time.Time{}, 0
	r.routes, r.duplicates = nil, nil
	w.log("boot %s", r.ID)
	r.engine.Start(r.now())
	for _, key := range sortedKeys(r.Addresses) {
		r.engine.AddAddress(r.now(), key, r.Addresses[key])
	}
	r.drain()
	for _, c := range w.Cables {
		if c.routers[0] == r || c.routers[1] == r {
			c.connect()
		}
	}
}

// Crash stops the router. Its neighbors lose their links to it.
func (r *Router) Crash() {
	if r.engine == nil {
		return
	}
	r.world.log("crash %s", r.ID)
	r.engine = nil
	for _, c := range r.world.Cables {
		if c.routers[0] == r || c.routers[1] == r {
			c.disconnect()
		}
	}
}

// Leave stops the router in order: it takes its leave, and ends when that has been sent.
func (r *Router) Leave() {
	n := r.Node()
	if n == nil {
		return
	}
	r.world.log("leave %s", r.ID)
	n.Leave(r.now())
	r.drain()
	life := r.life
	r.world.After(leaving, func() {
		if r.life == life {
			r.Crash()
		}
	})
}

// leaving is how long a router's last messages take to be sent.
const leaving = 50 * time.Millisecond

// SetOverload makes a router of kind Postroad ask others to go around it, or not any more.
func (r *Router) SetOverload(overload bool) {
	if n := r.Node(); n != nil && n.Status().Overloaded != overload {
		r.world.log("%s overloaded: %v", r.ID, overload)
		r.overload = overload
		n.SetOverload(r.now(), overload)
		r.drain()
	}
}

// AddAddress adds a consumer.
func (r *Router) AddAddress(key string, hint addressing.Distribution) {
	r.Addresses[key] = hint
	if r.engine != nil {
		r.world.log("%s has %s", r.ID, key)
		r.engine.AddAddress(r.now(), key, hint)
		r.drain()
	}
}

// RemoveAddress removes a consumer.
func (r *Router) RemoveAddress(key string) {
	delete(r.Addresses, key)
	if r.engine != nil {
		r.world.log("%s has no more %s", r.ID, key)
		r.engine.RemoveAddress(r.now(), key)
		r.drain()
	}
}

// Sent returns how many messages the router has sent.
func (r *Router) Sent() uint64 { return r.sent }

// drain acts on the events of the engine, and puts its deadline into the queue.
func (r *Router) drain() {
	events := r.engine.Events()
	for i := range events {
		r.act(&events[i])
	}
	w := r.world
	if at := r.worldTime(r.engine.Deadline()); !at.IsZero() && (r.wake.IsZero() || at.Before(r.wake) || !r.wake.After(w.now)) {
		if at.Before(w.now) {
			at = w.now
		}
		if at.Before(r.stalled) {
			at = r.stalled
		}
		r.wake = at
		w.schedule(at, occurrence{router: r, crash: r.life})
	}
}

// act holds an event against the contract, and keeps what it says.
func (r *Router) act(e *mesh.Event) {
	w := r.world
	p := r.peer(e.Router)
	switch e.Kind {
	case mesh.EventRoutes:
		r.routes, w.fresh = e.Routes, true
		r.checkRoutes()
		return
	case mesh.EventLinkSilent:
		r.silent(e)
		return
	case mesh.EventDuplicate:
		w.log("%s: two routers %s, at %q and %q", r.ID, e.ID, e.Place, e.RefusedPlace)
		r.duplicates = append(r.duplicates, *e)
		return
	}
	if e.Kind != mesh.EventSend && e.Kind != mesh.EventLog && e.Kind != mesh.EventRadius && e.Kind != mesh.EventRouterUp &&
		(p == nil || p.id != e.ID) {
		w.problem(r, "event %d for router %d %q, which is not up", e.Kind, e.Router, e.ID)
		return
	}
	switch e.Kind {
	case mesh.EventSend:
		end, ok := r.ends[e.Link]
		if !ok {
			w.problem(r, "message for link %d, which is not up", e.Link)
			return
		}
		r.sent++
		end.cable.send(end.side, e.Payload)
	case mesh.EventRouterUp:
		if p != nil || e.Router <= 0 || e.ID == r.ID {
			w.problem(r, "router %q gets number %d, which is in use", e.ID, e.Router)
		}
		for len(r.view) <= e.Router {
			r.view = append(r.view, nil)
		}
		r.view[e.Router] = &peer{id: e.ID, number: e.Router, router: w.router(e.ID), addresses: make(map[string]mesh.Event)}
	case mesh.EventRouterDown:
		if p.reached || len(p.addresses) > 0 {
			w.problem(r, "router %s is down, but has a path (%v) or addresses (%d)", e.ID, p.reached, len(p.addresses))
		}
		r.view[e.Router] = nil
	case mesh.EventPathUp:
		r.checkPath(e)
		p.reached, p.path = true, e.Path
	case mesh.EventPathDown:
		if !p.reached {
			w.problem(r, "no path to %s any more, but there was none", e.ID)
		}
		p.reached, p.origins = false, nil
	case mesh.EventOrigins:
		if !p.reached || !e.Origins.Has(0) || e.Origins.Has(e.Router) {
			w.problem(r, "origins %v for %s", slices.Collect(e.Origins.All()), e.ID)
		}
		p.origins = e.Origins
	case mesh.EventAddressUp:
		if before, known := p.addresses[e.Key]; known && before.Hint == e.Hint && before.HasHint == e.HasHint || !p.reached {
			w.problem(r, "address %s on %s is up: known before %v, path %v", e.Key, e.ID, known, p.reached)
		}
		p.addresses[e.Key] = *e
	case mesh.EventAddressDown:
		if _, known := p.addresses[e.Key]; !known {
			w.problem(r, "address %s on %s is down, but was not up", e.Key, e.ID)
		}
		delete(p.addresses, e.Key)
	case mesh.EventRadius:
		r.radius = e.Radius
	case mesh.EventLog:
		w.log("%s %s (%v) %s", r.ID, e.Module, e.Level, e.Text)
		if e.Level >= mesh.LevelError && !w.Hostile {
			w.problem(r, "%s (%v) %s", e.Module, e.Level, e.Text)
		}
	}
}

// checkPath holds a path against the links that there are.
func (r *Router) checkPath(e *mesh.Event) {
	end, ok := r.ends[e.Path.NextHop]
	if !ok {
		r.world.problem(r, "next-hop-is-neighbor: path to %s by link %d, which is not up", e.ID, e.Path.NextHop)
		return
	}
	hop, at := r.peer(e.Path.Router), end.cable.routers[1-end.side]
	if hop == nil || hop.id != at.ID && at.Kind != Liar {
		r.world.problem(r, "next-hop-is-neighbor: path to %s by router %d, which is not at the end of link %d", e.ID, e.Path.Router, e.Path.NextHop)
	}
	if r.Kind == Postroad && !slices.Contains(e.Path.Equal, e.Path.NextHop) {
		r.world.problem(r, "path to %s by link %d, which is not among %v", e.ID, e.Path.NextHop, e.Path.Equal)
	}
}
