package mesh

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postroad/postroad/mesh/spf"
)

func TestConfigurationThatCannotWorkIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{
		"no id":                      {},
		"slash in the id":            {ID: "a/b"},
		"control character":          {ID: "a\n"},
		"long id":                    {ID: strings.Repeat("x", 256)},
		"negative interval":          {ID: "A", RAInterval: -time.Second},
		"hellos older than allowed":  {ID: "A", HelloInterval: 5 * time.Second},
		"maximum age of nanoseconds": {ID: "A", LSMaxAge: 1},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}

func TestNothingHappensBeforeTheStart(t *testing.T) {
	t.Parallel()
	n, err := New(Config{ID: "A"})
	if err != nil {
		t.Fatal(err)
	}
	if !n.Deadline().IsZero() {
		t.Error("there is a deadline")
	}
	n.LinkUp(storyBegin, 1, 0, "", false)
	n.AddAddress(storyBegin, "M0a", 1)
	n.Input(storyBegin, 1, octets(t, golden[0].octets))
	n.Advance(storyBegin.Add(time.Hour))
	if events := n.Events(); len(events) != 0 {
		t.Errorf("there are events: %+v", events)
	}
	n.Start(storyBegin.Add(time.Hour))
	hello := func(e Event) bool { return e.Kind == EventSend && e.Link == 1 }
	if events := n.Events(); !slices.ContainsFunc(events, hello) {
		t.Errorf("no HELLO after the start on a link that was up before: %+v", events)
	}
}

func TestNeighborIsLostThreeSecondsAfterItsLastHello(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meet(1, "B")
	s.hello(1, "B", 2000, "A")
	s.advance(3 * time.Second)
	if r, _ := s.node.Router("B"); !r.Reachable {
		t.Error("lost after 3 s, want longer than 3 s")
	}
	s.advance(time.Millisecond)
	if r, _ := s.node.Router("B"); r.Reachable || r.Neighbor {
		t.Error("not lost after 3.001 s")
	}
}

func TestNumbersOfRoutersAreUsedAgain(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	for i := range 5 {
		s.meet(LinkID(i+1), fmt.Sprint("B", i))
		s.down(LinkID(i + 1))
		s.advance(70 * time.Second)
	}
	s.meet(9, "C")
	if r, _ := s.node.Router("C"); r.Number != 1 || len(s.node.Routers()) != 1 {
		t.Errorf("C has number %d of %d routers, want 1 of 1", r.Number, len(s.node.Routers()))
	}
	if number, ok := s.node.Number("A"); number != 0 || !ok {
		t.Errorf("this router has the number %d, %v, want 0", number, ok)
	}
	if _, ok := s.node.Number("B0"); ok {
		t.Error("a forgotten router has a number")
	}
}

// 128 is all that Interconnect can take.
func TestManyRoutersAreKnown(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meet(1, "B")
	var peers []PeerCost
	for i := range 900 {
		peers = append(peers, PeerCost{fmt.Sprintf("R%03d", i), 1 + i%7})
	}
	s.say(route{1, []string{"B"}, toAll}, OpcodeRA, message{id: "B", instance: 2000, lsSeq: 2,
		ls: &linkState{seq: 2, peers: append([]PeerCost{{"A", 1}}, peers...)}})
	for _, p := range peers {
		s.lsu(1, []string{p.ID, "B"}, 1, 1, PeerCost{"B", p.Cost})
		s.text.Reset()
	}
	s.advance(2 * time.Second)
	for _, r := range s.node.Routers() {
		if !r.Reachable {
			t.Fatalf("no path to %s", r.ID)
		}
	}
	if got := len(s.node.Routers()); got != 901 {
		t.Errorf("%d routers are known, want 901", got)
	}
}

func TestStatusShowsWhatInterconnectShows(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meet(1, "B", PeerCost{"C", 2})
	s.meet(2, "D")
	s.lsu(1, []string{"C", "B"}, 3000, 4, PeerCost{"B", 2})
	s.advance(time.Second)
	self := s.node.Status()
	if self.NextHop != "(self)" || self.Number != 0 || self.Instance != 1000 || self.ProtocolVersion != 1 ||
		fmt.Sprint(self.LinkState) != "[{B 1} {D 1}]" {
		t.Errorf("this router: %+v", self)
	}
	c, _ := s.node.Router("C")
	if c.NextHop != "B" || c.Cost != 3 || c.Hops != 2 || c.Neighbor || fmt.Sprint(c.ValidOrigins) != "[D]" ||
		c.Instance != 3000 || fmt.Sprint(c.LinkState) != "[{B 2}]" {
		t.Errorf("C: %+v", c)
	}
	b, _ := s.node.Router("B")
	if b.NextHop != "" || b.Cost != 1 || !b.Neighbor || b.Link != 1 || fmt.Sprint(b.ValidOrigins) != "[D]" {
		t.Errorf("B: %+v", b)
	}
	if _, ok := s.node.Router("nobody"); ok {
		t.Error("a router that nobody knows has a status")
	}
	if s.node.Radius() != 2 || s.node.LastTopologyChange().IsZero() {
		t.Errorf("radius %d, want 2; topology changed at %v", s.node.Radius(), s.node.LastTopologyChange())
	}
	links := s.node.Links()
	if len(links) != 2 || links[0].Router != "B" || !links[0].Active || !links[0].Up || links[1].Link != 2 {
		t.Errorf("links: %+v", links)
	}
	if c := s.node.Counters(); c.PathComputations == 0 || c.Received[OpcodeHello] != 4 || c.Sent[OpcodeLSR] == 0 {
		t.Errorf("counters: %+v", c)
	}
}

func TestChangedCostOfALinkChangesPaths(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meet(1, "B")
	s.up(1, 7)
	s.advance(time.Second)
	if b, _ := s.node.Router("B"); b.Cost != 7 || s.node.Status().LinkStateSeq != 2 {
		t.Errorf("cost %d, own link state %d, want 7, 2", b.Cost, s.node.Status().LinkStateSeq)
	}
	s.node.LinkUp(s.now, 1, -3, "", false)
	s.advance(time.Second)
	if b, _ := s.node.Router("B"); b.Cost != 1 {
		t.Errorf("cost %d, want 1: there is none below", b.Cost)
	}
	s.node.LinkUp(s.now, 1, spf.MaxCost+1, "", false)
	s.advance(time.Second)
	if b, _ := s.node.Router("B"); b.Reachable && b.Cost > spf.MaxCost {
		t.Errorf("cost %d", b.Cost)
	}
}

func TestLinkThatFlapsLeadsToFewAdvertisements(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meet(1, "B")
	before := s.node.Counters()
	for i := range 300 { // 30 s
		link := LinkID(10 + i)
		s.up(link, 1)
		s.hello(link, "C", 3000, "A")
		s.advance(50 * time.Millisecond)
		s.down(link)
		s.advance(50 * time.Millisecond)
		if i%20 == 0 {
			s.hello(1, "B", 2000, "A")
		}
		s.text.Reset()
	}
	after := s.node.Counters()
	if n := after.Sent[OpcodeRA] - before.Sent[OpcodeRA]; n < 10 || n > 150 {
		t.Errorf("%d RAs in 30 s, want about two a second on each of two links", n)
	}
}

func TestNamesAreThoseOfInterconnect(t *testing.T) {
	t.Parallel()
	for level, name := range []string{"trace", "debug", "info", "notice", "warning", "error", "critical"} {
		if Level(level).String() != name {
			t.Errorf("level %d is %v, want %s", level, Level(level), name)
		}
	}
	for reason := range dropReasons {
		if reason.String() == "" {
			t.Errorf("drop reason %d has no name", reason)
		}
	}
}

// BenchmarkInput is the way of an RA that is a copy: in a large mesh nearly all messages are.
func BenchmarkInput(b *testing.B) {
	s := newStory(b, Config{LogLevel: LevelWarning})
	s.meet(1, "B")
	s.meet(2, "C")
	e, err := decodeEnvelope(encode("0/B", toAll, OpcodeRA, &message{id: "B", instance: 2000, lsSeq: 1}))
	if err != nil {
		b.Fatal(err)
	}
	payload := e.appendForwarded(nil, "0/C")
	b.ReportAllocs()
	for b.Loop() {
		s.node.Input(s.now, 2, payload)
		s.node.Events()
	}
}
