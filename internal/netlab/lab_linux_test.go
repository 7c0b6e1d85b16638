package netlab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/postroad/postroad/internal/bench"
	"github.com/postroad/postroad/internal/lab"
	"github.com/postroad/postroad/topologies"
)

// program is the router under test; TestMain builds it.
var program Program

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

// runTests builds the router and runs the tests. A machine that permits no namespaces, or on which the router cannot be
// built, fails them.
func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "postroad-netlab-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "postroad")
	if err := lab.Build("cmd/postroad", path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := Check(); err != nil {
		fmt.Fprintln(os.Stderr, "the tests of internal/netlab cannot run on this machine:", err)
		return 1
	}
	program = Postroad(path)
	return m.Run()
}

// limit bounds each test.
const limit = 50 * time.Second

// limited returns a context for a test.
func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), limit, fmt.Errorf("no end within %v", limit))
	t.Cleanup(cancel)
	return ctx
}

// newLab makes a lab for a test. When the test ends no router may have ended by itself; what the routers said is logged
// if it has failed.
func newLab(t *testing.T, topology *topologies.Topology, o Options) *Lab {
	t.Helper()
	o.Program = program
	if o.Logs == "" {
		o.Logs = "info+"
	}
	l, err := New(topology, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(l.Logs())
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// startLab starts all routers of a lab for a test, and waits until they know each other.
func startLab(t *testing.T, topology *topologies.Topology, o Options) *Lab {
	t.Helper()
	l := newLab(t, topology, o)
	must(t, l.Start())
	must(t, l.Converge(limited(t)))
	return l
}

// named returns an embedded topology.
func named(t *testing.T, name string) *topologies.Topology {
	t.Helper()
	topology, err := topologies.Named(name)
	must(t, err)
	return topology
}

// parsed reads a topology.
func parsed(t *testing.T, text string) *topologies.Topology {
	t.Helper()
	topology, err := topologies.Parse(t.Name(), []byte(text))
	must(t, err)
	return topology
}

// must ends the test at an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// flowing starts a stream of unsettled messages from a client of one router to a client of another, and lets some
// hundred milliseconds of it pass.
func flowing(t *testing.T, l *Lab, from, to string, rate int) *bench.Stream {
	t.Helper()
	return flowingTo(t, l, from, to, "orders", rate)
}

// flowingTo is flowing with another address.
func flowingTo(t *testing.T, l *Lab, from, to, address string, rate int) *bench.Stream {
	t.Helper()
	s, err := bench.StartStream(limited(t), bench.Config{
		Ingress: l.Endpoint(from), Egress: l.Endpoint(to), Address: address, Senders: 1, Receivers: 1, Size: 100,
		Credit: bench.DefaultCredit, FrameSize: bench.DefaultFrameSize, Rate: float64(rate), Stall: 30 * time.Second,
	})
	must(t, err)
	must(t, s.Flow(limited(t), uint64(rate/2)))
	return s
}

// allowed says which outcomes other than accepted a sender may see.
type allowed struct{ modified, released bool }

// account ends a stream, and fails the test if a message was lost, came twice, has no outcome or one that is not
// allowed, whatever else has happened.
func account(t *testing.T, s *bench.Stream, may allowed) {
	t.Helper()
	d, err := s.Stop(limited(t))
	if err != nil {
		t.Error(err)
	}
	if d.Lost+d.Duplicated+d.WithoutOutcome+d.OutcomesTwice+d.Corrupt+d.Aborted > 0 {
		t.Errorf("messages did not arrive once and got one outcome: %+v", d)
	}
	for outcome, n := range d.Outcomes {
		if n > 0 && outcome != "accepted" && !(outcome == "modified" && may.modified || outcome == "released" && may.released) {
			t.Errorf("%d messages are %s: %+v", n, outcome, d)
		}
	}
	if d.Outcomes["accepted"] == 0 {
		t.Errorf("nothing was accepted: %+v", d)
	}
}

// within fails the test if nothing arrived for longer than ten times the target. The time since the mark counts.
func within(t *testing.T, s *bench.Stream, target time.Duration) {
	t.Helper()
	if w := s.Watch(); w.Gap > 10*target {
		t.Errorf("nothing arrived for %v, more than ten times %v: %+v", w.Gap, target, w)
	}
}
