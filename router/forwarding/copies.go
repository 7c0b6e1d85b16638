package forwarding

import (
	"sync"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/route"
)

// A message goes over two paths where its address says so (redundant): they have no router in common, or at least no
// connection. What happens to one path does not happen to the sender any more.
//
// The ingress router chooses the egress router and both paths, numbers the message, and writes all of that into both
// copies. The routers on the paths follow (router/route, steer.go).
//
// The egress router hands the copy that comes first to a consumer. The other one follows: it waits for the outcome of
// the first, and gets the same. It takes the place of the first when that is lost before a consumer was offered it
// whole, because the connection that it came on has ended.
//
// The ingress router gives its sender the first outcome that a consumer has given. What a path has done to its copy
// counts only when the other copy is lost, too.

// CopyKey says which message a copy is of.
type CopyKey struct {
	Ingress string // node name of the ingress router
	Number  uint64
}

// copyRecord is what is known of the copies of one message. CopyTable.Mu guards it.
type copyRecord struct {
	key      CopyKey
	Follower *Delivery // waits for the outcome of the first one
	twice    bool      // both have come
	vacant   bool      // the first one was lost: the other one, which has not come, takes its place
	ended    bool
	outcome  wire.State // of the first one, once it has ended
}

// CopyTable knows the messages of which a copy has come.
type CopyTable struct {
	Mu      sync.Mutex // a leaf, but for that of route.Seen
	Records map[CopyKey]*copyRecord
	Ended   []*copyRecord // whose first copy is over, and whose other one had not come then; a ring
	next    int
}

// EndedCopies is how many messages are remembered of which only one copy has come and has its outcome.
const EndedCopies = 1 << 14

// LongestNode is the length in octets of the longest node name that a router can have.
const LongestNode = len("0/") + 255

// InDoubt is the outcome of a copy that comes when that of the first one has been forgotten.
var InDoubt = DeliveryFailed

// isCopyHere reports whether a delivery is one of two copies of a message for this router's consumers.
func (c *Endpoint) isCopyHere(d *Delivery, e *message.Envelope) bool {
	return e.PathCount > 0 && d.Transit && e.Number != 0 && e.Ingress != nil && string(e.Egress) == c.Plane.nodeName
}

// ForwardCopy forwards the first copy of a message and has the other one follow it. The order of messages is that in
// which their first copies come: two connections do not do this at the same time for copies from one ingress router.
func (c *Endpoint) ForwardCopy(d *Delivery, a *route.Address, e *message.Envelope) {
	key := CopyKey{Number: e.Number}
	p := c.Plane.Table.Router(e.Ingress)
	switch {
	case p != nil:
		key.Ingress = p.Node
		p.Copying.Lock()
		defer p.Copying.Unlock()
	case len(e.Ingress) > LongestNode: // nobody's: it would be remembered
		c.Undeliverable(d)
		return
	default:
		key.Ingress = string(e.Ingress)
	}
	r, state := c.Plane.Pairs.Meet(key, d, p)
	switch {
	case r == nil:
		c.follows(d, state)
	case d.Stage == StageFollowing:
		d.Content.Share(1, ContentHigh) // it is kept: it may take the first one's place
	default:
		c.forwardTo(d, a, e)
	}
}

// Meet remembers that a copy has come. The copy is the first one, or follows: its stage says so then. When the first
// one has ended, r is nil, and state is the copy's outcome.
func (t *CopyTable) Meet(key CopyKey, d *Delivery, p *route.Router) (r *copyRecord, state wire.State) {
	t.Mu.Lock()
	defer t.Mu.Unlock()
	r = t.Records[key]
	switch {
	case r == nil:
		if p != nil && !p.Seen.Only(key.Number) {
			return nil, InDoubt
		}
		if t.Records == nil {
			t.Records = make(map[CopyKey]*copyRecord)
		}
		r = &copyRecord{key: key}
		t.Records[key] = r
	case r.twice: // nobody sends three
		return nil, Released
	case r.vacant:
		r.vacant, r.twice = false, true
	case r.ended:
		delete(t.Records, key)
		r.twice = true
		return nil, r.outcome
	default:
		r.Follower, r.twice, d.Stage = d, true, StageFollowing
	}
	d.copy = r
	return r, state
}

// End remembers the outcome of a first copy. lost says that no consumer was offered the message whole, though one might
// have been. End returns the copy that follows, with a reference, nil if there is none. That copy takes the place of
// the first if that was lost, and gets its outcome otherwise.
func (t *CopyTable) End(r *copyRecord, state wire.State, lost bool) (follower *Delivery) {
	t.Mu.Lock()
	defer t.Mu.Unlock()
	if r.ended {
		return nil
	}
	follower, r.Follower = r.Follower, nil
	if follower != nil {
		follower.Refs.Add(1)
	}
	if follower != nil && lost {
		return follower // which is the first one now
	}
	if state.Kind == wire.StateNone {
		state = InDoubt
	}
	if r.twice {
		r.ended = true
		delete(t.Records, r.key)
		return follower
	}
	r.vacant, r.ended, r.outcome = lost, !lost, state
	if len(t.Ended) < EndedCopies {
		t.Ended = append(t.Ended, r)
		return nil
	}
	if old := t.Ended[t.next]; t.Records[old.key] == old {
		delete(t.Records, old.key)
	}
	t.Ended[t.next] = r
	t.next = (t.next + 1) % EndedCopies
	return nil
}

// Leave remembers that a copy that follows has gone.
func (t *CopyTable) Leave(r *copyRecord, d *Delivery) {
	t.Mu.Lock()
	defer t.Mu.Unlock()
	if r.Follower == d {
		r.Follower = nil
	}
}

// CopyEnded goes on when a copy of a message is over. The mutex of some endpoint is held, not always the origin's.
func (c *Endpoint) CopyEnded(d *Delivery, state wire.State, lost bool) {
	pairs := &c.Plane.Pairs
	if d.Stage == StageFollowing {
		pairs.Leave(d.copy, d)
		return
	}
	lost = lost || d.Content.IsAborted()
	f := pairs.End(d.copy, state, lost)
	if f == nil || c.Wakes.Post(f.Origin, Note{Kind: NoteFollow, d: f, state: state, On: lost}) {
		return
	}
	if lost { // nobody takes its place
		pairs.End(d.copy, InDoubt, false)
	}
	f.Drop(false)
}

// orphanReturned goes on when no consumer was offered a copy whose link has ended. The copy cannot be tried once more
// from here, and the other one takes its place.
func (c *Endpoint) orphanReturned(d *Delivery) {
	if d.copy != nil && d.Link == nil {
		c.CopyEnded(d, Released, true)
		d.copy = nil // that was its end
	}
}

// follow goes on with a copy that follows: its message has an outcome, or the first copy was lost, and it takes that
// one's place. It is called once at most for each copy.
func (c *Endpoint) follow(d *Delivery, state wire.State, first bool) {
	over := d.Stage == StageOver
	if !over {
		d.Stage = StageRouted
	}
	switch {
	case d.Link == nil || over: // it is over: its sender is gone, or has aborted it
		if first { // and nobody else has the message
			c.CopyEnded(d, InDoubt, false)
		}
	case first:
		c.reforward(d)
	default:
		c.follows(d, state)
	}
}

// follows gives a copy the outcome of the message.
func (c *Endpoint) follows(d *Delivery, state wire.State) {
	d.Content.Share(0, 1)
	d.Content.Leave(&buf.Cursor{})
	d.outcome = state
	c.count(d.Link, books.Stats{Duplicates: 1})
	c.finished(d)
}

// annotatePair adds the paths of the two copies of a message to its annotations.
func (c *Endpoint) annotatePair(r *message.RouterAnnotations, t *route.Target) {
	r.Number = c.Plane.copies.Add(1)
	r.Egress, r.Paths, r.PathCount = t.Remote.Router.Octets, t.Pair.Paths, t.Pair.Count
}

// decides reports whether the outcome of one copy is that of the message, because a consumer has said it. Anything else
// may be what became of this copy on its way, and the other one is waited for.
func decides(s wire.State) bool { return s.Kind == wire.StateAccepted || s.Kind == wire.StateRejected }

// recall gives up the copies of a message that has its outcome.
func (c *Endpoint) recall(d *Delivery) {
	d.Branches(func(b *Branch) {
		if b.Over {
			return
		}
		b.Over = true
		d.Pending--
		d.Refs.Add(1)
		if !c.Wakes.Post(b.Link.End, Note{Kind: noteSettled, Branch: b, On: true}) {
			d.Drop(true)
		}
	})
}
