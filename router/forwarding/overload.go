package forwarding

import (
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// OverloadLevel says what a router does against a lack of memory. Each level includes those below it.
type OverloadLevel int32

// The levels.
const (
	OverloadNone       OverloadLevel = iota
	OverloadCredit                   // senders get credit for one message at a time; settled messages are dropped earlier
	OverloadAttach                   // new links are refused
	OverloadConnection               // new connections are refused
	OverloadOffender                 // the link that holds the most is detached, one after the other
)

// String returns the name in logs.
func (l OverloadLevel) String() string {
	return [...]string{"none", "credit withheld", "attaches refused", "connections refused", "worst offender detached"}[l]
}

// overloadAt is the pressure from which each level holds. It is left when the pressure is overloadSlack below it.
var overloadAt = [...]float64{OverloadCredit: 0.60, OverloadAttach: 0.75, OverloadConnection: 0.85, OverloadOffender: 0.95}

const (
	overloadSlack = 0.10
	// HeapShare is the part of the memory limit that live objects may take: the rest is for those that the garbage
	// collector has not found yet.
	HeapShare = 0.8
	// OverloadCalm is the time between two looks at the memory when little is held.
	OverloadCalm = time.Second
	// OverloadAlert is the time between two looks otherwise.
	OverloadAlert = 100 * time.Millisecond
	// OffenderPause is how long the effect of detaching a link is waited for before the next one is detached.
	OffenderPause = time.Second
)

// Overload watches the memory of the process. The control loop owns it; anybody may read Level and what is atomic.
type Overload struct {
	Level   atomic.Int32
	Refused atomic.Uint64 // connections
	Clients buf.Total     // octets of the messages that came from them
	routers buf.Total
	State   buf.Total    // octets that the state of clients' connections takes
	Senders atomic.Int64 // links of clients that have been given credit
	Budget  int64        // what messages may take

	// Mu is held during a look at the memory, and guards the limit of the process, math.MaxInt64 without one, what tells
	// the live heap in octets, and when the next look is.
	Mu     sync.Mutex
	Memory int64
	Live   func() int64
	Next   time.Time
	Told   time.Time // when the origins of what waits were last told

	Cause    atomic.Bool // one user holds most: what restricts is for those who hold much
	Surplus  Surplus     // what idle connections have given back
	Detached time.Time   // when an offender was last detached
}

// Unlimited is the memory that is reckoned with when the process has no limit.
const Unlimited = 4 << 30

// Held is the number of octets of all messages here.
func (o *Overload) Held() int64 { return o.Clients.Held() + o.routers.Held() }

// DeliveryCost is about how many octets a delivery takes while it is under way, besides its content: its entries here
// and in the engines of both connections, and the notes that these exchange.
const DeliveryCost = 2 << 10

// window is how many deliveries may be under way on each client's link, so that all of them, however many links there
// are, take no more than the messages may. It is at least LeastWindow.
func (o *Overload) window() int {
	n := o.Senders.Load()
	if n == 0 {
		return math.MaxInt
	}
	return max(int(o.Budget/DeliveryCost/n), LeastWindow)
}

// At reports whether a level holds.
func (o *Overload) At(l OverloadLevel) bool { return OverloadLevel(o.Level.Load()) >= l }

// AtFor reports whether a level holds for a user. While another user holds most of what is held, it does not.
func (o *Overload) AtFor(l OverloadLevel, a *Account) bool {
	return o.At(l) && (a == nil || !o.Cause.Load() || o.isLarge(a))
}

// fairShare is the part of the budget that one user may hold before what restricts is for that user.
const fairShare = 16

// isLarge reports whether a user holds more than a fair share.
func (o *Overload) isLarge(a *Account) bool { return a.sum() > o.Budget/fairShare }

// IsRefused reports whether a client's attach is refused. Those who manage the router always get their links.
func (c *Endpoint) IsRefused(a *wire.Attach) bool {
	if !c.Plane.Overload.AtFor(OverloadAttach, c.account.Load()) {
		return false
	}
	if a.Role == wire.RoleReceiver {
		return a.Source == nil || !a.Source.Dynamic
	}
	return a.Target == nil || !strings.HasSuffix(a.Target.Address, "$management")
}

// Pressure is how much of what may be used is used, the worse of the messages and the heap. The caller holds Mu.
func (o *Overload) Pressure() float64 {
	p := float64(o.Held()) / float64(o.Budget)
	p = max(p, float64(o.Held()+o.State.Held())/float64(2*o.Budget))
	if o.Memory != math.MaxInt64 {
		p = max(p, float64(o.Live())/(HeapShare*float64(o.Memory)))
	}
	return p
}

// Step returns the level that follows from a pressure and the level so far.
func (l OverloadLevel) Step(pressure float64) OverloadLevel {
	for l < OverloadOffender && pressure >= overloadAt[l+1] {
		l++
	}
	for l > OverloadNone && pressure < overloadAt[l]-overloadSlack {
		l--
	}
	return l
}

// WorstLink returns the incoming link of a client whose messages hold the most octets, and how many those are.
func (c *Endpoint) WorstLink() (worst *Link, most int) {
	for _, l := range c.Links {
		if l != nil && !l.Outgoing && l.Attached && l.Kind == LinkEndpoint {
			if held := l.holds(); held > most {
				worst, most = l, held
			}
		}
	}
	return worst, most
}

// EndOffender ends what takes the most memory of this connection: the link whose messages do, or the connection when
// its state takes more. It reports false, and does nothing, while somebody works with the endpoint. Whether its peer
// reads makes no difference.
func (c *Endpoint) EndOffender(now time.Time, woken *Wakes) bool {
	if !c.Mu.TryLock() {
		return false
	}
	defer c.unlock(woken)
	if c.Near.Gone.Load() || c.Crashed.Load() || c.Engine == nil {
		return true
	}
	c.BeginTurn(now)
	c.Wakes.Ends = append(c.Wakes.Ends, c)
	if c.Ending.Closing { // it has been told, and does not go
		c.Driver.Abort()
		return true
	}
	messages, state := c.Holds()
	worst, most := c.WorstLink()
	if worst == nil || state > messages {
		c.Note("it holds %d octets of messages, and its state takes %d: it is ended for want of memory", messages, state)
		c.Shut(&wire.Error{Condition: wire.ErrResourceLimitExceeded,
			Description: "the router is short of memory, and this connection takes most of it"})
		return true
	}
	c.Note("link %q holds %d octets of messages: it is detached for want of memory", worst.Name, most)
	c.peerDetached(worst.ID, true, &wire.Error{Condition: wire.ErrResourceLimitExceeded,
		Description: "the router is short of memory, and the messages of this link take most of it"})
	return true
}

// holds is about how many octets the messages of an incoming link hold that are not over.
func (l *Link) holds() int {
	n := l.InHand * max(l.Size, 1)
	if l.Receiving != nil {
		n += l.Receiving.Size
	}
	return n
}
