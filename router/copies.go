package router

import (
	"sync"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/route"
)

// This file is what the egress router does with the two copies of a message that came over two paths. The one that comes
// first is handed to a consumer. The other one follows it: it waits for the outcome of the first one and has the same.
// When the first one is lost before a consumer was offered it whole, because the connection that it came on ends, the
// other one takes its place.

// copyKey says which message a copy is of.
type copyKey struct {
	ingress string // node name of the ingress router
	number  uint64
}

// copyRecord is what is known of the copies of one message. The mutex of copyTable guards it.
type copyRecord struct {
	key      copyKey
	follower *delivery // waits for the outcome of the first one
	twice    bool      // both have come
	vacant   bool      // the first one was lost: the other one, which has not come, takes its place
	ended    bool
	outcome  wire.State // of the first one, once it has ended
}

// copyTable knows the messages of which a copy has come.
type copyTable struct {
	mu      sync.Mutex // but for seen.mu a leaf
	records map[copyKey]*copyRecord
	ended   []*copyRecord // whose first copy is over, and whose other one had not come then; a ring
	next    int
}

// endedCopies is how many messages are remembered of which only one copy has come and has its outcome.
const endedCopies = 1 << 14

// longestNode is the length in octets of the longest node name that a router can have.
const longestNode = len("0/") + 255

// inDoubt is the outcome of a copy that comes when that of the first one has been forgotten.
var inDoubt = deliveryFailed

// isCopyHere tells whether a delivery is one of two copies of a message for this router's consumers.
func (c *Endpoint) isCopyHere(d *delivery, e *message.Envelope) bool {
	return e.PathCount > 0 && d.transit && e.Number != 0 && e.Ingress != nil && string(e.Egress) == c.plane.nodeName
}

// forwardCopy forwards the first copy of a message and has the other one follow it. The order of messages is that in
// which their first copies come: two connections do not do this at the same time for copies from one ingress router.
func (c *Endpoint) forwardCopy(d *delivery, a *route.Address, e *message.Envelope) {
	key := copyKey{number: e.Number}
	p := c.plane.table.Router(e.Ingress)
	switch {
	case p != nil:
		key.ingress = p.Node
		p.Copying.Lock()
		defer p.Copying.Unlock()
	case len(e.Ingress) > longestNode: // nobody's: it would be remembered
		c.undeliverable(d)
		return
	default:
		key.ingress = string(e.Ingress)
	}
	r, state := c.plane.pairs.meet(key, d, p)
	switch {
	case r == nil:
		c.follows(d, state)
	case d.follows:
		d.content.Share(1, contentHigh) // it is kept: it may take the first one's place
	default:
		c.forwardTo(d, a, e)
	}
}

// meet notes that a copy has come. It is the first one, or follows it, as d.follows says then; or the first one has ended
// and r is nil: then the copy's outcome is state.
func (t *copyTable) meet(key copyKey, d *delivery, p *route.Router) (r *copyRecord, state wire.State) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r = t.records[key]
	switch {
	case r == nil:
		if p != nil && !p.Seen.Only(key.number) {
			return nil, inDoubt
		}
		if t.records == nil {
			t.records = make(map[copyKey]*copyRecord)
		}
		r = &copyRecord{key: key}
		t.records[key] = r
	case r.twice: // nobody sends three
		return nil, released
	case r.vacant:
		r.vacant, r.twice = false, true
	case r.ended:
		delete(t.records, key)
		r.twice = true
		return nil, r.outcome
	default:
		r.follower, r.twice, d.follows = d, true, true
	}
	d.copy = r
	return r, state
}

// end notes the outcome of a first copy. lost says that no consumer was offered the message whole, though one might have
// been. It returns the copy that follows, with a reference, if there is one: it takes the first one's place if that was
// lost, and has its outcome otherwise.
func (t *copyTable) end(r *copyRecord, state wire.State, lost bool) (follower *delivery) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.ended {
		return nil
	}
	follower, r.follower = r.follower, nil
	if follower != nil {
		follower.refs.Add(1)
	}
	if follower != nil && lost {
		return follower // which is the first one now
	}
	if state.Kind == wire.StateNone {
		state = inDoubt
	}
	if r.twice {
		r.ended = true
		delete(t.records, r.key)
		return follower
	}
	r.vacant, r.ended, r.outcome = lost, !lost, state
	if len(t.ended) < endedCopies {
		t.ended = append(t.ended, r)
		return nil
	}
	if old := t.ended[t.next]; t.records[old.key] == old {
		delete(t.records, old.key)
	}
	t.ended[t.next] = r
	t.next = (t.next + 1) % endedCopies
	return nil
}

// leave notes that a copy that follows has gone.
func (t *copyTable) leave(r *copyRecord, d *delivery) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.follower == d {
		r.follower = nil
	}
}

// copyEnded goes on when a copy of a message is over. The mutex of any connection is held.
func (c *Endpoint) copyEnded(d *delivery, state wire.State, lost bool) {
	pairs := &c.plane.pairs
	if d.follows {
		pairs.leave(d.copy, d)
		return
	}
	lost = lost || d.content.IsAborted()
	f := pairs.end(d.copy, state, lost)
	if f == nil || c.wakes.post(f.origin, note{kind: noteFollow, d: f, state: state, on: lost}) {
		return
	}
	if lost { // nobody takes its place
		pairs.end(d.copy, inDoubt, false)
	}
	f.drop(false)
}

// orphanReturned goes on when no consumer was offered a copy that came over a connection, or a session of it, that has
// ended: it cannot be tried once more from here, and the other copy takes its place.
func (c *Endpoint) orphanReturned(d *delivery) {
	if d.copy != nil && d.link == nil {
		c.copyEnded(d, released, true)
		d.copy = nil // that was its end
	}
}

// follow goes on with a copy whose message has an outcome, or whose first copy was lost: then it takes its place. It is
// called once at most for each that follows.
func (c *Endpoint) follow(d *delivery, state wire.State, first bool) {
	d.follows = false
	switch {
	case d.link == nil || d.counted: // it is over: its sender is gone, or has aborted it
		if first { // and nobody else has the message
			c.copyEnded(d, inDoubt, false)
		}
	case first:
		c.reforward(d)
	default:
		c.follows(d, state)
	}
}

// follows gives a copy the outcome of the message.
func (c *Endpoint) follows(d *delivery, state wire.State) {
	d.content.Share(0, 1)
	d.content.Leave(&buf.Cursor{})
	d.outcome = state
	c.count(d.link, books.Stats{Duplicates: 1})
	c.finished(d)
}
