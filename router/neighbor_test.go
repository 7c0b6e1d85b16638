package router

import (
	"fmt"
	"strings"
	"testing"

	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
)

// neighbor is a raw peer that plays a router: control links both ways on handles 0 and 1, one data link to the router
// on handle 2.
func neighbor(t *testing.T, r *Router, id string) *raw {
	t.Helper()
	p := rawTo(t, r.Addr("routers"))
	p.send(wire.HeaderAMQP, &wire.Open{ContainerID: id, MaxFrameSize: 64 << 10, ChannelMax: 100})
	want[*wire.Open](p, "open is answered")
	p.begin(0)
	for handle, link := range []struct {
		role       wire.Role
		capability wire.Symbol
	}{{wire.RoleReceiver, forwarding.CapabilityControl}, {wire.RoleSender, forwarding.CapabilityControl}, {wire.RoleSender, forwarding.CapabilityData}} {
		a := forwarding.RouterAttach(link.capability)
		a.Name, a.Handle, a.Role = fmt.Sprintf("link-%d", handle), uint32(handle), link.role
		a.HasInitialDelivery = link.role == wire.RoleSender
		p.send(a)
		p.attached(uint32(handle))
	}
	p.grant(0, 0, 250)
	for handle := uint32(1); handle <= 2; handle++ {
		p.creditOf(handle, "a router may send at once", func(x *wire.Flow) bool { return x.LinkCredit > 0 })
	}
	return p
}

// controlMessage is a control message with an opcode and a body.
func controlMessage(opcode string, fields wire.Map) *message.Message {
	return &message.Message{Properties: &message.Properties{To: "_local/qdhello"},
		ApplicationProperties: wire.Map{{Key: "opcode", Value: opcode}}, Body: message.Value{Value: fields}}
}

func TestNeighborsThatTalkNonsenseAreHeardAndNotBelieved(t *testing.T) {
	t.Parallel()
	n := chain(t, 2)
	b := watch(t, n.node("A"))
	p := neighbor(t, n.node("A"), "X")
	var ids []uint32
	say := func(payload string) { ids = append(ids, p.deliver(1, payload)) }
	for _, opcode := range []string{"HELLO", "RA", "LSU", "LSR", "MAU", "MAR", "BOOM", ""} {
		for _, fields := range []wire.Map{
			nil,
			{{Key: "id", Value: "A"}, {Key: "area", Value: "0"}, {Key: "seen", Value: wire.List{"A"}}},
			{{Key: "id", Value: "B"}, {Key: "area", Value: "0"}, {Key: "seen", Value: wire.List{"A"}},
				{Key: "ls_seq", Value: int64(1) << 62}},
			{{Key: "id", Value: strings.Repeat("x", 60_000)}, {Key: "area", Value: "0"}},
			{{Key: "id", Value: wire.List{}}, {Key: "area", Value: int32(0)}, {Key: "seen", Value: "A"}},
			{{Key: "id", Value: "X"}, {Key: "area", Value: "1"}},
		} {
			say(encode(t, controlMessage(opcode, fields)))
		}
	}
	say("")
	say("no message")
	say(body("no map"))
	for _, id := range ids {
		p.wantOutcome("a control message is taken, whatever it says", id, wire.StateAccepted)
	}
	if err := n.knowsAll(n.node("B")); err != nil {
		t.Errorf("the mesh believes it: %v", err)
	}
	p.lives()
	b.goesOn(t)
}

func TestMessagesOfNeighborsAreCheckedBeforeTheyGoOn(t *testing.T) {
	t.Parallel()
	n := chain(t, 2)
	b := watch(t, n.node("A"))
	r := connect(t, n.node("A")).receiver("closest/x", 100)
	r.consume(nil)
	p := neighbor(t, n.node("A"), "X")
	with := func(pairs ...wire.MapEntry) string {
		return encode(t, &message.Message{Annotations: pairs, Properties: &message.Properties{To: "closest/x"},
			Body: message.Value{Value: "v"}})
	}
	pair := func(key string, value any) wire.MapEntry {
		return wire.MapEntry{Key: wire.Symbol("x-opt-qd." + key), Value: value}
	}
	long := make(wire.List, 200)
	for i := range long {
		long[i] = fmt.Sprintf("0/R%d", i)
	}
	for what, c := range map[string]struct {
		payload string
		kind    wire.StateKind
	}{
		"a message for a client": {with(pair("to", "closest/x"), pair("ingress", "0/X"),
			pair("trace", wire.List{"0/X"})), wire.StateAccepted},
		"no annotations": {with(), wire.StateAccepted},
		"a message that has been here": {with(pair("to", "closest/x"), pair("trace", wire.List{"0/A", "0/X"})),
			wire.StateReleased},
		"a message that wanders": {with(pair("to", "closest/x"), pair("trace", long)), wire.StateReleased},
		"a message to nobody": {with(pair("to", "closest/nobody"), pair("trace", wire.List{"0/X"})),
			wire.StateReleased},
		"a trace that is no list":        {with(pair("trace", "0/X")), wire.StateRejected},
		"an ingress that is no string":   {with(pair("ingress", int32(1))), wire.StateRejected},
		"octets that are no message":     {"junk", wire.StateRejected},
		"a to that is no address at all": {with(pair("to", "")), wire.StateReleased},
		"an ingress that nobody knows": {with(pair("to", "closest/x"), pair("ingress", "0/Z"),
			pair("trace", wire.List{"0/Z", "0/X"})), wire.StateAccepted},
		"a phase without a consumer": {with(pair("to", "closest/x"), pair("phase", int32(7))), wire.StateReleased},
		"a stream that is whole already": {with(pair("to", "closest/x"), pair("stream", int32(1)),
			pair("trace", wire.List{"0/X"})), wire.StateAccepted},
		"a message to the mesh's control": {with(pair("to", "_local/qdhello")), wire.StateReleased},
	} {
		p.wantOutcome(what, p.deliver(2, c.payload), c.kind)
	}
	b.goesOn(t)
}

func TestNeighborThatDiesInTheMiddleOfAMessageAbortsIt(t *testing.T) {
	t.Parallel()
	n := chain(t, 1)
	c := rawBegin(t, n.node("A"))
	c.attachReceiver(0, "closest/x", 10)
	p := neighbor(t, n.node("A"), "X")
	x := p.first(2)
	x.More = true
	p.send(transfer(x, encode(t, &message.Message{Properties: &message.Properties{To: "closest/x"}})))
	for range 5 {
		p.send(transfer(wire.Transfer{Handle: 2, More: true}, strings.Repeat("x", 50_000)))
	}
	want(c, "it arrives before its end", func(x *wire.Transfer) bool { return x.More })
	p.nc.Close()
	if got := c.receive(0); !got.aborted {
		t.Error("a truncated message arrives")
	}
}

// TestCopiesOfAMulticastMessageThatComeAnotherWayAreNotTaken has a neighbor that sends copies as Interconnect does, which
// does not look at valid origins: B, which the message came into the mesh at, is A's neighbor itself.
func TestCopiesOfAMulticastMessageThatComeAnotherWayAreNotTaken(t *testing.T) {
	t.Parallel()
	n := chain(t, 2)
	a := n.node("A")
	r := connect(t, a).receiver("multicast/x", 100)
	p := neighbor(t, a, "X")
	copyOf := func(ingress string, trace wire.List, body string) string {
		return encode(t, &message.Message{Annotations: wire.Map{
			{Key: wire.Symbol("x-opt-qd.ingress"), Value: ingress}, {Key: wire.Symbol("x-opt-qd.trace"), Value: trace},
		}, Properties: &message.Properties{To: "multicast/x"}, Body: message.Data{[]byte(body)}})
	}
	stray := p.deliver(2, copyOf("0/B", wire.List{"0/B", "0/X"}, "stray"))
	p.wantOutcome("the copy is not taken", stray, wire.StateReleased)
	unknown := p.deliver(2, copyOf("0/Y", wire.List{"0/Y", "0/X"}, "of a router that nobody knows"))
	p.wantOutcome("it could come twice", unknown, wire.StateReleased)
	own := p.deliver(2, copyOf("0/X", wire.List{"0/X"}, "the neighbor's own"))
	if got := string(r.accept().GetData()); got != "the neighbor's own" {
		t.Errorf("%q arrives", got)
	}
	p.wantOutcome("nobody else can have sent it before", own, wire.StateAccepted)
	s := connect(t, n.node("B")).sender("multicast/x", nil)
	receipt := s.begin(text("over its way"))
	if got := string(r.accept().GetData()); got != "over its way" {
		t.Errorf("%q arrives", got)
	}
	wantAccepted(t, "over its way", s.outcome(receipt))
	if got := a.view.Sum(false).Totals.FromRouters.Duplicates; got != 2 {
		t.Errorf("%d are counted, want 2", got)
	}
}

// TestAListenerForRoutersCarriesNothingOfClientsAndEdgeRouters attaches what these attach: each link is refused, and
// nothing of them is in the mesh.
func TestAListenerForRoutersCarriesNothingOfClientsAndEdgeRouters(t *testing.T) {
	t.Parallel()
	n := chain(t, 2)
	a := n.node("A")
	p := rawTo(t, a.Addr("routers"))
	p.send(wire.HeaderAMQP, &wire.Open{ContainerID: "client", MaxFrameSize: 64 << 10, ChannelMax: 100})
	want[*wire.Open](p, "open is answered")
	p.begin(0)
	edge := func(a *wire.Attach) *wire.Attach {
		const capability = "qd.router-edge-downlink"
		a.Source.Capabilities, a.Source.SingleCapability = []wire.Symbol{capability}, true
		a.Target.Capabilities, a.Target.SingleCapability = []wire.Symbol{capability}, true
		return a
	}
	for handle, link := range []*wire.Attach{
		{Role: wire.RoleReceiver, Source: &wire.Source{Address: "closest/x", HasAddress: true}, Target: &wire.Target{}},
		{Role: wire.RoleSender, Source: &wire.Source{}, Target: &wire.Target{Address: "closest/x", HasAddress: true}},
		{Role: wire.RoleSender, Source: &wire.Source{}, Target: &wire.Target{}},
		edge(&wire.Attach{Role: wire.RoleReceiver, Source: &wire.Source{}, Target: &wire.Target{}}),
	} {
		link.Name, link.Handle = fmt.Sprintf("link-%d", handle), uint32(handle)
		link.HasInitialDelivery = link.Role == wire.RoleSender
		p.send(link)
		d := want[*wire.Detach](p, "the link is refused")
		p.send(&wire.Detach{Handle: uint32(handle), Closed: true})
		if d.Error == nil || d.Error.Condition != wire.ErrNotAllowed {
			t.Errorf("link %d is refused with %v", handle, d.Error)
		}
	}
	n.consumers("B", "closest/x", 0, 0)
	if a.peerNamed("client") != nil {
		t.Error("the client is a router of the mesh")
	}
}
