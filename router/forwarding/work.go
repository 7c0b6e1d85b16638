package forwarding

import (
	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/route"
)

// This file divides what takes long into turns. Others wait for an endpoint's mutex, so that a turn does some turnUnits
// of work and no more. What is left comes first in the next turn, before any further input.

const (
	// turnUnits is the budget of work of a turn, in links, deliveries, branches, notes and events.
	turnUnits = 2000
	// fanOut is how many targets of a message are served at once. More of them are divided into turns.
	fanOut = 256
)

// work is what a turn has done, and what is left for the next ones.
type work struct {
	units   int        // done in this turn
	tasks   []task     // begun and not finished, in order
	notes   []Note     // taken out of the inbox
	outcome wire.State // the last one of a consumer in this turn
	next    int        // of notes: those before it were handled
	looked  int        // links and branches that were looked at for their origins, ever
}

// taskKind says what a task does.
type taskKind uint8

const (
	taskLink    taskKind = iota // ends a link
	taskSession                 // ends a session with its links
	taskHand                    // hands a delivery to many targets
	taskTell                    // tells many branches of a delivery something
	taskCredit                  // takes the credit of all senders back
)

// task is work for several turns.
type task struct {
	kind    taskKind
	link    *Link
	session engine.SessionID
	err     *wire.Error
	closed  bool // the link, and not only its attachment
	d       *Delivery
	targets []route.Target // with links chosen
	note    noteKind
	next    int // of the targets, branches or links
}

// isSpent reports whether the turn has had its budget.
func (c *Endpoint) isSpent() bool { return c.work.units >= turnUnits }

// isLeft reports whether a former turn has left something.
func (c *Endpoint) isLeft() bool { return len(c.work.tasks) > 0 || c.work.next < len(c.work.notes) }

// goOn goes on with the tasks, as far as the budget allows, and reports whether they are done.
func (c *Endpoint) goOn() bool {
	for len(c.work.tasks) > 0 {
		if c.isSpent() {
			return false
		}
		t := c.work.tasks[0] // the list may grow meanwhile
		if !c.do(&t) {
			c.work.tasks[0] = t
			return false
		}
		done := len(c.work.tasks) - 1
		copy(c.work.tasks, c.work.tasks[1:])
		c.work.tasks[done] = task{}
		c.work.tasks = c.work.tasks[:done]
	}
	return true
}

// begin does a task as far as the budget allows, and leaves the rest for the next turns. Tasks are done in their order.
func (c *Endpoint) begin(t task) {
	if len(c.work.tasks) > 0 || !c.do(&t) {
		c.work.tasks = append(c.work.tasks, t)
	}
}

// do goes on with a task, and reports whether it is done.
func (c *Endpoint) do(t *task) bool {
	switch t.kind {
	case taskLink:
		if !c.endLink(t.link) {
			return false
		}
		c.linkEnded(t.link)
		c.Engine.Detach(t.link.ID, t.closed, t.err)
		return true
	case taskSession:
		return c.endSession(t)
	case taskHand:
		return c.handMore(t)
	case taskTell:
		return c.tellMore(t)
	default:
		return c.stopMore(t)
	}
}

// takeNotes takes notes out of the inbox and handles them, as far as the budget allows, and reports whether some are
// left.
func (c *Endpoint) takeNotes() (left bool) {
	w := &c.work
	if w.next == len(w.notes) {
		w.notes, w.next = c.Inbox.Swap(w.notes), 0
	}
	for w.next < len(w.notes) && !c.isSpent() {
		c.takeFrom(w.notes, &w.next)
	}
	if w.next < len(w.notes) {
		return true
	}
	clear(w.notes)
	w.notes, w.next = w.notes[:0], 0
	return false
}

// putBack puts the notes that are left into the inbox again, before the others.
func (c *Endpoint) putBack() {
	w := &c.work
	if w.next < len(w.notes) {
		spare := c.Inbox.unswap(append([]Note(nil), w.notes[w.next:]...))
		clear(w.notes)
		w.notes = spare[:0]
	}
	w.next = 0
	w.notes = w.notes[:0]
}

// endLink lets go of what a link has, as far as the budget allows, and reports whether it has nothing any more.
func (c *Endpoint) endLink(l *Link) bool {
	if !l.ending {
		l.ending = true
		l.Dead.Store(true)
		c.goOnBehind()
		if !l.Outgoing {
			c.senderEnds(l)
		}
	}
	for l.Outgoing && l.Head != nil {
		if c.isSpent() {
			return false
		}
		c.work.units++
		c.failQueued(l)
	}
	for more := c.Engine != nil && l.Attached; more; {
		if c.isSpent() {
			return false
		}
		more = c.Engine.LetGo(l.ID, turnUnits/16, func(id engine.DeliveryID) {
			c.work.units++
			c.lostDelivery(l, id)
		})
	}
	return true
}

// endSession ends the links of a session, and the session.
func (c *Endpoint) endSession(t *task) bool {
	for id := c.Engine.AnyLink(t.session); id != engine.None; id = c.Engine.AnyLink(t.session) {
		if c.isSpent() {
			return false
		}
		c.work.units++
		if l := c.linkAt(id); l != nil {
			if !c.endLink(l) {
				return false
			}
			c.linkEnded(l)
		}
		c.Engine.Forget(id)
	}
	c.Engine.End(t.session, t.err)
	return true
}

// isEnding reports whether a session is being ended already.
func (c *Endpoint) isEnding(id engine.SessionID) bool {
	for i := range c.work.tasks {
		if t := &c.work.tasks[i]; t.kind == taskSession && t.session == id {
			return true
		}
	}
	return false
}

// linkAt is the link with a number of the engine, nil for none.
func (c *Endpoint) linkAt(id engine.LinkID) *Link {
	if id < 0 || int(id) >= len(c.Links) {
		return nil
	}
	return c.Links[id]
}

// peerDetached ends a link that the peer has detached, or that broke a rule.
func (c *Endpoint) peerDetached(id engine.LinkID, closed bool, err *wire.Error) {
	l := c.linkAt(id)
	switch {
	case l == nil:
		c.Engine.Detach(id, closed, err)
	case l.ending: // what ends it answers
	default:
		c.begin(task{kind: taskLink, link: l, closed: closed, err: err})
	}
}

// detach ends a link from this side.
func (c *Endpoint) detach(l *Link, err *wire.Error) {
	if c.linkAt(l.ID) != l {
		return
	}
	if l.Kind == LinkStream && l.Outgoing { // it has a session of its own
		c.sessionEnded(l.session, err)
		return
	}
	c.peerDetached(l.ID, true, err)
}

// sessionEnded ends the links of a session and the session.
func (c *Endpoint) sessionEnded(id engine.SessionID, err *wire.Error) {
	if !c.isEnding(id) {
		c.begin(task{kind: taskSession, session: id, err: err})
	}
}

// handMore hands a delivery to the next of its targets. Until all have it, it is not over.
func (c *Endpoint) handMore(t *task) bool {
	d := t.d
	for ; t.next < len(t.targets); t.next++ {
		if c.isSpent() {
			return false
		}
		target := &t.targets[t.next]
		l := LinkOf(target.Consumer)
		if l != nil && !d.Content.IsAborted() && c.post(d.NewBranch(l, target.Remote, nil)) {
			continue
		}
		c.work.units++
		d.Content.Leave(&buf.Cursor{})
		d.outcome = combine(d.outcome, Released)
	}
	if d.Pending--; d.Pending == 0 {
		c.finished(d)
	}
	d.Drop(true)
	return true
}

// tellAll tells all branches of a delivery something.
func (c *Endpoint) tellAll(d *Delivery, kind noteKind, on bool) {
	if len(d.others) < fanOut && (len(d.others) < 2 || !c.isSpent()) {
		d.Branches(func(b *Branch) { c.tellBranch(b, kind, on) })
		return
	}
	if last := len(c.work.tasks) - 1; last >= 0 {
		if t := &c.work.tasks[last]; t.kind == taskTell && t.d == d && t.note == kind && t.next == 0 {
			return // it is about to be told
		}
	}
	d.Refs.Add(1)
	c.begin(task{kind: taskTell, d: d, note: kind, closed: on})
}

// tellMore tells the next branches of a delivery.
func (c *Endpoint) tellMore(t *task) bool {
	for ; t.next <= len(t.d.others); t.next++ {
		if c.isSpent() {
			return false
		}
		b := &t.d.first
		if t.next > 0 {
			b = t.d.others[t.next-1]
		}
		c.tellBranch(b, t.note, t.closed)
	}
	t.d.Drop(true)
	return true
}

// tellBranch tells one branch something, unless it is over.
func (c *Endpoint) tellBranch(b *Branch, kind noteKind, on bool) {
	c.work.units++
	if b.Over {
		return
	}
	b.Delivery.Refs.Add(1)
	if !c.Wakes.Post(b.Link.End, Note{Kind: kind, Branch: b, On: on}) {
		b.Delivery.Drop(true)
	}
}

// stopMore takes the credit of the next senders back.
func (c *Endpoint) stopMore(t *task) bool {
	for ; t.next < len(c.Links); t.next++ {
		if c.isSpent() {
			return false
		}
		c.work.units++
		if l := c.Links[t.next]; l != nil && l.Kind == LinkEndpoint && !l.isToManagement() {
			c.setReachable(l, false)
		}
	}
	return true
}
