package router

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/route"
)

// Endpoint is what one connection, or a container inside the router, has to do with messages: its engine, links,
// deliveries and branches. It does no input or output, starts no goroutine and reads no clock.
//
// Input: Input, Take and Advance, each with the time. Output: notes in the inboxes of other endpoints, events for the
// control loop, and the octets that the engine has to write. Each input is one turn: Begin, what the turn is for, and
// End, which lets go of the mutex and hands over the wakes. Deadline says when Advance is to be called.
type Endpoint struct {
	// set when made
	number   uint64
	plane    *Plane
	terms    *terms
	dialed   bool
	began    time.Time
	remote   string   // where the peer is, for people; "" for a container inside the router
	driver   driver   // moves the octets, and takes notes
	resident resident // the container inside the router, nil for a connection

	near       route.Neighbor // what others see of it
	inbox      inbox
	crashed    atomic.Bool  // after a panic: what mu guards is not to be relied on
	heard      atomic.Int64 // when octets came last from a neighbor, Unix time in nanoseconds
	streams    streamPool
	meter      *buf.Meter // octets of clients' messages that this router holds
	unanswered unanswered
	neighbor   *link // the control loop's: the control link of a neighbor

	mu         sync.Mutex // guards all below, and the engine
	eng        *engine.Connection
	peer       counterpart
	security   Security
	ending     ending
	links      []*link                 // by engine.LinkID
	control    *link                   // outgoing control link
	dataIn     [route.Priorities]*link // incoming data links by their priorities
	deliveries deliveries
	turns      turns
	waits      waits
	choice     choosing
	clock      clock
	counted    counted
	notes      []note // scratch of takeDeliveries
	otherNotes []note // the same
	wakes      wakes
}

// face is what others see of an endpoint; nil for none.
func (c *Endpoint) face() *route.Neighbor {
	if c == nil {
		return nil
	}
	return &c.near
}

// endpointOf is the endpoint with a face.
func endpointOf(n *route.Neighbor) *Endpoint {
	c, _ := n.Owner.(*Endpoint)
	return c
}

// newEndpoint finishes an endpoint that was made with what never changes.
func newEndpoint(c *Endpoint) *Endpoint {
	p := c.plane
	c.near.Owner, c.near.Capacity = c, c.terms.capacity
	c.choice.chooser = route.Chooser{Table: p.table, NodeName: p.nodeName, Salt: p.salt}
	c.unanswered.wake = make(chan struct{}, 1)
	return c
}

// driver moves the octets of an endpoint. Its methods may be called concurrently, and without the endpoint's mutex.
type driver interface {
	// serve does one step of the writer in the calling goroutine, when nobody else is at it. False means that it has to be
	// woken.
	serve(woken *wakes) bool
	// relieve takes the notes about deliveries, though the peer does not read.
	relieve(woken *wakes)
	// poke wakes the writer. It does not wait.
	poke()
	// abort cuts the connection off.
	abort()
	// idle gives back what a connection keeps for the next messages, if there were none for a while.
	idle(now time.Time)
	// admit goes on with what happens before messages: SASL and the peer's open. The mutex is held.
	admit(ev *engine.Event)
	// turned is called at the end of each turn, with the mutex: advance is to be called at a time, unless that is zero,
	// and ends says that the connection is being ended.
	turned(at time.Time, ends bool)
}

// resident is a container inside the router: it takes what is sent to its links.
type resident interface {
	deliver(b *branch)
}

// counterpart is who is at the other end. It is set before the first link, and then never changed.
type counterpart struct {
	open     *wire.Open
	user     string // whom the peer, a client, has proved to be; "" for nobody
	vouches  bool   // the peer is believed what it says of users
	extended bool   // the other router is of our kind
	space    string // of the tenant
}

// Security is how the peer has proved who it is, and how the connection is protected.
type Security struct {
	Mechanism, User  string
	Authenticated    bool // as somebody, and not as anybody
	Encrypted        bool
	Protocol, Cipher string
	Strength         int64 // in bits
}

// Secured notes how the connection is protected.
func (c *Endpoint) Secured(s Security) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.security = s
}

// ending is how a connection ends.
type ending struct {
	closing bool // the router is ending it
	stopped bool // its senders get no credit any more
	reason  string
	failure string // why the connection has failed, "" if it has not
}

// deliveries are those of an endpoint by the numbers of the engine, and memory for others.
type deliveries struct {
	in    []*delivery // by engine.DeliveryID
	out   []*branch
	free  *delivery
	spare int // how many are free
}

// turns are the outgoing links that have something to do.
type turns struct {
	ready   []*link     // may have something to write
	blocked []*link     // wait for their session's window
	behind  []*link     // streaming links that wait for another link's queue
	slices  []buf.Slice // scratch of write
}

// waits are the deliveries without a consumer.
type waits struct {
	lists map[*route.Address]*waitList
	count int
}

// choosing is what the choice of targets works with.
type choosing struct {
	chooser     route.Chooser
	envelope    message.Envelope
	key         []byte
	gathered    []byte
	targets     []route.Target
	vias        []*route.Via // beside targets; nil for consumers of the exchange's own address
	passed      []byte       // scratch of headVia
	triedBefore []route.Tried
	tried       tried  // by what targets are chosen
	added       uint64 // table.Added when the address was looked up
	ingresses   ingresses
}

// clock is the time of the batch that is handled, and when something came.
type clock struct {
	now          time.Time     // when the batch that is handled began
	at           time.Duration // the same since the router began; never 0
	alarm        time.Duration // when something here expires, by the clock; 0 for never
	lastDelivery time.Time
	idleSince    time.Time // the last delivery after which idle has given memory back
	delivered    bool      // since the last stamp
}

// counted is what an endpoint has counted that its links do not hold.
type counted struct {
	shares books.Shares
	past   books.Counts // of links that are gone
	closed bool         // the ledger has taken past and shares
}

// begin makes the engine. The limit of its handshake includes what the transport's has taken.
func (c *Endpoint) begin(cfg engine.Config) {
	var woken wakes // nobody has anything of it yet
	c.mu.Lock()
	defer c.unlock(&woken)
	c.eng = engine.New(cfg)
	c.eng.Advance(c.began)
}

// input gives octets to the engine and handles what comes of them. It returns how many were used: all whole frames, but
// when the control loop has too much of the connection to answer, which paused says.
func (c *Endpoint) input(now time.Time, chunk *buf.Chunk, b []byte, woken *wakes) (used int, paused bool) {
	c.mu.Lock()
	defer c.unlock(woken)
	if c.crashed.Load() {
		return len(b), false
	}
	c.beginTurn(now)
	for {
		n := c.eng.Input(now, b[used:])
		used += n
		events := c.eng.Events()
		c.here(atInput)
		for i := range events {
			c.event(&events[i], chunk)
		}
		if n == 0 && !c.eng.Continues() {
			break
		}
		if paused = c.unanswered.many(); paused {
			break
		}
	}
	c.stamp(now)
	if c.eng.Dirty() || len(c.turns.ready) > 0 || c.eng.Closed() {
		c.wakes.conns = append(c.wakes.conns, c)
	}
	return used, paused
}

// stamp notes the time of the last delivery, once a batch.
func (c *Endpoint) stamp(now time.Time) {
	if c.clock.delivered {
		c.clock.delivered = false
		c.clock.lastDelivery = now
	}
}

// takeDeliveries takes the notes about outgoing deliveries without writing anything: the writer is busy with a peer that
// does not read, and what is too much for the queues must be dropped all the same. The other notes stay: they would fill
// the output.
func (c *Endpoint) takeDeliveries(now time.Time, woken *wakes) {
	c.mu.Lock()
	defer c.unlock(woken)
	c.beginTurn(now)
	notes := c.inbox.swap(c.notes)
	deliveries, rest := notes[:0], c.otherNotes[:0]
	for i := range notes {
		switch notes[i].kind {
		case noteDeliver, noteGrown, noteSettled:
			deliveries = append(deliveries, notes[i])
		default:
			rest = append(rest, notes[i])
		}
	}
	clear(notes[len(deliveries):])
	c.otherNotes = c.inbox.unswap(rest)
	c.takeAll(deliveries)
	c.notes = deliveries
}

// fill takes the notes, pumps the links and takes what is to be written. notes is memory for the next call.
func (c *Endpoint) fill(now time.Time, out *engine.Output, notes []note, woken *wakes) (_ []note, more, closed bool) {
	c.mu.Lock()
	defer c.unlock(woken)
	c.beginTurn(now)
	notes = c.inbox.swap(notes)
	c.takeAll(notes)
	if c.near.Gone.Load() {
		return notes, false, false
	}
	more = c.pump()
	c.stamp(now)
	c.eng.Take(out)
	closed = c.eng.Closed() || c.ending.closing && out.Size == 0 && !more
	if out.Size > 0 {
		c.eng.Sent(now, out.Size)
	}
	return notes, more, closed
}

// deadline is when advance is to be called next, or the zero time. The mutex is held.
func (c *Endpoint) deadline() time.Time {
	if c.eng == nil {
		return time.Time{}
	}
	at := c.eng.Deadline()
	if c.clock.alarm != 0 {
		if alarm := c.plane.began.Add(c.clock.alarm); at.IsZero() || alarm.Before(at) {
			at = alarm
		}
	}
	return at
}

// advance lets time pass.
func (c *Endpoint) advance(now time.Time, woken *wakes) {
	c.mu.Lock()
	defer c.unlock(woken)
	c.beginTurn(now)
	if c.near.Gone.Load() || c.crashed.Load() {
		return
	}
	c.here(atTick)
	c.eng.Advance(now)
	for _, ev := range c.eng.Events() {
		if ev.Kind == engine.EventDisconnected && !c.ending.closing {
			if c.peer.open == nil {
				c.fails(books.FailedTimeout)
			} else {
				c.fails(books.FailedIdle)
			}
		}
		c.event(&ev, nil)
	}
	if c.clock.alarm != 0 && c.clock.at >= c.clock.alarm {
		c.expire()
	}
}

// outcome tells whether the peer's open came, and why the connection has ended, "" for no reason.
func (c *Endpoint) outcome() (opened bool, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.peer.open != nil, c.ending.reason
}

// look calls f with the mutex, unless somebody else has it: nobody who looks at many endpoints waits for one.
func (c *Endpoint) look(f func()) bool {
	if !c.mu.TryLock() {
		return false
	}
	defer c.mu.Unlock()
	f()
	return true
}

// discard takes what the engine has to write, for nobody.
func (c *Endpoint) discard(out *engine.Output) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.try(func() {
		c.eng.Take(out)
		out.Release()
	})
}

// tearDown ends all that the endpoint has, when its connection has ended, with an error or without: nothing is routed to
// it, its links end, what others sent meanwhile goes back.
func (c *Endpoint) tearDown(now time.Time, err error, woken *wakes) {
	c.mu.Lock()
	defer c.unlock(woken)
	c.beginTurn(now)
	c.near.Gone.Store(true)
	c.near.ForgetAll()
	c.dropLinks()
	c.takeAll(c.inbox.close())
	if c.ending.reason == "" && err != nil && !c.eng.Closed() {
		c.ending.reason = err.Error()
	}
	switch {
	case c.peer.open == nil:
		c.fails(books.FailedHandshake)
	case err != nil && !c.eng.Closed() && !c.ending.closing:
		c.fails(books.FailedLost)
	}
	for a := range c.waits.lists {
		c.dropWaits(a)
	}
	for d := c.deliveries.free; d != nil; {
		d, d.next = d.next, nil
	}
	c.deliveries.free = nil
}

// setIn, inAt and clearIn keep the deliveries beside the engine's numbers.
func (c *Endpoint) setIn(id engine.DeliveryID, d *delivery) {
	for int(id) >= len(c.deliveries.in) {
		c.deliveries.in = append(c.deliveries.in, nil)
	}
	c.deliveries.in[id] = d
}

func (c *Endpoint) inAt(id engine.DeliveryID) *delivery {
	if int(id) >= len(c.deliveries.in) {
		return nil
	}
	return c.deliveries.in[id]
}

func (c *Endpoint) clearIn(d *delivery) {
	if d.id != engine.None {
		if c.deliveries.in[d.id] == d {
			c.deliveries.in[d.id] = nil
		}
		d.id = engine.None
	}
}

func (c *Endpoint) setOut(id engine.DeliveryID, b *branch) {
	for int(id) >= len(c.deliveries.out) {
		c.deliveries.out = append(c.deliveries.out, nil)
	}
	c.deliveries.out[id] = b
}

func (c *Endpoint) outAt(id engine.DeliveryID) *branch {
	if int(id) >= len(c.deliveries.out) {
		return nil
	}
	return c.deliveries.out[id]
}

func (c *Endpoint) clearOut(b *branch) {
	if b.id != engine.None {
		if c.deliveries.out[b.id] == b {
			c.deliveries.out[b.id] = nil
		}
		b.id = engine.None
	}
}

// dropLink ends a link of this side, whatever its direction, and tells the control loop.
func (c *Endpoint) dropLink(l *link) {
	if l.outgoing {
		c.failLink(l)
	} else {
		c.senderGone(l)
	}
	c.unblock(l)
	c.routerLinkGone(l)
	c.retire(l, l.address, &l.stats)
	c.plane.events.put(event{kind: eventLinkGone, conn: c, link: l})
}

// close asks the connection to end, with an error for the peer or without.
func (c *Endpoint) close(err *wire.Error) { c.tell(note{kind: noteClose, err: err}) }
