package control_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/mesh"
	"github.com/postroad/postroad/router/control"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/route"
)

// desk is a control without a loop, in virtual time: events in, notes and routes out.
type desk struct {
	*control.Control
	t      *testing.T
	now    time.Time
	queue  []forwarding.Event
	lines  []string
	panics []any
}

const hold = time.Second

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	plane := forwarding.NewPlane("A", d.now)
	treat := func(pattern string, dist addressing.Distribution, fallback bool) addressing.Entry[route.Treatment] {
		return addressing.Entry[route.Treatment]{Pattern: pattern, Value: route.Treatment{Distribution: dist, Priority: -1,
			Redundant: 1, Fallback: fallback, Ingress: addressing.PhaseZero, Egress: addressing.PhaseZero}}
	}
	tree, err := addressing.NewTree([]addressing.Entry[route.Treatment]{
		treat("multicast/#", addressing.DistributionMulticast, false),
		treat("no/#", addressing.DistributionUnavailable, false),
		treat("spare/#", addressing.DistributionBalanced, true)})
	if err != nil {
		t.Fatal(err)
	}
	plane.Treatments = &route.Treatments{Tree: tree, Default: addressing.DistributionBalanced}
	plane.Overload = &forwarding.Overload{Budget: 1 << 30, Memory: math.MaxInt64}
	plane.Events, plane.Journal, plane.Hold = d, d, hold
	plane.NewName = func() string { return "secret" }
	d.Control = &control.Control{Plane: plane, Journal: d, Now: d.now,
		Neighbors: make(map[mesh.LinkID]*forwarding.Endpoint),
		Addresses: make(map[string]*control.Entry), Routers: make(map[int]*route.Router)}
	return d
}

func (d *desk) Put(e forwarding.Event) {
	e.End.Unanswered.Add(e.Weight())
	d.queue = append(d.queue, e)
}
func (d *desk) Warn(string)                          {}
func (d *desk) Observe(string)                       {}
func (d *desk) Line(mesh.Module, mesh.Level, string) {}
func (d *desk) Server(text string)                   { d.lines = append(d.lines, text) }
func (d *desk) Panicked(_ string, v any)             { d.panics = append(d.panics, v) }
func (d *desk) Serve(*forwarding.Wakes) bool         { return false }
func (d *desk) Relieve(*forwarding.Wakes)            {}
func (d *desk) Poke()                                {}
func (d *desk) Abort()                               {}
func (d *desk) Idle(time.Time)                       {}
func (d *desk) Admit(*engine.Event)                  {}
func (d *desk) Turned(time.Time, bool)               {}

// conn returns an endpoint that nobody serves: what it is told stays in its inbox.
func (d *desk) conn() *forwarding.Endpoint {
	return forwarding.NewEndpoint(&forwarding.Endpoint{Number: d.Plane.Numbers.Add(1), Plane: d.Plane,
		Terms: &forwarding.Terms{Capacity: 250}, Began: d.now, Driver: d})
}

// take is one turn.
func (d *desk) take() {
	events := d.queue
	d.queue = nil
	d.Take(d.now, events)
	d.Wakes = forwarding.Wakes{}
}

// attach tells of an attach to an address, "" for none.
func (d *desk) attach(
	e *forwarding.Endpoint, address string, role wire.Role, capabilities ...wire.Symbol,
) *forwarding.Link {
	l := (&forwarding.Link{Number: d.Plane.Numbers.Add(1), End: e, Name: "l", Outgoing: role == wire.RoleReceiver,
		ID: engine.None}).Own()
	a := &wire.Attach{Name: "l", Role: role,
		Source: &wire.Source{Address: address, HasAddress: address != "", Capabilities: capabilities},
		Target: &wire.Target{Address: address, HasAddress: address != "", Capabilities: capabilities}}
	l.Fallback = slices.Contains(capabilities, "qd.fallback")
	d.Put(forwarding.Event{Kind: forwarding.EventAttach, End: e, Link: l, Attach: a})
	return l
}

// detach tells that a link has ended.
func (d *desk) detach(l *forwarding.Link) {
	l.Dead.Store(true)
	d.Put(forwarding.Event{Kind: forwarding.EventLinkGone, End: l.End, Link: l})
}

// told says what an endpoint was told, in order.
func told(e *forwarding.Endpoint) (said []string) {
	for _, n := range e.Inbox.Swap(nil) {
		switch n.Kind {
		case forwarding.NoteAttached:
			e.Unanswered.Add(-1)
			switch a := n.Answer; {
			case a.Err != nil:
				said = append(said, "refused "+string(a.Err.Condition))
			case a.Address == nil:
				said = append(said, fmt.Sprint("attached, reachable ", a.Reachable))
			default:
				said = append(said, fmt.Sprint("attached at ", a.Address.Key, ", reachable ", a.Reachable))
			}
		case forwarding.NoteReachable:
			said = append(said, fmt.Sprint("reachable ", n.On))
		default:
			said = append(said, fmt.Sprint("note ", n.Kind))
		}
	}
	return said
}

// wants fails unless an endpoint was told this.
func (d *desk) wants(why string, e *forwarding.Endpoint, want ...string) {
	d.t.Helper()
	if got := told(e); !slices.Equal(got, want) {
		d.t.Errorf("%s: it is told %q, want %q", why, got, want)
	}
}

// consumers is how many consumers are published for a key, -1 when it is not in the table.
func (d *desk) consumers(key string) int {
	a := d.Plane.Table.Get([]byte(key))
	if a == nil {
		return -1
	}
	return len(a.Routes.Load().Local)
}

// TestAnAttachIsAnsweredWhenItsRoutesArePublished tells the story of an address from its first consumer to its last
// sender.
func TestAnAttachIsAnsweredWhenItsRoutesArePublished(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	tx, rx := d.conn(), d.conn()
	sender := d.attach(tx, "q", wire.RoleSender)
	d.take()
	d.wants("a sender comes before any consumer", tx, "attached at M0q, reachable false")
	consumer := d.attach(rx, "q", wire.RoleReceiver)
	d.wants("nothing is said before the turn", rx)
	d.take()
	d.wants("a consumer comes", rx, "attached at M0q, reachable false")
	d.wants("the sender hears of it", tx, "reachable true")
	if n := d.consumers("M0q"); n != 1 || d.Totals.Attaches != 2 || d.Totals.Refused != 0 {
		t.Errorf("%d consumers, and the totals are %+v", n, d.Totals)
	}
	second := d.attach(tx, "q", wire.RoleSender)
	d.take()
	d.wants("a second sender comes", tx, "attached at M0q, reachable true")

	d.detach(consumer)
	d.take()
	d.wants("the consumer goes: nothing is said for the hold time", tx)
	if n := d.consumers("M0q"); n != 0 {
		t.Errorf("%d consumers are left", n)
	}
	d.detach(sender)
	d.detach(second)
	d.take()
	d.now = d.now.Add(hold)
	d.take()
	if n := d.consumers("M0q"); n != -1 || len(d.Addresses) != 0 {
		t.Errorf("nobody uses the address, and it has %d consumers", n)
	}
}

// TestSendersHearOfALostConsumerAfterTheHoldTime lets time pass up to each deadline, with a consumer that comes back
// and one that does not.
func TestSendersHearOfALostConsumerAfterTheHoldTime(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	tx, rx := d.conn(), d.conn()
	d.attach(tx, "q", wire.RoleSender)
	for _, back := range []bool{true, false} {
		l := d.attach(rx, "q", wire.RoleReceiver)
		d.take()
		told(rx)
		told(tx)
		if at := d.Deadline(); !at.IsZero() && !back {
			d.now = at
			d.take() // that of the first loss, after which a consumer came
			d.wants("its time is over, and there is a consumer", tx)
		}
		if at := d.Deadline(); !at.IsZero() {
			t.Fatalf("nothing is lost, and the deadline is %v", at)
		}
		d.detach(l)
		d.take()
		if at := d.Deadline(); !at.Equal(d.now.Add(hold)) {
			t.Fatalf("the deadline is %v after the loss", at.Sub(d.now))
		}
		d.now = d.now.Add(hold - 1)
		d.take()
		d.wants("the hold time is not over", tx)
		if back {
			continue
		}
		d.now = d.now.Add(1)
		d.take()
		d.wants("the hold time is over", tx, "reachable false")
		if at := d.Deadline(); !at.IsZero() {
			t.Errorf("there is still a deadline: %v", at)
		}
	}
}

// TestWhatTheAnswersToAttachesAre lists attaches of every kind.
func TestWhatTheAnswersToAttachesAre(t *testing.T) {
	t.Parallel()
	const tx, rx = wire.RoleSender, wire.RoleReceiver
	for _, c := range []struct {
		what    string
		address string
		role    wire.Role
		want    string
	}{
		{"an anonymous sender", "", tx, "attached, reachable true"},
		{"a receiver without an address", "", rx, "refused amqp:invalid-field"},
		{"an unavailable address", "no/x", tx, "refused amqp:not-found"},
		{"an unavailable address", "no/x", rx, "refused amqp:not-found"},
		{"a multicast address", "multicast/x", rx, "attached at M0multicast/x, reachable false"},
		{"the routers' own address", "$management", rx, "refused amqp:unauthorized-access"},
		{"another router's address", "_topo/0/B/x", rx, "refused amqp:unauthorized-access"},
		{"somebody's reply address", "_topo/0/A/temp.1", rx, "refused amqp:unauthorized-access"},
		{"a local address", "_local/x", rx, "attached at Lx, reachable false"},
		{"a sender to a reply address", "_topo/0/A/temp.1", tx, "attached at Ltemp.1, reachable false"},
	} {
		d := newDesk(t)
		e := d.conn()
		d.attach(e, c.address, c.role)
		d.take()
		d.wants(c.what, e, c.want)
		if refused := strings.HasPrefix(c.want, "refused"); refused && (d.Totals.Refused != 1 || len(d.Addresses) != 0) {
			t.Errorf("%s: the totals are %+v, and %d addresses are left", c.what, d.Totals, len(d.Addresses))
		}
	}
}

// TestManyEventsOfOneTurnPublishOnce attaches and detaches in one turn: the routes are those of the end, and every
// attach is answered in its order.
func TestManyEventsOfOneTurnPublishOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	e := d.conn()
	var links []*forwarding.Link
	for i := range 200 {
		links = append(links, d.attach(e, fmt.Sprint("q", i%2), wire.RoleReceiver))
	}
	d.detach(links[0])
	d.detach(links[100])
	d.take()
	var answered []*forwarding.Link
	for _, n := range e.Inbox.Swap(nil) {
		if n.Kind == forwarding.NoteAttached {
			answered = append(answered, n.Link)
		}
	}
	if !slices.Equal(answered, links) {
		t.Errorf("%d attaches are answered, not each in its order", len(answered))
	}
	if a, b := d.consumers("M0q0"), d.consumers("M0q1"); a != 98 || b != 100 {
		t.Errorf("%d and %d consumers are published", a, b)
	}
	for i, l := range d.Addresses["M0q0"].Locals {
		if l.Local != i {
			t.Errorf("consumer %d says that it is %d", i, l.Local)
		}
	}
}

// TestAFallbackServesTheSendersOfItsAddress has a consumer of the fallback come and go.
func TestAFallbackServesTheSendersOfItsAddress(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	tx, rx := d.conn(), d.conn()
	d.attach(tx, "spare/q", wire.RoleSender)
	d.take()
	d.wants("nobody is there", tx, "attached at M0spare/q, reachable false")
	l := d.attach(rx, "spare/q", wire.RoleReceiver, "qd.fallback")
	d.take()
	d.wants("the fallback comes", rx, "attached at MFspare/q, reachable false")
	d.wants("the sender of the address hears of it", tx, "reachable true")
	d.detach(l)
	d.take()
	d.now = d.Deadline()
	d.take()
	d.wants("the fallback has gone", tx, "reachable false")
}

// TestAnAttachThatTheControlPanicsWithIsRefused has the handling of some events panic.
func TestAnAttachThatTheControlPanicsWithIsRefused(t *testing.T) {
	t.Parallel()
	const some = 10
	d := newDesk(t)
	e := d.conn()
	for range 3 * some {
		d.attach(e, "q", wire.RoleReceiver)
	}
	hook := func(at forwarding.PanicPoint, _ *forwarding.Endpoint) {
		if at == forwarding.AtEvent && len(d.panics) < some {
			panic("a mistake")
		}
	}
	d.Plane.Hook.Store(&hook)
	d.take()
	refused := 0
	said := told(e)
	for _, s := range said {
		if s == "refused amqp:internal-error" {
			refused++
		}
	}
	if len(said) != 3*some || refused != some || !d.Control.Panicked {
		t.Errorf("of %d attaches %d are answered, and %d refused", 3*some, len(said), refused)
	}
	if n := d.consumers("M0q"); n != 2*some {
		t.Errorf("%d consumers are published", n)
	}
}
