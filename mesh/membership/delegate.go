package membership

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/hashicorp/memberlist"
)

// The kinds of Postroad's own messages inside gossip.
const (
	// userDetails is followed by the details of a member. Who did not know them tells them on.
	userDetails = 1
	// userQuestion is followed by (octet, n) the id of who asks, and (octet, and each octet, n) ids whose details it
	// lacks.
	userQuestion = 2
	// userLeft is followed by (octet, n) the id and (8) the instance of a member that has left. Who did not know it tells
	// it on.
	userLeft = 3
)

// news is what is said of a member, on its way to all others; later news take the place of older ones.
type news struct {
	id      string
	message []byte
	done    chan struct{} // closed when it was told often enough; may be nil
}

// Invalidates, Finished, Message and Name implement [memberlist.NamedBroadcast].
func (n *news) Invalidates(memberlist.Broadcast) bool { return false }
func (n *news) Finished() {
	if n.done != nil {
		close(n.done)
	}
}
func (n *news) Message() []byte { return n.message }
func (n *news) Name() string    { return n.id }

// delegate is the part of a Membership that memberlist calls.
type delegate Membership

// NodeMeta implements [memberlist.Delegate].
func (d *delegate) NodeMeta(int) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := meta{role: d.config.Role, version: d.version, site: d.config.Site}
	d.book.mu.Lock()
	m.instance = d.book.instance
	d.book.mu.Unlock()
	return m.append(nil)
}

// NotifyMsg implements [memberlist.Delegate].
func (d *delegate) NotifyMsg(b []byte) {
	m := (*Membership)(d)
	if len(b) == 0 {
		return
	}
	switch b[0] {
	case userDetails:
		if id, isNews := m.book.learn(b[1:]); isNews {
			m.tell(id)
		}
	case userQuestion:
		m.answer(b[1:])
	case userLeft:
		in := input{b: b[1:]}
		id, instance := in.text(), in.uint64()
		if !in.short && m.book.depart(id, instance) {
			m.queue.QueueBroadcast(&news{id: id, message: slices.Clone(b)})
		}
	default: // of a later version
	}
}

// answer answers a question for details.
func (m *Membership) answer(b []byte) {
	in := input{b: b}
	from, n := in.text(), int(in.octet())
	if _, known := m.book.lookup(from); !known || in.short || n > askMost {
		m.counters.refusedDetails.Add(1)
		return
	}
	for range n {
		record := m.book.record(in.text())
		if in.short {
			return
		}
		m.mu.Lock()
		pass := record != nil && m.answers.take(time.Now(), answerRate, answerRate)
		m.mu.Unlock()
		if pass {
			m.send(from, append([]byte{userDetails}, record...))
		}
	}
}

// GetBroadcasts implements [memberlist.Delegate].
func (d *delegate) GetBroadcasts(overhead, limit int) [][]byte {
	return d.queue.GetBroadcasts(overhead, limit)
}

// LocalState implements [memberlist.Delegate].
func (d *delegate) LocalState(bool) []byte { return d.book.all() }

// MergeRemoteState implements [memberlist.Delegate].
func (d *delegate) MergeRemoteState(b []byte, _ bool) {
	in := input{b: b}
	for len(in.b) > 0 {
		message := in.take(int(in.uint16()))
		if in.short {
			d.counters.refusedDetails.Add(1)
			return
		}
		if len(message) > 0 && message[0] != userQuestion {
			d.NotifyMsg(message)
		}
	}
}

// appendDeparture appends the message that a member has left.
func appendDeparture(b []byte, id string, instance uint64) []byte {
	return binary.BigEndian.AppendUint64(appendText(append(b, userLeft), id), instance)
}
