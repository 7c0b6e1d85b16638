package router

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/sasl/usersfile"
	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/mesh"
	"github.com/postroad/postroad/router/route"
	"github.com/postroad/postroad/tls"
)

// Options are what a router is made with beside its configuration.
type Options struct {
	Logs    *logging.Logs
	Version string // of the software, for peers and management
	// MemoryLimit is what the process may use, in octets; 0 takes the limit of the Go runtime.
	MemoryLimit int64
}

// Router is one running router. Make it with New, run it with Run. Its methods are safe for concurrent use.
type Router struct {
	plane *Plane
	host  *host
	view  *view
	cfg   *config.Config

	stop         chan struct{}  // closed when control and agent are to end
	asked        chan struct{}  // closed when management asks for a drain
	loops        sync.WaitGroup // control and agent
	control      *control
	loop         *loop
	agent        *agent
	redundant    bool // some addresses are
	drainTimeout time.Duration
	drained      atomic.Pointer[drainProgress] // nil as long as nobody has asked for it
	running      atomic.Bool                   // the control loop is
	listeners    []*listener
	connectors   []*connector
	gossip       *gossip // nil: neighbors are configured
}

// New makes a router from a valid configuration. Nothing is opened but the files that the configuration names.
func New(cfg *config.Config, o Options) (*Router, error) {
	r := &Router{
		cfg: cfg, stop: make(chan struct{}), asked: make(chan struct{}),
	}
	r.plane = newPlane(cfg.Router.ID, time.Now())
	r.plane.journal, r.plane.newName = r, randomName
	r.host = &host{plane: r.plane, cfg: cfg, version: o.Version, logs: o.Logs, profiles: make(map[string]*tls.Profile),
		web: r.web}
	r.plane.hold = time.Duration(cfg.Router.RerouteHoldMilliseconds) * time.Millisecond
	r.drainTimeout = seconds(cfg.Router.DrainTimeoutSeconds)
	r.plane.overload = newOverload(o.MemoryLimit)
	if cfg.Router.Mode == config.ModeEdge {
		return nil, errors.New("router mode edge is not supported yet; use interior or standalone")
	}
	r.host.ctx, r.host.cancel = context.WithCancel(context.Background())
	r.host.roll = &roll{ledger: r.plane.ledger, ends: make(map[*Endpoint]struct{})}
	r.host.served.conns = make(map[*conn]struct{})
	var errs []error
	errs = append(errs, r.loadAddresses(), r.loadFiles())
	r.view = &view{plane: r.plane, roll: r.host.roll, cfg: cfg, logs: o.Logs, version: o.Version, mode: cfg.Router.Mode, draining: r.showDrain,
		askDrain: sync.OnceFunc(func() { close(r.asked) })}
	r.view.hostName, _ = os.Hostname()
	r.agent = newAgent(r)
	r.host.roll.enter(r.agent.conn)
	r.control = &control{
		plane: r.plane, journal: logs{r}, voice: r.agent.conn, neighbors: make(map[mesh.LinkID]*Endpoint),
		addresses: make(map[string]*entry), redundant: r.redundant, now: r.plane.began, peers: make(map[int]*route.Router),
	}
	r.view.control = r.control
	r.loop = &loop{router: r, control: r.control, wake: make(chan struct{}, 1)}
	r.plane.events = r.loop
	if cfg.Router.Mode == config.ModeInterior {
		var err error
		r.control.mesh, err = r.newMesh()
		errs = append(errs, err)
	}
	for i := range cfg.Listeners {
		if cfg.Listeners[i].Role == config.RoleEdge {
			r.host.log(logging.ConnMgr).Warningf("listener %s: role edge is not supported yet; it is not opened",
				cfg.Listeners[i].Address())
			continue
		}
		l, err := r.host.newListener(&cfg.Listeners[i])
		r.listeners, errs = append(r.listeners, l), append(errs, err)
	}
	for i := range cfg.Connectors {
		if cfg.Connectors[i].Role == config.RoleEdge {
			r.host.log(logging.ConnMgr).Warningf("connector to %s: role edge is not supported yet; it is not dialed",
				cfg.Connectors[i].Address())
			continue
		}
		c, err := r.host.newConnector(&cfg.Connectors[i])
		r.connectors, errs = append(r.connectors, c), append(errs, err)
	}
	var err error
	r.gossip, err = newGossip(r.host, &links{r.host, r.control})
	if r.gossip != nil {
		r.host.gossip, r.view.gossip, r.gossip.listeners = r.gossip, r.gossip, r.listeners
	}
	if err := errors.Join(append(errs, err)...); err != nil {
		r.host.cancel()
		return nil, err
	}
	r.installAgent()
	if err := r.control.load(cfg.Exchanges, cfg.Bindings); err != nil {
		r.host.cancel()
		return nil, err
	}
	return r, nil
}

// loadAddresses makes the tree of the configured treatments.
func (r *Router) loadAddresses() error {
	t := &route.Treatments{}
	r.plane.treatments = t
	var err error
	if t.Default, err = addressing.ParseDistribution(string(r.cfg.Router.DefaultDistribution)); err != nil {
		return err
	}
	var entries []addressing.Entry[route.Treatment]
	for i := range r.cfg.Addresses {
		a := &r.cfg.Addresses[i]
		treatment, err := newTreatment(a)
		if err != nil {
			return err
		}
		r.redundant = r.redundant || treatment.Redundant > 1
		t.Phased = t.Phased || treatment.Ingress != addressing.PhaseZero
		pattern := a.Pattern
		if pattern == "" {
			if pattern, err = addressing.PrefixPattern(a.Prefix); err != nil {
				return err
			}
		}
		entries = append(entries, addressing.Entry[route.Treatment]{Pattern: pattern, Value: treatment})
	}
	t.Tree, err = addressing.NewTree(entries)
	return err
}

// loadFiles reads the users and the certificates.
func (r *Router) loadFiles() error {
	var errs []error
	if path := r.cfg.Router.UsersFile; path != "" {
		var err error
		if r.host.users, err = usersfile.Load(path); err != nil {
			errs = append(errs, fmt.Errorf("usersFile: %w", err))
		} else {
			for _, w := range r.host.users.Warnings() {
				r.host.log(logging.Server).Warning(w)
			}
		}
	}
	for i := range r.cfg.SSLProfiles {
		p := &r.cfg.SSLProfiles[i]
		profile, err := r.host.newProfile(p)
		if err != nil {
			errs = append(errs, fmt.Errorf("sslProfile %q: %w", p.Name, err))
			continue
		}
		r.host.profiles[p.Name] = profile
	}
	return errors.Join(errs...)
}

// installAgent puts the management node into the table, under its local and its mobile address.
func (r *Router) installAgent() {
	k := r.control
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, key := range []string{"M0$management", "L$management"} {
		a := k.address(key)
		a.distribution, a.configured = addressing.DistributionClosest, true
		k.addLocal(a, r.agent.inbox)
	}
	k.publishChanges()
}

// warn implements journal.
func (r *Router) warn(text string) { r.host.log(logging.Server).Warning(text) }

// observe implements journal.
func (r *Router) observe(text string) { r.host.log(logging.RouterCore).Info(text) }

// Start opens the listeners and starts everything. An error leaves nothing running.
func (r *Router) Start() error {
	var errs []error
	for _, l := range r.listeners {
		errs = append(errs, l.open())
	}
	if err := errors.Join(append(errs, r.gossip.open())...); err != nil {
		for _, l := range r.listeners {
			l.close()
		}
		r.gossip.close()
		r.host.cancel()
		return err
	}
	if err := r.gossip.start(); err != nil {
		for _, l := range r.listeners {
			l.close()
		}
		r.gossip.close()
		r.gossip.leave()
		r.host.cancel()
		return err
	}
	if r.control.mesh != nil {
		r.control.mesh.Start(time.Now())
	}
	r.running.Store(true)
	r.loops.Go(func() { r.loop.run(r.stop) })
	r.loops.Go(func() { r.agent.loop(r.stop) })
	for _, l := range r.listeners {
		r.host.serving.Go(l.serve)
	}
	for _, c := range r.connectors {
		r.host.serving.Go(c.serve)
	}
	r.gossip.serve()
	return nil
}

// closingTime is how long connections get to take their close.
const closingTime = 2 * time.Second

// Stop closes listeners and connections and waits until every goroutine of the router has ended.
func (r *Router) Stop() {
	r.change(eventLeave)
	r.plane.stopping.Store(true)
	r.host.cancel()
	for _, l := range r.listeners {
		l.close()
	}
	r.gossip.close()
	r.loops.Go(r.gossip.leave)
	for _, c := range r.host.conns() {
		c.e.close(c.e.forced("the router is shutting down"))
	}
	hard := time.AfterFunc(closingTime, func() {
		for _, c := range r.host.conns() {
			c.nc.Close()
		}
	})
	r.host.serving.Wait()
	hard.Stop()
	close(r.stop)
	r.loops.Wait()
	r.host.closing.Wait()
}

// Run starts the router, says when it is ready, and drains and stops it when ctx ends or management asks for it.
func (r *Router) Run(ctx context.Context) error {
	if err := r.Start(); err != nil {
		return err
	}
	r.host.log(logging.Server).Noticef("Operational, %d Threads Running (process ID %d)", runtime.GOMAXPROCS(0), os.Getpid())
	select {
	case <-ctx.Done():
	case <-r.asked:
	}
	r.host.log(logging.Server).Notice("Shutting down")
	if r.drainTimeout > 0 {
		_ = r.Drain(context.WithoutCancel(ctx)) // which logs what was left
	}
	r.Stop()
	return nil
}

// Addr returns the address that a listener listens on, "" when there is no such listener. Before Start it is that of
// the configuration.
func (r *Router) Addr(listener string) string {
	for _, l := range r.listeners {
		if l.cfg.Name == listener {
			return l.addr()
		}
	}
	return ""
}

// ID returns the router id.
func (r *Router) ID() string { return r.plane.id }

// randomName is an unguessable part of a temporary address.
func randomName() string {
	var b [15]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
