package router

import (
	"strings"
	"testing"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// bounded returns a chain of routers whose clients' messages have at most 300,000 octets.
func bounded(t *testing.T, count int) *network {
	t.Helper()
	n := newNetwork(t)
	for i := range count {
		p := plan{id: letter(i), listeners: "  - {name: bounded, host: 127.0.0.1, port: 0, maxMessageSize: 300000}"}
		if i > 0 {
			p.to = n.routers[i-1:]
		}
		n.add(p)
	}
	n.converge()
	return n
}

func TestAMessageThatIsTooLargeIsRejectedAndItsLinkDetached(t *testing.T) {
	t.Parallel()
	for _, count := range []int{1, 3} {
		n := bounded(t, count)
		out := n.routers[count-1]
		consumer := rawBegin(t, out)
		consumer.attachReceiver(0, "closest/x", 10)
		n.consumers("A", "closest/x", 1-min(count-1, 1), min(count-1, 1))
		p := rawTo(t, n.node("A").Addr("bounded"))
		p.send(wire.HeaderAMQP, &wire.Open{ContainerID: "raw", MaxFrameSize: 64 << 10})
		want[*wire.Open](p, "open is answered")
		p.begin(0)
		for handle := uint32(0); handle < 2; handle++ {
			p.attachSender(handle, "closest/x")
		}
		x := p.first(0)
		x.More = true
		p.send(transfer(x, body("%s", strings.Repeat("x", 50_000))))
		for range 4 { // it is forwarded before it is too large
			p.send(transfer(wire.Transfer{Handle: 0, More: true}, strings.Repeat("x", 50_000)))
		}
		want(consumer, "its beginning arrives", func(x *wire.Transfer) bool { return x.More })
		p.send(transfer(wire.Transfer{Handle: 0, More: true}, strings.Repeat("x", 50_000)))
		p.send(transfer(wire.Transfer{Handle: 0}, strings.Repeat("x", 50_000)))
		p.wantRejected("as soon as the limit is crossed", x.DeliveryID, wire.ErrMessageSizeExceeded)
		p.wantDetach("the link ends", 0, wire.ErrMessageSizeExceeded)
		if got := consumer.receive(0); !got.aborted {
			t.Errorf("%d octets arrive as if they were whole", len(got.payload))
		}
		id := p.deliver(1, body("x"))
		got := consumer.receive(0)
		consumer.settle(got.DeliveryID, wire.State{Kind: wire.StateAccepted})
		p.wantOutcome("the connection and its other links live", id, wire.StateAccepted)
	}
}

func TestTheLargestMessageIsAnnouncedAndPasses(t *testing.T) {
	t.Parallel()
	n := bounded(t, 1)
	c := connectWith(t, "amqp://"+n.node("A").Addr("bounded"), nil)
	r := c.receiver("closest/x", 1)
	s := c.sender("closest/x", nil)
	if got := s.link.MaxMessageSize(); got != 300_000 {
		t.Errorf("the largest message is announced as %d", got)
	}
	receipt := s.begin(numbered(7, 300_000-20))
	if got := numberOf(r.accept()); got != 7 {
		t.Errorf("number %d arrives", got)
	}
	wantAccepted(t, "the largest", s.outcome(receipt))
}
