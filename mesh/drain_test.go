package mesh

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/postroad/postroad/addressing"
)

func TestOverloadedRouterIsAvoidedButReached(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meet(1, "B", PeerCost{"D", 1})
	s.meet(2, "C", PeerCost{"D", 5})
	s.lsu(1, []string{"D", "B"}, 4000, 1, PeerCost{"B", 1}, PeerCost{"C", 5})
	s.advance(100 * time.Millisecond)
	if d, _ := s.node.Router("D"); d.NextHop != "B" {
		t.Fatalf("D is reached by %q", d.NextHop)
	}
	s.say(route{1, []string{"B"}, toAll}, OpcodeRA, message{id: "B", instance: 2000, lsSeq: 2, ls: &linkState{seq: 2,
		peers: []PeerCost{{"A", OverloadCost + 1}, {"D", OverloadCost + 1}}, overload: true}})
	s.advance(100 * time.Millisecond)
	d, _ := s.node.Router("D")
	b, _ := s.node.Router("B")
	if d.NextHop != "C" || d.Cost != 6 || !b.Reachable || b.Cost != 1 || !b.Overloaded || d.Overloaded {
		t.Errorf("D by %q at cost %d, B at cost %d, want by C at 6, and 1", d.NextHop, d.Cost, b.Cost)
	}
	if route, _ := s.node.Routes().To(s.number("D")); route.Next[0].Alternate.Router != 0 {
		t.Errorf("the alternate to D is %+v, want none: B is about to leave", route.Next[0].Alternate)
	}
	s.down(2)
	s.advance(100 * time.Millisecond)
	if d, _ := s.node.Router("D"); !d.Reachable || d.NextHop != "B" {
		t.Errorf("B is not the last resort: %+v", d)
	}
}

func TestOwnOverloadIsAnnouncedAndDoesNotChangeOwnPaths(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meet(1, "B", PeerCost{"C", 2})
	s.lsu(1, []string{"C", "B"}, 3000, 1, PeerCost{"B", 2})
	s.advance(100 * time.Millisecond)
	s.node.SetOverload(s.now, true)
	s.advance(100 * time.Millisecond)
	if got := fmt.Sprint(s.node.Status().LinkState); got != fmt.Sprintf("[{B %d}]", OverloadCost+1) || !s.node.Status().Overloaded {
		t.Errorf("own link state %s", got)
	}
	if c, _ := s.node.Router("C"); c.Cost != 3 {
		t.Errorf("C costs %d, want 3", c.Cost)
	}
	if route, _ := s.node.Routes().To(s.number("C")); route.Cost != 3 {
		t.Errorf("the route to C costs %d, want 3", route.Cost)
	}
	s.node.SetOverload(s.now, false)
	if got := fmt.Sprint(s.node.Status().LinkState); got != "[{B 1}]" {
		t.Errorf("own link state afterwards %s", got)
	}
}

func TestRouterThatLeavesIsForgottenAtOnce(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meet(1, "B", PeerCost{"C", 1})
	s.lsu(1, []string{"C", "B"}, 3000, 1, PeerCost{"B", 1})
	s.ra(1, []string{"C", "B"}, 3000, 1, 1)
	s.all(1, []string{"C", "B"}, 1, "M0x")
	s.advance(50 * time.Millisecond)
	s.say(route{1, []string{"C", "B"}, toAll}, OpcodeRA, message{id: "C", instance: 3000, lsSeq: 2, mobileSeq: 1,
		ls: &linkState{seq: 2}, leaving: true})
	if got := s.node.Addresses("C"); len(got) != 0 {
		t.Errorf("C has addresses %v", got)
	}
	s.changes(1, []string{"C", "B"}, 1, []string{"M0y"}, nil) // was under way for longer
	if got := s.node.Addresses("C"); len(got) > 1 {
		t.Errorf("C has addresses %v", got)
	}
	s.say(route{1, []string{"B"}, toAll}, OpcodeRA, message{id: "B", instance: 2000, lsSeq: 2, ls: &linkState{seq: 2},
		leaving: true})
	if s.isNeighbor("B") {
		t.Error("B is still a neighbor")
	}
	s.down(1)
	s.advance(10 * time.Second)
	if n := len(s.node.Routers()); n != 0 {
		t.Errorf("%d routers are still known", n)
	}
}

// Nobody but the router itself can say that a neighbor leaves.
func TestForgedLeaveDoesNotEndAnAdjacency(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meet(1, "B")
	s.meet(2, "C")
	s.say(route{2, []string{"B", "C"}, toAll}, OpcodeRA, message{id: "B", instance: 2000, lsSeq: 99,
		ls: &linkState{seq: 99}, leaving: true})
	if !s.isNeighbor("B") {
		t.Error("B is no neighbor any more because C says so")
	}
}

func TestNothingIsSentAfterLeaving(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meet(1, "B")
	s.node.Leave(s.now)
	leaving := s.drain()
	if len(leaving) != 1 || leaving[0].Kind != EventSend {
		t.Fatalf("leaving: %+v", leaving)
	}
	s.node.AddAddress(s.now, "M0x", addressing.DistributionClosest)
	s.lsr(1, []string{"B"})
	s.node.Advance(s.now.Add(time.Hour))
	s.node.Leave(s.now)
	for _, e := range s.drain() {
		if e.Kind == EventSend {
			t.Errorf("afterwards: %+v", e)
		}
	}
}

func TestTheLossOfLinksIsNoticedAfterLeaving(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meet(1, "B")
	s.node.Leave(s.now)
	s.drain()
	s.node.LinkDown(s.now, 1)
	if !slices.ContainsFunc(s.drain(), func(e Event) bool { return e.Kind == EventPathDown && e.ID == "B" }) {
		t.Error("there is still a path to B")
	}
}

// pair lets two nodes talk until the end of d, each message taking a millisecond.
func pair(t *testing.T, a, b *Node, now time.Time, d time.Duration) time.Time {
	t.Helper()
	for end := now.Add(d); now.Before(end); now = now.Add(time.Millisecond) {
		for _, x := range []struct{ from, to *Node }{{a, b}, {b, a}} {
			x.from.Advance(now)
			for _, e := range x.from.Events() {
				if e.Kind == EventSend {
					x.to.Input(now, 1, e.Payload)
				}
			}
		}
	}
	return now
}

func TestSequenceNumbersBeginAgainAfterTheLast(t *testing.T) {
	t.Parallel()
	newNode := func(id string) *Node {
		n, err := New(Config{ID: id, Instance: 1000, LogLevel: LevelCritical, Sequence: math.MaxInt64 - 3})
		if err != nil {
			t.Fatal(err)
		}
		n.Start(storyBegin)
		n.LinkUp(storyBegin, 1, 1, "", true)
		return n
	}
	a, b := newNode("A"), newNode("B")
	now := pair(t, a, b, storyBegin, time.Second)
	instances := make(map[int64]bool)
	for i := range 20 {
		a.AddAddress(now, fmt.Sprintf("M0q%d", i), addressing.DistributionClosest)
		a.LinkUp(now, 1, 2+i, "", true) // another link state
		now = pair(t, a, b, now, time.Second)
		r, _ := b.Router("A")
		if s := a.Status(); len(b.Addresses("A")) != i+1 || r.LinkStateSeq != s.LinkStateSeq || r.MobileSeq != s.MobileSeq ||
			fmt.Sprint(r.LinkState) != fmt.Sprint(s.LinkState) || !r.Reachable {
			t.Fatalf("step %d: A is %+v, and B takes it for %+v with %d addresses", i, s, r, len(b.Addresses("A")))
		}
		instances[r.Instance] = true
	}
	if len(instances) < 2 {
		t.Error("the numbers did not begin again")
	}
}
