package router

import (
	"bytes"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/go-amqp"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/metrics"
	"github.com/postroad/postroad/mesh/membership"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/discovery"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/transport"
	"github.com/postroad/postroad/tls"
	"github.com/postroad/postroad/tls/tlstest"
)

// quicNet is a network of routers with certificates, linked by configured connectors over QUIC.
type quicNet struct {
	*network
	ca *tlstest.Authority
}

func newQUICNet(t testing.TB) *quicNet {
	return &quicNet{newNetwork(t), tlstest.NewAuthority(t, "mesh", nil)}
}

// profile is the sslProfile with the name mesh of a router whose certificate has a name.
func (q *quicNet) profile(name string) string {
	pair := q.ca.Issue(name, nil)
	return fmt.Sprintf("sslProfiles: [{name: mesh, caCertFile: %q, certFile: %q, privateKeyFile: %q}]", q.ca.File,
		pair.CertFile, pair.KeyFile)
}

// configured is the text of a router whose listener for routers, and connectors to others, have these attributes.
func (q *quicNet) configured(id, certificate, listener, connector, more string, to ...*Router) string {
	var connectors []string
	for _, r := range to {
		_, port, _ := net.SplitHostPort(r.Addr("routers"))
		connectors = append(connectors, fmt.Sprintf("{name: to-%s, host: localhost, port: %s, role: inter-router, "+
			"sslProfile: mesh%s}", r.ID(), port, connector))
	}
	p := plan{id: id, standalone: true, sections: q.profile(certificate) + "\n" + more,
		listeners: "  - {name: routers, host: 127.0.0.1, port: 0, role: inter-router, sslProfile: mesh, " +
			"saslMechanisms: EXTERNAL" + listener + "}",
		connectors: strings.Join(connectors, ", ")}
	return strings.Replace(p.text(), "mode: standalone", "mode: interior", 1)
}

// linked starts a router that has links over QUIC to others.
func (q *quicNet) linked(id string, to ...*Router) *Router {
	q.t.Helper()
	const over = ", transport: quic"
	r := start(q.t, q.configured(id, "router "+id, over, over, "", to...))
	q.routers = append(q.routers, r)
	return r
}

// overQUIC fails the test unless all connections between routers are of QUIC, or none.
func (n *network) overQUIC(want bool) {
	n.t.Helper()
	for _, r := range n.routers {
		for _, c := range r.host.Conns() {
			if c.E.Terms.Role == forwarding.RoleInterRouter && (transport.QUIC(c.Socket) != nil) != want {
				n.t.Errorf("%s has a connection with %s, over QUIC: %v", r.ID(), c.Socket.RemoteAddr(), !want)
			}
		}
	}
}

// TestRoutersCarryMessagesOfAnySizeOverQUIC: over three routers, unsettled and pre-settled, in order, with the content
// that was sent; management shows who the neighbors are.
func TestRoutersCarryMessagesOfAnySizeOverQUIC(t *testing.T) {
	t.Parallel()
	q := newQUICNet(t)
	a := q.linked("A")
	b := q.linked("B", a)
	c := q.linked("C", b)
	q.converge()
	q.overQUIC(true)
	var neighbors []string
	for row := range b.view.Connections() {
		if row.Role != "inter-router" {
			continue
		}
		neighbors = append(neighbors, fmt.Sprint(row.Container, " ", row.User, " ", row.SASL, " ", row.Authenticated, " ",
			row.TLSProtocol, " ", row.Encrypted, " ", row.Outgoing))
		if row.TLSCipher == "" || row.TLSStrength < 128 || !strings.HasPrefix(row.Host, "127.0.0.1:") {
			t.Errorf("management shows %+v", row)
		}
	}
	slices.Sort(neighbors)
	want := []string{"A  EXTERNAL true TLSv1.3 true true", "C CN=router C EXTERNAL true TLSv1.3 true false"}
	if !slices.Equal(neighbors, want) {
		t.Errorf("management shows %q, want %q", neighbors, want)
	}

	in, out := connect(t, c).receiver("closest/x", 100), connect(t, a)
	q.consumers("A", "closest/x", 0, 1)
	for what, o := range map[string]*amqp.SenderOptions{
		"unsettled": nil, "pre-settled": {SettlementMode: ptr(amqp.SenderSettleModeSettled)},
	} {
		s := out.sender("closest/x", o)
		for _, size := range []int{1, 1000, 65_000, 1 << 20, 10 << 20} {
			body := bytes.Repeat([]byte(what[:1]), size)
			body[size-1] = '.'
			done := make(chan error, 1)
			go func() { done <- s.link.Send(s.ctx, amqp.NewMessage(body), nil) }()
			m := in.accept()
			if !bytes.Equal(m.GetData(), body) {
				t.Errorf("%s: of %d octets %d arrive, or others", what, size, len(m.GetData()))
			}
			if err := <-done; err != nil {
				t.Errorf("%s: %d octets: %v", what, size, err)
			}
		}
	}
}

// TestTrafficGoesOnOverQUICWhenARouterIsKilled: what was accepted arrives.
func TestTrafficGoesOnOverQUICWhenARouterIsKilled(t *testing.T) {
	t.Parallel()
	q := newQUICNet(t)
	a := q.linked("A")
	b, d := q.linked("B", a), q.linked("D", a)
	c := q.linked("C", b, d)
	q.converge()
	g := connect(t, c).receiver("closest/x", 100).gather()
	q.consumers("A", "closest/x", 0, 1)
	j := connect(t, a).sender("closest/x", nil).travelWith(1000)
	j.reach(t, 50)
	q.kill(q.way("A", "C"))
	j.reach(t, 200)
	j.end(t, g)
}

// TestARouterThatDrainsOverQUICHandsNothingBack: its neighbors take its close and all that came before.
func TestARouterThatDrainsOverQUICHandsNothingBack(t *testing.T) {
	t.Parallel()
	q := newQUICNet(t)
	a := q.linked("A")
	b, d := q.linked("B", a), q.linked("D", a)
	c := q.linked("C", b, d)
	q.converge()
	g := connect(t, c).receiver("closest/x", 100).gather()
	q.consumers("A", "closest/x", 0, 1)
	j := connect(t, a).sender("closest/x", nil).travel()
	j.reach(t, 50)
	leaving := q.node(q.way("A", "C"))
	if err := leaving.Drain(within(t)); err != nil {
		t.Error(err)
	}
	q.stop(leaving.ID())
	j.reach(t, 200)
	j.end(t, g)
	if j.again > 0 {
		t.Errorf("%d messages were handed back", j.again)
	}
	eventually(t, "the neighbors have heard why", func() error {
		for _, e := range append(a.host.Logs.Recent(100), c.host.Logs.Recent(100)...) {
			if strings.Contains(e.Text, "shutting down") {
				return nil
			}
		}
		return fmt.Errorf("they have not")
	})
}

// dialRouter connects to the QUIC listener of a router.
func dialRouter(t testing.TB, r *Router, listener string, profile tls.ProfileConfig) transport.Conn {
	t.Helper()
	p, err := tls.Load(profile)
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(r.Addr(listener))
	nc, err := transport.Dial(within(t), transport.DialOptions{
		Scheme: transport.SchemeQUIC, Host: host, Port: port, TLS: p, VerifyHostname: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Abort() })
	return nc
}

// TestClientsMayUseQUIC: with a certificate, or a password, as the listener says; others are refused.
func TestClientsMayUseQUIC(t *testing.T) {
	t.Parallel()
	q := newQUICNet(t)
	users := filepath.Join(t.TempDir(), "users")
	tlstest.WriteFile(t, users, []byte("ann:{PLAIN}secret\n"))
	const more = ", host: 127.0.0.1, port: 0, sslProfile: mesh, transport: quic, authenticatePeer: true"
	r := q.add(plan{id: "A", standalone: true, sections: q.profile("router"), router: "usersFile: " + users,
		listeners: "  - {name: certificates" + more + ", saslMechanisms: EXTERNAL}\n  - {name: passwords" + more +
			", saslMechanisms: PLAIN}"})
	pair := q.ca.Issue("client", nil)
	with := tls.ProfileConfig{CACertFile: q.ca.File, CertFile: pair.CertFile, PrivateKeyFile: pair.KeyFile}
	without := tls.ProfileConfig{CACertFile: q.ca.File}
	for what, c := range map[string]struct {
		listener  string
		profile   tls.ProfileConfig
		mechanism amqp.SASLType
		user      string // "" if it is refused
	}{
		"a certificate":                         {"certificates", with, amqp.SASLTypeExternal(""), "CN=client"},
		"no certificate":                        {"certificates", without, amqp.SASLTypeAnonymous(), ""},
		"a password":                            {"passwords", without, amqp.SASLTypePlain("ann", "secret"), "ann"},
		"a wrong password":                      {"passwords", without, amqp.SASLTypePlain("ann", "wrong"), ""},
		"a certificate where it does not count": {"passwords", with, amqp.SASLTypeExternal(""), ""},
	} {
		nc := dialRouter(t, r, c.listener, c.profile)
		conn, err := amqp.NewConn(within(t), nc, &amqp.ConnOptions{SASLType: c.mechanism})
		if (err == nil) != (c.user != "") {
			t.Errorf("%s: %v", what, err)
		}
		if err != nil {
			continue
		}
		found := false
		for row := range r.view.Connections() {
			found = found || row.User == c.user && row.Authenticated && row.TLSProtocol == "TLSv1.3"
		}
		if !found {
			t.Errorf("%s: there is no connection of %s", what, c.user)
		}
		if err := conn.Close(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	eventually(t, "who has shown no certificate is reported and counted", func() error {
		counted := func(f metrics.Failures) bool {
			return f.Reason == books.FailedTLS && f.Direction == "in" && f.Count == 1
		}
		if failed := r.view.Snapshot().ConnectionsFailed; !slices.ContainsFunc(failed, counted) {
			return fmt.Errorf("counted is %v", failed)
		}
		for _, e := range r.host.Logs.Recent(100) {
			if strings.Contains(e.Text, "listener certificates: handshake with 127.0.0.1") {
				return nil
			}
		}
		return fmt.Errorf("it is not logged")
	})
}

// TestQUICPeersThatDoNotFinishTheHandshakeAreDisconnected: the limit goes from their first packet to their open.
func TestQUICPeersThatDoNotFinishTheHandshakeAreDisconnected(t *testing.T) {
	t.Parallel()
	q := newQUICNet(t)
	r := q.add(plan{id: "A", standalone: true, sections: q.profile("router"), listeners: "  - {name: hurry, " +
		"host: 127.0.0.1, port: 0, sslProfile: mesh, transport: quic, saslMechanisms: ANONYMOUS, authenticatePeer: false, " +
		"initialHandshakeTimeoutSeconds: 1}"})
	b := watch(t, r)
	for what, say := range map[string][]any{
		"a silent peer":             nil,
		"half a header":             {[]byte("AMQ")},
		"a header and nothing more": {wire.HeaderAMQP},
		"a frame that does not end": {wire.HeaderAMQP, []byte{0, 0, 60, 0, 2, 0, 0, 0, 1, 2, 3}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			p := &raw{t: t, ctx: within(t), nc: dialRouter(t, r, "hurry", tls.ProfileConfig{CACertFile: q.ca.File}),
				theirs: make(map[uint32]uint32)}
			p.send(say...)
			p.wantLimit(what, began)
			b.goesOn(t)
		})
	}
}

// TestARouterThatClaimsTheIdOfAnotherIsRefused: with a certificate of the mesh that is for somebody else, where gossip or
// the listener demands that it is for the id. Where nobody demands it, as in a network of Interconnect whose certificates
// name hosts, it is a neighbor.
func TestARouterThatClaimsTheIdOfAnotherIsRefused(t *testing.T) {
	t.Parallel()
	const gossip = "mesh: {name: test, gossip: {shape: none%s}}"
	for what, c := range map[string]struct {
		more, listener string
		certificate    string
		refused        bool
	}{
		"gossip demands it":                  {fmt.Sprintf(gossip, ""), "", "C", true},
		"gossip demands it, and it is":       {fmt.Sprintf(gossip, ""), "", "B", false},
		"gossip does not demand it":          {fmt.Sprintf(gossip, ", verifyId: false"), "", "C", false},
		"the listener does not demand it":    {fmt.Sprintf(gossip, ""), ", verifyId: false", "C", false},
		"the listener demands it":            {"", ", verifyId: true", "C", true},
		"the listener demands it, and it is": {"", ", verifyId: true", "B", false},
		"nobody demands it":                  {"", "", "host.example", false},
	} {
		for _, over := range []string{"", ", transport: quic"} {
			t.Run(what+over, func(t *testing.T) {
				t.Parallel()
				q := newQUICNet(t)
				a := start(t, q.configured("A", "A", c.listener+over, "", c.more))
				q.routers = append(q.routers, a)
				x := start(t, q.configured("B", c.certificate, "", over+", verifyHostname: false", "", a))
				defer x.Stop()
				if !c.refused {
					eventually(t, "it is a neighbor", func() error {
						if near := neighborhoodOf(a); !near.Up("B") {
							return fmt.Errorf("A has the neighbors %v", near.With)
						}
						return nil
					})
					return
				}
				wantLog(t, a, `connection of B from 127.0.0.1`, `router "B" shows the certificate of "CN=C"`)
				wantLog(t, x, "connector to-A", "amqp:unauthorized-access", `"CN=C", which is not for this id`)
				if near := neighborhoodOf(a); len(near.With) > 0 {
					t.Errorf("A has the neighbors %v", near.With)
				}
			})
		}
	}
}

// TestAConnectorThatIsAnsweredByAnotherRouterEnds: who has the certificate of another router and answers at its place.
func TestAConnectorThatIsAnsweredByAnotherRouterEnds(t *testing.T) {
	t.Parallel()
	q := newQUICNet(t)
	x := start(t, q.configured("B", "C", "", "", ""))
	q.routers = append(q.routers, x)
	a := start(t, q.configured("A", "A", "", ", verifyHostname: false, verifyId: true", "", x))
	defer a.Stop()
	wantLog(t, a, "connection of B from 127.0.0.1", `router "B" shows the certificate of "CN=C"`)
	if near := neighborhoodOf(a); near.Up("B") {
		t.Errorf("A has the neighbors %v", near.With)
	}
}

// wantLog waits until a router has logged a line with all of some texts.
func wantLog(t testing.TB, r *Router, texts ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("router %s logs %q", r.ID(), texts), func() error {
		for _, e := range r.host.Logs.Recent(200) {
			if !slices.ContainsFunc(texts, func(s string) bool { return !strings.Contains(e.Text, s) }) {
				return nil
			}
		}
		return fmt.Errorf("it does not")
	})
}

// overQUIC has the routers of a network listen on QUIC.
func (g *gossipers) overQUIC(id, more string) *Router {
	g.t.Helper()
	text := strings.Replace(g.secured(g.text(id, g.profile(g.ca, id), more)), "role: inter-router,",
		"role: inter-router, transport: quic,", 1)
	r := g.run(text)
	if !strings.HasPrefix(g.seed, "quic://") {
		g.seed = "quic://" + g.seed
	}
	return r
}

// TestRoutersFindEachOtherOverQUIC: with nothing but UDP, five routers form the planned mesh; one joins, one dies.
func TestRoutersFindEachOtherOverQUIC(t *testing.T) {
	t.Parallel()
	g := newGossipers(t)
	for i := range 5 {
		g.overQUIC(letter(i), "")
	}
	g.wantPlan("five routers form the planned mesh")
	g.network.overQUIC(true)
	g.overQUIC("F", "")
	g.wantPlan("the sixth router takes its place")
	g.kill("C")
	g.wantPlan("one has died")
	g.network.overQUIC(true)
}

// both gives a router a listener for TLS and one for QUIC, and prefers QUIC.
func (g *gossipers) both(id, more string) *Router {
	g.t.Helper()
	text := g.secured(g.text(id, g.profile(g.ca, id), strings.TrimPrefix(more+", transport: quic", ", ")))
	r := g.run(strings.Replace(text, "listeners:\n", "listeners:\n  - {name: udp, host: 127.0.0.1, port: 0, "+
		"role: inter-router, sslProfile: mesh, saslMechanisms: EXTERNAL, transport: quic}\n", 1))
	return r
}

// TestQUICIsTakenWhereItIsPreferredAndOffered: TLS is offered as well.
func TestQUICIsTakenWhereItIsPreferredAndOffered(t *testing.T) {
	t.Parallel()
	g := newGossipers(t)
	for i := range 3 {
		g.both(letter(i), "")
	}
	g.wantPlan("three routers form the planned mesh")
	g.network.overQUIC(true)
}

// TestRoutersFormThePlannedMeshWhereUDPIsBlocked: they offer and prefer QUIC, and what is sent to its ports disappears.
func TestRoutersFormThePlannedMeshWhereUDPIsBlocked(t *testing.T) {
	t.Parallel()
	g := newGossipers(t)
	for i := range 5 {
		hole, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer hole.Close()
		port := fixedPort(t)
		text := g.secured(g.text(letter(i), g.profile(g.ca, letter(i)), fmt.Sprintf("transport: quic, "+
			"advertise: [\"quic://%s\", \"amqps://127.0.0.1:%s\"]", hole.LocalAddr(), port)))
		g.run(strings.Replace(text, "port: 0, role: inter-router", "port: "+port+", role: inter-router", 1))
	}
	g.wantPlan("five routers form the planned mesh")
	g.network.overQUIC(false)
	for _, m := range g.node("A").gossip.Snapshot().Members {
		if len(m.Endpoints) != 2 {
			t.Errorf("%s has the endpoints %v", m.ID, m.Endpoints)
		}
	}
}

// TestAPortWithoutATransportIsAdvertisedForAllItsListeners: those with QUIC and those with TLS.
func TestAPortWithoutATransportIsAdvertisedForAllItsListeners(t *testing.T) {
	t.Parallel()
	g := newGossipers(t)
	port := fixedPort(t)
	text := g.secured(g.text("A", g.profile(g.ca, "A"), fmt.Sprintf(`advertise: ["a.example:%s", "b.example:1"]`, port)))
	text = strings.Replace(text, "port: 0, role: inter-router", "port: "+port+", role: inter-router", 1)
	r := g.run(strings.Replace(text, "listeners:\n", "listeners:\n  - {name: udp, host: 127.0.0.1, port: "+port+
		", role: inter-router, sslProfile: mesh, saslMechanisms: EXTERNAL, transport: quic}\n", 1))
	var got []string
	for _, e := range r.gossip.Config.Endpoints {
		got = append(got, e.String())
	}
	want := []string{"quic://a.example:" + port, "amqps://a.example:" + port, "amqps://b.example:1"}
	if !slices.Equal(got, want) {
		t.Errorf("advertised are %v, want %v", got, want)
	}
	seed := []membership.Endpoint{{Transport: discovery.WayEither, Host: "h", Port: 1}}
	if ways := r.gossip.Order(seed); len(ways) != 2 || ways[0].Transport != "amqps" || ways[1].Transport != "quic" {
		t.Errorf("a seed without a transport is dialed as %v", ways)
	}
}
