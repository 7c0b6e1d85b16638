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
)

// This file ends a router so that nothing is handed back: clients' senders get no more credit, and what they have sent
// is brought to its end; then the router's consumers are taken out of the mesh, and what is under way to them arrives;
// then clients are sent elsewhere, and the neighbors' connections end last.

const (
	// creditPatience is how long senders get to give their credit back. One that does not may go on until it is closed.
	creditPatience = 500 * time.Millisecond
	// hearingTime is the least time between an outcome and the end of its connection: client libraries exist (go-amqp) in
	// which the end overtakes what came right before it.
	hearingTime = 100 * time.Millisecond
)

// errDraining is what the health check says meanwhile, so that nobody sends new clients here.
var errDraining = errors.New("the router is draining")

// Steps of a drain, as management shows them.
const (
	drainSenders   = "senders"   // what clients have sent gets its outcome
	drainConsumers = "consumers" // consumers here get what is under way to them
	drainClients   = "clients"   // clients are sent elsewhere
	drainNeighbors = "neighbors" // the connections to other routers end
)

// drainProgress is how far a drain has come.
type drainProgress struct {
	step string
	left error // what its time was over for, nil if there is nothing
}

// Drain lets traffic move away: no new clients, no credit for those that are here, no consumers here for the others.
// It returns when nothing is under way any more and the clients are gone, or when ctx ends, or its configured time-out is
// over; then it says what was left. Stop has to follow.
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
	r.loops.Go(r.gossip.Leave) // the others make the links that close the gap
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
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closingTime)
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

// dismiss sends the clients away. What has not begun by now goes to consumers elsewhere, as the consumers' links end
// here, or is released. Clients that wait for an outcome go last, so that they hear it.
func (r *Router) dismiss(ctx context.Context) {
	const reason = "the router is shutting down; connect to another one"
	r.plane.Parting.Store(true)
	r.change(forwarding.EventRetry)
	pause(ctx, hearingTime)
	waiting := false
	for _, c := range r.clients() {
		if consumers, owed := c.Owes(); owed {
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

// detachForced is the error of a consumer's link that ends before its connection does [2.8.16].
func detachForced(description string) *wire.Error {
	return &wire.Error{Condition: wire.ErrDetachForced, Description: description}
}

// changeTime is how long the control loop gets to do what it is asked for. It takes its turns in milliseconds; a router
// whose loop does not must be able to end, too.
const changeTime = 500 * time.Millisecond

// change has the control loop do something, and waits until it has, or for changeTime.
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

// awaitAll waits until left says nil of what is under way, and returns what it said last when ctx ends before. Consumers
// that take nothing are detached meanwhile, so that what is queued for them goes elsewhere, or back.
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

// underway looks at all connections.
func (r *Router) underway() *forwarding.Underway {
	u := &forwarding.Underway{}
	now := time.Now()
	for _, c := range r.host.Conns() {
		if !c.E.Look(func() { c.E.AddTo(u, now) }) {
			u.Unseen++
		}
	}
	return u
}

// clients are the connections that are not to other routers.
func (r *Router) clients() []*forwarding.Endpoint {
	var clients []*forwarding.Endpoint
	for _, c := range r.host.Conns() {
		if c.E.Terms.Role != forwarding.RoleInterRouter {
			clients = append(clients, c.E)
		}
	}
	return clients
}

// showDrain adds to what management shows how far a drain has come.
func (r *Router) showDrain(m *management.Router) {
	if p := r.drained.Load(); p != nil {
		u := r.underway()
		m.DrainStep, m.DrainSenders, m.DrainClients = p.step, uint64(u.Senders), uint64(u.Clients)
		m.DrainDeliveries = uint64(max(u.Sent+u.Handed-int(r.agent.inbox.Outstanding.Load()), 0)) // but for requests
		if p.left != nil {
			m.DrainProblem = p.left.Error()
		}
	}
}
