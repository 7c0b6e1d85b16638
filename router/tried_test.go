package router

import (
	"testing"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/message"
)

// idleNeighbor returns a connection to a neighbor that nobody serves, with a data link for each priority, and a router
// behind it.
func idleNeighbor(r *Router, id string, cost int) (*Endpoint, *remote) {
	c := idleConn(r)
	c.peer.id, c.peer.node = id, addressing.NodeName(id)
	for p := range c.data {
		c.data[p].Store(&link{conn: c, outgoing: true, kind: linkData, id: engine.None, priority: uint8(p)})
	}
	m := &remote{router: &peer{id: id, node: c.peer.node}}
	m.router.hop.Store(&hop{conn: c, cost: cost, hops: 1})
	return c, m
}

// deliveries takes the branches out of the inbox of a connection that nobody serves.
func (c *Endpoint) liveDeliveries() (list []*branch) {
	for _, n := range c.inbox.swap(nil) {
		if n.kind == noteDeliver {
			list = append(list, n.branch)
		}
	}
	return list
}

// comeBack has a connection give a branch back of which nothing was offered, and the origin take it.
func (c *Endpoint) comeBack(b *branch) {
	b.link.conn.giveBack(b)
	for _, n := range c.inbox.swap(nil) {
		c.take(&n)
	}
}

// idleDelivery returns a whole unsettled message that came to a connection for an address.
func idleDelivery(c *Endpoint, m *message.Message) *delivery {
	d := c.newDelivery()
	d.link = &link{conn: c, id: engine.None, kind: linkEndpoint}
	d.link.inHand = 1
	d.wanted, d.arrived = true, true
	b, _ := m.Append(nil)
	d.size = len(b)
	d.content.Append(buf.Slice{B: b})
	d.content.Finish()
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
		third.router.hop.Store(&hop{conn: far, cost: 19, hops: 2})
		a := &address{class: addressing.ClassMobile, text: "x", priority: -1}
		a.routes.Store(&routes{distribution: distribution, remote: []*remote{first, second, third}})

		d := idleDelivery(c, &message.Message{Properties: &message.Properties{To: "x"}})
		l := d.link
		l.address = a
		c.route(d, true)
		given := map[*Endpoint]int{}
		for range 2 * maxAttempts {
			for _, to := range []*Endpoint{near, far} {
				for _, b := range to.liveDeliveries() {
					given[to]++
					c.comeBack(b)
				}
			}
		}
		if given[near] != 1 || given[far] != 1 {
			t.Errorf("distribution %v: the near one is given it %d times, the far one %d times", distribution, given[near],
				given[far])
		}
		if l.stats.Released != 1 || l.inHand != 0 {
			t.Errorf("distribution %v: in the end it is not released: %+v", distribution, l.stats)
		}
		for _, m := range []*remote{first, second, third} {
			if n := m.outstanding.Load(); n != 0 {
				t.Errorf("distribution %v: %d count as outstanding for %s", distribution, n, m.router.id)
			}
		}
	}
}

// exchangeRoutes are the routes of an exchange with next hops that match everything.
func exchangeRoutes(t *testing.T, hops ...*address) *routes {
	t.Helper()
	x := &topicExchange{passed: "A x", method: addressing.MatchAMQP}
	table := addressing.NewBindings[*binding](x.method)
	for i, a := range hops {
		h := &nextHop{text: a.text, index: i}
		h.via = via{hop: h, address: a, to: []byte(a.text), exchange: x}
		var err error
		if table, err = table.Add("#", &binding{hop: h}); err != nil {
			t.Fatal(err)
		}
	}
	x.table.Store(&exchangeTable{bindings: table, hops: len(hops)})
	return &routes{distribution: addressing.DistributionBalanced, exchange: x}
}

// TestACopyThatComesBackIsGivenToEachNextHopOnce has two addresses behind the same neighbors: what one of them was tried
// for says nothing about the other.
func TestACopyThatComesBackIsGivenToEachNextHopOnce(t *testing.T) {
	t.Parallel()
	r := idleRouter(t)
	c := idleConn(r)
	near, first := idleNeighbor(r, "near", 1)
	far, second := idleNeighbor(r, "far", 9)
	ex := &address{class: addressing.ClassMobile, text: "ex", priority: -1}
	var hops []*address
	for _, text := range []string{"one", "two"} {
		a := &address{class: addressing.ClassMobile, text: text, priority: -1}
		a.routes.Store(&routes{distribution: addressing.DistributionClosest, remote: []*remote{first, second}})
		hops = append(hops, a)
	}
	ex.routes.Store(exchangeRoutes(t, hops...))

	d := idleDelivery(c, &message.Message{Properties: &message.Properties{To: "ex", Subject: "s"}})
	l := d.link
	l.address = ex
	c.route(d, true)
	type way struct {
		to      *Endpoint
		address *address
	}
	given := map[way]int{}
	for range 2 * maxAttempts {
		for _, to := range []*Endpoint{near, far} {
			for _, b := range to.liveDeliveries() {
				given[way{to, b.address()}]++
				c.comeBack(b)
			}
		}
	}
	for _, to := range []*Endpoint{near, far} {
		for _, a := range hops {
			if n := given[way{to, a}]; n != 1 {
				t.Errorf("the copy for %s is given to %s %d times", a.text, to.peer.id, n)
			}
		}
	}
	if l.stats.Released != 1 {
		t.Errorf("in the end it is not released: %+v", l.stats)
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
	low := &address{class: addressing.ClassMobile, text: "low", priority: 2}
	low.routes.Store(&routes{distribution: addressing.DistributionClosest, remote: []*remote{near, far}})
	high := &address{class: addressing.ClassMobile, text: "high", priority: 8}
	high.routes.Store(&routes{distribution: addressing.DistributionClosest, remote: []*remote{near}})
	ex := &address{class: addressing.ClassMobile, text: "ex", priority: -1}
	ex.routes.Store(exchangeRoutes(t, low, high))
	m := &message.Message{Properties: &message.Properties{To: "ex", Subject: "s"}}

	whole := idleDelivery(c, m)
	whole.link.address = ex
	c.route(whole, true)
	for _, b := range to.liveDeliveries() {
		if want := uint8(b.address().priority); b.link.priority != want {
			t.Errorf("the copy for %s is on the link of priority %d", b.address().text, b.link.priority)
		}
		b.link.push(b)
	}
	stream := idleDelivery(c, m)
	stream.link, stream.arrived = whole.link, false
	c.route(stream, false)
	copies := map[*address]*branch{}
	for _, b := range to.liveDeliveries() {
		copies[b.address()] = b
	}
	done := make(chan struct{})
	go func() { // the neighbor's connection takes one while the other has come back
		defer close(done)
		to.keepOrder(copies[high])
	}()
	c.comeBack(copies[low])
	<-done
	if b := copies[high]; b.behind == nil || b.behind.priority != 8 {
		t.Errorf("the stream waits for %+v, not for the link of its own priority", b.behind)
	}
	if again := other.liveDeliveries(); len(again) != 1 || again[0].address() != low || again[0].priority != 2 {
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
	a := &address{class: addressing.ClassMobile, text: "one", priority: -1}
	a.routes.Store(&routes{distribution: addressing.DistributionClosest, remote: []*remote{first, second}})
	ex := &address{class: addressing.ClassMobile, text: "ex", priority: -1}
	ex.routes.Store(exchangeRoutes(t, a))
	near.inbox.close()
	d := idleDelivery(c, &message.Message{Properties: &message.Properties{To: "ex", Subject: "s"}})
	d.link.address = ex
	c.route(d, true)
	if got := far.liveDeliveries(); len(got) != 1 || got[0].address() != a {
		t.Errorf("the other neighbor is given %d copies", len(got))
	}
	if n := first.outstanding.Load(); n != 0 {
		t.Errorf("%d count as outstanding behind the one that is gone", n)
	}
}

// TestACopyForManagementIsRejectedWhileTooManyRequestsWait has an exchange in front of the router's own address.
func TestACopyForManagementIsRejectedWhileTooManyRequestsWait(t *testing.T) {
	t.Parallel()
	r := idleRouter(t)
	c := idleConn(r)
	agent := &link{conn: idleConn(r), outgoing: true, node: true, id: engine.None}
	agent.outstanding.Store(maxRequests)
	a := &address{class: addressing.ClassLocal, text: managementAddress, priority: -1}
	a.routes.Store(&routes{distribution: addressing.DistributionClosest, local: []*link{agent}})
	ex := &address{class: addressing.ClassMobile, text: "ex", priority: -1}
	ex.routes.Store(exchangeRoutes(t, a))
	d := idleDelivery(c, &message.Message{Properties: &message.Properties{To: "ex", Subject: "s"}})
	l := d.link
	l.address = ex
	c.route(d, true)
	if l.stats.Rejected != 1 || agent.outstanding.Load() != maxRequests {
		t.Errorf("the sender's counters are %+v, %d requests wait", l.stats, agent.outstanding.Load())
	}
}
