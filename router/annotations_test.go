package router

import (
	"testing"

	"github.com/Azure/go-amqp"
	"github.com/google/go-cmp/cmp"

	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// forged is what a client may write into the annotations that only routers use.
func forged() amqp.Annotations {
	return amqp.Annotations{
		"x-opt-qd.to":      "closest/other",
		"x-opt-qd.ingress": "0/C",
		"x-opt-qd.trace":   []any{"0/A", "0/B", "0/C"},
		"x-opt-qd.phase":   int32(7),
		"x-opt-qd.egress":  "0/B",
		"x-opt-qd.flow":    uint32(1),
		"x-opt-qd.paths":   []any{"0/B", "0/C"},
		"x-opt-qd.number":  uint64(7),
		"x-opt-qd.settled": true,
		"x-opt-mine":       "kept",
	}
}

func TestForgedRouterAnnotationsAreIgnoredAndNeverSeen(t *testing.T) {
	t.Parallel()
	n := chain(t, 3)
	c := connect(t, n.node("C"))
	r, other := c.receiver("closest/x", 10), c.receiver("closest/other", 10)
	n.consumers("A", "closest/x", 0, 1)
	n.consumers("A", "closest/other", 0, 1)
	for _, from := range []string{"A", "B", "C"} {
		s := connect(t, n.node(from))
		for name, m := range map[string]func() (amqp.SendReceipt, *sender){
			"a sender with an address": func() (amqp.SendReceipt, *sender) {
				s := s.sender("closest/x", nil)
				return s.begin(&amqp.Message{Annotations: forged(), Value: "v"}), s
			},
			"an anonymous sender": func() (amqp.SendReceipt, *sender) {
				s := s.sender("", nil)
				return s.begin(to("closest/x", &amqp.Message{Annotations: forged(), Value: "v"})), s
			},
		} {
			receipt, s := m()
			got := r.accept()
			wantAccepted(t, name+" on "+from, s.outcome(receipt))
			if diff := cmp.Diff(amqp.Annotations{"x-opt-mine": "kept"}, got.Annotations); diff != "" {
				t.Errorf("%s on %s: annotations (-want +got)\n%s", name, from, diff)
			}
		}
	}
	other.none("nobody sent to it")
}

func TestAnnotationsOfRoutersAreNotSeenByClients(t *testing.T) {
	t.Parallel()
	n := chain(t, 3)
	r := connect(t, n.node("C")).receiver("multicast/x", 10)
	n.consumers("A", "multicast/x", 0, 1)
	s := connect(t, n.node("A")).sender("multicast/x", nil)
	receipt := s.begin(text("plain"))
	if m := r.accept(); len(m.Annotations) > 0 {
		t.Errorf("the receiver sees %v", m.Annotations)
	}
	wantAccepted(t, "the message", s.outcome(receipt))
}

func TestListenerThatDoesNotStripShowsTheRoutersAnnotations(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	n.add(plan{id: "A"})
	b := n.add(plan{id: "B", to: n.routers,
		listeners: "  - {name: shown, host: 127.0.0.1, port: 0, stripAnnotations: no}"})
	n.converge()
	r := connectWith(t, "amqp://"+b.Addr("shown"), nil).receiver("closest/x", 10)
	n.consumers("A", "closest/x", 0, 1)
	receipt := connect(t, n.node("A")).sender("closest/x", nil).begin(&amqp.Message{Annotations: forged(), Value: "v"})
	got := r.accept().Annotations
	if got["x-opt-qd.ingress"] != "0/A" || got["x-opt-mine"] != "kept" {
		t.Errorf("annotations %v", got)
	}
	if diff := cmp.Diff([]any{"0/A", "0/B"}, got["x-opt-qd.trace"]); diff != "" {
		t.Errorf("trace (-want +got)\n%s", diff)
	}
	if state, err := receipt.Wait(r.ctx); err != nil {
		t.Error(err)
	} else {
		wantAccepted(t, "the message", state)
	}
}

// wholeMessage has every section.
func wholeMessage() *message.Message {
	return &message.Message{
		Header:              &message.Header{Durable: true, Priority: 7, TTL: 60_000, HasTTL: true, DeliveryCount: 2},
		DeliveryAnnotations: wire.Map{{Key: wire.Symbol("x-opt-delivery"), Value: int32(1)}},
		Annotations: wire.Map{
			{Key: wire.Symbol("x-opt-first"), Value: wire.List{"a", nil, uint64(1)}},
			{Key: wire.Symbol("x-opt-second"), Value: wire.Map{{Key: "k", Value: true}}},
			{Key: wire.Symbol("x-opt-qdx"), Value: "not a router's"},
			{Key: uint64(7), Value: []byte("numbered")},
		},
		Properties:            &message.Properties{MessageID: uint64(9), To: "closest/x", Subject: "s", ReplyTo: "r"},
		ApplicationProperties: wire.Map{{Key: "p", Value: float32(1.5)}},
		Body:                  message.Data{[]byte("one"), []byte("two")},
		Footer:                wire.Map{{Key: wire.Symbol("x-opt-foot"), Value: "f"}},
	}
}

func TestMessagesArriveOctetByOctetAsTheyWereSent(t *testing.T) {
	t.Parallel()
	n := chain(t, 3)
	m := wholeMessage()
	whole := encode(t, m)
	m.Annotations = append(wire.Map{{Key: wire.Symbol("x-opt-qd.to"), Value: "closest/other"}}, m.Annotations...)
	withForged := encode(t, m)
	m.Annotations = nil
	plain := encode(t, m)
	onlyForged := encode(t, &message.Message{Annotations: wire.Map{{Key: wire.Symbol("x-opt-qd.trace"),
		Value: wire.List{}}},
		Body: message.Value{Value: nil}})
	nothing := encode(t, &message.Message{Body: message.Value{Value: nil}})
	far := rawBegin(t, n.node("C"))
	far.attachReceiver(0, "closest/x", 100)
	n.consumers("A", "closest/x", 0, 1)
	for _, id := range []string{"A", "C"} {
		near := rawBegin(t, n.node(id))
		near.attachSender(0, "closest/x")
		for name, c := range map[string]struct{ send, want string }{
			"all sections":               {whole, whole},
			"and router annotations":     {withForged, whole},
			"no annotations":             {plain, plain},
			"a body only":                {nothing, nothing},
			"router annotations only":    {onlyForged, nothing},
			"no octet at all":            {"", ""},
			"a body and unknown octets ": {nothing + "\x00\x53\x01garbage", nothing + "\x00\x53\x01garbage"},
		} {
			sent := near.deliver(0, c.send)
			got := far.receive(0)
			far.settle(got.DeliveryID, wire.State{Kind: wire.StateAccepted})
			near.wantOutcome(name, sent, wire.StateAccepted)
			if string(got.payload) != c.want {
				t.Errorf("%s from %s:\n got %q\nwant %q", name, id, got.payload, c.want)
			}
		}
	}
}

func TestMessageFormatIsKept(t *testing.T) {
	t.Parallel()
	n := chain(t, 2)
	b := rawBegin(t, n.node("B"))
	b.attachReceiver(0, "closest/x", 10)
	n.consumers("A", "closest/x", 0, 1)
	a := rawBegin(t, n.node("A"))
	a.attachSender(0, "closest/x")
	x := a.first(0)
	x.MessageFormat = 0x80013700
	a.send(transfer(x, body("batch")))
	if got := b.receive(0); got.MessageFormat != 0x80013700 {
		t.Errorf("message-format %#x arrived", got.MessageFormat)
	}
}

func TestMalformedMessagesAreRejectedAndTheLinkLives(t *testing.T) {
	t.Parallel()
	n := alone(t)
	router := n.node("A")
	r := connect(t, router).receiver("closest/x", 10)
	r.consume(nil)
	p := rawBegin(t, router)
	p.attachSender(0, "closest/x")
	p.attachSender(1, "")
	annotations := func(b []byte) string { return string(append(wire.AppendDescriptor(nil, 0x72), b...)) }
	key := func(name string, v any) string {
		return encode(t, &message.Message{Annotations: wire.Map{{Key: wire.Symbol(name), Value: v}},
			Body: message.Value{Value: "v"}})
	}
	for name, c := range map[string]struct {
		payload   string
		condition wire.Symbol
	}{
		"annotations that are a list":   {annotations([]byte{wire.CodeList0}), wire.ErrDecode},
		"annotations cut off":           {annotations([]byte{wire.CodeMap8, 200, 2}), wire.ErrDecode},
		"annotations with an odd count": {annotations([]byte{wire.CodeMap8, 2, 1, wire.CodeNull}), wire.ErrDecode},
		"annotations of 4 GiB": {annotations([]byte{wire.CodeMap32, 255, 255, 255, 255, 0, 0, 0, 2}),
			wire.ErrDecode},
		"annotations with a hundred levels":      {annotations(deep(100)), wire.ErrDecode},
		"a header that is a map":                 {"\x00\x53\x70\xc1\x01\x00", wire.ErrDecode},
		"octets that are no section":             {"no section", wire.ErrDecode},
		"a trace that is no list":                {key("x-opt-qd.trace", "0/A"), wire.ErrInvalidField},
		"an ingress that is no string":           {key("x-opt-qd.ingress", int32(1)), wire.ErrInvalidField},
		"a to that is no string":                 {key("x-opt-qd.to", wire.List{}), wire.ErrInvalidField},
		"a phase that is no int":                 {key("x-opt-qd.phase", "one"), wire.ErrInvalidField},
		"annotations with more than 256 keys":    {encode(t, &message.Message{Annotations: many(300)}), wire.ErrDecode},
		"annotations of more than 64 KiB":        {encode(t, &message.Message{Annotations: big(70_000)}), wire.ErrDecode},
		"a section cut off after its descriptor": {"\x00\x53\x72", wire.ErrDecode},
	} {
		for _, settled := range []bool{false, true} {
			x := p.first(0)
			x.Settled, x.HasSettled = settled, true
			for len(c.payload) > 60_000 { // frames hold 64 KiB
				part := x
				part.More = true
				p.send(transfer(part, c.payload[:60_000]))
				c.payload = c.payload[60_000:]
				x = wire.Transfer{Handle: 0}
			}
			p.send(transfer(x, c.payload))
			if !settled {
				p.wantRejected(name, p.next-1, c.condition)
			}
		}
	}
	for name, payload := range map[string]string{
		"properties that are a map": "\x00\x53\x73\xc1\x01\x00",
		"properties cut off":        "\x00\x53\x73\xc0\x50\x03",
		"a to that is a number":     "\x00\x53\x73\xc0\x05\x03\x40\x40\x52\x07",
	} {
		p.wantRejected("an anonymous sender with "+name, p.deliver(1, payload), wire.ErrDecode)
	}
	p.wantRejected("an anonymous sender without to", p.deliver(1, body("x")), wire.ErrPreconditionFailed)
	p.wantOutcome("the link goes on", p.deliver(0, body("x")), wire.StateAccepted)
	p.wantOutcome("the anonymous link goes on", p.deliver(1, encode(t, &message.Message{
		Properties: &message.Properties{To: "closest/x"}, Body: message.Value{Value: "v"}})), wire.StateAccepted)
}

// deep is a map of maps.
func deep(levels int) []byte {
	b := []byte{wire.CodeNull}
	for range levels {
		b = append(wire.AppendMapHeader(nil, len(b)+1, 1), append([]byte{wire.CodeNull}, b...)...)
	}
	return b
}

// many is a map with many keys, big one with a long value.
func many(count int) (m wire.Map) {
	for i := range count {
		m = append(m, wire.MapEntry{Key: uint64(i), Value: nil})
	}
	return m
}

func big(size int) wire.Map {
	return wire.Map{{Key: wire.Symbol("x-opt-big"), Value: make([]byte, size)}}
}
