package router

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"testing"

	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/router/conn"
	"github.com/postroad/postroad/router/control"
	"github.com/postroad/postroad/router/forwarding"
)

// idleRouter returns a router of which nothing runs: a test does the control loop's turns itself.
func idleRouter(tb testing.TB) *Router {
	tb.Helper()
	cfg, problems := config.Parse("test.conf", []byte("router {\n mode: standalone\n id: A\n}\n"))
	if problems.Refused() {
		tb.Fatal(problems)
	}
	logs, err := logging.New(logging.Options{Stderr: io.Discard, Stdout: io.Discard})
	if err != nil {
		tb.Fatal(err)
	}
	r, err := New(cfg, Options{Logs: logs, Version: "test"})
	if err != nil {
		tb.Fatal(err)
	}
	r.plane.Hold = 0
	tb.Cleanup(r.host.Cancel)
	return r
}

// idleConn returns a connection of a router that nobody serves: what it is told stays in its inbox.
func idleConn(r *Router) *forwarding.Endpoint {
	return r.host.NewConn(&pipeEnd{}, &conn.Settings{Terms: forwarding.Terms{Capacity: 250}}, false).E
}

// attachIdle tells the control loop that a receiver of an address was attached.
func attachIdle(c *forwarding.Endpoint, address string) *forwarding.Link {
	l := (&forwarding.Link{Number: c.Plane.Numbers.Add(1), End: c, Outgoing: true, ID: engine.None}).Own()
	c.Plane.Events.Put(forwarding.Event{Kind: forwarding.EventAttach, End: c, Link: l, Attach: &wire.Attach{Role: wire.RoleReceiver,
		Source: &wire.Source{Address: address, HasAddress: true}}})
	return l
}

// detachIdle tells the control loop that a link is gone.
func detachIdle(l *forwarding.Link) {
	l.Dead.Store(true)
	l.End.Plane.Events.Put(forwarding.Event{Kind: forwarding.EventLinkGone, End: l.End, Link: l})
}

// TestAttachesToOneAddressDoNotCopyItsRoutesEach measures what is allocated, so it is not parallel.
func TestAttachesToOneAddressDoNotCopyItsRoutesEach(t *testing.T) {
	const (
		count = 20_000
		bound = 100 << 20 // octets; one copy of the routes for each attach would be 1.6 GB
	)
	r := idleRouter(t)
	c := idleConn(r)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var links []*forwarding.Link
	for range count {
		links = append(links, attachIdle(c, "orders"))
	}
	r.loop.turn()
	for _, l := range links {
		detachIdle(l)
	}
	r.loop.turn()
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > bound {
		t.Errorf("%d attaches and detaches allocated %d MiB", count, got>>20)
	}
	if a := r.control.Addresses["M0orders"]; a != nil {
		t.Errorf("the address is left with %d consumers", len(a.Locals))
	}
}

func TestRoutesHoldTheConsumersThatAreLeft(t *testing.T) {
	t.Parallel()
	r := idleRouter(t)
	c := idleConn(r)
	left := make(map[*forwarding.Link]bool)
	var gone []*control.Entry
	for round := range 20 {
		for range 100 {
			left[attachIdle(c, "orders")] = true
		}
		r.loop.turn()
		a := r.control.Addresses["M0orders"]
		if a == nil {
			t.Fatal("the address is not in the table")
		}
		for l := range left { // in an order that differs each time
			if round == 19 || len(left) > 50*(round+1) {
				delete(left, l)
				detachIdle(l)
			}
		}
		r.loop.turn()
		routes := a.Routes.Load()
		if len(routes.Local) != len(left) || a.Clients != len(left) {
			t.Fatalf("%d consumers are in the routes, %d counted, not %d", len(routes.Local), a.Clients, len(left))
		}
		for i, l := range routes.Local {
			if !left[forwarding.LinkOf(l)] {
				t.Fatalf("round %d: consumer %d in the routes is detached", round, i)
			}
		}
		gone = append(gone, a)
	}
	if a := gone[len(gone)-1]; r.control.Addresses["M0orders"] != nil || !a.Gone.Load() {
		t.Error("the address without consumers is still in the table")
	}
}

// TestSendersHearOnceOfManyConsumers also shows that a consumer which is gone within the same portion is never heard
// of.
func TestSendersHearOnceOfManyConsumers(t *testing.T) {
	t.Parallel()
	r := idleRouter(t)
	c := idleConn(r)
	s := &forwarding.Link{Number: r.plane.Numbers.Add(1), End: c, ID: engine.None}
	r.loop.Put(forwarding.Event{Kind: forwarding.EventAttach, End: c, Link: s, Attach: &wire.Attach{Role: wire.RoleSender,
		Target: &wire.Target{Address: "orders", HasAddress: true}}})
	r.loop.turn()
	told := func() (on []bool) {
		for _, n := range c.Inbox.Swap(nil) {
			if n.Kind == forwarding.NoteReachable && n.Link == s {
				on = append(on, n.On)
			}
		}
		return on
	}
	told()
	detachIdle(attachIdle(c, "orders"))
	r.loop.turn()
	if on := told(); len(on) != 0 {
		t.Errorf("the sender is told %v of a consumer that came and went", on)
	}
	var links []*forwarding.Link
	for range 100 {
		links = append(links, attachIdle(c, "orders"))
	}
	r.loop.turn()
	if on := told(); !slices.Equal(on, []bool{true}) {
		t.Errorf("the sender is told %v of a hundred consumers", on)
	}
	for _, l := range links {
		detachIdle(l)
	}
	r.loop.turn()
	if on := told(); !slices.Equal(on, []bool{false}) {
		t.Errorf("the sender is told %v when they are gone", on)
	}
}

// BenchmarkReceiversOfOneAddressAttachAndDetach measures the control loop alone.
func BenchmarkReceiversOfOneAddressAttachAndDetach(b *testing.B) {
	for _, count := range []int{1000, 60_000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			r := idleRouter(b)
			links := make([]*forwarding.Link, count)
			for b.Loop() {
				c := idleConn(r)
				for i := range links {
					links[i] = attachIdle(c, "orders")
					if i%portion == 0 {
						r.loop.turn()
					}
				}
				r.loop.turn()
				for i, l := range links {
					l.Dead.Store(true)
					r.loop.Put(forwarding.Event{Kind: forwarding.EventLinkGone, End: c, Link: l})
					if i%portion == 0 {
						r.loop.turn()
					}
				}
				r.loop.turn()
			}
		})
	}
}
