package router

import "sync/atomic"

const (
	// unansweredMost is how many events of one connection may wait for the control loop, or its answers for the
	// connection. With more, the connection is not read from until half of them are answered: others do not notice, and
	// the transport holds the peer back.
	unansweredMost = 256
	// messageUnit is the number of octets of a control message that count as one event.
	messageUnit = 16 << 10
)

// unanswered counts what a connection has told the control loop and was not answered. All methods may be called
// concurrently.
type unanswered struct {
	count   atomic.Int64
	waiting atomic.Bool
	over    atomic.Bool // nobody waits any more
	wake    chan struct{}
}

// weight is what an event counts for.
func (e *event) weight() int64 {
	switch e.kind {
	case eventAttach, eventLinkGone:
		return 1
	case eventMessage:
		return 1 + int64(len(e.payload)/messageUnit)
	default:
		return 0
	}
}

// add counts events, or answers when n is negative.
func (u *unanswered) add(n int64) {
	if u.count.Add(n) <= unansweredMost/2 && u.waiting.Load() {
		u.poke()
	}
}

// many tells whether the reader has to wait.
func (u *unanswered) many() bool { return u.count.Load() > unansweredMost && !u.over.Load() }

// giveUp lets the reader go on though nothing will be answered.
func (u *unanswered) giveUp() {
	u.over.Store(true)
	u.poke()
}

func (u *unanswered) poke() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// wait waits until half of the events are answered, or until stop is closed.
func (u *unanswered) wait(stop <-chan struct{}) {
	u.waiting.Store(true)
	for u.count.Load() > unansweredMost/2 && !u.over.Load() {
		select {
		case <-u.wake:
		case <-stop:
			u.over.Store(true)
		}
	}
	u.waiting.Store(false)
}
