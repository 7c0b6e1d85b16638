package router

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/router/transport"
)

// conn moves the octets of one AMQP connection between its socket and its endpoint. Two goroutines serve it: the reader
// (run) and the writer.
type conn struct {
	host      *host
	settings  *settings
	e         *Endpoint
	nc        transport.Conn
	auth      *authentication // guarded by the endpoint's mutex
	connector *connector      // that dialed it, or nil
	output    output
	admitted  atomic.Bool   // the peer is authenticated, as far as it has to be
	ended     chan struct{} // closed when the reader has ended
	wake      chan struct{} // capacity 1: the writer has something to do
	lingers   bool          // guarded by the endpoint's mutex: the peer's time to answer the end has begun
	fired     atomic.Bool   // the timer has
	timer     *time.Timer   // guarded by the endpoint's mutex, as timerAt
	timerAt   time.Time
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
	e := c.e
	for {
		n, err := in.read()
		if n > 0 {
			if e.terms.role == RoleInterRouter {
				e.heard.Store(time.Now().UnixNano())
			}
			for c.input(in) {
				e.unanswered.wait(c.host.ctx.Done())
			}
			if e.crashed.Load() {
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
		in.compact(e.meter.Held())
		if e.terms.role != RoleInterRouter {
			in.most = min(in.most, c.mayRead(in))
		}
	}
}

// input gives the octets that were read to the endpoint. It tells whether more of them can be used when the control loop
// has answered.
func (c *conn) input(in *input) (paused bool) {
	defer in.woken.flush()
	used, paused := c.e.input(time.Now(), in.chunk, in.chunk.B[in.r:in.w], &in.woken)
	in.r += used
	return paused
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
	return min(max(heldTogether-c.e.plane.overload.clients.Held(), heldLeast), heldHigh)
}

// largestChunk is the size of the largest chunk to read into. The less may be held, and the more buffers are in use, the
// smaller it is, so that the unused parts of many connections' chunks do not take more than the messages.
func (c *conn) largestChunk() int {
	if c.e.terms.role != RoleInterRouter && (c.allowance() < heldHigh || buf.OutstandingOctets() > largeTogether) {
		return buf.MediumChunk
	}
	return buf.LargeChunk
}

// mayRead returns how many octets may be read, after a while if too many are held.
func (c *conn) mayRead(in *input) int {
	held := c.e.meter.Held()
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
	return max(int(c.allowance()-c.e.meter.Held()), heldRead)
}

// waitHeld waits until fewer octets are held, or for a while: a shorter one if own messages wait for the peer, or if what
// comes is dropped, which takes no memory.
func (c *conn) waitHeld() (own bool) {
	pause := heldPause
	c.e.mu.Lock()
	for _, l := range c.e.links {
		if c.e.meter.Held() > heldMost {
			break
		}
		if l != nil && (l.outgoing && (l.head != nil || l.unsettled > 0) || !l.outgoing && l.rest != 0) {
			pause, own = heldOwnWait, true
			break
		}
	}
	c.e.mu.Unlock()
	if c.e.meter.Held() > 2*heldMost {
		c.e.inbox.put(note{kind: noteOffender})
		c.poke()
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-c.e.meter.Wait(c.allowance() / 2):
	case <-timer.C:
	case <-c.host.ctx.Done():
	}
	return own
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
			c.e.unanswered.giveUp()
			<-c.ended
		case closed:
			c.closeWrite()
			c.e.unanswered.giveUp()
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
	w.out.Release()
	c.e.discard(&w.out)
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
	w.notes, more, closed = c.e.fill(time.Now(), &w.out, w.notes, woken)
	if w.out.Size == 0 {
		return more, closed, nil
	}
	c.e.here(atWrite)
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

// serve does one step of the connection's writer in the calling goroutine, when nobody else is at it. False means that
// the writer has to be woken.
func (c *conn) serve(woken *wakes) bool {
	w := &c.output
	if !w.mu.TryLock() {
		return false
	}
	defer w.mu.Unlock()
	if w.try == nil || c.e.near.Gone.Load() {
		return false
	}
	more, closed, err := c.writeStep(woken, false)
	return !more && !closed && err == nil
}

// relieve takes the notes about deliveries, though the peer does not read.
func (c *conn) relieve(woken *wakes) { c.e.takeDeliveries(time.Now(), woken) }

// abort cuts the connection off.
func (c *conn) abort() { c.nc.Abort() }

// poke wakes the writer.
func (c *conn) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
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

// turned goes on after a turn of the endpoint: the peer of a connection that ends has a short time to answer, and the
// timer follows the endpoint's deadline. The endpoint's mutex is held.
func (c *conn) turned(at time.Time, ends bool) {
	if ends && !c.lingers {
		c.lingers = true
		now := time.Now()
		if c.e.crashed.Load() || c.e.eng.Closed() {
			c.nc.SetDeadline(now.Add(lingering))
		} else {
			c.nc.SetReadDeadline(now.Add(lingering))
		}
	}
	if c.fired.Swap(false) {
		c.timerAt = time.Time{}
	}
	switch {
	case at.IsZero(), !c.timerAt.IsZero() && !at.Before(c.timerAt): // it fires earlier and looks again
		return
	case c.e.near.Gone.Load():
		return
	}
	c.timerAt = at
	if c.timer == nil {
		c.timer = time.AfterFunc(time.Until(at), c.tick)
	} else {
		c.timer.Reset(time.Until(at))
	}
}

// tick is called by the timer. It does not depend on the writer, which a peer that does not read may have blocked.
func (c *conn) tick() {
	var woken wakes
	c.fired.Store(true)
	c.e.advance(time.Now(), &woken)
	woken.flush()
	c.poke()
}

// end tears the connection down: nothing is routed to it, its links end, what others sent meanwhile goes back.
func (c *conn) end(err error) {
	var woken wakes
	c.e.tearDown(time.Now(), err, &woken)
	woken.flush()
	c.nc.Close()
	c.poke()
	c.e.plane.events.put(event{kind: eventConnGone, conn: c.e})
}
