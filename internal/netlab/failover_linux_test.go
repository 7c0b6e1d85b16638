package netlab

import (
	"fmt"
	"testing"
	"time"

	"github.com/postroad/postroad/topologies"
)

// The targets of failover, from the failure to the next message. Tests allow ten times as much.
const (
	killed  = 100 * time.Millisecond // the neighbors learn it from the connection
	silent  = time.Second            // nobody tells them
	healing = 2 * time.Second
)

// rates are the messages a second with which failures are tried.
var rates = []int{200, 20000}

// way is a topology, from where to where messages go, and what they go through first.
type way struct {
	topology *topologies.Topology
	from, to string
	transit  string
}

// ways are a diamond and a ring.
func ways(t *testing.T) []way {
	t.Helper()
	return []way{
		{named(t, "diamond"), "A", "D", "B"},
		{named(t, "ring"), "north", "southeast", "east"},
	}
}

// eachWay runs a test for the diamond and the ring, and each rate.
func eachWay(t *testing.T, test func(t *testing.T, l *Lab, w way, rate int)) {
	for _, w := range ways(t) {
		for _, rate := range rates {
			t.Run(fmt.Sprintf("%s %d", w.topology.Name, rate), func(t *testing.T) {
				test(t, startLab(t, w.topology, Options{}), w, rate)
			})
		}
	}
}

func TestAKilledTransitRouterLosesAndReleasesNothing(t *testing.T) {
	eachWay(t, func(t *testing.T, l *Lab, w way, rate int) {
		s := flowing(t, l, w.from, w.to, rate)
		s.Mark()
		must(t, l.Kill(w.transit))
		must(t, s.Flow(limited(t), uint64(rate)))
		within(t, s, killed)
		account(t, s, allowed{modified: true})
	})
}

func TestASuspendedTransitRouterIsGoneAroundAndReleasesNothing(t *testing.T) {
	eachWay(t, func(t *testing.T, l *Lab, w way, rate int) {
		s := flowing(t, l, w.from, w.to, rate)
		s.Mark()
		must(t, l.Suspend(w.transit))
		must(t, s.Flow(limited(t), uint64(rate)))
		within(t, s, silent)
		account(t, s, allowed{modified: true})
	})
}

// Of redundant messages, no outcome is in doubt, and nothing waits until the loss is noticed.
func TestRedundantMessagesGoOnWhateverBecomesOfOneWay(t *testing.T) {
	for what, fail := range map[string]func(l *Lab) error{
		"killed":    func(l *Lab) error { return l.Kill("B") },
		"suspended": func(l *Lab) error { return l.Suspend("B") },
		"cut off":   func(l *Lab) error { return l.LinkDown("B", "D") },
	} {
		for _, rate := range rates {
			t.Run(fmt.Sprintf("%s %d", what, rate), func(t *testing.T) {
				l := startLab(t, named(t, "diamond"), Options{})
				s := flowingTo(t, l, "A", "D", "payments", rate)
				s.Mark()
				must(t, fail(l))
				must(t, s.Flow(limited(t), uint64(rate)))
				within(t, s, killed)
				account(t, s, allowed{})
			})
		}
	}
}

func TestARouterThatWakesUpAgainIsUsedAgain(t *testing.T) {
	t.Parallel()
	l := startLab(t, named(t, "diamond"), Options{})
	s := flowing(t, l, "A", "D", 500)
	must(t, l.Suspend("B"))
	must(t, l.Converge(limited(t)))
	must(t, l.Resume("B"))
	must(t, l.Converge(limited(t)))
	must(t, s.Flow(limited(t), 500))
	account(t, s, allowed{modified: true, released: true})
	if hop, err := l.NextHop(limited(t), "A", "D"); hop != "B" {
		t.Errorf("messages go over %s, %v", hop, err)
	}
}

// The router before the link has no other way for what it holds, and gives it back to the sender.
func TestALinkThatGoesDownIsGoneAround(t *testing.T) {
	eachWay(t, func(t *testing.T, l *Lab, w way, rate int) {
		s := flowing(t, l, w.from, w.to, rate)
		s.Mark()
		must(t, l.LinkDown(w.transit, w.to))
		must(t, s.Flow(limited(t), uint64(rate)))
		within(t, s, silent)
		must(t, l.LinkUp(w.transit, w.to))
		must(t, l.Converge(limited(t)))
		account(t, s, allowed{modified: true, released: true})
	})
}

func TestTheLinkToTheConsumersRouterMayGoDown(t *testing.T) {
	t.Parallel()
	l := startLab(t, named(t, "ring"), Options{})
	s := flowing(t, l, "north", "east", 500) // the other way around leads through all others, and none of them is loop-free
	s.Mark()
	must(t, l.LinkDown("north", "east"))
	must(t, s.Flow(limited(t), 500))
	within(t, s, silent)
	account(t, s, allowed{modified: true})
}

// sides are two rings of three routers, with two links between them.
const sides = `
name: sides
routers: [{id: A}, {id: B}, {id: C}, {id: D}, {id: E}, {id: F}]
links:
  - {a: A, b: B}
  - {a: B, b: C}
  - {a: C, b: A}
  - {a: D, b: E}
  - {a: E, b: F}
  - {a: F, b: D}
  - {a: C, b: D}
  - {a: B, b: E}
`

func TestAPartitionHeals(t *testing.T) {
	t.Parallel()
	l := startLab(t, parsed(t, sides), Options{})
	s := flowing(t, l, "A", "F", 500)
	must(t, l.LinkDown("C", "D"))
	must(t, l.LinkDown("B", "E"))
	must(t, l.Converge(limited(t)))
	must(t, l.LinkUp("C", "D"))
	must(t, l.LinkUp("B", "E"))
	began := time.Now()
	must(t, s.Flow(limited(t), 1))
	if d := time.Since(began); d > 10*healing {
		t.Errorf("nothing arrived for %v, more than ten times %v", d, healing)
	}
	must(t, l.Converge(limited(t)))
	must(t, s.Flow(limited(t), 500))
	account(t, s, allowed{modified: true, released: true})
}
