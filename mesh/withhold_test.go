package mesh

import (
	"strings"
	"testing"
	"time"
)

// row is nodes in a row, in one goroutine: each is connected with the one before.
type row struct {
	nodes []*Node
	now   time.Time
	heard []Event // EventWithhold of all nodes
}

// newRow starts nodes, whose ids are capital letters; small letters stand for routers of another kind.
func newRow(t *testing.T, ids string) *row {
	t.Helper()
	r := &row{now: storyBegin}
	for _, id := range ids {
		n, err := New(Config{ID: strings.ToUpper(string(id)), LogLevel: LevelCritical, Plain: id >= 'a'})
		if err != nil {
			t.Fatal(err)
		}
		n.Start(r.now)
		r.nodes = append(r.nodes, n)
	}
	for i := range len(r.nodes) - 1 {
		r.nodes[i].LinkUp(r.now, 2, 1, "", false)
		r.nodes[i+1].LinkUp(r.now, 1, 1, "", false)
	}
	for range 40 {
		r.pass(250 * time.Millisecond)
	}
	return r
}

// pass lets time pass, and hands over what the nodes send.
func (r *row) pass(d time.Duration) {
	r.now = r.now.Add(d)
	for i, n := range r.nodes {
		n.Advance(r.now)
		for _, e := range append([]Event(nil), n.Events()...) {
			switch {
			case e.Kind == EventWithhold:
				r.heard = append(r.heard, e)
			case e.Kind == EventSend && e.Link == 1:
				r.nodes[i-1].Input(r.now, 2, e.Payload)
			case e.Kind == EventSend && e.Link == 2:
				r.nodes[i+1].Input(r.now, 1, e.Payload)
			}
		}
	}
}

// number is the number that the first node has given to a router.
func (r *row) number(t *testing.T, id string) int {
	t.Helper()
	s, ok := r.nodes[0].Router(id)
	if !ok {
		t.Fatalf("%s is not known", id)
	}
	return s.Number
}

// ask has the first node ask a router to withhold credit, and fails the test unless one router has heard then.
func (r *row) ask(t *testing.T, id string, lease time.Duration) {
	t.Helper()
	if !r.nodes[0].Withhold(r.now, r.number(t, id), "M0orders", lease) {
		t.Fatalf("%s is not asked", id)
	}
	for range 4 {
		r.pass(time.Millisecond)
	}
	if len(r.heard) != 1 {
		t.Fatalf("%d routers have heard, want %s alone", len(r.heard), id)
	}
}

func TestARequestToWithholdCreditTravelsToItsRouterAndNobodyElse(t *testing.T) {
	t.Parallel()
	r := newRow(t, "ABCD")
	r.ask(t, "C", time.Minute)
	if e := r.heard[0]; e.ID != "A" || e.Key != "M0orders" || e.Lease != MaxLease {
		t.Errorf("C hears that %s wants %q held back for %v, want A, M0orders, %v", e.ID, e.Key, e.Lease, MaxLease)
	}
}

func TestARequestToWithholdCreditPassesRoutersOfAnotherKind(t *testing.T) {
	t.Parallel()
	newRow(t, "AbC").ask(t, "C", time.Second)
}

func TestRoutersOfAnotherKindAreNotAskedToWithholdCredit(t *testing.T) {
	t.Parallel()
	r := newRow(t, "Ab")
	number := r.number(t, "B")
	if n := r.nodes[0]; n.Understands(number) || n.Withhold(r.now, number, "M0orders", time.Second) {
		t.Error("B is asked")
	}
	for _, n := range []int{-1, 0, 2, 99} {
		if r.nodes[0].Withhold(r.now, n, "M0orders", time.Second) {
			t.Errorf("router %d is asked", n)
		}
	}
	if sent := r.nodes[0].Counters().Sent[OpcodeWithhold]; sent != 0 {
		t.Errorf("%d requests are sent", sent)
	}
}

func TestRequestsToWithholdCreditAreBounded(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meet(1, "B")
	heard := 0
	for range 1000 {
		s.now = s.now.Add(time.Millisecond)
		s.node.Input(s.now, 1, body(t, "B", toMe, "WITHHOLD", "id", "B", "address", "M0x", "lease", 1000))
		for _, e := range s.node.Events() {
			if e.Kind == EventWithhold {
				heard++
			}
		}
	}
	if heard < withholdBurst || heard > withholdBurst+2*withholdRate {
		t.Errorf("of a thousand requests in a second %d are heard", heard)
	}
}

func TestRequestsToWithholdCreditSayForHowLongAndWhat(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string][]any{
		"no lease": {"id", "B", "address", "M0x"}, "a lease of nothing": {"id", "B", "address", "M0x", "lease", 0},
		"no address": {"id", "B", "lease", 1000}, "an empty address": {"id", "B", "address", "", "lease", 1000},
		"a long address":         {"id", "B", "address", strings.Repeat("x", 5000), "lease", 1000},
		"in the name of another": {"id", "Z", "address", "M0x", "lease", 1000},
		"to all routers":         {"id", "B", "address", "M0x", "lease", 1000},
	} {
		to := toMe
		if name == "to all routers" {
			to = toAll
		}
		s := newStory(t, Config{LogLevel: LevelCritical})
		s.meet(1, "B")
		s.node.Input(s.now, 1, body(t, "B", to, "WITHHOLD", fields...))
		for _, e := range s.node.Events() {
			if e.Kind == EventWithhold {
				t.Errorf("%s: it is taken", name)
			}
		}
	}
}
