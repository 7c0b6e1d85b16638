package forwarding

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/route"
)

// noteKind says what a note is about.
type noteKind uint8

// The notes: to the endpoint of an outgoing link, to the origin of a delivery, and from the control loop.
const (
	// to the endpoint of an outgoing link
	NoteDeliver    noteKind = iota // a new branch
	noteGrown                      // the content of a branch has grown, is finished or aborted
	noteSettled                    // the sender of a branch has settled it or is gone
	NoteOpenStream                 // attach a streaming link
	// to the origin of a delivery
	noteOutcome  // the outcome of a branch
	NoteReturned // a branch of which nothing was offered to its consumer comes back
	noteResume   // a paused content may be filled again
	NoteFollow   // the other copy of a delivery's message has its outcome; on: it was lost, this one takes its place
	noteHold     // a delivery waits, and memory is short: its ingress router is to hold its senders back
	noteRetry    // there may be consumers for what waits; on: the control loop does not know any more that it waits
	// from the control loop
	NoteAttached   // answer to an attach
	NoteReachable  // an incoming link's address has consumers, or has none any more
	NoteDetach     // detach a link
	noteClose      // close the connection
	noteLeaveMesh  // detach the control links
	NoteStopCredit // take the senders' credit back
)

// Note is what one endpoint tells another, or the control loop an endpoint.
type Note struct {
	Kind   noteKind
	On     bool
	Link   *Link
	Branch *Branch
	// address is where a consumer is waited for, nil for addresses that are not known
	address *route.Address
	d       *Delivery
	state   wire.State
	Answer  *AttachAnswer
	Err     *wire.Error
}

// inbox is the only way to speak to an endpoint from outside. Its mutex is a leaf: nothing else is locked under it.
type inbox struct {
	Mu     sync.Mutex
	Notes  []Note
	closed bool
	octets atomic.Int64 // of the outcomes in the notes; those that share them count once
	last   *byte        // of the octets that were counted last
}

// Crowded is the number of notes above which they are taken even if the connection cannot be written to at the moment.
const Crowded = 128

// Put adds a note. wake says that the owner has to be woken: the inbox was empty before, or has become crowded. ok is
// false when the owner is gone, and the note was not taken.
func (i *inbox) Put(n Note) (wake, ok bool) {
	i.Mu.Lock()
	if i.closed {
		i.Mu.Unlock()
		return false, false
	}
	i.Notes = append(i.Notes, n)
	i.count(&n)
	wake = len(i.Notes)%Crowded == 1
	i.Mu.Unlock()
	return wake, true
}

// count counts the octets of an outcome. The mutex is held.
func (i *inbox) count(n *Note) {
	if raw := n.state.Raw; len(raw) > 0 && &raw[0] != i.last {
		i.last = &raw[0]
		i.octets.Add(int64(len(raw)))
	}
}

// isCrowded reports whether many notes wait.
func (i *inbox) isCrowded() bool {
	i.Mu.Lock()
	defer i.Mu.Unlock()
	return len(i.Notes) >= Crowded
}

// Swap takes all notes, giving the inbox the emptied slice spare for the next ones.
func (i *inbox) Swap(spare []Note) []Note {
	i.Mu.Lock()
	notes := i.Notes
	i.Notes = spare[:0]
	i.octets.Store(0)
	i.last = nil
	i.Mu.Unlock()
	return notes
}

// unswap puts notes that were not taken before those that have come since, and returns memory for the next swap.
func (i *inbox) unswap(notes []Note) (spare []Note) {
	i.Mu.Lock()
	defer i.Mu.Unlock()
	spare = i.Notes
	if i.closed {
		return spare
	}
	for k := range notes {
		i.count(&notes[k])
	}
	i.Notes = append(notes, i.Notes...)
	clear(spare)
	return spare
}

// Close refuses further notes and returns those that were not taken.
func (i *inbox) Close() []Note {
	i.Mu.Lock()
	notes := i.Notes
	i.Notes, i.closed = nil, true
	i.Mu.Unlock()
	return notes
}

// Wakes gathers the endpoints that got a first note during a batch, so that each is woken once, after the batch.
type Wakes struct{ Ends []*Endpoint }

// Post gives a note to an endpoint. False means that the endpoint is gone.
func (w *Wakes) Post(to *Endpoint, n Note) bool {
	wake, ok := to.Inbox.Put(n)
	if n := len(w.Ends); wake && (n == 0 || w.Ends[n-1] != to) {
		w.Ends = append(w.Ends, to)
	}
	return ok
}

// passing is how many endpoints a reader serves itself after a batch. With more, its own peer would wait too long; the
// writers of the others work at the same time.
const passing = 4

// Poke has the gathered endpoints served by their writers, as the control loop does, which has no time for that.
func (w *Wakes) Poke() {
	for i, c := range w.Ends {
		w.Ends[i] = nil
		c.Driver.Poke()
	}
	w.Ends = w.Ends[:0]
}

// Flush has the gathered endpoints served: the first few in passing, the others by their writers.
func (w *Wakes) Flush() {
	for i := 0; i < len(w.Ends); i++ { // serving one may add others
		c := w.Ends[i]
		w.Ends[i] = nil
		if i >= passing || !c.Driver.Serve(w) {
			c.Driver.Poke()
			if c.Inbox.isCrowded() {
				c.Driver.Relieve(w)
			}
		}
	}
	w.Ends = w.Ends[:0]
}

// Tell gives the endpoint a note from outside of any other one.
func (c *Endpoint) Tell(n Note) {
	var w Wakes
	w.Post(c, n)
	w.Flush()
}

// rest gives the memory for notes back when there are none.
func (i *inbox) rest() (octets int) {
	i.Mu.Lock()
	defer i.Mu.Unlock()
	if len(i.Notes) == 0 {
		octets = cap(i.Notes) * int(unsafe.Sizeof(Note{}))
		i.Notes = nil
	}
	return octets
}
