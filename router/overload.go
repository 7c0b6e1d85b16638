package router

import (
	"math"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"time"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/logging"
)

// overloadLevel says what a router does against a lack of memory. Each level includes those below it.
type overloadLevel int32

// The levels.
const (
	overloadNone       overloadLevel = iota
	overloadCredit                   // senders get credit for one message at a time; settled messages are dropped earlier
	overloadAttach                   // new links are refused
	overloadConnection               // new connections are refused
	overloadOffender                 // the link that holds the most is detached, one after the other
)

// String returns the name in logs.
func (l overloadLevel) String() string {
	return [...]string{"none", "credit withheld", "attaches refused", "connections refused", "worst offender detached"}[l]
}

// overloadAt is the pressure from which each level holds. It is left when the pressure is overloadSlack below it.
var overloadAt = [...]float64{overloadCredit: 0.60, overloadAttach: 0.75, overloadConnection: 0.85, overloadOffender: 0.95}

const (
	overloadSlack = 0.10
	// heapShare is the part of the memory limit that live objects may take: the rest is for those that the garbage
	// collector has not found yet.
	heapShare = 0.8
	// overloadCalm and overloadAlert are the times between two looks at the memory, when little is held and otherwise.
	overloadCalm  = time.Second
	overloadAlert = 100 * time.Millisecond
	// offenderPause is how long the effect of detaching a link is waited for before the next one is detached.
	offenderPause = time.Second
)

// overload watches the memory of the process. The control loop owns it; level may be read by anybody.
type overload struct {
	level   atomic.Int32
	refused atomic.Uint64 // connections
	clients buf.Total     // octets of the messages that came from them
	routers buf.Total
	senders atomic.Int64 // links of clients that have been given credit
	budget  int64        // what messages may take
	memory  int64        // limit of the process, math.MaxInt64 without one
	live    func() int64

	surplus  surplus   // what idle connections have given back
	next     time.Time // of the next look
	detached time.Time // when an offender was last detached
}

// unlimited is the memory that is reckoned with when the process has no limit.
const unlimited = 4 << 30

func newOverload(memory int64) *overload {
	if memory <= 0 {
		memory = debug.SetMemoryLimit(-1)
	}
	o := &overload{memory: memory, live: liveHeap}
	o.budget = min(memory, unlimited) / 4
	return o
}

// liveHeap is the number of octets that the last garbage collection found in use.
func liveHeap() int64 {
	sample := [1]metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample[:])
	return int64(sample[0].Value.Uint64())
}

// held is the number of octets of all messages here.
func (o *overload) held() int64 { return o.clients.Held() + o.routers.Held() }

// of returns what the connections of a role add to.
func (o *overload) of(r Role) *buf.Total {
	if r == RoleInterRouter {
		return &o.routers
	}
	return &o.clients
}

// deliveryCost is about how many octets a delivery takes while it is under way, besides its content: its entries here and
// in the engines of both connections, and the notes that these exchange.
const deliveryCost = 2 << 10

// window is how many deliveries may be under way on each client's link, so that all of them, however many links there
// are, take no more than the messages may. It is at least leastWindow.
func (o *overload) window() int {
	n := o.senders.Load()
	if n == 0 {
		return math.MaxInt
	}
	return max(int(o.budget/deliveryCost/n), leastWindow)
}

// at tells whether a level holds.
func (o *overload) at(l overloadLevel) bool { return overloadLevel(o.level.Load()) >= l }

// refuses tells whether a client's attach is refused. Those who manage the router always get their links.
func (o *overload) refuses(a *wire.Attach) bool {
	if !o.at(overloadAttach) {
		return false
	}
	if a.Role == wire.RoleReceiver {
		return a.Source == nil || !a.Source.Dynamic
	}
	return a.Target == nil || !strings.HasSuffix(a.Target.Address, "$management")
}

// pressure is how much of what may be used is used, the worse of the messages and the heap.
func (o *overload) pressure() float64 {
	p := float64(o.held()) / float64(o.budget)
	if o.memory != math.MaxInt64 {
		p = max(p, float64(o.live())/(heapShare*float64(o.memory)))
	}
	return p
}

// step returns the level that follows from a pressure and the level so far.
func (l overloadLevel) step(pressure float64) overloadLevel {
	for l < overloadOffender && pressure >= overloadAt[l+1] {
		l++
	}
	for l > overloadNone && pressure < overloadAt[l]-overloadSlack {
		l--
	}
	return l
}

// watchMemory looks at the memory when it is time, and acts. It returns how long until the next look.
func (r *Router) watchMemory(now time.Time) (wait time.Duration) {
	o := r.plane.overload
	if left := o.next.Sub(now); left > 0 {
		return left
	}
	pressure := o.pressure()
	before := overloadLevel(o.level.Load())
	after := before.step(pressure)
	if after != before {
		o.level.Store(int32(after))
		log := r.host.log(logging.Router)
		if after > before {
			log.Warningf("Overload: %v (%.0f %% of the memory for messages or of the heap is in use, %d octets held)",
				after, 100*pressure, o.held())
		} else {
			log.Noticef("Overload: %v (%.0f %% in use)", after, 100*pressure)
		}
	}
	if after == overloadOffender && now.Sub(o.detached) >= offenderPause {
		o.detached = now
		r.detachOffender()
	}
	step := overloadCalm
	if after > overloadNone || o.held() > o.budget/4 {
		step = overloadAlert
	}
	o.next = now.Add(step)
	return step
}

// detachOffender detaches the client's link that holds the most octets. It holds no lock when it is called.
func (r *Router) detachOffender() {
	var worst *Endpoint
	most := 0
	for _, c := range r.host.conns() {
		if c.e.terms.role == RoleInterRouter {
			continue
		}
		c.e.mu.Lock()
		_, held := c.e.worstLink()
		c.e.mu.Unlock()
		if held > most {
			worst, most = c.e, held
		}
	}
	if worst != nil {
		var w wakes
		w.post(worst, note{kind: noteOffender})
		w.poke()
	}
}

// worstLink returns the incoming link of a client whose messages hold the most octets, and how many those are.
func (c *Endpoint) worstLink() (worst *link, most int) {
	for _, l := range c.links {
		if l != nil && !l.outgoing && l.attached && l.kind == linkEndpoint {
			if held := l.holds(); held > most {
				worst, most = l, held
			}
		}
	}
	return worst, most
}

// detachWorst detaches the link of this connection whose messages hold the most octets.
func (c *Endpoint) detachWorst() {
	worst, most := c.worstLink()
	if worst == nil {
		return
	}
	c.note("link %q holds %d octets of messages: it is detached for want of memory", worst.name, most)
	c.peerDetached(worst.id, true, &wire.Error{Condition: wire.ErrResourceLimitExceeded,
		Description: "the router is short of memory, and the messages of this link take most of it"})
}

// holds is about how many octets the messages of an incoming link hold that are not over.
func (l *link) holds() int {
	n := l.inHand * max(l.size, 1)
	if l.receiving != nil {
		n += l.receiving.size
	}
	return n
}
