package forwarding

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
// What goes in: Input, Fill and Advance, each with the time. What comes out: notes in the inboxes of other endpoints,
// events for the control loop, and the octets that the engine has to write. Each call is one turn: the mutex,
// BeginTurn, what the turn is for, and unlock, which hands over the wakes and tells the driver when Advance is to be
// called.
type Endpoint struct {
	// set when made
	Number   uint64
	Plane    *Plane
	Terms    *Terms
	Dialed   bool
	Began    time.Time
	Remote   string   // where the peer is, for people; "" for a container inside the router
	Driver   driver   // moves the octets, and takes notes
	Resident resident // the container inside the router, nil for a connection

	Near       route.Neighbor // what others see of it
	Inbox      inbox
	Crashed    atomic.Bool  // after a panic: what Mu guards is not to be relied on
	Heard      atomic.Int64 // when octets came last from a neighbor, Unix time in nanoseconds
	Streams    StreamPool
	Meter      *buf.Meter // octets of messages that this router holds for the peer, and of what goes with them
	questions  questions
	account    atomic.Pointer[Account] // nil for routers and containers inside; changes once, when the user is known
	state      *buf.Meter              // octets that the state of the connection takes; nil without an account
	replies    atomic.Int64            // octets of management replies that wait, to requests that came here
	Unanswered unanswered
	// Unread says that the peer has more to read than it may, IgnoreUnread that this does not count any more.
	Unread, IgnoreUnread atomic.Bool
	Neighbor             *Link // the control loop's: the control link of a neighbor

	Mu         sync.Mutex // guards all below, and the engine
	Engine     *engine.Connection
	Peer       Counterpart
	Security   Security
	Ending     ending
	Links      []*Link                 // by engine.LinkID
	control    *Link                   // outgoing control link
	dataIn     [route.Priorities]*Link // incoming data links by their priorities
	Deliveries deliveries
	Turns      turns
	Waits      waits
	Choice     choosing
	Clock      clock
	Counted    counted
	work       work
	charged    int    // counted by state
	requests   int    // to the management node, that are not over
	Notes      []Note // scratch of TakeDeliveries
	OtherNotes []Note // the same
	Wakes      Wakes
}

// Face is what others see of an endpoint; nil for none.
func (c *Endpoint) Face() *route.Neighbor {
	if c == nil {
		return nil
	}
	return &c.Near
}

// EndpointOf is the endpoint with a face.
func EndpointOf(n *route.Neighbor) *Endpoint {
	c, _ := n.Owner.(*Endpoint)
	return c
}

// NewEndpoint finishes an endpoint that was made with what never changes.
func NewEndpoint(c *Endpoint) *Endpoint {
	p := c.Plane
	c.Near.Owner, c.Near.Capacity = c, c.Terms.Capacity
	c.Choice.Chooser = route.Chooser{Table: p.Table, NodeName: p.nodeName, Salt: p.salt}
	c.Unanswered.wake = make(chan struct{}, 1)
	return c
}

// driver moves the octets of an endpoint. Its methods may be called concurrently, and without the endpoint's mutex.
type driver interface {
	// Serve does one step of the writer in the calling goroutine, when nobody else is at it. False means that it has to
	// be woken.
	Serve(woken *Wakes) bool
	// Relieve takes the notes about deliveries, though the peer does not read.
	Relieve(woken *Wakes)
	// Poke wakes the writer. It does not wait.
	Poke()
	// Abort cuts the connection off.
	Abort()
	// Idle gives back what a connection keeps for the next messages, if there were none for a while.
	Idle(now time.Time)
	// Admit goes on with what happens before messages: SASL and the peer's open. The mutex is held.
	Admit(ev *engine.Event)
	// Turned is called at the end of each turn, with the mutex. Advance is to be called at a time, unless that is zero;
	// ends says that the connection is being ended.
	Turned(at time.Time, ends bool)
}

// resident is a container inside the router: it takes what is sent to its links.
type resident interface {
	Deliver(b *Branch)
}

// Counterpart is who is at the other end. It is set before the first link, and then never changed.
type Counterpart struct {
	Open     *wire.Open
	User     string // whom the peer, a client, has proved to be; "" for nobody
	Vouches  bool   // the peer is believed what it says of users
	Extended bool   // the other router is of our kind
	Space    string // of the tenant
}

// Security is how the peer has proved who it is, and how the connection is protected.
type Security struct {
	Mechanism, User  string
	Authenticated    bool // as somebody, and not as anybody
	Encrypted        bool
	Protocol, Cipher string
	Strength         int64 // in bits
}

// Secured remembers how the connection is protected.
func (c *Endpoint) Secured(s Security) {
	c.Mu.Lock()
	defer c.Release()
	c.Security = s
}

// ending is how a connection ends.
type ending struct {
	Closing bool // the router is ending it
	stopped bool // its senders get no credit any more
	Reason  string
	failure string // why the connection has failed, "" if it has not
}

// deliveries are those of an endpoint by the numbers of the engine, and memory for others.
type deliveries struct {
	In    []*Delivery // by engine.DeliveryID
	Out   []*Branch
	free  *Delivery
	Spare int // how many are free
}

// turns are the outgoing links that have something to do.
type turns struct {
	ready   []*Link     // may have something to write
	Blocked []*Link     // wait for their session's window
	Behind  []*Link     // streaming links that wait for another link's queue
	slices  []buf.Slice // scratch of write
}

// waits are the deliveries without a consumer.
type waits struct {
	Lists map[*route.Address]*waitList
	Count int
}

// choosing is what the choice of targets works with.
type choosing struct {
	Chooser     route.Chooser
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
	Now          time.Time     // when the batch that is handled began
	At           time.Duration // the same since the router began; never 0
	Alarm        time.Duration // when something here expires, by the clock; 0 for never
	LastDelivery time.Time
	idleSince    time.Time // the last delivery after which idle has given memory back
	delivered    bool      // since the last stamp
}

// counted is what an endpoint has counted that its links do not hold.
type counted struct {
	Shares books.Shares
	Past   books.Counts // of links that are gone
	closed bool         // the ledger has taken past and shares
}

// Begin makes the engine. The limit of its handshake includes what the transport's has taken.
func (c *Endpoint) Begin(cfg engine.Config) {
	var woken Wakes // nobody has anything of it yet
	c.Mu.Lock()
	defer c.unlock(&woken)
	c.Engine = engine.New(cfg)
	c.Engine.Advance(c.Began)
}

// Turn says why a turn has ended.
type Turn uint8

// Why a turn has ended.
const (
	TurnDone       Turn = iota // all whole frames were used
	TurnSpent                  // it has had its budget of work: the next turn may follow at once
	TurnUnanswered             // the control loop has too much of the connection to answer
	TurnUnread                 // the peer has too much to read
)

// unreadMost is how many octets of answers may wait for a peer that does not read, before it is not read from. Between
// routers reading never stops for that: two that both stopped would not hear each other's hellos.
const unreadMost = 256 << 10

// Input gives octets to the engine and handles what comes of them. It returns how many were used, and why it ended; the
// caller presents the rest again, unless the turn is done.
func (c *Endpoint) Input(now time.Time, chunk *buf.Chunk, b []byte, woken *Wakes) (used int, turn Turn) {
	c.Mu.Lock()
	defer c.unlock(woken)
	if c.Crashed.Load() {
		return len(b), TurnDone
	}
	c.BeginTurn(now)
	for turn = TurnSpent; turn == TurnSpent && c.goOn() && !c.isSpent(); {
		n := c.Engine.Input(now, b[used:])
		used += n
		events := c.Engine.Events()
		c.Here(AtInput)
		for i := range events {
			c.event(&events[i], chunk)
		}
		c.work.units += len(events) + 1
		switch {
		case c.Unanswered.many():
			turn = TurnUnanswered
		case c.isUnread():
			turn = TurnUnread
		case n == 0 && !c.Engine.Continues() && len(c.work.tasks) == 0:
			turn = TurnDone
		}
	}
	if turn == TurnUnanswered || turn == TurnUnread {
		c.Engine.Pause()
	}
	c.stamp(now)
	if c.Engine.Dirty() || len(c.Turns.ready) > 0 || c.Engine.Closed() || c.isLeft() {
		c.Wakes.Ends = append(c.Wakes.Ends, c)
	}
	return used, turn
}

// isUnread reports whether more answers wait for the peer than may.
func (c *Endpoint) isUnread() bool {
	unread := c.Engine.Unsent() + int(c.Inbox.octets.Load()) // outcomes that others have left
	if c.Terms.Role == RoleInterRouter || unread <= unreadMost || c.IgnoreUnread.Load() {
		return false
	}
	c.Unread.Store(true)
	return true
}

// stamp remembers the time of the last delivery, once a batch.
func (c *Endpoint) stamp(now time.Time) {
	if c.Clock.delivered {
		c.Clock.delivered = false
		c.Clock.LastDelivery = now
	}
}

// TakeDeliveries takes the notes about outgoing deliveries and writes nothing. The writer is busy with a peer that does
// not read, and what is too much for the queues must be dropped all the same; so it is with what ends something. The
// other notes would fill the output: they stay.
func (c *Endpoint) TakeDeliveries(now time.Time, woken *Wakes) {
	c.Mu.Lock()
	defer c.unlock(woken)
	if c.Near.Gone.Load() { // TearDown takes them
		return
	}
	c.BeginTurn(now)
	c.putBack()
	notes := c.Inbox.Swap(c.Notes)
	deliveries, rest := notes[:0], c.OtherNotes[:0]
	for i := range notes {
		switch notes[i].Kind {
		case NoteDeliver, noteGrown, noteSettled, noteClose:
			deliveries = append(deliveries, notes[i])
		default:
			rest = append(rest, notes[i])
		}
	}
	clear(notes[len(deliveries):])
	c.OtherNotes = c.Inbox.unswap(rest)
	for next := 0; next < len(deliveries); {
		c.work.units = 0 // they are few: others have brought them since the last time
		c.takeFrom(deliveries, &next)
	}
	clear(deliveries)
	c.Notes = deliveries
}

// Fill takes notes, goes on with what former turns have left, pumps the links, and takes what is to be written. more
// says that there is more to do. Without wait, Fill does nothing when somebody else has the mutex, and ok is false.
func (c *Endpoint) Fill(now time.Time, out *engine.Output, wait bool, woken *Wakes) (more, closed, ok bool) {
	if !c.lock(wait) {
		return true, false, false
	}
	defer c.unlock(woken)
	c.BeginTurn(now)
	left := !c.goOn()
	left = c.takeNotes() || left
	if c.Near.Gone.Load() {
		return false, false, true
	}
	more = c.pump() || left
	c.stamp(now)
	c.Engine.Take(out)
	c.Unread.Store(false)
	more = more || c.Engine.Dirty()
	closed = c.Engine.Closed() || c.Ending.Closing && out.Size == 0 && !more
	if out.Size > 0 {
		c.Engine.Sent(now, out.Size)
	}
	return more, closed, true
}

// lock locks the mutex, unless somebody else has it and wait is false.
func (c *Endpoint) lock(wait bool) bool {
	if wait {
		c.Mu.Lock()
		return true
	}
	return c.Mu.TryLock()
}

// deadline is when Advance is to be called next, or the zero time. The mutex is held.
func (c *Endpoint) deadline() time.Time {
	if c.Engine == nil {
		return time.Time{}
	}
	at := c.Engine.Deadline()
	if c.Clock.Alarm != 0 {
		if alarm := c.Plane.Began.Add(c.Clock.Alarm); at.IsZero() || alarm.Before(at) {
			at = alarm
		}
	}
	return at
}

// Advance lets time pass.
func (c *Endpoint) Advance(now time.Time, woken *Wakes) {
	c.Mu.Lock()
	defer c.unlock(woken)
	c.BeginTurn(now)
	if c.Near.Gone.Load() || c.Crashed.Load() {
		return
	}
	c.Here(AtTick)
	c.Engine.Advance(now)
	for _, ev := range c.Engine.Events() {
		if ev.Kind == engine.EventDisconnected && !c.Ending.Closing {
			if c.Peer.Open == nil {
				c.Fails(books.FailedTimeout)
			} else {
				c.Fails(books.FailedIdle)
			}
		}
		c.event(&ev, nil)
	}
	if c.Clock.Alarm != 0 && c.Clock.At >= c.Clock.Alarm {
		c.Expire()
	}
}

// Outcome reports whether the peer's open came, and returns why the connection has ended, "" for no reason.
func (c *Endpoint) Outcome() (opened bool, reason string) {
	c.Mu.Lock()
	defer c.Release()
	return c.Peer.Open != nil, c.Ending.Reason
}

// Discard takes what the engine has to write, for nobody.
func (c *Endpoint) Discard(out *engine.Output) {
	c.Mu.Lock()
	defer c.Release()
	c.try(func() {
		c.Engine.Take(out)
		out.Release()
	})
}

// TearDown ends what the endpoint has, when its connection has ended, with an error or without. Nothing is routed to it
// any more, its links end, and what others sent meanwhile goes back. Call it until it reports that nothing is left.
func (c *Endpoint) TearDown(now time.Time, err error, woken *Wakes) (done bool) {
	c.Mu.Lock()
	defer c.unlock(woken)
	c.BeginTurn(now)
	if !c.Near.Gone.Swap(true) {
		c.Near.ForgetAll()
		c.whyEnded(err)
	}
	if !c.goOn() || !c.dropLinks() {
		return false
	}
	for left := true; left; left = len(c.work.notes) > 0 {
		for c.work.next < len(c.work.notes) {
			if c.isSpent() {
				return false
			}
			c.takeFrom(c.work.notes, &c.work.next)
		}
		c.work.notes, c.work.next = c.Inbox.Close(), 0
	}
	if !c.goOn() { // with what the end of the links has begun
		return false
	}
	c.work = work{}
	for a := range c.Waits.Lists {
		c.dropWaits(a)
	}
	for d := c.Deliveries.free; d != nil; {
		d, d.next = d.next, nil
	}
	c.Deliveries.free = nil
	return true
}

// whyEnded remembers why the connection has ended, unless that is known.
func (c *Endpoint) whyEnded(err error) {
	if c.Ending.Reason == "" && err != nil && !c.Engine.Closed() {
		c.Ending.Reason = err.Error()
	}
	switch {
	case c.Peer.Open == nil:
		c.Fails(books.FailedHandshake)
	case err != nil && !c.Engine.Closed() && !c.Ending.Closing:
		c.Fails(books.FailedLost)
	}
}

// Proceed goes on with what former turns have left, for a container inside the router, and reports whether that is
// done.
func (c *Endpoint) Proceed(now time.Time, woken *Wakes) bool {
	c.Mu.Lock()
	defer c.unlock(woken)
	c.BeginTurn(now)
	return c.goOn()
}

// Fail remembers why the connection is going to end.
func (c *Endpoint) Fail(why, reason string) {
	c.Mu.Lock()
	defer c.Release()
	c.Fails(why)
	if c.Ending.Reason == "" {
		c.Ending.Reason = reason
	}
}

// setIn, inAt and clearIn keep the deliveries beside the engine's numbers.
func (c *Endpoint) setIn(id engine.DeliveryID, d *Delivery) {
	for int(id) >= len(c.Deliveries.In) {
		c.Deliveries.In = append(c.Deliveries.In, nil)
	}
	c.Deliveries.In[id] = d
}

func (c *Endpoint) inAt(id engine.DeliveryID) *Delivery {
	if int(id) >= len(c.Deliveries.In) {
		return nil
	}
	return c.Deliveries.In[id]
}

func (c *Endpoint) clearIn(d *Delivery) {
	if d.id != engine.None {
		if c.Deliveries.In[d.id] == d {
			c.Deliveries.In[d.id] = nil
		}
		d.id = engine.None
	}
}

func (c *Endpoint) setOut(id engine.DeliveryID, b *Branch) {
	for int(id) >= len(c.Deliveries.Out) {
		c.Deliveries.Out = append(c.Deliveries.Out, nil)
	}
	c.Deliveries.Out[id] = b
}

func (c *Endpoint) outAt(id engine.DeliveryID) *Branch {
	if int(id) >= len(c.Deliveries.Out) {
		return nil
	}
	return c.Deliveries.Out[id]
}

func (c *Endpoint) clearOut(b *Branch) {
	if b.id != engine.None {
		if c.Deliveries.Out[b.id] == b {
			c.Deliveries.Out[b.id] = nil
		}
		b.id = engine.None
	}
}

// Close asks the connection to end, with an error for the peer or without.
func (c *Endpoint) Close(err *wire.Error) { c.Tell(Note{Kind: noteClose, Err: err}) }

// Fails is Fail for who holds the mutex, without a text for people. A reason that is known already stays.
func (c *Endpoint) Fails(reason string) {
	if c.Ending.failure == "" && !c.Plane.Stopping.Load() {
		c.Ending.failure = reason
	}
}
