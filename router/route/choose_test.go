package route

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/mesh/spf"
)

// stage is a router as the choice of targets sees it.
type stage struct {
	chooser Chooser
	address *Address
	routes  Routes
	facts   Facts
}

// newStage returns a router "A" without any consumer of its address.
func newStage(d addressing.Distribution) *stage {
	s := &stage{address: &Address{Key: "M0q", Text: "q", Class: addressing.ClassMobile, Priority: -1}}
	s.routes.Distribution = d
	s.chooser = Chooser{Table: NewTable(), NodeName: addressing.NodeName("A"), Salt: SaltOf("A")}
	s.facts = Facts{Address: s.address, E: &message.Envelope{}}
	return s
}

// neighbor returns the face of a connection that is up to a router with an id.
func neighbor(id string, capacity int) *Neighbor {
	n := &Neighbor{ID: id, Node: addressing.NodeName(id), Capacity: capacity}
	n.Use(&Consumer{})
	return n
}

// local adds a consumer with so much outstanding of so much that it takes.
func (s *stage) local(outstanding, capacity int) *Consumer {
	c := &Consumer{Capacity: capacity}
	c.Outstanding.Store(int64(outstanding))
	s.routes.Local = append(s.routes.Local, c)
	return c
}

// remote adds a router with consumers behind a neighbor.
func (s *stage) remote(id string, next *Neighbor, cost, outstanding int) *Remote {
	m := &Remote{Router: NewRouter(id, len(s.routes.Remote)+1)}
	m.Outstanding.Store(int64(outstanding))
	m.Router.Hop.Store(&Hop{Next: next, Cost: cost, Hops: 1})
	s.chooser.Table.AddRouter(m.Router)
	s.routes.Remote = append(s.routes.Remote, m)
	return m
}

// choose returns the targets of one message.
func (s *stage) choose() []Target {
	s.address.Routes.Store(&s.routes)
	s.chooser.Begin(time.Time{})
	ts, _ := s.chooser.Choose(nil, s.address.Routes.Load(), &s.facts)
	return ts
}

// names says of each target what it is: the index of a consumer, or the id of a neighbor.
func (s *stage) names(ts []Target) (names []string) {
	for _, t := range ts {
		if t.To != nil {
			names = append(names, t.To.ID)
		} else {
			names = append(names, fmt.Sprint(slices.Index(s.routes.Local, t.Consumer)))
		}
	}
	return names
}

const (
	multicast   = addressing.DistributionMulticast
	closest     = addressing.DistributionClosest
	balanced    = addressing.DistributionBalanced
	unavailable = addressing.DistributionUnavailable
)

// choices are what a router with some consumers, here and behind others, chooses.
var choices = []struct {
	what string
	d    addressing.Distribution
	set  func(s *stage)
	want []string
}{
	{"nobody is there", balanced, func(*stage) {}, nil},
	{"nobody is there", closest, func(*stage) {}, nil},
	{"nobody is there", multicast, func(*stage) {}, nil},
	{"an unavailable address", unavailable, func(s *stage) { s.local(0, 9) }, nil},
	{"everybody gets a copy, each neighbor once", multicast, func(s *stage) {
		b := neighbor("B", 9)
		s.local(0, 9)
		s.local(9, 9)
		s.remote("B", b, 1, 0)
		s.remote("C", b, 2, 0)
		s.remote("D", neighbor("D", 9), 1, 0)
	}, []string{"0", "1", "B", "D"}},
	{"a consumer here comes before all others", closest, func(s *stage) {
		s.local(9, 9)
		s.remote("B", neighbor("B", 9), 1, 0)
	}, []string{"0"}},
	{"the router that costs least", closest, func(s *stage) {
		s.remote("B", neighbor("B", 9), 3, 0)
		s.remote("C", neighbor("C", 9), 2, 5)
		s.remote("D", neighbor("D", 9), 4, 0)
	}, []string{"C"}},
	{"the least outstanding here", balanced, func(s *stage) {
		s.local(3, 9)
		s.local(1, 9)
		s.local(2, 9)
	}, []string{"1"}},
	{"a full one only when all are", balanced, func(s *stage) {
		s.local(2, 2)
		s.local(5, 9)
	}, []string{"1"}},
	{"all are full", balanced, func(s *stage) {
		s.local(5, 5)
		s.local(4, 4)
	}, []string{"1"}},
	{"the cost of the way counts as outstanding", balanced, func(s *stage) {
		s.local(4, 9)
		s.remote("B", neighbor("B", 9), 3, 0)
	}, []string{"B"}},
	{"what is outstanding behind a neighbor counts for all routers behind it", balanced, func(s *stage) {
		b := neighbor("B", 99)
		s.remote("B", b, 1, 5)
		s.remote("C", b, 1, 5)
		s.remote("D", neighbor("D", 99), 1, 9)
	}, []string{"D"}},
	{"a dead consumer gets nothing", balanced, func(s *stage) {
		s.local(0, 9).Dead.Store(true)
		s.local(7, 9)
	}, []string{"1"}},
	{"a dead consumer gets nothing", closest, func(s *stage) {
		s.local(0, 9).Dead.Store(true)
		s.local(7, 9)
	}, []string{"1"}},
	{"a dead consumer gets nothing", multicast, func(s *stage) {
		s.local(0, 9).Dead.Store(true)
		s.local(7, 9)
	}, []string{"1"}},
	{"a neighbor that is gone", closest, func(s *stage) {
		s.remote("B", neighbor("B", 9), 1, 0).Router.Hop.Load().Next.Gone.Store(true)
		s.remote("C", neighbor("C", 9), 2, 0)
	}, []string{"C"}},
	{"an alternate at once when the next hop is lost", balanced, func(s *stage) {
		b := neighbor("B", 9)
		b.Gone.Store(true)
		s.remote("C", b, 2, 0).Router.Hop.Store(&Hop{Next: b, Others: []*Neighbor{b, neighbor("D", 9)}, Cost: 2})
	}, []string{"D"}},
	{"a router without a path", closest, func(s *stage) {
		s.remote("B", neighbor("B", 9), 1, 0).Router.Hop.Store(nil)
	}, nil},
}

// TestEachDistributionChoosesItsTargets has a router with some consumers, here and behind others.
func TestEachDistributionChoosesItsTargets(t *testing.T) {
	t.Parallel()
	for _, c := range choices {
		s := newStage(c.d)
		c.set(s)
		if got := s.names(s.choose()); !slices.Equal(got, c.want) {
			t.Errorf("%v, %s: the targets are %v, want %v", c.d, c.what, got, c.want)
		}
	}
}

// TestEqualTargetsGetMessagesInTurn counts who gets how many of many messages.
func TestEqualTargetsGetMessagesInTurn(t *testing.T) {
	t.Parallel()
	const targets, each = 4, 100
	for _, c := range []struct {
		d      addressing.Distribution
		remote bool
	}{
		{addressing.DistributionClosest, false}, {addressing.DistributionClosest, true},
		{addressing.DistributionBalanced, false}, {addressing.DistributionBalanced, true},
	} {
		s := newStage(c.d)
		for i := range targets {
			if c.remote {
				id := fmt.Sprint("B", i)
				s.remote(id, neighbor(id, 1000), 1, 0)
			} else {
				s.local(0, 1000)
			}
		}
		got := make(map[string]int)
		for range targets * each {
			ts := s.choose()
			if len(ts) != 1 {
				t.Fatalf("%v: %d targets", c.d, len(ts))
			}
			got[s.names(ts)[0]]++
			if ts[0].Remote != nil {
				ts[0].Remote.Outstanding.Add(1)
			} else {
				ts[0].Consumer.Outstanding.Add(1)
			}
		}
		for name, n := range got {
			if n < each-1 || n > each+1 {
				t.Errorf("%v, remote %v: %s gets %d of %d messages", c.d, c.remote, name, n, targets*each)
			}
		}
	}
}

// TestTheFallbackGetsWhatTheMainAddressCannotTake is asked with the consumers of both.
func TestTheFallbackGetsWhatTheMainAddressCannotTake(t *testing.T) {
	t.Parallel()
	for _, d := range []addressing.Distribution{addressing.DistributionClosest, addressing.DistributionBalanced,
		addressing.DistributionMulticast, addressing.DistributionUnavailable} {
		for _, c := range []struct {
			what                                 string
			main, fallback, from, bound, diverts bool
		}{
			{what: "both have a consumer", main: true, fallback: true},
			{what: "only the fallback has", fallback: true, diverts: d != addressing.DistributionUnavailable},
			{what: "only the main address has", main: true},
			{what: "nobody has"},
			{what: "the sender is the fallback", fallback: true, from: true},
			{what: "the message is one of two copies for another router", fallback: true, bound: true},
		} {
			s := newStage(d)
			b := &Address{Key: "MFq", Text: "q", FallbackFor: s.address}
			s.address.Fallback = b
			if c.main {
				s.local(0, 9)
			}
			spare := &Routes{Distribution: addressing.DistributionBalanced}
			if c.fallback {
				spare.Local = []*Consumer{{Capacity: 9}}
			}
			b.Routes.Store(spare)
			s.facts.FromFallback = c.from
			if c.bound {
				s.facts.E = &message.Envelope{HasRouter: true,
					RouterAnnotations: message.RouterAnnotations{Egress: []byte("0/Z"), PathCount: 1}}
			}
			s.chooser.Begin(time.Time{})
			ts, diverted := s.chooser.Choose(nil, &s.routes, &s.facts)
			if diverted != c.diverts || diverted && (len(ts) != 1 || ts[0].Consumer != spare.Local[0]) {
				t.Errorf("%v, %s: diverted is %v, with %d targets", d, c.what, diverted, len(ts))
			}
			if !diverted && c.main && d != addressing.DistributionUnavailable && len(ts) != 1 {
				t.Errorf("%v, %s: %d targets", d, c.what, len(ts))
			}
			if reachable := s.reachable(); reachable != (c.main || c.fallback) {
				t.Errorf("%v, %s: the address is reachable: %v", d, c.what, reachable)
			}
		}
	}
}

// reachable publishes the routes, and reports whether there is somebody to send to.
func (s *stage) reachable() bool {
	s.address.Routes.Store(&s.routes)
	return s.address.Reachable()
}

// TestAMessageGoesWhereItsIngressRouterWanted has the consumer's router chosen by another one.
func TestAMessageGoesWhereItsIngressRouterWanted(t *testing.T) {
	t.Parallel()
	s := newStage(addressing.DistributionBalanced)
	s.local(0, 9)
	b, d := neighbor("B", 9), neighbor("D", 9)
	s.remote("B", b, 1, 0)
	s.remote("C", d, 9, 100)
	for egress, want := range map[string]string{"0/A": "0", "0/B": "B", "0/C": "D", "0/unknown": "0"} {
		s.facts.E = &message.Envelope{HasRouter: true,
			RouterAnnotations: message.RouterAnnotations{Egress: []byte(egress), Ingress: []byte("0/I"), Flow: 7}}
		ts := s.choose()
		if got := s.names(ts); len(got) != 1 || got[0] != want {
			t.Errorf("for %s it goes to %v, not to %s", egress, got, want)
		}
		if len(ts) == 1 && ts[0].Steered != (ts[0].To != nil) {
			t.Errorf("for %s: steered is %v", egress, ts[0].Steered)
		}
	}
}

// TestARedundantMessageGoesTwoWays has a pair of paths, of which both ends can be used, or one is lost.
func TestARedundantMessageGoesTwoWays(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} {
		s := newStage(addressing.DistributionClosest)
		s.address.Redundant = 2
		b, d := neighbor("B", 9), neighbor("D", 9)
		m := s.remote("C", b, 2, 0)
		m.Router.Pair.Store(&Pair{First: [2]*Neighbor{b, d}, Count: 2})
		d.Gone.Store(lost)
		s.facts.Doubles = true
		want := []string{"B", "D"}
		if lost {
			want = want[:1]
		}
		if got := s.names(s.choose()); !slices.Equal(got, want) {
			t.Errorf("one path is lost: %v: it goes to %v", lost, got)
		}
		s.facts.Doubles = false
		if got := s.names(s.choose()); len(got) != 1 {
			t.Errorf("a message that nobody wants twice goes to %v", got)
		}
	}
}

// TestOfTheOriginsOfAHopOnlyTheValidOnesGoOn has messages of other ingress routers come through here.
func TestOfTheOriginsOfAHopOnlyTheValidOnesGoOn(t *testing.T) {
	t.Parallel()
	s := newStage(addressing.DistributionMulticast)
	m := s.remote("B", neighbor("B", 9), 1, 0)
	valid, other := NewRouter("V", 10), NewRouter("W", 11)
	s.chooser.Table.AddRouter(valid)
	s.chooser.Table.AddRouter(other)
	origins := spf.NewSet(64)
	origins.Add(valid.Number)
	m.Router.Hop.Store(&Hop{Next: m.Router.Hop.Load().Next, Cost: 1, Hops: 1, Origins: origins})
	for ingress, want := range map[string]int{"0/V": 1, "0/W": 0, "0/unknown": 0, "0/A": 1} {
		s.facts.E = &message.Envelope{HasRouter: true, RouterAnnotations: message.RouterAnnotations{TraceCount: 1,
			Trace: wire.AppendString(nil, "0/X"), Ingress: []byte(ingress)}}
		if got := len(s.choose()); got != want {
			t.Errorf("a message of %s goes to %d neighbors, want %d", ingress, got, want)
		}
	}
}
