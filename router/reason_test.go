package router

import (
	"testing"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/route"
)

// passedOn is a message from another router that has passed some.
func passedOn(c *forwarding.Endpoint, a *route.Address, trace ...any) *forwarding.Delivery {
	d := idleDelivery(c, &message.Message{Annotations: wire.Map{
		{Key: wire.Symbol("x-opt-qd.ingress"), Value: trace[0]}, {Key: wire.Symbol("x-opt-qd.trace"), Value: wire.List(trace)},
	}, Body: message.Data{[]byte("x")}})
	d.Link.Kind, d.Transit, d.Link.Address = forwarding.LinkData, true, a
	return d
}

// A message whose consumer cannot be reached waits; those behind it that have one need not.
func TestWhatCanGoIsNotHeldBackByWhatCannot(t *testing.T) {
	t.Parallel()
	r := idleRouter(t)
	r.plane.Hold = time.Minute
	c := newBenchConn(t, r)
	c.BeginTurn(r.plane.Began.Add(time.Hour))
	b, near := idleNeighbor(r, "B", 1)
	_, far := idleNeighbor(r, "C", 1)
	far.Router.Hop.Store(nil)
	x := &route.Address{Class: addressing.ClassMobile, Text: "x", Priority: -1}
	x.Routes.Store(&route.Routes{Distribution: addressing.DistributionClosest, Remote: []*route.Remote{near, far}})
	c.Route(passedOn(c, x, "0/B", "0/X"), true)
	if c.Waits.Count != 1 {
		t.Fatalf("%d wait, want 1", c.Waits.Count)
	}
	for range 10 {
		c.Route(passedOn(c, x, "0/X"), true)
		if got := len(liveDeliveries(b)); got != 1 || c.Waits.Count != 1 {
			t.Fatalf("a message waits behind one that cannot go: %d go, %d wait", got, c.Waits.Count)
		}
	}
}

// No message goes back to a router that it has passed. Waiting is for what may change.
func TestWhatHasPassedAllConsumersIsReleasedAtOnce(t *testing.T) {
	t.Parallel()
	for _, step := range []struct {
		what  string
		to    func(m *route.Remote, b *forwarding.Endpoint) // makes the way to the consumer
		trace []any
		waits int
	}{
		{"the consumer's router is not reachable", func(m *route.Remote, _ *forwarding.Endpoint) { m.Router.Hop.Store(nil) }, []any{"0/B"}, 1},
		{"it was passed", func(*route.Remote, *forwarding.Endpoint) {}, []any{"0/B", "0/C"}, 0},
		{"the way there leads through one that was passed: a better one may become known",
			func(m *route.Remote, b *forwarding.Endpoint) {
				m.Router.Hop.Store(&route.Hop{Next: b.Face(), Cost: 2, Hops: 2})
			}, []any{"0/B"}, 1},
		{"the connection to it has just gone", func(m *route.Remote, _ *forwarding.Endpoint) { m.Router.Hop.Load().Next.Gone.Store(true) },
			[]any{"0/B"}, 1},
	} {
		t.Run(step.what, func(t *testing.T) {
			t.Parallel()
			r := idleRouter(t)
			r.plane.Hold = time.Minute
			c := newBenchConn(t, r)
			c.BeginTurn(r.plane.Began.Add(time.Hour))
			b, _ := idleNeighbor(r, "B", 1)
			_, m := idleNeighbor(r, "C", 1)
			step.to(m, b)
			x := &route.Address{Class: addressing.ClassMobile, Text: "x", Priority: -1}
			x.Routes.Store(&route.Routes{Distribution: addressing.DistributionClosest, Remote: []*route.Remote{m}})
			c.Route(passedOn(c, x, step.trace...), true)
			if c.Waits.Count != step.waits {
				t.Errorf("%d wait, want %d", c.Waits.Count, step.waits)
			}
		})
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
