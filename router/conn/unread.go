package conn

import (
	"sync/atomic"

	"github.com/postroad/postroad/router/forwarding"
)

// unread lets a reader wait whose peer does not read what it is answered.
type unread struct {
	waiting atomic.Bool
	over    atomic.Bool // nobody waits any more
	wake    chan struct{}
}

// taken says that what was to be written has been taken.
func (u *unread) taken() {
	if u.waiting.Load() {
		u.poke()
	}
}

// giveUp lets the reader go on though nothing will be taken.
func (u *unread) giveUp() {
	u.over.Store(true)
	u.poke()
}

// poke wakes the reader.
func (u *unread) poke() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// wait waits until the endpoint has little to be written, or until stop is closed.
func (u *unread) wait(e *forwarding.Endpoint, stop <-chan struct{}) {
	u.waiting.Store(true)
	for e.Unread.Load() && !u.over.Load() {
		select {
		case <-u.wake:
		case <-stop:
			u.over.Store(true)
		}
	}
	u.waiting.Store(false)
	if u.over.Load() {
		e.IgnoreUnread.Store(true)
	}
}
