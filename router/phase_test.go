package router

import (
	"context"
	"fmt"
	"testing"

	"github.com/Azure/go-amqp"
	"github.com/google/go-cmp/cmp"

	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// configured returns a chain of routers whose configuration has more addresses.
func configured(t testing.TB, count int, addresses string) *network {
	t.Helper()
	n := newNetwork(t)
	for i := range count {
		p := plan{id: letter(i), standalone: count == 1, addresses: addresses}
		if i > 0 {
			p.to = n.routers[i-1:]
		}
		n.add(p)
	}
	if count > 1 {
		n.converge()
	}
	return n
}

// broker is a stub of a broker: it takes from a waypoint what is in its in-phase, and when the test lets it, sends it
// on in its out-phase.
type broker struct {
	in  *receiver
	out *sender
}

// attachBroker attaches a broker to an address by a capability.
func attachBroker(t testing.TB, r *Router, address, capability string) broker {
	t.Helper()
	c := connect(t, r)
	in := c.receiverWith(address, &amqp.ReceiverOptions{Credit: 10, SourceCapabilities: []string{capability}})
	out := c.sender(address, &amqp.SenderOptions{TargetCapabilities: []string{capability}})
	return broker{in, out}
}

// phases tells the keys of an address in a router's table.
func phases(r *Router, text string) map[string]int {
	found := make(map[string]int)
	for row := range r.view.Addresses() {
		if len(row.Key) > 2 && row.Key[0] == 'M' && row.Key[2:] == text {
			found[row.Key] = int(row.SubscriberCount) + int(row.RemoteCount)
		}
	}
	return found
}

// wantPhases waits until an address has these keys with these numbers of consumers.
func wantPhases(t testing.TB, r *Router, text string, want map[string]int) {
	t.Helper()
	eventually(t, fmt.Sprintf("the phases of %s at %s", text, r.ID()), func() error {
		if diff := cmp.Diff(want, phases(r, text)); diff != "" {
			return fmt.Errorf("(-want +got)\n%s", diff)
		}
		return nil
	})
}

const waypointConfig = "\n  - {prefix: queue, distribution: balanced, waypoint: true}" +
	"\n  - {prefix: direct, ingressPhase: 3, egressPhase: 3}" +
	"\n  - {prefix: two, ingressPhase: 0, egressPhase: 2}"

func TestMessagesPassAWaypointBeforeTheyReachTheirConsumer(t *testing.T) {
	t.Parallel()
	for _, routers := range []int{1, 3} {
		t.Run(fmt.Sprint(routers), func(t *testing.T) {
			t.Parallel()
			n := configured(t, routers, waypointConfig)
			first, last, middle := n.routers[0], n.routers[routers-1], n.routers[routers/2]
			b := attachBroker(t, middle, "queue/a", "qd.waypoint")
			consumer := connect(t, last).receiver("queue/a", 10)
			wantPhases(t, first, "queue/a", map[string]int{"M0queue/a": 1, "M1queue/a": 1})
			wantPhases(t, middle, "queue/a", map[string]int{"M0queue/a": 1, "M1queue/a": 1})

			in := connect(t, first).sender("queue/a", nil).begin(text("one"))
			got := b.in.next()
			consumer.none("the broker has not sent it on")
			b.in.settle(got)
			state, err := in.Wait(consumer.ctx)
			if err != nil {
				t.Fatal(err)
			}
			wantAccepted(t, "the phase to the broker, though no consumer has it", state)

			out := b.out.begin(text("%s, from the broker", got.GetData()))
			m := consumer.next()
			if string(m.GetData()) != "one, from the broker" {
				t.Errorf("the consumer got %q", m.GetData())
			}
			if err := consumer.link.RejectMessage(consumer.ctx, m, nil); err != nil {
				t.Fatal(err)
			}
			if _, ok := b.out.outcome(out).(*amqp.StateRejected); !ok {
				t.Error("the phase from the broker has not the consumer's outcome")
			}
		})
	}
}

func TestAnonymousSendersReachTheFirstPhase(t *testing.T) {
	t.Parallel()
	n := configured(t, 2, waypointConfig)
	b := attachBroker(t, n.node("B"), "queue/a", "qd.waypoint")
	direct := connect(t, n.node("B")).receiver("direct/a", 10)
	wantPhases(t, n.node("A"), "queue/a", map[string]int{"M0queue/a": 1})
	wantPhases(t, n.node("A"), "direct/a", map[string]int{"M3direct/a": 1})
	for _, id := range []string{"A", "B"} {
		s := connect(t, n.node(id)).sender("", nil)
		for _, r := range []struct {
			address string
			to      *receiver
		}{{"queue/a", b.in}, {"direct/a", direct}, {"amqp:/direct/a", direct}, {"direct/a", direct}} {
			receipt := s.begin(to(r.address, text("x")))
			r.to.accept()
			wantAccepted(t, r.address+" from "+id, s.outcome(receipt))
		}
	}
}

// Several waypoints in a row: waypoint n takes phase n−1 and gives phase n.
func TestWaypointsWithNumbersFollowOneAnother(t *testing.T) {
	t.Parallel()
	n := configured(t, 3, waypointConfig)
	first := attachBroker(t, n.node("C"), "two/a", "qd.waypoint.1")
	second := attachBroker(t, n.node("B"), "two/a", "qd.waypoint.2")
	consumer := connect(t, n.node("A")).receiver("two/a", 10)
	wantPhases(t, n.node("A"), "two/a", map[string]int{"M0two/a": 1, "M1two/a": 1, "M2two/a": 1})
	wantPhases(t, n.node("C"), "two/a", map[string]int{"M0two/a": 1, "M1two/a": 1, "M2two/a": 1})
	s := connect(t, n.node("A")).sender("two/a", nil)
	var pending []amqp.SendReceipt
	pending = append(pending, s.begin(text("x")))
	first.in.accept()
	pending = append(pending, first.out.begin(text("x1")))
	second.in.accept()
	pending = append(pending, second.out.begin(text("x12")))
	if m := consumer.accept(); string(m.GetData()) != "x12" {
		t.Errorf("the consumer got %q", m.GetData())
	}
	for i, receipt := range pending {
		state, err := receipt.Wait(s.ctx)
		if err != nil {
			t.Fatal(err)
		}
		wantAccepted(t, fmt.Sprintf("phase %d", i), state)
	}
}

func TestCapabilitiesOfWaypointsAreReadAsInterconnectReadsThem(t *testing.T) {
	t.Parallel()
	n := alone(t)
	p := rawBegin(t, n.node("A"))
	handle := uint32(0)
	for i, c := range []struct {
		capabilities []wire.Symbol
		single       bool
		in, out      string // keys of a sender and a receiver
	}{
		{[]wire.Symbol{"qd.waypoint"}, true, "M1", "M0"},
		{[]wire.Symbol{"qd.waypoint"}, false, "M1", "M0"},
		{[]wire.Symbol{"qd.waypoint.1"}, true, "M1", "M0"},
		{[]wire.Symbol{"qd.waypoint.9"}, true, "M9", "M8"},
		{[]wire.Symbol{"queue", "qd.waypoint.4", "qd.waypoint.5"}, false, "M4", "M3"},
		{[]wire.Symbol{"qd.waypoint.0"}, true, "M0", "M0"},
		{[]wire.Symbol{"qd.waypoint.10"}, true, "M0", "M0"},
		{[]wire.Symbol{"qd.waypoint."}, true, "M0", "M0"},
		{[]wire.Symbol{"qd.waypointless"}, true, "M0", "M0"},
		{nil, false, "M0", "M0"},
	} {
		address := fmt.Sprintf("balanced/%d", i)
		for _, role := range []wire.Role{wire.RoleSender, wire.RoleReceiver} {
			p.send(&wire.Attach{Name: fmt.Sprint(i, role), Handle: handle, Role: role, SndSettleMode: wire.SenderMixed,
				HasInitialDelivery: role == wire.RoleSender,
				Source: &wire.Source{Address: address, HasAddress: true, Capabilities: c.capabilities,
					SingleCapability: c.single},
				Target: &wire.Target{Address: address, HasAddress: true, Capabilities: c.capabilities,
					SingleCapability: c.single}})
			p.attached(handle)
			handle++
		}
		got := make(map[string]string)
		for row := range n.node("A").view.Links() {
			if len(row.OwningAddr) > 2 && row.OwningAddr[2:] == address {
				direction := "in"
				if row.Outgoing {
					direction = "out"
				}
				got[direction] = row.OwningAddr[:2]
			}
		}
		if diff := cmp.Diff(map[string]string{"in": c.in, "out": c.out}, got); diff != "" {
			t.Errorf("%v (-want +got)\n%s", c.capabilities, diff)
		}
	}
}

// What an Interconnect next to Postroad sees and says of phases.
func TestPhaseGoesFromRouterToRouterInTheAnnotations(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	n.add(plan{id: "A", addresses: waypointConfig,
		listeners: "  - {name: shown, host: 127.0.0.1, port: 0, stripAnnotations: no}"})
	n.add(plan{id: "B", addresses: waypointConfig, to: n.routers})
	n.converge()
	c := connectWith(t, "amqp://"+n.node("A").Addr("shown"), nil)
	r := c.receiver("queue/a", 10)
	wantPhases(t, n.node("B"), "queue/a", map[string]int{"M1queue/a": 1})
	b := attachBroker(t, n.node("B"), "queue/a", "qd.waypoint")
	receipt := b.out.begin(text("x"))
	m := r.accept()
	want := amqp.Annotations{"x-opt-qd.phase": int32(1), "x-opt-qd.to": "queue/a", "x-opt-qd.ingress": "0/B",
		"x-opt-qd.trace": []any{"0/B", "0/A"}}
	if diff := cmp.Diff(want, m.Annotations); diff != "" {
		t.Errorf("annotations (-want +got)\n%s", diff)
	}
	wantAccepted(t, "the message", b.out.outcome(receipt))
}

func TestPhaseWithoutAConsumerTakesNothingFromTheOthers(t *testing.T) {
	t.Parallel()
	n := configured(t, 2, waypointConfig)
	consumer := connect(t, n.node("B")).receiver("queue/a", 10)
	wantPhases(t, n.node("A"), "queue/a", map[string]int{"M1queue/a": 1})
	s := connect(t, n.node("A")).sender("", nil)
	wantReleased(t, "a message while the broker is away", s.send(to("queue/a", text("x"))))
	p := rawBegin(t, n.node("A"))
	p.send(&wire.Attach{Name: "s", Role: wire.RoleSender, HasInitialDelivery: true, SndSettleMode: wire.SenderMixed,
		Source: &wire.Source{}, Target: &wire.Target{Address: "queue/a", HasAddress: true}})
	p.attached(0)
	p.sync()
	for _, x := range p.queue {
		if f, ok := x.(frame); ok {
			if flow, ok := f.Body.(*wire.Flow); ok && flow.HasHandle && flow.LinkCredit > 0 {
				t.Error("a sender has credit while the broker is away")
			}
		}
	}
	b := attachBroker(t, n.node("B"), "queue/a", "qd.waypoint")
	want(p, "credit comes with the broker", func(x *wire.Flow) bool { return x.HasHandle && x.LinkCredit > 0 })
	sent := p.deliver(0, encode(t, &message.Message{Body: message.Value{Value: "x"}}))
	b.in.accept()
	p.wantOutcome("the message to the broker", sent, wire.StateAccepted)
	consumer.none("the broker kept it")
}

func TestPhasesAreGoneWhenEverybodyHasLeft(t *testing.T) {
	t.Parallel()
	n := configured(t, 2, waypointConfig)
	b := attachBroker(t, n.node("B"), "queue/a", "qd.waypoint")
	consumer := connect(t, n.node("A")).receiver("queue/a", 10)
	wantPhases(t, n.node("A"), "queue/a", map[string]int{"M0queue/a": 1, "M1queue/a": 1})
	consumer.detach()
	b.in.detach()
	if err := b.out.link.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, r := range n.routers {
		wantPhases(t, r, "queue/a", map[string]int{})
	}
}
