package router

import (
	"fmt"
	"strings"
	"testing"

	"github.com/Azure/go-amqp"
	"github.com/google/go-cmp/cmp"
	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
)

// tenants returns a chain of routers that have, beside the usual listener, one for tenants and one that names its
// tenant, "fixed".
func tenants(t testing.TB, count int) *network {
	t.Helper()
	const listeners = "  - {name: tenants, host: 127.0.0.1, port: 0, multiTenant: true}\n" +
		"  - {name: fixed, host: 127.0.0.1, port: 0, multiTenant: true, policyVhost: fixed}\n" +
		"  - {name: open, host: 127.0.0.1, port: 0, multiTenant: true, stripAnnotations: no}"
	n := newNetwork(t)
	for i := range count {
		p := plan{id: letter(i), standalone: count == 1, listeners: listeners,
			addresses: "\n  - {pattern: '*/orders/#', distribution: multicast}\n  - {prefix: t2/secret, distribution: closest}"}
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

// tenant connects a client of a tenant.
func tenant(t testing.TB, r *Router, name string) *client {
	t.Helper()
	return connectWith(t, "amqp://"+r.Addr("tenants"), &amqp.ConnOptions{HostName: name})
}

func TestTenantsUseTheSameNamesForAddressesOfTheirOwn(t *testing.T) {
	t.Parallel()
	n := tenants(t, 3)
	r1 := tenant(t, n.node("C"), "t1").receiver("a", 10)
	r2 := tenant(t, n.node("C"), "t2").receiver("a", 10)
	r3 := connectWith(t, "amqp://"+n.node("C").Addr("fixed"), &amqp.ConnOptions{HostName: "t1"}).receiver("a", 10)
	all := connect(t, n.node("C")).receiver("a", 10)
	for _, key := range []string{"t1/a", "t2/a", "fixed/a", "a"} {
		n.consumers("A", key, 0, 1)
	}
	for _, id := range []string{"A", "B", "C"} {
		for _, from := range []struct {
			c  *client
			to *receiver
		}{
			{tenant(t, n.node(id), "t1"), r1}, {tenant(t, n.node(id), "t2"), r2},
			{connectWith(t, "amqp://"+n.node(id).Addr("fixed"), &amqp.ConnOptions{HostName: "t2"}), r3},
			{connect(t, n.node(id)), all},
		} {
			for _, address := range []string{"a", "amqp:/a", "//t2/a", "amqp://host/a/", "/a."} {
				s := from.c.sender(address, nil)
				receipt := s.begin(text("x"))
				from.to.accept()
				wantAccepted(t, address+" at "+id, s.outcome(receipt))
				s = from.c.sender("", nil)
				receipt = s.begin(to(address, text("x")))
				from.to.accept()
				wantAccepted(t, "anonymous to "+address+" at "+id, s.outcome(receipt))
			}
		}
	}
	s := connect(t, n.node("A")).sender("t1/a", nil)
	receipt := s.begin(text("x"))
	r1.accept()
	wantAccepted(t, "who is in no tenant reaches all", s.outcome(receipt))
}

func TestTenantsAreToldTheAddressesThatTheyAskedFor(t *testing.T) {
	t.Parallel()
	n := tenants(t, 2)
	p := rawTo(t, n.node("A").Addr("tenants"))
	p.send(wire.HeaderAMQP, &wire.Open{ContainerID: "raw", Hostname: "t1", MaxFrameSize: 64 << 10, ChannelMax: 100})
	p.header("the header is answered", wire.HeaderAMQP)
	want[*wire.Open](p, "open is answered")
	p.begin(0)
	p.send(&wire.Attach{Name: "in", Handle: 0, Role: wire.RoleReceiver, Target: &wire.Target{},
		Source: &wire.Source{Address: "amqp://host/a", HasAddress: true}})
	if a := p.attached(0); a.Source == nil || a.Source.Address != "amqp://host/a" {
		t.Errorf("the receiver's source is %+v", a.Source)
	}
	p.send(&wire.Attach{Name: "out", Handle: 1, Role: wire.RoleSender, HasInitialDelivery: true, Source: &wire.Source{},
		Target: &wire.Target{Address: "a", HasAddress: true}})
	if a := p.attached(1); a.Target == nil || a.Target.Address != "a" {
		t.Errorf("the sender's target is %+v", a.Target)
	}
	p.send(&wire.Attach{Name: "secret", Handle: 2, Role: wire.RoleReceiver, Target: &wire.Target{},
		Source: &wire.Source{Dynamic: true}})
	if a := p.attached(2); a.Source == nil || !strings.HasPrefix(a.Source.Address, "amqp:/_topo/0/A/temp.") {
		t.Errorf("the dynamic source is %+v", a.Source)
	}
}

func TestTenantsAnswerRequestsAtDynamicAddressesAcrossRouters(t *testing.T) {
	t.Parallel()
	n := tenants(t, 3)
	service := tenant(t, n.node("C"), "t1")
	requests := service.receiver("service", 10)
	n.consumers("A", "t1/service", 0, 1)
	client := tenant(t, n.node("A"), "t1")
	replies := client.receiverWith("", &amqp.ReceiverOptions{Credit: 10, DynamicAddress: true})
	s := client.sender("service", nil)
	request := text("request")
	request.Properties = &amqp.MessageProperties{ReplyTo: ptr(replies.link.Address())}
	receipt := s.begin(request)
	m := requests.accept()
	wantAccepted(t, "the request", s.outcome(receipt))
	for name, reply := range map[string]*sender{
		"anonymous": service.sender("", nil), "with a target": service.sender(*m.Properties.ReplyTo, nil),
	} {
		receipt := reply.begin(to(*m.Properties.ReplyTo, text("reply")))
		replies.got("reply")
		wantAccepted(t, name, reply.outcome(receipt))
	}
	// A dynamic target is found by its address, too.
	out := client.senderDynamic()
	in := service.receiver(out.link.Address(), 10)
	receipt = out.begin(text("x"))
	in.got("x")
	wantAccepted(t, "the dynamic target", out.outcome(receipt))
}

// senderDynamic attaches a sender with a dynamic target.
func (c *client) senderDynamic() *sender {
	c.t.Helper()
	return c.sender("", &amqp.SenderOptions{DynamicAddress: true})
}

// hostileAddresses are forms by which a client might try to get out of its tenant and into t2.
func hostileAddresses() []string {
	forms := []string{"t2/secret", "/t2/secret", "//t2/secret", "///t2/secret", "////t2/secret", "//t1//t2/secret",
		"amqp:/t2/secret", "amqp://host/t2/secret", "amqp:///t2/secret", "amqp:////t2/secret", "x:/t2/secret",
		"::/t2/secret", ":::/t2/secret", "a:::/t2/secret", "a/x:/t2/secret", "a/x::/t2/secret", "../t2/secret",
		"t1/../t2/secret", "t2.secret", "secret", "t2/secret/", "t2/secret.", ":/t2/secret", "/:/t2/secret",
		"amqp:/amqp:/t2/secret", "//host/amqp:/t2/secret", "\x00/t2/secret", "$management", "qdrouter", "qdhello"}
	var all []string
	for _, f := range forms {
		for _, prefix := range []string{"", "_local/", "_topo/0/B/", "_topo/0/A/", "_topo/0/all/", "_topo/all/all/",
			"_topo/all/B/", "_edge/B/", "_topo/1/B/", "amqp:/_local/", "amqp://host/_topo/0/B/", "//h/_topo/0/B/",
			"_topo/0/B/_local/", "_topo/0/B/_topo/0/B/", "_local/_local/"} {
			all = append(all, prefix+f)
		}
	}
	return all
}

func TestNoFormOfAnAddressReachesAnotherTenant(t *testing.T) {
	t.Parallel()
	n := tenants(t, 2)
	var victims []*receiver
	c := tenant(t, n.node("B"), "t2")
	global := connect(t, n.node("B"))
	for _, address := range []string{"secret", "_local/secret", "t2/secret"} {
		victims = append(victims, c.receiver(address, 1000), global.receiver(address+"/of-all", 1000))
	}
	n.consumers("A", "t2/secret", 0, 1)
	for _, id := range []string{"A", "B"} {
		for _, listener := range []string{"tenants", "open"} {
			c := connectWith(t, "amqp://"+n.node(id).Addr(listener), &amqp.ConnOptions{HostName: "t1"})
			s := c.sender("", nil)
			for _, address := range hostileAddresses() {
				for name, annotations := range map[string]amqp.Annotations{
					"": nil, "x-opt-qd.to": {"x-opt-qd.to": address}, "with a phase": {"x-opt-qd.to": address,
						"x-opt-qd.phase": int32(0), "x-opt-qd.ingress": "0/B", "x-opt-qd.trace": []any{}},
				} {
					m := to(address, text("%s", address))
					m.Annotations = annotations
					wantReleased(t, fmt.Sprintf("%s %q of t1 at %s", name, address, id), s.send(m))
				}
			}
		}
	}
	for _, v := range victims {
		v.none("it is the other tenant's")
	}
}

func TestNoFormOfAnAddressGetsATenantCreditForAnother(t *testing.T) {
	t.Parallel()
	n := tenants(t, 2)
	c, global := tenant(t, n.node("B"), "t2"), connect(t, n.node("B"))
	for _, address := range []string{"secret", "_local/secret", "t2/secret"} {
		c.receiver(address, 10)
		global.receiver(address, 10)
	}
	n.consumers("A", "t2/secret", 0, 1)
	n.consumers("A", "t2/t2/secret", 0, 1)
	for _, id := range []string{"A", "B"} {
		p := rawTo(t, n.node(id).Addr("tenants"))
		p.send(wire.HeaderAMQP, &wire.Open{ContainerID: "raw", Hostname: "t1", MaxFrameSize: 64 << 10, ChannelMax: 100})
		p.header("the header is answered", wire.HeaderAMQP)
		want[*wire.Open](p, "open is answered")
		p.begin(0)
		names := make(map[uint32]string)
		for i, address := range hostileAddresses() {
			p.attachIdleSender(uint32(i), address)
			names[p.theirs[uint32(i)]] = address
		}
		p.sync()
		if f := p.queued(func(x *wire.Flow) bool {
			if !x.HasHandle || x.LinkCredit == 0 {
				return false
			}
			at := n.node(id).plane.Identity.ParseIn("t1", names[x.Handle])
			return at.Class != addressing.ClassRouter // that router is there, and says who is not
		}); f != nil {
			t.Errorf("a sender of t1 at %s has credit for %q", id, names[f.Handle])
		}
	}
}

// What a tenant's receivers get is only what was sent in the tenant, whatever source address they ask for.
func TestNoFormOfAnAddressConsumesFromAnotherTenant(t *testing.T) {
	t.Parallel()
	n := tenants(t, 2)
	thief := tenant(t, n.node("A"), "t1")
	var stolen []*receiver
	for i, address := range hostileAddresses() {
		r, err := thief.session.NewReceiver(thief.ctx, address, &amqp.ReceiverOptions{Credit: 10, Name: fmt.Sprint(i)})
		if err == nil {
			stolen = append(stolen, &receiver{thief, r})
		}
	}
	if len(stolen) == 0 {
		t.Fatal("every address was refused")
	}
	for key := range servedTexts(n.node("A")) {
		if !strings.HasPrefix(key, "t1/") && key != "$management" {
			t.Errorf("a receiver of t1 stands at %q", key)
		}
	}
	s := tenant(t, n.node("A"), "t2").sender("", nil)
	for _, address := range []string{"secret", "t2/secret", "_local/secret", "_topo/0/A/secret"} {
		wantReleased(t, address, s.send(to(address, text("x"))))
	}
	for _, r := range stolen {
		r.none("it is the other tenant's")
	}
}

// servedTexts are the addresses that have consumers at a router, without class and phase.
func servedTexts(r *Router) map[string]bool {
	keys := make(map[string]bool)
	for row := range r.view.Addresses() {
		switch {
		case row.SubscriberCount+row.InProcess == 0:
		case row.Key[0] == 'M':
			keys[row.Key[2:]] = true
		default:
			keys[row.Key[1:]] = true
		}
	}
	return keys
}

func TestHostNamesThatWouldMixTenantsAreRefused(t *testing.T) {
	t.Parallel()
	n := tenants(t, 1)
	for _, name := range []string{"a/b", "/", "t2/", "_local", "_"} {
		p := rawTo(t, n.node("A").Addr("tenants"))
		p.send(wire.HeaderAMQP, &wire.Open{ContainerID: "raw", Hostname: name, MaxFrameSize: 64 << 10})
		p.wantClose(name, wire.ErrInvalidField)
	}
}

// As in Interconnect: who names no host is in no tenant. A listener with a policyVhost leaves no choice.
func TestClientWithoutAHostNameIsInTheTenantOfItsListenerOrInNone(t *testing.T) {
	t.Parallel()
	n := tenants(t, 1)
	for listener, key := range map[string]string{"tenants": "a", "fixed": "fixed/a"} {
		p := rawTo(t, n.node("A").Addr(listener))
		p.send(wire.HeaderAMQP, &wire.Open{ContainerID: "raw", MaxFrameSize: 64 << 10})
		p.header("the header is answered", wire.HeaderAMQP)
		want[*wire.Open](p, "open is answered")
		p.begin(0)
		p.attachReceiver(0, "a", 1)
		n.consumers("A", key, 1, 0)
	}
}

func TestConfigurationSeesTheAddressesOfTenantsWithTheirNames(t *testing.T) {
	t.Parallel()
	n := tenants(t, 1)
	c := tenant(t, n.node("A"), "t1")
	r1, r2 := c.receiver("orders/x", 10), c.receiver("orders/x", 10)
	s := c.sender("orders/x", nil)
	receipt := s.begin(text("x"))
	r1.got("x")
	r2.got("x")
	wantAccepted(t, "the message", s.outcome(receipt))
	row, _ := addressRow(n.node("A"), "t1/orders/x")
	if row.Distribution != "multicast" {
		t.Errorf("the distribution is %q", row.Distribution)
	}
}

func TestManagementShowsTheTenantOfAConnection(t *testing.T) {
	t.Parallel()
	n := tenants(t, 1)
	tenant(t, n.node("A"), "t1")
	connect(t, n.node("A"))
	var got []string
	for row := range n.node("A").view.Connections() {
		got = append(got, row.Tenant)
	}
	if diff := cmp.Diff([]string{"t1/", ""}, got); diff != "" {
		t.Errorf("tenants (-want +got)\n%s", diff)
	}
}

// Between routers an address of a tenant is written so that no router takes it for another.
func TestAddressesOfTenantsAreTheSameOnEveryRouter(t *testing.T) {
	t.Parallel()
	n := tenants(t, 3)
	far := tenant(t, n.node("C"), "t1")
	near := tenant(t, n.node("A"), "t1")
	for i, address := range []string{"a", "a/", "a//", "a..", ":::/x", "a:::/x", "//h//x", "x y", "$management",
		"a/_local/x", "_common/x", "amqp:/amqp:/x"} {
		r := far.receiver(address, 10)
		parsed := n.node("A").plane.Identity.ParseIn("t1", address)
		wantPhases(t, n.node("A"), parsed.Text, map[string]int{parsed.Key(): 1})
		for _, s := range []*sender{near.sender(address, nil), near.sender("", nil)} {
			receipt := s.begin(to(address, text("%d", i)))
			r.got(fmt.Sprint(i))
			wantAccepted(t, address, s.outcome(receipt))
		}
		r.detach()
		wantPhases(t, n.node("A"), parsed.Text, map[string]int{parsed.Key(): 0})
	}
}

func TestMessagesOfTenantsToManyAddressesTakeNoMemory(t *testing.T) {
	r := idleRouter(t)
	c := idleConn(r)
	c.Peer.Space = "t"
	l := &forwarding.Link{End: c}
	addresses := [][]byte{[]byte("amqp:/a"), []byte("b/c"), []byte("x:y")}
	for _, a := range addresses {
		r.control.Address(r.plane.Identity.ParseIn("t", string(a)).Key())
	}
	if n := testing.AllocsPerRun(100, func() {
		for _, a := range addresses {
			if c.Find(l, a) == nil {
				t.Fatalf("%s is not found", a)
			}
		}
	}); n > 0 {
		t.Errorf("three look-ups allocate %v times", n)
	}
}
