package conn

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/transport"
)

// Conn moves the octets of one AMQP connection between its socket and its endpoint. Two goroutines serve it: the reader
// (Conn.Reader) and the writer (Conn.writer).
type Conn struct {
	Host      *Host
	settings  *Settings
	E         *forwarding.Endpoint
	Socket    transport.Conn
	auth      *authentication // guarded by the endpoint's mutex
	Connector *Connector      // that dialed it, or nil
	Output    output
	admitted  atomic.Bool   // the peer is authenticated, as far as it has to be
	Ended     chan struct{} // closed when the reader has ended
	Wake      chan struct{} // capacity 1: the writer has something to do
	lingers   atomic.Bool   // the peer's time to answer the end has begun
	unread    unread        // what the peer does not read
	fired     atomic.Bool   // the timer has
	timer     *time.Timer   // guarded by the endpoint's mutex, like TimerAt
	TimerAt   time.Time     // when the timer fires; the zero time if it does not
}

// NewConn makes a connection of a socket, and its endpoint.
func (h *Host) NewConn(nc transport.Conn, s *Settings, dialed bool) *Conn {
	began := time.Now()
	if early, ok := nc.(interface{ Began() time.Time }); ok { // its handshake was over when it was accepted
		began = early.Began()
	}
	c := &Conn{Host: h, settings: s, Socket: nc, Wake: make(chan struct{}, 1), Ended: make(chan struct{}),
		unread: unread{wake: make(chan struct{}, 1)},
		Output: output{patient: transport.NewPatientWriter(nc)}}
	c.E = forwarding.NewEndpoint(&forwarding.Endpoint{
		Number: h.Plane.Numbers.Add(1), Plane: h.Plane, Terms: &s.Terms, Dialed: dialed, Began: began, Driver: c,
		Remote: nc.RemoteAddr().String(),
	})
	c.E.OpenAccount()
	return c
}

// run serves the connection until it ends. It is the reader.
func (c *Conn) run() {
	if !c.begun() {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.writer()
	}()
	err := c.Reader()
	c.End(err)
	close(c.Ended)
	<-done
}

// Reader reads, decodes, routes and forwards until the connection ends.
func (c *Conn) Reader() (err error) {
	in := newInput(c)
	defer func() {
		if v := recover(); v != nil {
			err = c.recovered(v)
		}
		in.leave()
	}()
	e := c.E
	for {
		n, err := in.read()
		if n > 0 {
			if e.Terms.Role == forwarding.RoleInterRouter {
				e.Heard.Store(time.Now().UnixNano())
			}
			c.input(in)
			if e.Crashed.Load() {
				in.r = in.w
			}
			in.adapt(n)
		}
		if err != nil {
			return err
		}
		in.most = buf.LargeChunk
		if !c.admitted.Load() {
			in.most = max(EarlyOctets-(in.w-in.r), 1)
		}
		in.compact(e.Meter.Held())
		if e.Terms.Role != forwarding.RoleInterRouter {
			in.most = min(in.most, c.mayRead(in))
		}
	}
}

// input gives the octets that were read to the endpoint, turn after turn. Between two of them it waits for what the
// peer is to wait for: answers of the control loop, or that the peer reads.
func (c *Conn) input(in *input) {
	greedy := in.greedy
	in.greedy = false
	for {
		var turns forwarding.Turns
		if greedy { // others come first
			runtime.Gosched()
			turns = c.E.UserTurns()
			turns.Take()
		}
		used, next := c.E.Input(time.Now(), in.chunk, in.chunk.B[in.r:in.w], &in.woken)
		turns.Give()
		in.r += used
		in.woken.Flush()
		switch next {
		case forwarding.TurnDone:
			return
		case forwarding.TurnSpent:
			greedy, in.greedy = true, true
		case forwarding.TurnUnanswered:
			c.E.Unanswered.Wait(c.Host.Ctx.Done())
		case forwarding.TurnUnread:
			c.Poke()
			c.unread.wait(c.E, c.Host.Ctx.Done())
		}
	}
}

const (
	// HeldTogether is what the messages of all clients may take before connections are read from slowly. The share of
	// each is what is left of that, between HeldLeast and HeldHigh: the more of them hold much, the less each may.
	//
	// A connection that holds more than its share is read from slowly, and the transport holds the client back. The
	// session window does not: clients of the Proton family count what they gave to their library as sent, and close
	// the connection over a window that is closed.
	HeldTogether = 6 << 20
	// HeldHigh is the largest share.
	HeldHigh = 2 << 20
	// largeTogether is how many octets of buffers may be in use when connections of clients take large ones.
	largeTogether = 2 << 20
	// heldRead is how many octets are read once in each heldPause of a client that is held back. That is enough to see
	// that the client lives, and for its settlements to arrive.
	heldRead  = 4 << 10
	heldPause = 250 * time.Millisecond
	// heldOwnWait is the pause when messages wait for the client, or as much is held as may be. The credit for those
	// messages may stand behind the client's own, and what comes then is given back.
	heldOwnWait = 5 * time.Millisecond
)

// allowance is how many octets of the connection's messages may be held before it is held back.
func (c *Conn) allowance() int64 {
	return min(max(HeldTogether-c.E.Plane.Overload.Clients.Held(), forwarding.HeldLeast), HeldHigh)
}

// largestChunk is the size of the largest chunk to read into. Chunks are smaller when little may be held or many
// buffers are in use, so that the unused parts of many chunks do not take more than the messages.
func (c *Conn) largestChunk() int {
	if c.E.Terms.Role != forwarding.RoleInterRouter &&
		(c.allowance() < HeldHigh || buf.OutstandingOctets() > largeTogether) {
		return buf.MediumChunk
	}
	return buf.LargeChunk
}

// mayRead returns how many octets may be read, after a while if too many are held.
func (c *Conn) mayRead(in *input) int {
	held := c.E.Meter.Held()
	if held < forwarding.HeldLeast {
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
	return max(int(c.allowance()-c.E.Meter.Held()), heldRead)
}

// waitHeld waits until fewer octets are held, or for a while. own says that this while was short, since messages wait
// for the peer, or since what comes is dropped and takes no memory.
func (c *Conn) waitHeld() (own bool) {
	pause := heldPause
	c.E.Mu.Lock()
	for _, l := range c.E.Links {
		switch {
		case l == nil:
		case l.Outgoing:
			own = own || l.Head != nil || l.Unsettled > 0
		default:
			own = own || l.Rest != 0
		}
	}
	if c.E.Meter.Held() > forwarding.HeldMost { // what comes is given back
		own = !c.E.MustWait()
	}
	c.E.Release()
	if own {
		pause = heldOwnWait
	}
	if c.E.Meter.Held() > 2*forwarding.HeldMost {
		var woken forwarding.Wakes
		c.E.EndOffender(time.Now(), &woken) // else the next time
		woken.Poke()
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-c.E.Meter.Wait(c.allowance() / 2):
	case <-timer.C:
	case <-c.Host.Ctx.Done():
	}
	return own
}

// output is what the writing side of a connection works with. Whoever holds its mutex writes: usually a reader that
// has given the connection something to do and writes in passing, otherwise the writer.
type output struct {
	Mu      sync.Mutex // held while writing; taken before the endpoint's mutex
	try     *transport.TryWriter
	patient *transport.PatientWriter
	Out     engine.Output
	rest    net.Buffers // of out, not written yet
	vector  net.Buffers // what rest is a part of
}

// writer writes what nobody could write in passing, because the peer does not take it at once.
func (c *Conn) writer() {
	var woken forwarding.Wakes
	w := &c.Output
	for {
		w.Mu.Lock()
		more, closed, err := c.WriteStep(&woken, true)
		w.Mu.Unlock()
		woken.Flush()
		switch {
		case err != nil:
			c.Socket.Close()
			c.giveUp()
			<-c.Ended
		case closed:
			c.closeWrite()
			c.giveUp()
			<-c.Ended
		case more:
			continue
		}
		select {
		case <-c.Wake:
			continue
		case <-c.Ended:
		}
		break
	}
	w.Mu.Lock()
	defer w.Mu.Unlock()
	w.Out.Release()
	c.E.Discard(&w.Out)
}

// WriteStep takes the notes, pumps the links and writes one batch. Without wait, it writes only what the peer takes at
// once; more says that something is left to be done.
func (c *Conn) WriteStep(woken *forwarding.Wakes, wait bool) (more, closed bool, err error) {
	w := &c.Output
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
		if _, err := c.write(); err != nil {
			return false, false, err
		}
	}
	w.Out.Release()
	var ok bool
	if more, closed, ok = c.E.Fill(time.Now(), &w.Out, wait, woken); !ok {
		return true, false, nil
	}
	c.unread.taken()
	if w.Out.Size == 0 {
		return more, closed, nil
	}
	c.E.Here(forwarding.AtWrite)
	w.vector = append(w.vector[:0], w.Out.Segments...)
	w.rest = w.vector
	if wait {
		_, err = c.write()
	} else {
		var n int
		n, err = w.try.Write(w.rest)
		transport.Skip(&w.rest, n)
	}
	if len(w.rest) == 0 {
		w.Out.Release()
	}
	return more || len(w.rest) > 0, closed, err
}

// writePatience is how long a peer may take nothing of what is written, where it has no idle time-out.
const writePatience = 30 * time.Second

// write writes what is left of the output. A peer that takes nothing for as long as it may be silent is given up.
func (c *Conn) write() (int64, error) {
	limit := c.settings.IdleTimeOut
	if limit <= 0 {
		limit = writePatience
	}
	if c.lingers.Load() {
		limit = Lingering
	}
	n, err := c.Output.patient.WriteBuffers(&c.Output.rest, limit)
	if errors.Is(err, os.ErrDeadlineExceeded) && !c.lingers.Load() {
		err = fmt.Errorf("the peer has read nothing for %v", limit)
		c.E.Fail(books.FailedIdle, err.Error())
	}
	return n, err
}

// giveUp lets a reader go on that waits for what will not come any more.
func (c *Conn) giveUp() {
	c.E.Unanswered.GiveUp()
	c.unread.giveUp()
}

// Serve does one step of the connection's writer in the calling goroutine, when nobody else is at it. False means that
// the writer has to be woken.
func (c *Conn) Serve(woken *forwarding.Wakes) bool {
	w := &c.Output
	if !w.Mu.TryLock() {
		return false
	}
	defer w.Mu.Unlock()
	if w.try == nil || c.E.Near.Gone.Load() {
		return false
	}
	more, closed, err := c.WriteStep(woken, false)
	return !more && !closed && err == nil
}

// Relieve takes the notes about deliveries, though the peer does not read.
func (c *Conn) Relieve(woken *forwarding.Wakes) { c.E.TakeDeliveries(time.Now(), woken) }

// Abort cuts the connection off.
func (c *Conn) Abort() { c.Socket.Abort() }

// Poke wakes the writer.
func (c *Conn) Poke() {
	select {
	case c.Wake <- struct{}{}:
	default:
	}
}

// Lingering is how long the rest of a peer's input is read after a close was written, so that the peer can read it.
const Lingering = time.Second

// closeWrite ends the writing side; the reader goes on until the peer has closed too, for a short time.
func (c *Conn) closeWrite() {
	c.Socket.SetReadDeadline(time.Now().Add(Lingering))
	if err := c.Socket.CloseWrite(); err != nil {
		c.Socket.Close()
	}
}

// Turned goes on after a turn of the endpoint: the peer of a connection that ends has a short time to answer, and the
// timer follows the endpoint's deadline. The endpoint's mutex is held.
func (c *Conn) Turned(at time.Time, ends bool) {
	if ends && !c.lingers.Load() {
		c.lingers.Store(true)
		now := time.Now()
		if c.E.Crashed.Load() || c.E.Engine.Closed() {
			c.Socket.SetDeadline(now.Add(Lingering))
		} else {
			c.Socket.SetReadDeadline(now.Add(Lingering))
		}
	}
	if c.fired.Swap(false) {
		c.TimerAt = time.Time{}
	}
	switch {
	case at.IsZero(), !c.TimerAt.IsZero() && !at.Before(c.TimerAt): // it fires earlier and looks again
		return
	case c.E.Near.Gone.Load():
		return
	}
	c.TimerAt = at
	if c.timer == nil {
		c.timer = time.AfterFunc(time.Until(at), c.Tick)
	} else {
		c.timer.Reset(time.Until(at))
	}
}

// Tick is called by the timer. It does not depend on the writer, which a peer that does not read may have blocked.
func (c *Conn) Tick() {
	var woken forwarding.Wakes
	c.fired.Store(true)
	c.E.Advance(time.Now(), &woken)
	woken.Flush()
	c.Poke()
}

// End tears the connection down. Nothing is routed to it any more, its links end, and what others sent meanwhile goes
// back.
func (c *Conn) End(err error) {
	var woken forwarding.Wakes
	for !c.E.TearDown(time.Now(), err, &woken) {
		woken.Flush()
	}
	woken.Flush()
	c.Socket.Close()
	c.Poke()
	c.E.Plane.Events.Put(forwarding.Event{Kind: forwarding.EventConnGone, End: c.E})
}

// Idle gives back what an idle connection keeps for the next messages. The caller holds the mutex of no output and of
// no endpoint.
func (c *Conn) Idle(now time.Time) {
	w := &c.Output
	if !w.Mu.TryLock() {
		return
	}
	defer w.Mu.Unlock()
	octets, ok := c.E.GiveUp(now)
	if !ok {
		return
	}
	if len(w.rest) == 0 && w.Out.Size == 0 {
		w.Out.Release()
		w.Out, w.rest, w.vector = engine.Output{}, nil, nil
	}
	c.E.Plane.Overload.Surplus.Given.Add(int64(octets))
}

// recovered ends the connection after a panic in code that does not hold the endpoint's mutex. Call it in a deferred
// function, with what that has recovered. The peer may have got half a frame, so that it hears nothing more.
func (c *Conn) recovered(v any) error {
	var woken forwarding.Wakes
	defer woken.Flush()
	c.E.CrashWith(v, &woken)
	c.Socket.Close()
	return fmt.Errorf("internal error: %v", v)
}
