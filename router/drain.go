package router

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/logging"
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
)

// errDraining is what the health check says meanwhile, so that nobody sends new clients here.
var errDraining = errors.New("the router is draining")

// Drain lets traffic move away: no new clients, no credit for those that are here, no consumers here for the others.
// It returns when nothing is under way any more and the clients are gone, or when ctx ends, or its configured time-out is
// over; then it says what was left. Stop has to follow.
func (r *Router) Drain(ctx context.Context) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, r.drainTimeout)
	defer cancel()
	r.draining.Store(true)
	for _, l := range r.listeners {
		if !l.cfg.HTTP {
			l.close()
		}
	}
	r.log(logging.Router).Noticef("Draining, for %v at most", r.drainTimeout)
	r.loops.Go(r.gossip.leave) // the others make the links that close the gap
	r.change(func() { r.control.overloaded(time.Now(), true) })
	for _, c := range r.clients() {
		c.tell(note{kind: noteStopCredit})
	}
	err := r.await(ctx, func() error { return r.sendersLeft(began) })
	r.change(r.control.withdrawAll)
	withdrawn := time.Now()
	if err == nil {
		err = r.await(ctx, func() error { return r.workLeft(withdrawn) })
	}
	// What has not begun by now goes to consumers elsewhere, as the clients' links end here, or is released.
	r.parting.Store(true)
	r.change(func() { r.holders.wakeAll(&r.control.wakes) })
	for _, c := range r.clients() {
		c.close(c.forced("the router is shutting down; connect to another one"))
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closingTime)
	defer cancel()
	left := r.await(closing, r.clientsLeft)
	if handed := r.await(closing, r.handedLeft); left == nil {
		left = handed
	}
	if err == nil {
		err = left
	}
	if err != nil {
		r.log(logging.Router).Warningf("Not drained after %v: %v", time.Since(began).Round(time.Millisecond), err)
		return err
	}
	r.log(logging.Router).Noticef("Drained in %v", time.Since(began).Round(time.Millisecond))
	return nil
}

// changeTime is how long the control loop gets to do what it is asked for. It takes its turns in milliseconds; a router
// whose loop does not must be able to end, too.
const changeTime = 500 * time.Millisecond

// change has the control loop do something, and waits until it has, or for changeTime.
func (r *Router) change(what func()) {
	if !r.running.Load() {
		return
	}
	done := make(chan struct{})
	r.control.put(event{kind: eventChange, conn: r.agent.conn, change: func() {
		defer close(done)
		what()
	}})
	limit := time.NewTimer(changeTime)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
	}
}

// await waits until left says nil, and returns what it said last when ctx ends before.
func (r *Router) await(ctx context.Context, left func() error) error {
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

// clients are the connections that are not to other routers.
func (r *Router) clients() []*conn {
	conns := r.conns()
	clients := conns[:0]
	for _, c := range conns {
		if c.settings.role != RoleInterRouter {
			clients = append(clients, c)
		}
	}
	return clients
}

// sendersLeft says what clients have sent and has no outcome, or may still send.
func (r *Router) sendersLeft(began time.Time) error {
	var links, deliveries int
	patient := time.Since(began) < creditPatience
	for _, c := range r.clients() {
		c.mu.Lock()
		for _, l := range c.links {
			if l == nil || l.outgoing || !l.attached || l.dead.Load() {
				continue
			}
			if patient && c.eng.Credit(l.id) > 0 {
				links++
			}
			deliveries += l.inHand
		}
		c.mu.Unlock()
	}
	switch {
	case deliveries > 0:
		return fmt.Errorf("%d deliveries of clients have no outcome", deliveries)
	case links > 0:
		return fmt.Errorf("%d senders have not given their credit back", links)
	}
	return nil
}

// workLeft says what is under way in this router, or may be under way to it.
func (r *Router) workLeft(withdrawn time.Time) error {
	left, latest := 0, withdrawn
	neighbors := false
	for _, c := range r.conns() {
		c.mu.Lock()
		for _, l := range c.links {
			switch {
			case l == nil || l.kind == linkControl || l.dead.Load():
			case l.outgoing:
				left += l.queued + l.unsettled
			default:
				left += l.inHand
			}
		}
		if c.settings.role == RoleInterRouter && !c.gone.Load() {
			neighbors = true
			if c.lastDelivery.After(latest) {
				latest = c.lastDelivery
			}
		}
		c.mu.Unlock()
	}
	switch {
	case left > 0:
		return fmt.Errorf("%d deliveries are under way", left)
	case neighbors && time.Since(latest) < drainQuiet:
		return errors.New("other routers still send messages")
	}
	return nil
}

// handedLeft says what other routers have sent and has no outcome.
func (r *Router) handedLeft() error {
	left := 0
	for _, c := range r.conns() {
		c.mu.Lock()
		for _, l := range c.links {
			if l != nil && !l.outgoing && l.kind != linkEndpoint && l.kind != linkControl && !l.dead.Load() {
				left += l.inHand
			}
		}
		c.mu.Unlock()
	}
	if left > 0 {
		return fmt.Errorf("%d deliveries of other routers have no outcome", left)
	}
	return nil
}

// clientsLeft says how many clients have not gone.
func (r *Router) clientsLeft() error {
	if n := len(r.clients()); n > 0 {
		return fmt.Errorf("%d clients have not taken the end of their connection", n)
	}
	return nil
}

// tell gives the connection a note from outside of any other.
func (c *conn) tell(n note) {
	var w wakes
	w.post(c, n)
	w.flush()
}

// forced is the error of a connection that the router ends because it ends itself; it names the other routers that the
// open named.
func (c *conn) forced(description string) *wire.Error {
	e := &wire.Error{Condition: wire.ErrConnectionForced, Description: description}
	if list := c.settings.failoverList(); list != nil {
		if info, err := wire.AppendValue(nil, wire.Map{{Key: wire.Symbol("failover-server-list"), Value: list}}); err == nil {
			e.Info = info
		}
	}
	return e
}

// stopCredit takes the credit of the senders of this connection back, for good.
func (c *conn) stopCredit() {
	c.stopped = true
	for _, l := range c.links {
		if l != nil && l.kind == linkEndpoint {
			c.setReachable(l, false)
		}
	}
}

// overloaded tells the other routers to take other ways than through this one, or not to any more.
func (k *control) overloaded(now time.Time, on bool) {
	if k.mesh != nil {
		k.mesh.SetOverload(now, on)
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
	for _, a := range k.router.table.byKey { // only this loop writes the map
		k.announce(a)
	}
}
