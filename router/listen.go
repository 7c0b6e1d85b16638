package router

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/sasl"
	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/mesh/membership"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/transport"
	"github.com/postroad/postroad/tls"
)

// handshakeDefault is how long a peer has from connecting to its open where the configuration names no limit.
const handshakeDefault = 5 * time.Second

// listener accepts connections for one listener entity.
type listener struct {
	router   *Router
	cfg      *config.Listener
	settings *settings
	profile  *tls.Profile

	mu  sync.Mutex
	l   transport.Listener
	web *webServer
}

func (r *Router) newListener(cfg *config.Listener) (*listener, error) {
	l := &listener{router: r, cfg: cfg}
	if cfg.SSLProfile != "" {
		if l.profile = r.profiles[cfg.SSLProfile]; l.profile == nil {
			return nil, fmt.Errorf("listener %q: sslProfile %q cannot be used", cfg.Name, cfg.SSLProfile)
		}
	}
	properties, err := encodeProperties(cfg.OpenProperties)
	if err != nil {
		return nil, fmt.Errorf("listener %q: openProperties: %w", cfg.Name, err)
	}
	failover, err := parseFailover(cfg.FailoverURLs)
	if err != nil {
		return nil, fmt.Errorf("listener %q: failoverUrls: %w", cfg.Name, err)
	}
	l.settings = &settings{
		name: cfg.Name, role: roleOf(cfg.Role), cost: cfg.Cost, measured: cfg.CostBasis == "rtt",
		capacity: capacityOf(cfg.LinkCapacity), maxMessageSize: uint64(cfg.MaxMessageSize),
		maxFrameSize: uint32(cfg.MaxFrameSize),
		channelMax:   channelMax(cfg.MaxSessions), idleTimeOut: time.Duration(cfg.IdleTimeoutSeconds) * time.Second,
		handshake:  time.Duration(cfg.InitialHandshakeTimeoutSeconds) * time.Second,
		properties: properties, failover: failover,
		authenticate: cfg.AuthenticatePeer, requireSSL: cfg.RequireSSL, requireCrypto: cfg.RequireEncryption,
		mechanisms: cfg.SASLMechanisms, window: windowOf(cfg.MaxSessionFrames),
		annotated:   keepsAnnotations(cfg.StripAnnotations),
		trusted:     trustsAnnotations(cfg.StripAnnotations) && !cfg.MultiTenant,
		multiTenant: cfg.MultiTenant, vhost: cfg.PolicyVhost,
	}
	if l.settings.handshake == 0 {
		l.settings.handshake = handshakeDefault
	}
	l.settings.verifyID = l.verifiesID()
	return l, nil
}

func roleOf(r config.Role) Role {
	switch r {
	case config.RoleInterRouter:
		return RoleInterRouter
	case config.RoleRouteContainer:
		return RoleRouteContainer
	case config.RoleEdge:
		return RoleEdge
	default:
		return RoleNormal
	}
}

func capacityOf(n int) int {
	if n <= 0 {
		return config.DefaultLinkCapacity
	}
	return n
}

// keepsAnnotations tells whether stripAnnotations leaves the routers' annotations in messages to clients.
func keepsAnnotations(strip string) bool { return strip == "no" || strip == "in" }

// trustsAnnotations tells whether stripAnnotations leaves them in messages from clients, where they count then: such a
// client may say by x-opt-qd.to where a message goes, and what it says of ingress and trace is believed. No tenant may.
func trustsAnnotations(strip string) bool { return strip == "no" || strip == "out" }

// windowOf is the session window for clients, in frames: as Interconnect's, it is as good as open unless set. See
// heldHigh.
func windowOf(frames int) uint32 {
	if frames <= 0 {
		return 1<<31 - 1
	}
	return uint32(frames)
}

func channelMax(sessions int) uint16 {
	if sessions <= 0 || sessions > 32768 {
		sessions = 32768
	}
	return uint16(sessions - 1)
}

// open binds the listener.
func (l *listener) open() error {
	o := transport.ListenOptions{
		Host: l.cfg.Host, Port: l.cfg.Port, Family: l.cfg.SocketAddressFamily, TLS: l.profile,
		RequireTLS: l.cfg.RequireSSL, ClientCertificate: l.wantsCertificate(),
	}
	if l.cfg.Transport == config.TransportQUIC {
		o.Scheme, o.HandshakeTimeout, o.Window = transport.SchemeQUIC, l.settings.handshake, quicWindow(l.settings.role)
		o.Report, o.Background = l.report, &l.router.closing
	}
	if l.router.gossip.shares(l) {
		o.ALPN = []string{membership.ALPN}
	}
	t, err := transport.Listen(l.router.ctx, o)
	if err != nil {
		return fmt.Errorf("listener %q: %w", l.cfg.Name, err)
	}
	l.mu.Lock()
	l.l = t
	l.mu.Unlock()
	over := ""
	if l.cfg.Transport == config.TransportQUIC {
		over = ", QUIC"
	}
	l.router.log(logging.Server).Noticef("Listening on %s (%s%s)", t.Addr(), l.cfg.Name, over)
	return nil
}

// quicWindow is how many octets a peer may be ahead of this router in reading: they are held here, and not by the system
// as with TCP. 0 is the transport's own, for long ways between routers.
func quicWindow(role Role) int {
	if role == RoleInterRouter {
		return 0
	}
	return 512 << 10
}

// report takes note of a peer with which QUIC has made no connection.
func (l *listener) report(err error) {
	l.router.plane.ledger.Fail(books.Failure{Role: l.settings.role.String(), Reason: books.FailedTLS})
	l.router.log(logging.Server).Warningf("listener %s: %v", l.cfg.Name, err)
}

// demands tells whether an attribute is given and true.
func demands(attribute *bool) bool { return attribute != nil && *attribute }

// verifiesID tells whether the certificate of a router that connects has to be for its id.
func (l *listener) verifiesID() bool {
	switch {
	case l.settings.role != RoleInterRouter || l.profile == nil:
		return false
	case l.cfg.VerifyID != nil:
		return *l.cfg.VerifyID
	}
	return l.router.verifiesIDs() && l.wantsCertificate()
}

// verifiesIDs tells whether certificates are for the ids of routers where a listener or connector does not say.
func (r *Router) verifiesIDs() bool { return r.cfg.Gossip != nil && r.cfg.Gossip.VerifyID }

// wantsCertificate tells whether TLS peers without a certificate are refused: when their certificates have to be for
// their ids; when EXTERNAL is named among the mechanisms, as Interconnect does; and when none is named and there is
// nothing else to authenticate with.
func (l *listener) wantsCertificate() bool {
	profile, ok := l.router.cfg.Profile(l.cfg.SSLProfile)
	if !ok || profile.CACertFile == "" {
		return false
	}
	if demands(l.cfg.VerifyID) {
		return true
	}
	if l.cfg.SASLMechanisms != "" {
		known, _ := sasl.ParseMechanisms(l.cfg.SASLMechanisms)
		return slices.Contains(known, sasl.External)
	}
	return l.cfg.AuthenticatePeer && l.router.users == nil
}

func (l *listener) addr() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.l == nil {
		return l.cfg.Address()
	}
	return l.l.Addr().String()
}

func (l *listener) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.l != nil {
		l.l.Close()
	}
	if l.web != nil {
		l.web.close()
	}
}

// serve accepts connections until the listener is closed.
func (l *listener) serve() {
	if l.cfg.HTTP {
		l.serveWeb()
		return
	}
	r := l.router
	for {
		nc, err := l.l.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				r.log(logging.Server).Errorf("listener %s: %v", l.cfg.Name, err)
			}
			return
		}
		if l.settings.role == RoleNormal && r.plane.overload.at(overloadConnection) {
			r.plane.overload.refused.Add(1)
			nc.Close()
			continue
		}
		c := r.newConn(nc, l.settings, false)
		r.serving.Go(func() { r.serve(c) })
	}
}

func (r *Router) newConn(nc transport.Conn, s *settings, dialed bool) *conn {
	began := time.Now()
	if early, ok := nc.(interface{ Began() time.Time }); ok { // its handshake was over when it was accepted
		began = early.Began()
	}
	c := &conn{router: r, nc: nc, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	c.e = newEndpoint(&Endpoint{
		number: r.plane.numbers.Add(1), plane: r.plane, settings: s, dialed: dialed, began: began, driver: c,
		remote: nc.RemoteAddr().String(), meter: buf.NewMeter(r.plane.overload.of(s.role)),
	})
	return c
}

// cost is the cost of a connection between routers: the higher one of both ends.
func (c *Endpoint) cost() int {
	cost := max(c.settings.cost, 1)
	if n, ok := remoteCost(c.peer.open); ok {
		cost = max(cost, n)
	}
	return cost
}

// connector keeps one outgoing connection.
type connector struct {
	router   *Router
	cfg      *config.Connector
	settings *settings
	profile  *tls.Profile
	ctx      context.Context // ends with the connector
	link     *plannedLink    // nil for a configured one

	mu      sync.Mutex
	status  string // CONNECTING, SUCCESS, FAILED
	message string
}

func (r *Router) newConnector(cfg *config.Connector) (*connector, error) {
	c := &connector{router: r, cfg: cfg, ctx: r.ctx, status: "CONNECTING"}
	if cfg.SSLProfile != "" {
		if c.profile = r.profiles[cfg.SSLProfile]; c.profile == nil {
			return nil, fmt.Errorf("connector %q: sslProfile %q cannot be used", cfg.Name, cfg.SSLProfile)
		}
	}
	properties, err := encodeProperties(cfg.OpenProperties)
	if err != nil {
		return nil, fmt.Errorf("connector %q: openProperties: %w", cfg.Name, err)
	}
	password, err := config.Secret(cfg.SASLPassword)
	if err != nil {
		return nil, fmt.Errorf("connector %q: saslPassword: %w", cfg.Name, err)
	}
	c.settings = &settings{
		name: cfg.Name, role: roleOf(cfg.Role), cost: cfg.Cost,
		measured: cfg.CostBasis == "rtt", capacity: capacityOf(cfg.LinkCapacity),
		maxFrameSize: uint32(cfg.MaxFrameSize), channelMax: channelMax(cfg.MaxSessions),
		idleTimeOut: time.Duration(cfg.IdleTimeoutSeconds) * time.Second, handshake: handshakeDefault,
		host: cfg.Host, properties: properties, mechanisms: cfg.SASLMechanisms,
		user: cfg.SASLUsername, password: password, window: windowOf(cfg.MaxSessionFrames),
		annotated: keepsAnnotations(cfg.StripAnnotations),
		trusted:   trustsAnnotations(cfg.StripAnnotations),
	}
	if c.settings.role == RoleInterRouter && c.profile != nil {
		c.settings.verifyID = r.verifiesIDs()
		if cfg.VerifyID != nil {
			c.settings.verifyID = *cfg.VerifyID
		}
	}
	return c, nil
}

// Delays before a connector dials again: after the loss of an open connection, and growing while it cannot connect.
const (
	redialAfterLoss = 100 * time.Millisecond
	redialFirst     = 250 * time.Millisecond
	redialLast      = time.Second // a partition that heals must not wait for longer
)

// serve dials and serves until the router stops.
func (c *connector) serve() {
	r := c.router
	var again redial
	for r.ctx.Err() == nil {
		began := time.Now()
		opened, err := c.once()
		wait := again.after(opened, time.Since(began))
		c.report("FAILED", err)
		select {
		case <-r.ctx.Done():
		case <-time.After(wait):
		}
	}
}

// dial makes a connection, up to the end of the transport's handshake.
func (c *connector) dial() (transport.Conn, error) {
	ctx, cancel := context.WithTimeout(c.ctx, handshakeDefault)
	defer cancel()
	if c.link != nil {
		return c.link.dial(ctx)
	}
	o := transport.DialOptions{
		Host: c.cfg.Host, Port: c.cfg.Port, Family: c.cfg.ProtocolFamily, TLS: c.profile,
		VerifyHostname: c.cfg.VerifyHostname,
	}
	if c.cfg.Transport == config.TransportQUIC {
		o.Scheme, o.Window, o.Background = transport.SchemeQUIC, quicWindow(c.settings.role), &c.router.closing
	}
	return transport.Dial(ctx, o)
}

// once makes and serves one connection; opened tells whether the peer's open came.
func (c *connector) once() (opened bool, err error) {
	r := c.router
	nc, err := c.dial()
	if err != nil {
		r.plane.ledger.Fail(books.Failure{Role: c.settings.role.String(), Dialed: true, Reason: books.FailedDial})
		return false, err
	}
	n := r.newConn(nc, c.settings, true)
	n.connector = c
	r.serve(n)
	opened, reason := n.e.outcome()
	if reason != "" {
		err = errors.New(reason)
	}
	return opened, err
}

// report sets the status that management shows; a new failure is logged once.
func (c *connector) report(status string, err error) {
	message := "Connection Opened: dir=out host=" + c.cfg.Address()
	if err != nil {
		message = err.Error()
	} else if status == "FAILED" {
		message = "connection closed"
	}
	c.mu.Lock()
	changed := status != c.status || message != c.message
	c.status, c.message = status, message
	c.mu.Unlock()
	if changed && status == "FAILED" && c.ctx.Err() == nil {
		c.router.log(logging.Server).Infof("connector %s to %s: %s", c.cfg.Name, c.cfg.Address(), message)
	}
}

// newProfile loads the files of an sslProfile. When they change, later handshakes use the new ones.
func (r *Router) newProfile(p *config.SSLProfile) (*tls.Profile, error) {
	profile, err := tls.Load(tls.ProfileConfig{
		Name: p.Name, CACertFile: p.CACertFile, CertFile: p.CertFile, PrivateKeyFile: p.PrivateKeyFile,
		Password: p.Password, PasswordFile: p.PasswordFile, Ciphers: p.Ciphers, Protocols: p.Protocols,
		UIDFormat: p.UIDFormat, UIDNameMappingFile: p.UIDNameMappingFile,
		OnReload: func(err error) {
			if err != nil {
				r.log(logging.Server).Errorf("sslProfile %s: changed files are not used: %v", p.Name, err)
				return
			}
			r.log(logging.Server).Noticef("sslProfile %s: changed files are in use", p.Name)
		},
	})
	if err != nil {
		return nil, err
	}
	for _, w := range profile.Warnings() {
		r.log(logging.Server).Warningf("sslProfile %s: %s", p.Name, w)
	}
	return profile, nil
}
