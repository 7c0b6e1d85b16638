package engine_test

import (
	"slices"

	"time"

	"pgregory.net/rapid"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// mostEvents is how many events one input may have: a batch, and those of the frame that ended it.
const mostEvents = 64 + 2

// world is two engines with their callers and the octets between them, driven by operations of four octets each. The
// callers keep their own books and compare them with what the engines say.
type world struct {
	t        rapid.TB
	now      time.Time
	sides    [2]*side
	messages []*message
	links    int             // ever attached, for their names
	gone     map[string]bool // links that one side has let go of
	op       [4]byte
	quiet    bool // nothing new is begun, everything is accepted
}

// message is one message on its way; its key is its index in world.messages.
type message struct {
	size       int
	presettled bool
	begun      bool // a frame was written
	whole      bool // written
	aborted    bool
	dropped    bool // the sender settled it without an outcome
	link       string
	arrived    int  // octets
	complete   bool // arrived whole
	given      wire.StateKind
	got        wire.StateKind
	outcomes   int // settlements that the sender was told
}

type side struct {
	w        *world
	name     string
	c        *engine.Connection
	peer     *side
	out      []byte // written, not yet at the peer
	in       []byte // arrived, not yet used
	sessions []*appSession
	links    []*appLink
	sent     map[engine.DeliveryID]*outgoing
	received map[engine.DeliveryID]*incoming
	early    map[engine.DeliveryID]bool // settled while events of the same input were still unread
	ending   []engine.SessionID         // whose links are being forgotten
	leaving  []engine.LinkID            // whose deliveries are being let go of
}

type appSession struct {
	id   engine.SessionID
	up   bool // begun on both sides
	held int
}

type appLink struct {
	id      engine.LinkID
	session engine.SessionID
	name    string
	sender  bool
	up      bool
	writing *outgoing
	waits   bool // an aborting frame may wait for the window
	blocked bool // the message being written waits for EventWindow
}

type outgoing struct {
	id      engine.DeliveryID
	link    *appLink
	key     int
	written int
	settled bool
}

type incoming struct {
	id      engine.DeliveryID
	link    engine.LinkID
	key     int
	settled bool
	whole   bool
}

func newWorld(t rapid.TB) *world {
	w := &world{t: t, now: amqptest.Start, gone: map[string]bool{}}
	for i, cfg := range []engine.Config{
		{Client: true, SASL: engine.SASLNone, MaxFrameSize: 512, ChannelMax: 1000, IdleTimeOut: time.Second},
		{SASL: engine.SASLOptional, MaxFrameSize: 16 << 10, ChannelMax: 2000, IdleTimeOut: 3 * time.Second},
	} {
		cfg.ContainerID = string(rune('A' + i))
		w.sides[i] = &side{w: w, name: cfg.ContainerID, c: engine.New(cfg), sent: map[engine.DeliveryID]*outgoing{},
			received: map[engine.DeliveryID]*incoming{}, early: map[engine.DeliveryID]bool{}}
	}
	w.sides[0].peer, w.sides[1].peer = w.sides[1], w.sides[0]
	w.sides[0].c.SetFirstSerial(1<<32 - 10) // [2.8.10] everything passes 2^32 soon
	w.sides[1].c.SetFirstSerial(1<<32 - 100)
	w.sides[0].c.Open(nil)
	w.settleDown()
	return w
}

// body is the octet at an offset of a message.
func body(key, offset int) byte { return byte(key*131 + offset*7 + offset>>8) }

// do does one operation on one side and looks whether all is well.
func (w *world) do(op [4]byte) {
	w.op = op
	s := w.sides[op[0]>>7]
	s.operate(int(op[0]&0x7f)%22, int(op[1]), int(op[2]), int(op[3]))
	w.check()
}

func (w *world) check() {
	w.t.Helper()
	for _, s := range w.sides {
		if err := s.c.CheckInvariants(); err != nil {
			w.t.Fatalf("%s: %v", s.name, err)
		}
		if s.c.Closed() {
			w.t.Fatalf("%s ended", s.name)
		}
	}
}

func (s *side) operate(what, a, b, c int) {
	switch what {
	case 0:
		if len(s.sessions) < 3 {
			s.begin()
		}
	case 1, 2:
		s.newLink(a, b)
	case 3:
		s.goOnLeaving(b)
		if l := s.link(a, nil); l != nil && b < 64 {
			s.detach(l, c < 128, nil)
		}
	case 4:
		s.goOnEnding(b)
		if len(s.sessions) > 0 && b < 40 {
			s.end(s.sessions[a%len(s.sessions)])
		}
	case 5, 6:
		if l := s.link(a, receiving); l != nil {
			s.c.Grant(l.id, uint32(b%20))
		}
	case 7:
		if l := s.link(a, receiving); l != nil {
			s.c.Drain(l.id)
		}
	case 8, 9, 10:
		s.deliver(s.link(a, sending), b, c)
	case 11, 12:
		if l := s.link(a, writing); l != nil && !l.blocked {
			s.write(l.writing, b*64+c, c < 128)
		}
	case 13:
		if l := s.link(a, writing); l != nil {
			s.abort(l.writing)
		}
	case 14, 15:
		s.settle(a, b)
	case 16:
		s.settleOutgoing(a)
	case 17:
		s.hold(a, b)
	case 18:
		if l := s.link(a, sending); l != nil && s.c.Draining(l.id) {
			s.c.Drained(l.id)
		}
	case 19:
		s.w.pass(time.Duration(a) * 8 * time.Millisecond)
	default:
		s.transport(a*256 + b)
	}
}

func sending(l *appLink) bool   { return l.sender && l.up && l.writing == nil }
func receiving(l *appLink) bool { return !l.sender && l.up }
func writing(l *appLink) bool   { return l.writing != nil }

// link picks a link.
func (s *side) link(n int, of func(*appLink) bool) *appLink {
	for i := range s.links {
		if l := s.links[(i+n)%len(s.links)]; of == nil || of(l) {
			return l
		}
	}
	return nil
}

// take moves what the engine wants to write to the octets on their way.
func (s *side) take() {
	var o engine.Output
	s.c.Take(&o)
	for _, b := range o.Segments {
		s.out = append(s.out, b...)
	}
	if o.Size > 0 {
		s.c.Sent(s.w.now, o.Size)
	}
	o.Release()
}

// transport lets up to n octets arrive at this side.
func (s *side) transport(n int) {
	s.peer.take()
	n = min(n, len(s.peer.out))
	s.in = append(s.in, s.peer.out[:n]...)
	s.peer.out = s.peer.out[n:]
	for {
		b := slices.Clone(s.in)
		used := s.c.Input(s.w.now, b)
		if n := len(s.c.Events()); n > mostEvents {
			s.w.t.Fatalf("%s: %d events of one input", s.name, n)
		}
		s.handle()
		for i := range b {
			b[i] = 0xee
		}
		s.in = s.in[used:]
		if used == 0 && !s.c.Continues() {
			return
		}
	}
}

// pass lets time pass, the octets on their way arriving in time to keep the connection alive.
func (w *world) pass(d time.Duration) {
	end := w.now.Add(d)
	for {
		at := end
		for _, s := range w.sides {
			s.take()
			if t := s.c.Deadline(); !t.IsZero() && t.Before(at) {
				at = t
			}
		}
		if at.After(w.now) {
			w.now = at
		}
		for _, s := range w.sides {
			s.c.Advance(w.now)
			s.handle()
			s.transport(20)
			s.peer.transport(20)
		}
		if at.Equal(end) {
			return
		}
	}
}

// settleDown lets everything arrive.
func (w *world) settleDown() {
	w.t.Helper()
	for range 1000 {
		for _, s := range w.sides {
			s.transport(1 << 30)
		}
		if a, b := w.sides[0], w.sides[1]; !a.c.Dirty() && !b.c.Dirty() && len(a.out)+len(b.out) == 0 {
			return
		}
	}
	w.t.Fatal("the two engines talk without end")
}
