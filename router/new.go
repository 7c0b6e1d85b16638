package router

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"sync"
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

// randomName returns an unguessable name, for a temporary address or a link.
func randomName() string {
	var b [15]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
