package router

import (
	"context"
	"errors"
	"time"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/internal/management"
	"github.com/postroad/postroad/router/conn"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/show"
)

// This file ends a router so that nothing is handed back. Senders of clients get no more credit, and what they have
// sent gets its outcome. Then the router's consumers are taken out of the mesh, and what is under way to them arrives.
// Then clients are sent elsewhere. The connections with neighbors end last.

const (
	// creditPatience is how long senders get to give their credit back. One that does not may send until its connection
	// ends.
	creditPatience = 500 * time.Millisecond
	// hearingTime is the least time between an outcome and the end of its connection: client libraries exist (go-amqp)
	// in which the end overtakes what came right before it.
	hearingTime = 100 * time.Millisecond
)

// dismissTime is how long clients and other routers get at the end of a drain, whether it is complete or not.
const dismissTime = 1500 * time.Millisecond

// errDraining is what the health check says during a drain, so that nobody sends new clients here.
var errDraining = errors.New("the router is draining")

// Steps of a drain, as management shows them.
const (
	drainSenders   = "senders"   // what clients have sent gets its outcome
	drainConsumers = "consumers" // consumers here get what is under way to them
	drainClients   = "clients"   // clients are told to go elsewhere
	drainNeighbors = "neighbors" // the connections to other routers end
)

// drainProgress is how far a drain has come.
type drainProgress struct {
	step string
	left error // what was left when the time for it was over; nil for nothing
}

// Drain lets traffic move away: no new clients, no credit for the clients that are here, no consumers here for the
// others. It returns nil when nothing is under way any more and the clients are gone. When ctx ends first, or the
// configured time-out is over, it ends what is left within closingTime and returns an error that says what was left.
// Call it once, and Stop after it.
func (r *Router) Drain(ctx context.Context) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, r.drainTimeout)
	defer cancel()
	r.drained.Store(&drainProgress{step: drainSenders})
	r.host.Draining.Store(true)
	for _, l := range r.listeners {
		if !l.Entity.HTTP {
			l.Close()
		}
	}
	r.host.Log(logging.Router).Noticef("Draining, for %v at most", r.drainTimeout)
	r.loops.Go(r.gossip.Leave) // the other routers make the links that close the gap
	r.change(forwarding.EventOverload)
	for _, c := range r.clients() {
		c.Tell(forwarding.Note{Kind: forwarding.NoteStopCredit})
	}
	err := r.awaitAll(ctx, func(u *forwarding.Underway) error { return u.OfSenders(time.Since(began) < creditPatience) })
	r.change(forwarding.EventWithdraw)
	withdrawn := time.Now()
	r.drained.Store(&drainProgress{drainConsumers, err})
	if err == nil {
		err = r.awaitAll(ctx, func(u *forwarding.Underway) error { return u.OfAll(time.Now(), withdrawn) })
	}
	r.drained.Store(&drainProgress{drainClients, err})
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), dismissTime)
	defer cancel()
	r.dismiss(closing)
	left := r.awaitAll(closing, (*forwarding.Underway).OfClients)
	if handed := r.awaitAll(closing, (*forwarding.Underway).OfRouters); left == nil {
		left = handed
	}
	if err == nil {
		err = left
	}
	r.drained.Store(&drainProgress{drainNeighbors, err})
	if err != nil {
		r.host.Log(logging.Router).Warningf("Not drained after %v: %v", time.Since(began).Round(time.Millisecond), err)
		return err
	}
	r.host.Log(logging.Router).Noticef("Drained in %v", time.Since(began).Round(time.Millisecond))
	return nil
}

// dismiss sends the clients away. What is queued by now goes to consumers elsewhere, because the consumers' links end
// here, or is released. Clients that wait for an outcome go last, so that they hear of it.
func (r *Router) dismiss(ctx context.Context) {
	const reason = "the router is shutting down; connect to another one"
	r.plane.Parting.Store(true)
	r.change(forwarding.EventRetry)
	pause(ctx, hearingTime)
	waiting := false
	looker := show.NewLooker()
	defer looker.Stop()
	for _, c := range r.clients() {
		var consumers []*forwarding.Link
		var owed bool
		if !looker.Look(c, func() { consumers, owed = c.Owes() }) {
			waiting = true // it goes with the last ones
			continue
		}
		if owed {
			waiting = true
			for _, l := range consumers {
				c.Tell(forwarding.Note{Kind: forwarding.NoteDetach, Link: l, Err: detachForced(reason)})
			}
		} else {
			c.Close(c.Forced(reason))
		}
	}
	if waiting {
		hearing, cancel := context.WithTimeout(ctx, conn.Lingering+conn.DrainTick)
		defer cancel()
		_ = r.awaitAll(hearing, func(u *forwarding.Underway) error { return u.OfSenders(false) })
		pause(ctx, hearingTime)
	}
	for _, c := range r.clients() {
		c.Close(c.Forced(reason))
	}
}

// pause waits for a time, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// detachForced returns the error of a consumer's link that ends before its connection does [2.8.18].
func detachForced(description string) *wire.Error {
	return &wire.Error{Condition: wire.ErrDetachForced, Description: description}
}

// changeTime is how long the control loop gets to do what it is asked for. Its turns take milliseconds; a router whose
// loop hangs must be able to end, too.
const changeTime = 500 * time.Millisecond

// change has the control do something, and waits until that is done, or for changeTime. It does nothing before Start.
func (r *Router) change(what forwarding.EventKind) {
	if !r.running.Load() {
		return
	}
	done := make(chan struct{})
	r.loop.Put(forwarding.Event{Kind: what, End: r.agent.conn, Done: done})
	limit := time.NewTimer(changeTime)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
	}
}

// awaitAll waits until left returns nil for what is under way. When ctx ends first, it returns the last error of left.
// It detaches consumers that take nothing, so that what is queued for them goes elsewhere, or back.
func (r *Router) awaitAll(ctx context.Context, left func(*forwarding.Underway) error) error {
	return conn.Await(ctx, func() error {
		u := r.underway()
		err := left(u)
		if err == nil {
			return nil
		}
		for _, l := range u.Idle {
			l.End.Tell(forwarding.Note{Kind: forwarding.NoteDetach, Link: l,
				Err: detachForced("the router is draining, and the receiver takes nothing of what waits for it")})
		}
		return err
	})
}

// underway returns what is under way on all connections. It counts those whose endpoint is busy as unseen.
func (r *Router) underway() *forwarding.Underway {
	u := &forwarding.Underway{}
	now := time.Now()
	looker := show.NewLooker()
	defer looker.Stop()
	for _, c := range r.host.Conns() {
		if !looker.Look(c.E, func() { c.E.AddTo(u, now) }) {
			u.Unseen++
		}
	}
	return u
}

// clients returns the endpoints of connections that are not with other routers.
func (r *Router) clients() []*forwarding.Endpoint {
	var clients []*forwarding.Endpoint
	for _, c := range r.host.Conns() {
		if c.E.Terms.Role != forwarding.RoleInterRouter {
			clients = append(clients, c.E)
		}
	}
	return clients
}

// showDrain adds how far a drain has come to what management shows.
func (r *Router) showDrain(m *management.Router) {
	if p := r.drained.Load(); p != nil {
		u := r.underway()
		m.DrainStep, m.DrainSenders, m.DrainClients = p.step, uint64(u.Senders), uint64(u.Clients)
		// Requests to the agent do not count: one of them asks for this.
		m.DrainDeliveries = uint64(max(u.Sent+u.Handed-int(r.agent.inbox.Outstanding.Load()), 0))
		if p.left != nil {
			m.DrainProblem = p.left.Error()
		}
	}
}
