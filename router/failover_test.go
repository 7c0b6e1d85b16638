package router

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/Azure/go-amqp"
	"github.com/postroad/postroad/router/forwarding"
)

// journey sends numbered messages until it is told to stop, again when they come back, and knows which were accepted.
type journey struct {
	accepted map[string]bool
	again    int // outcomes other than accepted
	done     chan struct{}
	stop     chan struct{}
	progress chan int // number of messages accepted so far
}

func (s *sender) travel() *journey { return s.travelWith(0) }

// travelWith is travel with messages of at least a size.
func (s *sender) travelWith(size int) *journey {
	j := &journey{accepted: make(map[string]bool), done: make(chan struct{}), stop: make(chan struct{}),
		progress: make(chan int, 1)}
	go func() {
		defer close(j.done)
		for i := 0; ; {
			select {
			case <-j.stop:
				return
			default:
			}
			m := text("%s %d", s.link.LinkName(), i)
			m.Data = append(m.Data, make([]byte, size)) // go-amqp shows the first section
			receipt, err := s.link.SendWithReceipt(s.ctx, m, nil)
			if err != nil {
				s.t.Errorf("send: %v", err)
				return
			}
			state, err := receipt.Wait(s.ctx)
			if err != nil {
				s.t.Errorf("message %d has no outcome: %v", i, err)
				return
			}
			switch state := state.(type) {
			case *amqp.StateAccepted:
				j.accepted[string(m.GetData())] = true
				i++
				select {
				case <-j.progress:
				default:
				}
				j.progress <- i
			case *amqp.StateReleased, *amqp.StateModified:
				j.again++
			default:
				s.t.Errorf("message %d is %s", i, shown(state))
				return
			}
		}
	}()
	return j
}

// reach waits until this many messages were accepted.
func (j *journey) reach(t *testing.T, count int) {
	t.Helper()
	for {
		select {
		case n := <-j.progress:
			if n >= count {
				return
			}
		case <-j.done:
			t.Fatal("the sender gave up")
		case <-time.After(limit):
			t.Fatalf("%d messages are not accepted", count)
		}
	}
}

// end stops the sender and checks that everything accepted has arrived.
func (j *journey) end(t *testing.T, g *gather) {
	t.Helper()
	close(j.stop)
	<-j.done
	g.more()
	for what := range j.accepted {
		if g.got[what] == 0 {
			t.Errorf("message %s was accepted but never arrived", what)
		}
	}
	t.Logf("%d accepted, %d sent again", len(j.accepted), j.again)
}

// way is the router next to a router on the way to another one.
func (n *network) way(from, to string) string {
	for row := range n.node(from).view.RouterNodes() {
		if row.ID == to {
			return row.NextHop
		}
	}
	return ""
}

func TestTrafficGoesOnAroundARouterOfARingThatIsKilled(t *testing.T) {
	t.Parallel()
	n := ring(t, 4)
	g := connect(t, n.node("C")).receiver("closest/x", 100).gather()
	n.consumers("A", "closest/x", 0, 1)
	var all []*journey
	for range 3 {
		all = append(all, connect(t, n.node("A")).sender("closest/x", nil).travel())
	}
	for _, j := range all {
		j.reach(t, 50)
	}
	n.kill(n.way("A", "C"))
	for _, j := range all {
		j.reach(t, 200)
	}
	for _, j := range all {
		j.end(t, g)
	}
}

func TestMulticastReachesEveryConsumerOnceAfterARouterOfARingIsKilled(t *testing.T) {
	t.Parallel()
	n := ring(t, 4)
	var all []*gather
	for _, id := range []string{"A", "B", "C"} {
		all = append(all, connect(t, n.node(id)).receiver("multicast/x", 100).gather())
	}
	n.kill("D")
	eventually(t, "the others know", func() error {
		for _, r := range n.routers {
			if p := r.peerNamed("D"); p != nil && p.Hop.Load() != nil {
				return fmt.Errorf("%s has a way to D", r.ID())
			}
		}
		return nil
	})
	for _, r := range n.routers {
		n.consumers(r.ID(), "multicast/x", 1, 2)
	}
	for i, id := range []string{"A", "B", "C"} {
		s := connect(t, n.node(id)).sender("multicast/x", nil)
		for k := range 10 {
			wantAccepted(t, "after the loss", s.send(text("%d", i*10+k)))
		}
	}
	onceEach(t, all, 30)
}

func TestConnectorComesBackWhenItsPeerIsStartedAgain(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	port := fixedPort(t)
	n.add(plan{id: "A", port: port})
	n.add(plan{id: "B", to: n.routers})
	n.converge()
	r := connect(t, n.node("B")).receiver("closest/x", 10)
	for round := range 3 {
		s := connect(t, n.node("A")).sender("closest/x", nil)
		exchange(t, s, r, 5)
		s.conn.Close()
		if round%2 == 0 {
			n.kill("A")
		} else {
			n.stop("A")
		}
		n.add(plan{id: "A", port: port})
		n.converge()
	}
}

func TestTwoConnectionsBetweenTwoRoutersAreOneWayAndTheOtherIsSpare(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	a := n.add(plan{id: "A"})
	n.add(plan{id: "B", to: []*Router{a, a}})
	n.converge()
	eventually(t, "both connections are up", func() error {
		a.control.Mu.Lock()
		defer a.control.Mu.Unlock()
		if got := len(a.control.Neighbors); got != 2 {
			return fmt.Errorf("A has %d", got)
		}
		return nil
	})
	all := []*gather{connect(t, n.node("B")).receiver("multicast/x", 100).gather()}
	n.consumers("A", "multicast/x", 0, 1)
	s := connect(t, a).sender("multicast/x", nil)
	for i := range 10 {
		wantAccepted(t, "with two connections", s.send(text("%d", i)))
	}
	onceEach(t, all, 10)
	hop := a.peerNamed("B").Hop.Load()
	forwarding.EndpointOf(hop.Next).Driver.Abort()
	eventually(t, "the other one is used", func() error {
		if h := a.peerNamed("B").Hop.Load(); h == nil || h.Next == hop.Next {
			return fmt.Errorf("the next hop is %v", h)
		}
		return nil
	})
	j := s.travel()
	j.reach(t, 20)
	all[0].got = make(map[string]int)
	j.end(t, all[0])
}

func TestMessagesWaitingForALostRouterAreForwardedAnotherWayOrComeBack(t *testing.T) {
	t.Parallel()
	n := ring(t, 4)
	g := connect(t, n.node("C")).receiver("closest/x", 1000).gather()
	n.consumers("A", "closest/x", 0, 1)
	s := connect(t, n.node("A")).sender("closest/x", nil)
	const count = 400
	receipts := make(chan amqp.SendReceipt, count)
	var sending sync.WaitGroup
	sending.Go(func() {
		defer close(receipts)
		for i := range count {
			receipt, err := s.link.SendWithReceipt(s.ctx, text("%d", i), nil)
			if err != nil {
				t.Errorf("send: %v", err)
				return
			}
			receipts <- receipt
		}
	})
	g.wait(t, 20)
	n.kill(n.way("A", "C"))
	outcomes := make(map[string]int)
	i := 0
	for receipt := range receipts {
		state, err := receipt.Wait(s.ctx)
		if err != nil {
			t.Fatalf("message %d has no outcome: %v", i, err)
		}
		outcomes[shown(state)[:8]]++
		if _, ok := state.(*amqp.StateAccepted); ok {
			g.more()
			if g.got[fmt.Sprint(i)] == 0 {
				g.wait(t, g.count()+1) // it was accepted by then, but the test's goroutine is behind
			}
		}
		i++
	}
	sending.Wait()
	t.Logf("outcomes: %v", outcomes)
	if i != count || outcomes["rejected"] > 0 {
		t.Errorf("%d outcomes: %v", i, outcomes)
	}
}

// TestAcceptedMessagesArriveWhileRoutersComeAndGo has a ring whose routers B and D are killed and started again in
// turns, under traffic of small and large messages from A to C.
func TestAcceptedMessagesArriveWhileRoutersComeAndGo(t *testing.T) {
	t.Parallel()
	n := ring(t, 4)
	plans := make(map[string]plan)
	for _, id := range []string{"B", "D"} {
		_, port, _ := net.SplitHostPort(n.node(id).Addr("routers"))
		plans[id] = plan{id: id, port: port, to: []*Router{n.node("A")}}
	}
	p := plans["D"]
	p.to = append(p.to, n.node("C"))
	plans["D"] = p // C's own connector leads to B
	g := connect(t, n.node("C")).receiver("closest/x", 100).gather()
	n.consumers("A", "closest/x", 0, 1)
	var all []*journey
	for i := range 4 {
		all = append(all, connect(t, n.node("A")).sender("closest/x", nil).travelWith(i%2*200_000))
	}
	goal := 0
	for round := range 4 {
		id := []string{"B", "D"}[round%2]
		n.kill(id)
		goal += 20
		for _, j := range all {
			j.reach(t, goal)
		}
		n.add(plans[id])
		n.converge()
	}
	for _, j := range all {
		j.end(t, g)
	}
}
