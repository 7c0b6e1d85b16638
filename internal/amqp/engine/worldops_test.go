package engine_test

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
)

func (s *side) begin() {
	if id := s.c.Begin(engine.None); id != engine.None {
		s.sessions = append(s.sessions, &appSession{id: id})
	}
}

func (s *side) newLink(a, b int) {
	if len(s.sessions) == 0 || len(s.links) > 6 {
		return
	}
	s.w.links++
	l := &appLink{session: s.sessions[a%len(s.sessions)].id, name: fmt.Sprint(s.name, s.w.links), sender: b%2 == 0}
	l.id = s.c.NewLink(l.session, &wire.Attach{Name: l.name, Role: wire.Role(!l.sender)})
	if l.id == engine.None {
		s.w.t.Fatalf("%s: link %q is not attached", s.name, l.name)
	}
	s.links = append(s.links, l)
}

func (s *side) detach(l *appLink, closed bool, err *wire.Error) {
	s.forgetLink(l)
	if s.w.op[3]%2 == 0 {
		s.leaving = append(s.leaving, l.id)
		s.goOnLeaving(1)
		return
	}
	s.c.Detach(l.id, closed, err)
}

// goOnLeaving lets go of some deliveries of the links that are to be detached.
func (s *side) goOnLeaving(most int) {
	s.leaving = slices.DeleteFunc(s.leaving, func(id engine.LinkID) bool {
		if s.c.LetGo(id, most%4, func(engine.DeliveryID) {}) && most%8 != 7 {
			return false
		}
		s.c.Detach(id, true, nil)
		return true
	})
}

func (s *side) end(session *appSession) {
	s.forgetSession(session.id)
	s.leaving = slices.DeleteFunc(s.leaving, func(id engine.LinkID) bool { return s.c.LinkSession(id) == session.id })
	s.ending = append(s.ending, session.id)
	s.goOnEnding(int(s.w.op[3]))
}

// goOnEnding forgets some links of the sessions that are to be ended.
func (s *side) goOnEnding(most int) {
	s.ending = slices.DeleteFunc(s.ending, func(id engine.SessionID) bool {
		for range most % 4 {
			l := s.c.AnyLink(id)
			if l == engine.None || s.c.LetGo(l, most%3, func(engine.DeliveryID) {}) {
				break
			}
			s.c.Forget(l)
		}
		if most%4 == 1 && s.c.AnyLink(id) != engine.None && s.c.Ending(id) {
			return false
		}
		s.c.End(id, nil)
		return true
	})
}

func (s *side) forgetSession(id engine.SessionID) {
	for i := len(s.links) - 1; i >= 0; i-- {
		if s.links[i].session == id {
			s.forgetLink(s.links[i])
		}
	}
	s.sessions = slices.DeleteFunc(s.sessions, func(x *appSession) bool { return x.id == id })
}

func (s *side) forgetLink(l *appLink) {
	s.w.gone[l.name] = true
	live := 0
	s.c.Deliveries(l.id, func(id engine.DeliveryID) { live++ })
	for id, d := range s.sent {
		if d.link == l {
			delete(s.sent, id)
			live--
		}
	}
	for id, d := range s.received {
		if d.link == l.id {
			delete(s.received, id)
			live--
		}
	}
	if live != 0 {
		s.w.t.Fatalf("%s: link %q had %d more live deliveries than known", s.name, l.name, live)
	}
	s.links = slices.DeleteFunc(s.links, func(x *appLink) bool { return x == l })
}

func (s *side) deliver(l *appLink, b, c int) {
	if l == nil {
		return
	}
	credit := s.c.Credit(l.id)
	d := &outgoing{link: l, key: len(s.w.messages), settled: b%3 == 0}
	d.id = s.c.Deliver(l.id, d.settled, uint32(d.key))
	if (d.id == engine.None) != (credit == 0) && !l.waits {
		s.w.t.Fatalf("%s: delivery %d with credit %d", s.name, d.id, credit)
	}
	if d.id == engine.None {
		return
	}
	l.waits = false
	if _, taken := s.sent[d.id]; taken {
		s.w.t.Fatalf("%s: delivery number %d is taken", s.name, d.id)
	}
	s.w.messages = append(s.w.messages, &message{link: l.name, size: 4 + []int{0, 1, 100, 440, 450, 3000, 70_000}[b%7],
		presettled: d.settled})
	s.sent[d.id], l.writing = d, d
	s.write(d, c*300, c > 100)
}

// write writes up to n octets of a message, or all of it; last says that its end is known.
func (s *side) write(d *outgoing, n int, last bool) {
	m := s.w.messages[d.key]
	n = min(n, m.size-d.written)
	if last {
		n = m.size - d.written
	} else if n <= 4 && d.written == 0 {
		n = 4
	}
	chunk := buf.NewChunk(max(n, 1))
	for i := range n {
		chunk.B[i] = body(d.key, d.written+i)
	}
	var head []byte
	b := buf.Slice{B: chunk.B[:n], C: chunk}
	if d.written == 0 {
		head = binary.BigEndian.AppendUint32(nil, uint32(d.key))
		b.B = b.B[4:]
	}
	window := s.c.Window(d.link.session)
	wrote, done := s.c.Write(d.id, head, b, last)
	chunk.Release()
	d.written += wrote
	m.begun = m.begun || wrote > 0
	if window > 0 && n > 0 && wrote == 0 || done && d.written != m.size || !done && last &&
		s.c.Window(d.link.session) > 0 {
		s.w.t.Fatalf("%s: wrote %d of %d octets with window %d, done %v", s.name, wrote, n, window, done)
	}
	d.link.blocked = !done && (last || wrote < n)
	if done {
		m.whole = true
		d.link.writing = nil
		if d.settled {
			delete(s.sent, d.id)
		}
	}
}

func (s *side) abort(d *outgoing) {
	m := s.w.messages[d.key]
	m.aborted = true
	d.link.writing = nil
	d.link.waits = s.c.Window(d.link.session) == 0
	d.link.blocked = false
	delete(s.sent, d.id)
	s.c.Abort(d.id)
}

func (s *side) settle(a, b int) {
	if len(s.received) == 0 {
		return
	}
	var ids []engine.DeliveryID
	for id, d := range s.received {
		if !d.settled {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return
	}
	slices.Sort(ids)
	for i := range min(1+b/64, len(ids)) {
		s.settleOne(s.received[ids[(a+i)%len(ids)]], b)
	}
}

func (s *side) settleOne(d *incoming, b int) {
	state := []wire.State{acceptedState, releasedState, wire.ModifiedState(true, false, nil),
		wire.RejectedState(&wire.Error{Condition: wire.ErrNotAllowed, Description: "no"})}[b%4]
	m := s.w.messages[d.key]
	m.given = state.Kind
	d.settled = true
	s.c.Settle(d.id, state)
	if d.whole {
		delete(s.received, d.id)
	}
}

func (s *side) settleOutgoing(a int) {
	var ids []engine.DeliveryID
	for id, d := range s.sent {
		if !d.settled {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return
	}
	slices.Sort(ids)
	d := s.sent[ids[a%len(ids)]]
	s.w.messages[d.key].dropped = true
	s.c.SettleOutgoing(d.id, wire.State{})
	d.settled = true
	if d.link.writing != d {
		delete(s.sent, d.id)
	}
}

func (s *side) hold(a, b int) {
	if len(s.sessions) == 0 {
		return
	}
	x := s.sessions[a%len(s.sessions)]
	if b%2 == 0 {
		x.held++
	} else if x.held == 0 {
		return
	} else {
		x.held--
	}
	s.c.Hold(x.id, b%2 == 0)
}
