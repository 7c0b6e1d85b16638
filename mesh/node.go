package mesh

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/mesh/spf"
)

// Node is the link-state engine of one interior router.
//
// Input: Start, Advance, LinkUp, MeasureCost, LinkDown, Input, AddAddress, RemoveAddress. Each takes the time, which must not run
// backwards. Do one of them, then take Events and act on all of them in their order. Call Advance when Deadline has
// come. Getters (status.go) may be called at any time between inputs.
//
// A Node belongs to one goroutine, the control loop of the router.
type Node struct {
	config Config
	self   *addressing.Router
	now    time.Time // of the current input
	begun  time.Time // of Start; zero before
	events []Event
	taken  []Event // what Events returned last

	links    []*link       // ascending by id
	linkWake time.Time     // when a link has something to do
	stalled  time.Duration // for how long this router has been called too late, in total
	resumed  time.Time     // when it was called much too late last

	routers    map[string]*router
	numbers    []*router // by number: nil at 0, which is this router, and where a number is free
	hearsay    int       // how many of them have not spoken for themselves
	routerWake time.Time // when a router has something to do
	neighbors  []*router // those with a link, ascending by link
	announced  []*router // the same, ascending by id

	instance   int64     // of this life
	overload   bool      // wanted …
	raised     int       // … and what own has been given on top of the costs for it
	left       bool      // Leave was called
	own        linkState // what others are told
	adjacent   bool      // links came up or went down since own was made
	ra         pacer     // RA because own changed
	raReach    pacer     // RA because more routers can be reached
	raAt       time.Time // RA because addresses changed; zero if they have not
	raLast     sentRA
	raLastTime time.Time

	paths      backoff // computation of paths
	routes     *Routes
	search     *spf.OriginSearch
	topology   uint64        // digest of the link states that all paths follow from, 0 for none
	computing  time.Duration // spent on paths and origins since the last search was complete
	radius     int
	topologyAt time.Time // last change of the topology
	fluxAt     time.Time // the first of those that came closely one after the other

	mobile     mobileState
	twins      twins
	complaints map[string]*complaint
	counters   Counters
}

// The distances between actions that events cause.
const (
	quiet = 2 * time.Second // without events of a kind, after which the next one is acted on at once
	raMin = 20 * time.Millisecond
	raMax = 500 * time.Millisecond
	// raAgain keeps RAs of the same content so far apart that others do not take the second for a copy of the first.
	raAgain = floodMemory + 100*time.Millisecond
	// raMobile is how long an RA waits after a multicast MAU, which normally makes it superfluous.
	raMobile  = 200 * time.Millisecond
	mauFirst  = 5 * time.Millisecond
	mauMin    = 10 * time.Millisecond
	mauMax    = 50 * time.Millisecond // and more in a large mesh
	crowd     = 64                    // routers up to which RAs to everybody are no burden; with more they become fewer
	searchAll = 200                   // routers up to which valid origins are computed in one step
	searchFew = 64                    // origins per step beyond that
)

// New returns a Node, which does nothing before Start. An error says what is wrong with the configuration.
func New(config Config) (*Node, error) {
	if err := config.setDefaults(); err != nil {
		return nil, err
	}
	n := &Node{
		config:     config,
		instance:   config.Instance,
		self:       addressing.NewRouter(config.ID),
		routers:    make(map[string]*router),
		numbers:    []*router{nil},
		ra:         pacer{min: raMin, max: raMax, quiet: quiet},
		raReach:    pacer{min: raAgain, max: raAgain, quiet: quiet},
		mobile:     newMobileState(),
		complaints: make(map[string]*complaint),
		routes:     &Routes{},
	}
	if config.Sequence > 1 {
		n.own.seq, n.mobile.seq = min(config.Sequence, maxSequence)-1, min(config.Sequence, maxSequence)-1
	}
	return n, nil
}

// Extension is the capability that routers of our kind offer and desire in the Open of a connection between routers. It
// stands for faster hellos; other extensions are extra keys of messages, which need no agreement.
const Extension = "postroad.mesh"

// maxSequence is the highest number of a link state or a change of addresses.
const maxSequence = math.MaxInt64 - 1

// Start begins the work of the Node.
func (n *Node) Start(now time.Time) {
	n.enter(now)
	if n.begun.IsZero() {
		n.begun, n.raLastTime = n.now, n.now
		n.log(LevelInfo, ModuleRouter, "Router Engine Instantiated: id=%s instance=%d max_routers=%d", n.config.ID,
			n.config.Instance, n.config.MaxRouters)
	}
	n.settle()
}

// Advance tells the Node the time. It does what has become due.
func (n *Node) Advance(now time.Time) {
	n.enter(now)
	n.settle()
}

// LinkUp tells that the outgoing control link of a connection to another router exists, what it costs, at least 1, and
// the id that the other router gave in its Open, or "". A HELLO with another id is then not accepted. Extended says that
// the other router has offered the capability of routers of our kind, see Extension. For a link that is up already LinkUp
// changes the cost, if it is not measured.
func (n *Node) LinkUp(now time.Time, id LinkID, cost int, peer string, extended bool) {
	n.enter(now)
	cost = min(max(cost, 1), spf.MaxCost)
	i, found := n.findLink(id)
	if found {
		l := n.links[i]
		l.given = cost
		if !l.pricing.on {
			l.cost = cost
		}
	} else {
		l := &link{id: id, given: cost, cost: cost, peer: peer, extended: extended && !n.config.Plain}
		n.links = slices.Insert(n.links, i, l)
		n.wakeLinks(n.now) // to say hello
	}
	n.adjacent = true
	n.settle()
}

// LinkDown tells that the control link or its connection is gone.
func (n *Node) LinkDown(now time.Time, id LinkID) {
	n.enter(now)
	if i, found := n.findLink(id); found {
		l := n.links[i]
		n.links = slices.Delete(n.links, i, i+1)
		l.up, l.hearing, n.adjacent = false, false, true
	}
	n.settle()
}

// Input takes one whole control message as it arrived on a control link. The Node does not keep payload.
func (n *Node) Input(now time.Time, id LinkID, payload []byte) {
	n.enter(now)
	if i, found := n.findLink(id); found && !n.begun.IsZero() && !n.left {
		n.input(n.links[i], payload)
	} else {
		n.counters.Dropped[DropNoLink]++
	}
	n.settle()
}

// AddAddress tells that this router has a first consumer for the mobile address with this key, "M0orders" for example,
// and how messages to it are distributed. Keys of classes that are not announced are ignored.
func (n *Node) AddAddress(now time.Time, key string, hint addressing.Distribution) {
	n.enter(now)
	n.mobile.add(key, hint)
	n.settle()
}

// RemoveAddress tells that the last consumer for the address has gone.
func (n *Node) RemoveAddress(now time.Time, key string) {
	n.enter(now)
	n.mobile.remove(key)
	n.settle()
}

// Events returns what the inputs since the last call have led to. The slice is valid until the next call.
func (n *Node) Events() []Event {
	events, free := n.events, n.taken
	if cap(free) > eventsKept {
		free = nil
	}
	clear(free)
	n.events, n.taken = free[:0], events
	return events
}

// eventsKept is the length up to which a slice of events is used again.
const eventsKept = 256

// Deadline returns when Advance is to be called at the latest. It is zero before Start.
func (n *Node) Deadline() time.Time {
	if n.begun.IsZero() {
		return time.Time{}
	}
	due := n.raDue()
	for _, t := range []time.Time{n.linkWake, n.routerWake, n.raAt, n.twins.wake} {
		if !t.IsZero() && t.Before(due) {
			due = t
		}
	}
	for _, p := range []*pacer{&n.ra, &n.raReach, &n.mobile.pacer} {
		if p.pending && p.due.Before(due) {
			due = p.due
		}
	}
	if n.paths.pending && n.paths.due.Before(due) {
		due = n.paths.due
	}
	if n.search != nil && n.now.Before(due) {
		due = n.now
	}
	return due
}

func (n *Node) enter(now time.Time) {
	if now.After(n.now) {
		n.now = now
	}
}

// settle does everything that is due, in the order in which one thing leads to another.
func (n *Node) settle() {
	if n.begun.IsZero() {
		return
	}
	if due(n.linkWake, n.now) {
		n.advanceLinks()
	}
	if due(n.twins.wake, n.now) {
		n.checkTwins()
	}
	if n.adjacent {
		n.updateAdjacencies()
	}
	if n.paths.take(n.now) {
		n.computePaths()
	}
	n.searchOrigins()
	if n.mobile.changed() {
		n.mobile.pacer.request(n.now)
	}
	if n.mobile.pacer.take(n.now) {
		n.announceAddresses()
	}
	n.advanceRA()
	for range 2 { // asking and ageing can make something due that was not
		if due(n.routerWake, n.now) {
			n.advanceRouters()
		}
		if n.paths.take(n.now) {
			n.computePaths()
		}
	}
}

// due reports whether the time t, if it is one, has come.
func due(t, now time.Time) bool { return !t.IsZero() && !t.After(now) }

// earlier returns the earlier of two times, of which zero means none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func (n *Node) wakeLinks(t time.Time)   { n.linkWake = earlier(n.linkWake, t) }
func (n *Node) wakeRouters(t time.Time) { n.routerWake = earlier(n.routerWake, t) }

func (n *Node) emit(e Event) { n.events = append(n.events, e) }

func (n *Node) findLink(id LinkID) (int, bool) {
	return slices.BinarySearchFunc(n.links, id, func(l *link, id LinkID) int { return cmp.Compare(l.id, id) })
}
