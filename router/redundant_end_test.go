package router

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/route"
)

// TestAConsumerMayEndARedundantMessageBeforeItHasAllOfIt rejects messages in their middle. Both copies of each end, so that
// nothing is left on the streams that they went over.
func TestAConsumerMayEndARedundantMessageBeforeItHasAllOfIt(t *testing.T) {
	t.Parallel()
	n, a, b, c, d := diamond(t, "")
	q := rawBegin(t, d)
	q.attachReceiver(0, "twice/x", 100)
	n.consumers("A", "twice/x", 0, 1)
	part := strings.Repeat("x", 50_000)
	for range 10 {
		p := rawBegin(t, a)
		p.attachSender(1, "twice/x")
		x := p.first(1)
		x.More = true
		p.send(transfer(x, body("begun")+part))
		for range 5 {
			p.send(transfer(wire.Transfer{Handle: 1, More: true}, part))
		}
		begun := want(q, "the beginning", func(x *wire.Transfer) bool { return x.HasDeliveryID })
		q.send(&wire.Disposition{Role: wire.RoleReceiver, First: begun.DeliveryID, Last: begun.DeliveryID, Settled: true,
			State: rejectedWith("x:y", "no")})
		want(q, "the rest is not sent", func(x *wire.Transfer) bool { return x.Aborted })
		for range 40 {
			p.send(transfer(wire.Transfer{Handle: 1, More: true}, part))
		}
		p.send(transfer(wire.Transfer{Handle: 1}, "end"))
		p.wantOutcome("it is rejected", x.DeliveryID, wire.StateRejected)
	}
	eventually(t, "nothing is left", func() error {
		for _, r := range []*Router{a, b, c, d} {
			if u := r.underway(); u.sent+u.handed+u.offered != 0 {
				return fmt.Errorf("%s: %d are sent, %d handed over, %d offered", r.ID(), u.sent, u.handed, u.offered)
			}
		}
		return nil
	})
}

// copied returns a first copy of a message and one that follows it, each as the only delivery of a connection.
func copied(r *Router) (first, second *delivery) {
	c := newEndpoint(&Endpoint{plane: r.plane, terms: new(terms), driver: &conn{}})
	d := newEndpoint(&Endpoint{plane: r.plane, terms: new(terms), driver: &conn{}})
	first, second = c.newDelivery(), d.newDelivery()
	for _, x := range []*delivery{first, second} {
		x.link = &link{conn: x.origin, kind: linkData}
		x.transit, x.wanted, x.forwarded, x.arrived = true, true, true, true
		r.plane.pairs.meet(copyKey{ingress: "0/A", number: 7}, x, nil)
	}
	return first, second
}

// TestACopyThatIsOverHearsOfNoOutcome has the sender of the second copy abort it while it is being told the outcome.
func TestACopyThatIsOverHearsOfNoOutcome(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} {
		r := &Router{plane: newPlane("A", time.Now())}
		first, second := copied(r)
		first.origin.copyEnded(first, accepted, lost)
		n := second.origin.inbox.close()
		if len(n) != 1 || n[0].kind != noteFollow {
			t.Fatalf("the second copy is told %+v", n)
		}
		second.counted, second.aborted = true, true // as finished does it
		second.drop(true)
		second.origin.take(&n[0])
		if got := second.refs.Load(); got != 0 {
			t.Errorf("lost %v: %d references are left", lost, got)
		}
		if len(r.plane.pairs.records) != 0 {
			t.Errorf("lost %v: %d records are left", lost, len(r.plane.pairs.records))
		}
	}
}

// TestTheSecondCopyTakesThePlaceOfOneThatNobodyCanTryOnceMore gives back a queued copy whose link has ended.
func TestTheSecondCopyTakesThePlaceOfOneThatNobodyCanTryOnceMore(t *testing.T) {
	t.Parallel()
	r := &Router{plane: newPlane("A", time.Now())}
	first, second := copied(r)
	c := first.origin
	b := first.newBranch(&link{conn: c, kind: linkEndpoint}, nil, nil)
	first.anycast, first.link = true, nil // as abandon does it
	c.returned(b)
	n := second.origin.inbox.close()
	if len(n) != 1 || n[0].kind != noteFollow || !n[0].on {
		t.Errorf("the second copy is told %+v", n)
	}
}

// TestARecalledCopyIsNotKeptForAnybody gives back a copy of a message that is still arriving and has its outcome.
func TestARecalledCopyIsNotKeptForAnybody(t *testing.T) {
	t.Parallel()
	c := newEndpoint(&Endpoint{plane: newPlane("A", time.Now()), terms: new(terms), driver: &conn{}})
	d := c.newDelivery()
	d.content.Share(1, 10)
	b := d.newBranch(&link{conn: c, kind: linkData}, nil, nil)
	b.over = true // as recall does it
	c.returned(b)
	if d.content.Append(buf.Slice{B: make([]byte, 20)}) {
		t.Error("what comes is kept")
	}
}

// TestARedundantMessageOfLongAgoDoesNotComeAgain brings a copy whose record and number have been forgotten.
func TestARedundantMessageOfLongAgoDoesNotComeAgain(t *testing.T) {
	t.Parallel()
	var table copyTable
	p := &route.Router{}
	for _, n := range []uint64{1, 2 + 1<<15} {
		r, _ := table.meet(copyKey{ingress: "0/A", number: n}, &delivery{}, p)
		table.end(r, accepted, false)
	}
	clear(table.records) // as other messages do it
	if r, state := table.meet(copyKey{ingress: "0/A", number: 1}, &delivery{}, p); r != nil || state.Kind != inDoubt.Kind {
		t.Errorf("it is delivered, or has the outcome %v", state)
	}
}

// TestNoLongNamesAreRememberedOfCopies: a neighbor may say anything of where a copy has come from.
func TestNoLongNamesAreRememberedOfCopies(t *testing.T) {
	t.Parallel()
	for length, records := range map[int]int{longestNode: 1, longestNode + 1: 0, 60_000: 0} {
		r := &Router{plane: newPlane("A", time.Now())}
		c := newEndpoint(&Endpoint{plane: r.plane, terms: new(terms), driver: &conn{}})
		d := c.newDelivery()
		d.link = &link{conn: c, kind: linkData}
		d.forwarded, d.arrived, d.counted = true, true, true
		c.forwardCopy(d, nil, &message.Envelope{Ingress: make([]byte, length), Number: 1})
		if got := len(r.plane.pairs.records); got != records {
			t.Errorf("of a name of %d octets there are %d records", length, got)
		}
	}
}

// TestRedundantMessagesWhoseSendersAreGoneTakeALimitedAmountOfMemory has many clients send to a consumer that takes nothing,
// and leave.
func TestRedundantMessagesWhoseSendersAreGoneTakeALimitedAmountOfMemory(t *testing.T) {
	t.Parallel()
	n, a, b, c, d := diamond(t, "")
	q := rawBegin(t, d)
	q.attachReceiver(0, "twice/x", 0)
	n.consumers("A", "twice/x", 0, 1)
	content := body("%s", strings.Repeat("x", 60_000))
	const clients, each = 50, 10 // 30 MB
	for range clients {
		p := rawBegin(t, a)
		p.attachSender(1, "twice/x")
		for range each {
			p.deliver(1, content)
		}
		p.sync()
		p.nc.Close()
	}
	eventually(t, "the routers before it have nothing left", func() error {
		for _, r := range []*Router{a, b, c} {
			if u := r.underway(); u.clients+u.offered != 0 {
				return fmt.Errorf("%s: %d clients, %d are offered", r.ID(), u.clients, u.offered)
			}
		}
		return nil
	})
	eventually(t, "the last router keeps little", func() error {
		size, count := 0, 0
		for _, c := range d.endpoints() {
			c.mu.Lock()
			for _, l := range c.links {
				for b := firstOf(l); b != nil; b = b.next {
					size, count = size+b.size, count+1
				}
			}
			c.mu.Unlock()
		}
		d.plane.pairs.mu.Lock()
		followers := 0
		for _, r := range d.plane.pairs.records {
			if r.follower != nil {
				followers++
			}
		}
		d.plane.pairs.mu.Unlock()
		if size > transitLimit || followers > count || count == 0 {
			return fmt.Errorf("%d messages of %d octets, and %d second copies", count, size, followers)
		}
		return nil
	})
}

// first is what stands first in the queue of a link for a consumer.
func firstOf(l *link) *branch {
	if l == nil || !l.outgoing || l.kind != linkEndpoint {
		return nil
	}
	return l.head
}
