package mesh

import (
	"slices"
	"testing"
	"time"
)

// keepAlive lets time pass while the routers on the links say hello, and returns the reports of twins.
func (s *story) keepAlive(d time.Duration, hellos func()) []Event {
	s.twins = nil
	for end := s.now.Add(d); s.now.Before(end); {
		s.advance(900 * time.Millisecond)
		hellos()
		s.now = s.now.Add(time.Millisecond)
		s.node.Advance(s.now)
		s.drain()
	}
	return s.twins
}

func duplicates(events []Event) []Event {
	return slices.DeleteFunc(events, func(e Event) bool { return e.Kind != EventDuplicate })
}

func TestOlderOfTwoNeighborsWithOneIDIsKept(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meet(1, "B")
	s.up(2, 1)
	got := s.keepAlive(15*time.Second, func() {
		s.hello(1, "B", 2000, "A")
		s.hello(2, "B", 2500, "A")
	})
	if len(got) != 1 || got[0].ID != "B" || got[0].Instance != 2000 || got[0].RefusedInstance != 2500 || got[0].Place != "A" {
		t.Errorf("events %+v, want one", got)
	}
	if r, _ := s.node.Router("B"); r.Link != 1 || r.Instance != 2000 {
		t.Errorf("B has instance %d on link %d, want 2000 on link 1", r.Instance, r.Link)
	}
	if l := s.node.Links()[1]; !l.Refused || l.Up {
		t.Errorf("the later one: %+v", l)
	}
	s.down(1)
	s.keepAlive(5*time.Second, func() { s.hello(2, "B", 2500, "A") })
	if r, _ := s.node.Router("B"); r.Link != 2 || r.Instance != 2500 {
		t.Errorf("when the older one has gone, B has instance %d on link %d, want 2500 on link 2", r.Instance, r.Link)
	}
}

// A router X runs behind B. Another one with its id, started later, connects here.
func TestNeighborWithTheIDOfARouterFarAwayIsRefused(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meet(1, "B")
	b := func(seq int64) {
		s.say(route{1, []string{"B"}, toAll}, OpcodeRA, message{id: "B", instance: 2000, lsSeq: seq, ls: &linkState{seq: seq,
			peers: []PeerCost{{"A", 1}, {"X", 1}}, instances: []int64{1000, 3000}}})
	}
	b(2)
	s.lsu(1, []string{"X", "B"}, 3000, 1, PeerCost{"B", 1})
	s.up(2, 1)
	got := s.keepAlive(15*time.Second, func() {
		s.hello(1, "B", 2000, "A")
		s.ra(1, []string{"B"}, 2000, 2, 0)
		s.hello(2, "X", 3500, "A")
	})
	if len(got) != 1 || got[0].ID != "X" || got[0].Instance != 3000 || got[0].Place != "B" || got[0].RefusedInstance != 3500 ||
		got[0].RefusedPlace != "A" {
		t.Errorf("events %+v, want one", got)
	}
	s.lsu(1, []string{"X", "B"}, 3000, 1, PeerCost{"B", 1})
	s.advance(100 * time.Millisecond)
	if r, _ := s.node.Router("X"); r.Neighbor || !r.Reachable || r.NextHop != "B" || r.Instance != 3000 {
		t.Errorf("X: %+v, want the one behind B", r)
	}
}

// A router anywhere sees from what two others say that a third one exists twice.
func TestTwinsAreReportedEverywhere(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meet(1, "B")
	s.meet(2, "C")
	say := func(id string, link LinkID, seq, x int64) {
		s.say(route{link, []string{id}, toAll}, OpcodeRA, message{id: id, instance: 2000, lsSeq: seq, ls: &linkState{seq: seq,
			peers: []PeerCost{{"A", 1}, {"X", 1}}, instances: []int64{1000, x}}})
	}
	say("B", 1, 2, 3000)
	say("C", 2, 2, 4000)
	got := s.keepAlive(15*time.Second, func() {
		s.hello(1, "B", 2000, "A")
		s.ra(1, []string{"B"}, 2000, 2, 0)
		s.hello(2, "C", 2000, "A")
		s.ra(2, []string{"C"}, 2000, 2, 0)
	})
	if len(got) != 1 || got[0].Place != "B" || got[0].RefusedPlace != "C" || got[0].Instance != 3000 {
		t.Errorf("events %+v, want one", got)
	}
	if s.node.Counters().Duplicates != 1 {
		t.Errorf("%d pairs are counted", s.node.Counters().Duplicates)
	}
}

func TestRestartIsNoTwin(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meet(1, "B")
	s.meet(2, "X")
	s.say(route{1, []string{"B"}, toAll}, OpcodeRA, message{id: "B", instance: 2000, lsSeq: 2, ls: &linkState{seq: 2,
		peers: []PeerCost{{"A", 1}, {"X", 1}}, instances: []int64{1000, 2000}}})
	i := 0
	events := s.keepAlive(15*time.Second, func() {
		s.hello(1, "B", 2000, "A")
		s.hello(2, "X", 3000, "A") // here it has restarted; B notices after three seconds
		if i++; i == 4 {
			s.say(route{1, []string{"B"}, toAll}, OpcodeRA, message{id: "B", instance: 2000, lsSeq: 3, ls: &linkState{seq: 3,
				peers: []PeerCost{{"A", 1}, {"X", 1}}, instances: []int64{1000, 3000}}})
		}
	})
	if got := events; len(got) != 0 || !s.isNeighbor("X") {
		t.Errorf("events %+v, neighbor %v", got, s.isNeighbor("X"))
	}
}

func TestRouterThatHearsOfItselfFromAfarReportsIt(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meet(1, "B")
	s.ra(1, []string{"A", "C", "B"}, 999, 1, 1) // of its own earlier life
	if s.node.Counters().Duplicates != 0 {
		t.Error("an earlier life is taken for a twin")
	}
	s.ra(1, []string{"A", "C", "B"}, 1000, 1, 1) // its own
	events := duplicates(s.ra(1, []string{"A", "C", "B"}, 5000, 1, 1))
	if len(events) != 1 || events[0].ID != "A" || events[0].RefusedInstance != 5000 || events[0].RefusedPlace != "B" {
		t.Errorf("events %+v, want one", events)
	}
	if again := duplicates(s.ra(1, []string{"A", "C", "B"}, 5000, 2, 1)); len(again) != 0 {
		t.Errorf("it is reported again: %+v", again)
	}
}
