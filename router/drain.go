package router

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/internal/management"
)

// This file ends a router so that nothing is handed back: clients' senders get no more credit, and what they have sent
// is brought to its end; then the router's consumers are taken out of the mesh, and what is under way to them arrives;
// then clients are sent elsewhere, and the neighbors' connections end last.

const (
	// drainTick is the time between two looks at what is still under way.
	drainTick = 5 * time.Millisecond
	// creditPatience is how long senders get to give their credit back. One that does not may go on until it is closed.
	creditPatience = 500 * time.Millisecond
	// drainQuiet is for how long nothing may have come from other routers, after they were told that there are no
	// consumers here: messages that they sent before they knew may take that long.
	drainQuiet = 200 * time.Millisecond
	// idleConsumer is for how long a consumer may have taken nothing, though messages are queued for it, before a drain
	// goes on without it.
	idleConsumer = 2 * time.Second
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
	r.host.draining.Store(true)
	for _, l := range r.listeners {
		if !l.cfg.HTTP {
			l.close()
		}
	}
	r.host.log(logging.Router).Noticef("Draining, for %v at most", r.drainTimeout)
	r.loops.Go(r.gossip.leave) // the others make the links that close the gap
	r.change(eventOverload)
	for _, c := range r.clients() {
		c.tell(note{kind: noteStopCredit})
	}
	err := r.awaitAll(ctx, func(u *underway) error { return u.ofSenders(time.Since(began) < creditPatience) })
	r.change(eventWithdraw)
	withdrawn := time.Now()
	r.drained.Store(&drainProgress{drainConsumers, err})
	if err == nil {
		err = r.awaitAll(ctx, func(u *underway) error { return u.ofAll(time.Now(), withdrawn) })
	}
	r.drained.Store(&drainProgress{drainClients, err})
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closingTime)
	defer cancel()
	r.dismiss(closing)
	left := r.awaitAll(closing, (*underway).ofClients)
	if handed := r.awaitAll(closing, (*underway).ofRouters); left == nil {
		left = handed
	}
	if err == nil {
		err = left
	}
	r.drained.Store(&drainProgress{drainNeighbors, err})
	if err != nil {
		r.host.log(logging.Router).Warningf("Not drained after %v: %v", time.Since(began).Round(time.Millisecond), err)
		return err
	}
	r.host.log(logging.Router).Noticef("Drained in %v", time.Since(began).Round(time.Millisecond))
	return nil
}

// dismiss sends the clients away. What has not begun by now goes to consumers elsewhere, as the consumers' links end
// here, or is released. Clients that wait for an outcome go last, so that they hear it.
func (r *Router) dismiss(ctx context.Context) {
	const reason = "the router is shutting down; connect to another one"
	r.plane.parting.Store(true)
	r.change(eventRetry)
	pause(ctx, hearingTime)
	waiting := false
	for _, c := range r.clients() {
		if consumers, owed := c.owes(); owed {
			waiting = true
			for _, l := range consumers {
				c.tell(note{kind: noteDetach, link: l, err: detachForced(reason)})
			}
		} else {
			c.close(c.forced(reason))
		}
	}
	if waiting {
		hearing, cancel := context.WithTimeout(ctx, lingering+drainTick)
		defer cancel()
		_ = r.awaitAll(hearing, func(u *underway) error { return u.ofSenders(false) })
		pause(ctx, hearingTime)
	}
	for _, c := range r.clients() {
		c.close(c.forced(reason))
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

// owes tells whether the client waits for the outcome of something that it sent, and which links it consumes from.
func (c *Endpoint) owes() (consumers []*link, owed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.links {
		switch {
		case l == nil || !l.attached || l.Dead.Load():
		case l.outgoing:
			consumers = append(consumers, l)
		default:
			owed = owed || l.inHand > 0
		}
	}
	return consumers, owed
}

// detachForced is the error of a consumer's link that ends before its connection does [2.8.16].
func detachForced(description string) *wire.Error {
	return &wire.Error{Condition: wire.ErrDetachForced, Description: description}
}

// changeTime is how long the control loop gets to do what it is asked for. It takes its turns in milliseconds; a router
// whose loop does not must be able to end, too.
const changeTime = 500 * time.Millisecond

// change has the control loop do something, and waits until it has, or for changeTime.
func (r *Router) change(what eventKind) {
	if !r.running.Load() {
		return
	}
	done := make(chan struct{})
	r.loop.put(event{kind: what, conn: r.agent.conn, done: done})
	limit := time.NewTimer(changeTime)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
	}
}

// awaitAll waits until left says nil of what is under way, and returns what it said last when ctx ends before. Consumers
// that take nothing are detached meanwhile, so that what is queued for them goes elsewhere, or back.
func (r *Router) awaitAll(ctx context.Context, left func(*underway) error) error {
	return await(ctx, func() error {
		u := r.underway()
		err := left(u)
		if err == nil {
			return nil
		}
		for _, l := range u.idle {
			l.conn.tell(note{kind: noteDetach, link: l,
				err: detachForced("the router is draining, and the receiver takes nothing of what waits for it")})
		}
		return err
	})
}

// await waits until left says nil, and returns what it said last when ctx ends before.
func await(ctx context.Context, left func() error) error {
	tick := time.NewTicker(drainTick)
	defer tick.Stop()
	for {
		err := left()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// underway is what a look at all connections finds to be under way.
type underway struct {
	unseen    int // connections that were busy
	clients   int // connections that are not to other routers
	senders   int // of clients, that have not given their credit back
	sent      int // deliveries of clients that have no outcome
	handed    int // deliveries of other routers that have none
	offered   int // deliveries queued for outgoing links, or written and not settled
	neighbors bool
	heard     time.Time // when a delivery came last over a connection to another router
	idle      []*link   // of consumers here that take nothing of what is queued for them
}

// underway looks at all connections.
func (r *Router) underway() *underway {
	u := &underway{}
	now := time.Now()
	for _, c := range r.host.conns() {
		if !c.e.look(func() { c.e.addTo(u, now) }) {
			u.unseen++
		}
	}
	return u
}

// addTo adds what is under way on a connection. Its mutex is held.
func (c *Endpoint) addTo(u *underway, now time.Time) {
	client := c.terms.role != RoleInterRouter
	if client {
		u.clients++
	} else if !c.near.Gone.Load() {
		u.neighbors = true
		if c.clock.lastDelivery.After(u.heard) {
			u.heard = c.clock.lastDelivery
		}
	}
	at := now.Sub(c.plane.began)
	for _, l := range c.links {
		switch {
		case l == nil || l.kind == linkControl || l.Dead.Load():
		case l.outgoing:
			u.offered += l.queued + l.unsettled
			if client && l.attached && l.unsettled == 0 && l.head != nil && l.head.state == branchQueued &&
				c.dryFor(l, at) >= idleConsumer {
				u.idle = append(u.idle, l)
			}
		case !client:
			u.handed += l.inHand
		default:
			u.sent += l.inHand
			if l.attached && !l.isToManagement() && c.eng.Credit(l.id) > 0 {
				u.senders++
			}
		}
	}
}

// busy says that some connections could not be looked at.
func (u *underway) busy() error { return fmt.Errorf("%d connections are busy", u.unseen) }

// ofSenders says what clients have sent and has no outcome, or, as long as one is patient, may still send.
func (u *underway) ofSenders(patient bool) error {
	switch {
	case u.unseen > 0:
		return u.busy()
	case u.sent > 0:
		return fmt.Errorf("%d deliveries of clients have no outcome", u.sent)
	case patient && u.senders > 0:
		return fmt.Errorf("%d senders have not given their credit back", u.senders)
	}
	return nil
}

// ofAll says what is under way in this router, or may be under way to it, whose consumers were withdrawn at a time.
func (u *underway) ofAll(now, withdrawn time.Time) error {
	switch n := u.sent + u.handed + u.offered; {
	case u.unseen > 0:
		return u.busy()
	case n > 0:
		return fmt.Errorf("%d deliveries are under way", n)
	case u.neighbors && (now.Sub(withdrawn) < drainQuiet || now.Sub(u.heard) < drainQuiet):
		return errors.New("other routers still send messages")
	}
	return nil
}

// ofRouters says what other routers have sent and has no outcome.
func (u *underway) ofRouters() error {
	if u.unseen > 0 {
		return u.busy()
	}
	if u.handed > 0 {
		return fmt.Errorf("%d deliveries of other routers have no outcome", u.handed)
	}
	return nil
}

// ofClients says how many clients have not gone.
func (u *underway) ofClients() error {
	if u.clients+u.unseen > 0 {
		return fmt.Errorf("%d clients have not taken the end of their connection", u.clients)
	}
	return nil
}

// clients are the connections that are not to other routers.
func (r *Router) clients() []*Endpoint {
	var clients []*Endpoint
	for _, c := range r.host.conns() {
		if c.e.terms.role != RoleInterRouter {
			clients = append(clients, c.e)
		}
	}
	return clients
}

// tell gives the connection a note from outside of any other.
func (c *Endpoint) tell(n note) {
	var w wakes
	w.post(c, n)
	w.flush()
}

// forced is the error of a connection that the router ends because it ends itself; it names the other routers that the
// open named.
func (c *Endpoint) forced(description string) *wire.Error {
	e := &wire.Error{Condition: wire.ErrConnectionForced, Description: description}
	if list := c.terms.failover; list != nil {
		if info, err := wire.AppendValue(nil, wire.Map{{Key: wire.Symbol("failover-server-list"), Value: list}}); err == nil {
			e.Info = info
		}
	}
	return e
}

// isToManagement tells whether a sender's link leads to the management node of this router. It is left out of a drain, so
// that one may ask how far that is.
func (l *link) isToManagement() bool { return l.address != nil && l.address.Text == managementAddress }

// stopCredit takes the credit of the senders of this connection back, for good.
func (c *Endpoint) stopCredit() {
	c.ending.stopped = true
	for _, l := range c.links {
		if l != nil && l.kind == linkEndpoint && !l.isToManagement() {
			c.setReachable(l, false)
		}
	}
}

// showDrain adds to what management shows how far a drain has come.
func (r *Router) showDrain(m *management.Router) {
	if p := r.drained.Load(); p != nil {
		u := r.underway()
		m.DrainStep, m.DrainSenders, m.DrainClients = p.step, uint64(u.senders), uint64(u.clients)
		m.DrainDeliveries = uint64(max(u.sent+u.handed-int(r.agent.inbox.Outstanding.Load()), 0)) // but for requests
		if p.left != nil {
			m.DrainProblem = p.left.Error()
		}
	}
}
