package router

import (
	"testing"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/route"
)

// idleNeighbor returns a connection to a neighbor that nobody serves, with a data link for each priority, and a router
// behind it.
func idleNeighbor(r *Router, id string, cost int) (*forwarding.Endpoint, *route.Remote) {
	c := idleConn(r)
	c.Near.ID, c.Near.Node = id, addressing.NodeName(id)
	for p := range route.Priorities {
		c.Near.Use((&forwarding.Link{End: c, Outgoing: true, Kind: forwarding.LinkData, ID: engine.None, Priority: uint8(p)}).Own().Face())
	}
	m := &route.Remote{Router: &route.Router{ID: id, Node: c.Near.Node}}
	m.Router.Hop.Store(&route.Hop{Next: c.Face(), Cost: cost, Hops: 1})
	return c, m
}

// deliveries takes the branches out of the inbox of a connection that nobody serves.
func liveDeliveries(c *forwarding.Endpoint) (list []*forwarding.Branch) {
	for _, n := range c.Inbox.Swap(nil) {
		if n.Kind == forwarding.NoteDeliver {
			list = append(list, n.Branch)
		}
	}
	return list
}

// comeBack has a connection give a branch back of which nothing was offered, and the origin take it.
func comeBack(c *forwarding.Endpoint, b *forwarding.Branch) {
	b.Link.End.GiveBack(b)
	for _, n := range c.Inbox.Swap(nil) {
		c.Take(&n)
	}
}

// idleDelivery returns a whole unsettled message that came to a connection for an address.
func idleDelivery(c *forwarding.Endpoint, m *message.Message) *forwarding.Delivery {
	d := c.NewDelivery()
	d.Link = &forwarding.Link{End: c, ID: engine.None, Kind: forwarding.LinkEndpoint}
	d.Link.InHand = 1
	d.Wanted, d.Arrival = true, forwarding.Arrived
	b, _ := m.Append(nil)
	d.Size = len(b)
	d.Content.Append(buf.Slice{B: b})
	d.Content.Finish()
	return d
}

// TestAMessageThatComesBackIsGivenToEachNextHopOnce has neighbors that give back what they are given though they stay,
// and consumers behind each of them.
func TestAMessageThatComesBackIsGivenToEachNextHopOnce(t *testing.T) {
	t.Parallel()
	for _, distribution := range []addressing.Distribution{addressing.DistributionBalanced,
		addressing.DistributionClosest} {
		r := idleRouter(t)
		c := idleConn(r)
		near, first := idleNeighbor(r, "near", 1)
		far, second := idleNeighbor(r, "far", 9)
		_, third := idleNeighbor(r, "behind", 9)
		third.Router.Hop.Store(&route.Hop{Next: far.Face(), Cost: 19, Hops: 2})
		a := &route.Address{Class: addressing.ClassMobile, Text: "x", Priority: -1}
		a.Routes.Store(&route.Routes{Distribution: distribution, Remote: []*route.Remote{first, second, third}})

		d := idleDelivery(c, &message.Message{Properties: &message.Properties{To: "x"}})
		l := d.Link
		l.Address = a
		c.Route(d, true)
		given := map[*forwarding.Endpoint]int{}
		for range 2 * forwarding.MaxAttempts {
			for _, to := range []*forwarding.Endpoint{near, far} {
				for _, b := range liveDeliveries(to) {
					given[to]++
					comeBack(c, b)
				}
			}
		}
		if given[near] != 1 || given[far] != 1 {
			t.Errorf("distribution %v: the near one is given it %d times, the far one %d times", distribution, given[near],
				given[far])
		}
		if l.Stats.Released != 1 || l.InHand != 0 {
			t.Errorf("distribution %v: in the end it is not released: %+v", distribution, l.Stats)
		}
		for _, m := range []*route.Remote{first, second, third} {
			if n := m.Outstanding.Load(); n != 0 {
				t.Errorf("distribution %v: %d count as outstanding for %s", distribution, n, m.Router.ID)
			}
		}
	}
}

// exchangeRoutes are the routes of an exchange with next hops that match everything.
func exchangeRoutes(t *testing.T, hops ...*route.Address) *route.Routes {
	t.Helper()
	x := &route.Exchange{Passed: "A x"}
	table := addressing.NewBindings[*route.Binding](addressing.MatchAMQP)
	for i, a := range hops {
		h := &route.NextHop{Index: i}
		h.Via = route.Via{Hop: h, Address: a, To: []byte(a.Text), Exchange: x}
		var err error
		if table, err = table.Add("#", &route.Binding{Hop: h}); err != nil {
			t.Fatal(err)
		}
	}
	x.Table.Store(&route.ExchangeTable{Bindings: table, Hops: len(hops)})
	return &route.Routes{Distribution: addressing.DistributionBalanced, Exchange: x}
}

// TestACopyThatComesBackIsGivenToEachNextHopOnce has two addresses behind the same neighbors: what one of them was tried
// for says nothing about the other.
func TestACopyThatComesBackIsGivenToEachNextHopOnce(t *testing.T) {
	t.Parallel()
	r := idleRouter(t)
	c := idleConn(r)
	near, first := idleNeighbor(r, "near", 1)
	far, second := idleNeighbor(r, "far", 9)
	ex := &route.Address{Class: addressing.ClassMobile, Text: "ex", Priority: -1}
	var hops []*route.Address
	for _, text := range []string{"one", "two"} {
		a := &route.Address{Class: addressing.ClassMobile, Text: text, Priority: -1}
		a.Routes.Store(&route.Routes{Distribution: addressing.DistributionClosest, Remote: []*route.Remote{first, second}})
		hops = append(hops, a)
	}
	ex.Routes.Store(exchangeRoutes(t, hops...))

	d := idleDelivery(c, &message.Message{Properties: &message.Properties{To: "ex", Subject: "s"}})
	l := d.Link
	l.Address = ex
	c.Route(d, true)
	type way struct {
		to      *forwarding.Endpoint
		address *route.Address
	}
	given := map[way]int{}
	for range 2 * forwarding.MaxAttempts {
		for _, to := range []*forwarding.Endpoint{near, far} {
			for _, b := range liveDeliveries(to) {
				given[way{to, b.Address()}]++
				comeBack(c, b)
			}
		}
	}
	for _, to := range []*forwarding.Endpoint{near, far} {
		for _, a := range hops {
			if n := given[way{to, a}]; n != 1 {
				t.Errorf("the copy for %s is given to %s %d times", a.Text, to.Near.ID, n)
			}
		}
	}
	if l.Stats.Released != 1 {
		t.Errorf("in the end it is not released: %+v", l.Stats)
	}
}

// TestACopyGoesByThePriorityOfItsNextHop has copies of one message for next hops of different priorities: a streamed copy
// waits for what its sender sent before, on the link of its own priority, and it stays so while another copy of it is
// handed on.
func TestACopyGoesByThePriorityOfItsNextHop(t *testing.T) {
	t.Parallel()
	r := idleRouter(t)
	c := idleConn(r)
	to, near := idleNeighbor(r, "near", 1)
	other, far := idleNeighbor(r, "far", 9)
	low := &route.Address{Class: addressing.ClassMobile, Text: "low", Priority: 2}
	low.Routes.Store(&route.Routes{Distribution: addressing.DistributionClosest, Remote: []*route.Remote{near, far}})
	high := &route.Address{Class: addressing.ClassMobile, Text: "high", Priority: 8}
	high.Routes.Store(&route.Routes{Distribution: addressing.DistributionClosest, Remote: []*route.Remote{near}})
	ex := &route.Address{Class: addressing.ClassMobile, Text: "ex", Priority: -1}
	ex.Routes.Store(exchangeRoutes(t, low, high))
	m := &message.Message{Properties: &message.Properties{To: "ex", Subject: "s"}}

	whole := idleDelivery(c, m)
	whole.Link.Address = ex
	c.Route(whole, true)
	for _, b := range liveDeliveries(to) {
		if want := uint8(b.Address().Priority); b.Link.Priority != want {
			t.Errorf("the copy for %s is on the link of priority %d", b.Address().Text, b.Link.Priority)
		}
		b.Link.Push(b)
	}
	stream := idleDelivery(c, m)
	stream.Link, stream.Arrival = whole.Link, forwarding.Arriving
	c.Route(stream, false)
	copies := map[*route.Address]*forwarding.Branch{}
	for _, b := range liveDeliveries(to) {
		copies[b.Address()] = b
	}
	done := make(chan struct{})
	go func() { // the neighbor's connection takes one while the other has come back
		defer close(done)
		to.KeepOrder(copies[high])
	}()
	comeBack(c, copies[low])
	<-done
	if b := copies[high]; b.Behind == nil || b.Behind.Priority != 8 {
		t.Errorf("the stream waits for %+v, not for the link of its own priority", b.Behind)
	}
	if again := liveDeliveries(other); len(again) != 1 || again[0].Address() != low || again[0].Priority != 2 {
		t.Errorf("the copy that came back is given to the other neighbor as %+v", again)
	}
}

// TestACopyWhoseNeighborGoesAtThatMomentIsGivenToAnother has the connection of the next hop end after it was chosen.
func TestACopyWhoseNeighborGoesAtThatMomentIsGivenToAnother(t *testing.T) {
	t.Parallel()
	r := idleRouter(t)
	c := idleConn(r)
	near, first := idleNeighbor(r, "near", 1)
	far, second := idleNeighbor(r, "far", 9)
	a := &route.Address{Class: addressing.ClassMobile, Text: "one", Priority: -1}
	a.Routes.Store(&route.Routes{Distribution: addressing.DistributionClosest, Remote: []*route.Remote{first, second}})
	ex := &route.Address{Class: addressing.ClassMobile, Text: "ex", Priority: -1}
	ex.Routes.Store(exchangeRoutes(t, a))
	near.Inbox.Close()
	d := idleDelivery(c, &message.Message{Properties: &message.Properties{To: "ex", Subject: "s"}})
	d.Link.Address = ex
	c.Route(d, true)
	if got := liveDeliveries(far); len(got) != 1 || got[0].Address() != a {
		t.Errorf("the other neighbor is given %d copies", len(got))
	}
	if n := first.Outstanding.Load(); n != 0 {
		t.Errorf("%d count as outstanding behind the one that is gone", n)
	}
}

// TestACopyForManagementIsRejectedWhileTooManyRequestsWait has an exchange in front of the router's own address.
func TestACopyForManagementIsRejectedWhileTooManyRequestsWait(t *testing.T) {
	t.Parallel()
	r := idleRouter(t)
	c := idleConn(r)
	agent := (&forwarding.Link{End: idleConn(r), Outgoing: true, Node: true, ID: engine.None}).Own()
	agent.Outstanding.Store(forwarding.MaxRequests)
	a := &route.Address{Class: addressing.ClassLocal, Text: forwarding.ManagementAddress, Priority: -1}
	a.Routes.Store(&route.Routes{Distribution: addressing.DistributionClosest, Local: []*route.Consumer{agent.Face()}})
	ex := &route.Address{Class: addressing.ClassMobile, Text: "ex", Priority: -1}
	ex.Routes.Store(exchangeRoutes(t, a))
	d := idleDelivery(c, &message.Message{Properties: &message.Properties{To: "ex", Subject: "s"}})
	l := d.Link
	l.Address = ex
	c.Route(d, true)
	if l.Stats.Rejected != 1 || agent.Outstanding.Load() != forwarding.MaxRequests {
		t.Errorf("the sender's counters are %+v, %d requests wait", l.Stats, agent.Outstanding.Load())
	}
}
