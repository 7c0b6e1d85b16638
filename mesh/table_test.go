package mesh

import (
	"slices"
	"testing"
	"time"
)

// square makes a node A with the neighbors B and C, both of which lead to D at the same cost, and E behind B.
func square(t testing.TB) *story {
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meet(1, "B", PeerCost{"D", 1}, PeerCost{"E", 1})
	s.meet(2, "C", PeerCost{"B", 3}, PeerCost{"D", 1})
	s.lsu(1, []string{"D", "B"}, 4000, 1, PeerCost{"B", 1}, PeerCost{"C", 1})
	s.lsu(1, []string{"E", "B"}, 5000, 1, PeerCost{"B", 1})
	s.lsu(1, []string{"B"}, 2000, 2, PeerCost{"A", 1}, PeerCost{"C", 3}, PeerCost{"D", 1}, PeerCost{"E", 1})
	s.advance(200 * time.Millisecond)
	return s
}

// number is that of a router which must be known.
func (s *story) number(id string) int {
	n, ok := s.node.Number(id)
	if !ok {
		s.t.Fatalf("router %s is not known", id)
	}
	return n
}

func TestRoutesHaveEqualNextHopsAndAlternates(t *testing.T) {
	t.Parallel()
	s := square(t)
	routes := s.node.Routes()
	b, c, d, e := s.number("B"), s.number("C"), s.number("D"), s.number("E")
	toD, ok := routes.To(d)
	if !ok || toD.Cost != 2 || len(toD.Next) != 2 || toD.Next[0].Router != b || toD.Next[1].Router != c ||
		toD.Next[0].Alternate != (Alternate{Router: c, Cost: 2, Node: true, Downstream: true}) ||
		toD.Next[1].Alternate != (Alternate{Router: b, Cost: 2, Node: true, Downstream: true}) {
		t.Errorf("route to D: %+v, %v", toD, ok)
	}
	// C reaches E by D and B at cost 3, less than by A, but by nobody but B.
	toE, _ := routes.To(e)
	if len(toE.Next) != 1 || toE.Next[0].Alternate.Router != 0 {
		t.Errorf("route to E: %+v, want no alternate: C's way by A is as cheap as the one by D", toE)
	}
	if got := routes.Links(b); !slices.Equal(got, []LinkID{1}) {
		t.Errorf("links to B: %v", got)
	}
	ours := *routes
	ours.mixed = false // the story's routers do not say which kind they are of
	if got := ours.Ways(nil, d); !slices.Equal(got, []LinkID{1, 2}) {
		t.Errorf("to D by the links %v, want 1 and then 2", got)
	}
	if got := ours.Ways([]LinkID{9}, e); !slices.Equal(got, []LinkID{9, 1}) {
		t.Errorf("to E by the links %v behind 9, want 1 alone", got)
	}
	if got := ours.Ways(nil, 99); got != nil || (*Routes)(nil).Len() != 0 {
		t.Error("a route to a router that nobody knows")
	}
}

// The order in which ways are tried is one of the routes alone, whoever asks.
func TestWaysAreNextHopsBeforeAlternatesThatAvoidANode(t *testing.T) {
	t.Parallel()
	routes := &Routes{
		to: []Route{{}, {Next: []NextHop{
			{Router: 2, Alternate: Alternate{Router: 5}},
			{Router: 3, Alternate: Alternate{Router: 4, Node: true}},
		}}},
		links: [][]LinkID{nil, nil, {20, 21}, {30}, {40}, {50, 51}},
	}
	if got, want := routes.Ways(nil, 1), []LinkID{20, 21, 30, 40, 50, 51}; !slices.Equal(got, want) {
		t.Errorf("links %v, want %v", got, want)
	}
	routes.mixed = true
	if got, want := routes.Ways(nil, 1), []LinkID{20, 21}; !slices.Equal(got, want) {
		t.Errorf("beside routers of another kind: links %v, want %v", got, want)
	}
}

func TestSecondConnectionToANeighborTakesOver(t *testing.T) {
	t.Parallel()
	s := square(t)
	s.up(7, 3)
	s.hello(7, "B", 2000, "A")
	b, e := s.number("B"), s.number("E")
	if got := s.node.Routes().Links(b); !slices.Equal(got, []LinkID{1, 7}) {
		t.Fatalf("links to B are %v, want 1 and then 7", got)
	}
	if got := s.node.Routes().Ways(nil, e); !slices.Equal(got, []LinkID{1, 7}) {
		t.Errorf("messages to E go by %v, want 1 and then 7", got)
	}
	s.node.LinkDown(s.now, 1)
	for _, event := range s.drain() {
		if event.Kind == EventPathDown {
			t.Errorf("no path to %s any more, though there is another connection", event.ID)
		}
	}
	if r, _ := s.node.Router("B"); r.Link != 7 || r.Cost != 2 && r.Cost != 3 {
		t.Errorf("B is reached by link %d at cost %d, want link 7", r.Link, r.Cost)
	}
}

// In a storm paths are not computed at once; what was prepared is used then.
func TestLossesInAStormAreSwitchedOver(t *testing.T) {
	t.Parallel()
	s := square(t)
	d, e := s.number("D"), s.number("E")
	for range 20 { // the storm
		s.node.paths.hurry(s.now)
		s.node.Advance(s.now)
		s.advance(10 * time.Millisecond)
	}
	computed := s.node.Counters().PathComputations
	s.node.LinkDown(s.now, 1)
	s.drain()
	if s.node.Counters().PathComputations != computed {
		t.Fatal("paths were computed")
	}
	if route, ok := s.node.Routes().To(d); !ok || len(route.Next) != 1 || route.Next[0].Router != s.number("C") {
		t.Errorf("route to D is %+v, want by C", route)
	}
	if _, ok := s.node.Routes().To(e); ok {
		t.Error("there is a route to E, but nothing was prepared")
	}
	if r, _ := s.node.Router("D"); !r.Reachable || r.NextHop != "C" {
		t.Errorf("D: %+v", r)
	}
	s.advance(time.Second)
	if r, _ := s.node.Router("E"); !r.Reachable || r.NextHop != "C" {
		t.Errorf("E is not reached by C after the computation: %+v", r)
	}
}

func TestPublishedRoutesDoNotChange(t *testing.T) {
	t.Parallel()
	s := square(t)
	before := s.node.Routes()
	d := s.number("D")
	route, _ := before.To(d)
	next := slices.Clone(route.Next)
	s.down(1)
	s.down(2)
	s.advance(70 * time.Second)
	if again, ok := before.To(d); !ok || !slices.Equal(again.Next, next) {
		t.Errorf("the route was %+v and is %+v", next, again.Next)
	}
	if s.node.Routes() == before || s.node.Routes().Links(1) != nil {
		t.Error("the routes are still those of before")
	}
}
