package router

import (
	"sync"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/route"
)

// noteKind says what a note is about.
type noteKind uint8

const (
	// to the connection of an outgoing link
	noteDeliver    noteKind = iota // a new branch
	noteGrown                      // the content of a branch has grown, is finished or aborted
	noteSettled                    // the sender of a branch has settled it or is gone
	noteOpenStream                 // attach a streaming link
	// to the origin of a delivery
	noteOutcome  // the outcome of a branch
	noteReturned // a branch of which nothing was offered to its consumer comes back
	noteResume   // a paused content may be filled again
	noteFollow   // the other copy of a delivery's message has its outcome; on: it was lost, this one takes its place
	noteRetry    // there may be consumers for what waits; on: the control loop does not know any more that it waits
	// from the control loop
	noteAttached   // answer to an attach
	noteReachable  // an incoming link's address has consumers, or has none any more
	noteDetach     // detach a link
	noteClose      // close the connection
	noteOffender   // detach the link that holds the most
	noteStopCredit // take the senders' credit back
)

// note is what one connection tells another, or the control loop a connection.
type note struct {
	kind   noteKind
	on     bool
	link   *link
	branch *branch
	// address that a consumer is waited for, nil for those that are not known
	address *route.Address
	d       *delivery
	state   wire.State
	answer  *attachAnswer
	err     *wire.Error
}

// inbox is the only way to speak to a connection from outside. Its mutex is a leaf: nothing else is locked under it.
type inbox struct {
	mu     sync.Mutex
	notes  []note
	closed bool
}

// crowded is the number of notes above which they are taken even if the connection cannot be written to at the moment.
const crowded = 128

// put adds a note. It tells whether the owner has to be woken: the inbox was empty before, or has become crowded; ok is
// false when the owner is gone, and the note was not taken.
func (i *inbox) put(n note) (wake, ok bool) {
	i.mu.Lock()
	if i.closed {
		i.mu.Unlock()
		return false, false
	}
	i.notes = append(i.notes, n)
	wake = len(i.notes)%crowded == 1
	i.mu.Unlock()
	return wake, true
}

// isCrowded tells whether many notes wait.
func (i *inbox) isCrowded() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.notes) >= crowded
}

// swap takes all notes, giving the inbox the emptied slice spare for the next ones.
func (i *inbox) swap(spare []note) []note {
	i.mu.Lock()
	notes := i.notes
	i.notes = spare[:0]
	i.mu.Unlock()
	return notes
}

// unswap puts notes that were not taken before those that have come since, and returns memory for the next swap.
func (i *inbox) unswap(notes []note) (spare []note) {
	i.mu.Lock()
	defer i.mu.Unlock()
	spare = i.notes
	if i.closed {
		return spare
	}
	i.notes = append(notes, i.notes...)
	clear(spare)
	return spare
}

// close refuses further notes and returns those that were not taken.
func (i *inbox) close() []note {
	i.mu.Lock()
	notes := i.notes
	i.notes, i.closed = nil, true
	i.mu.Unlock()
	return notes
}

// wakes gathers the connections that got a first note during a batch, so that each is woken once, after the batch.
type wakes struct{ conns []*Endpoint }

// post gives a note to a connection; false means that it is gone.
func (w *wakes) post(to *Endpoint, n note) bool {
	wake, ok := to.inbox.put(n)
	if n := len(w.conns); wake && (n == 0 || w.conns[n-1] != to) {
		w.conns = append(w.conns, to)
	}
	return ok
}

// passing is how many connections a reader serves itself after a batch. More would make it wait too long for its own
// peer; their writers do it at the same time.
const passing = 4

// poke has the gathered connections served by their writers. The control loop does so: it has no time for what is theirs.
func (w *wakes) poke() {
	for i, c := range w.conns {
		w.conns[i] = nil
		c.driver.poke()
	}
	w.conns = w.conns[:0]
}

// flush has the gathered connections served: the first few in passing, the others by their writers.
func (w *wakes) flush() {
	for i := 0; i < len(w.conns); i++ { // serving one may add others
		c := w.conns[i]
		w.conns[i] = nil
		if i >= passing || !c.driver.serve(w) {
			c.driver.poke()
			if c.inbox.isCrowded() {
				c.driver.relieve(w)
			}
		}
	}
	w.conns = w.conns[:0]
}
