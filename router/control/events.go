package control

import (
	"fmt"
	"time"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/mesh"
	"github.com/postroad/postroad/router/forwarding"
)

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
		k.ask(now, e)
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
