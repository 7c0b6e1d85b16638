package forwarding

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/postroad/postroad/router/books"
)

// This file lets others look at an endpoint though somebody works with it: nobody who looks at many endpoints waits for
// the mutex of one. Whoever has it answers at the end of the turn.

// questions are those that wait for the end of a turn.
type questions struct {
	waiting atomic.Bool
	mu      sync.Mutex // a leaf
	list    []*Question
}

// Question is a look at an endpoint that has to wait for the end of a turn.
type Question struct {
	Done  chan struct{} // closed when the look is over
	look  func()
	taken atomic.Bool // by whoever answers, or by Forget
}

// Look calls f with the mutex, unless somebody else has it: then it returns false, and has not called f.
func (c *Endpoint) Look(f func()) bool {
	if !c.Mu.TryLock() {
		return false
	}
	defer c.Release()
	f()
	return true
}

// Release gives the mutex back, and answers whoever has asked meanwhile. Nobody gives it back without that.
func (c *Endpoint) Release() {
	for {
		c.answer()
		c.Mu.Unlock()
		if !c.questions.waiting.Load() || !c.Mu.TryLock() {
			return
		}
	}
}

// Ask has f called with the mutex, at once or at the end of the turn that somebody else takes. The caller waits for
// Done, or forgets the question.
func (c *Endpoint) Ask(f func()) *Question {
	q := &Question{Done: make(chan struct{}), look: f}
	s := &c.questions
	s.mu.Lock()
	s.list = append(s.list, q)
	s.waiting.Store(true)
	s.mu.Unlock()
	if c.Mu.TryLock() { // the turn may have ended meanwhile
		c.Release()
	}
	return q
}

// Forget gives the question up. It reports false when it was answered, or is just being answered: then Done is closed
// soon.
func (q *Question) Forget() bool { return q.taken.CompareAndSwap(false, true) }

// answer answers the questions. The mutex is held.
func (c *Endpoint) answer() {
	s := &c.questions
	if !s.waiting.Load() {
		return
	}
	s.mu.Lock()
	list := s.list
	s.list = nil
	s.waiting.Store(false)
	s.mu.Unlock()
	for _, q := range list {
		if q.taken.CompareAndSwap(false, true) {
			c.try(q.look)
			close(q.Done)
		}
	}
}

// closeBooks gives the ledger, which is locked, all that the endpoint has counted. It reports whether it did: not when
// somebody has the endpoint's mutex.
func (c *Endpoint) closeBooks(ledger *books.Ledger) bool {
	return c.Look(func() {
		ledger.Close(&c.Counted.Past, &c.Counted.Shares,
			books.Failure{Role: c.Terms.Role.String(), Dialed: c.Dialed, Reason: c.Ending.failure})
		c.Counted.closed = true
	})
}

// Leave keeps the counters of an endpoint that is over. What it counts later goes where it belongs at once. Nobody
// waits with the ledger locked.
func (o *Roll) Leave(c *Endpoint) {
	for left := false; !left; runtime.Gosched() {
		o.Ledger.Locked(func() {
			o.mu.Lock()
			defer o.mu.Unlock()
			if _, ok := o.Ends[c]; !ok || c.closeBooks(o.Ledger) {
				delete(o.Ends, c)
				left = true
			}
		})
	}
}
