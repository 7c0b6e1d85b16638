package router

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// actor is one client of a property test. It has at most one connection at a time.
type actor struct {
	w      *propertyWorld
	number int
	lines  int
	line   *line
	deaf   int // steps until it reads again
}

// deed is something that a client may do, with how often it does it.
type deed struct {
	weight int
	what   string
	quiet  bool // waits for no answer, so that it can be done without reading
	do     func(*actor, *line, *rand.Rand)
}

var deeds = []deed{
	{24, "send", true, (*actor).send},
	{6, "begin to send", true, (*actor).beginToSend},
	{8, "go on sending", true, (*actor).goOnSending},
	{2, "abort", true, (*actor).abort},
	{6, "attach a sender", false, (*actor).attachSender},
	{8, "attach a receiver", false, (*actor).attachReceiver},
	{3, "detach", false, (*actor).detach},
	{1, "end a session", false, (*actor).endSession},
	{1, "close", false, (*actor).close},
	{1, "vanish", false, (*actor).vanish},
	{10, "settle", true, (*actor).settle},
	{3, "settle a range", true, (*actor).settleRange},
	{2, "settle what was sent", true, (*actor).settleSent},
	{6, "give credit", true, (*actor).giveCredit},
	{3, "drain", true, (*actor).drain},
	{2, "take credit back", true, (*actor).takeBack},
	{3, "stop reading", true, (*actor).stopReading},
	{4, "sync", false, (*actor).sync},
}

// play does the client's steps. Each follows from the seed, the client and the number of the step alone.
func (a *actor) play() {
	total := 0
	for _, d := range deeds {
		total += d.weight
	}
	for step := range propertySteps {
		rng := rand.New(rand.NewPCG(a.w.seed, uint64(a.number+1)<<32|uint64(step)))
		a.step(rng, total)
		a.w.stepped()
	}
	a.listen()
}

// listen has the client read again.
func (a *actor) listen() {
	a.deaf = 0
	if l := a.line; l != nil {
		l.mu.Lock()
		l.reading = true
		l.change()
		l.mu.Unlock()
	}
}

func (a *actor) step(rng *rand.Rand, total int) {
	if a.line == nil || !a.line.alive() {
		a.listen()
		a.connect(rng)
		return
	}
	l := a.line
	if a.deaf > 0 {
		if a.deaf--; a.deaf == 0 {
			a.listen()
		}
	}
	n := rng.IntN(total)
	for _, d := range deeds {
		if n -= d.weight; n >= 0 {
			continue
		}
		if d.quiet || a.deaf == 0 {
			a.w.tell("%s: %s", l.name, d.what)
			d.do(a, l, rng)
		}
		return
	}
}

// connect connects to a router that runs, and attaches something.
func (a *actor) connect(rng *rand.Rand) {
	alive := a.w.alive()
	r := alive[rng.IntN(len(alive))]
	frame := []uint32{512, 600, 4096, 16 << 10, 64 << 10}[rng.IntN(5)]
	a.lines++
	a.line = newLine(a.w, r, fmt.Sprintf("client %d.%d", a.number, a.lines), frame)
	a.w.tell("client %d.%d connects to %s", a.number, a.lines, r.ID())
	if a.line == nil {
		return
	}
	if rng.IntN(3) > 0 {
		a.attachSender(a.line, rng)
	}
	if rng.IntN(2) == 0 {
		a.attachReceiver(a.line, rng)
	}
}

// session returns one of the client's sessions.
func (a *actor) session(l *line, rng *rand.Rand) *lineSession {
	window := []uint32{8, 64, 1 << 20}[rng.IntN(3)]
	return l.session(rng.IntN(2), window)
}

func (a *actor) attachSender(l *line, rng *rand.Rand) {
	s := a.session(l, rng)
	if s == nil {
		return
	}
	address := a.w.address(rng)
	if rng.IntN(4) == 0 {
		address = ""
	}
	s.attachSender(a.w.uids.Add(1), address, rng)
}

func (a *actor) attachReceiver(l *line, rng *rand.Rand) {
	s := a.session(l, rng)
	if s == nil {
		return
	}
	credit := []uint32{0, 1, 2, 10, 100}[rng.IntN(5)]
	s.attachReceiver(a.w.uids.Add(1), a.w.address(rng), credit, func(x *rxLink) {
		x.settled = rng.IntN(6) == 0
		x.eager = a.w.eager && rng.IntN(4) > 0
	})
}

// withOne chooses a link of a kind under the line's mutex and does something with it. Without one, it does nothing.
func withOne[T any](l *line, rng *rand.Rand, list func() []T, do func(T)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if x, ok := anyOf(rng, list()); ok && !l.cut && !l.ended && !l.closing {
		do(x)
	}
}

// creditFor waits a moment until some sender has credit; what does not come soon is not waited for.
func (a *actor) creditFor(l *line) {
	l.waitFor(5*time.Millisecond, func() bool {
		for _, x := range l.senders() {
			if x.credit > 0 && x.writing == nil && x.s.room > 0 {
				return true
			}
		}
		return len(l.senders()) == 0
	}, nil)
}

func (a *actor) ready(l *line) (list []*txLink) {
	for _, x := range l.senders() {
		if x.credit > 0 && x.writing == nil && x.s.room > 0 {
			list = append(list, x)
		}
	}
	return list
}

// parcel makes a message for a sender.
func (a *actor) parcel(x *txLink, rng *rand.Rand, size int, settled bool) *parcel {
	x.seq++
	m := &message.Message{}
	p := &parcel{id: parcelID{x.uid, x.seq}, address: x.address, size: max(size, bodyLeast), settled: settled,
		sections: m, priority: 4}
	if x.address == "" {
		p.address = a.w.address(rng)
		m.Properties = &message.Properties{To: p.address}
	} else if rng.IntN(4) == 0 {
		m.Properties = &message.Properties{Subject: "subject"}
	}
	if rng.IntN(4) == 0 {
		m.Header = &message.Header{Priority: uint8(rng.IntN(10))}
		p.priority = m.Header.Priority
		if rng.IntN(3) == 0 {
			m.Header.TTL, m.Header.HasTTL = uint32(1+rng.IntN(200)), true
		}
	}
	if rng.IntN(4) == 0 {
		m.Annotations = wire.Map{{Key: wire.Symbol("x-opt-user"), Value: p.id.String()}}
	}
	return p
}

// send sends some messages, small ones most of the time.
func (a *actor) send(l *line, rng *rand.Rand) {
	settled := rng.IntN(3) == 0
	count := 1 + rng.IntN(12)
	a.creditFor(l)
	withOne(l, rng, func() []*txLink { return a.ready(l) }, func(x *txLink) {
		for range count {
			if x.credit == 0 {
				return
			}
			size := rng.IntN(300)
			if rng.IntN(8) == 0 {
				size = rng.IntN(20_000)
			}
			p := a.parcel(x, rng, size, settled)
			x.begin(p, parcelBody(p.id, p.size), 16<<10)
			x.write(1 << 20)
		}
	})
}

// beginToSend sends the first frames of a message, which may be a large one.
func (a *actor) beginToSend(l *line, rng *rand.Rand) {
	size := rng.IntN(5_000)
	if rng.IntN(2) == 0 {
		size = 100_000 + rng.IntN(300_000)
	}
	settled, chunk := rng.IntN(3) == 0, 200+rng.IntN(40_000)
	frames := rng.IntN(20)
	a.creditFor(l)
	withOne(l, rng, func() []*txLink { return a.ready(l) }, func(x *txLink) {
		p := a.parcel(x, rng, size, settled)
		x.begin(p, parcelBody(p.id, p.size), chunk)
		x.write(frames)
	})
}

// half lists the senders that are in the middle of a message.
func (a *actor) half(l *line) (list []*txLink) {
	for _, x := range l.senders() {
		if x.writing != nil {
			list = append(list, x)
		}
	}
	return list
}

// goOnSending sends more of a message, now and then as settled from there on.
func (a *actor) goOnSending(l *line, rng *rand.Rand) {
	frames, settle := rng.IntN(30), rng.IntN(10) == 0
	if rng.IntN(2) == 0 {
		frames = 1 << 20
	}
	withOne(l, rng, func() []*txLink { return a.half(l) }, func(x *txLink) {
		if w := x.writing; settle && w.begun && !w.settled { // [2.7.5]
			l.w.book.settle(w.p)
			w.settled = true
			x.unsent(w.id)
		}
		x.write(frames)
	})
}

func (a *actor) abort(l *line, rng *rand.Rand) {
	withOne(l, rng, func() []*txLink { return a.half(l) }, (*txLink).abort)
}

// detach ends a link, whatever is on its way.
func (a *actor) detach(l *line, rng *rand.Rand) {
	var do func()
	if rng.IntN(2) == 0 {
		withOne(l, rng, l.senders, func(x *txLink) { do = x.detach })
	} else {
		withOne(l, rng, l.receivers, func(x *rxLink) { do = x.detach })
		if a.w.loyal {
			return
		}
	}
	if do != nil {
		do()
	}
}

func (a *actor) endSession(l *line, rng *rand.Rand) {
	l.mu.Lock()
	s := l.sessions[rng.IntN(2)]
	l.mu.Unlock()
	if s != nil && !a.stays(l) {
		l.endSession(s)
	}
}

// stays tells whether the client must not go, since it is a consumer and those stay.
func (a *actor) stays(l *line) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return a.w.loyal && len(l.receivers()) > 0
}

func (a *actor) close(l *line, _ *rand.Rand) {
	if a.stays(l) {
		return
	}
	l.close()
	a.line = nil
}

// vanish ends the connection without a word, where the seed has that.
func (a *actor) vanish(l *line, rng *rand.Rand) {
	if !a.w.cutting || a.stays(l) {
		return
	}
	l.abort(rng.IntN(2) == 0)
	a.line = nil
}

// settle settles some of what a receiver has, in any order.
func (a *actor) settle(l *line, rng *rand.Rand) {
	count := 1 + rng.IntN(20)
	withOne(l, rng, l.receivers, func(x *rxLink) {
		for range count {
			d, ok := anyOf(rng, x.waiting())
			if !ok {
				return
			}
			if d.known {
				x.say(d, x.state(d), rng.IntN(4) > 0)
			}
		}
	})
}

// settleRange settles everything of a session between two deliveries with one state.
func (a *actor) settleRange(l *line, rng *rand.Rand) {
	withOne(l, rng, l.receivers, func(x *rxLink) {
		list := x.waiting()
		if len(list) == 0 {
			return
		}
		i := rng.IntN(len(list))
		j := i + rng.IntN(len(list)-i)
		x.s.sayRange(list[i].deliveryID, list[j].deliveryID, x.state(list[i]))
	})
}

// settleSent settles something that was sent, without waiting for its outcome.
func (a *actor) settleSent(l *line, rng *rand.Rand) {
	withOne(l, rng, l.senders, func(x *txLink) {
		for id := range x.s.nextID { // the oldest one, so that the choice does not depend on a map's order
			p := x.unsettled[id]
			if p == nil {
				continue
			}
			l.w.book.settle(p)
			if w := x.writing; w != nil && w.begun && w.id == id {
				w.settled = true
			}
			x.unsent(id)
			x.s.say(&wire.Disposition{Role: wire.RoleSender, First: id, Last: id, Settled: true})
			return
		}
	})
}

func (a *actor) giveCredit(l *line, rng *rand.Rand) {
	more := uint32(1 + rng.IntN(30))
	withOne(l, rng, l.receivers, func(x *rxLink) {
		if x.credit < 200 {
			x.grant(more)
		}
	})
}

func (a *actor) drain(l *line, rng *rand.Rand) {
	withOne(l, rng, l.receivers, func(x *rxLink) {
		if x.uid%3 > 0 {
			x.drain()
		}
	})
}

func (a *actor) takeBack(l *line, rng *rand.Rand) {
	withOne(l, rng, l.receivers, func(x *rxLink) {
		if x.uid%3 == 0 {
			x.takeBack()
		}
	})
}

// stopReading lets everything that comes wait for some steps.
func (a *actor) stopReading(l *line, rng *rand.Rand) {
	l.mu.Lock()
	l.reading = false
	l.mu.Unlock()
	a.deaf = 1 + rng.IntN(8)
}

func (a *actor) sync(l *line, _ *rand.Rand) { l.sync() }
