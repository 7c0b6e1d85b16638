package router

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"reflect"
	"strings"
	"sync"

	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// book is what the clients of a property test know together: each message that one of them began to send, what each
// consumer was offered of it and said to it, and what its sender heard in the end. Its mutex is a leaf.
type book struct {
	mu      sync.Mutex
	parcels map[parcelID]*parcel
	places  map[string]*place
	order   map[way]*passed // what came last on each way
	// disturbed says that a router was killed or stopped, or a connection between routers was cut.
	disturbed bool
	several   bool // routers
	lossy     bool // a sender's connection was cut
	report    func(format string, args ...any)
}

// parcelID names a message: its sender's link, unique in the test, and its number there.
type parcelID struct{ link, seq uint32 }

func (i parcelID) String() string { return fmt.Sprintf("%d/%d", i.link, i.seq) }

// place is what happened to the consumers of one address.
type place struct {
	departures int  // consumers that began to leave, in any way
	leaving    int  // of those, the ones that have not left
	cuts       int  // of those that left without reading what was on its way to them
	readers    int  // consumers that attached for settled deliveries
	settledCut bool // one of them was cut
}

// way is where order is kept: one sender's link, one consumer's, one priority.
type way struct {
	from     uint32
	to       *rxLink
	priority uint8
}

// passed is the message that came last on a way.
type passed struct{ seq uint32 }

type parcelState uint8

const (
	parcelWriting parcelState = iota // frames are still to be sent
	parcelWhole                      // all were sent
	parcelAborted                    // its sender gave up in the middle, or its link ended there
)

// parcel is what is known about one message.
type parcel struct {
	id         parcelID
	address    string
	sections   *message.Message // without the body
	priority   uint8
	size       int  // of the body
	settled    bool // pre-settled
	state      parcelState
	forgotten  bool // its sender settled it, or its link ended: no outcome is owed
	cut        bool // its sender's connection was cut: it may not have been sent at all
	departures int  // of the address, when it was begun
	calm       bool // then, no consumer of the address was leaving
	outcome    wire.State
	copies     []*parcelCopy
}

func (p *parcel) multicast() bool { return strings.HasPrefix(p.address, "multicast") }

func (p *parcel) String() string {
	s := fmt.Sprintf("message %v to %s (%d octets, settled %v, state %d, forgotten %v, outcome %s)", p.id, p.address,
		p.size, p.settled, p.state, p.forgotten, showState(p.outcome))
	for _, c := range p.copies {
		s += fmt.Sprintf(" [offered to %s: whole %v, aborted %v, said %s, gone %v, cut %v]", c.at.name, c.whole,
			c.aborted, showState(c.said), c.gone, c.cut)
	}
	return s
}

// parcelCopy is what one consumer was offered of a message.
type parcelCopy struct {
	at      *rxLink
	whole   bool
	aborted bool
	late    bool       // the sender settled it first, so that what the consumer says may not count
	said    wire.State // what the consumer said
	gone    bool       // its link ended
	cut     bool       // its connection was cut, so that what it said may not have been read
}

// show describes a message, or none.
func (g *book) show(p *parcel) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p == nil {
		return "a message that is not known yet"
	}
	return p.String()
}

func showState(s wire.State) string {
	switch s.Kind {
	case wire.StateNone:
		return "nothing"
	case wire.StateAccepted:
		return "accepted"
	case wire.StateReleased:
		return "released"
	case wire.StateRejected:
		return fmt.Sprintf("rejected (%v)", s.RejectedError())
	case wire.StateModified:
		failed, here, annotations, err := s.Modified()
		return fmt.Sprintf("modified (failed %v, undeliverable here %v, %x, %v)", failed, here, annotations, err)
	}
	return fmt.Sprintf("state %d", s.Kind)
}

// bodyMark begins every body, so that a message is known from its first frames.
var bodyMark = []byte("a parcel")

const bodyLeast = 8 + 12 + 4 // mark, link, number, size, checksum

// parcelBody makes the body of a message: mark, link, number, size, octets that follow from those, and a checksum.
func parcelBody(id parcelID, size int) []byte {
	b := make([]byte, size)
	copy(b, bodyMark)
	binary.BigEndian.PutUint32(b[8:], id.link)
	binary.BigEndian.PutUint32(b[12:], id.seq)
	binary.BigEndian.PutUint32(b[16:], uint32(size))
	x := id.link*2654435761 + id.seq
	for i := 20; i < size-4; i++ {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	binary.BigEndian.PutUint32(b[size-4:], crc32.ChecksumIEEE(b[:size-4]))
	return b
}

// identify finds the message that a payload is the beginning of.
func identify(payload []byte) (id parcelID, ok bool) {
	i := bytes.Index(payload, bodyMark)
	if i < 0 || len(payload) < i+16 {
		return id, false
	}
	return parcelID{binary.BigEndian.Uint32(payload[i+8:]), binary.BigEndian.Uint32(payload[i+12:])}, true
}

// place returns what is known of an address. The mutex is held.
func (g *book) place(address string) *place {
	if g.places[address] == nil {
		g.places[address] = &place{}
	}
	return g.places[address]
}

// begin notes a message of which the first frame is about to be sent.
func (g *book) begin(p *parcel) {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := g.place(p.address)
	p.departures, p.calm = at.departures, at.leaving == 0 && at.cuts == 0
	g.parcels[p.id] = p
}

// end notes that the last frame of a message is about to be sent, or that it is given up.
func (g *book) end(p *parcel, state parcelState) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p.state == parcelWriting {
		p.state = state
	}
}

// forget notes that no outcome of a message is owed to its sender any more.
func (g *book) forget(p *parcel) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p.forgotten = true
	if p.state == parcelWriting {
		p.state = parcelAborted
	}
}

// settle notes that a sender settles its message itself.
func (g *book) settle(p *parcel) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p.forgotten = true
}

// reads notes a consumer that asks for settled deliveries.
func (g *book) reads(address string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.place(address).readers++
}

// vanished notes that the connection of a sender is cut.
func (g *book) vanished(parcels []*parcel) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lossy = true
	for _, p := range parcels {
		p.cut = true
	}
}

// departs notes that a consumer begins to leave. With cut it reads nothing from here on.
func (g *book) departs(l *rxLink, cut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := g.place(l.address)
	at.departures++
	if !l.departing {
		l.departing = true
		at.leaving++
	}
	if cut {
		at.cuts++
		at.settledCut = at.settledCut || l.settled
	}
	for _, c := range l.open {
		c.copy.gone = true
		c.copy.cut = c.copy.cut || cut
	}
	if cut {
		for _, c := range l.copies {
			c.cut = true
		}
	}
}

// departed notes that the router has taken a consumer out of its tables. That is not known of one whose connection was
// closed: the close is answered before.
func (g *book) departed(l *rxLink) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if l.departing {
		l.departing = false
		g.place(l.address).leaving--
	}
}

// disturb notes that the mesh is about to change.
func (g *book) disturb() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.disturbed = true
}

// offered notes a delivery as soon as its frames tell which message it is. The line's mutex is held.
func (g *book) offered(l *rxLink, d *rxDelivery) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.parcels[d.id]
	if p == nil {
		g.report("%s got message %v, which nobody sent", l.name, d.id)
		return
	}
	d.parcel = p
	d.copy.gone = d.copy.gone || l.leaving
	p.copies = append(p.copies, d.copy)
	l.copies = append(l.copies, d.copy)
	if p.address != l.address {
		g.report("%s got a message to %s: %v", l.name, p.address, p)
	}
	for _, c := range p.copies[:len(p.copies)-1] {
		switch {
		case c.at == l:
			g.report("%s got it twice: %v", l.name, p)
		case !p.multicast():
			g.report("two consumers got it: %v", p)
		}
	}
	if d.settled && !p.settled && !p.forgotten && !l.settled && !g.disturbed { // a router gone is a sender gone
		g.report("%s got as settled what its sender wants an outcome of: %v", l.name, p)
	}
	if !d.settled && l.settled {
		g.report("%s asked for settled deliveries, and got an unsettled one: %v", l.name, p)
	}
	g.inOrder(l, p)
}

// inOrder checks that a message comes after those sent before it on its way, unless something failed between them. A
// consumer that leaves makes what was meant for it take another way, even a while later where other routers have yet to
// hear of it.
func (g *book) inOrder(l *rxLink, p *parcel) {
	w := way{p.id.link, l, p.priority}
	last := g.order[w]
	switch {
	case last == nil:
		g.order[w] = &passed{p.id.seq}
	case p.id.seq > last.seq:
		last.seq = p.id.seq
	case g.disturbed || !p.calm || g.place(p.address).departures > p.departures || g.several && p.departures > 0:
	default:
		g.report("%s got number %d after number %d: %v", l.name, p.id.seq, last.seq, p)
	}
}

// arrived notes the last frame of a delivery and checks what came.
func (g *book) arrived(l *rxLink, d *rxDelivery) {
	g.mu.Lock()
	defer g.mu.Unlock()
	d.copy.whole = true
	p := d.parcel
	if p == nil {
		if len(d.payload) > 0 || d.copy.said.Kind == wire.StateNone {
			g.report("%s got a message of %d octets that is none of this test's", l.name, len(d.payload))
		}
		return
	}
	if p.state != parcelWhole {
		g.report("%s got as whole what its sender did not finish: %v", l.name, p)
		return
	}
	m, err := message.Decode(d.payload)
	if err != nil {
		g.report("%s cannot decode what it got: %v: %v", l.name, err, p)
		return
	}
	data, _ := m.Body.(message.Data)
	if len(data) != 1 || len(data[0]) != p.size ||
		crc32.ChecksumIEEE(data[0][:p.size-4]) != binary.BigEndian.Uint32(data[0][p.size-4:]) {
		g.report("%s got other octets than were sent: %v", l.name, p)
		return
	}
	m.Body = nil
	if !reflect.DeepEqual(m, p.sections) {
		g.report("%s got other sections than were sent: %+v, not %+v: %v", l.name, m, p.sections, p)
	}
}

// aborted notes the end of a delivery of which not all will come.
func (g *book) aborted(d *rxDelivery) {
	g.mu.Lock()
	defer g.mu.Unlock()
	d.copy.aborted = true
	if d.parcel == nil || d.copy.said.Kind != wire.StateNone || g.disturbed {
		return
	}
	if d.parcel.state == parcelWhole && !d.parcel.cut && !d.copy.gone {
		g.report("%s got it aborted, though its sender finished it: %v", d.copy.at.name, d.parcel)
	}
}

// says notes what a consumer is about to say to a delivery.
func (g *book) says(d *rxDelivery, s wire.State) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if d.copy.said.Kind == wire.StateNone {
		d.copy.said = s.Clone()
	}
}

// tooLate notes that the router settled a delivery before its consumer did.
func (g *book) tooLate(d *rxDelivery) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := d.parcel
	if p == nil || d.copy.said.Kind != wire.StateNone {
		return // the second half of what the consumer said
	}
	d.copy.late = true
	if !p.forgotten && !g.disturbed {
		g.report("%s had a delivery settled by the router, though its sender waits for the outcome: %v", d.copy.at.name, p)
	}
}

// hears notes the outcome that the sender of a message is told.
func (g *book) hears(p *parcel, s wire.State) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case p.outcome.Kind != wire.StateNone:
		g.report("a second outcome, %s: %v", showState(s), p)
		return
	case p.settled:
		g.report("an outcome of a pre-settled message, %s: %v", showState(s), p)
		return
	case !s.Terminal():
		g.report("settled with %s, which is no outcome: %v", showState(s), p)
		return
	case p.state == parcelWriting:
		g.report("%s before the last frame: %v", showState(s), p)
	}
	p.outcome = s.Clone()
	if s.Kind == wire.StateAccepted && g.place(p.address).readers == 0 && !p.said(wire.StateAccepted) {
		g.report("accepted before a consumer said so: %v", p)
	}
}

// said tells whether a consumer said something of a kind.
func (p *parcel) said(k wire.StateKind) bool {
	for _, c := range p.copies {
		if c.said.Kind == k {
			return true
		}
	}
	return false
}
