package router

import (
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
	host     *host
	cfg      *config.Listener
	settings *settings
	profile  *tls.Profile

	mu  sync.Mutex
	l   transport.Listener
	web *webServer
}

func (h *host) newListener(cfg *config.Listener) (*listener, error) {
	l := &listener{host: h, cfg: cfg}
	if cfg.SSLProfile != "" {
		if l.profile = h.profiles[cfg.SSLProfile]; l.profile == nil {
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
		terms: terms{role: roleOf(cfg.Role), cost: cfg.Cost, measured: cfg.CostBasis == "rtt",
			capacity: capacityOf(cfg.LinkCapacity), maxMessageSize: uint64(cfg.MaxMessageSize),
			annotated: keepsAnnotations(cfg.StripAnnotations),
			trusted:   trustsAnnotations(cfg.StripAnnotations) && !cfg.MultiTenant, failover: failoverList(failover)},
		name: cfg.Name, maxFrameSize: uint32(cfg.MaxFrameSize), channelMax: channelMax(cfg.MaxSessions),
		idleTimeOut: time.Duration(cfg.IdleTimeoutSeconds) * time.Second,
		handshake:   time.Duration(cfg.InitialHandshakeTimeoutSeconds) * time.Second,
		properties:  properties, authenticate: cfg.AuthenticatePeer, requireSSL: cfg.RequireSSL,
		requireCrypto: cfg.RequireEncryption, mechanisms: cfg.SASLMechanisms, window: windowOf(cfg.MaxSessionFrames),
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
		o.Report, o.Background = l.report, &l.host.closing
	}
	if g := l.host.gossip; g != nil && g.shares(l) {
		o.ALPN = []string{membership.ALPN}
	}
	t, err := transport.Listen(l.host.ctx, o)
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
	l.host.log(logging.Server).Noticef("Listening on %s (%s%s)", t.Addr(), l.cfg.Name, over)
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
	l.host.plane.ledger.Fail(books.Failure{Role: l.settings.role.String(), Reason: books.FailedTLS})
	l.host.log(logging.Server).Warningf("listener %s: %v", l.cfg.Name, err)
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
	return l.host.verifiesIDs() && l.wantsCertificate()
}

// verifiesIDs tells whether certificates are for the ids of routers where a listener or connector does not say.
func (h *host) verifiesIDs() bool { return h.cfg.Gossip != nil && h.cfg.Gossip.VerifyID }

// wantsCertificate tells whether TLS peers without a certificate are refused: when their certificates have to be for
// their ids; when EXTERNAL is named among the mechanisms, as Interconnect does; and when none is named and there is
// nothing else to authenticate with.
func (l *listener) wantsCertificate() bool {
	profile, ok := l.host.cfg.Profile(l.cfg.SSLProfile)
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
	return l.cfg.AuthenticatePeer && l.host.users == nil
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
	h := l.host
	for {
		nc, err := l.l.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				h.log(logging.Server).Errorf("listener %s: %v", l.cfg.Name, err)
			}
			return
		}
		if l.settings.role == RoleNormal && h.plane.overload.at(overloadConnection) {
			h.plane.overload.refused.Add(1)
			nc.Close()
			continue
		}
		c := h.newConn(nc, l.settings, false)
		h.serving.Go(func() { h.serve(c) })
	}
}

func (h *host) newConn(nc transport.Conn, s *settings, dialed bool) *conn {
	began := time.Now()
	if early, ok := nc.(interface{ Began() time.Time }); ok { // its handshake was over when it was accepted
		began = early.Began()
	}
	c := &conn{host: h, settings: s, nc: nc, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	c.e = newEndpoint(&Endpoint{
		number: h.plane.numbers.Add(1), plane: h.plane, terms: &s.terms, dialed: dialed, began: began, driver: c,
		remote: nc.RemoteAddr().String(), meter: buf.NewMeter(h.plane.overload.of(s.role)),
	})
	return c
}
