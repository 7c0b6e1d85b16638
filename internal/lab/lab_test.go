package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postroad/postroad/internal/freeport"
)

// program is the router under test; TestMain builds it.
var program Program

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

// runTests builds the router and runs the tests.
func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "postroad-lab-")
	if err == nil {
		defer os.RemoveAll(dir)
		program = Postroad(filepath.Join(dir, "postroad"))
		err = Build("cmd/postroad", program.Words[0], RaceFlags...)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// limit bounds a wait.
const limit = 20 * time.Second

// solo says how a router is started that has no neighbors. It has a second listener, for HTTP.
func solo(t *testing.T, id string) Spec {
	t.Helper()
	ports, err := freeport.Several(2)
	if err != nil {
		t.Fatal(err)
	}
	return Spec{ID: id, Program: program, Ports: ports, Clients: ports[0], Configuration: fmt.Sprintf(
		"router: {id: %s, mode: standalone}\n"+
			"listeners:\n"+
			"  - {name: clients, host: 127.0.0.1, port: %d}\n"+
			"  - {name: web, host: 127.0.0.1, port: %d, http: true}\n", id, ports[0], ports[1])}
}

// newNetwork makes a network for a test, and closes it at the test's end.
func newNetwork(t *testing.T) *Network {
	t.Helper()
	n, err := NewNetwork()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// must fails the test at once if there is an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestARouterThatIsReadyAnswersAndEndsWhenItIsToldTo(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		n := newNetwork(t)
		s := solo(t, "A")
		s.Keep = keep
		must(t, n.Start(s))
		r := n.Router("A")
		for range 3 {
			rows, err := r.Query(t.Context(), "router", "id", "mode")
			if err != nil || len(rows) != 1 || rows[0]["id"] != "A" || rows[0]["mode"] != "standalone" {
				t.Fatalf("the answer is %v, error %v", rows, err)
			}
		}
		if _, err := r.Query(t.Context(), "nonsense"); err == nil || !strings.Contains(err.Error(), "nonsense") {
			t.Errorf("a question about nonsense has the error %v", err)
		}
		got, err := Metric(t.Context(), r.Ports[1], "postroad_deliveries_total", `address="none"`)
		if err != nil || got != 0 {
			t.Errorf("the metric is %d, error %v", got, err)
		}
		got, err = Metric(t.Context(), r.Ports[1], "postroad_router_info", `mode="standalone"`, `id="A"`)
		if err != nil || got != 1 {
			t.Errorf("the metric with labels is %d, error %v", got, err)
		}
		all, err := Series(t.Context(), r.Ports[1], "postroad_overload_level")
		if level, there := all[""]; err != nil || !there || level != 0 || len(all) != 1 {
			t.Errorf("the series without labels is %v, error %v", all, err)
		}
		if r.Logged() < int64(len(r.Log(Brief))) {
			t.Errorf("it has logged %d octets, and %q is the end of them", r.Logged(), r.Log(Brief))
		}
		if memory, err := r.Usage().Memory(); err != nil || memory < 1<<20 {
			t.Errorf("it takes %d octets, error %v", memory, err)
		}
		if !n.Up("A") {
			t.Error("it is not up")
		}
		must(t, n.Stop())
		if n.Up("A") || n.Deaths() != nil {
			t.Errorf("up %v, deaths %v", n.Up("A"), n.Deaths())
		}
	}
}

func TestARouterThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	s := solo(t, "A")
	s.Configuration = strings.Replace(s.Configuration, "standalone", "alone", 1)
	err := n.Start(s)
	if !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), "alone") {
		t.Errorf("the error is %v", err)
	}
	if err := n.Deaths(); err == nil || !strings.Contains(err.Error(), "router A: ended by itself: exit status 1") {
		t.Errorf("deaths %v", err)
	}
}

func TestARouterIsSuspendedKilledAndStartedAgain(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	s := solo(t, "A")
	s.Keep = true
	must(t, n.Start(s))
	r := n.Router("A")
	must(t, r.Suspend())
	if n.Up("A") {
		t.Error("a router that stands still is up")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := r.Query(ctx, "router", "id"); err == nil {
		t.Error("a router that stands still answers")
	}
	must(t, r.Resume())
	must(t, r.Suspend())
	must(t, n.Kill("A"))
	must(t, n.Restart("A"))
	if rows, err := n.Router("A").Query(t.Context(), "router", "id"); err != nil || len(rows) != 1 {
		t.Errorf("the answer is %v, error %v", rows, err)
	}
	must(t, n.Stop())
}

func TestConsumersOfAnUnknownAddressAreNone(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	must(t, n.Start(solo(t, "A")))
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	must(t, n.Router("A").AwaitConsumers(ctx, time.Millisecond, "M0nowhere", 0, 0))
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := n.Router("A").AwaitConsumers(ctx, time.Millisecond, "M0nowhere", 1, 0)
	if err == nil || !strings.Contains(err.Error(), "M0nowhere has 0 local consumers") {
		t.Errorf("the error is %v", err)
	}
}

func TestPollReturnsWhatWasWrongLast(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	err := Poll(ctx, time.Millisecond, func() error {
		if asked++; asked == 3 {
			cancel()
			return ctx.Err()
		}
		return fmt.Errorf("wrong %d times", asked)
	})
	if err == nil || err.Error() != "wrong 2 times" {
		t.Errorf("the error is %v", err)
	}
}

func TestAConfHasSections(t *testing.T) {
	t.Parallel()
	var c Conf
	c.Section("router", "id: A", "mode: interior")
	c.Section("log", "module: DEFAULT")
	want := "router {\n    id: A\n    mode: interior\n}\n\nlog {\n    module: DEFAULT\n}\n\n"
	if got := c.String(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
