package mesh

import (
	"slices"
	"testing"
	"time"
)

// meetOurs makes a router of our kind a neighbor on link 1.
func (s *story) meetOurs(id string) {
	s.node.LinkUp(s.now, 1, 1, id, true)
	s.drain()
	s.helloOurs(id)
	s.advance(20 * time.Millisecond)
	s.helloOurs(id)
}

func (s *story) helloOurs(id string) {
	s.say(route{1, []string{id}, toHello}, OpcodeHello,
		message{id: id, instance: 2000, seen: []string{"A"}, interval: 100})
}

func (s *story) isNeighbor(id string) bool {
	r, _ := s.node.Router(id)
	return r.Neighbor
}

func TestSilentNeighborOfOurKindIsLostAfterThreeHellos(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meetOurs("B")
	s.advance(300 * time.Millisecond)
	if !s.isNeighbor("B") {
		t.Error("lost after 300 ms, want longer")
	}
	s.now = s.now.Add(time.Millisecond)
	s.node.Advance(s.now)
	if !slices.ContainsFunc(s.drain(), func(e Event) bool { return e.Kind == EventLinkSilent && e.Link == 1 && e.ID == "B" }) ||
		s.isNeighbor("B") {
		t.Error("not lost after 301 ms")
	}
}

func TestHellosToOurKindAreFastAndToInterconnectSlow(t *testing.T) {
	t.Parallel()
	for _, ours := range []bool{true, false} {
		s := newStory(t, Config{LogLevel: LevelCritical})
		s.node.LinkUp(s.now, 1, 1, "B", ours)
		before := s.node.Counters().Sent[OpcodeHello]
		s.advance(10 * time.Second)
		sent, want := s.node.Counters().Sent[OpcodeHello]-before, uint64(10)
		if ours {
			want = 100
		}
		if sent != want {
			t.Errorf("to a router of our kind (%v) %d HELLOs in 10 s, want %d", ours, sent, want)
		}
	}
}

func TestRouterWhoseHellosSayAnIntervalIsOfOurKind(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.node.LinkUp(s.now, 1, 1, "B", false)
	s.helloOurs("B")
	before := s.node.Counters().Sent[OpcodeHello]
	s.advance(time.Second)
	if n := s.node.Counters().Sent[OpcodeHello] - before; n < 5 {
		t.Errorf("%d HELLOs in the second after its first one", n)
	}
}

func TestWhateverComesFromANeighborIsASignOfLife(t *testing.T) {
	t.Parallel()
	var s *story
	traffic := true
	s = newStory(t, Config{LogLevel: LevelCritical, Received: func(LinkID) time.Time {
		if traffic {
			return s.now
		}
		return time.Time{}
	}})
	s.meetOurs("B")
	s.advance(2900 * time.Millisecond)
	if !s.isNeighbor("B") {
		t.Error("lost though there was traffic")
	}
	s.advance(200 * time.Millisecond)
	if s.isNeighbor("B") {
		t.Error("not lost after 3 s without HELLOs")
	}
	if n := s.node.Counters().PathComputations; n == 0 {
		t.Error("nothing was computed")
	}
	s.helloOurs("B")
	traffic = false
	s.advance(301 * time.Millisecond)
	if s.isNeighbor("B") {
		t.Error("not lost after 300 ms without anything")
	}
}

func TestTimeInWhichThisRouterDidNotRunIsNoSilence(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meetOurs("B")
	for range 10 { // the machine is so busy that the router runs twice a second
		s.now = s.now.Add(500 * time.Millisecond)
		s.node.Advance(s.now)
		s.drain()
		if !s.isNeighbor("B") {
			t.Fatal("lost though its HELLOs may be waiting")
		}
		s.helloOurs("B")
	}
	s.advance(time.Second)
	if s.isNeighbor("B") {
		t.Error("not lost when the router runs again and hears nothing")
	}
}

func TestNeighborWhoseHellosAreLateMayBeSilentForLonger(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meetOurs("B")
	s.advance(280 * time.Millisecond) // nearly lost
	s.helloOurs("B")
	s.advance(450 * time.Millisecond)
	if !s.isNeighbor("B") {
		t.Error("lost after 450 ms, though the HELLO before was 180 ms late")
	}
	for range 200 {
		s.helloOurs("B")
		s.advance(100 * time.Millisecond)
	}
	s.helloOurs("B")
	s.advance(350 * time.Millisecond)
	if s.isNeighbor("B") {
		t.Error("not lost after 350 ms, though its HELLOs have been in time for 20 s")
	}
}

func TestPlainNodeSaysNothingThatInterconnectDoesNot(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical, Plain: true})
	s.node.LinkUp(s.now, 1, 1, "B", true)
	s.node.SetOverload(s.now, true)
	s.helloOurs("B")
	s.advance(time.Second)
	s.lsr(1, []string{"B"})
	s.node.Leave(s.now)
	for _, e := range slices.Concat(slices.Clone(s.node.Events()), s.drain()) {
		if e.Kind != EventSend {
			continue
		}
		env, err := decodeEnvelope(e.Payload)
		if err != nil {
			t.Fatal(err)
		}
		m, err := decodeMessage(parseOpcode(env.opcode), env.body, limits{100, 100})
		if err != nil {
			t.Fatal(err)
		}
		if m.interval != 0 || m.leaving || m.refused || m.ls != nil && (m.ls.instances != nil || m.ls.overload) {
			t.Errorf("%s says %+v", env.opcode, m)
		}
	}
}

// A router that has not run for longer than it can know reads what has come before it takes anybody for dead.
func TestRouterThatHasNotRunReadsFirst(t *testing.T) {
	t.Parallel()
	for _, spoken := range []bool{true, false} {
		s := newStory(t, Config{LogLevel: LevelCritical})
		s.meetOurs("B")
		s.advance(290 * time.Millisecond) // not yet too long; what is due next is to look again
		s.now = s.node.linkWake.Add(50 * time.Millisecond)
		s.node.Advance(s.now)
		s.drain()
		if !s.isNeighbor("B") {
			t.Error("lost before it could be read")
		}
		if spoken {
			s.helloOurs("B")
		}
		s.advance(100 * time.Millisecond)
		if s.isNeighbor("B") != spoken {
			t.Errorf("a neighbor: %v, though it has spoken: %v", !spoken, spoken)
		}
	}
}
