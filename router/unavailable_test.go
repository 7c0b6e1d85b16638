package router

import (
	"errors"
	"testing"

	"github.com/Azure/go-amqp"

	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// onlyConfigured returns a chain of routers on which addresses have to be configured.
func onlyConfigured(t testing.TB, count int) *network {
	t.Helper()
	n := newNetwork(t)
	for i := range count {
		p := plan{id: letter(i), router: "defaultDistribution: unavailable"}
		if i > 0 {
			p.to = n.routers[i-1:]
		}
		n.add(p)
	}
	n.converge()
	return n
}

// wantRefused fails the test unless an attach was refused with a condition.
func wantRefused(t testing.TB, what string, err error, condition amqp.ErrCond) {
	t.Helper()
	var link *amqp.LinkError
	var e *amqp.Error
	switch {
	case err == nil:
		t.Errorf("%s: the link is there", what)
	case errors.As(err, &link) && link.RemoteErr != nil:
		e = link.RemoteErr
	default:
		errors.As(err, &e)
	}
	if err != nil && (e == nil || e.Condition != condition) {
		t.Errorf("%s: refused with %v, want %s", what, err, condition)
	}
}

func TestAddressesThatNobodyConfiguredMayBeUnavailable(t *testing.T) {
	t.Parallel()
	n := onlyConfigured(t, 2)
	c := connect(t, n.node("A"))
	anonymous := c.sender("", nil)
	for _, address := range []string{"orders", "unavailable/x", "_local/x", "amqp:/orders", "_topo/0/A/x"} {
		_, err := c.session.NewSender(c.ctx, address, nil)
		wantRefused(t, "a sender to "+address, err, amqp.ErrCondNotFound)
		if address != "_topo/0/A/x" {
			_, err = c.session.NewReceiver(c.ctx, address, nil)
			wantRefused(t, "a receiver of "+address, err, amqp.ErrCondNotFound)
		}
		state := anonymous.send(to(address, text("x")))
		if r, ok := state.(*amqp.StateRejected); !ok || r.Error == nil || r.Error.Condition != amqp.ErrCondNotFound {
			t.Errorf("a message to %s: %s", address, shown(state))
		}
	}
	for _, text := range []string{"orders", "unavailable/x", "Lx"} {
		if row, ok := addressRow(n.node("A"), text); ok {
			t.Errorf("%s is in the table: %+v", text, row)
		}
	}
}

func TestConfiguredAndDynamicAddressesAreThereWhereOthersAreUnavailable(t *testing.T) {
	t.Parallel()
	n := onlyConfigured(t, 2)
	c := connect(t, n.node("A"))
	anonymous := c.sender("", nil)
	configured := connect(t, n.node("B")).receiver("closest/x", 10)
	n.consumers("A", "closest/x", 0, 1)
	receipt := anonymous.begin(to("closest/x", text("x")))
	configured.got("x")
	wantAccepted(t, "a configured address", anonymous.outcome(receipt))

	replies := connect(t, n.node("B")).receiverWith("", &amqp.ReceiverOptions{Credit: 10, DynamicAddress: true})
	receipt = anonymous.begin(to(replies.link.Address(), text("x")))
	replies.got("x")
	wantAccepted(t, "a dynamic source", anonymous.outcome(receipt))

	out := c.senderDynamic()
	in := connect(t, n.node("B")).receiver(out.link.Address(), 10)
	receipt = out.begin(text("x"))
	in.got("x")
	wantAccepted(t, "a dynamic target", out.outcome(receipt))

	wantReleased(t, "a reply to somebody who has gone", anonymous.send(to("amqp:/_$temp.gone", text("x"))))
	wantReleased(t, "a configured address without a consumer", anonymous.send(to("balanced/x", text("x"))))
	c.sender("$management", nil)
}

// Another router took the message, since the address is available there: it must not be rejected for good here.
func TestUnavailableAddressesAreReleasedBetweenRouters(t *testing.T) {
	t.Parallel()
	n := onlyConfigured(t, 1)
	p := neighbor(t, n.node("A"), "X")
	for _, address := range []string{"orders", "unavailable/x"} {
		m := &message.Message{Body: message.Value{Value: "x"}, Annotations: wire.Map{
			{Key: wire.Symbol("x-opt-qd.to"), Value: address}, {Key: wire.Symbol("x-opt-qd.ingress"), Value: "0/X"},
			{Key: wire.Symbol("x-opt-qd.trace"), Value: wire.List{"0/X"}}}}
		p.wantOutcome(address, p.deliver(2, encode(t, m)), wire.StateReleased)
	}
}

// The address is available on B only: what A knows of B's consumers does not open it on A.
func TestAddressThatIsUnavailableHereOnlyIsRejectedHere(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	n.add(plan{id: "A"})
	n.add(plan{id: "B", to: n.routers, addresses: "\n  - {prefix: elsewhere, distribution: closest}"})
	n.add(plan{id: "C", to: n.routers[1:], addresses: "\n  - {prefix: elsewhere, distribution: unavailable}"})
	n.converge()
	r := connect(t, n.node("B")).receiver("elsewhere/x", 10)
	n.consumers("C", "elsewhere/x", 0, 1)
	c := connect(t, n.node("C"))
	_, err := c.session.NewSender(c.ctx, "elsewhere/x", nil)
	wantRefused(t, "a sender", err, amqp.ErrCondNotFound)
	state := c.sender("", nil).send(to("elsewhere/x", text("x")))
	if x, ok := state.(*amqp.StateRejected); !ok || x.Error.Condition != amqp.ErrCondNotFound {
		t.Errorf("a message: %s", shown(state))
	}
	n.consumers("A", "elsewhere/x", 0, 1)
	s := connect(t, n.node("A")).sender("elsewhere/x", nil)
	receipt := s.begin(text("x"))
	r.got("x")
	wantAccepted(t, "a message from where it is available", s.outcome(receipt))
}
