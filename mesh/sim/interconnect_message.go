package sim

import (
	"slices"
	"strings"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/mesh"
)

func (q *interconnect) sendRA() {
	q.lastRA = q.now
	q.multicast(q.encode("amqp:/_topo/0/all/qdrouter", "RA", wire.Map{{Key: "id", Value: q.id},
		{Key: "pv", Value: int32(1)}, {Key: "area", Value: "0"},
		{Key: "instance", Value: int32(q.instance)}, {Key: "ls_seq", Value: int32(q.ownSeq)},
		{Key: "mobile_seq", Value: int32(q.mobileSeq)}}), nil)
}

func (q *interconnect) sendLSR(n *qdNode) {
	q.unicast(n.id, q.encode("amqp:/_topo/0/"+n.id+"/qdrouter", "LSR", wire.Map{{Key: "id", Value: q.id},
		{Key: "pv", Value: int32(1)}, {Key: "area", Value: "0"}}))
}

func (q *interconnect) sendLSU(id string) {
	peers := wire.Map{}
	for _, p := range sortedKeys(q.own) {
		peers = append(peers, wire.MapEntry{Key: p, Value: int32(q.own[p])})
	}
	ls := wire.Map{{Key: "id", Value: q.id}, {Key: "area", Value: "0"}, {Key: "ls_seq", Value: int32(q.ownSeq)},
		{Key: "peers", Value: peers}}
	q.unicast(id, q.encode("amqp:/_topo/0/"+id+"/qdrouter", "LSU", wire.Map{{Key: "id", Value: q.id},
		{Key: "pv", Value: int32(1)}, {Key: "area", Value: "0"}, {Key: "instance", Value: int32(q.instance)},
		{Key: "ls_seq", Value: int32(q.ownSeq)}, {Key: "ls", Value: ls}}))
}

func (q *interconnect) sendMAR(n *qdNode) {
	q.unicast(n.id, q.encode("amqp:/_topo/0/"+n.id+"/qdrouter.ma", "MAR", q.symbols("have_seq", n.mobileSeq)))
}

// symbols makes the body of a message of mobile.c.
func (q *interconnect) symbols(pairs ...any) wire.Map {
	m := wire.Map{{Key: wire.Symbol("id"), Value: q.id}, {Key: wire.Symbol("pv"), Value: int64(1)},
		{Key: wire.Symbol("area"), Value: "0"}}
	for i := 0; i < len(pairs); i += 2 {
		m = append(m, wire.MapEntry{Key: wire.Symbol(pairs[i].(string)), Value: pairs[i+1]})
	}
	return m
}

func list(texts []string) wire.List {
	l := make(wire.List, len(texts))
	for i, t := range texts {
		l[i] = t
	}
	return l
}

func (q *interconnect) emit(link mesh.LinkID, payload []byte) {
	q.events = append(q.events, mesh.Event{Kind: mesh.EventSend, Link: link, Payload: payload})
}

// way is the connection to a router as the forwarders in forwarder.c find it; 0 if there is none.
func (q *interconnect) way(n *qdNode) mesh.LinkID {
	if n.next != nil {
		return n.next.link
	}
	return n.link
}

func (q *interconnect) unicast(id string, payload []byte) {
	if n := q.nodes[id]; n != nil {
		if link := q.way(n); link != 0 {
			q.emit(link, payload)
		}
	}
}

// multicast is qdr_forward_multicast_CT: one copy for each connection on the way to any router, but for those to
// neighbors in the trace.
func (q *interconnect) multicast(payload []byte, trace []string) {
	var links []mesh.LinkID
	for _, n := range q.nodes {
		if link := q.way(n); link != 0 && !slices.Contains(links, link) {
			links = append(links, link)
		}
	}
	slices.Sort(links)
	for _, id := range trace {
		if n := q.nodes[id]; n != nil && n.link != 0 {
			links = slices.DeleteFunc(links, func(l mesh.LinkID) bool { return l == n.link })
		}
	}
	for _, l := range links {
		q.emit(l, payload)
	}
}

// qdMessage is a control message with the sections that are not its body.
type qdMessage struct {
	ingress, to, opcode string
	trace               []string
	body                wire.Map
	tail                []byte // what follows the annotations
}

func appendSection(dst []byte, code uint64, value any) []byte {
	dst = wire.AppendDescriptor(dst, code)
	dst, err := wire.AppendValue(dst, value)
	if err != nil {
		panic(err) // the model is wrong, no input can do this
	}
	return dst
}

func (q *interconnect) annotations(ingress string, trace []string) []byte {
	nodes := wire.List{}
	for _, id := range trace {
		nodes = append(nodes, "0/"+id)
	}
	dst := appendSection(nil, wire.DescriptorHeader, wire.List{false})
	return appendSection(dst, wire.DescriptorMessageAnnotations, wire.Map{
		{Key: wire.Symbol("x-opt-qd.ingress"), Value: "0/" + ingress},
		{Key: wire.Symbol("x-opt-qd.trace"), Value: append(nodes, "0/"+q.id)}})
}

func (q *interconnect) encode(to, opcode string, body wire.Map) []byte {
	dst := q.annotations(q.id, nil)
	dst = appendSection(dst, wire.DescriptorProperties, wire.List{nil, nil, to})
	dst = appendSection(dst, wire.DescriptorApplicationProperties, wire.Map{{Key: "opcode", Value: opcode}})
	return appendSection(dst, wire.DescriptorAMQPValue, body)
}

func decode(payload []byte) (m qdMessage, ok bool) {
	for b := payload; len(b) > 0; {
		code, value, err := wire.ReadDescriptor(b)
		if err != nil {
			return m, false
		}
		v, rest, err := wire.DecodeValue(value)
		if err != nil {
			return m, false
		}
		b = rest
		switch code {
		case wire.DescriptorMessageAnnotations:
			ingress, _ := v.(wire.Map).Get("x-opt-qd.ingress")
			trace, _ := v.(wire.Map).Get("x-opt-qd.trace")
			m.ingress = strings.TrimPrefix(ingress.(string), "0/")
			for _, n := range trace.(wire.List) {
				m.trace = append(m.trace, strings.TrimPrefix(n.(string), "0/"))
			}
			m.tail = rest
		case wire.DescriptorProperties:
			m.to = v.(wire.List)[2].(string)
		case wire.DescriptorApplicationProperties:
			opcode, _ := v.(wire.Map).Get("opcode")
			m.opcode = opcode.(string)
		case wire.DescriptorAMQPValue:
			m.body = v.(wire.Map)
		}
	}
	return m, true
}

// Input is what AMQP_rx_handler and the forwarders do with a control message.
func (q *interconnect) Input(now time.Time, link mesh.LinkID, payload []byte) {
	q.now = now
	m, ok := decode(payload)
	if !ok || len(m.trace) > q.radius+1 {
		return
	}
	forwarded := append(q.annotations(m.ingress, m.trace), m.tail...)
	address := addressing.NewRouter(q.id).Parse(m.to)
	switch address.Class {
	case addressing.ClassRouter:
		q.unicast(address.Text, forwarded)
		return
	case addressing.ClassTopological:
		if address.Text == "qdrouter.ma" && q.nodes[m.ingress] == nil {
			break // the origin must be known, but the message is still taken
		}
		q.multicast(forwarded, m.trace)
	}
	switch m.opcode {
	case "HELLO":
		q.handleHello(m, link)
	case "RA":
		q.handleRA(m)
	case "LSR":
		q.node(m.text("id"))
		q.sendLSU(m.text("id"))
	case "LSU":
		q.handleLSU(m)
	case "MAR":
		if n := q.nodes[m.text("id")]; n != nil && m.int("have_seq") < q.mobileSeq {
			q.sendAbsolute(n)
		}
	case "MAU":
		q.handleMAU(m)
	}
}

func (m qdMessage) text(key string) string {
	v, _ := m.body.Get(key)
	return v.(string)
}

func (m qdMessage) int(key string) int64 { return integer(m.body, key) }

func integer(m wire.Map, key string) int64 {
	v, _ := m.Get(key)
	return toInt(v)
}

func toInt(v any) int64 {
	switch v := v.(type) {
	case int32:
		return int64(v)
	case int64:
		return v
	}
	panic("not an int or a long") // what package mesh sends must be one of them
}

func (m qdMessage) list(key string) (texts []string, ok bool) {
	v, ok := m.body.Get(key)
	if ok {
		for _, t := range v.(wire.List) {
			texts = append(texts, t.(string))
		}
	}
	return texts, ok
}
