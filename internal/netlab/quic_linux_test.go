package netlab

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/tls/tlstest"
	"github.com/postroad/postroad/topologies"
)

// overQUIC has all links of a lab lead through wires, and be of QUIC.
func overQUIC(t *testing.T, c Conditions) Options {
	t.Helper()
	ca := tlstest.NewAuthority(t, "mesh", nil)
	o := wired(c)
	o.Configure = func(c *config.Config) {
		pair := ca.Issue(c.Router.ID, nil)
		c.SSLProfiles = append(c.SSLProfiles, config.SSLProfile{
			Name: "mesh", CACertFile: ca.File, CertFile: pair.CertFile, PrivateKeyFile: pair.KeyFile,
		})
		for i := range c.Listeners {
			if l := &c.Listeners[i]; l.Role == config.RoleInterRouter {
				l.Transport, l.SSLProfile, l.SASLMechanisms, l.RequireSSL = config.TransportQUIC, "mesh", "EXTERNAL", true
			}
		}
		for i := range c.Connectors {
			k := &c.Connectors[i]
			k.Transport, k.SSLProfile, k.VerifyHostname = config.TransportQUIC, "mesh", false
		}
	}
	return o
}

func TestMessagesCrossAWireThatLosesPacketsOverQUIC(t *testing.T) {
	t.Parallel()
	l := startLab(t, parsed(t, pairOf), overQUIC(t, Conditions{Loss: 0.02, Delay: time.Millisecond}))
	s := flowing(t, l, "a", "b", 500)
	must(t, s.Flow(limited(t), 1000))
	account(t, s, allowed{})
	if l.link("a", "b").wire.lost.Load() == 0 {
		t.Error("the wire has lost nothing")
	}
}

func TestABlackHoleIsGoneAroundOverQUIC(t *testing.T) {
	t.Parallel()
	l := startLab(t, named(t, "diamond"), overQUIC(t, Conditions{}))
	s := flowing(t, l, "A", "D", 500)
	s.Mark()
	l.Impair("A", "B", Conditions{BlackHole: true})
	must(t, s.Flow(limited(t), 500))
	within(t, s, silent)
	must(t, l.Converge(limited(t)))
	l.Impair("A", "B", Conditions{})
	must(t, l.Converge(limited(t)))
	account(t, s, allowed{modified: true, released: true})
}

func TestARouterThatIsKilledIsGoneAroundOverQUIC(t *testing.T) {
	t.Parallel()
	l := startLab(t, named(t, "diamond"), overQUIC(t, Conditions{}))
	s := flowing(t, l, "A", "D", 500)
	hop, err := l.NextHop(limited(t), "A", "D")
	must(t, err)
	s.Mark()
	must(t, l.Kill(hop))
	must(t, s.Flow(limited(t), 500))
	within(t, s, silent) // nobody says that the port is gone
	must(t, l.Start(hop))
	must(t, l.Converge(limited(t)))
	account(t, s, allowed{modified: true, released: true})
}

func TestARouterThatIsToldToEndHandsNothingBackOverQUIC(t *testing.T) {
	t.Parallel()
	l := startLab(t, named(t, "diamond"), overQUIC(t, Conditions{Delay: time.Millisecond}))
	s := flowing(t, l, "A", "D", 1000)
	hop, err := l.NextHop(limited(t), "A", "D")
	must(t, err)
	must(t, l.Terminate(hop))
	must(t, s.Flow(limited(t), 500))
	account(t, s, allowed{})
}

// everybody is five routers each of which could have a link with each.
const everybody = `
name: everybody
routers: [{id: A}, {id: B}, {id: C}, {id: D}, {id: E}]
links:
  - {a: A, b: B}
  - {a: A, b: C}
  - {a: A, b: D}
  - {a: A, b: E}
  - {a: B, b: C}
  - {a: B, b: D}
  - {a: B, b: E}
  - {a: C, b: D}
  - {a: C, b: E}
  - {a: D, b: E}
`

// The ports of routers that find each other.
const (
	tlsPort  = 55671
	quicPort = 55672
)

// gossiping has the routers of a full mesh find each other: they know the first one, offer TLS and QUIC, and prefer QUIC.
func gossiping(t *testing.T, topology *topologies.Topology, c Conditions) Options {
	t.Helper()
	ca := tlstest.NewAuthority(t, "mesh", nil)
	o := wired(c)
	o.Configure = func(c *config.Config) {
		id, first := c.Router.ID, topology.Routers[0].ID
		pair := ca.Issue(id, nil)
		var join, advertise []string
		for i, link := range topology.Links {
			for _, ends := range [][2]string{{link.A, link.B}, {link.B, link.A}} {
				if ends[0] == id {
					for way, port := range map[string]int{"amqps": tlsPort, "quic": quicPort} {
						advertise = append(advertise, fmt.Sprintf("%s://%s:%d", way, linkHost(i, link, id), port))
					}
				}
				if ends[0] == first && ends[1] == id {
					join = append(join, fmt.Sprintf("quic://%s:%d", linkHost(i, link, first), quicPort),
						fmt.Sprintf("amqps://%s:%d", linkHost(i, link, first), tlsPort))
				}
			}
		}
		text := fmt.Sprintf(`
router: {id: %s, mode: interior}
sslProfiles: [{name: mesh, caCertFile: %q, certFile: %q, privateKeyFile: %q}]
mesh: {name: everybody, gossip: {shape: full-mesh, transport: quic, join: [%s], advertise: [%s]}}
listeners:
  - {name: clients, host: 127.0.0.1, port: %d}
  - {name: tls, host: 0.0.0.0, port: %d, role: inter-router, sslProfile: mesh, saslMechanisms: EXTERNAL}
  - {name: quic, host: 0.0.0.0, port: %d, role: inter-router, sslProfile: mesh, saslMechanisms: EXTERNAL, transport: quic}
`, id, ca.File, pair.CertFile, pair.KeyFile, quoted(join), quoted(advertise), ports.Client, tlsPort, quicPort)
		made, problems := config.Parse("router.yaml", []byte(text))
		if made == nil {
			t.Errorf("the configuration is refused: %v\n%s", problems, text)
			return
		}
		made.Logs = c.Logs
		*c = *made
	}
	return o
}

func quoted(texts []string) string {
	var all []string
	for _, s := range texts {
		all = append(all, fmt.Sprintf("%q", s))
	}
	return strings.Join(all, ", ")
}

// linkedBy waits until all links that a router has dialed lead to a port.
func linkedBy(t *testing.T, l *Lab, port int) {
	t.Helper()
	for _, id := range l.IDs() {
		must(t, l.await(limited(t), id, func() error {
			rows, err := l.Query(limited(t), id, "connection", "host", "role", "dir", "opened")
			if err != nil {
				return err
			}
			for _, row := range rows {
				host := fmt.Sprint(row["host"])
				if row["role"] == "inter-router" && row["dir"] == "out" && row["opened"] == true &&
					!strings.HasSuffix(host, fmt.Sprint(":", port)) {
					return fmt.Errorf("a link leads to %s, not to port %d", host, port)
				}
			}
			return nil
		}))
	}
}

// TestRoutersFormTheirMeshWhereUDPIsBlocked: they offer and prefer QUIC. Where UDP is open they use it; where it is
// closed from the beginning, or in the middle, they form the same mesh over TLS.
func TestRoutersFormTheirMeshWhereUDPIsBlocked(t *testing.T) {
	t.Parallel()
	topology := parsed(t, everybody)
	t.Run("from the beginning", func(t *testing.T) {
		t.Parallel()
		l := startLab(t, topology, gossiping(t, topology, Conditions{NoUDP: true}))
		linkedBy(t, l, tlsPort)
	})
	t.Run("in the middle", func(t *testing.T) {
		t.Parallel()
		l := startLab(t, topology, gossiping(t, topology, Conditions{}))
		linkedBy(t, l, quicPort)
		s := flowing(t, l, "A", "E", 200)
		for _, k := range topology.Links {
			l.Impair(k.A, k.B, Conditions{NoUDP: true})
		}
		linkedBy(t, l, tlsPort)
		must(t, l.Converge(limited(t)))
		must(t, s.Flow(limited(t), 200))
		account(t, s, allowed{modified: true, released: true})
	})
}
