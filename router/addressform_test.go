package router

import (
	"fmt"
	"strings"
	"testing"

	"github.com/Azure/go-amqp"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// forms are ways to write one address.
func forms(address string) []string {
	return []string{address, "/" + address, "//host/" + address, "amqp:/" + address, "amqp://host/" + address,
		"amqp://host:5672/" + address, "amqps://user@host:5671/" + address, "x:/" + address, address + "/", address + ".",
		"amqp:/" + address + "/"}
}

func TestAllFormsOfAnAddressMeanTheSameThroughRouters(t *testing.T) {
	t.Parallel()
	n := chain(t, 3)
	near, far := connect(t, n.node("A")), connect(t, n.node("C"))
	anonymous := near.sender("", nil)
	for i, consumed := range forms("closest/x") {
		r := far.receiver(consumed, 100)
		n.consumers("A", "closest/x", 0, 1)
		for k, form := range forms("closest/x") {
			receipt := anonymous.begin(to(form, text("%d", k)))
			r.got(fmt.Sprint(k))
			wantAccepted(t, form, anonymous.outcome(receipt))
		}
		s := near.sender(forms("closest/x")[len(forms("closest/x"))-1-i], nil)
		receipt := s.begin(text("x"))
		r.got("x")
		wantAccepted(t, consumed, s.outcome(receipt))
		r.detach()
		n.consumers("A", "closest/x", 0, 0)
	}
}

func TestTokensOfAnAddressAreSeparateAddresses(t *testing.T) {
	t.Parallel()
	n := chain(t, 2)
	r := connect(t, n.node("B")).receiver("closest/a.b", 10)
	n.consumers("A", "closest/a.b", 0, 1)
	s := connect(t, n.node("A")).sender("", nil)
	for _, other := range []string{"closest/a/b", "closest.a.b", "closest/a.b.c", "closest/a", "Closest/a.b",
		"closest/a.b//"} {
		wantReleased(t, other, s.send(to(other, text("x"))))
	}
	r.none("these are other addresses")
}

func TestLocalAddressesStayOnTheirRouter(t *testing.T) {
	t.Parallel()
	n := chain(t, 2)
	here, there := connect(t, n.node("A")).receiver("_local/x", 10), connect(t, n.node("B")).receiver("_local/x", 10)
	for id, r := range map[string]*receiver{"A": here, "B": there} {
		c := connect(t, n.node(id))
		anonymous := c.sender("", nil)
		for _, form := range append(forms("_local/x"), "_topo/0/"+id+"/x", "amqp:/_topo/0/"+id+"/x",
			"_topo/all/"+id+"/x") {
			receipt := anonymous.begin(to(form, text("%s", id)))
			r.got(id)
			wantAccepted(t, form, anonymous.outcome(receipt))
		}
		s := c.sender("_local/x", nil)
		receipt := s.begin(text("%s", id))
		r.got(id)
		wantAccepted(t, "a sender", s.outcome(receipt))
		if row, ok := addressRow(n.node(id), "Lx"); !ok || row.SubscriberCount != 1 || row.RemoteCount != 0 {
			t.Errorf("the row at %s is %+v, %v", id, row, ok)
		}
	}
}

// An address of another router reaches what is local there.
func TestTopologicalAddressesReachTheRouterTheyName(t *testing.T) {
	t.Parallel()
	n := chain(t, 3)
	r := connect(t, n.node("C")).receiver("_local/x", 10)
	c := connect(t, n.node("A"))
	anonymous := c.sender("", nil)
	for _, form := range forms("_topo/0/C/x") {
		receipt := anonymous.begin(to(form, text("x")))
		r.got("x")
		wantAccepted(t, form, anonymous.outcome(receipt))
		s := c.sender(form, nil)
		receipt = s.begin(to("elsewhere", text("x")))
		r.got("x")
		wantAccepted(t, form, s.outcome(receipt))
	}
	wantReleased(t, "nobody is at that address there", anonymous.send(to("_topo/0/C/y", text("x"))))
	for _, address := range []string{"_topo/0/Z/x", "_topo/1/C/x", "_topo/0/all/x", "_edge/C/x", "_topo/0/C", "_local/y"} {
		wantReleased(t, address, anonymous.send(to(address, text("x"))))
	}
}

// Senders to such addresses have credit as long as somebody could take their messages: the router, not the consumer.
func TestSenderToAnAddressOfAnUnknownRouterWaits(t *testing.T) {
	t.Parallel()
	n := chain(t, 2)
	p := rawBegin(t, n.node("A"))
	addresses := []string{"_topo/0/Z/x", "_topo/1/B/x", "_topo/0/all/x", "_edge/B/x", "_local/x", "_local/qdhello",
		"_topo/0/A/qdrouter", "_topo/all/all/qdrouter.ma", "qdrouter", "qdhello"}
	for i, address := range addresses {
		p.attachIdleSender(uint32(i), address)
	}
	p.sync()
	if f := p.queued(func(x *wire.Flow) bool { return x.HasHandle && x.LinkCredit > 0 }); f != nil {
		t.Errorf("a sender has credit: %+v", f)
	}
	p.attachSender(99, "_topo/0/B/x")
	p.wantOutcome("nobody is there", p.deliver(99, body("x")), wire.StateReleased)
}

func TestDynamicNodeOfAnAddressNeedsALinkRoute(t *testing.T) {
	t.Parallel()
	n := alone(t)
	properties, err := wire.AppendValue(nil, wire.Map{{Key: wire.Symbol("lifetime-policy"), Value: "x"},
		{Key: wire.Symbol("x-opt-qd.address"), Value: "queue"}})
	if err != nil {
		t.Fatal(err)
	}
	p := rawBegin(t, n.node("A"))
	for i, a := range []*wire.Attach{
		{Role: wire.RoleReceiver, Source: &wire.Source{Dynamic: true, DynamicNodeProperties: properties},
			Target: &wire.Target{}},
		{Role: wire.RoleSender, HasInitialDelivery: true, Source: &wire.Source{},
			Target: &wire.Target{Dynamic: true, DynamicNodeProperties: properties}},
	} {
		a.Name, a.Handle = fmt.Sprint(i), uint32(i)
		p.send(a)
		p.attached(a.Handle)
		x := want[*wire.Detach](p, "there is no link route")
		wantCondition(t, "there is no link route", x.Error, wire.ErrNotFound)
		if !strings.Contains(x.Error.Description, "qd:no-route-to-dest") {
			t.Errorf("the description is %q", x.Error.Description)
		}
		p.send(&wire.Detach{Handle: a.Handle, Closed: true})
	}
	other, err := wire.AppendValue(nil, wire.Map{{Key: wire.Symbol("lifetime-policy"), Value: "x"}})
	if err != nil {
		t.Fatal(err)
	}
	p.send(&wire.Attach{Name: "temporary", Handle: 5, Role: wire.RoleReceiver, Target: &wire.Target{},
		Source: &wire.Source{Dynamic: true, DynamicNodeProperties: other}})
	if a := p.attached(5); a.Source == nil || !strings.Contains(a.Source.Address, "temp.") {
		t.Errorf("the source is %+v", a.Source)
	}
}

func TestPriorityOfAnAddressWinsOverThatOfTheMessage(t *testing.T) {
	t.Parallel()
	n := chain(t, 2)
	r := connect(t, n.node("B")).receiver("urgent/x", 100)
	n.consumers("A", "urgent/x", 0, 1)
	c := connect(t, n.node("A"))
	for _, s := range []*sender{c.sender("urgent/x", nil), c.sender("", nil)} {
		for _, priority := range []uint8{0, 4, 9} {
			m := to("urgent/x", text("x"))
			m.Header = &amqp.MessageHeader{Priority: priority}
			receipt := s.begin(m)
			if got := r.accept(); got.Header == nil || got.Header.Priority != priority {
				t.Errorf("the header arrived as %+v", got.Header)
			}
			wantAccepted(t, "the message", s.outcome(receipt))
		}
	}
	if got := n.node("A").byPriority(); got[9] != 6 || got[0]+got[4] > 0 {
		t.Errorf("messages by priority: %v", got)
	}
	if row, _ := addressRow(n.node("A"), "urgent/x"); row.Priority != 9 {
		t.Errorf("management shows priority %d", row.Priority)
	}
}
