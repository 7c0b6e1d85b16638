package router

import (
	"fmt"
	"testing"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
)

// closedWindow is a network of two routers with a consumer at B that gives credit, but whose session takes no frame.
func closedWindow(t *testing.T, credit uint32) (n *network, consumer *raw) {
	t.Helper()
	n = chain(t, 2)
	consumer = rawOpen(t, n.node("B"))
	consumer.send(&wire.Begin{IncomingWindow: 0, OutgoingWindow: 1, HandleMax: 10})
	want[*wire.Begin](consumer, "begin is answered")
	consumer.send(&wire.Attach{Name: "in", Role: wire.RoleReceiver, SndSettleMode: wire.SenderMixed,
		Source: &wire.Source{Address: "closest/x", HasAddress: true}, Target: &wire.Target{}})
	consumer.attached(0)
	consumer.windowFlow(0, credit)
	n.consumers("A", "closest/x", 0, 1)
	return n, consumer
}

// windowFlow tells the session's window and the credit of the receiver that has the handle 0.
func (p *raw) windowFlow(window, credit uint32) {
	p.send(&wire.Flow{IncomingWindow: window, OutgoingWindow: 1, HasHandle: true, HasDeliveryCount: true,
		LinkCredit: credit, HasLinkCredit: true, HasNextIncomingID: true})
}

// TestMessageThatWaitsForAConsumersWindowIsReleasedWhenItGoes has a message for a consumer that has given credit: no
// octet of it was offered.
func TestMessageThatWaitsForAConsumersWindowIsReleasedWhenItGoes(t *testing.T) {
	t.Parallel()
	n, consumer := closedWindow(t, 1)
	s := connect(t, n.node("A")).sender("closest/x", nil)
	receipt := s.begin(text("1"))
	n.queued("B", "closest/x", 1)
	consumer.send(&wire.Detach{Handle: 0, Closed: true})
	wantReleased(t, "what no frame was sent of", s.outcome(receipt))
}

// TestCreditThatIsTakenBackWhileTheWindowIsClosedIsNotUsed takes the credit back while a message waits for the window
// alone, and opens the window then.
func TestCreditThatIsTakenBackWhileTheWindowIsClosedIsNotUsed(t *testing.T) {
	t.Parallel()
	n, consumer := closedWindow(t, 1)
	s := connect(t, n.node("A")).sender("closest/x", nil)
	receipt := s.begin(text("1"))
	n.queued("B", "closest/x", 1)
	consumer.windowFlow(100, 0)
	consumer.sync()
	for _, x := range consumer.queue {
		if f, ok := x.(frame); ok {
			if _, ok := f.Body.(*wire.Transfer); ok {
				t.Errorf("without credit, %+v came", f.Body)
			}
		}
	}
	consumer.windowFlow(100, 1)
	consumer.settle(consumer.receive(0).DeliveryID, forwarding.Accepted)
	wantAccepted(t, "what came when there was credit again", s.outcome(receipt))
}

// queued waits until messages wait on a router for the consumers of an address.
func (n *network) queued(id, text string, count uint64) {
	n.t.Helper()
	r := n.node(id)
	eventually(n.t, "messages wait for "+text, func() error {
		var sum uint64
		for row := range r.view.Links() {
			if row.Outgoing && row.OwningAddr == "M0"+text {
				sum += row.UndeliveredCount
			}
		}
		if sum != count {
			return fmt.Errorf("%d do, not %d", sum, count)
		}
		return nil
	})
}
