package tls

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
)

// Names of crypto/tls for those who use this package.
type (
	// Config is [crypto/tls.Config].
	Config = tls.Config
	// ConnectionState is [crypto/tls.ConnectionState].
	ConnectionState = tls.ConnectionState
)

// ProfileConfig is an sslProfile entity, its attributes as they were written. Every one may be empty.
type ProfileConfig struct {
	Name           string
	CACertFile     string // certificates of the authorities that peers are verified with; empty: those of the system
	CertFile       string // own certificate with its chain; a server needs one
	PrivateKeyFile string // key of it; empty: the key is in CertFile
	Password       string // of the key: env:NAME, file:PATH, pass:TEXT, literal:TEXT, or the text itself
	PasswordFile   string // deprecated: a file with the password, for when Password is empty

	// Ciphers is an OpenSSL cipher list such as "ECDHE+AESGCM:!aNULL". Names and keywords that OpenSSL knows and Go has
	// no cipher for are skipped with a warning; others are errors. Empty: what Go considers secure.
	Ciphers string
	// Protocols are names from TLSv1, TLSv1.1, TLSv1.2, TLSv1.3. Empty: TLSv1.2 and TLSv1.3.
	Protocols string

	// UIDFormat says which fields of a peer's certificate, joined by semicolons, are its identity: c country, s state,
	// l locality, o organization, u organizational unit, n common name, and 1, 2 or 5 for the SHA-1, SHA-256 or SHA-512
	// fingerprint. Empty: the whole subject in the form of RFC 2253.
	UIDFormat string
	// UIDNameMappingFile is a JSON object that gives identities made by UIDFormat another name.
	UIDNameMappingFile string

	// OnReload is told, in the goroutine of a handshake, that files have changed: err is nil if they are in use now, and
	// says what is wrong with them if not. It may be nil.
	OnReload func(err error)
}

// Profile is an sslProfile that is ready for use. It is safe for concurrent use.
type Profile struct {
	cfg       ProfileConfig
	ciphers   []uint16 // nil: Go's default
	protocols protocols
	warnings  []string

	material atomic.Pointer[material]
	seen     atomic.Pointer[stamps] // files as they were when they were last read, well or not
	reading  sync.Mutex             // one reader of the files at a time
}

// Load reads all files of a profile. The error names every attribute that is wrong, and what would be right.
func Load(cfg ProfileConfig) (*Profile, error) {
	p := &Profile{cfg: cfg}
	var problems []error
	var err error
	if p.protocols, err = parseProtocols(cfg.Protocols); err != nil {
		problems = append(problems, err)
	}
	if p.protocols.has(tls.VersionTLS10) || p.protocols.has(tls.VersionTLS11) {
		p.warnings = append(p.warnings, "protocols TLSv1 and TLSv1.1 are broken and deprecated (RFC 8996)")
	}
	var skipped []string
	if p.ciphers, skipped, err = parseCiphers(cfg.Ciphers); err != nil {
		problems = append(problems, err)
	} else if len(p.ciphers) == 0 && p.ciphers != nil && p.protocols.min() < tls.VersionTLS13 {
		problems = append(problems, fmt.Errorf("ciphers %q selects no cipher that can be used with %s",
			cfg.Ciphers, versionName(p.protocols.min())))
	}
	p.warnings = append(p.warnings, skipped...)
	if err := checkUIDFormat(cfg.UIDFormat); err != nil {
		problems = append(problems, err)
	}
	if cfg.UIDNameMappingFile != "" && cfg.UIDFormat == "" {
		p.warnings = append(p.warnings, "uidNameMappingFile has no effect without uidFormat")
	}
	now := stampsOf(cfg.files())
	m, err := readMaterial(&cfg)
	if err != nil {
		problems = append(problems, err)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	p.warnings = append(p.warnings, m.warnings...)
	p.seen.Store(&now)
	p.material.Store(m)
	return p, nil
}

// Name returns the name of the profile.
func (p *Profile) Name() string { return p.cfg.Name }

// Warnings returns what an administrator should know about the profile as it was loaded.
func (p *Profile) Warnings() []string { return slices.Clone(p.warnings) }

// HasCertificate reports whether the profile has a certificate of its own.
func (p *Profile) HasCertificate() bool { return p.material.Load().certificate != nil }

// Secret derives a secret for a purpose from the private key of the profile, the same in every run. Without a key of
// which that is possible it is false.
func (p *Profile) Secret(purpose string) (secret [32]byte, ok bool) {
	m := p.material.Load()
	if m.certificate == nil {
		return secret, false
	}
	key, err := x509.MarshalPKCS8PrivateKey(m.certificate.PrivateKey)
	if err != nil {
		return secret, false
	}
	derived, err := hkdf.Key(sha256.New, key, nil, purpose, len(secret))
	if err != nil {
		return secret, false
	}
	return [32]byte(derived), true
}

// current returns what is in the files now. If they have changed and another handshake is reading them already, it
// returns what was in them before.
func (p *Profile) current() *material {
	files := p.cfg.files()
	if stampsOf(files).equal(*p.seen.Load()) || !p.reading.TryLock() {
		return p.material.Load()
	}
	defer p.reading.Unlock()
	now := stampsOf(files)
	if now.equal(*p.seen.Load()) {
		return p.material.Load()
	}
	m, err := readMaterial(&p.cfg)
	if err == nil {
		p.material.Store(m)
	} else {
		err = fmt.Errorf("sslProfile %s: the changed files are not used: %w", p.cfg.Name, err)
	}
	p.seen.Store(&now)
	if p.cfg.OnReload != nil {
		p.cfg.OnReload(err)
	}
	return p.material.Load()
}

// base returns what the configurations of both sides have in common.
func (p *Profile) base() *tls.Config {
	return &tls.Config{
		MinVersion:                  p.protocols.min(),
		MaxVersion:                  p.protocols.max(),
		CipherSuites:                p.ciphers,
		DynamicRecordSizingDisabled: true,
		SessionTicketsDisabled:      true,
	}
}

// ServerConfig returns the configuration of a listener. With requireClientCert the peer must present a certificate of
// one of the authorities in caCertFile (authenticatePeer), else it is not asked for one. It fails if the profile lacks
// a certificate, or authorities that it needs.
//
// With alpn, a peer that asks for one of these protocols gets it (RFC 7301). Others are served as without.
func (p *Profile) ServerConfig(requireClientCert bool, alpn ...string) (*Config, error) {
	m := p.material.Load()
	switch {
	case m.certificate == nil:
		return nil, fmt.Errorf("sslProfile %s: a listener needs certFile and privateKeyFile", p.cfg.Name)
	case requireClientCert && m.roots == nil:
		return nil, fmt.Errorf("sslProfile %s: authenticatePeer needs caCertFile, the authorities of the peers",
			p.cfg.Name)
	}
	config := p.base()
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		m := p.current()
		c := p.base()
		c.Certificates = []tls.Certificate{*m.certificate}
		if slices.ContainsFunc(hello.SupportedProtos, func(name string) bool { return slices.Contains(alpn, name) }) {
			c.NextProtos = alpn
		}
		if v := p.protocols.best(hello.SupportedVersions); v != 0 && p.protocols.gap() {
			c.MaxVersion = v
		}
		if requireClientCert {
			c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, m.roots
		}
		return c, nil
	}
	return config, nil
}

// ClientConfig returns the configuration of one outgoing connection. The server's certificate must come from one of
// the authorities of the profile, and with verifyHostname name the host that was dialed, serverName. With alpn it asks
// for one of these protocols.
func (p *Profile) ClientConfig(serverName string, verifyHostname bool, alpn ...string) *Config {
	return p.clientConfig(serverName, verifyHostname, nil, alpn)
}

// ClientHandshake is the client's side of one handshake that somebody else runs, QUIC for example.
type ClientHandshake struct {
	Config    *Config // as of [Profile.ClientConfig]
	profile   *Profile
	presented bool // a client certificate of ours; written during the handshake
}

// ClientHandshake prepares a handshake, with the parameters of [Profile.ClientConfig].
func (p *Profile) ClientHandshake(serverName string, verifyHostname bool, alpn ...string) *ClientHandshake {
	h := &ClientHandshake{profile: p}
	h.Config = p.clientConfig(serverName, verifyHostname, &h.presented, alpn)
	return h
}

// State describes the connection after the handshake.
func (h *ClientHandshake) State(connection ConnectionState) (*State, error) {
	state, err := h.profile.state(connection, false)
	if err == nil {
		state.ClientCertificate = h.presented
	}
	return state, err
}

// clientConfig is ClientConfig with a mark that is set when the server gets a certificate of ours.
func (p *Profile) clientConfig(serverName string, verifyHostname bool, presented *bool, alpn []string) *Config {
	config := p.base()
	config.ServerName = serverName
	config.NextProtos = alpn
	// Verification is done by VerifyConnection, which runs in every handshake; see verifyServer for why.
	config.InsecureSkipVerify = true
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if !p.protocols.has(state.Version) {
			return fmt.Errorf("the server chose %s, which protocols leaves out", versionName(state.Version))
		}
		host := ""
		if verifyHostname {
			if serverName == "" {
				return errors.New("verifyHostname needs a host name")
			}
			host = serverName
		}
		return verifyServer(state.PeerCertificates, p.current().roots, host)
	}
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		m := p.current()
		if m.certificate == nil {
			return new(tls.Certificate), nil
		}
		if presented != nil {
			*presented = true
		}
		return m.certificate, nil
	}
	return config
}

// Conn is a TLS connection of a profile.
type Conn struct {
	*tls.Conn
	profile   *Profile
	server    bool // this side is the server
	presented bool // a client certificate of ours; written during the handshake
}

// Server wraps the server's side of a connection. Nothing is read or written before the handshake. It fails as
// [Profile.ServerConfig] does.
func (p *Profile) Server(raw net.Conn, requireClientCert bool, alpn ...string) (*Conn, error) {
	config, err := p.ServerConfig(requireClientCert, alpn...)
	if err != nil {
		return nil, err
	}
	return &Conn{Conn: tls.Server(raw, config), profile: p, server: true}, nil
}

// Client wraps the client's side of a connection. Nothing is read or written before the handshake.
func (p *Profile) Client(raw net.Conn, serverName string, verifyHostname bool, alpn ...string) *Conn {
	c := &Conn{profile: p}
	c.Conn = tls.Client(raw, p.clientConfig(serverName, verifyHostname, &c.presented, alpn))
	return c
}

// Handshake runs the handshake, unless it has run, until ctx ends it. The error is in the words of an operator.
func (c *Conn) Handshake(ctx context.Context) error {
	if err := c.HandshakeContext(ctx); err != nil {
		return explain(err)
	}
	return nil
}

// State describes the connection after its handshake. It fails on the server's side for a client's certificate that
// [Profile.Identity] fails for.
func (c *Conn) State() (*State, error) {
	state, err := c.profile.state(c.ConnectionState(), c.server)
	if err == nil {
		state.ClientCertificate = c.presented
	}
	return state, err
}

// ServerState describes a server's connection whose handshake somebody else ran, QUIC for example. It fails as
// [Conn.State] does.
func (p *Profile) ServerState(connection ConnectionState) (*State, error) {
	return p.state(connection, true)
}

func (p *Profile) state(connection ConnectionState, server bool) (*State, error) {
	state := describe(connection)
	var err error
	state.Identity, err = p.Identity(connection)
	if err != nil && server {
		return nil, err
	}
	return state, nil
}

// explain puts the commonest failures of a handshake into the words of an operator.
func explain(err error) error {
	var record tls.RecordHeaderError
	if errors.As(err, &record) {
		switch string(record.RecordHeader[:4]) {
		case "AMQP":
			return errors.New("TLS handshake: the peer speaks AMQP without TLS")
		case "GET ", "POST", "HTTP", "HEAD", "PUT ":
			return errors.New("TLS handshake: the peer speaks HTTP without TLS")
		}
	}
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) && unknown.Cert != nil {
		return fmt.Errorf("TLS handshake: the certificate of %q is from no authority of caCertFile: %w",
			distinguishedName(unknown.Cert.RawSubject), err)
	}
	return fmt.Errorf("TLS handshake: %w", err)
}
