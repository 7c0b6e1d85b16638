package router

import (
	"fmt"
	"strings"
	"testing"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
)

// begun sends the first half of a message long enough to be streamed, and returns its transfer.
func (p *raw) begun(handle uint32) wire.Transfer {
	x := p.first(handle)
	x.More = true
	half := body("%s", strings.Repeat("x", 2*forwarding.StreamFrom))[:forwarding.StreamFrom+forwarding.StreamFrom/2]
	for _, part := range []string{half[:50_000], half[50_000:100_000], half[100_000:150_000], half[150_000:]} {
		p.send(transfer(x, part))
		x.HasDeliveryID, x.DeliveryTag, x.HasMessageFormat = false, nil, false
	}
	return x
}

// askDrain asks for a drain on the receiver with the handle 0, of which count deliveries have come.
func (p *raw) askDrain(window, count, credit uint32) {
	p.send(&wire.Flow{IncomingWindow: window, OutgoingWindow: 1, HasHandle: true, DeliveryCount: count,
		HasDeliveryCount: true, LinkCredit: credit, HasLinkCredit: true, Drain: true})
}

func (p *raw) wantDrained() {
	p.t.Helper()
	p.creditOf(0, "the drain is answered [2.6.7]", func(x *wire.Flow) bool { return x.Drain && x.LinkCredit == 0 })
}

// TestDrainIsAnsweredWhenTheDeliveryBeforeItIsSettledEarly has a consumer that settles a message before it has all of it:
// nothing else is there that would use the credit.
func TestDrainIsAnsweredWhenTheDeliveryBeforeItIsSettledEarly(t *testing.T) {
	t.Parallel()
	n := alone(t)
	consumer, p := rawBegin(t, n.node("A")), rawBegin(t, n.node("A"))
	consumer.attachReceiver(0, "closest/x", 10)
	p.attachSender(0, "closest/x")
	p.begun(0)
	x := want[*wire.Transfer](consumer, "the first frame comes")
	consumer.askDrain(1<<20, 1, 9)
	consumer.sync()
	consumer.settle(x.DeliveryID, forwarding.Accepted)
	consumer.wantDrained()
}

// TestDrainIsAnsweredWhenTheMessageThatWaitedForTheWindowIsAborted has a message that could not be begun before its
// sender gave it up.
func TestDrainIsAnsweredWhenTheMessageThatWaitedForTheWindowIsAborted(t *testing.T) {
	t.Parallel()
	n, consumer := closedWindow(t, 1)
	p := rawBegin(t, n.node("B"))
	p.attachSender(0, "closest/x")
	x := p.begun(0)
	n.queued("B", "closest/x", 1)
	consumer.askDrain(0, 0, 1)
	consumer.sync()
	x.Aborted, x.More = true, false
	p.send(transfer(x, ""))
	consumer.wantDrained()
}

// TestSettledMessagesWhoseSenderAndConsumerAreGoneAreCountedAsDropped has messages that wait for credit, and then nobody
// who could be told of them.
func TestSettledMessagesWhoseSenderAndConsumerAreGoneAreCountedAsDropped(t *testing.T) {
	t.Parallel()
	n := alone(t)
	r := n.node("A")
	consumer, p := rawBegin(t, r), rawBegin(t, r)
	consumer.attachReceiver(0, "closest/x", 0)
	p.attachSender(0, "closest/x")
	for i := range 3 {
		x := p.first(0)
		x.Settled, x.HasSettled = true, true
		p.send(transfer(x, body("%d", i)))
	}
	n.queued("A", "closest/x", 3)
	p.nc.Close()
	eventually(t, "the sender is gone", func() error {
		if n := len(r.host.Conns()); n != 1 {
			return fmt.Errorf("%d connections", n)
		}
		return nil
	})
	consumer.send(&wire.Detach{Handle: 0, Closed: true})
	want[*wire.Detach](consumer, "the detach is answered")
	eventually(t, "they are counted", func() error {
		if n := r.view.Sum(false).Totals.Dropped(); n != 3 {
			return fmt.Errorf("%d are counted as dropped", n)
		}
		return nil
	})
}

// TestMessageForAStreamingLinkThatWasNeverOpenedComesBack hands a connection that ends a message for a streaming link
// before it is told to open that: its notes are not taken in their order when it cannot be written to, or has ended.
func TestMessageForAStreamingLinkThatWasNeverOpenedComesBack(t *testing.T) {
	t.Parallel()
	for name, ended := range map[string]bool{"before the end": false, "after the end": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBenchRoute(t, 10, false)
			s := b.rx.NewStream()
			b.tx.Mu.Lock()
			d := b.tx.NewDelivery()
			d.Arrival = forwarding.Arrived
			late := d.NewBranch(s, nil, nil)
			s.Outstanding.Add(1)
			b.tx.Mu.Unlock()
			take := func(n forwarding.Note) {
				b.rx.Mu.Lock()
				defer b.rx.Mu.Unlock()
				b.rx.Take(&n)
			}
			if ended {
				driverOf(b.rx).End(nil)
			}
			take(forwarding.Note{Kind: forwarding.NoteDeliver, Branch: late})
			if !ended {
				driverOf(b.rx).End(nil)
			}
			take(forwarding.Note{Kind: forwarding.NoteOpenStream, Link: s})
			notes := b.tx.Inbox.Swap(nil)
			if len(notes) != 1 || notes[0].Kind != forwarding.NoteReturned || notes[0].Branch != late {
				t.Fatalf("the sender's connection is told %+v, not that the message comes back", notes)
			}
			b.tx.Mu.Lock()
			b.tx.Take(&notes[0])
			b.tx.Mu.Unlock()
		})
	}
}
