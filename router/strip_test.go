package router

import (
	"strings"
	"testing"

	"github.com/Azure/go-amqp"
	"github.com/google/go-cmp/cmp"

	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// stripping returns routers A and B with a listener for each value of stripAnnotations, named like it.
func stripping(t testing.TB) *network {
	t.Helper()
	n := newNetwork(t)
	for i := range 2 {
		p := plan{id: letter(i), to: n.routers}
		for _, value := range []string{"in", "out", "both", "no"} {
			p.listeners += "\n  - {name: '" + value + "', host: 127.0.0.1, port: 0, stripAnnotations: '" + value + "'}"
		}
		p.listeners = strings.TrimPrefix(p.listeners, "\n")
		n.add(p)
	}
	n.converge()
	return n
}

func TestAnnotationsAreStrippedWhereTheListenersSayIt(t *testing.T) {
	t.Parallel()
	n := stripping(t)
	for _, out := range []string{"in", "out", "both", "no"} {
		for _, to := range []string{"A", "B"} {
			address := "closest/" + out + to
			r := connectWith(t, "amqp://"+n.node(to).Addr(out), nil).receiver(address, 100)
			if to == "B" {
				n.consumers("A", address, 0, 1)
			}
			for _, in := range []string{"in", "out", "both", "no"} {
				s := connectWith(t, "amqp://"+n.node("A").Addr(in), nil).sender(address, nil)
				receipt := s.begin(&amqp.Message{Value: "v", Annotations: amqp.Annotations{
					"x-opt-mine": "kept", "x-opt-qd.ingress": "0/Z", "x-opt-qd.trace": []any{"0/Z"}, "x-opt-qd.class": "old"}})
				want := amqp.Annotations{"x-opt-mine": "kept"}
				if out == "in" || out == "no" { // what goes out is kept
					trace := []any{"0/A"}
					if in == "out" || in == "no" { // what comes in is
						trace = []any{"0/Z", "0/A"}
					}
					if to == "B" {
						trace = append(trace, "0/B")
					}
					want["x-opt-qd.to"], want["x-opt-qd.ingress"], want["x-opt-qd.trace"] = address, "0/A", trace
				}
				if diff := cmp.Diff(want, r.accept().Annotations); diff != "" {
					t.Errorf("from a listener that strips %s to one that strips %s at %s (-want +got)\n%s", in, out, to, diff)
				}
				wantAccepted(t, address, s.outcome(receipt))
			}
		}
	}
}

// Whose listener does not strip what comes in may say by annotation where a message goes, as another router may.
func TestClientsWhoseAnnotationsCountMaySayWhereTheirMessagesGo(t *testing.T) {
	t.Parallel()
	n := stripping(t)
	b := connect(t, n.node("B"))
	there, named := b.receiver("closest/there", 100), b.receiver("closest/x", 100)
	n.consumers("A", "closest/there", 0, 1)
	n.consumers("A", "closest/x", 0, 1)
	for listener, r := range map[string]*receiver{"no": there, "out": there, "in": named, "both": named,
		"clients": named} {
		c := connectWith(t, "amqp://"+n.node("A").Addr(listener), nil)
		s := c.sender("", nil)
		receipt := s.begin(to("closest/x", &amqp.Message{Data: [][]byte{[]byte(listener)},
			Annotations: amqp.Annotations{"x-opt-qd.to": "closest/there"}}))
		r.got(listener)
		wantAccepted(t, listener, s.outcome(receipt))
		s = c.sender("closest/x", nil) // the link's address wins
		receipt = s.begin(&amqp.Message{Data: [][]byte{[]byte(listener)},
			Annotations: amqp.Annotations{"x-opt-qd.to": "closest/there"}})
		named.got(listener)
		wantAccepted(t, listener, s.outcome(receipt))
	}
	c := connectWith(t, "amqp://"+n.node("A").Addr("no"), nil).sender("closest/x", nil)
	wantReleased(t, "a message that says that it has been at A", c.send(&amqp.Message{Value: "x",
		Annotations: amqp.Annotations{"x-opt-qd.trace": []any{"0/A"}}}))
	wantReleased(t, "a message that says that it has been at B", c.send(&amqp.Message{Value: "x",
		Annotations: amqp.Annotations{"x-opt-qd.trace": []any{"0/B"}}}))
}

func TestUserAnnotationsAreKeptWhereverTheyStand(t *testing.T) {
	t.Parallel()
	n := chain(t, 3)
	user := func(key string) wire.MapEntry { return wire.MapEntry{Key: wire.Symbol("x-opt-" + key), Value: key} }
	router := func(key string, v any) wire.MapEntry {
		return wire.MapEntry{Key: wire.Symbol("x-opt-qd." + key), Value: v}
	}
	to, trace := router("to", "closest/elsewhere"), router("trace", wire.List{"0/Z"})
	far := rawBegin(t, n.node("C"))
	far.attachReceiver(0, "closest/x", 100)
	n.consumers("A", "closest/x", 0, 1)
	for _, id := range []string{"A", "C"} {
		near := rawBegin(t, n.node(id))
		near.attachSender(0, "closest/x")
		for name, annotations := range map[string]wire.Map{
			"before":             {user("a"), user("b"), to, trace},
			"after":              {to, trace, user("a"), user("b")},
			"between":            {to, user("a"), user("b"), trace},
			"around":             {user("a"), to, trace, user("b")},
			"alternating":        {to, user("a"), trace, user("b"), router("phase", int32(3))},
			"with obsolete keys": {router("class", "x"), user("a"), router("", int32(1)), user("b"), router("class2", true)},
		} {
			want := wire.Map{user("a"), user("b")}
			if name == "with obsolete keys" {
				want = append(want, router("class2", true)) // not one that routers know
			}
			body := message.Value{Value: name}
			sent := near.deliver(0, encode(t, &message.Message{Annotations: annotations, Body: body}))
			got := far.receive(0)
			far.settle(got.DeliveryID, wire.State{Kind: wire.StateAccepted})
			near.wantOutcome(name, sent, wire.StateAccepted)
			if diff := cmp.Diff(encode(t, &message.Message{Annotations: want, Body: body}), string(got.payload)); diff != "" {
				t.Errorf("%s, from %s (-want +got)\n%s", name, id, diff)
			}
		}
	}
}
