package router

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"testing"

	"github.com/Azure/go-amqp"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/sasl"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/tls/tlstest"
)

// secured is a router with users and certificates.
type secured struct {
	t      *testing.T
	router *Router
	ca     *tlstest.Authority
	other  *tlstest.Authority // that the router does not know
}

const (
	password = "pa:ss wörd"
	wrong    = "password"
)

// newSecured starts a router whose listeners demand authentication, each in its way. It knows a user for each of the
// mechanisms, of whose password it has only what that mechanism needs.
func newSecured(t *testing.T, mechanisms ...string) *secured {
	t.Helper()
	var users []byte
	for _, mechanism := range mechanisms {
		line, err := sasl.Entry("user-"+mechanism, mechanism, password, 4096)
		if err != nil {
			t.Fatal(err)
		}
		users = append(users, line+"\n"...)
	}
	file := filepath.Join(t.TempDir(), "users")
	tlstest.WriteFile(t, file, users)
	s := &secured{t: t, ca: tlstest.NewAuthority(t, "known", nil), other: tlstest.NewAuthority(t, "unknown", nil)}
	pair := s.ca.Issue("router", nil)
	n := newNetwork(t)
	s.router = n.add(plan{id: "A", standalone: true, router: fmt.Sprintf("usersFile: %q", file),
		sections: fmt.Sprintf("sslProfiles:\n  - {name: p, caCertFile: %q, certFile: %q, privateKeyFile: %q}", s.ca.File,
			pair.CertFile, pair.KeyFile),
		listeners: `  - {name: passwords, host: 127.0.0.1, port: 0, authenticatePeer: true}
  - {name: plain, host: 127.0.0.1, port: 0, authenticatePeer: true, saslMechanisms: PLAIN}
  - {name: optional, host: 127.0.0.1, port: 0}
  - {name: both, host: 127.0.0.1, port: 0, sslProfile: p, requireSsl: false, authenticatePeer: true,
     saslMechanisms: EXTERNAL PLAIN}
  - {name: tls, host: 127.0.0.1, port: 0, sslProfile: p, requireSsl: true, authenticatePeer: true,
     saslMechanisms: PLAIN}
  - {name: certificates, host: 127.0.0.1, port: 0, sslProfile: p, requireSsl: true, saslMechanisms: EXTERNAL}
  - {name: encrypted, host: 127.0.0.1, port: 0, sslProfile: p, requireSsl: false, requireEncryption: true,
     authenticatePeer: false}`})
	return s
}

// config is that of a TLS client with a certificate of an authority, or with none.
func (s *secured) config(ca *tlstest.Authority) *tls.Config {
	c := &tls.Config{InsecureSkipVerify: true} // the client's trust is not what is tested
	if ca != nil {
		pair := ca.Issue("client", nil)
		certificate, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
		if err != nil {
			s.t.Fatal(err)
		}
		c.Certificates = []tls.Certificate{certificate}
	}
	return c
}

// enter tries to open a connection and exchange a message.
func (s *secured) enter(listener string, config *tls.Config, mechanism amqp.SASLType) error {
	ctx := within(s.t)
	scheme := "amqp://"
	if config != nil {
		scheme = "amqps://"
	}
	conn, err := amqp.Dial(ctx, scheme+s.router.Addr(listener), &amqp.ConnOptions{SASLType: mechanism, TLSConfig: config})
	if err != nil {
		return err
	}
	defer conn.Close()
	session, err := conn.NewSession(ctx, nil)
	if err != nil {
		return err
	}
	_, err = session.NewSender(ctx, "closest/x", nil)
	return err
}

func TestListenersLetInWhoeverTheyShouldAndNobodyElse(t *testing.T) {
	t.Parallel()
	s := newSecured(t, sasl.ScramSHA256, sasl.ScramSHA512)
	user256, user512 := "user-"+sasl.ScramSHA256, "user-"+sasl.ScramSHA512
	known, unknown, none := s.config(s.ca), s.config(s.other), s.config(nil)
	plain := func(user, password string) amqp.SASLType { return amqp.SASLTypePlain(user, password) }
	for what, c := range map[string]struct {
		listener  string
		config    *tls.Config
		mechanism amqp.SASLType
		in        bool
	}{
		"a password":                            {"passwords", nil, plain(user256, password), true},
		"a password of another file entry":      {"passwords", nil, plain(user512, password), true},
		"a wrong password":                      {"passwords", nil, plain(user256, wrong), false},
		"an empty password":                     {"passwords", nil, plain(user256, ""), false},
		"an unknown user":                       {"passwords", nil, plain("nobody", password), false},
		"ANONYMOUS where users must prove":      {"passwords", nil, amqp.SASLTypeAnonymous(), false},
		"no SASL where users must prove":        {"passwords", nil, nil, false},
		"EXTERNAL without TLS":                  {"passwords", nil, amqp.SASLTypeExternal(""), false},
		"ANONYMOUS where nobody must prove":     {"optional", nil, amqp.SASLTypeAnonymous(), true},
		"no SASL where nobody must prove":       {"optional", nil, nil, true},
		"a password where nobody must prove":    {"optional", nil, plain(user256, password), true},
		"a wrong one where nobody must":         {"optional", nil, plain(user256, wrong), false},
		"a certificate":                         {"both", known, amqp.SASLTypeExternal(""), true},
		"a password without TLS, same port":     {"both", nil, plain(user256, password), true},
		"a wrong one without TLS, same port":    {"both", nil, plain(user256, wrong), false},
		"EXTERNAL without TLS, same port":       {"both", nil, amqp.SASLTypeExternal(""), false},
		"a certificate of an unknown authority": {"both", unknown, amqp.SASLTypeExternal(""), false},
		"TLS without a certificate":             {"both", none, plain(user256, password), false},
		"a password in TLS":                     {"tls", none, plain(user256, password), true},
		"a wrong password in TLS":               {"tls", none, plain(user256, wrong), false},
		"EXTERNAL without a certificate":        {"tls", none, amqp.SASLTypeExternal(""), false},
		"no TLS where it is required":           {"tls", nil, plain(user256, password), false},
		"a certificate alone":                   {"certificates", known, amqp.SASLTypeExternal(""), true},
		"no certificate":                        {"certificates", none, amqp.SASLTypeExternal(""), false},
		"ANONYMOUS in TLS":                      {"encrypted", none, amqp.SASLTypeAnonymous(), true},
		"nothing in TLS":                        {"encrypted", none, nil, true},
		"no TLS where encryption is required":   {"encrypted", nil, nil, false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			err := s.enter(c.listener, c.config, c.mechanism)
			if c.in && err != nil {
				t.Errorf("is kept out: %v", err)
			}
			if !c.in && err == nil {
				t.Error("is let in")
			}
			if errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("is left waiting: %v", err)
			}
		})
	}
}

func TestUsersProveTheirPasswordWithSCRAM(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{sasl.ScramSHA256, sasl.ScramSHA512} {
		s := newSecured(t, mechanism)
		for _, c := range []struct {
			user, password string
			code           uint8
		}{
			{"user-" + mechanism, password, 0},
			{"user-" + mechanism, wrong, 1},
			{"nobody", password, 1},
		} {
			t.Run(mechanism+" "+c.user+" "+c.password, func(t *testing.T) {
				t.Parallel()
				scram(t, s.router, mechanism, c.user, c.password, c.code)
			})
		}
	}
}

// scram authenticates and, with code 0, opens the connection.
func scram(t *testing.T, r *Router, mechanism, user, password string, code uint8) {
	p := rawTo(t, r.Addr("passwords"))
	p.send(wire.HeaderSASL)
	p.header("the SASL header is answered", wire.HeaderSASL)
	want[*wire.SASLMechanisms](p, "mechanisms are offered", func(x *wire.SASLMechanisms) bool {
		for _, m := range x.Mechanisms {
			if string(m) == mechanism {
				return true
			}
		}
		return false
	})
	c, err := sasl.NewClient(mechanism, sasl.ClientConfig{Username: user, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	p.send(&wire.SASLInit{Mechanism: wire.Symbol(mechanism), InitialResponse: c.Start(), HasInitialResponse: true})
	response, err := c.Step(want[*wire.SASLChallenge](p, "a challenge").Challenge)
	if err != nil {
		t.Fatal(err)
	}
	p.send(&wire.SASLResponse{Response: response})
	outcome := want[*wire.SASLOutcome](p, "the outcome")
	if outcome.Code != code {
		t.Fatalf("the outcome is %d, want %d", outcome.Code, code)
	}
	if code != 0 {
		p.wantEnd("a client that failed is disconnected")
		return
	}
	if err := c.Finish(sasl.OK, outcome.AdditionalData); err != nil {
		t.Errorf("the router does not prove that it knows the password: %v", err)
	}
	p.send(wire.HeaderAMQP, &wire.Open{ContainerID: "raw", MaxFrameSize: 1 << 16, ChannelMax: 10})
	p.header("the AMQP header is answered", wire.HeaderAMQP)
	want[*wire.Open](p, "open is answered")
	var row string
	for c := range r.view.Connections() {
		if c.Container == "raw" && c.User == user {
			row = c.SASL
		}
	}
	if row != mechanism {
		t.Errorf("management shows %q of the user, want %s", row, mechanism)
	}
}

func TestWrongPasswordIsToldBeforeTheConnectionEnds(t *testing.T) {
	t.Parallel()
	s := newSecured(t, sasl.ScramSHA256)
	p := rawTo(t, s.router.Addr("plain"))
	p.send(wire.HeaderSASL, &wire.SASLInit{Mechanism: "PLAIN", InitialResponse: []byte("\x00user\x00" + wrong),
		HasInitialResponse: true})
	if x := want[*wire.SASLMechanisms](p, "mechanisms"); len(x.Mechanisms) != 1 || x.Mechanisms[0] != "PLAIN" {
		t.Errorf("a listener with saslMechanisms PLAIN offers %v", x.Mechanisms)
	}
	if x := want[*wire.SASLOutcome](p, "the outcome"); x.Code != 1 {
		t.Errorf("the outcome is %d", x.Code)
	}
	p.wantEnd("and that is it")
}

func TestRoutersAuthenticateEachOtherWithCertificates(t *testing.T) {
	t.Parallel()
	ca, other := tlstest.NewAuthority(t, "mesh", nil), tlstest.NewAuthority(t, "other", nil)
	profile := func(ca *tlstest.Authority, name string) string {
		pair := ca.Issue(name, nil)
		return fmt.Sprintf("sslProfiles:\n  - {name: p, caCertFile: %q, certFile: %q, privateKeyFile: %q}", ca.File,
			pair.CertFile, pair.KeyFile)
	}
	n := newNetwork(t)
	a := n.add(plan{id: "A", sections: profile(ca, "A"),
		listeners: `  - {name: secure, host: 127.0.0.1, port: 0, role: inter-router, sslProfile: p,
     saslMechanisms: EXTERNAL, authenticatePeer: true}`})
	_, port, _ := net.SplitHostPort(a.Addr("secure"))
	connector := "{name: up, host: localhost, port: " + port +
		", role: inter-router, sslProfile: p, saslMechanisms: EXTERNAL}"
	n.add(plan{id: "B", sections: profile(ca, "B"), connectors: connector})
	n.converge()
	r := connect(t, n.node("B")).receiver("closest/x", 10)
	s := connect(t, a).sender("closest/x", nil)
	exchange(t, s, r, 10)
	large := noise(3, 3<<20)
	receipt := s.begin(amqp.NewMessage(large))
	if !bytes.Equal(r.accept().GetData(), large) {
		t.Error("a large message arrives changed through TLS")
	}
	wantAccepted(t, "a large message through TLS", s.outcome(receipt))
	stranger := newNetwork(t)
	c := stranger.add(plan{id: "C", sections: profile(other, "C"), connectors: connector})
	eventually(t, "the stranger fails", func() error {
		k := c.connectors[0]
		k.Mu.Lock()
		defer k.Mu.Unlock()
		if k.Status != "FAILED" {
			return fmt.Errorf("its connector is %s", k.Status)
		}
		return nil
	})
	if len(c.host.Conns()) > 0 || a.peerNamed("C") != nil {
		t.Error("a router with a certificate of another authority is in the mesh")
	}
}

func TestClientsOnAListenerForRoutersAreRefused(t *testing.T) {
	t.Parallel()
	n := chain(t, 2)
	p := rawTo(t, n.node("A").Addr("routers"))
	p.send(wire.HeaderAMQP, &wire.Open{ContainerID: "client", MaxFrameSize: 1 << 16, ChannelMax: 10},
		amqptest.On(0, &wire.Begin{IncomingWindow: 10, OutgoingWindow: 10, HandleMax: 10}),
		&wire.Attach{Name: "x", Role: wire.RoleSender, HasInitialDelivery: true, Source: &wire.Source{},
			Target: &wire.Target{Address: "closest/x", HasAddress: true}})
	p.wantDetach("a client's link on a connection between routers", 0, wire.ErrNotAllowed)
	p = rawTo(t, n.node("A").Addr("routers"))
	p.send(wire.HeaderAMQP, &wire.Open{ContainerID: "A", MaxFrameSize: 1 << 16, ChannelMax: 10})
	p.wantClose("a router with this router's own id", wire.ErrNotAllowed)
}
