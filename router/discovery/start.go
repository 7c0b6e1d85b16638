package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/mesh/membership"
	"github.com/postroad/postroad/mesh/planner"
	"github.com/postroad/postroad/router/conn"
	"github.com/postroad/postroad/router/transport"
)

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
