package router

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// line is one connection of a client of a property test. One goroutine reads it and keeps the accounts of its sessions
// and links, another writes what they want said; neither waits for the other. Its mutex is taken before the book's.
type line struct {
	w      *propertyWorld
	name   string
	router *Router
	nc     net.Conn
	tasks  sync.WaitGroup

	mu       sync.Mutex
	changed  chan struct{} // closed at the next change
	out      []byte
	reading  bool // the client reads
	ended    bool // the reader has ended
	cut      bool // the client has cut it
	closing  bool // the client has sent close
	opened   bool
	most     int // octets of the largest frame that the router takes
	sessions [2]*lineSession
	links    int // made so far, for their names
	syncs    int // sessions of sync that have not ended
	syncOn   uint16
}

// newLine connects to a router and starts the two goroutines. It returns nil when the router is gone.
func newLine(w *propertyWorld, r *Router, name string, frame uint32) *line {
	nc, err := net.DialTimeout("tcp", r.Addr("clients"), limit)
	if err != nil {
		if !w.isDown(r) {
			w.report("%s cannot connect: %v", name, err)
		}
		return nil
	}
	l := &line{w: w, name: name, router: r, nc: nc, changed: make(chan struct{}), reading: true, most: 512}
	w.keep(l)
	l.tasks.Go(l.read)
	l.tasks.Go(l.write)
	l.mu.Lock()
	l.say(wire.HeaderAMQP, &wire.Open{ContainerID: name, MaxFrameSize: frame, ChannelMax: 10})
	l.mu.Unlock()
	if !l.wait("open is answered", func() bool { return l.opened }) {
		return nil
	}
	return l
}

// change wakes those who wait. The mutex is held.
func (l *line) change() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// say has something sent. The mutex is held.
func (l *line) say(what ...any) {
	if l.cut {
		return
	}
	for _, x := range what {
		l.out = amqptest.Encode(l.out, x)
	}
	l.change()
}

// wait waits until something holds; false means that the connection has ended. The mutex must not be held.
func (l *line) wait(why string, holds func() bool) bool {
	return l.waitFor(limit, holds, func() { l.w.report("%s waits for long: %s", l.name, why) })
}

// waitFor waits a while at most until something holds, and calls late when that is over.
func (l *line) waitFor(while time.Duration, holds func() bool, late func()) bool {
	timer := time.NewTimer(while)
	defer timer.Stop()
	for {
		l.mu.Lock()
		ok, ended, changed := holds(), l.ended, l.changed
		l.mu.Unlock()
		if ok || ended {
			return ok
		}
		select {
		case <-changed:
		case <-timer.C:
			if late != nil {
				late()
			}
			return false
		}
	}
}

// write writes what is to be said until the connection ends.
func (l *line) write() {
	for {
		l.mu.Lock()
		b, ended, changed := l.out, l.ended || l.cut, l.changed
		l.out = nil
		l.mu.Unlock()
		switch {
		case ended:
			return
		case len(b) == 0:
			<-changed
		default:
			l.nc.Write(b) // an error ends the reader too
		}
	}
}

// read takes frames until the connection ends.
func (l *line) read() {
	var in []byte
	var err error
	for err == nil {
		l.mu.Lock()
		reading, stop, changed := l.reading, l.cut, l.changed
		l.mu.Unlock()
		if stop {
			break
		}
		if !reading {
			<-changed
			continue
		}
		in = slices.Grow(in, 32<<10)
		var n int
		n, err = l.nc.Read(in[len(in):cap(in)])
		in = l.take(in[:len(in)+n])
	}
	l.nc.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.cut && !l.closing && !l.w.isDown(l.router) {
		l.w.report("%s was disconnected by %s: %v", l.name, l.router.ID(), err)
	} else if l.closing && !l.cut && !errors.Is(err, io.EOF) && !l.w.isDown(l.router) {
		l.w.report("%s was closed by %s without an end: %v", l.name, l.router.ID(), err)
	}
	l.forget(l.cut || !l.closing)
	l.ended = true
	l.change()
}

// take handles the frames at the beginning of b and returns the rest.
func (l *line) take(b []byte) []byte {
	used := 0
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.cut {
		what, n, err := amqptest.Decode(b[used:], 1<<20)
		if err != nil {
			l.w.report("%s cannot decode what %s sent: %v", l.name, l.router.ID(), err)
			l.nc.Close()
			break
		}
		if n == 0 {
			break
		}
		used += n
		if f, ok := what.(frame); ok {
			l.handle(f)
		}
	}
	l.change()
	return append(b[:0], b[used:]...)
}

// handle keeps the accounts for one frame of the router.
func (l *line) handle(f frame) {
	switch x := f.Body.(type) {
	case nil:
	case *wire.Open:
		l.opened, l.most = true, int(min(x.MaxFrameSize, 1<<20))
	case *wire.Close:
		if x.Error != nil && !l.w.isDown(l.router) {
			l.w.report("%s was closed by %s: %v", l.name, l.router.ID(), x.Error)
		}
		if !l.closing {
			l.closing = true
			l.say(&wire.Close{})
		}
	case *wire.Begin:
		if x.RemoteChannel == syncSession {
			l.syncOn = f.Channel
		} else if s := l.sessions[x.RemoteChannel%2]; x.HasRemoteChannel && s != nil && s.channel == x.RemoteChannel {
			s.theirs, s.begun = f.Channel, true
			s.peerNext, s.room = x.NextOutgoingID, x.IncomingWindow
		}
	default:
		if _, end := x.(*wire.End); end && l.syncs > 0 && l.syncOn == f.Channel {
			l.syncs--
			return
		}
		for _, s := range l.sessions {
			if s != nil && s.begun && s.theirs == f.Channel {
				s.handle(f)
				return
			}
		}
		l.w.report("%s got %T%+v on channel %d, which has no session", l.name, x, x, f.Channel)
	}
}

// session begins one of the two sessions with an incoming window, unless it is there.
func (l *line) session(i int, window uint32) *lineSession {
	l.mu.Lock()
	s := l.sessions[i]
	if s == nil {
		s = newLineSession(l, i, window)
		l.sessions[i] = s
		l.say(amqptest.On(s.channel, &wire.Begin{IncomingWindow: window, OutgoingWindow: 1 << 20, HandleMax: 1 << 16}))
	}
	l.mu.Unlock()
	if !l.wait("begin is answered", func() bool { return s.begun }) {
		return nil
	}
	return s
}

// endSession ends a session with all its links.
func (l *line) endSession(s *lineSession) {
	l.mu.Lock()
	if !s.ending && !l.closing {
		s.ending = true
		s.leave(false)
		l.say(amqptest.On(s.channel, &wire.End{}))
	}
	l.mu.Unlock()
	l.wait("end is answered", func() bool { return s.over })
}

// syncSession is the channel of a session that begins and ends to see that the router has come so far.
const syncSession = 5

// sync waits until the router has handled everything that was sent before.
func (l *line) sync() {
	l.mu.Lock()
	l.syncs++
	l.say(amqptest.On(syncSession, &wire.Begin{IncomingWindow: 1, OutgoingWindow: 1, HandleMax: 1}),
		amqptest.On(syncSession, &wire.End{}))
	l.mu.Unlock()
	l.wait("a session begins and ends", func() bool { return l.syncs == 0 })
}

// close closes the connection in order.
func (l *line) close() {
	l.mu.Lock()
	l.reading = true
	if !l.closing {
		l.closing = true
		l.leave(false)
		l.say(&wire.Close{})
	}
	l.mu.Unlock()
	l.wait("close is answered", func() bool { return false })
	l.tasks.Wait()
}

// abort ends the connection without a word, with a reset or as if everything had been said.
func (l *line) abort(reset bool) {
	l.mu.Lock()
	l.leave(true)
	l.cut = true
	if tcp, ok := l.nc.(*net.TCPConn); ok && reset {
		tcp.SetLinger(0)
	}
	l.nc.Close()
	l.change()
	l.mu.Unlock()
	l.tasks.Wait()
}

// leave notes that all links begin to end. The mutex is held.
func (l *line) leave(cut bool) {
	for _, s := range l.sessions {
		if s != nil {
			s.leave(cut)
		}
	}
}

// forget drops all links. The mutex is held.
func (l *line) forget(cut bool) {
	l.leave(cut)
	for i, s := range l.sessions {
		if s != nil {
			s.over = true
			l.sessions[i] = nil
		}
	}
}

// alive tells whether the connection can be used.
func (l *line) alive() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.ended && !l.cut && !l.closing
}

// senders lists the links on which messages can be sent. The mutex is held.
func (l *line) senders() []*txLink {
	return linksOf(l, func(x *txLink) bool { return x.attached && !x.leaving })
}

// receivers lists the links on which messages can come. The mutex is held.
func (l *line) receivers() []*rxLink {
	return linksOf(l, func(x *rxLink) bool { return x.attached && !x.leaving })
}

// linksOf lists the links of a kind that can be used, in the order in which they were made.
func linksOf[T any](l *line, usable func(T) bool) (list []T) {
	for _, s := range l.sessions {
		if s == nil || !s.begun || s.ending {
			continue
		}
		for _, one := range s.links {
			if x, ok := one.(T); ok && usable(x) {
				list = append(list, x)
			}
		}
	}
	return list
}

// anyOf chooses one of a list, or none of an empty one.
func anyOf[T any](rng *rand.Rand, list []T) (one T, ok bool) {
	if len(list) == 0 {
		return one, false
	}
	return list[rng.IntN(len(list))], true
}

// linkName makes a name for a link that no other has on this connection. The mutex is held.
func (l *line) linkName(kind string) string {
	l.links++
	return fmt.Sprintf("%s %s %d", l.name, kind, l.links)
}
