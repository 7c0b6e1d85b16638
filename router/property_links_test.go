package router

import (
	"math/rand/v2"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/conn"
)

// txLink is a sender of a client. Its line's mutex guards it.
type txLink struct {
	s         *lineSession
	uid       uint32
	name      string
	address   string // "" for an anonymous one
	handle    uint32
	theirs    uint32
	attached  bool
	leaving   bool
	gone      bool
	countLate bool // counts a delivery with its last frame, not with its first: both are seen [2.6.7]
	deaf      bool // does not answer drains: clients exist that cannot

	count     uint32 // delivery-count
	credit    uint32
	draining  bool
	seq       uint32
	writing   *writing
	unsettled map[uint32]*parcel
	probe     *parcel
	parcels   []*parcel // all
}

// writing is a delivery of which frames are still to be sent.
type writing struct {
	p       *parcel
	id      uint32
	begun   bool
	settled bool // from here on
	rest    []byte
	chunk   int // octets of payload in a frame
}

// attachSender asks for a sender.
func (s *lineSession) attachSender(uid uint32, address string, rng *rand.Rand) *txLink {
	l := s.l
	l.mu.Lock()
	x := &txLink{s: s, uid: uid, name: l.linkName("sender"), address: address, handle: uint32(len(s.links)),
		countLate: rng.IntN(2) == 0, deaf: rng.IntN(3) == 0, unsettled: make(map[uint32]*parcel)}
	s.links = append(s.links, x)
	s.say(&wire.Attach{Name: x.name, Handle: x.handle, Role: wire.RoleSender, SndSettleMode: wire.SenderMixed,
		HasInitialDelivery: true, Source: &wire.Source{ExpiryPolicy: wire.SessionEnd},
		Target: &wire.Target{Address: address, HasAddress: address != "", ExpiryPolicy: wire.SessionEnd}})
	l.mu.Unlock()
	l.wait("the attach of a sender is answered", func() bool { return x.attached || x.leaving })
	return x
}

// flowed takes the credit that the router gives [2.6.7].
func (x *txLink) flowed(f *wire.Flow) {
	if x.leaving {
		return
	}
	count := f.DeliveryCount
	if !f.HasDeliveryCount {
		count = 0
	}
	credit := int32(count + f.LinkCredit - x.count)
	if credit < 0 || int(credit) > conn.CapacityOf(0) {
		x.s.report("%s has credit %d: %+v, and has sent %d", x.name, credit, f, x.count)
		credit = max(credit, 0)
	}
	x.credit = uint32(credit)
	x.draining = f.Drain
	x.s.l.w.tell("%s hears: count %d, credit %d, drain %v; has count %d, credit %d", x.name, f.DeliveryCount,
		f.LinkCredit, f.Drain, x.count, x.credit)
	x.answerDrain()
}

// answerDrain gives back the credit that the router wants back.
func (x *txLink) answerDrain() {
	if !x.draining || x.deaf || x.writing != nil {
		return
	}
	x.draining = false
	x.count += x.credit
	x.credit = 0
	x.s.flow(func(f *wire.Flow) {
		f.Handle, f.HasHandle = x.handle, true
		f.DeliveryCount, f.HasDeliveryCount = x.count, true
		f.HasLinkCredit, f.Drain = true, true
	})
}

// begin begins a delivery; the caller has seen that there is credit.
func (x *txLink) begin(p *parcel, body []byte, chunk int) {
	m := *p.sections
	m.Body = message.Data{body}
	payload, err := m.Append(nil)
	if err != nil {
		panic(err)
	}
	x.s.l.w.book.begin(p)
	x.parcels = append(x.parcels, p)
	x.writing = &writing{p: p, rest: payload, chunk: chunk, settled: p.settled}
}

// useCredit counts a delivery.
func (x *txLink) useCredit() {
	x.count++
	if x.credit > 0 { // the router may have taken it back
		x.credit--
	}
}

// write sends up to n frames of what is being written.
func (x *txLink) write(n int) {
	for ; n > 0 && x.writing != nil && x.s.room > 0; n-- {
		w := x.writing
		k := min(w.chunk, len(w.rest), x.s.l.most-100)
		t := wire.Transfer{Handle: x.handle, More: k < len(w.rest)}
		if !w.begun {
			w.begun = true
			w.id = x.s.nextID
			x.s.nextID++
			t.DeliveryID, t.HasDeliveryID, t.HasMessageFormat = w.id, true, true
			t.DeliveryTag = []byte{byte(w.id >> 16), byte(w.id >> 8), byte(w.id)}
			if !w.settled {
				x.s.sent[w.id] = &sent{x, w.p}
				x.unsettled[w.id] = w.p
			}
			if !x.countLate {
				x.useCredit()
			}
		}
		t.Settled, t.HasSettled = w.settled, w.settled
		if !t.More {
			x.s.l.w.book.end(w.p, parcelWhole)
		}
		x.send(&t, string(w.rest[:k]))
		w.rest = w.rest[k:]
		if !t.More {
			x.finished()
		}
	}
}

func (x *txLink) send(t *wire.Transfer, payload string) {
	x.s.nextOut++
	x.s.room--
	x.s.l.say(amqptest.Frame{Channel: x.s.channel, Body: t, Payload: payload})
}

// finished goes on after the last frame of a delivery.
func (x *txLink) finished() {
	x.writing = nil
	if x.countLate {
		x.useCredit()
	}
	x.answerDrain()
}

// abort gives up what is being written [2.6.14].
func (x *txLink) abort() {
	w := x.writing
	if w == nil {
		return
	}
	if w.begun && x.s.room == 0 {
		return
	}
	x.s.l.w.book.forget(w.p)
	if !w.begun {
		x.writing = nil
		x.answerDrain()
		return
	}
	x.unsent(w.id)
	x.send(&wire.Transfer{Handle: x.handle, Aborted: true}, "")
	x.finished()
}

// unsent lets go of the outcome of a delivery.
func (x *txLink) unsent(id uint32) {
	delete(x.s.sent, id)
	delete(x.unsettled, id)
	x.s.mayCross[id] = true
}

// leave notes that the link begins to end: no outcome is owed any more, and what is half sent will not be whole.
func (x *txLink) leave(cut bool) {
	if x.gone {
		return
	}
	if cut {
		x.s.l.w.book.vanished(x.parcels)
	}
	if x.leaving {
		return
	}
	x.leaving = true
	if w := x.writing; w != nil {
		x.s.l.w.book.forget(w.p)
	}
	for _, p := range x.unsettled {
		x.s.l.w.book.settle(p)
	}
}

// drop forgets the link, which has ended.
func (x *txLink) drop() {
	x.gone = true
	x.s.links[x.handle] = nil
	for id := range x.unsettled {
		delete(x.s.sent, id)
	}
	clear(x.unsettled)
}

// detach ends the link.
func (x *txLink) detach() {
	l := x.s.l
	l.mu.Lock()
	if !x.leaving {
		x.leave(false)
		x.s.say(&wire.Detach{Handle: x.handle, Closed: true})
	}
	l.mu.Unlock()
	l.wait("the detach of a sender is answered", func() bool { return x.gone || x.s.over })
}

// newProbe is a message without anything special.
func newProbe(x *txLink, address string) *parcel {
	m := &message.Message{}
	if x.address == "" {
		m.Properties = &message.Properties{To: address}
	}
	return &parcel{id: parcelID{x.uid, x.seq}, address: address, sections: m, priority: 4, size: 100}
}
