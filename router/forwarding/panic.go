package forwarding

import (
	"fmt"
	"math"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/books"
)

// A panic is a mistake of this program. One while a connection is served ends that connection and nothing else,
// whoever was serving it: its reader, its writer, its timer, or another connection's reader in passing. One in the
// control loop or the agent ends what was being handled. Each is logged with its stack and counted. What Go cannot
// recover from, as a stack overflow or a concurrent write to a map, ends the process all the same.
//
// Deferred calls give mutexes back where code runs that could panic: those of a connection's output, of any endpoint,
// of the control and of the agent. The leaves guard a few statements each.

// InternalError is what a peer hears.
func InternalError() *wire.Error {
	return &wire.Error{Condition: wire.ErrInternal, Description: "a mistake in the router; its log says more"}
}

// Panicked reports a panic while the endpoint was served.
func (c *Endpoint) Panicked(v any) { c.Plane.Journal.Panicked(fmt.Sprintf("[C%d]", c.Number), v) }

// unlock is deferred where the mutex was locked to serve the connection. It hands over the gathered wakes.
func (c *Endpoint) unlock(woken *Wakes) {
	if v := recover(); v != nil {
		c.crash(v)
	}
	c.charge()
	c.Driver.Turned(c.deadline(), c.Ending.Closing || c.Engine != nil && c.Engine.Closed())
	woken.Ends = append(woken.Ends, c.Wakes.Ends...)
	clear(c.Wakes.Ends)
	c.Wakes.Ends = c.Wakes.Ends[:0]
	c.Release()
}

// CrashWith is crash for who does not hold the mutex.
func (c *Endpoint) CrashWith(v any, woken *Wakes) {
	c.Mu.Lock()
	defer c.unlock(woken)
	c.crash(v)
}

// crash ends the connection after a panic. The mutex is held. Any state may be wrong, so that the engine gets no more
// input. Each link is ended as far as that is possible, and deliveries that are still known then get an outcome.
func (c *Endpoint) crash(v any) {
	c.Panicked(v)
	if c.Near.Gone.Load() || c.Crashed.Swap(true) {
		return
	}
	c.Ending.Closing = true
	c.Ending.Reason = "internal error"
	c.Fails(books.FailedInternal)
	c.Near.ForgetAll()
	c.work.units = math.MinInt / 2 // all of it, whatever that takes
	tasks := c.work.tasks
	c.work.tasks = nil
	c.dropLinks()
	for i := range tasks {
		if t := &tasks[i]; t.d != nil { // what is handed on is, to the end
			c.try(func() { c.do(t) })
		}
	}
	for _, b := range c.Deliveries.Out {
		if b != nil {
			c.try(func() { c.clearOut(b); c.Over(b, DeliveryFailed) })
		}
	}
	for _, d := range c.Deliveries.In {
		if d != nil {
			c.try(func() { c.Abandon(d) })
		}
	}
	c.Unanswered.GiveUp()
	if !c.try(func() { c.Engine.Fail(InternalError()) }) {
		c.Driver.Abort()
	}
	c.Driver.Poke()
}

// try does something that may panic, and reports whether it did not.
func (c *Endpoint) try(what func()) (ok bool) {
	defer func() {
		if v := recover(); v != nil {
			c.Panicked(v)
		}
	}()
	what()
	return true
}

// attempts is how often the ending of one link is begun anew: each time it leaves out what it panicked on.
const attempts = 100

// dropLinks ends the links, as far as the budget allows. It reports whether none is left.
func (c *Endpoint) dropLinks() bool {
	for i, l := range c.Links {
		if l == nil {
			continue
		}
		if c.isSpent() {
			return false
		}
		c.work.units++
		ok, done := false, false
		for n := 0; n < attempts && !ok; n++ {
			ok = c.try(func() {
				if done = c.endLink(l); done {
					c.linkEnded(l)
				}
			})
		}
		if ok && !done {
			return false
		}
		if !ok {
			l.Dead.Store(true)
			c.Plane.Events.Put(Event{Kind: EventLinkGone, End: c, Link: l})
		}
		c.Links[i] = nil
	}
	c.Links = nil
	return true
}

// takeFrom takes notes, as far as the budget allows. A panic with one ends the connection, and the others find it so.
func (c *Endpoint) takeFrom(notes []Note, next *int) {
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
		c.Here(AtNotes)
	}
	for *next < len(notes) && !c.isSpent() {
		*next++
		c.work.units++
		c.Take(&notes[*next-1])
	}
}

// takeBack gives back what a note held with which the connection has panicked.
func (c *Endpoint) takeBack(n *Note) {
	switch n.Kind {
	case NoteDeliver:
		if n.Branch.State == branchQueued { // and in no queue, since the links were dropped
			c.GiveBack(n.Branch)
		}
	case noteGrown, noteSettled:
		n.Branch.Delivery.Drop(false)
	case noteOutcome, NoteReturned:
		n.Branch.Delivery.Drop(true)
	case NoteFollow:
		if n.On { // nobody takes the place of the first copy
			c.Plane.Pairs.End(n.d.copy, InDoubt, false)
		}
		n.d.Drop(true)
	case noteResume, noteHold:
		n.d.Drop(true)
	}
}

// PanicPoint is a place where tests have something panic.
type PanicPoint uint8

// The places where tests have something panic.
const (
	AtBegin   PanicPoint = iota // a reader, before the transport's handshake
	AtInput                     // a reader, with events of the engine
	AtNotes                     // a writer or whoever writes in passing, with notes
	AtWrite                     // the same, with octets to write and without the connection's mutex
	AtTick                      // a timer
	AtEvent                     // the control loop, with an event
	AtRequest                   // the agent, with a request
)

// Here is where tests have something panic. The hook is nil otherwise.
func (p *Plane) Here(at PanicPoint, c *Endpoint) {
	if hook := p.Hook.Load(); hook != nil {
		(*hook)(at, c)
	}
}

// Here is where tests have something panic that serves the endpoint.
func (c *Endpoint) Here(at PanicPoint) { c.Plane.Here(at, c) }
