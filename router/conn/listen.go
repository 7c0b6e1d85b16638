package conn

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/postroad/postroad/internal/amqp/sasl"
	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/mesh/membership"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/transport"
	"github.com/postroad/postroad/tls"
)

// Listener accepts connections for one listener entity.
type Listener struct {
	host     *Host
	Entity   *config.Listener
	Settings *Settings
	Profile  *tls.Profile

	mu  sync.Mutex
	l   transport.Listener
	web *webServer
}

// NewListener makes a listener of the configuration, which is not open yet.
func (h *Host) NewListener(cfg *config.Listener) (*Listener, error) {
	l := &Listener{host: h, Entity: cfg}
	if cfg.SSLProfile != "" {
		if l.Profile = h.Profiles[cfg.SSLProfile]; l.Profile == nil {
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
	l.Settings = &Settings{
		Terms: forwarding.Terms{Role: roleOf(cfg.Role), Cost: cfg.Cost, Measured: cfg.CostBasis == "rtt",
			Capacity: CapacityOf(cfg.LinkCapacity), MaxMessageSize: uint64(cfg.MaxMessageSize),
			Annotated: keepsAnnotations(cfg.StripAnnotations),
			Trusted:   trustsAnnotations(cfg.StripAnnotations) && !cfg.MultiTenant, Failover: failoverList(failover)},
		name: cfg.Name, MaxFrameSize: uint32(cfg.MaxFrameSize), ChannelMax: channelMax(cfg.MaxSessions),
		IdleTimeOut: time.Duration(cfg.IdleTimeoutSeconds) * time.Second,
		Handshake:   time.Duration(cfg.InitialHandshakeTimeoutSeconds) * time.Second,
		properties:  properties, authenticate: cfg.AuthenticatePeer, requireSSL: cfg.RequireSSL,
		requireCrypto: cfg.RequireEncryption, mechanisms: cfg.SASLMechanisms, Window: windowOf(cfg.MaxSessionFrames),
		multiTenant: cfg.MultiTenant, vhost: cfg.PolicyVhost,
	}
	if l.Settings.Handshake == 0 {
		l.Settings.Handshake = HandshakeDefault
	}
	l.Settings.verifyID = l.verifiesID()
	return l, nil
}

// Open binds the listener.
func (l *Listener) Open() error {
	o := transport.ListenOptions{
		Host: l.Entity.Host, Port: l.Entity.Port, Family: l.Entity.SocketAddressFamily, TLS: l.Profile,
		RequireTLS: l.Entity.RequireSSL, ClientCertificate: l.wantsCertificate(),
	}
	if l.Entity.Transport == config.TransportQUIC {
		o.Scheme, o.HandshakeTimeout, o.Window = transport.SchemeQUIC, l.Settings.Handshake, quicWindow(l.Settings.Role)
		o.Report, o.Background = l.report, &l.host.Closing
	}
	if g := l.host.Gossip; g != nil && g.Shares(l) {
		o.ALPN = []string{membership.ALPN}
	}
	t, err := transport.Listen(l.host.Ctx, o)
	if err != nil {
		return fmt.Errorf("listener %q: %w", l.Entity.Name, err)
	}
	l.mu.Lock()
	l.l = t
	l.mu.Unlock()
	over := ""
	if l.Entity.Transport == config.TransportQUIC {
		over = ", QUIC"
	}
	l.host.Log(logging.Server).Noticef("Listening on %s (%s%s)", t.Addr(), l.Entity.Name, over)
	return nil
}

// quicWindow is how many octets a peer may be ahead of this router in reading: they are held here, and not by the
// system as with TCP. 0 is the transport's own, for long ways between routers.
func quicWindow(role forwarding.Role) int {
	if role == forwarding.RoleInterRouter {
		return 0
	}
	return 512 << 10
}

// report counts and logs a peer with which QUIC has made no connection.
func (l *Listener) report(err error) {
	l.host.Plane.Ledger.Fail(books.Failure{Role: l.Settings.Role.String(), Reason: books.FailedTLS})
	l.host.Log(logging.Server).Warningf("listener %s: %v", l.Entity.Name, err)
}

// demands reports whether an attribute is given and true.
func demands(attribute *bool) bool { return attribute != nil && *attribute }

// verifiesID reports whether the certificate of a router that connects has to be for its id.
func (l *Listener) verifiesID() bool {
	switch {
	case l.Settings.Role != forwarding.RoleInterRouter || l.Profile == nil:
		return false
	case l.Entity.VerifyID != nil:
		return *l.Entity.VerifyID
	}
	return l.host.verifiesIDs() && l.wantsCertificate()
}

// wantsCertificate reports whether TLS peers without a certificate are refused. They are when certificates have to be
// for ids; when EXTERNAL is named among the mechanisms, as in Interconnect; and when no mechanism is named and nothing
// else is there to authenticate with.
func (l *Listener) wantsCertificate() bool {
	profile, ok := l.host.Config.Profile(l.Entity.SSLProfile)
	if !ok || profile.CACertFile == "" {
		return false
	}
	if demands(l.Entity.VerifyID) {
		return true
	}
	if l.Entity.SASLMechanisms != "" {
		known, _ := sasl.ParseMechanisms(l.Entity.SASLMechanisms)
		return slices.Contains(known, sasl.External)
	}
	return l.Entity.AuthenticatePeer && l.host.Users == nil
}

// Addr is where the listener listens: as it is bound, or as configured before that.
func (l *Listener) Addr() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.l == nil {
		return l.Entity.Address()
	}
	return l.l.Addr().String()
}

// Close ends the listener. The connections that it has accepted stay.
func (l *Listener) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.l != nil {
		l.l.Close()
	}
	if l.web != nil {
		l.web.close()
	}
}

// Serve accepts connections until the listener is closed.
func (l *Listener) Serve() {
	if l.Entity.HTTP {
		l.serveWeb()
		return
	}
	h := l.host
	for {
		nc, err := l.l.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				h.Log(logging.Server).Errorf("listener %s: %v", l.Entity.Name, err)
			}
			return
		}
		if l.Settings.Role == forwarding.RoleNormal && h.refuses(nc) {
			h.Plane.Overload.Refused.Add(1)
			nc.Close()
			continue
		}
		c := h.NewConn(nc, l.Settings, false)
		h.Serving.Go(func() { h.serve(c) })
	}
}
