package router

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/transport"
)

// Role is what a connection is for, as configured on its listener or connector; it is never negotiated.
type Role uint8

// The roles.
const (
	RoleNormal Role = iota
	RoleInterRouter
	RoleRouteContainer
	RoleEdge
)

// String returns the name in configuration and management.
func (r Role) String() string {
	return [...]string{"normal", "inter-router", "route-container", "edge"}[r]
}

// priorities is the number of priorities of messages between routers.
const priorities = 10

// conn is one AMQP connection. Two goroutines serve it: the reader (run) and the writer. The in-process node has a
// conn too, without a transport and an engine; its notes are taken by the agent's goroutine.
type conn struct {
	// set when made
	number    uint64
	router    *Router
	nc        transport.Conn
	settings  *settings
	dialed    bool
	began     time.Time
	connector *connector // that dialed it, or nil

	output   output
	ended    chan struct{} // closed when the reader has ended
	inbox    inbox
	wake     chan struct{} // capacity 1: the writer has something to do
	gone     atomic.Bool   // nothing may be routed to it any more
	crashed  atomic.Bool   // after a panic: what mu guards is not to be relied on
	admitted atomic.Bool   // the peer is authenticated, as far as it has to be
	heard    atomic.Int64  // when octets came last from a neighbor, Unix time in nanoseconds
	data     [priorities]atomic.Pointer[link]
	streams  streamPool
	meter    *buf.Meter // octets of clients' messages that this router holds

	unanswered unanswered
	paused     bool  // the reader's: input has stopped before the end of what was read
	neighbor   *link // the control loop's: the control link of a neighbor

	mu           sync.Mutex // guards all below, and the engine
	eng          *engine.Connection
	auth         *authentication
	peerID       string // container-id of the peer
	peerNode     string // "0/<peerID>" on a connection between routers
	open         *wire.Open
	extended     bool   // the other router is of our kind; set before the first link, then never changed
	space        string // of the tenant; set before the first link, then never changed
	closing      bool   // the router is ending it
	stopped      bool   // its senders get no credit any more
	reason       string
	links        []*link     // by engine.LinkID
	in           []*delivery // by engine.DeliveryID
	out          []*branch
	free         *delivery
	freeCount    int
	ready        []*link // outgoing links that may have something to write
	blocked      []*link // outgoing links that wait for their session's window
	behind       []*link // streaming links that wait for another link's queue
	wakes        wakes
	envelope     message.Envelope
	key          []byte
	gathered     []byte
	targets      []target
	topology     uint64 // that of the router's table when the choice of targets began
	tried        tried  // by what targets are chosen
	added        uint64 // table.added when the address was looked up
	spread       *spread
	loads        []hopLoad              // scratch of balanced
	slices       []buf.Slice            // scratch of write
	control      *link                  // outgoing control link
	dataIn       [priorities]*link      // incoming data links by their priorities
	notes        []note                 // scratch of takeDeliveries
	otherNotes   []note                 // the same
	waits        map[*address]*waitList // deliveries without a consumer
	waitCount    int
	alarm        time.Duration // when something here expires, by the clock; 0 for never
	lastDelivery time.Time
	idleSince    time.Time     // the last delivery after which idle has given memory back
	delivered    bool          // since the last stamp
	now          time.Time     // when the batch that is handled began
	at           time.Duration // the same since the router began; never 0
	shares       shares
	ingresses    ingresses
	past         counts // of links that are gone
	closedBooks  bool   // the ledger has taken past and shares
	failure      string // why the connection has failed, "" if it has not

	timer   *time.Timer
	timerAt time.Time
}

// settings are what a listener or a connector gives to its connections.
type settings struct {
	name           string
	role           Role
	cost           int
	capacity       int
	maxFrameSize   uint32
	channelMax     uint16
	window         uint32 // frames of a client's session window
	idleTimeOut    time.Duration
	handshake      time.Duration
	annotated      bool   // clients get the routers' annotations
	trusted        bool   // the routers' annotations count that clients send
	multiTenant    bool   // each vhost has an address space of its own
	vhost          string // of all clients, "" for what they say
	host           string // connector: what the open and SASL say, and what is dialed
	properties     wire.Raw
	failover       []failoverURL
	authenticate   bool
	requireSSL     bool
	requireCrypto  bool
	mechanisms     string
	user, password string
	maxMessageSize uint64
	peer           string // connector: the router that has to be there, "" for any
	planned        bool   // connector: planned, and not configured
	measured       bool   // between routers: the cost follows from the round-trip time
	verifyID       bool   // the certificate of the router there has to be for its id
}

// poke wakes the writer.
func (c *conn) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// setIn, inAt and clearIn keep the deliveries beside the engine's numbers.
func (c *conn) setIn(id engine.DeliveryID, d *delivery) {
	for int(id) >= len(c.in) {
		c.in = append(c.in, nil)
	}
	c.in[id] = d
}

func (c *conn) inAt(id engine.DeliveryID) *delivery {
	if int(id) >= len(c.in) {
		return nil
	}
	return c.in[id]
}

func (c *conn) clearIn(d *delivery) {
	if d.id != engine.None {
		if c.in[d.id] == d {
			c.in[d.id] = nil
		}
		d.id = engine.None
	}
}

func (c *conn) setOut(id engine.DeliveryID, b *branch) {
	for int(id) >= len(c.out) {
		c.out = append(c.out, nil)
	}
	c.out[id] = b
}

func (c *conn) outAt(id engine.DeliveryID) *branch {
	if int(id) >= len(c.out) {
		return nil
	}
	return c.out[id]
}

func (c *conn) clearOut(b *branch) {
	if b.id != engine.None {
		if c.out[b.id] == b {
			c.out[b.id] = nil
		}
		b.id = engine.None
	}
}

// run serves the connection until it ends. It is the reader.
func (c *conn) run() {
	if !c.begun() {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.writer()
	}()
	err := c.reader()
	c.end(err)
	close(c.ended)
	<-done
}

// reader reads, decodes, routes and forwards until the connection ends.
func (c *conn) reader() (err error) {
	in := newInput(c)
	defer func() {
		if v := recover(); v != nil {
			err = c.recovered(v)
		}
		in.leave()
	}()
	var woken wakes
	for {
		n, err := in.read()
		if n > 0 {
			if c.settings.role == RoleInterRouter {
				c.heard.Store(time.Now().UnixNano())
			}
			in.r += c.input(in.chunk, in.chunk.B[in.r:in.w], &woken)
			for c.paused {
				c.unanswered.wait(c.router.ctx.Done())
				in.r += c.input(in.chunk, in.chunk.B[in.r:in.w], &woken)
			}
			if c.crashed.Load() {
				in.r = in.w
			}
			in.adapt(n)
		}
		if err != nil {
			return err
		}
		in.most = buf.LargeChunk
		if !c.admitted.Load() {
			in.most = max(earlyOctets-(in.w-in.r), 1)
		}
		in.compact(c.meter.Held())
		if c.settings.role != RoleInterRouter {
			in.most = min(in.most, c.mayRead(in))
		}
	}
}

// earlyOctets is how much of a peer's input is held before it is admitted: one frame of the largest size that the engine
// takes then.
const earlyOctets = 16 << 10

const (
	// A client connection of whose messages more than its share is held here is read from slowly: the transport then
	// holds back the client. Its session window does not: clients of the Proton family count what they gave to their
	// library as sent, and close the connection over it when a window is closed. The share is what all clients'
	// connections together leave of heldTogether, between heldLeast and heldHigh: the more there are that hold much, the
	// less each may.
	heldTogether = 6 << 20
	heldHigh     = 2 << 20
	heldLeast    = 64 << 10
	// largeTogether is how many octets of buffers may be in use when connections of clients take large ones.
	largeTogether = 2 << 20
	// While it is held back, heldRead octets are read once in each heldPause: enough to see that the peer lives, and for
	// its settlements to arrive. When messages wait for it, it is read from faster, once in each heldOwnWait, until
	// heldMost octets are held, since the credit for them may stand behind its own messages. Above twice that, the link
	// that holds the most is detached.
	heldMost    = 8 << 20
	heldRead    = 4 << 10
	heldPause   = 250 * time.Millisecond
	heldOwnWait = 5 * time.Millisecond
)

// allowance is how many octets of the connection's messages may be held before it is held back.
func (c *conn) allowance() int64 {
	return min(max(heldTogether-c.router.overload.clients.Held(), heldLeast), heldHigh)
}

// largestChunk is the size of the largest chunk to read into. The less may be held, and the more buffers are in use, the
// smaller it is, so that the unused parts of many connections' chunks do not take more than the messages.
func (c *conn) largestChunk() int {
	if c.settings.role != RoleInterRouter && (c.allowance() < heldHigh || buf.OutstandingOctets() > largeTogether) {
		return buf.MediumChunk
	}
	return buf.LargeChunk
}

// mayRead returns how many octets may be read, after a while if too many are held.
func (c *conn) mayRead(in *input) int {
	held := c.meter.Held()
	if held < heldLeast {
		return buf.LargeChunk
	}
	if held >= c.allowance() {
		held = in.compactNow()
	}
	if left := c.allowance() - held; left > 0 {
		return max(int(left), heldRead)
	}
	if own := c.waitHeld(); own {
		return buf.LargeChunk
	}
	return max(int(c.allowance()-c.meter.Held()), heldRead)
}

// waitHeld waits until fewer octets are held, or for a while: a shorter one if own messages wait for the peer, or if what
// comes is dropped, which takes no memory.
func (c *conn) waitHeld() (own bool) {
	pause := heldPause
	c.mu.Lock()
	for _, l := range c.links {
		if c.meter.Held() > heldMost {
			break
		}
		if l != nil && (l.outgoing && (l.head != nil || l.unsettled > 0) || !l.outgoing && l.rest != 0) {
			pause, own = heldOwnWait, true
			break
		}
	}
	c.mu.Unlock()
	if c.meter.Held() > 2*heldMost {
		c.inbox.put(note{kind: noteOffender})
		c.poke()
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-c.meter.Wait(c.allowance() / 2):
	case <-timer.C:
	case <-c.router.ctx.Done():
	}
	return own
}

// input gives octets to the engine and handles what comes of them. It returns how many were used: all whole frames, but
// when the control loop has too much of the connection to answer.
func (c *conn) input(chunk *buf.Chunk, b []byte, woken *wakes) (used int) {
	defer woken.flush()
	now := time.Now()
	c.mu.Lock()
	defer c.unlock(woken)
	if c.paused = false; c.crashed.Load() {
		return len(b)
	}
	c.clock(now)
	for {
		n := c.eng.Input(now, b[used:])
		used += n
		events := c.eng.Events()
		c.here(atInput)
		for i := range events {
			c.event(&events[i], chunk)
		}
		if c.paused = n > 0 && c.unanswered.many(); n == 0 || c.paused {
			break
		}
	}
	c.stamp(now)
	if c.eng.Dirty() || len(c.ready) > 0 || c.eng.Closed() {
		c.wakes.conns = append(c.wakes.conns, c)
	}
	return used
}

// stamp notes the time of the last delivery, once a batch.
func (c *conn) stamp(now time.Time) {
	if c.delivered {
		c.delivered = false
		c.lastDelivery = now
	}
}

// output is what the writing side of a connection works with. Whoever holds its mutex writes: usually a reader that
// has given the connection something to do and writes in passing, otherwise the writer.
type output struct {
	mu     sync.Mutex // held while writing; taken before the connection's mutex
	try    *transport.TryWriter
	out    engine.Output
	rest   net.Buffers // of out, not written yet
	vector net.Buffers // what rest is a part of
	notes  []note
}

// writer writes what nobody could write in passing, because the peer does not take it at once.
func (c *conn) writer() {
	var woken wakes
	w := &c.output
	for {
		w.mu.Lock()
		more, closed, err := c.writeStep(&woken, true)
		w.mu.Unlock()
		woken.flush()
		switch {
		case err != nil:
			c.nc.Close()
			c.unanswered.giveUp()
			<-c.ended
		case closed:
			c.closeWrite()
			c.unanswered.giveUp()
			<-c.ended
		case more:
			continue
		}
		select {
		case <-c.wake:
			continue
		case <-c.ended:
		}
		break
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.try(func() {
		w.out.Release()
		c.eng.Take(&w.out)
		w.out.Release()
	})
}

// writeStep takes the notes, pumps the links and writes one batch. Without wait, it writes only what the peer takes at
// once; more says that something is left to be done.
func (c *conn) writeStep(woken *wakes, wait bool) (more, closed bool, err error) {
	w := &c.output
	defer func() {
		if v := recover(); v != nil {
			w.rest = nil
			err = c.recovered(v)
		}
	}()
	if len(w.rest) > 0 {
		if !wait {
			return true, false, nil
		}
		if _, err := transport.WriteBuffers(c.nc, &w.rest); err != nil {
			return false, false, err
		}
	}
	w.out.Release()
	more, closed = c.fill(woken)
	if w.out.Size == 0 {
		return more, closed, nil
	}
	c.here(atWrite)
	w.vector = append(w.vector[:0], w.out.Segments...)
	w.rest = w.vector
	if wait {
		_, err = transport.WriteBuffers(c.nc, &w.rest)
	} else {
		var n int
		n, err = w.try.Write(w.rest)
		transport.Skip(&w.rest, n)
	}
	if len(w.rest) == 0 {
		w.out.Release()
	}
	return more || len(w.rest) > 0, closed, err
}

// takeDeliveries takes the notes about outgoing deliveries without writing anything: the writer is busy with a peer that
// does not read, and what is too much for the queues must be dropped all the same. The other notes stay: they would fill
// the output.
func (c *conn) takeDeliveries(woken *wakes) {
	now := time.Now()
	c.mu.Lock()
	defer c.unlock(woken)
	c.clock(now)
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

// fill takes the notes, pumps the links and takes what is to be written.
func (c *conn) fill(woken *wakes) (more, closed bool) {
	w := &c.output
	now := time.Now()
	c.mu.Lock()
	defer c.unlock(woken)
	c.clock(now)
	w.notes = c.inbox.swap(w.notes)
	c.takeAll(w.notes)
	if c.gone.Load() {
		return false, false
	}
	more = c.pump()
	c.stamp(now)
	c.eng.Take(&w.out)
	closed = c.eng.Closed() || c.closing && w.out.Size == 0 && !more
	if w.out.Size > 0 {
		c.eng.Sent(now, w.out.Size)
	}
	c.arm(now)
	return more, closed
}

// inPassing does one step of the connection's writer in the calling goroutine, when nobody else is at it. False means
// that the writer has to be woken.
func (c *conn) inPassing(woken *wakes) bool {
	w := &c.output
	if !w.mu.TryLock() {
		return false
	}
	defer w.mu.Unlock()
	if w.try == nil || c.gone.Load() {
		return false
	}
	more, closed, err := c.writeStep(woken, false)
	return !more && !closed && err == nil
}

// lingering is how long the rest of a peer's input is read after a close was written, so that the peer can read it.
const lingering = time.Second

// closeWrite ends the writing side; the reader goes on until the peer has closed too, for a short time.
func (c *conn) closeWrite() {
	c.nc.SetReadDeadline(time.Now().Add(lingering))
	if err := c.nc.CloseWrite(); err != nil {
		c.nc.Close()
	}
}

// arm sets the timer for the engine's deadline. The mutex is held.
func (c *conn) arm(now time.Time) {
	at := c.eng.Deadline()
	if c.alarm != 0 {
		if alarm := c.router.began.Add(c.alarm); at.IsZero() || alarm.Before(at) {
			at = alarm
		}
	}
	if at.IsZero() {
		return
	}
	if !c.timerAt.IsZero() && !at.Before(c.timerAt) {
		return // it fires earlier and looks again
	}
	c.timerAt = at
	if c.timer == nil {
		c.timer = time.AfterFunc(at.Sub(now), c.tick)
	} else {
		c.timer.Reset(at.Sub(now))
	}
}

// tick is called by the timer. It does not depend on the writer, which a peer that does not read may have blocked.
func (c *conn) tick() {
	var woken wakes
	c.advance(&woken)
	woken.flush()
	c.poke()
}

// advance lets the engine's time pass.
func (c *conn) advance(woken *wakes) {
	now := time.Now()
	c.mu.Lock()
	defer c.unlock(woken)
	c.clock(now)
	c.timerAt = time.Time{}
	if c.gone.Load() || c.crashed.Load() {
		return
	}
	c.here(atTick)
	c.eng.Advance(now)
	for _, ev := range c.eng.Events() {
		if ev.Kind == engine.EventDisconnected && !c.closing {
			if c.open == nil {
				c.fails(failedTimeout)
			} else {
				c.fails(failedIdle)
			}
		}
		c.event(&ev, nil)
	}
	if c.alarm != 0 && c.at >= c.alarm {
		c.expire()
	}
	if c.eng.Closed() {
		c.nc.SetDeadline(now.Add(lingering))
	}
	c.arm(now)
}

// end tears the connection down: nothing is routed to it, its links end, what others sent meanwhile goes back.
func (c *conn) end(err error) {
	var woken wakes
	c.tearDown(err, &woken)
	woken.flush()
	c.nc.Close()
	c.poke()
	c.router.control.put(event{kind: eventConnGone, conn: c})
}

func (c *conn) tearDown(err error, woken *wakes) {
	c.mu.Lock()
	defer c.unlock(woken)
	c.clock(time.Now())
	c.gone.Store(true)
	for p := range c.data {
		c.data[p].Store(nil)
	}
	c.dropLinks()
	c.takeAll(c.inbox.close())
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.reason == "" && err != nil && !c.eng.Closed() {
		c.reason = err.Error()
	}
	switch {
	case c.open == nil:
		c.fails(failedHandshake)
	case err != nil && !c.eng.Closed() && !c.closing:
		c.fails(failedLost)
	}
	for a := range c.waits {
		c.dropWaits(a)
	}
	for d := c.free; d != nil; {
		d, d.next = d.next, nil
	}
	c.free = nil
}

// dropLink ends a link of this side, whatever its direction, and tells the control loop.
func (c *conn) dropLink(l *link) {
	if l.outgoing {
		c.failLink(l)
	} else {
		c.senderGone(l)
	}
	c.unblock(l)
	c.routerLinkGone(l)
	c.retire(l, l.address, &l.stats)
	c.router.control.put(event{kind: eventLinkGone, conn: c, link: l})
}

// close asks the connection to end, with an error for the peer or without.
func (c *conn) close(err *wire.Error) { c.tell(note{kind: noteClose, err: err}) }
