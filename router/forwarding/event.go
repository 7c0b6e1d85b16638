package forwarding

import (
	"sync/atomic"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/route"
)

// EventKind says what the control loop is told.
type EventKind uint8

// What endpoints tell the control loop, and, from EventOverload on, whoever drains or stops the router.
const (
	EventOpened    EventKind = iota // a connection is open
	EventConnGone                   // a connection ended
	EventAttach                     // a client attached a link
	EventLinkGone                   // a link ended
	EventControlUp                  // the outgoing control link to a neighbor is up
	EventMessage                    // a control message arrived from a neighbor
	EventWithhold                   // messages of an address wait here, and memory is short
	EventOverload                   // others are to take other ways than through this router
	EventWithdraw                   // the consumers here are taken out of the mesh
	EventRetry                      // what waits for a consumer is tried once more
	EventLeave                      // the router goes
)

// Event is what endpoints, and whoever ends the router, tell the control loop.
type Event struct {
	Kind    EventKind
	End     *Endpoint
	Link    *Link
	Attach  *wire.Attach
	Payload []byte
	Address *route.Address // of EventWithhold, like Ingress, the number of the router where the messages came from
	Ingress int
	Done    chan<- struct{} // closed when it was handled, unless nil
}

const (
	// UnansweredMost is how many events of one connection may wait for the control loop, or answers of the loop for the
	// connection. With more, the connection is not read from until half of them are answered. Others do not notice, and
	// the transport holds the peer back.
	UnansweredMost = 256
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

// Weight is what an event counts for.
func (e *Event) Weight() int64 {
	switch e.Kind {
	case EventAttach, EventLinkGone:
		return 1
	case EventMessage:
		return 1 + int64(len(e.Payload)/messageUnit)
	default:
		return 0
	}
}

// Add counts events, or answers when n is negative.
func (u *unanswered) Add(n int64) {
	if u.count.Add(n) <= UnansweredMost/2 && u.waiting.Load() {
		u.poke()
	}
}

// many reports whether the reader has to wait.
func (u *unanswered) many() bool { return u.count.Load() > UnansweredMost && !u.over.Load() }

// GiveUp lets the reader go on though nothing will be answered.
func (u *unanswered) GiveUp() {
	u.over.Store(true)
	u.poke()
}

func (u *unanswered) poke() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// Wait waits until half of the events are answered, or until stop is closed.
func (u *unanswered) Wait(stop <-chan struct{}) {
	u.waiting.Store(true)
	for u.count.Load() > UnansweredMost/2 && !u.over.Load() {
		select {
		case <-u.wake:
		case <-stop:
			u.over.Store(true)
		}
	}
	u.waiting.Store(false)
}
