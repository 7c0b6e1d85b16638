package engine_test

import (
	"encoding/binary"
	"slices"

	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// handle handles the events of the last input.
func (s *side) handle() {
	clear(s.early)
	events := s.c.Events()
	for i := range events {
		s.event(&events[i])
	}
}

func (s *side) event(e *engine.Event) {
	t := s.w.t
	t.Helper()
	refuse := !s.w.quiet && s.w.op[3]%8 == 3
	switch e.Kind {
	case engine.EventOpen:
		s.c.Open(nil)
	case engine.EventBegin:
		s.begun(e, refuse)
	case engine.EventEnd:
		s.forgetSession(e.Session)
		s.leaving = slices.DeleteFunc(s.leaving, func(id engine.LinkID) bool { return s.c.LinkSession(id) == e.Session })
		s.ending = slices.DeleteFunc(s.ending, func(id engine.SessionID) bool { return id == e.Session })
		s.c.End(e.Session, nil)
	case engine.EventAttach:
		s.attached(e, refuse)
	case engine.EventDetach:
		if l := s.byID(e.Link); l != nil {
			s.forgetLink(l)
		}
		s.leaving = slices.DeleteFunc(s.leaving, func(id engine.LinkID) bool { return id == e.Link })
		s.c.Detach(e.Link, e.Closed, nil)
	case engine.EventTransfer:
		s.transferred(e)
	case engine.EventAborted:
		d := s.received[e.Delivery]
		if d == nil || d.whole || !s.w.messages[d.key].aborted && !s.w.gone[s.w.messages[d.key].link] {
			t.Fatalf("%s: delivery %d is reported as aborted: %+v", s.name, e.Delivery, d)
		}
		delete(s.received, e.Delivery)
	case engine.EventOutcome:
		s.outcome(e)
	case engine.EventSenderSettled:
		d := s.received[e.Delivery]
		if s.early[e.Delivery] || slices.Contains(s.leaving, e.Link) {
			return
		}
		if d == nil || d.settled || !s.w.messages[d.key].dropped || d.whole == e.More {
			t.Fatalf("%s: delivery %d is settled by its sender: %+v", s.name, e.Delivery, d)
		}
		d.settled = true
		if d.whole {
			delete(s.received, e.Delivery)
		}
	case engine.EventCredit:
		if l := s.byID(e.Link); l == nil || !l.sender {
			t.Fatalf("%s: credit for link %d: %+v", s.name, e.Link, l)
		} else if !s.w.quiet && s.w.op[2]%4 == 1 && sending(l) { // commands are given while other events are still unread
			s.deliver(l, int(s.w.op[1]), int(s.w.op[2]))
		}
	case engine.EventDrained:
		if l := s.byID(e.Link); l == nil || l.sender || e.Credit == 0 && s.c.Credit(e.Link) != 0 {
			t.Fatalf("%s: link %d is drained with credit %d: %+v", s.name, e.Link, s.c.Credit(e.Link), l)
		}
	case engine.EventWindow:
		for _, l := range s.links {
			if l.session == e.Session {
				l.blocked = false
			}
		}
	case engine.EventClose, engine.EventDisconnected:
		if err := e.Err(); err != nil && err.Cause != nil || !s.w.quiet {
			t.Fatalf("%s: ended by %v", s.name, e.Err())
		}
	default: // two engines never have a reason to complain about each other
		t.Fatalf("%s: event %d: %v", s.name, e.Kind, e.Err())
	}
}

func (s *side) byID(id engine.LinkID) *appLink {
	for _, l := range s.links {
		if l.id == id {
			return l
		}
	}
	return nil
}

func (s *side) begun(e *engine.Event, refuse bool) {
	if e.Answer {
		for _, x := range s.sessions {
			x.up = x.up || x.id == e.Session
		}
		return
	}
	for _, x := range s.sessions {
		if x.id == e.Session {
			s.w.t.Fatalf("%s: session number %d is taken", s.name, e.Session)
		}
	}
	if refuse {
		s.c.End(e.Session, nil)
		return
	}
	s.sessions = append(s.sessions, &appSession{id: e.Session, up: true})
	if s.c.Begin(e.Session) != e.Session {
		s.w.t.Fatalf("%s: no channel to answer", s.name)
	}
}

func (s *side) attached(e *engine.Event, refuse bool) {
	l := s.byID(e.Link)
	if e.Answer {
		if l == nil || l.name != e.Cold.Attach.Name {
			s.w.t.Fatalf("%s: link %d answers %+v", s.name, e.Link, l)
		}
		l.up = true
		return
	}
	if l != nil {
		s.w.t.Fatalf("%s: link number %d is taken", s.name, e.Link)
	}
	if refuse {
		s.c.Detach(e.Link, true, &wire.Error{Condition: wire.ErrNotAllowed})
		return
	}
	a := e.Cold.Attach
	l = &appLink{id: e.Link, session: e.Session, name: a.Name, sender: a.Role == wire.RoleReceiver, up: true}
	s.links = append(s.links, l)
	if !s.c.Attach(l.id, &wire.Attach{}) {
		s.w.t.Fatalf("%s: link %q cannot be answered", s.name, l.name)
	}
}

func (s *side) transferred(e *engine.Event) {
	t := s.w.t
	d := s.received[e.Delivery]
	if e.First {
		if d != nil {
			t.Fatalf("%s: delivery number %d is taken", s.name, e.Delivery)
		}
		if len(e.Payload) < 4 || len(e.Tag) != 4 {
			t.Fatalf("%s: first frame with %d octets and the tag %x", s.name, len(e.Payload), e.Tag)
		}
		d = &incoming{id: e.Delivery, link: e.Link, key: int(binary.BigEndian.Uint32(e.Payload)), settled: e.Settled}
		if d.key >= len(s.w.messages) || uint32(d.key) != e.Format {
			t.Fatalf("%s: message %d with the format %d", s.name, d.key, e.Format)
		}
		s.received[e.Delivery] = d
	}
	if d == nil || d.link != e.Link || d.whole {
		t.Fatalf("%s: a frame of delivery %d on link %d: %+v", s.name, e.Delivery, e.Link, d)
	}
	m := s.w.messages[d.key]
	for i, b := range e.Payload {
		if at := m.arrived + i; at >= 4 && b != body(d.key, at) {
			t.Fatalf("%s: octet %d of message %d is %#x", s.name, at, d.key, b)
		}
	}
	m.arrived += len(e.Payload)
	d.settled = d.settled || e.Settled
	if e.First && !d.settled && !s.w.quiet && s.w.op[2]%4 == 2 {
		s.early[d.id] = true // the events of its later frames are still unread
		s.settleOne(d, int(s.w.op[1]))
	}
	if !e.More {
		if m.arrived != m.size {
			t.Fatalf("%s: %d of %d octets of message %d arrived as all of it", s.name, m.arrived, m.size, d.key)
		}
		d.whole, m.complete = true, true
		if d.settled {
			delete(s.received, e.Delivery)
		}
	}
}

func (s *side) outcome(e *engine.Event) {
	t := s.w.t
	if slices.Contains(s.leaving, e.Link) {
		return // it is not let go of yet
	}
	d := s.sent[e.Delivery]
	if d == nil || !e.Settled || d.settled || e.More != (d.link.writing == d) {
		t.Fatalf("%s: outcome %+v of delivery %d: %+v", s.name, e.State, e.Delivery, d)
	}
	m := s.w.messages[d.key]
	m.outcomes++
	m.got = e.State.Kind
	if m.got != m.given || m.outcomes > 1 {
		t.Fatalf("%s: outcome %d of message %d is %d, given was %d", s.name, m.outcomes, d.key, m.got, m.given)
	}
	d.settled = true
	if !e.More {
		delete(s.sent, e.Delivery)
	}
}
