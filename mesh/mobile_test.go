package mesh

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/postroad/postroad/addressing"
	"pgregory.net/rapid"
)

// sent returns the messages of one kind among events.
func sent(t testing.TB, events []Event, op Opcode) (messages []*message) {
	t.Helper()
	for _, e := range events {
		if e.Kind != EventSend {
			continue
		}
		env, err := decodeEnvelope(e.Payload)
		if err != nil {
			t.Fatal(err)
		}
		if parseOpcode(env.opcode) != op || string(env.ingress) != "A" {
			continue
		}
		m, err := decodeMessage(op, env.body, limits{1 << 20, 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, m)
	}
	return messages
}

func addresses(s *story, id string) (keys []string) {
	for _, a := range s.node.Addresses(id) {
		keys = append(keys, a.Key)
	}
	return keys
}

// TestChangesAreTakenOnlyInSequence: MAU rules of reference 2.3, with the correction of the archived sources.
func TestChangesAreTakenOnlyInSequence(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meet(1, "B")
	b := []string{"B"}
	step := func(what string, events []Event, wantMAR bool, have int64, want ...string) {
		t.Helper()
		mars := sent(t, events, OpcodeMAR)
		if (len(mars) == 1) != wantMAR || wantMAR && mars[0].haveSeq != have {
			t.Errorf("%s: asks %d times for addresses (%+v), want it to ask: %v", what, len(mars), mars, wantMAR)
		}
		if got := addresses(s, "B"); !slices.Equal(got, want) {
			t.Errorf("%s: addresses are %v, want %v", what, got, want)
		}
	}
	step("the first change", s.changes(1, b, 1, []string{"M0a", "M0b"}, nil), false, 0, "M0a", "M0b")
	step("the next one", s.changes(1, b, 2, []string{"M0c"}, []string{"M0a"}), false, 0, "M0b", "M0c")
	step("a copy", s.changes(1, b, 2, []string{"M0c"}, []string{"M0a"}), false, 0, "M0b", "M0c")
	step("an old one", s.changes(1, b, 1, []string{"M0a", "M0b"}, nil), false, 0, "M0b", "M0c")
	step("one is missing", s.changes(1, b, 4, []string{"M0e"}, nil), true, 2, "M0b", "M0c")
	step("another one while the question waits", s.changes(1, b, 5, []string{"M0f"}, nil), false, 0, "M0b", "M0c")
	step("the missing one after all", s.changes(1, b, 3, nil, []string{"M0b"}), false, 0, "M0c")
	step("all of them", s.all(1, b, 5, "M0c", "M0e", "M0f"), false, 0, "M0c", "M0e", "M0f")
	step("old ones", s.all(1, b, 4, "M0z"), false, 0, "M0c", "M0e", "M0f")
	step("fewer of them", s.all(1, b, 7, "M0f"), false, 0, "M0f")
	step("an address twice, and one deleted that is not there",
		s.changes(1, b, 8, []string{"M0g", "M0g"}, []string{"M0q"}), false, 0, "M0f", "M0g")
}

func TestLostAnswerIsAskedForAgain(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meet(1, "B")
	asked := len(sent(t, s.ra(1, []string{"B"}, 2000, 5, 3), OpcodeMAR))
	for range 5 {
		s.hello(1, "B", 2000, "A")
		before := s.node.Counters()
		s.advance(time.Second)
		after := s.node.Counters()
		asked += int(after.Sent[OpcodeMAR] - before.Sent[OpcodeMAR])
	}
	if asked < 3 || asked > 9 {
		t.Errorf("asked %d times in 5 s, want more than once and less and less often", asked)
	}
	if c := s.node.Counters(); c.Sent[OpcodeLSR] < 3 || c.Sent[OpcodeLSR] > 10 {
		t.Errorf("asked %d times for the link state", c.Sent[OpcodeLSR])
	}
}

func TestAddressesOfUnreachableRouterAreInvalidAtOnce(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meet(1, "B")
	s.changes(1, []string{"B"}, 1, []string{"M0a"}, nil)
	s.node.LinkDown(s.now, 1)
	events := s.node.Events()
	i := slices.IndexFunc(events, func(e Event) bool { return e.Kind == EventPathDown && e.ID == "B" })
	j := slices.IndexFunc(events, func(e Event) bool { return e.Kind == EventAddressDown && e.Key == "M0a" })
	if i < 0 || j < i {
		t.Fatalf("the loss of the link leads to %+v", events)
	}
	s.up(2, 1)
	s.hello(2, "B", 2000)
	events = s.hello(2, "B", 2000, "A")
	if !slices.ContainsFunc(events, func(e Event) bool { return e.Kind == EventAddressUp && e.Key == "M0a" }) {
		s.advance(50 * time.Millisecond)
		if got := addresses(s, "B"); !slices.Equal(got, []string{"M0a"}) {
			t.Errorf("the addresses are not back with the router: %v", got)
		}
	}
}

func TestChangesThatCancelEachOtherAreNotAnnounced(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meet(1, "B")
	s.node.AddAddress(s.now, "M0a", addressing.DistributionBalanced)
	s.node.RemoveAddress(s.now, "M0a")
	s.node.AddAddress(s.now, "Tqdrouter", addressing.DistributionFlood) // not of a class that is announced
	s.node.RemoveAddress(s.now, "M0never")
	before := s.node.Counters().Sent[OpcodeMAU]
	s.advance(time.Second)
	if n := s.node.Counters().Sent[OpcodeMAU] - before; n != 0 || s.node.Status().MobileSeq != 0 {
		t.Errorf("%d MAUs, sequence %d, want none", n, s.node.Status().MobileSeq)
	}
}

func TestFirstConsumerIsAnnouncedWithinMilliseconds(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meet(1, "B")
	s.advance(2 * time.Second)
	s.hello(1, "B", 2000, "A")
	s.node.AddAddress(s.now, "M0a", addressing.DistributionBalanced)
	s.advance(10 * time.Millisecond)
	if n := s.node.Counters().Sent[OpcodeMAU]; n != 1 {
		t.Errorf("%d MAUs within 10 ms, want 1", n)
	}
}

func TestAddressesThatComeOneByOneAreAnnouncedTogether(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meet(1, "B")
	for i := range 2000 {
		s.node.AddAddress(s.now, fmt.Sprintf("M0q%d", i), addressing.DistributionBalanced)
		s.advance(time.Millisecond)
		s.text.Reset()
		if i%1000 == 0 {
			s.hello(1, "B", 2000, "A")
		}
	}
	if n := s.node.Counters().Sent[OpcodeMAU]; n < 5 || n > 45 {
		t.Errorf("%d MAUs for 2,000 addresses in 2 s, want one in 50 ms", n)
	}
}

// Whatever one Node adds and removes, another one that hears its messages in order knows the same addresses.
func TestAddressesOfANeighborAreKnownExactly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := storyBegin
		nodes := map[string]*Node{}
		for id, instance := range map[string]int64{"A": 1, "B": 2} {
			n, err := New(Config{ID: id, Instance: instance, LogLevel: LevelCritical})
			if err != nil {
				t.Fatal(err)
			}
			n.Start(now)
			nodes[id] = n
		}
		other := map[string]string{"A": "B", "B": "A"}
		deliver := func() {
			for busy := true; busy; {
				busy = false
				for _, id := range []string{"A", "B"} {
					for _, e := range nodes[id].Events() {
						if e.Kind == EventSend {
							nodes[other[id]].Input(now, 1, e.Payload)
							busy = true
						}
					}
				}
			}
		}
		nodes["A"].LinkUp(now, 1, 1, "", false)
		nodes["B"].LinkUp(now, 1, 1, "", false)
		deliver()
		model := map[string]addressing.Distribution{}
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			key := rapid.SampledFrom([]string{"M0a", "M0b", "M0c"}).Draw(t, "key")
			switch rapid.IntRange(0, 3).Draw(t, "do") {
			case 0, 1:
				hint := addressing.Distribution(rapid.IntRange(1, 3).Draw(t, "hint"))
				model[key] = hint
				nodes["A"].AddAddress(now, key, hint)
			case 2:
				delete(model, key)
				nodes["A"].RemoveAddress(now, key)
			case 3:
				now = now.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "ms")) * time.Millisecond)
				for _, id := range []string{"A", "B"} {
					nodes[id].Advance(now)
				}
				deliver()
			}
		}
		for range 10 {
			now = now.Add(100 * time.Millisecond)
			for _, id := range []string{"A", "B"} {
				nodes[id].Advance(now)
			}
			deliver()
		}
		got := map[string]addressing.Distribution{}
		for _, a := range nodes["B"].Addresses("A") {
			got[a.Key] = a.Hint
		}
		if fmt.Sprint(got) != fmt.Sprint(model) {
			t.Fatalf("B knows %v, want %v", got, model)
		}
	})
}
