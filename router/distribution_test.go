package router

import (
	"fmt"
	"net"
	"testing"

	"github.com/Azure/go-amqp"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// gather accepts messages of a receiver in a goroutine and returns, when asked, how often each body came.
type gather struct {
	got  map[string]int
	each chan string
}

func (r *receiver) gather() *gather {
	g := &gather{got: make(map[string]int), each: make(chan string, 10_000)}
	r.consume(func(m *amqp.Message) { g.each <- string(m.GetData()) })
	return g
}

// wait waits until this many messages have come.
func (g *gather) wait(t testing.TB, count int) {
	t.Helper()
	ctx := within(t)
	for n := g.count(); n < count; n++ {
		select {
		case s := <-g.each:
			g.got[s]++
		case <-ctx.Done():
			t.Fatalf("%d of %d messages came", n, count)
		}
	}
}

func (g *gather) count() (n int) {
	for _, k := range g.got {
		n += k
	}
	return n
}

// more takes what has come without being waited for.
func (g *gather) more() {
	for {
		select {
		case s := <-g.each:
			g.got[s]++
		default:
			return
		}
	}
}

func TestClosestTakesTurnsBetweenConsumersOfOneRouter(t *testing.T) {
	t.Parallel()
	n := alone(t)
	c := connect(t, n.node("A"))
	first, second := c.receiver("closest/x", 10).gather(), c.receiver("closest/x", 10).gather()
	s := c.sender("closest/x", nil)
	for i := range 20 {
		wantAccepted(t, "a message with two consumers", s.send(text("%d", i)))
	}
	first.wait(t, 10)
	second.wait(t, 10)
}

func TestBalancedGivesToTheConsumerWithTheLeastUnsettled(t *testing.T) {
	t.Parallel()
	n := alone(t)
	c := connect(t, n.node("A"))
	slow, quick := c.receiver("balanced/x", 100), c.receiver("balanced/x", 100)
	s := c.sender("balanced/x", nil)
	var waiting []amqp.SendReceipt
	for i := range 2 {
		waiting = append(waiting, s.begin(text("%d", i)))
	}
	held := slow.next() // one each
	quick.accept()
	for i := range 10 { // slow holds one, so all others go to quick as long as it settles
		waiting = append(waiting, s.begin(text("more %d", i)))
		quick.accept()
		wantAccepted(t, "what quick got", s.outcome(waiting[len(waiting)-1]))
	}
	slow.none("a consumer that holds one message while the other holds none gets nothing")
	slow.settle(held)
	for _, w := range waiting[:2] {
		wantAccepted(t, "the first two", s.outcome(w))
	}
}

func TestMulticastGivesEveryConsumerOfOneRouterOneCopy(t *testing.T) {
	t.Parallel()
	n := alone(t)
	c := connect(t, n.node("A"))
	var all []*gather
	for range 5 {
		all = append(all, c.receiver("multicast/x", 100).gather())
	}
	s := c.sender("multicast/x", nil)
	for i := range 50 {
		wantAccepted(t, "a multicast message", s.send(text("%d", i)))
	}
	onceEach(t, all, 50)
}

// onceEach checks that every consumer got each of the messages "0", "1", … once and nothing else.
func onceEach(t *testing.T, all []*gather, count int) {
	t.Helper()
	for i, g := range all {
		g.wait(t, count)
		g.more()
		for k := range count {
			if got := g.got[fmt.Sprint(k)]; got != 1 {
				t.Errorf("consumer %d got message %d %d times", i, k, got)
			}
		}
		if got := g.count(); got != count {
			t.Errorf("consumer %d got %d messages, not %d", i, got, count)
		}
	}
}

func TestClosestPrefersTheCheapestRouter(t *testing.T) {
	t.Parallel()
	n := chain(t, 3)
	near, far := connect(t, n.node("B")), connect(t, n.node("C"))
	atB, atC := near.receiver("closest/x", 100), far.receiver("closest/x", 100).gather()
	n.consumers("A", "closest/x", 0, 2)
	s := connect(t, n.node("A")).sender("closest/x", nil)
	atBGot := atB.gather()
	for i := range 10 {
		wantAccepted(t, "to the nearer router", s.send(text("%d", i)))
	}
	atBGot.wait(t, 10)
	atC.more()
	if got := atC.count(); got != 0 {
		t.Errorf("the farther router got %d messages", got)
	}
}

func TestClosestKeepsMessagesOnTheRouterWithAConsumer(t *testing.T) {
	t.Parallel()
	n := chain(t, 3)
	here, there := connect(t, n.node("B")), connect(t, n.node("C"))
	local, remote := here.receiver("closest/x", 100).gather(), there.receiver("closest/x", 100).gather()
	n.consumers("B", "closest/x", 1, 1)
	s := here.sender("closest/x", nil)
	for i := range 10 {
		wantAccepted(t, "to the consumer here", s.send(text("%d", i)))
	}
	local.wait(t, 10)
	remote.more()
	if got := remote.count(); got != 0 {
		t.Errorf("the other router got %d messages", got)
	}
}

func TestBalancedSpillsOverToOtherRoutersWhenTheConsumerHereIsBusy(t *testing.T) {
	t.Parallel()
	n := chain(t, 3)
	busy := connect(t, n.node("A")).receiver("balanced/x", 100)
	b, c := connect(t, n.node("B")).receiver("balanced/x", 100), connect(t, n.node("C")).receiver("balanced/x", 100)
	n.consumers("A", "balanced/x", 1, 2)
	s := connect(t, n.node("A")).sender("balanced/x", nil)
	var sent []amqp.SendReceipt
	for i := range 30 { // nobody settles, so outstanding ones pile up evenly here and behind B, plus the cost of the way
		sent = append(sent, s.begin(text("%d", i)))
	}
	all := map[*receiver]int{busy: 15, b: 7, c: 6} // who has the others depends on the cost
	var held []func()
	for r, count := range all {
		for range count {
			m := r.next()
			held = append(held, func() { r.settle(m) })
		}
	}
	for _, settle := range held {
		settle()
	}
	busy.consume(nil)
	b.consume(nil)
	c.consume(nil)
	for _, receipt := range sent {
		wantAccepted(t, "a balanced message", s.outcome(receipt))
	}
}

// multicastAcross sends from every router to consumers on every router.
func multicastAcross(t *testing.T, n *network) {
	t.Helper()
	var all []*gather
	for _, r := range n.routers {
		c := connect(t, r)
		for range 2 {
			all = append(all, c.receiver("multicast/x", 1000).gather())
		}
	}
	for _, r := range n.routers {
		n.consumers(r.ID(), "multicast/x", 2, len(n.routers)-1)
	}
	const each = 10
	for i, r := range n.routers {
		s := connect(t, r).sender("multicast/x", nil)
		for k := range each {
			wantAccepted(t, "a multicast message", s.send(text("%d", i*each+k)))
		}
	}
	onceEach(t, all, each*len(n.routers))
}

func TestMulticastReachesEveryConsumerOfAChainOnce(t *testing.T) {
	t.Parallel()
	multicastAcross(t, chain(t, 3))
}

func TestMulticastReachesEveryConsumerOfATriangleOnce(t *testing.T) {
	t.Parallel()
	multicastAcross(t, fullMesh(t, 3))
}

func TestMulticastReachesEveryConsumerOfARingOfFourOnce(t *testing.T) {
	t.Parallel()
	multicastAcross(t, ring(t, 4))
}

func TestMulticastReachesEveryConsumerOfAStarOnce(t *testing.T) {
	t.Parallel()
	multicastAcross(t, star(t, 4))
}

func TestMulticastReachesEveryConsumerOfAFullMeshOnce(t *testing.T) {
	t.Parallel()
	multicastAcross(t, fullMesh(t, 4))
}

func TestMulticastOutcomeIsTheStrongestOfAllBranches(t *testing.T) {
	t.Parallel()
	// rejected over accepted over modified over released, wherever the consumers are.
	release := func(r *receiver, m *amqp.Message) error { return r.link.ReleaseMessage(r.ctx, m) }
	modify := func(r *receiver, m *amqp.Message) error {
		return r.link.ModifyMessage(r.ctx, m, &amqp.ModifyMessageOptions{DeliveryFailed: true})
	}
	accept := func(r *receiver, m *amqp.Message) error { return r.link.AcceptMessage(r.ctx, m) }
	reject := func(r *receiver, m *amqp.Message) error {
		return r.link.RejectMessage(r.ctx, m, &amqp.Error{Condition: "test:bad"})
	}
	n := chain(t, 3)
	var rs []*receiver
	for _, r := range n.routers {
		rs = append(rs, connect(t, r).receiver("multicast/x", 10))
	}
	n.consumers("B", "multicast/x", 1, 2)
	s := connect(t, n.node("B")).sender("multicast/x", nil)
	type say = []func(*receiver, *amqp.Message) error
	for _, c := range []struct {
		say  say
		want amqp.DeliveryState
	}{
		{say{release, release, release}, &amqp.StateReleased{}},
		{say{release, modify, release}, &amqp.StateModified{DeliveryFailed: true}},
		{say{modify, release, accept}, &amqp.StateAccepted{}},
		{say{reject, accept, accept},
			&amqp.StateRejected{Error: &amqp.Error{Condition: "test:bad"}}},
		{say{accept, accept, accept}, &amqp.StateAccepted{}},
	} {
		receipt := s.begin(text("x"))
		for i, r := range rs {
			if err := c.say[i](r, r.next()); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(c.want, s.outcome(receipt), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("the outcome (-want +got)\n%s", diff)
		}
	}
}

// outstandingHere sends messages that nobody settles to an address from A, and returns how many stay at A.
func outstandingHere(n *network, s *sender, address string, count int) (here int) {
	n.t.Helper()
	for range count {
		s.begin(text("x"))
	}
	sum := func() (here, all int) {
		for _, r := range n.routers {
			for row := range r.view.Links() {
				if row.Outgoing && row.OwningAddr == "M0"+address {
					all += int(row.UndeliveredCount + row.UnsettledCount)
					if r.ID() == "A" {
						here += int(row.UndeliveredCount + row.UnsettledCount)
					}
				}
			}
		}
		return here, all
	}
	eventually(n.t, "all messages are with their consumers", func() error {
		if _, all := sum(); all != count {
			return fmt.Errorf("%d of %d are", all, count)
		}
		return nil
	})
	here, _ = sum()
	return here
}

func TestRoutersBehindOneNextHopAreCountedTogether(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	a := n.add(plan{id: "A"})
	b := n.add(plan{id: "B", to: []*Router{a}})
	n.add(plan{id: "C", to: []*Router{b}})
	n.add(plan{id: "D", to: []*Router{b}})
	n.converge()
	for _, id := range []string{"A", "C", "D"} {
		connect(t, n.node(id)).receiver("balanced/x", 100)
	}
	n.consumers("A", "balanced/x", 1, 2)
	n.consumers("B", "balanced/x", 0, 3)
	s := connect(t, a).sender("balanced/x", nil)
	if here := outstandingHere(n, s, "balanced/x", 30); here != 16 { // the others cost 2
		t.Errorf("the consumer here has %d of 30 messages, not 16", here)
	}
}

func TestConsumerAtTheCapacityOfItsLinkIsPassedOver(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	a := n.add(plan{id: "A", listeners: "  - {name: small, host: 127.0.0.1, port: 0, linkCapacity: 5}"})
	_, port, err := net.SplitHostPort(a.Addr("routers"))
	if err != nil {
		t.Fatal(err)
	}
	n.add(plan{id: "B", connectors: "{name: far, host: 127.0.0.1, port: " + port + ", role: inter-router, cost: 100}"})
	n.converge()
	connectWith(t, "amqp://"+a.Addr("small"), nil).receiver("balanced/x", 100)
	connect(t, n.node("B")).receiver("balanced/x", 100)
	n.consumers("A", "balanced/x", 1, 1)
	s := connect(t, a).sender("balanced/x", nil)
	if here := outstandingHere(n, s, "balanced/x", 20); here != 5 {
		t.Errorf("the consumer here has %d of 20 messages, not 5", here)
	}
}
