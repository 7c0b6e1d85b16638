package mesh

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/postroad/postroad/addressing"
)

var update = flag.Bool("update", false, "write the transcripts in testdata anew")

// story is a conversation between a Node and routers that the test plays. Everything that the Node puts out goes into a
// transcript.
type story struct {
	t    testing.TB
	node *Node
	now  time.Time
	text strings.Builder

	twins []Event // EventDuplicate
}

var storyBegin = time.Unix(1_700_000_000, 0)

func newStory(t testing.TB, config Config) *story {
	t.Helper()
	if config.ID == "" {
		config.ID = "A"
	}
	config.Instance = 1000
	n, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	s := &story{t: t, node: n, now: storyBegin}
	n.Start(s.now)
	s.drain()
	return s
}

// note writes a line of the test into the transcript.
func (s *story) note(format string, args ...any) {
	fmt.Fprintf(&s.text, "\n%v: %s\n", s.now.Sub(storyBegin), fmt.Sprintf(format, args...))
}

// drain writes the events into the transcript, and returns them.
func (s *story) drain() []Event {
	events := s.node.Events()
	for _, e := range events {
		if e.Kind == EventDuplicate {
			s.twins = append(s.twins, e)
		}
	}
	for _, e := range events {
		if e.Kind == EventRoutes { // says what the paths say; held against them in table_test.go and mesh/sim
			continue
		}
		fmt.Fprintf(&s.text, "  %s\n", describe(s.t, e))
	}
	return events
}

// up brings a link up on which the router peer is to be played.
func (s *story) up(id LinkID, cost int) {
	s.note("link %d of cost %d is up", id, cost)
	s.node.LinkUp(s.now, id, cost, "", false)
	s.drain()
}

func (s *story) down(id LinkID) {
	s.note("link %d is down", id)
	s.node.LinkDown(s.now, id)
	s.drain()
}

// advance lets time pass, with a stop at every deadline.
func (s *story) advance(d time.Duration) {
	end := s.now.Add(d)
	for steps := 0; ; steps++ {
		at := s.node.Deadline()
		if at.After(end) {
			break
		}
		if at.After(s.now) {
			s.now = at
		}
		if steps > 100000 {
			s.t.Fatalf("the deadline stays at %v", at)
		}
		s.node.Advance(s.now)
		if len(s.node.events) > 0 {
			s.note("time passes")
			s.drain()
		}
	}
	s.now = end
}

// route says how a message of the test gets to the Node.
type route struct {
	link  LinkID
	trace []string // routers on the way; the first is the one that made it
	to    string
}

// say makes the router on the link send a message.
func (s *story) say(r route, op Opcode, m message) []Event {
	s.t.Helper()
	payload := encode("0/"+r.trace[0], r.to, op, &m)
	for _, id := range r.trace[1:] {
		e, err := decodeEnvelope(payload)
		if err != nil {
			s.t.Fatal(err)
		}
		payload = e.appendForwarded(nil, "0/"+id)
	}
	s.note("link %d brings %s", r.link, describeMessage(s.t, payload))
	s.node.Input(s.now, r.link, payload)
	clear(payload) // the Node must not have kept it
	return s.drain()
}

func (s *story) hello(link LinkID, from string, instance int64, seen ...string) []Event {
	return s.say(route{link, []string{from}, "amqp:/_local/qdhello"}, OpcodeHello,
		message{id: from, instance: instance, seen: seen})
}

func (s *story) ra(link LinkID, trace []string, instance, lsSeq, mobileSeq int64) []Event {
	return s.say(route{link, trace, "amqp:/_topo/0/all/qdrouter"}, OpcodeRA,
		message{id: trace[0], instance: instance, lsSeq: lsSeq, mobileSeq: mobileSeq})
}

func (s *story) lsr(link LinkID, trace []string) []Event {
	return s.say(route{link, trace, "amqp:/_topo/0/A/qdrouter"}, OpcodeLSR, message{id: trace[0]})
}

func (s *story) lsu(link LinkID, trace []string, instance, seq int64, peers ...PeerCost) []Event {
	return s.say(route{link, trace, "amqp:/_topo/0/A/qdrouter"}, OpcodeLSU,
		message{id: trace[0], instance: instance, lsSeq: seq, ls: &linkState{seq: seq, peers: peers}})
}

func (s *story) mar(link LinkID, trace []string, have int64) []Event {
	return s.say(route{link, trace, "amqp:/_topo/0/A/qdrouter.ma"}, OpcodeMAR, message{id: trace[0], haveSeq: have})
}

func (s *story) changes(link LinkID, trace []string, seq int64, add, del []string) []Event {
	return s.say(route{link, trace, "_topo/0/all/qdrouter.ma"}, OpcodeMAU,
		message{id: trace[0], mobileSeq: seq, add: add, del: del, hints: make([]int64, len(add))})
}

func (s *story) all(link LinkID, trace []string, seq int64, exist ...string) []Event {
	return s.say(route{link, trace, "amqp:/_topo/0/A/qdrouter.ma"}, OpcodeMAU,
		message{id: trace[0], mobileSeq: seq, absolute: true, exist: exist})
}

// meet makes the router on the link a neighbor, with everything said that is to be said.
func (s *story) meet(link LinkID, id string, peers ...PeerCost) {
	s.up(link, 1)
	s.hello(link, id, 2000)
	s.hello(link, id, 2000, "A")
	s.lsu(link, []string{id}, 2000, 1, append([]PeerCost{{"A", 1}}, peers...)...)
	s.advance(50 * time.Millisecond) // the distance between computations of paths
}

// compare holds the transcript against the one in testdata.
func (s *story) compare(name string) {
	s.t.Helper()
	file := filepath.Join("testdata", name+".txt")
	got := strings.TrimPrefix(s.text.String(), "\n")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatalf("%v: write it with -update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		s.t.Errorf("the transcript differs from %s; when it should, write it with -update:\n%s", file, diff)
	}
}

func describe(t testing.TB, e Event) string {
	router := fmt.Sprintf("router %d %s", e.Router, e.ID)
	switch e.Kind {
	case EventSend:
		return fmt.Sprintf("send on link %d: %s", e.Link, describeMessage(t, e.Payload))
	case EventRouterUp:
		return router + " is known"
	case EventRouterDown:
		return router + " is forgotten"
	case EventPathUp:
		return fmt.Sprintf("%s: path by link %d (router %d) of cost %d, %d hops, equal %v", router, e.Path.NextHop,
			e.Path.Router, e.Path.Cost, e.Path.Hops, e.Path.Equal)
	case EventPathDown:
		return router + ": no path"
	case EventOrigins:
		return fmt.Sprintf("%s: valid origins %v", router, slices.Collect(e.Origins.All()))
	case EventRadius:
		return fmt.Sprintf("radius %d", e.Radius)
	case EventAddressUp:
		if !e.HasHint {
			return fmt.Sprintf("%s: has address %s", router, e.Key)
		}
		return fmt.Sprintf("%s: has address %s (%v)", router, e.Key, e.Hint)
	case EventAddressDown:
		return fmt.Sprintf("%s: has no address %s any more", router, e.Key)
	case EventLinkSilent:
		return fmt.Sprintf("link %d to %s is silent", e.Link, e.ID)
	case EventDuplicate:
		return fmt.Sprintf("two routers %s: instance %d at %q, refused %d at %q", e.ID, e.Instance, e.Place, e.RefusedInstance,
			e.RefusedPlace)
	case EventLog:
		return fmt.Sprintf("log %s (%v) %s", e.Module, e.Level, e.Text)
	}
	t.Fatalf("unknown event %+v", e)
	return ""
}

func describeMessage(t testing.TB, payload []byte) string {
	e, err := decodeEnvelope(payload)
	if err != nil {
		t.Fatal(err)
	}
	op := parseOpcode(e.opcode)
	m, err := decodeMessage(op, e.body, limits{1 << 20, 1 << 20})
	if err != nil {
		return fmt.Sprintf("%v to %s, trace %v, malformed: %v", op, e.to, e.routers, err)
	}
	text := fmt.Sprintf("%v to %s, trace %v, id=%s", op, e.to, e.routers, m.id)
	switch op {
	case OpcodeHello:
		text += fmt.Sprintf(" instance=%d seen=%v", m.instance, m.seen)
	case OpcodeRA:
		text += fmt.Sprintf(" instance=%d ls_seq=%d mobile_seq=%d", m.instance, m.lsSeq, m.mobileSeq)
	case OpcodeLSU:
		text += fmt.Sprintf(" instance=%d ls_seq=%d", m.instance, m.lsSeq)
	case OpcodeMAR:
		text += fmt.Sprintf(" have_seq=%d", m.haveSeq)
	case OpcodeMAU:
		text += fmt.Sprintf(" mobile_seq=%d", m.mobileSeq)
		if m.absolute {
			text += fmt.Sprintf(" exist=%v", m.exist)
		} else {
			text += fmt.Sprintf(" add=%v del=%v", m.add, m.del)
		}
		text += fmt.Sprintf(" hints=%v", m.hints)
	}
	if m.ls != nil {
		text += fmt.Sprintf(" ls=%d%v", m.ls.seq, m.ls.peers)
	}
	return text
}

// The neighbor of this story behaves as qdrouterd does: everything on ticks of a second, in the order of its Python
// code.
func TestMeetingQdrouterd(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelInfo, Plain: true})
	s.note("a consumer attaches before there is a neighbor")
	s.node.AddAddress(s.now, "M0orders", addressing.DistributionBalanced)
	s.advance(100 * time.Millisecond)
	s.up(1, 1)
	s.advance(300 * time.Millisecond)
	s.note("first tick of B: it has heard A's HELLO")
	s.hello(1, "B", 2000, "A")
	s.ra(1, []string{"B"}, 2000, 0, 0)
	s.lsr(1, []string{"B"})
	s.ra(1, []string{"B"}, 2000, 1, 0)
	s.note("B's Python code answers the LSR")
	s.lsu(1, []string{"B"}, 2000, 1, PeerCost{"A", 1})
	s.note("second tick of B: A's RA has told it of addresses")
	s.advance(time.Second)
	s.hello(1, "B", 2000, "A")
	s.mar(1, []string{"B"}, 0)
	s.advance(500 * time.Millisecond)
	s.note("a consumer attaches at B")
	s.changes(1, []string{"B"}, 1, []string{"M0near/x"}, nil)
	s.ra(1, []string{"B"}, 2000, 1, 1)
	s.note("consumers come and go at A, one so quickly that nobody needs to know")
	s.node.AddAddress(s.now, "M0a", addressing.DistributionMulticast)
	s.node.AddAddress(s.now, "M0b", addressing.DistributionClosest)
	s.node.RemoveAddress(s.now, "M0a")
	s.node.RemoveAddress(s.now, "M0orders")
	s.advance(500 * time.Millisecond)
	s.hello(1, "B", 2000, "A")
	s.note("B is gone without a word")
	s.advance(4 * time.Second)
	s.down(1)
	s.advance(66 * time.Second)
	s.compare("meet")
}

func TestRouterBehindNeighborIsLearntAndLost(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelInfo})
	s.meet(1, "B")
	s.note("B has a new neighbor C, and says so in an RA with its link state")
	s.say(route{1, []string{"B"}, "amqp:/_topo/0/all/qdrouter"}, OpcodeRA, message{id: "B", instance: 2000, lsSeq: 2,
		ls: &linkState{seq: 2, peers: []PeerCost{{"A", 1}, {"C", 3}}}})
	s.advance(50 * time.Millisecond)
	s.lsu(1, []string{"C", "B"}, 3000, 1, PeerCost{"B", 3})
	s.ra(1, []string{"C", "B"}, 3000, 1, 4)
	s.all(1, []string{"C", "B"}, 4, "M0x", "HE1")
	s.advance(200 * time.Millisecond)
	s.note("C restarts")
	s.ra(1, []string{"C", "B"}, 3001, 1, 0)
	s.lsu(1, []string{"C", "B"}, 3001, 1, PeerCost{"B", 3})
	s.changes(1, []string{"C", "B"}, 1, []string{"M0y"}, nil)
	s.advance(200 * time.Millisecond)
	s.note("a copy of an RA of its earlier life has gone astray")
	s.ra(1, []string{"C", "B"}, 3000, 9, 9)
	s.note("B loses C")
	s.lsu(1, []string{"B"}, 2000, 3, PeerCost{"A", 1})
	s.advance(100 * time.Millisecond)
	s.note("B and C find each other again; C's addresses have changed meanwhile")
	s.lsu(1, []string{"B"}, 2000, 4, PeerCost{"A", 1}, PeerCost{"C", 3})
	s.advance(100 * time.Millisecond)
	s.ra(1, []string{"C", "B"}, 3001, 3, 2)
	s.advance(150 * time.Millisecond)
	s.down(1)
	s.note("nothing is heard of C any more")
	s.advance(66 * time.Second)
	s.compare("learn")
}

func TestOneOfTwoLinksToANeighborIsUsed(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelInfo})
	s.up(1, 4)
	s.hello(1, "B", 2000, "A")
	s.up(2, 4)
	s.hello(2, "B", 2000, "A")
	s.up(3, 2)
	s.hello(3, "B", 2000)
	s.note("B has heard A on the cheaper link too")
	s.hello(3, "B", 2000, "A")
	s.advance(50 * time.Millisecond)
	s.down(3)
	s.note("B does not hear A on link 1 any more")
	s.hello(1, "B", 2000)
	s.hello(1, "B", 2000, "A")
	s.compare("links")
}

func TestMessagesOfOthersArePassedOn(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelInfo})
	s.meet(1, "B", PeerCost{"E", 1})
	s.meet(2, "C")
	s.meet(3, "D")
	s.lsu(1, []string{"E", "B"}, 5000, 1, PeerCost{"B", 1})
	s.advance(700 * time.Millisecond)
	s.text.Reset()
	s.note("an RA goes to all neighbors but those it has passed")
	s.ra(1, []string{"E", "F", "B"}, 5000, 2, 0)
	s.note("a copy does not")
	s.ra(2, []string{"E", "F", "B", "C"}, 5000, 2, 0)
	s.note("a copy with a shorter trace does, for others may refuse long ones")
	s.ra(2, []string{"E", "C"}, 5000, 2, 0)
	s.note("and so does the same RA when it comes again later")
	s.advance(time.Second)
	s.hello(1, "B", 2000, "A")
	s.hello(2, "C", 2000, "A")
	s.hello(3, "D", 2000, "A")
	s.ra(1, []string{"E", "B"}, 5000, 2, 0)
	s.note("addresses go along the shortest paths of their router")
	s.changes(1, []string{"E", "B"}, 1, []string{"M0x"}, nil)
	s.note("nothing goes where it has been")
	s.ra(1, []string{"E", "A", "B"}, 5000, 3, 0)
	s.note("what is for one router goes to its next hop")
	s.say(route{3, []string{"D"}, "amqp:/_topo/0/E/qdrouter"}, OpcodeLSR, message{id: "D"})
	s.say(route{3, []string{"D"}, "amqp:/_topo/0/E/qdrouter.ma"}, OpcodeMAR, message{id: "D"})
	s.say(route{1, []string{"E", "B"}, "amqp:/_topo/0/D/qdrouter"}, OpcodeLSU,
		message{id: "E", ls: &linkState{seq: 2, peers: []PeerCost{{"B", 1}}}})
	s.note("but not back to where it comes from, and not to a router that nobody knows")
	s.say(route{1, []string{"B"}, "amqp:/_topo/0/E/qdrouter"}, OpcodeLSR, message{id: "B"})
	s.say(route{1, []string{"B"}, "amqp:/_topo/0/Z/qdrouter"}, OpcodeLSR, message{id: "B"})
	s.compare("forward")
}
