package router

import (
	"testing"

	"github.com/Azure/go-amqp"

	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// A message whose only consumer that it has not been at is behind where it came from waits for a minute; those behind it
// need not.
func TestWhatCanGoIsNotHeldBackByWhatCannot(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	a := n.add(plan{id: "A", router: "rerouteHoldMilliseconds: 60000"})
	b := n.add(plan{id: "B", to: n.routers})
	n.converge()
	got := make(chan struct{}, 100)
	connect(t, b).receiver("closest/x", 100).consume(func(*amqp.Message) { got <- struct{}{} })
	c := n.add(plan{id: "C", to: []*Router{b}})
	n.converge()
	connect(t, c).receiver("closest/x", 100).consume(func(*amqp.Message) { got <- struct{}{} })
	n.consumers("A", "closest/x", 0, 2)
	p := neighbor(t, a, "X")
	passed := func(trace ...any) string {
		return encode(t, &message.Message{Annotations: wire.Map{
			{Key: wire.Symbol("x-opt-qd.ingress"), Value: trace[0]},
			{Key: wire.Symbol("x-opt-qd.trace"), Value: wire.List(trace)},
		}, Properties: &message.Properties{To: "closest/x"}, Body: message.Value{Value: "v"}})
	}
	p.deliver(2, passed("0/B", "0/X"))
	holding(t, a, 1)
	for range 10 {
		p.deliver(2, passed("0/X"))
		select {
		case <-got:
		case <-within(t).Done():
			t.Fatal("a message waits behind one that cannot go")
		}
	}
}

func TestWhatWaitsAtAnExchangeGoesWhenItsConsumerComes(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	r := n.add(plan{id: "A", standalone: true, router: "rerouteHoldMilliseconds: 60000", sections: `
exchanges:
  - {name: x, address: ex}
bindings:
  - {exchangeName: x, nextHopAddress: one}
`})
	c := connect(t, r)
	first := c.receiver("one", 10)
	s := connect(t, r).sender("ex", nil)
	receipt := s.begin(about("s", "0"))
	first.accept()
	wantAccepted(t, "with a consumer", s.outcome(receipt))
	first.detach()
	n.consumers("A", "one", 0, 0)
	receipt = s.begin(about("s", "1"))
	holding(t, r, 1)
	c.receiver("one", 10).accept()
	wantAccepted(t, "when the next one comes", s.outcome(receipt))
}
