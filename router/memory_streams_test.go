package router

import (
	"slices"
	"strings"
	"testing"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
)

// large sends a message with a body of some octets, in frames of at most 60,000, and returns its delivery-id.
func (p *raw) large(handle uint32, octets int) uint32 {
	x := p.first(handle)
	id, rest := x.DeliveryID, body("%s", strings.Repeat("x", octets))
	for len(rest) > 0 {
		n := min(len(rest), 60_000)
		x.More = n < len(rest)
		p.send(transfer(x, rest[:n]))
		rest, x = rest[n:], wire.Transfer{Handle: handle}
	}
	return id
}

func TestAStreamDoesNotWaitBehindWhatASenderThatIsGoneHasLeft(t *testing.T) {
	t.Parallel()
	n := chain(t, 2)
	slow := rawOpen(t, n.node("B"))
	slow.send(&wire.Begin{IncomingWindow: 0, OutgoingWindow: 1, HandleMax: 10})
	want[*wire.Begin](slow, "begin is answered")
	slow.attachReceiver(0, "closest/slow", 0)
	slow.send(&wire.Flow{HasNextIncomingID: true, IncomingWindow: 0, OutgoingWindow: 1, HasHandle: true,
		HasDeliveryCount: true, LinkCredit: 250, HasLinkCredit: true})
	n.consumers("A", "closest/slow", 0, 1)
	gone := rawBegin(t, n.node("A"))
	gone.attachSender(0, "closest/slow")
	gone.large(0, 2*forwarding.StreamWindow)
	gone.sync()
	gone.send(&wire.Detach{Handle: 0, Closed: true})
	want[*wire.Detach](gone, "detach is answered")

	connect(t, n.node("B")).receiver("closest/fast", 100).consume(nil)
	n.consumers("A", "closest/fast", 0, 1)
	p := rawBegin(t, n.node("A"))
	p.attachSender(0, "closest/fast")
	p.wantOutcome("another stream to another consumer", p.large(0, 2*forwarding.StreamFrom), wire.StateAccepted)
}

func TestAtMostSoManyStreamsAreStuckAndTheOldestIsGivenUp(t *testing.T) {
	t.Parallel()
	var p forwarding.StreamPool
	idle := &forwarding.Link{}
	p.Put(idle)
	var stuck []*forwarding.Link
	for i := range forwarding.MaxStuckStreams + 3 {
		l := &forwarding.Link{}
		l.Outstanding.Store(1)
		stuck = append(stuck, l)
		surplus := p.Put(l)
		switch {
		case i < forwarding.MaxStuckStreams && surplus != nil:
			t.Fatalf("%d streams are too many", i+1)
		case i >= forwarding.MaxStuckStreams && surplus != stuck[i-forwarding.MaxStuckStreams]:
			t.Fatalf("the stuck streams are %d, and not the oldest is given up", i+1)
		}
	}
	if got := p.Get(); got != idle {
		t.Error("the idle one is not found among the stuck ones")
	}
	if got := p.Get(); got != nil {
		t.Errorf("stuck stream %d is given to somebody", slices.Index(stuck, got))
	}
	last := stuck[len(stuck)-1]
	last.Outstanding.Store(0)
	if got := p.Get(); got != last {
		t.Error("one that is not stuck any more is not found")
	}
	if n := len(p.Links); n != forwarding.MaxStuckStreams-1 {
		t.Errorf("%d links are kept", n)
	}
}

func TestMoreThanEnoughIdleStreamsAreGivenUp(t *testing.T) {
	t.Parallel()
	var p forwarding.StreamPool
	for i := range forwarding.MaxIdleStreams {
		if p.Put(&forwarding.Link{}) != nil {
			t.Fatalf("%d are too many", i+1)
		}
	}
	if l := new(forwarding.Link); p.Put(l) != l {
		t.Error("one more than enough is kept")
	}
}
