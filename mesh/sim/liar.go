package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/mesh"
)

// liar is a router that has been let in and lies: it makes messages in the name of any router, real or not, with any
// number and any content, sends on what it has heard twice or with changed octets, and now and then tells the truth.
// Only its trace has to end with its own id, because its neighbors look at that.
type liar struct {
	id       string
	names    []string
	instance int64
	rand     *rand.Rand
	now      time.Time
	next     time.Time
	links    []mesh.LinkID
	identity map[mesh.LinkID]string // who it says that it is
	heard    [][]byte
	events   []mesh.Event
}

func newLiar(id string, names []string, config mesh.Config, r *rand.Rand) *liar {
	return &liar{id: id, names: names, instance: config.Instance, rand: r, identity: make(map[mesh.LinkID]string)}
}

func (l *liar) Start(now time.Time) { l.now, l.next = now, now }

func (l *liar) Deadline() time.Time { return l.next }

func (l *liar) AddAddress(time.Time, string, addressing.Distribution) {}

func (l *liar) RemoveAddress(time.Time, string) {}

func (l *liar) Events() []mesh.Event {
	events := l.events
	l.events = nil
	return events
}

func (l *liar) LinkUp(now time.Time, id mesh.LinkID, _ int, _ string, _ bool) {
	l.now = now
	l.links = append(l.links, id)
	l.identity[id] = l.id
	if l.rand.IntN(4) == 0 {
		l.identity[id] = l.name()
	}
}

func (l *liar) LinkDown(now time.Time, id mesh.LinkID) {
	l.now = now
	l.links = slices.DeleteFunc(l.links, func(o mesh.LinkID) bool { return o == id })
}

func (l *liar) Input(now time.Time, id mesh.LinkID, payload []byte) {
	l.now = now
	if len(l.heard) < 100 {
		l.heard = append(l.heard, payload)
	} else {
		l.heard[l.rand.IntN(len(l.heard))] = payload
	}
}

func (l *liar) Advance(now time.Time) {
	l.now = now
	for _, id := range l.links {
		name := l.identity[id]
		if l.rand.IntN(3) == 0 {
			l.emit(id, l.message(name, name, "amqp:/_local/qdhello", "HELLO", l.hello(name)))
		} else {
			l.emit(id, l.lie(name))
		}
	}
	l.next = now.Add(time.Duration(l.rand.Int64N(int64(50 * time.Millisecond))))
}

func (l *liar) emit(link mesh.LinkID, payload []byte) {
	l.events = append(l.events, mesh.Event{Kind: mesh.EventSend, Link: link, Payload: payload})
}

// name is that of a router, real or not.
func (l *liar) name() string {
	if l.rand.IntN(4) == 0 {
		return fmt.Sprint("fake", l.rand.IntN(30))
	}
	return l.names[l.rand.IntN(len(l.names))]
}

// number is one that somebody might have forgotten to think of, or any other, but none that a router of this world gets
// to in truth: nothing in the protocol can tell a forgery that has the number of the true message.
func (l *liar) number() int64 {
	special := []int64{0, -1, math.MaxInt32, math.MaxInt64, math.MinInt64, 1 << 62, l.instance, l.instance - 1,
		l.instance + 1000}
	if i := l.rand.IntN(2 * len(special)); i < len(special) {
		return special[i]
	}
	return 1000 + l.rand.Int64N(20)
}

func (l *liar) hello(name string) wire.Map {
	seen := wire.List{}
	for _, n := range l.names {
		if l.rand.IntN(8) > 0 {
			seen = append(seen, n)
		}
	}
	instance := l.instance
	if l.rand.IntN(20) == 0 {
		instance = l.number()
	}
	return wire.Map{{Key: "id", Value: name}, {Key: "pv", Value: int32(1)}, {Key: "instance", Value: instance},
		{Key: "seen", Value: seen}}
}

// lie makes a message in the name of any router, to any other.
func (l *liar) lie(as string) []byte {
	about, to := l.name(), l.name()
	if len(l.heard) > 0 && l.rand.IntN(4) == 0 {
		return l.replay(as)
	}
	id := wire.MapEntry{Key: "id", Value: about}
	seq := func(key string) wire.MapEntry { return wire.MapEntry{Key: key, Value: l.number()} }
	router, mobile := "amqp:/_topo/0/"+to+"/qdrouter", "amqp:/_topo/0/"+to+"/qdrouter.ma"
	switch l.rand.IntN(7) {
	case 0:
		return l.message(as, about, router, "LSR", wire.Map{id})
	case 1:
		return l.message(as, about, router, "LSU", wire.Map{id, seq("instance"), seq("ls_seq"), l.linkState(about)})
	case 2:
		return l.message(as, about, mobile, "MAR", wire.Map{id, seq("have_seq")})
	case 3:
		return l.message(as, about, mobile, "MAU", wire.Map{id, seq("mobile_seq"), {Key: "exist", Value: l.keys()}})
	case 4:
		return l.message(as, about, "_topo/0/all/qdrouter.ma", "MAU", wire.Map{id, seq("mobile_seq"),
			{Key: "add", Value: l.keys()}, {Key: "del", Value: l.keys()}, {Key: "hints", Value: wire.List{int32(9)}}})
	case 5:
		return l.message(as, about, "amqp:/_topo/0/all/qdrouter", "RA", wire.Map{id, seq("instance"), seq("ls_seq"),
			seq("mobile_seq"), l.linkState(about)})
	}
	return l.message(as, about, "amqp:/_topo/0/all/qdrouter", "RA", wire.Map{id, {Key: "instance", Value: l.instance},
		seq("ls_seq"), seq("mobile_seq")})
}

func (l *liar) linkState(id string) wire.MapEntry {
	peers := wire.Map{}
	for range l.rand.IntN(6) {
		cost := int64(1 + l.rand.IntN(3))
		if l.rand.IntN(20) == 0 {
			cost = l.number()
		}
		peers = append(peers, wire.MapEntry{Key: l.name(), Value: cost})
	}
	return wire.MapEntry{Key: "ls", Value: wire.Map{{Key: "id", Value: id}, {Key: "ls_seq", Value: l.number()},
		{Key: "peers", Value: peers}}}
}

func (l *liar) keys() wire.List {
	all := []string{"M0orders", "M0prices", "M1orders", "MFq", "HE1", "Cbroker", "M0x", "M0lie", "M", "", "X", "Lqdhello"}
	keys := wire.List{}
	for range l.rand.IntN(4) {
		keys = append(keys, all[l.rand.IntN(len(all))])
	}
	return keys
}

// message makes a message that the router about is to have made, and that came by way of as.
func (l *liar) message(as, about, to, opcode string, body wire.Map) []byte {
	trace := wire.List{"0/" + about}
	for l.rand.IntN(3) == 0 {
		trace = append(trace, "0/"+l.name())
	}
	if opcode == "HELLO" {
		trace = nil
	}
	if as != about || len(trace) != 1 {
		trace = append(trace, "0/"+as)
	}
	dst := appendSection(nil, wire.DescriptorHeader, wire.List{false})
	dst = appendSection(dst, wire.DescriptorMessageAnnotations, wire.Map{
		{Key: wire.Symbol("x-opt-qd.ingress"), Value: "0/" + about}, {Key: wire.Symbol("x-opt-qd.trace"), Value: trace}})
	dst = appendSection(dst, wire.DescriptorProperties, wire.List{nil, nil, to})
	dst = appendSection(dst, wire.DescriptorApplicationProperties, wire.Map{{Key: "opcode", Value: opcode}})
	return appendSection(dst, wire.DescriptorAMQPValue, body)
}

// replay sends on something that has been heard, at times with changed octets.
func (l *liar) replay(as string) []byte {
	payload := slices.Clone(l.heard[l.rand.IntN(len(l.heard))])
	if m, ok := decode(payload); ok && l.rand.IntN(2) == 0 {
		trace := wire.List{}
		for _, id := range append(m.trace, as) {
			trace = append(trace, "0/"+id)
		}
		dst := appendSection(nil, wire.DescriptorMessageAnnotations, wire.Map{
			{Key: wire.Symbol("x-opt-qd.ingress"), Value: "0/" + m.ingress},
			{Key: wire.Symbol("x-opt-qd.trace"), Value: trace}})
		payload = append(dst, m.tail...)
	}
	for l.rand.IntN(2) == 0 && len(payload) > 0 {
		payload[l.rand.IntN(len(payload))] ^= byte(1 << l.rand.IntN(8))
	}
	return payload
}
