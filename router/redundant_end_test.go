package router

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/conn"
	"github.com/postroad/postroad/router/forwarding"
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
			State: forwarding.RejectedWith("x:y", "no")})
		want(q, "the rest is not sent", func(x *wire.Transfer) bool { return x.Aborted })
		for range 40 {
			p.send(transfer(wire.Transfer{Handle: 1, More: true}, part))
		}
		p.send(transfer(wire.Transfer{Handle: 1}, "end"))
		p.wantOutcome("it is rejected", x.DeliveryID, wire.StateRejected)
	}
	eventually(t, "nothing is left", func() error {
		for _, r := range []*Router{a, b, c, d} {
			if u := r.underway(); u.Sent+u.Handed+u.Offered != 0 {
				return fmt.Errorf("%s: %d are sent, %d handed over, %d offered", r.ID(), u.Sent, u.Handed, u.Offered)
			}
		}
		return nil
	})
}

// copied returns a first copy of a message and one that follows it, each as the only delivery of a connection.
func copied(r *Router) (first, second *forwarding.Delivery) {
	c := forwarding.NewEndpoint(&forwarding.Endpoint{Plane: r.plane, Terms: new(forwarding.Terms), Driver: &conn.Conn{}})
	d := forwarding.NewEndpoint(&forwarding.Endpoint{Plane: r.plane, Terms: new(forwarding.Terms), Driver: &conn.Conn{}})
	first, second = c.NewDelivery(), d.NewDelivery()
	for _, x := range []*forwarding.Delivery{first, second} {
		x.Link = &forwarding.Link{End: x.Origin, Kind: forwarding.LinkData}
		x.Transit, x.Wanted, x.Stage, x.Arrival = true, true, forwarding.StageRouted, forwarding.Arrived
		r.plane.Pairs.Meet(forwarding.CopyKey{Ingress: "0/A", Number: 7}, x, nil)
	}
	return first, second
}

// TestACopyThatIsOverHearsOfNoOutcome has the sender of the second copy abort it while it is being told the outcome.
func TestACopyThatIsOverHearsOfNoOutcome(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} {
		r := &Router{plane: forwarding.NewPlane("A", time.Now())}
		first, second := copied(r)
		first.Origin.CopyEnded(first, forwarding.Accepted, lost)
		n := second.Origin.Inbox.Close()
		if len(n) != 1 || n[0].Kind != forwarding.NoteFollow {
			t.Fatalf("the second copy is told %+v", n)
		}
		second.Stage, second.Arrival = forwarding.StageOver, forwarding.Aborted // as finished does it
		second.Drop(true)
		second.Origin.Take(&n[0])
		if got := second.Refs.Load(); got != 0 {
			t.Errorf("lost %v: %d references are left", lost, got)
		}
		if len(r.plane.Pairs.Records) != 0 {
			t.Errorf("lost %v: %d records are left", lost, len(r.plane.Pairs.Records))
		}
	}
}

// TestTheSecondCopyTakesThePlaceOfOneThatNobodyCanTryOnceMore gives back a queued copy whose link has ended.
func TestTheSecondCopyTakesThePlaceOfOneThatNobodyCanTryOnceMore(t *testing.T) {
	t.Parallel()
	r := &Router{plane: forwarding.NewPlane("A", time.Now())}
	first, second := copied(r)
	c := first.Origin
	b := first.NewBranch(&forwarding.Link{End: c, Kind: forwarding.LinkEndpoint}, nil, nil)
	first.Anycast, first.Link = true, nil // as abandon does it
	c.Returned(b)
	n := second.Origin.Inbox.Close()
	if len(n) != 1 || n[0].Kind != forwarding.NoteFollow || !n[0].On {
		t.Errorf("the second copy is told %+v", n)
	}
}

// TestARecalledCopyIsNotKeptForAnybody gives back a copy of a message that is still arriving and has its outcome.
func TestARecalledCopyIsNotKeptForAnybody(t *testing.T) {
	t.Parallel()
	c := forwarding.NewEndpoint(&forwarding.Endpoint{Plane: forwarding.NewPlane("A", time.Now()), Terms: new(forwarding.Terms), Driver: &conn.Conn{}})
	d := c.NewDelivery()
	d.Content.Share(1, 10)
	b := d.NewBranch(&forwarding.Link{End: c, Kind: forwarding.LinkData}, nil, nil)
	b.Over = true // as recall does it
	c.Returned(b)
	if d.Content.Append(buf.Slice{B: make([]byte, 20)}) {
		t.Error("what comes is kept")
	}
}

// TestARedundantMessageOfLongAgoDoesNotComeAgain brings a copy whose record and number have been forgotten.
func TestARedundantMessageOfLongAgoDoesNotComeAgain(t *testing.T) {
	t.Parallel()
	var table forwarding.CopyTable
	p := &route.Router{}
	for _, n := range []uint64{1, 2 + 1<<15} {
		r, _ := table.Meet(forwarding.CopyKey{Ingress: "0/A", Number: n}, &forwarding.Delivery{}, p)
		table.End(r, forwarding.Accepted, false)
	}
	clear(table.Records) // as other messages do it
	if r, state := table.Meet(forwarding.CopyKey{Ingress: "0/A", Number: 1}, &forwarding.Delivery{}, p); r != nil || state.Kind != forwarding.InDoubt.Kind {
		t.Errorf("it is delivered, or has the outcome %v", state)
	}
}

// TestNoLongNamesAreRememberedOfCopies: a neighbor may say anything of where a copy has come from.
func TestNoLongNamesAreRememberedOfCopies(t *testing.T) {
	t.Parallel()
	for length, records := range map[int]int{forwarding.LongestNode: 1, forwarding.LongestNode + 1: 0, 60_000: 0} {
		r := &Router{plane: forwarding.NewPlane("A", time.Now())}
		c := forwarding.NewEndpoint(&forwarding.Endpoint{Plane: r.plane, Terms: new(forwarding.Terms), Driver: &conn.Conn{}})
		d := c.NewDelivery()
		d.Link = &forwarding.Link{End: c, Kind: forwarding.LinkData}
		d.Stage, d.Arrival = forwarding.StageOver, forwarding.Arrived
		c.ForwardCopy(d, nil, &message.Envelope{
			RouterAnnotations: message.RouterAnnotations{Ingress: make([]byte, length), Number: 1}})
		if got := len(r.plane.Pairs.Records); got != records {
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
			if u := r.underway(); u.Clients+u.Offered != 0 {
				return fmt.Errorf("%s: %d clients, %d are offered", r.ID(), u.Clients, u.Offered)
			}
		}
		return nil
	})
	eventually(t, "the last router keeps little", func() error {
		size, count := 0, 0
		for _, c := range d.endpoints() {
			c.Mu.Lock()
			for _, l := range c.Links {
				for b := firstOf(l); b != nil; b = b.Next {
					size, count = size+b.Size, count+1
				}
			}
			c.Mu.Unlock()
		}
		d.plane.Pairs.Mu.Lock()
		followers := 0
		for _, r := range d.plane.Pairs.Records {
			if r.Follower != nil {
				followers++
			}
		}
		d.plane.Pairs.Mu.Unlock()
		if size > forwarding.TransitLimit || followers > count || count == 0 {
			return fmt.Errorf("%d messages of %d octets, and %d second copies", count, size, followers)
		}
		return nil
	})
}

// first is what stands first in the queue of a link for a consumer.
func firstOf(l *forwarding.Link) *forwarding.Branch {
	if l == nil || !l.Outgoing || l.Kind != forwarding.LinkEndpoint {
		return nil
	}
	return l.Head
}
