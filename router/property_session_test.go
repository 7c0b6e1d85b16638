package router

import (
	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// lineSession keeps the accounts of one session as [2.5.6] has them. Its line's mutex guards it.
type lineSession struct {
	l       *line
	number  int
	channel uint16 // ours
	theirs  uint16
	begun   bool
	ending  bool // end was sent
	over    bool

	window      uint32 // frames that the router may still send
	windowWhole uint32 // what it is restored to
	peerNext    uint32 // the router's next transfer-id
	nextOut     uint32 // ours
	room        uint32 // frames that the router still takes
	nextID      uint32 // our next delivery-id

	links  []any            // by our handle: *txLink, *rxLink, or nil when it is gone
	theirH map[uint32]any   // by the router's handle
	sent   map[uint32]*sent // unsettled, by delivery-id
	got    map[uint32]*rxDelivery
	// mayCross are the deliveries that this side has settled or given up: an outcome may have been under way.
	mayCross map[uint32]bool
}

// sent is a delivery to the router that has no outcome yet.
type sent struct {
	x *txLink
	p *parcel
}

func newLineSession(l *line, number int, window uint32) *lineSession {
	return &lineSession{l: l, number: number, channel: uint16(number), window: window, windowWhole: window,
		theirH: make(map[uint32]any), sent: make(map[uint32]*sent), got: make(map[uint32]*rxDelivery),
		mayCross: make(map[uint32]bool)}
}

// say sends performatives on the session's channel.
func (s *lineSession) say(what ...any) {
	for _, x := range what {
		s.l.say(amqptest.On(s.channel, x))
	}
}

// flow tells the session's windows, and with change a link's flow state.
func (s *lineSession) flow(change ...func(*wire.Flow)) {
	x := &wire.Flow{NextIncomingID: s.peerNext, HasNextIncomingID: true, IncomingWindow: s.window,
		NextOutgoingID: s.nextOut, OutgoingWindow: 1 << 20}
	for _, f := range change {
		f(x)
	}
	s.say(x)
}

// report reports something that the router does wrong, unless it is being stopped.
func (s *lineSession) report(format string, args ...any) {
	if !s.l.w.isDown(s.l.router) {
		s.l.w.report(format, args...)
	}
}

// handle keeps the accounts for one frame of the router.
func (s *lineSession) handle(f frame) {
	switch x := f.Body.(type) {
	case *wire.Attach:
		s.attachedBy(x)
	case *wire.Flow:
		s.flowed(x)
	case *wire.Transfer:
		s.window--
		s.peerNext++
		if r, ok := s.theirH[x.Handle].(*rxLink); !ok {
			s.report("%s got a transfer on handle %d, which no receiver has", s.l.name, x.Handle)
		} else {
			r.transfer(x, f.Payload)
		}
		switch {
		case int32(s.window) < 0:
			s.report("%s got a transfer beyond its session's window", s.l.name)
		case s.window <= s.windowWhole/2 && !s.ending:
			s.window = s.windowWhole
			s.flow()
		}
	case *wire.Disposition:
		s.disposed(x)
	case *wire.Detach:
		s.detachedBy(x)
	case *wire.End:
		if !s.ending {
			s.report("%s had its session ended: %v", s.l.name, x.Error)
			s.leave(true)
			s.say(&wire.End{})
		}
		s.leave(false)
		s.left()
		s.l.sessions[s.number] = nil
	}
}

// attachedBy takes the answer to an attach.
func (s *lineSession) attachedBy(a *wire.Attach) {
	for _, one := range s.links {
		switch x := one.(type) {
		case *txLink:
			if x.name == a.Name {
				x.attached, x.theirs = true, a.Handle
				s.theirH[a.Handle] = x
				return
			}
		case *rxLink:
			if x.name == a.Name {
				x.attached, x.theirs, x.count = true, a.Handle, a.InitialDeliveryCount
				s.theirH[a.Handle] = x
				if !x.leaving {
					x.grant(x.first)
				}
				return
			}
		}
	}
	s.report("%s got an attach of %q, which it did not ask for", s.l.name, a.Name)
}

// flowed takes the router's flow state.
func (s *lineSession) flowed(x *wire.Flow) {
	seen := x.NextIncomingID
	if !x.HasNextIncomingID {
		seen = 0
	}
	s.room = seen + x.IncomingWindow - s.nextOut
	if !x.HasHandle {
		return
	}
	switch l := s.theirH[x.Handle].(type) {
	case *txLink:
		l.flowed(x)
	case *rxLink:
		l.flowed(x)
	default:
		s.report("%s got a flow on handle %d, which has no link", s.l.name, x.Handle)
	}
}

// disposed takes outcomes of what was sent, and settlements of what was received.
func (s *lineSession) disposed(x *wire.Disposition) {
	for id := x.First; int32(x.Last-id) >= 0; id++ {
		if x.Role == wire.RoleReceiver {
			d := s.sent[id]
			switch {
			case !x.Settled:
				continue
			case d == nil && s.mayCross[id]:
				delete(s.mayCross, id)
				continue
			case d == nil:
				s.report("%s was told an outcome (%s) of delivery %d, which is settled or was never sent", s.l.name,
					showState(x.State), id)
				continue
			}
			delete(s.sent, id)
			delete(d.x.unsettled, id)
			s.l.w.book.hears(d.p, x.State)
			continue
		}
		if d := s.got[id]; d != nil && x.Settled {
			s.l.w.book.tooLate(d)
			d.settled = true
			delete(s.got, id)
		}
	}
}

// detachedBy takes a detach: the answer to ours, or not asked for.
func (s *lineSession) detachedBy(d *wire.Detach) {
	one := s.theirH[d.Handle]
	delete(s.theirH, d.Handle)
	switch x := one.(type) {
	case *txLink:
		if !x.leaving {
			s.report("%s was detached: %v", x.name, d.Error)
			x.leave(false)
			s.say(&wire.Detach{Handle: x.handle, Closed: true})
		}
		x.drop()
	case *rxLink:
		if !x.leaving {
			s.report("%s was detached: %v", x.name, d.Error)
			x.leave(false)
			s.say(&wire.Detach{Handle: x.handle, Closed: true})
		}
		x.drop()
	default:
		s.report("%s got a detach of handle %d, which has no link", s.l.name, d.Handle)
	}
}

// leave notes that the links of the session begin to end.
func (s *lineSession) leave(cut bool) {
	for _, one := range s.links {
		switch x := one.(type) {
		case *txLink:
			x.leave(cut)
		case *rxLink:
			x.leave(cut)
		}
	}
}

// left notes that the links of the session have ended in order.
func (s *lineSession) left() {
	s.over = true
	for _, one := range s.links {
		if x, ok := one.(*rxLink); ok && !x.gone {
			s.l.w.book.departed(x)
		}
	}
}
