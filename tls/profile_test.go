package tls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postroad/postroad/tls/tlstest"
)

// load loads a profile that is right.
func load(t *testing.T, cfg ProfileConfig) *Profile {
	t.Helper()
	p, err := Load(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// of is the profile of a certificate and an authority.
func of(pair tlstest.Pair, a *tlstest.Authority) ProfileConfig {
	return ProfileConfig{Name: "p", CertFile: pair.CertFile, PrivateKeyFile: pair.KeyFile, CACertFile: a.File}
}

// result is what one side of a handshake ended with.
type result struct {
	state *State
	err   error
}

// link returns the two ends of a connection.
func link(t *testing.T) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// meet runs a handshake and sends one octet each way, so that both sides know what the other thinks of it.
func meet(t *testing.T, server *Conn, client *Conn) (s, c result) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	side := func(conn *Conn, r *result) {
		if r.err = conn.Handshake(ctx); r.err == nil {
			_, r.err = conn.Write([]byte{1})
		}
		if r.err == nil {
			_, r.err = conn.Read(make([]byte, 1))
		}
		if r.err == nil {
			r.state, r.err = conn.State()
		}
		if r.err != nil {
			conn.Close()
		}
	}
	var wait sync.WaitGroup
	wait.Go(func() { side(server, &s) })
	wait.Go(func() { side(client, &c) })
	wait.Wait()
	server.Close()
	client.Close()
	return s, c
}

// handshake lets two profiles meet.
func handshake(t *testing.T, server, client *Profile, require bool, host string, verify bool) (s, c result) {
	t.Helper()
	a, b := link(t)
	sc, err := server.Server(a, require)
	if err != nil {
		t.Fatal(err)
	}
	return meet(t, sc, client.Client(b, host, verify))
}

func wantError(t *testing.T, what string, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: error %v, want one with %q", what, err, want)
	}
}

// Two routers that trust one authority prove themselves to each other, and know who the other is.
func TestMutualHandshake(t *testing.T) {
	t.Parallel()
	ca := tlstest.NewAuthority(t, "ca", nil)
	london, paris := load(t, of(ca.Issue("london", nil), ca)), load(t, of(ca.Issue("paris", nil), ca))
	s, c := handshake(t, london, paris, true, "localhost", true)
	if s.err != nil || c.err != nil {
		t.Fatalf("server: %v; client: %v", s.err, c.err)
	}
	if s.state.Identity != "CN=paris" || c.state.Identity != "CN=london" {
		t.Errorf("identities %q and %q, want CN=paris and CN=london", s.state.Identity, c.state.Identity)
	}
	if !c.state.ClientCertificate || s.state.ClientCertificate {
		t.Error("it is the client who showed a certificate to a server")
	}
	for _, r := range []result{s, c} {
		if r.state.Protocol != "TLSv1.3" || !strings.HasPrefix(r.state.Cipher, "TLS_") || r.state.SSF < 128 {
			t.Errorf("%s %s %d bits", r.state.Protocol, r.state.Cipher, r.state.SSF)
		}
	}
}

// Without authenticatePeer a client is not asked for its certificate, and has no identity.
func TestServerDoesNotAsk(t *testing.T) {
	t.Parallel()
	ca := tlstest.NewAuthority(t, "ca", nil)
	p := load(t, of(ca.Issue("london", nil), ca))
	s, c := handshake(t, p, p, false, "localhost", true)
	if s.err != nil || c.err != nil {
		t.Fatalf("server: %v; client: %v", s.err, c.err)
	}
	if s.state.Identity != "" || c.state.ClientCertificate {
		t.Errorf("the server got the identity %q", s.state.Identity)
	}
}

// A peer without a certificate, or with one of another authority, or that is for another host, is refused in words.
func TestHandshakeRefusals(t *testing.T) {
	t.Parallel()
	ca, other := tlstest.NewAuthority(t, "ca", nil), tlstest.NewAuthority(t, "other", nil)
	good := load(t, of(ca.Issue("good", nil), ca))
	foreign := load(t, of(other.Issue("foreign", nil), ca))
	nameless := load(t, ProfileConfig{CACertFile: ca.File})
	past := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }
	expired := load(t, of(ca.Issue("expired", past), ca))
	wantText(t, "warnings", strings.Join(expired.Warnings(), "; "), "expired on")

	s, _ := handshake(t, good, nameless, true, "localhost", true)
	wantError(t, "a client without a certificate", s.err, "client didn't provide a certificate")
	s, _ = handshake(t, good, foreign, true, "localhost", true)
	wantError(t, "a client of another authority", s.err, "is from no authority of caCertFile")
	s, _ = handshake(t, good, expired, true, "localhost", true)
	wantError(t, "an expired client", s.err, "expired")
	_, c := handshake(t, foreign, good, false, "localhost", true)
	wantError(t, "a server of another authority", c.err, `the certificate of "CN=foreign" is from no authority`)
	_, c = handshake(t, good, good, false, "example.com", true)
	wantError(t, "a server for another host", c.err, "not example.com")
	_, c = handshake(t, good, good, false, "", true)
	wantError(t, "no host", c.err, "verifyHostname needs a host name")
	if _, c = handshake(t, good, good, false, "example.com", false); c.err != nil {
		t.Errorf("verifyHostname no: %v", c.err)
	}
	_, c = handshake(t, foreign, good, false, "example.com", false)
	wantError(t, "verifyHostname no, another authority", c.err, "from no authority")
	serverOnly := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }
	s, _ = handshake(t, good, load(t, of(ca.Issue("serveronly", serverOnly), ca)), true, "localhost", true)
	wantError(t, "a client with a certificate for servers", s.err, "incompatible key usage")
	_, err := nameless.ServerConfig(false)
	wantError(t, "a listener without a certificate", err, "needs certFile")
	noCA := of(ca.Issue("noca", nil), ca)
	noCA.CACertFile = ""
	_, err = load(t, noCA).ServerConfig(true)
	wantError(t, "authenticatePeer without authorities", err, "authenticatePeer needs caCertFile")
}

func wantText(t *testing.T, what, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("%s: %q, want something with %q", what, got, want)
	}
}

// Certificates as networks of Interconnect have them name their host in the common name, or an address as a DNS name;
// they are accepted from the profile's own authority, and not past its constraints.
func TestHostInOldForms(t *testing.T) {
	t.Parallel()
	ca := tlstest.NewAuthority(t, "ca", nil)
	limit := func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"a.example"} }
	limited := tlstest.NewAuthority(t, "limited", limit)
	bare := func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = nil, nil }
	tests := []struct {
		name   string
		ca     *tlstest.Authority
		change func(*x509.Certificate)
		host   string
		ok     bool
	}{
		{"hub.example", ca, bare, "hub.example", true},
		{"hub.example", ca, bare, "HUB.example", true},
		{"hub.example", ca, bare, "other.example", false},
		{"*.example", ca, bare, "hub.example", true},
		{"127.0.0.1", ca, bare, "127.0.0.1", true},
		{"127.0.0.1", ca, bare, "127.0.0.2", false},
		{"::1", ca, bare, "::1", true},
		{"hub.example", ca, nil, "hub.example", false}, // alternative names rule out the common name
		{"hub.example", limited, bare, "hub.example", false},
		{"x", ca, func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = []string{"10.0.0.1"}, nil }, "10.0.0.1", true},
		{"x", ca, func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = []string{"10.0.0.1"}, nil }, "10.0.0.2", false},
		{"", ca, bare, "hub.example", false},
	}
	for _, tt := range tests {
		roots, err := readAuthorities(tt.ca.File)
		if err != nil {
			t.Fatal(err)
		}
		leaf := tt.ca.Issue(strings.ReplaceAll("host"+tt.name, "*", "any"), func(c *x509.Certificate) {
			c.Subject.CommonName = tt.name
			if tt.change != nil {
				tt.change(c)
			}
		}).Certificate
		if err := verifyServer([]*x509.Certificate{leaf}, roots, tt.host); (err == nil) != tt.ok {
			t.Errorf("certificate of %q, host %q: %v, want ok %v", tt.name, tt.host, err, tt.ok)
		}
	}
	if err := verifyServer(nil, nil, "x"); err == nil {
		t.Error("no certificate at all is accepted")
	}
}

// reports collects what OnReload is told.
type reports struct {
	mu   sync.Mutex
	list []error
}

func (r *reports) add(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, err)
}

// take returns what was reported since the last call.
func (r *reports) take() []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.list
	r.list = nil
	return list
}

// The next handshake uses a renewed certificate; a broken file leaves the old one in use, and is reported once.
func TestReload(t *testing.T) {
	t.Parallel()
	ca := tlstest.NewAuthority(t, "ca", nil)
	pair := ca.Issue("london", nil)
	var reported reports
	cfg := of(pair, ca)
	cfg.OnReload = reported.add
	server, client := load(t, cfg), load(t, ProfileConfig{CACertFile: ca.File})
	serial := func() int64 {
		t.Helper()
		_, c := handshake(t, server, client, false, "localhost", true)
		if c.err != nil {
			t.Fatal(c.err)
		}
		return c.state.Connection.PeerCertificates[0].SerialNumber.Int64()
	}
	old := serial()
	if got := reported.take(); len(got) != 0 {
		t.Errorf("reports without a change: %v", got)
	}

	renewed := ca.Issue("london", nil).Certificate.SerialNumber.Int64() // the same file names
	if got := serial(); got != renewed || got == old {
		t.Errorf("certificate %d is in use, want %d", got, renewed)
	}
	if got := reported.take(); len(got) != 1 || got[0] != nil {
		t.Errorf("reports %v, want one nil", got)
	}

	key, err := os.ReadFile(pair.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	tlstest.WriteFile(t, pair.KeyFile, []byte("no key"))
	for range 3 {
		if got := serial(); got != renewed {
			t.Errorf("certificate %d is in use, want %d", got, renewed)
		}
	}
	if got := reported.take(); len(got) != 1 || !strings.Contains(got[0].Error(), "the changed files are not used") {
		t.Errorf("reports %v, want one error", got)
	}
	tlstest.WriteFile(t, pair.KeyFile, key)
	serial()
	if got := reported.take(); len(got) != 1 || got[0] != nil {
		t.Errorf("reports %v, want one nil", got)
	}
	if err := os.Remove(pair.CertFile); err != nil {
		t.Fatal(err)
	}
	if got := serial(); got != renewed {
		t.Errorf("without a file certificate %d is in use, want %d", got, renewed)
	}
	if got := reported.take(); len(got) != 1 || got[0] == nil {
		t.Errorf("reports %v, want one error", got)
	}
}

// An authority that is taken out of caCertFile proves nobody any more, in neither direction.
func TestWithdrawnAuthority(t *testing.T) {
	t.Parallel()
	ca, next := tlstest.NewAuthority(t, "ca", nil), tlstest.NewAuthority(t, "next", nil)
	authorities := filepath.Join(t.TempDir(), "ca.pem")
	write := func(files ...string) {
		var all []byte
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, data...)
		}
		tlstest.WriteFile(t, authorities, all)
	}
	write(ca.File, next.File)
	cfg := of(next.Issue("london", nil), ca)
	cfg.CACertFile = authorities
	london, paris := load(t, cfg), load(t, of(ca.Issue("paris", nil), next))
	if s, c := handshake(t, london, paris, true, "localhost", true); s.err != nil || c.err != nil {
		t.Fatalf("server: %v; client: %v", s.err, c.err)
	}
	write(next.File)
	s, _ := handshake(t, london, paris, true, "localhost", true)
	wantError(t, "a client of a withdrawn authority", s.err, "from no authority")
	_, c := handshake(t, load(t, of(ca.Issue("rome", nil), ca)), london, false, "localhost", true)
	wantError(t, "a server of a withdrawn authority", c.err, "from no authority")
}

// Handshakes that run while files change each use one certificate with its key.
func TestConcurrentReload(t *testing.T) {
	t.Parallel()
	ca := tlstest.NewAuthority(t, "ca", nil)
	server := load(t, of(ca.Issue("london", nil), ca))
	client := load(t, ProfileConfig{CACertFile: ca.File})
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 10 {
				if _, c := handshake(t, server, client, false, "localhost", true); c.err != nil {
					t.Error(c.err)
				}
			}
		})
	}
	for range 20 {
		ca.Issue("london", nil)
	}
	wait.Wait()
}

// A server resumes no session: every connection proves its certificate.
func TestNoResumption(t *testing.T) {
	t.Parallel()
	ca := tlstest.NewAuthority(t, "ca", nil)
	p := load(t, of(ca.Issue("london", nil), ca))
	config := p.ClientConfig("localhost", true)
	config.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	for range 2 {
		a, b := link(t)
		server, err := p.Server(a, true)
		if err != nil {
			t.Fatal(err)
		}
		s, c := meet(t, server, &Conn{Conn: tls.Client(b, config), profile: p})
		if s.err != nil || c.err != nil || s.state.Connection.DidResume {
			t.Fatalf("server: %v; client: %v; resumed %v", s.err, c.err, s.state != nil && s.state.Connection.DidResume)
		}
	}
}

// Each version can be had alone, and a list with a gap is obeyed by both sides.
func TestProtocols(t *testing.T) {
	t.Parallel()
	ca := tlstest.NewAuthority(t, "ca", nil)
	pair := ca.Issue("london", nil)
	with := func(protocols string) *Profile {
		cfg := of(pair, ca)
		cfg.Protocols = protocols
		return load(t, cfg)
	}
	tests := []struct{ server, client, want string }{
		{"", "", "TLSv1.3"},
		{"TLSv1.2", "", "TLSv1.2"},
		{"", "TLSv1.2", "TLSv1.2"},
		{"TLSv1", "TLSv1 TLSv1.1", "TLSv1"},
		{"TLSv1 TLSv1.3", "TLSv1,TLSv1.1,TLSv1.2", "TLSv1"},
		{"TLSv1.1;TLSv1.2;TLSv1.3", "TLSv1.1 TLSv1.3", "TLSv1.3"},
		{"TLSv1.2", "TLSv1.1 TLSv1.3", ""},
		{"TLSv1.3", "TLSv1.2", ""},
	}
	for _, tt := range tests {
		s, c := handshake(t, with(tt.server), with(tt.client), true, "localhost", true)
		if tt.want == "" {
			if s.err == nil || c.err == nil {
				t.Errorf("%q with %q: %+v", tt.server, tt.client, s.state)
			}
			continue
		}
		if s.err != nil || c.err != nil || s.state.Protocol != tt.want || c.state.Protocol != tt.want {
			t.Errorf("%q with %q: %v, %v, %+v, want %s", tt.server, tt.client, s.err, c.err, s.state, tt.want)
		}
	}
}

// A peer that speaks something else than TLS is named.
func TestExplain(t *testing.T) {
	t.Parallel()
	ca := tlstest.NewAuthority(t, "ca", nil)
	p := load(t, of(ca.Issue("london", nil), ca))
	for sent, want := range map[string]string{
		"AMQP\x03\x01\x00\x00": "speaks AMQP without TLS", "GET / HTTP/1.1\r\n": "speaks HTTP without TLS",
		"\x00\x00\x00\x00\x00\x00": "TLS handshake: ",
	} {
		a, b := link(t)
		server, err := p.Server(a, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Write([]byte(sent)); err != nil {
			t.Fatal(err)
		}
		wantError(t, sent, server.Handshake(t.Context()), want)
	}
}

// Everything that is wrong with a profile is said at once, with what would be right.
func TestLoadErrors(t *testing.T) {
	t.Parallel()
	_, err := Load(ProfileConfig{
		CACertFile: "/nowhere/ca.pem", CertFile: "/nowhere/cert.pem", Ciphers: "ROT13", Protocols: "SSLv3",
		UIDFormat: "cx", UIDNameMappingFile: "/nowhere/names.json",
	})
	for _, want := range []string{
		"caCertFile: stat /nowhere/ca.pem", "certFile: stat /nowhere/cert.pem", `ciphers: "ROT13"`,
		`protocols: "SSLv3" is not one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3`, `uidFormat "cx": 'x' is not one of c, s`,
		"uidNameMappingFile: stat /nowhere/names.json",
	} {
		wantError(t, "load", err, want)
	}

	ca := tlstest.NewAuthority(t, "ca", nil)
	london, paris := ca.Issue("london", nil), ca.Issue("paris", nil)
	text := filepath.Join(t.TempDir(), "text")
	tlstest.WriteFile(t, text, []byte("hello"))
	for _, tt := range []struct {
		cfg  ProfileConfig
		want string
	}{
		{ProfileConfig{CertFile: london.CertFile, PrivateKeyFile: paris.KeyFile}, "do not make a pair"},
		{ProfileConfig{CertFile: london.CertFile}, "no private key in PEM form"},
		{ProfileConfig{PrivateKeyFile: london.KeyFile}, "privateKeyFile without certFile"},
		{ProfileConfig{CertFile: text}, "holds no certificate in PEM form"},
		{ProfileConfig{CertFile: london.CertFile, PrivateKeyFile: "/nowhere/key"}, "privateKeyFile: stat /nowhere/key"},
		{ProfileConfig{CACertFile: text}, "holds no certificate in PEM form"},
		{ProfileConfig{CACertFile: filepath.Dir(text)}, "holds no certificate in PEM form"},
		{ProfileConfig{UIDFormat: "n", UIDNameMappingFile: text}, "is no JSON object"},
		{ProfileConfig{Ciphers: "DHE-RSA-AES256-SHA"}, "selects no cipher that can be used with TLSv1.2"},
	} {
		_, err := Load(tt.cfg)
		wantError(t, tt.want, err, tt.want)
	}
	if _, err := Load(ProfileConfig{}); err != nil {
		t.Errorf("an empty profile: %v", err)
	}
	if _, err := Load(ProfileConfig{CACertFile: filepath.Dir(ca.File)}); err != nil {
		t.Errorf("a directory of certificates, and keys that are skipped: %v", err)
	}
}

// Secrets follow from the private key and the purpose alone.
func TestSecret(t *testing.T) {
	t.Parallel()
	ca := tlstest.NewAuthority(t, "ca", nil)
	london, paris := of(ca.Issue("london", nil), ca), of(ca.Issue("paris", nil), ca)
	secret := func(cfg ProfileConfig, purpose string) [32]byte {
		s, ok := load(t, cfg).Secret(purpose)
		if !ok {
			t.Errorf("there is no secret of %s", cfg.CertFile)
		}
		return s
	}
	first := secret(london, "a")
	if again := secret(london, "a"); again != first {
		t.Error("the secret is another one each time")
	}
	if first == secret(london, "b") || first == secret(paris, "a") {
		t.Error("the secret is the same for another purpose or key")
	}
	if _, ok := load(t, ProfileConfig{CACertFile: ca.File}).Secret("a"); ok {
		t.Error("there is a secret without a key")
	}
}
