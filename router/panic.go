package router

import (
	"fmt"
	"runtime/debug"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/router/books"
)

// A panic is a mistake of this program. One while a connection is served ends that connection and nothing else,
// whoever was serving it: its reader, its writer, its timer, or another connection's reader in passing. One in the
// control loop or the agent ends what was being handled. Each is logged with its stack and counted. (What Go cannot
// recover from, a stack overflow or a concurrent write to a map, ends the process all the same.)
//
// Mutexes are given back by deferred calls where code runs that could panic: output.mu, conn.mu of whomever, control.mu,
// that of the agent. The leaves guard a few statements each.

// internalError is what a peer hears.
func internalError() *wire.Error {
	return &wire.Error{Condition: wire.ErrInternal, Description: "a mistake in the router; its log says more"}
}

// panicIn counts and logs what was recovered from. It is called while the stack of the panic still stands.
func (r *Router) panicIn(m logging.Module, where string, v any) {
	r.plane.panics.Add(1)
	r.host.log(m).Criticalf("%s: panic: %v\n%s", where, v, debug.Stack())
}

// panicked implements journal.
func (r *Router) panicked(where string, v any) { r.panicIn(logging.Server, where, v) }

func (c *Endpoint) panicked(v any) { c.plane.journal.panicked(fmt.Sprintf("[C%d]", c.number), v) }

// unlock is deferred where the mutex was locked to serve the connection. It hands over the gathered wakes.
func (c *Endpoint) unlock(woken *wakes) {
	if v := recover(); v != nil {
		c.crash(v)
	}
	c.driver.turned(c.deadline(), c.ending.closing || c.eng != nil && c.eng.Closed())
	woken.conns = append(woken.conns, c.wakes.conns...)
	clear(c.wakes.conns)
	c.wakes.conns = c.wakes.conns[:0]
	c.mu.Unlock()
}

// recovered is unlock for code without the mutex; call it in a deferred function, with what that recovered. The peer
// may have got half a frame, so that it hears nothing more.
func (c *conn) recovered(v any) error {
	var woken wakes
	defer woken.flush()
	c.e.crashWith(v, &woken)
	c.nc.Close()
	return fmt.Errorf("internal error: %v", v)
}

// crashWith is crash for who has not the mutex.
func (c *Endpoint) crashWith(v any, woken *wakes) {
	c.mu.Lock()
	defer c.unlock(woken)
	c.crash(v)
}

// crash ends the connection after a panic. The mutex is held. Its state may be wrong anywhere, so that the engine is
// given no more input, each link is ended as far as that is possible, and what is still known of deliveries after that
// gets an outcome.
func (c *Endpoint) crash(v any) {
	c.panicked(v)
	if c.near.Gone.Load() || c.crashed.Swap(true) {
		return
	}
	c.ending.closing = true
	c.ending.reason = "internal error"
	c.fails(books.FailedInternal)
	c.near.ForgetAll()
	c.dropLinks()
	for _, b := range c.deliveries.out {
		if b != nil {
			c.try(func() { c.clearOut(b); c.over(b, deliveryFailed) })
		}
	}
	for _, d := range c.deliveries.in {
		if d != nil {
			c.try(func() { c.abandon(d) })
		}
	}
	c.unanswered.giveUp()
	if !c.try(func() { c.eng.Fail(internalError()) }) {
		c.driver.abort()
	}
	c.driver.poke()
}

// try does something that may panic, and tells whether it did not.
func (c *Endpoint) try(what func()) (ok bool) {
	defer func() {
		if v := recover(); v != nil {
			c.panicked(v)
		}
	}()
	what()
	return true
}

// attempts is how often the ending of one link is begun anew: each time it leaves out what it panicked on.
const attempts = 100

// dropLinks ends all links.
func (c *Endpoint) dropLinks() {
	links := c.links
	c.links = nil
	for _, l := range links {
		if l == nil {
			continue
		}
		ok := false
		for n := 0; n < attempts && !ok; n++ {
			ok = c.try(func() { c.dropLink(l) })
		}
		if !ok {
			l.Dead.Store(true)
			c.plane.events.put(event{kind: eventLinkGone, conn: c, link: l})
		}
	}
}

// takeAll takes notes. A panic with one ends the connection, and the others find it so.
func (c *Endpoint) takeAll(notes []note) {
	for next := 0; next < len(notes); {
		c.takeFrom(notes, &next)
	}
	clear(notes)
}

func (c *Endpoint) takeFrom(notes []note, next *int) {
	defer func() {
		if v := recover(); v != nil {
			c.crash(v)
			if *next > 0 {
				n := &notes[*next-1]
				c.try(func() { c.takeBack(n) })
			}
		}
	}()
	if *next == 0 {
		c.here(atNotes)
	}
	for *next < len(notes) {
		*next++
		c.take(&notes[*next-1])
	}
}

// takeBack gives back what a note held with which the connection has panicked.
func (c *Endpoint) takeBack(n *note) {
	switch n.kind {
	case noteDeliver:
		if n.branch.state == branchQueued { // and in no queue, since the links were dropped
			c.giveBack(n.branch)
		}
	case noteGrown, noteSettled:
		n.branch.d.drop(false)
	case noteOutcome, noteReturned:
		n.branch.d.drop(true)
	case noteFollow:
		if n.on { // nobody takes the place of the first copy
			c.plane.pairs.end(n.d.copy, inDoubt, false)
		}
		n.d.drop(true)
	case noteResume:
		n.d.drop(true)
	}
}

// panicPoint is a place where tests have something panic.
type panicPoint uint8

const (
	atBegin   panicPoint = iota // a reader, before the transport's handshake
	atInput                     // a reader, with events of the engine
	atNotes                     // a writer or whoever writes in passing, with notes
	atWrite                     // the same, with octets to write and without the connection's mutex
	atTick                      // a timer
	atEvent                     // the control loop, with an event
	atRequest                   // the agent, with a request
)

// here is where tests have something panic. The hook is nil otherwise.
func (p *Plane) here(at panicPoint, c *Endpoint) {
	if hook := p.hook.Load(); hook != nil {
		(*hook)(at, c)
	}
}

func (c *Endpoint) here(at panicPoint) { c.plane.here(at, c) }
