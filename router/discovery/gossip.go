package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/mesh/membership"
	"github.com/postroad/postroad/mesh/planner"
	"github.com/postroad/postroad/router/conn"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/transport"
	"github.com/postroad/postroad/tls"
)

// Gossip is the router's part in finding other routers. What it hears is a hint, of which planned.go makes connectors.
//
// A nil Gossip is that of a router without gossip: Open, Start, Serve, Close, Leave, Shares and Snapshot do nothing
// then. They are called in the order Open, Start, Serve, Close, Leave; Shares, Snapshot, Take, Rows and Measure are
// safe for concurrent use.
type Gossip struct {
	Host      *conn.Host
	mesh      Mesh
	Listeners []*conn.Listener // of the router; set before Start
	Entity    *config.Gossip
	Config    membership.Config
	Profile   *tls.Profile        // nil: plain TCP
	Keys      *membership.Keyring // nil: gossip is not encrypted
	keyFile   os.FileInfo         // as it was read last
	Port      transport.Listener  // for gossip alone; nil without one
	overlay   *membership.Overlay
	Members   *membership.Membership // nil before Start

	handshakes chan struct{} // a place for each handshake at the port
	Refused    atomic.Uint64 // connections for gossip
	Planned    planned
}

// Bounds of what others can cause.
const (
	gossipHandshakes = 64              // at the port, at the same time
	goodbyeTime      = 2 * time.Second // for telling the others that this router leaves
)

// NewGossip prepares gossip. It returns nil, and no error, if none is configured. It opens nothing but the file of the
// keys; the error joins all that is wrong with the configuration.
func NewGossip(h *conn.Host, m Mesh) (*Gossip, error) {
	cfg := h.Config.Gossip
	if cfg == nil {
		return nil, nil
	}
	g := &Gossip{Host: h, mesh: m, Entity: cfg, handshakes: make(chan struct{}, gossipHandshakes)}
	if cfg.SSLProfile != "" {
		if g.Profile = h.Profiles[cfg.SSLProfile]; g.Profile == nil {
			return nil, fmt.Errorf("gossip: sslProfile %q cannot be used", cfg.SSLProfile)
		}
	}
	var errs []error
	if cfg.KeyFile != "" {
		g.keyFile, _ = os.Stat(cfg.KeyFile)
		keys, err := membership.LoadKeyring(cfg.KeyFile)
		if err != nil {
			errs = append(errs, fmt.Errorf("gossip: %w", err))
		}
		g.Keys = keys
	}
	var seeds []membership.Endpoint
	otherwise := g.transport(config.WayAMQPS, config.WayGossip)
	if cfg.Transport == config.TransportQUIC {
		otherwise = WayEither
	}
	for _, text := range cfg.Join {
		e, err := g.endpoint(text, otherwise)
		seeds, errs = append(seeds, e), append(errs, err)
	}
	shape, err := planner.ParseShape(cfg.Shape)
	errs = append(errs, err)
	basis, err := planner.ParseCostBasis(cfg.Cost)
	errs = append(errs, err)
	g.Planned = planned{
		gossip:  g,
		changed: make(chan struct{}, 1),
		Policy:  planner.Policy{Shape: shape, Degree: cfg.Degree, Redundant: cfg.Redundant, Shortcuts: cfg.Shortcuts},
		costs:   planner.Costs{Basis: basis, Within: cfg.CostWithin, Between: cfg.CostBetween},
		Links:   make(map[string]*PlannedLink),
	}
	if g.overlay, err = membership.NewOverlay(membership.OverlayConfig{
		Mesh: h.Config.Mesh.Name, ID: h.Plane.ID, Dial: g.dial, Order: g.Order, Verify: g.verify, Log: g.log,
	}); err != nil {
		errs = append(errs, fmt.Errorf("gossip: %w", err))
	}
	timing := membership.LAN()
	if cfg.Timing == "wan" {
		timing = membership.WAN()
	}
	g.Config = membership.Config{
		Mesh: h.Config.Mesh.Name, ID: h.Plane.ID, Site: h.Config.Mesh.Site, Instance: uint64(h.Plane.Began.UnixMilli()), Seeds: seeds,
		Network: g.overlay, Keyring: g.Keys, Timing: timing, AllowIDs: cfg.AllowIDs, AllowSites: cfg.AllowSites,
		Changed: func(*membership.Snapshot) { g.Planned.Poke() }, Log: g.log,
	}
	return g, errors.Join(errs...)
}

// transport returns one of two names: secure with TLS, plain without.
func (g *Gossip) transport(secure, plain string) string {
	if g.Profile != nil {
		return secure
	}
	return plain
}

// endpoint reads an endpoint of the configuration. One that names no transport has that of otherwise.
func (g *Gossip) endpoint(text, otherwise string) (membership.Endpoint, error) {
	e, err := config.ParseEndpoint(text)
	if e.Transport == "" {
		e.Transport = otherwise
	}
	return membership.Endpoint{Transport: e.Transport, Host: e.Host, Port: uint16(e.Port)}, err
}

// log writes a line for people.
func (g *Gossip) log(level membership.Level, text string) {
	l := g.Host.Log(logging.Router)
	switch level {
	case membership.LevelDebug:
		l.Debug("Gossip: " + text)
	case membership.LevelInfo:
		l.Info("Gossip: " + text)
	case membership.LevelWarning:
		l.Warning("Gossip: " + text)
	default:
		l.Error("Gossip: " + text)
	}
}

// Shares reports whether gossip comes to a listener, beside AMQP.
func (g *Gossip) Shares(l *conn.Listener) bool {
	return g != nil && l.Profile != nil && l.Settings.Role == forwarding.RoleInterRouter && !l.Entity.HTTP
}

// Open binds the port for gossip alone, if one is configured.
func (g *Gossip) Open() error {
	if g == nil || g.Entity.Bind == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(g.Entity.Bind)
	if err != nil {
		return fmt.Errorf("gossip: bind: %w", err)
	}
	o := transport.ListenOptions{Host: host, Port: port}
	if g.Profile != nil {
		o.TLS, o.RequireTLS, o.ClientCertificate, o.ALPN = g.Profile, true, true, []string{membership.ALPN}
	}
	if g.Port, err = transport.Listen(g.Host.Ctx, o); err != nil {
		return fmt.Errorf("gossip: %w", err)
	}
	g.Host.Log(logging.Server).Noticef("Listening for gossip on %s", g.Port.Addr())
	return nil
}

// Start begins to gossip. The listeners must be open, since their ports are told to others.
func (g *Gossip) Start() error {
	if g == nil {
		return nil
	}
	var err error
	if g.Config.Endpoints, err = g.Endpoints(); err != nil {
		return fmt.Errorf("gossip: advertise: %w", err)
	}
	if len(g.Config.Endpoints) == 0 {
		g.log(membership.LevelInfo, "no endpoint is advertised: this router dials others, and nobody dials it")
	}
	if g.Members, err = membership.New(g.Config); err != nil {
		return fmt.Errorf("gossip: %w", err)
	}
	return nil
}

// Serve starts the goroutines: the loop of planned links, and that of the port.
func (g *Gossip) Serve() {
	if g == nil {
		return
	}
	g.Host.Serving.Go(g.Planned.loop)
	if g.Port != nil {
		g.Host.Serving.Go(g.accept)
	}
}

// Close closes the port for gossip alone.
func (g *Gossip) Close() {
	if g != nil && g.Port != nil {
		g.Port.Close()
	}
}

// Leave tells the others that this router leaves by will, and ends gossip. It takes two seconds at most, and may be
// called again.
func (g *Gossip) Leave() {
	if g == nil {
		return
	}
	if g.Members == nil {
		g.overlay.Close()
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), goodbyeTime)
	defer cancel()
	g.Members.Leave(ctx)
}

// Endpoints returns where others can dial this router, eight endpoints at most unless the configuration names them. The
// listeners must be open.
func (g *Gossip) Endpoints() ([]membership.Endpoint, error) {
	var all []membership.Endpoint
	var port string
	if g.Port != nil {
		_, port, _ = net.SplitHostPort(g.Port.Addr().String())
	}
	add := func(transport, host, port string) {
		n, err := strconv.ParseUint(port, 10, 16)
		if err == nil && !isWildcard(host) && len(all) < 8 {
			all = append(all, membership.Endpoint{Transport: transport, Host: host, Port: uint16(n)})
		}
	}
	if len(g.Entity.Advertise) > 0 {
		for _, text := range g.Entity.Advertise {
			e, err := g.endpoint(text, "")
			if err != nil {
				return nil, err
			}
			ways := []string{e.Transport}
			if e.Transport == "" {
				ways = g.waysTo(e.Port, port)
			}
			for _, e.Transport = range ways {
				all = append(all, e)
			}
		}
		return all, nil
	}
	if g.Port != nil {
		host, _, _ := net.SplitHostPort(g.Entity.Bind)
		add(g.transport(config.WayGossips, config.WayGossip), host, port)
	}
	for _, l := range g.Listeners {
		if way := g.way(l); way != "" {
			_, port, _ := net.SplitHostPort(l.Addr())
			add(way, l.Entity.Host, port)
		}
	}
	return all, nil
}

// way returns how others reach a listener for routers; "" for a listener that is not for routers.
func (g *Gossip) way(l *conn.Listener) string {
	switch {
	case l.Settings.Role != forwarding.RoleInterRouter || l.Entity.HTTP:
		return ""
	case l.Entity.Transport == config.TransportQUIC:
		return config.WayQUIC
	case l.Profile != nil:
		return config.WayAMQPS
	}
	return config.WayAMQP
}

// waysTo returns the ways to a port of which only the number is known: those of this router's listeners with this
// number.
func (g *Gossip) waysTo(number uint16, gossipPort string) []string {
	if strconv.Itoa(int(number)) == gossipPort {
		return []string{g.transport(config.WayGossips, config.WayGossip)}
	}
	var ways []string
	for _, l := range g.Listeners {
		_, port, _ := net.SplitHostPort(l.Addr())
		if way := g.way(l); way != "" && port == strconv.Itoa(int(number)) && !slices.Contains(ways, way) {
			ways = append(ways, way)
		}
	}
	if len(ways) == 0 {
		ways = append(ways, g.transport(config.WayAMQPS, config.WayAMQP))
	}
	return ways
}

// WayEither is the way to a seed that names none, where QUIC is preferred: QUIC, or TLS at the same port.
const WayEither = "either"

// Order returns the endpoints of a router at which this one dials for gossip, in the order in which it does.
func (g *Gossip) Order(endpoints []membership.Endpoint) []membership.Endpoint {
	if g.Profile == nil {
		return g.only(endpoints, config.WayGossip)
	}
	return g.only(endpoints, config.WayAMQPS, config.WayGossips, config.WayQUIC)
}

// only returns the endpoints of certain ways, those of the preferred transport first.
func (g *Gossip) only(endpoints []membership.Endpoint, ways ...string) []membership.Endpoint {
	var first, rest []membership.Endpoint
	for _, e := range endpoints {
		split := []string{e.Transport}
		if e.Transport == WayEither {
			split = []string{config.WayQUIC, config.WayAMQPS}
		}
		for _, e.Transport = range split {
			switch {
			case !slices.Contains(ways, e.Transport):
			case (e.Transport == config.WayQUIC) == (g.Entity.Transport == config.TransportQUIC):
				first = append(first, e)
			default:
				rest = append(rest, e)
			}
		}
	}
	return append(first, rest...)
}

// isWildcard reports whether a host is one to listen on, and not one to connect to.
func isWildcard(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

// connect makes a connection to an endpoint, up to the end of the handshake. The host name is not verified: the
// certificate there is for the id of a router.
func (g *Gossip) connect(ctx context.Context, e membership.Endpoint, alpn ...string) (transport.Conn, error) {
	o := transport.DialOptions{Host: e.Host, Port: strconv.Itoa(int(e.Port)), TLS: g.Profile, ALPN: alpn}
	if e.Transport == config.WayQUIC {
		o.Scheme, o.Background = transport.SchemeQUIC, &g.Host.Closing
	}
	return transport.Dial(ctx, o)
}

// dial connects to a router for gossip. The overlay calls it.
func (g *Gossip) dial(ctx context.Context, e membership.Endpoint) (membership.Carrier, error) {
	c, err := g.connect(ctx, e, membership.ALPN)
	if err != nil {
		return nil, err
	}
	if g.Profile != nil && !conn.IsGossip(c) {
		return nil, errors.Join(errors.New("there is no gossip at this port"), c.Abort())
	}
	if q := transport.QUIC(c); q != nil {
		return q, nil
	}
	return membership.Multiplex(c, true)
}

// accept takes connections to the port for gossip alone.
func (g *Gossip) accept() {
	h := g.Host
	for {
		nc, err := g.Port.Accept()
		if err != nil {
			return
		}
		select {
		case g.handshakes <- struct{}{}:
		default:
			g.Refused.Add(1)
			_ = nc.Abort()
			continue
		}
		h.Serving.Go(func() {
			defer func() { <-g.handshakes }()
			ctx, cancel := context.WithTimeout(h.Ctx, conn.HandshakeDefault)
			defer cancel()
			err := nc.Handshake(ctx)
			if err == nil && g.Profile != nil && !conn.IsGossip(nc) {
				err = errors.New("it does not ask for gossip")
			}
			if err != nil {
				g.Refused.Add(1)
				g.log(membership.LevelDebug, fmt.Sprintf("connection from %v: %v", nc.RemoteAddr(), err))
				_ = nc.Abort()
				return
			}
			g.Take(nc)
		})
	}
}

// Take hands a connection that was accepted, and has negotiated gossip, to the overlay. It returns at once.
func (g *Gossip) Take(nc transport.Conn) {
	if q := transport.QUIC(nc); q != nil {
		g.overlay.Serve(q)
		return
	}
	carrier, err := membership.Multiplex(nc, false)
	if err != nil {
		g.Refused.Add(1)
		return
	}
	g.overlay.Serve(carrier)
}

// verify returns why the router at the other end of a connection cannot have an id, nil if it can. The overlay calls
// it.
func (g *Gossip) verify(c membership.Carrier, id string) error {
	err := g.allowed(id)
	if err == nil {
		err = g.certified(stateOf(c), id)
	}
	if err != nil {
		g.Refused.Add(1)
	}
	return err
}

// stateOf returns the state of TLS under a carrier; nil without TLS.
func stateOf(c membership.Carrier) *tls.State {
	if q, ok := c.(*transport.QUICConn); ok {
		return q.TLS()
	}
	wrapped, ok := c.(interface{ Unwrap() net.Conn })
	if !ok {
		return nil
	}
	nc, ok := wrapped.Unwrap().(transport.Conn)
	if !ok {
		return nil
	}
	return nc.TLS()
}

// allowed returns why the configuration excludes a router, nil if it does not.
func (g *Gossip) allowed(id string) error {
	for _, pattern := range g.Entity.AllowIDs {
		if ok, _ := path.Match(pattern, id); ok {
			return nil
		}
	}
	if len(g.Entity.AllowIDs) > 0 {
		return fmt.Errorf("router %.127q is not allowed (allowIds)", id)
	}
	return nil
}

// certified returns why a certificate is not that of a router, nil if it is. Without TLS only the keys of gossip
// protect.
func (g *Gossip) certified(state *tls.State, id string) error {
	switch {
	case g.Profile == nil:
		return nil
	case state == nil:
		return errors.New("a connection without TLS")
	case len(state.Connection.PeerCertificates) == 0:
		if !g.Entity.VerifyID && g.Keys != nil {
			return nil
		}
		return fmt.Errorf("router %.127q shows no certificate; the listener has to ask for one (authenticatePeer)", id)
	case !g.Entity.VerifyID:
		return nil
	}
	return conn.Certifies(state, id)
}

// watchKeys reads the keys again when their file has changed. The loop of planned links calls it.
func (g *Gossip) watchKeys() {
	if g.Keys == nil {
		return
	}
	info, err := os.Stat(g.Entity.KeyFile)
	before := g.keyFile
	if err == nil && before != nil && os.SameFile(info, before) && info.ModTime().Equal(before.ModTime()) &&
		info.Size() == before.Size() && info.Mode() == before.Mode() {
		return
	}
	if err != nil && before == nil {
		return // that was reported
	}
	g.keyFile = info
	if err != nil {
		g.keyFile = nil
	}
	if err := g.Keys.Reload(); err != nil {
		g.Host.Log(logging.Router).Errorf("Gossip: the changed keys are not used: %v", err)
		return
	}
	keys := g.Keys.Keys()
	g.Host.Log(logging.Router).Noticef("Gossip: %d keys are known, %s is in use", len(keys), keys[0].Fingerprint)
}

// Snapshot returns the members; nil without gossip.
func (g *Gossip) Snapshot() *membership.Snapshot {
	if g == nil || g.Members == nil {
		return nil
	}
	return g.Members.Snapshot()
}

// refusals returns how many connections and messages for gossip were refused.
func (g *Gossip) refusals() uint64 {
	c := g.Members.Counters()
	return g.Refused.Load() + c.RefusedStreams + c.RefusedEnvelope + c.RefusedMesh + c.RefusedPlain + c.RefusedKey +
		c.RefusedMessage + c.RefusedMember + c.RefusedNotAllowed + c.RefusedRate + c.RefusedFull + c.RefusedDetails
}
