package router

import (
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
)

// rxLink is a receiver of a client. Its line's mutex guards it.
type rxLink struct {
	s         *lineSession
	uid       uint32
	name      string
	address   string
	handle    uint32
	theirs    uint32
	settled   bool // asked for settled deliveries
	attached  bool
	leaving   bool
	gone      bool
	departing bool   // begins to leave, in the book
	first     uint32 // credit to give at first
	eager     bool   // settles by itself, in every way, and keeps its credit up
	kind      bool   // accepts whatever comes

	count    uint32 // delivery-count
	credit   uint32
	slack    uint32 // credit that was taken back, and may be used until the router has read that
	draining bool
	drained  bool // it has asked for a drain; such a link does not take credit back
	partial  *rxDelivery
	open     []*rxDelivery // unsettled, or not here in full, in the order they came
	copies   []*parcelCopy // all that it was offered
}

// rxDelivery is a delivery that a receiver was offered.
type rxDelivery struct {
	x          *rxLink
	deliveryID uint32
	settled    bool // nothing can be said to it any more
	known      bool // which message it is
	id         parcelID
	parcel     *parcel
	copy       *parcelCopy
	payload    []byte
}

// attachReceiver asks for a receiver that gives some credit at first.
func (s *lineSession) attachReceiver(uid uint32, address string, credit uint32, change func(*rxLink)) *rxLink {
	l := s.l
	l.mu.Lock()
	x := &rxLink{s: s, uid: uid, name: l.linkName("receiver"), address: address, handle: uint32(len(s.links)),
		first: credit}
	change(x)
	s.links = append(s.links, x)
	mode := wire.SenderMixed
	if x.settled {
		mode = wire.SenderSettled
		l.w.book.reads(address)
	}
	s.say(&wire.Attach{Name: x.name, Handle: x.handle, Role: wire.RoleReceiver, SndSettleMode: mode,
		Source: &wire.Source{Address: address, HasAddress: true, ExpiryPolicy: wire.SessionEnd},
		Target: &wire.Target{ExpiryPolicy: wire.SessionEnd}})
	l.mu.Unlock()
	l.wait("the attach of a receiver is answered", func() bool { return x.attached || x.leaving })
	return x
}

// grant gives credit.
func (x *rxLink) grant(more uint32) {
	x.credit += more
	x.draining = false
	x.flow(false)
}

// drain asks the router to use the credit or to give it back.
func (x *rxLink) drain() {
	x.drained = true
	x.draining = x.credit > 0
	x.flow(true)
}

// takeBack takes the credit back without waiting; what is on its way may still come.
func (x *rxLink) takeBack() {
	x.slack += x.credit
	x.credit = 0
	x.draining = false
	x.flow(false)
}

func (x *rxLink) flow(drain bool) {
	x.s.l.w.tell("%s gives: count %d, credit %d, slack %d, drain %v", x.name, x.count, x.credit, x.slack, drain)
	x.s.flow(func(f *wire.Flow) {
		f.Handle, f.HasHandle = x.handle, true
		f.DeliveryCount, f.HasDeliveryCount = x.count, true
		f.LinkCredit, f.HasLinkCredit, f.Drain = x.credit, true, drain
		f.Echo = x.slack > 0
	})
}

// flowed takes the router's count of its deliveries: it may have given credit back.
func (x *rxLink) flowed(f *wire.Flow) {
	given := int32(f.DeliveryCount - x.count)
	x.s.l.w.tell("%s hears: count %d, credit %d, drain %v; has count %d, credit %d, slack %d, partial %v", x.name,
		f.DeliveryCount, f.LinkCredit, f.Drain, x.count, x.credit, x.slack, x.partial != nil)
	if given > 0 {
		if uint32(given) > x.credit {
			x.s.report("%s has %d of credit given back, of %d", x.name, given, x.credit)
			given = int32(x.credit)
		} else if !x.drained {
			x.s.report("%s has %d of credit given back without a drain", x.name, given)
		}
		x.count += uint32(given)
		x.credit -= uint32(given)
	}
	x.slack = 0 // the echo
	if x.credit == 0 {
		x.draining = false
	}
	x.keepUp()
}

// transfer takes one frame of a delivery.
func (x *rxLink) transfer(t *wire.Transfer, payload string) {
	d := x.partial
	if d == nil {
		if d = x.begins(t); d == nil {
			return
		}
	}
	g := x.s.l.w.book
	if t.Aborted {
		x.partial = nil
		g.aborted(d)
		x.close(d)
		return
	}
	d.payload = append(d.payload, payload...)
	if !d.known {
		if d.id, d.known = identify(d.payload); d.known {
			g.offered(x, d)
		}
	}
	if t.Settled && !d.settled {
		d.settled = true
		delete(x.s.got, d.deliveryID)
	}
	if t.More {
		if x.eager && !x.kind && !d.settled && d.parcel != nil && x.choice(d, "early")%16 == 0 {
			x.say(d, x.state(d), true)
		}
		return
	}
	x.partial = nil
	g.arrived(x, d)
	if d.settled {
		x.close(d)
	} else if x.eager {
		x.decide(d)
	}
	x.keepUp()
}

// begins takes the first frame of a delivery.
func (x *rxLink) begins(t *wire.Transfer) *rxDelivery {
	switch {
	case t.Aborted || !t.HasDeliveryID:
		x.s.report("%s got a first frame that says %+v", x.name, *t)
		return nil
	case x.credit > 0:
		x.credit--
	case x.slack > 0:
		x.slack--
	default:
		x.s.report("%s got a delivery without having given credit", x.name)
	}
	if x.credit == 0 {
		x.draining = false
	}
	x.count++
	d := &rxDelivery{x: x, deliveryID: t.DeliveryID, settled: t.Settled, copy: &parcelCopy{at: x, gone: x.leaving}}
	x.partial = d
	x.open = append(x.open, d)
	if x.s.got[d.deliveryID] != nil {
		x.s.report("%s got a second delivery with the id %d", x.name, d.deliveryID)
	}
	if !d.settled {
		x.s.got[d.deliveryID] = d
	}
	return d
}

// close forgets a delivery that is over.
func (x *rxLink) close(d *rxDelivery) {
	d.settled = true
	delete(x.s.got, d.deliveryID)
	x.open = slices.DeleteFunc(x.open, func(o *rxDelivery) bool { return o == d })
}

// keepUp gives credit when little is left.
func (x *rxLink) keepUp() {
	if x.eager && !x.leaving && !x.draining && x.slack == 0 && x.credit < x.first/2 {
		x.grant(x.first - x.credit)
	}
}

// choice is a number that follows from a message and what is to be chosen.
func (x *rxLink) choice(d *rxDelivery, what string) uint32 {
	h := fnv.New32a()
	fmt.Fprintf(h, "%d %v %s", x.uid, d.id, what)
	return h.Sum32()
}

// decide settles a delivery, or leaves it for later.
func (x *rxLink) decide(d *rxDelivery) {
	if x.leaving {
		return
	}
	if x.kind {
		x.say(d, forwarding.Accepted, true)
		return
	}
	switch x.choice(d, "how") % 8 {
	case 0: // later
	case 1: // the state first: the router settles
		x.say(d, x.state(d), false)
	default:
		x.say(d, x.state(d), true)
	}
}

// state chooses an outcome for a delivery.
func (x *rxLink) state(d *rxDelivery) wire.State {
	n := x.choice(d, "state")
	switch n % 8 {
	case 0:
		return forwarding.Released
	case 1:
		return wire.RejectedState(&wire.Error{Condition: "test:bad", Description: fmt.Sprintf("%v at %d", d.id, x.uid)})
	case 2:
		var annotations wire.Raw
		if n&0x100 != 0 {
			annotations, _ = wire.AppendValue(nil, wire.Map{{Key: wire.Symbol("x-opt-why"), Value: d.id.String()}})
		}
		return wire.ModifiedState(n&0x200 != 0, n&0x400 != 0, annotations)
	default:
		return forwarding.Accepted
	}
}

// say tells the router the outcome of a delivery, and settles it or lets the router do so.
func (x *rxLink) say(d *rxDelivery, state wire.State, settled bool) {
	if d.settled || x.leaving {
		return
	}
	x.s.l.w.book.says(d, state)
	d.settled = true
	if settled {
		delete(x.s.got, d.deliveryID)
	}
	if d != x.partial {
		x.open = slices.DeleteFunc(x.open, func(o *rxDelivery) bool { return o == d })
	}
	x.s.say(&wire.Disposition{Role: wire.RoleReceiver, First: d.deliveryID, Last: d.deliveryID, Settled: settled,
		State: state})
}

// sayRange settles all deliveries of the session between two with one state.
func (s *lineSession) sayRange(first, last uint32, state wire.State) {
	for id := first; int32(last-id) >= 0; id++ {
		d := s.got[id]
		if d == nil || d.settled && d.copy.said.Kind != wire.StateNone {
			continue
		}
		s.l.w.book.says(d, state)
		d.settled = true
		delete(s.got, id)
		if x := d.x; d != x.partial {
			x.open = slices.DeleteFunc(x.open, func(o *rxDelivery) bool { return o == d })
		}
	}
	s.say(&wire.Disposition{Role: wire.RoleReceiver, First: first, Last: last, Settled: true, State: state})
}

// waiting lists the deliveries that the client has not settled.
func (x *rxLink) waiting() (list []*rxDelivery) {
	for _, d := range x.open {
		if !d.settled {
			list = append(list, d)
		}
	}
	return list
}

// leave notes that the link begins to end.
func (x *rxLink) leave(cut bool) {
	if x.gone || x.leaving && !cut {
		return
	}
	x.leaving = true
	x.s.l.w.book.departs(x, cut)
}

// drop forgets the link, which has ended.
func (x *rxLink) drop() {
	x.s.l.w.book.departed(x)
	x.gone = true
	x.s.links[x.handle] = nil
	for id, d := range x.s.got {
		if d.x == x {
			delete(x.s.got, id)
		}
	}
}

// detach ends the link.
func (x *rxLink) detach() {
	l := x.s.l
	l.mu.Lock()
	if !x.leaving {
		x.leave(false)
		x.s.say(&wire.Detach{Handle: x.handle, Closed: true})
	}
	l.mu.Unlock()
	l.wait("the detach of a receiver is answered", func() bool { return x.gone || x.s.over })
}
