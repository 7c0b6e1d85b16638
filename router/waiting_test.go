package router

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/conn"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/route"
)

// TestAStreamThatIsHeldAndSettledOnTheWayIsDroppedWhole has the beginning of a message wait for a consumer, here or
// behind another router, when its sender settles it, by a disposition or with a later frame: nobody gets a part of it, it
// is counted, and what is sent after it arrives.
func TestAStreamThatIsHeldAndSettledOnTheWayIsDroppedWhole(t *testing.T) {
	t.Parallel()
	for _, behind := range []bool{false, true} {
		for _, by := range []string{"a disposition", "a later frame", "the last frame"} {
			t.Run(fmt.Sprintf("by %s, behind a router %v", by, behind), func(t *testing.T) {
				t.Parallel()
				n := newNetwork(t)
				a := n.add(plan{id: "A", router: "rerouteHoldMilliseconds: 60000", standalone: !behind})
				b := a
				if behind {
					b = n.add(plan{id: "B", to: []*Router{a}})
					n.converge()
				}
				here, there := 1, 0
				if behind {
					here, there = 0, 1
				}
				c := connect(t, b)
				first := c.receiver("closest/x", 1)
				n.consumers("A", "closest/x", here, there)
				p := rawBegin(t, a)
				p.attachSender(1, "closest/x")
				first.detach()
				n.consumers("A", "closest/x", 0, 0)

				x := p.first(1)
				x.More = true
				part := strings.Repeat("x", 50_000)
				p.send(transfer(x, body("begun")+part))
				for range 3 {
					p.send(transfer(wire.Transfer{Handle: 1, More: true}, part))
				}
				holding(t, a, 1)
				late := wire.Transfer{Handle: 1, More: true}
				last := wire.Transfer{Handle: 1}
				switch by {
				case "a disposition":
					p.send(&wire.Disposition{Role: wire.RoleSender, First: x.DeliveryID, Last: x.DeliveryID, Settled: true})
				case "a later frame":
					late.Settled, late.HasSettled = true, true
				default:
					last.Settled, last.HasSettled = true, true
				}
				p.send(transfer(late, part))
				p.sync()
				if by != "the last frame" {
					holding(t, a, 0)
				}
				p.send(transfer(last, "end"))
				holding(t, a, 0)
				next := p.deliver(1, body("next"))
				holding(t, a, 1)
				if got := string(c.receiver("closest/x", 10).accept().GetData()); got != "next" {
					t.Errorf("%d octets arrive, not the next message", len(got))
				}
				p.wantOutcome("the next message", next, wire.StateAccepted)
				if dropped := a.view.Sum(false).Totals.Dropped(); dropped != 1 {
					t.Errorf("%d are counted as dropped, want 1", dropped)
				}
				if panics := a.plane.Panics.Load(); panics != 0 {
					t.Errorf("%d panics", panics)
				}
			})
		}
	}
}

// TestWhatWaitsForOneAddressIsNotTouchedWhenAnotherGetsAConsumer holds messages for two addresses and one that is not
// known.
func TestWhatWaitsForOneAddressIsNotTouchedWhenAnotherGetsAConsumer(t *testing.T) {
	t.Parallel()
	r, c, ex, why := waitingConn(t, 100)
	other, know := c.Waits.Lists[why], c.Waits.Lists[ex]
	m := (&forwarding.Link{End: idleConn(r), Outgoing: true, ID: -1}).Own()
	ex.Routes.Store(&route.Routes{Distribution: addressing.DistributionClosest, Local: []*route.Consumer{m.Face()}})
	var w forwarding.Wakes
	r.plane.Holders.Wake(ex, &w)
	for _, n := range c.Inbox.Swap(nil) {
		c.Take(&n)
	}
	if got := len(liveDeliveries(m.End)); got != 100 {
		t.Errorf("the consumer is given %d, want 100", got)
	}
	if c.Waits.Lists[ex] != nil || know.First != nil {
		t.Error("some wait on")
	}
	if c.Waits.Lists[why] != other || c.Waits.Count != 100 {
		t.Errorf("what waits for another address was taken up: %d wait", c.Waits.Count)
	}
	if n := r.plane.Holders.Count.Load(); n != 1 {
		t.Errorf("the router knows of %d addresses that are waited for, want 1", n)
	}
}

// waitingConn returns a router, a connection, and two addresses for each of which so many deliveries wait, in turn.
func waitingConn(t *testing.T, count int) (r *Router, c *forwarding.Endpoint, x, y *route.Address) {
	t.Helper()
	r = idleRouter(t)
	r.plane.Hold = time.Minute
	b := newBenchConn(t, r)
	b.BeginTurn(r.plane.Began.Add(time.Hour))
	addresses := make([]*route.Address, 2)
	for i := range addresses {
		addresses[i] = &route.Address{Class: addressing.ClassMobile, Text: letter(i), Priority: -1}
		addresses[i].Routes.Store(&route.Routes{Distribution: addressing.DistributionClosest, Lost: b.Clock.Now})
	}
	for i := range 2 * count {
		d := idleDelivery(b, &message.Message{Body: message.Data{[]byte("x")}})
		d.Format = uint32(i) // its number
		d.Link.Address = addresses[i%2]
		b.Route(d, true)
	}
	if b.Waits.Count != 2*count {
		t.Fatalf("%d wait, not %d", b.Waits.Count, 2*count)
	}
	b.Inbox.Swap(nil) // what it tells itself: to try once more
	return r, b, addresses[0], addresses[1]
}

// newBenchConn returns a connection of a router that nobody serves, open.
func newBenchConn(t *testing.T, r *Router) *forwarding.Endpoint {
	t.Helper()
	b := &benchRoute{tb: t, router: r}
	c, client := b.connect()
	t.Cleanup(func() {
		endNow(c)
		client.Take(&b.output)
		b.output.Release()
	})
	return c
}

// TestWhatWaitsIsTakenUpInTheOrderInWhichItCame holds many messages of several links; some are withdrawn meanwhile.
func TestWhatWaitsIsTakenUpInTheOrderInWhichItCame(t *testing.T) {
	t.Parallel()
	_, c, x, _ := waitingConn(t, 1000)
	withdrawn := 0
	for d := c.Waits.Lists[x].First; d != nil; {
		next := d.After
		if d.Format%3 == 0 { // the first, the last, some between
			c.Unwait(d)
			c.Undeliverable(d)
			withdrawn++
		}
		d = next
	}
	m := (&forwarding.Link{End: driverOf(c).Host.NewConn(&pipeEnd{}, &conn.Settings{}, false).E, Outgoing: true, ID: -1}).Own()
	x.Routes.Store(&route.Routes{Distribution: addressing.DistributionClosest, Local: []*route.Consumer{m.Face()}})
	c.Retry(x, true)
	got := liveDeliveries(m.End)
	if len(got)+withdrawn != 1000 || withdrawn == 0 {
		t.Fatalf("%d are taken up, %d were withdrawn", len(got), withdrawn)
	}
	for i := 1; i < len(got); i++ {
		if before, after := got[i-1].Delivery.Format, got[i].Delivery.Format; before >= after {
			t.Fatalf("number %d is taken up before number %d", before, after)
		}
	}
}

// TestTheControlLoopLeavesWhatWaitsToTheWriters has a consumer come for what a connection holds: that the connection is
// busy, as its lock is held, keeps the control loop from nothing.
func TestTheControlLoopLeavesWhatWaitsToTheWriters(t *testing.T) {
	t.Parallel()
	n := patient(t)
	r := n.node("A")
	p := rawOpen(t, r, &wire.Open{ContainerID: "holder", MaxFrameSize: 64 << 10, ChannelMax: 100})
	p.begin(0)
	p.attachReceiver(0, "closest/x", 1)
	p.attachSender(1, "closest/x")
	p.send(&wire.Detach{Handle: 0, Closed: true})
	n.consumers("A", "closest/x", 0, 0)
	p.deliver(1, body("x"))
	holding(t, r, 1)
	c := connOf(t, r, "holder")
	q := rawBegin(t, r)
	func() {
		r.view.Scanner.Mu.Lock() // the control loop does not look for stuck deliveries meanwhile
		defer r.view.Scanner.Mu.Unlock()
		c.Mu.Lock()
		defer c.Mu.Unlock()
		for handle := range uint32(3) {
			q.attachReceiver(handle, "closest/x", 0)
		}
	}()
	for handle := range uint32(3) {
		q.grant(handle, 0, 1)
	}
	want[*wire.Transfer](q, "what waited arrives")
}

// TestWhatAConnectionHeldLeavesNothingBehindWhenItEnds ends a connection that holds messages for addresses that are
// known and unknown.
func TestWhatAConnectionHeldLeavesNothingBehindWhenItEnds(t *testing.T) {
	t.Parallel()
	r, c, x, y := waitingConn(t, 10)
	for _, a := range []*route.Address{x, y} {
		if r.plane.Holders.Conns[a] == nil {
			t.Errorf("the router does not know that somebody waits for %s", a.Text)
		}
	}
	endNow(c)
	if n := r.plane.Holders.Count.Load(); n != 0 || len(r.plane.Holders.Conns) != 0 {
		t.Errorf("the router knows of %d addresses that are waited for, and of %d", n, len(r.plane.Holders.Conns))
	}
	if len(c.Waits.Lists) != 0 {
		t.Errorf("the connection waits for %d addresses", len(c.Waits.Lists))
	}
	var w forwarding.Wakes
	r.plane.Holders.WakeAll(&w)
	if len(w.Ends) != 0 {
		t.Error("the connection that is gone is woken")
	}
}

// TestWhatHasWaitedLongEnoughEndsAndTheAlarmIsInTheFuture has a message whose time is over behind one whose time is not,
// and looks at when the connection will look again.
func TestWhatHasWaitedLongEnoughEndsAndTheAlarmIsInTheFuture(t *testing.T) {
	t.Parallel()
	_, c, x, _ := waitingConn(t, 3)
	second := c.Waits.Lists[x].First.After
	second.Until = c.Clock.At - time.Minute
	l := second.Link
	c.Clock.Alarm = 0
	c.Alert(second.Until)
	if c.Clock.Alarm <= c.Clock.At {
		t.Errorf("the alarm is at %v, which was before %v", c.Clock.Alarm, c.Clock.At)
	}
	c.Expire()
	if l.Stats.Released != 1 {
		t.Errorf("it is not released: %+v", l.Stats)
	}
	if c.Waits.Count != 5 {
		t.Errorf("%d wait on, want 5", c.Waits.Count)
	}
	if c.Clock.Alarm <= c.Clock.At {
		t.Errorf("afterwards the alarm is at %v, which was before %v", c.Clock.Alarm, c.Clock.At)
	}
}

// TestWhatWaitsIsNotTriedAgainUntilSomethingChanges has a connection do what it tells itself until that is nothing: with a
// consumer that cannot be reached, and with none.
func TestWhatWaitsIsNotTriedAgainUntilSomethingChanges(t *testing.T) {
	t.Parallel()
	r, c, x, _ := waitingConn(t, 2)
	gone := new(forwarding.Link).Own()
	gone.Dead.Store(true)
	x.Routes.Store(&route.Routes{Distribution: addressing.DistributionClosest, Local: []*route.Consumer{gone.Face()}})
	var w forwarding.Wakes
	for range 2 {
		c.Retry(x, false)
		for turns := 0; ; turns++ {
			notes := c.Inbox.Swap(nil)
			if len(notes) == 0 {
				break
			}
			if turns == 5 {
				t.Fatalf("it tells itself to try for ever: %+v", notes)
			}
			for _, n := range notes {
				c.Take(&n)
			}
		}
		if c.Waits.Count != 4 || r.plane.Holders.Count.Load() != 2 {
			t.Errorf("%d wait, the router knows of %d addresses", c.Waits.Count, r.plane.Holders.Count.Load())
		}
		r.plane.Holders.Wake(x, &w)
	}
}

// TestWhatWaitsGoesBeforeWhatComesLater has a message come after something changed, and before what waits for the same
// address was told: it goes behind it.
func TestWhatWaitsGoesBeforeWhatComesLater(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(x *route.Address, r *Router, by *route.Routes){
		"the address":  func(x *route.Address, _ *Router, by *route.Routes) { x.Routes.Store(by) },
		"its fallback": func(x *route.Address, _ *Router, by *route.Routes) { x.Fallback.Routes.Store(by) },
		"a next hop": func(x *route.Address, r *Router, by *route.Routes) {
			*x.Routes.Load() = *by // routes stay, what they lead to can be reached again
			r.plane.Holders.WakeAll(&forwarding.Wakes{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, c, x, _ := waitingConn(t, 10)
			x.Fallback = &route.Address{Class: x.Class, Text: x.Text, Phase: uint8(addressing.PhaseFallback), FallbackFor: x, Priority: -1}
			for _, a := range []*route.Address{x, x.Fallback} {
				a.Routes.Store(&route.Routes{Distribution: addressing.DistributionClosest, Lost: c.Clock.Now})
			}
			c.Retry(x, false)
			if c.Waits.Count != 20 {
				t.Fatalf("%d wait, not 20", c.Waits.Count)
			}
			m := (&forwarding.Link{End: idleConn(r), Outgoing: true, ID: -1}).Own()
			change(x, r, &route.Routes{Distribution: addressing.DistributionClosest, Local: []*route.Consumer{m.Face()}})
			d := idleDelivery(c, &message.Message{Body: message.Data{[]byte("x")}})
			d.Format = 1000
			d.Link.Address = x
			c.Route(d, true)
			got := liveDeliveries(m.End)
			if len(got) != 11 {
				t.Fatalf("%d arrive, want 11", len(got))
			}
			for i := 1; i < len(got); i++ {
				if before, after := got[i-1].Delivery.Format, got[i].Delivery.Format; before >= after {
					t.Errorf("number %d arrives before number %d", before, after)
				}
			}
		})
	}
}

// TestWhatCannotGoYetIsNotTriedOnceForEachMessageThatCame has messages come for an address whose routes have changed and
// still lead nowhere: what waits is tried once.
func TestWhatCannotGoYetIsNotTriedOnceForEachMessageThatCame(t *testing.T) {
	t.Parallel()
	r, c, x, _ := waitingConn(t, 10)
	x.Routes.Store(&route.Routes{Distribution: addressing.DistributionClosest, Lost: c.Clock.Now})
	come := func() {
		d := idleDelivery(c, &message.Message{Body: message.Data{[]byte("x")}})
		d.Link.Address = x
		c.Route(d, true)
	}
	come()
	if w := c.Waits.Lists[x]; w.Tried != r.plane.TriedBy(x) {
		t.Error("what waits would be tried again, though nothing has changed")
	}
}

// TestAStreamWaitsForWhatWasQueuedBeforeIt takes messages out of the queue that came after the stream and before it, from
// its end, its middle and its head.
func TestAStreamWaitsForWhatWasQueuedBeforeIt(t *testing.T) {
	t.Parallel()
	c := &forwarding.Endpoint{}
	data := (&forwarding.Link{Kind: forwarding.LinkData, End: c}).Own()
	c.Near.Use(data.Face())
	var m [5]forwarding.Branch
	for i := range 3 {
		data.Push(&m[i])
	}
	b := &forwarding.Branch{Delivery: &forwarding.Delivery{}, Priority: 4, Link: &forwarding.Link{Kind: forwarding.LinkStream, End: c}}
	c.KeepOrder(b)
	data.Push(&m[3])
	data.Remove(&m[3]) // expired, aborted or dropped
	data.Push(&m[4])
	data.Remove(&m[1])
	for _, before := range []*forwarding.Branch{&m[0], &m[2]} {
		if c.MayBegin(b) {
			t.Fatalf("the stream begins while what came before it is queued")
		}
		if got := data.Pop(); got != before {
			t.Fatal("the queue is out of order")
		}
	}
	if !c.MayBegin(b) {
		t.Error("the stream waits for what came after it")
	}
}

// TestAMessageWhoseNextHopGoesAtThatMomentIsForwardedAgain has the connection of the next hop end after it was chosen:
// there is another next hop, or one may come.
func TestAMessageWhoseNextHopGoesAtThatMomentIsForwardedAgain(t *testing.T) {
	t.Parallel()
	for _, another := range []bool{true, false} {
		for _, settled := range []bool{false, true} {
			r := idleRouter(t)
			r.plane.Hold = time.Minute
			c := newBenchConn(t, r)
			near, first := idleNeighbor(r, "near", 1)
			far, second := idleNeighbor(r, "far", 9)
			a := &route.Address{Class: addressing.ClassMobile, Text: "x", Priority: -1}
			remotes := []*route.Remote{first}
			if another {
				remotes = append(remotes, second)
			}
			a.Routes.Store(&route.Routes{Distribution: addressing.DistributionClosest, Remote: remotes})
			near.Inbox.Close()
			d := idleDelivery(c, &message.Message{})
			l := d.Link
			l.Address = a
			d.Settled, d.Wanted = settled, !settled
			c.Route(d, true)
			switch given := liveDeliveries(far); {
			case another && len(given) != 1:
				t.Errorf("settled %v: the other next hop is given %d", settled, len(given))
			case another && l.Stats != (books.Stats{}):
				t.Errorf("settled %v: it is over: %+v", settled, l.Stats)
			case !another && !settled && c.Waits.Count != 1:
				t.Errorf("it does not wait for another next hop: %+v", l.Stats)
			case !another && settled && l.Stats.Dropped != 1:
				t.Errorf("it is not counted as dropped: %+v", l.Stats)
			}
			if n := first.Outstanding.Load(); n != 0 {
				t.Errorf("%d count as outstanding behind the one that is gone", n)
			}
		}
	}
}

// TestABurstOfManagementRequestsIsAnsweredWhole sends more at once than an inbox may hold before others take from it.
func TestABurstOfManagementRequestsIsAnsweredWhole(t *testing.T) {
	t.Parallel()
	r := alone(t).node("A")
	p := rawBegin(t, r)
	p.attachSender(0, "")
	m := encode(t, &message.Message{Properties: &message.Properties{To: forwarding.ManagementAddress}})
	const count = forwarding.MaxRequests - forwarding.Crowded/8
	var all []any
	var ids []uint32
	for range count {
		x := p.first(0)
		all, ids = append(all, transfer(x, m)), append(ids, x.DeliveryID)
	}
	p.send(all...)
	for _, id := range ids {
		p.wantOutcome("the agent has it", id, wire.StateAccepted)
	}
}
