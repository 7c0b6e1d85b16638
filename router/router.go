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
	"github.com/postroad/postroad/router/conn"
	"github.com/postroad/postroad/router/control"
	"github.com/postroad/postroad/router/discovery"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/route"
	"github.com/postroad/postroad/router/show"
	"github.com/postroad/postroad/tls"
)

// Options are what a router is made with beside its configuration.
type Options struct {
	Logs    *logging.Logs
	Version string // of the software, for peers and management
	// MemoryLimit is what the process may use, in octets; 0 takes the limit of the Go runtime.
	MemoryLimit int64
}

// Router is one running router. Make it with New, and run it with Run, or with Start, Drain and Stop, each once. Addr
// and ID are safe for concurrent use. Its fields never change after New, but for those with a type that guards itself.
type Router struct {
	plane *forwarding.Plane
	host  *conn.Host
	view  *show.View
	cfg   *config.Config

	stop         chan struct{}  // closed when the control loop and the agent are to end
	asked        chan struct{}  // closed when management asks for a drain
	loops        sync.WaitGroup // control loop, agent, and what they start
	control      *control.Control
	loop         *loop
	agent        *agent
	redundant    bool                          // some address is redundant
	drainTimeout time.Duration                 // 0: no drain at the end
	collected    time.Time                     // when garbage was last collected for want of memory; the control loop's
	drained      atomic.Pointer[drainProgress] // nil before a drain
	running      atomic.Bool                   // the control loop runs, or has run
	listeners    []*conn.Listener
	connectors   []*conn.Connector
	gossip       *discovery.Gossip // nil: neighbors are configured
}

// New makes a router from a valid configuration. It opens nothing but the files that the configuration names. The error
// joins all that cannot be used or is not supported.
func New(cfg *config.Config, o Options) (*Router, error) {
	r := &Router{
		cfg: cfg, stop: make(chan struct{}), asked: make(chan struct{}),
	}
	r.plane = forwarding.NewPlane(cfg.Router.ID, time.Now())
	r.plane.Journal, r.plane.NewName = r, randomName
	r.host = &conn.Host{Plane: r.plane, Config: cfg, Version: o.Version, Logs: o.Logs, Profiles: make(map[string]*tls.Profile),
		Web: r.web}
	r.plane.Hold = time.Duration(cfg.Router.RerouteHoldMilliseconds) * time.Millisecond
	r.drainTimeout = seconds(cfg.Router.DrainTimeoutSeconds)
	r.plane.Overload = newOverload(o.MemoryLimit)
	if cfg.Router.Mode == config.ModeEdge {
		return nil, errors.New("router mode edge is not supported yet; use interior or standalone")
	}
	r.host.Ctx, r.host.Cancel = context.WithCancel(context.Background())
	r.host.Roll = &forwarding.Roll{Ledger: r.plane.Ledger, Ends: make(map[*forwarding.Endpoint]struct{})}
	r.host.Served.Conns = make(map[*conn.Conn]struct{})
	var errs []error
	errs = append(errs, r.loadAddresses(), r.loadFiles())
	r.view = &show.View{Plane: r.plane, Roll: r.host.Roll, Config: cfg, Logs: o.Logs, Version: o.Version, Mode: cfg.Router.Mode, Draining: r.showDrain,
		AskDrain: sync.OnceFunc(func() { close(r.asked) })}
	r.view.HostName, _ = os.Hostname()
	r.agent = newAgent(r)
	r.host.Roll.Enter(r.agent.conn)
	r.control = &control.Control{
		Plane: r.plane, Journal: logs{r}, Voice: r.agent.conn, Neighbors: make(map[mesh.LinkID]*forwarding.Endpoint),
		Addresses: make(map[string]*control.Entry), Redundant: r.redundant, Now: r.plane.Began, Routers: make(map[int]*route.Router),
	}
	r.view.Control = r.control
	r.loop = &loop{router: r, control: r.control, wake: make(chan struct{}, 1)}
	r.plane.Events = r.loop
	if cfg.Router.Mode == config.ModeInterior {
		var err error
		r.control.Mesh, err = r.newMesh()
		errs = append(errs, err)
	}
	for i := range cfg.Listeners {
		if cfg.Listeners[i].Role == config.RoleEdge {
			r.host.Log(logging.ConnMgr).Warningf("listener %s: role edge is not supported yet; it is not opened",
				cfg.Listeners[i].Address())
			continue
		}
		l, err := r.host.NewListener(&cfg.Listeners[i])
		r.listeners, errs = append(r.listeners, l), append(errs, err)
	}
	for i := range cfg.Connectors {
		if cfg.Connectors[i].Role == config.RoleEdge {
			r.host.Log(logging.ConnMgr).Warningf("connector to %s: role edge is not supported yet; it is not dialed",
				cfg.Connectors[i].Address())
			continue
		}
		c, err := r.host.NewConnector(&cfg.Connectors[i])
		r.connectors, errs = append(r.connectors, c), append(errs, err)
	}
	var err error
	r.gossip, err = discovery.NewGossip(r.host, &links{r.host, r.control})
	if r.gossip != nil {
		r.host.Gossip, r.view.Gossip, r.gossip.Listeners = r.gossip, r.gossip, r.listeners
	}
	if err := errors.Join(append(errs, err)...); err != nil {
		r.host.Cancel()
		return nil, err
	}
	r.installAgent()
	if err := r.control.Load(cfg.Exchanges, cfg.Bindings); err != nil {
		r.host.Cancel()
		return nil, err
	}
	return r, nil
}

// loadAddresses makes the treatments of addresses.
func (r *Router) loadAddresses() error {
	t := &route.Treatments{}
	r.plane.Treatments = t
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

// loadFiles reads the users, and the files of the sslProfiles.
func (r *Router) loadFiles() error {
	var errs []error
	if path := r.cfg.Router.UsersFile; path != "" {
		var err error
		if r.host.Users, err = usersfile.Load(path); err != nil {
			errs = append(errs, fmt.Errorf("usersFile: %w", err))
		} else {
			for _, w := range r.host.Users.Warnings() {
				r.host.Log(logging.Server).Warning(w)
			}
		}
	}
	for i := range r.cfg.SSLProfiles {
		p := &r.cfg.SSLProfiles[i]
		profile, err := r.host.NewProfile(p)
		if err != nil {
			errs = append(errs, fmt.Errorf("sslProfile %q: %w", p.Name, err))
			continue
		}
		r.host.Profiles[p.Name] = profile
	}
	return errors.Join(errs...)
}

// installAgent puts the agent into the table, as a consumer of the local and of the mobile address $management.
func (r *Router) installAgent() {
	k := r.control
	k.Mu.Lock()
	defer k.Mu.Unlock()
	for _, key := range []string{"M0$management", "L$management"} {
		a := k.Address(key)
		a.Distribution, a.Configured = addressing.DistributionClosest, true
		k.AddLocal(a, r.agent.inbox)
	}
	k.PublishChanges()
}

// Warn logs a line about what a peer did, or what happened to a connection.
func (r *Router) Warn(text string) { r.host.Log(logging.Server).Warning(text) }

// Observe logs a line about deliveries and links.
func (r *Router) Observe(text string) { r.host.Log(logging.RouterCore).Info(text) }

// Start opens the listeners and starts all goroutines. It returns an error when a port cannot be opened or gossip
// cannot begin; then nothing runs, and the router cannot be started again.
func (r *Router) Start() error {
	var errs []error
	for _, l := range r.listeners {
		errs = append(errs, l.Open())
	}
	if err := errors.Join(append(errs, r.gossip.Open())...); err != nil {
		for _, l := range r.listeners {
			l.Close()
		}
		r.gossip.Close()
		r.host.Cancel()
		return err
	}
	if err := r.gossip.Start(); err != nil {
		for _, l := range r.listeners {
			l.Close()
		}
		r.gossip.Close()
		r.gossip.Leave()
		r.host.Cancel()
		return err
	}
	if r.control.Mesh != nil {
		r.control.Mesh.Start(time.Now())
	}
	r.running.Store(true)
	r.loops.Go(func() { r.loop.run(r.stop) })
	r.loops.Go(func() { r.agent.loop(r.stop) })
	for _, l := range r.listeners {
		r.host.Serving.Go(l.Serve)
	}
	for _, c := range r.connectors {
		r.host.Serving.Go(c.Serve)
	}
	r.gossip.Serve()
	return nil
}

// closingTime is how long connections get to take their close.
const closingTime = 2 * time.Second

// Stop ends a router that was started: it tells the other routers, closes listeners and connections, and returns when
// every goroutine of the router has ended. Connections get two seconds to take their close.
func (r *Router) Stop() {
	r.change(forwarding.EventLeave)
	r.plane.Stopping.Store(true)
	r.host.Cancel()
	for _, l := range r.listeners {
		l.Close()
	}
	r.gossip.Close()
	r.loops.Go(r.gossip.Leave)
	for _, c := range r.host.Conns() {
		c.E.Close(c.E.Forced("the router is shutting down"))
	}
	patience := closingTime
	if r.host.Draining.Load() { // they were asked before
		patience /= 2
	}
	hard := time.AfterFunc(patience, func() {
		for _, c := range r.host.Conns() {
			c.Socket.Close()
		}
	})
	r.host.Serving.Wait()
	hard.Stop()
	close(r.stop)
	r.loops.Wait()
	r.host.Closing.Wait()
}

// Run starts the router, and logs a line when it is ready. When ctx ends, or management asks for it, Run drains and
// stops the router, and returns nil. It returns the error of Start.
func (r *Router) Run(ctx context.Context) error {
	if err := r.Start(); err != nil {
		return err
	}
	r.host.Log(logging.Server).Noticef("Operational, %d Threads Running (process ID %d)", runtime.GOMAXPROCS(0), os.Getpid())
	select {
	case <-ctx.Done():
	case <-r.asked:
	}
	r.host.Log(logging.Server).Notice("Shutting down")
	if r.drainTimeout > 0 {
		_ = r.Drain(context.WithoutCancel(ctx)) // which logs what was left
	}
	r.Stop()
	return nil
}

// Addr returns the host and port that a listener listens on, "" when no listener has the name. Before Start they are
// those of the configuration.
func (r *Router) Addr(listener string) string {
	for _, l := range r.listeners {
		if l.Entity.Name == listener {
			return l.Addr()
		}
	}
	return ""
}

// ID returns the router id.
func (r *Router) ID() string { return r.plane.ID }

// randomName returns an unguessable name, for a temporary address or a link.
func randomName() string {
	var b [15]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
