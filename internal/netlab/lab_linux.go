package netlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/postroad/postroad/internal/bench"
	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/lab"
	"github.com/postroad/postroad/topologies"
)

// Options say how a lab is made.
type Options struct {
	Program Program
	Logs    string // which levels the routers log; "notice+" if not given
	// Wire says which links lead through a wire, and how that is at the start; nil for none.
	Wire func(topologies.Link) (Conditions, bool)
	// Configure changes the configuration of a router before it is written; may be nil.
	Configure func(*config.Config)
}

// Lab is a network of router processes in namespaces of their own.
type Lab struct {
	Topology *topologies.Topology

	options Options
	network *lab.Network
	routers map[string]*labRouter
	links   []*labLink
}

// labRouter is one router of a lab, whether it runs or not.
type labRouter struct {
	id        string
	namespace *namespace
	spec      lab.Spec
}

// labLink is one link of a lab.
type labLink struct {
	topologies.Link
	a, b device
	wire *wire // nil if there is none
	down bool
}

// device is one end of a link.
type device struct {
	router *labRouter
	name   string
	host   string
}

// The ports of all routers of a lab, which have addresses of their own.
var ports = topologies.Ports{Client: 5672, InterRouter: 55672, Edge: 45672}

// New makes the namespaces and links of a topology. No router runs yet. The lab is the caller's to close.
func New(t *topologies.Topology, o Options) (*Lab, error) {
	network, err := lab.NewNetwork()
	if err != nil {
		return nil, err
	}
	l := &Lab{Topology: t, options: o, network: network, routers: map[string]*labRouter{}}
	if err := l.build(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// build makes everything that a lab consists of.
func (l *Lab) build() error {
	for _, r := range l.Topology.Routers {
		n, err := newNamespace()
		if err != nil {
			return err
		}
		l.routers[r.ID] = &labRouter{id: r.ID, namespace: n}
	}
	for i, link := range l.Topology.Links {
		made, err := l.connect(i, link)
		if err != nil {
			return fmt.Errorf("the link %s-%s: %w", link.A, link.B, err)
		}
		l.links = append(l.links, made)
	}
	for _, r := range l.Topology.Routers {
		if err := l.configure(r.ID); err != nil {
			return fmt.Errorf("router %s: %w", r.ID, err)
		}
	}
	return nil
}

// linkHost is the address that a router has on the i-th link of a topology.
func linkHost(i int, link topologies.Link, id string) string {
	n := 1
	if id == link.B {
		n = 2
	}
	return fmt.Sprintf("10.77.%d.%d", i/64, i%64*4+n)
}

// connect makes a link, with a network of four addresses.
func (l *Lab) connect(i int, link topologies.Link) (*labLink, error) {
	end := func(id string) device {
		return device{router: l.routers[id], name: fmt.Sprintf("link%d", i), host: linkHost(i, link, id)}
	}
	made := &labLink{Link: link, a: end(link.A), b: end(link.B)}
	conditions, wired := Conditions{}, false
	if l.options.Wire != nil {
		conditions, wired = l.options.Wire(link)
	}
	var err error
	if wired {
		made.wire, err = newWire(made.a, made.b, conditions)
	} else {
		err = pair(made.a.router.namespace, made.a.name, made.b.router.namespace, made.b.name)
	}
	for _, d := range []device{made.a, made.b} {
		if err == nil {
			err = d.router.namespace.address(d.name, d.host+"/30")
		}
	}
	return made, err
}

// configure says how a router is started.
func (l *Lab) configure(id string) error {
	c, err := l.Topology.ConfigAt(id, topologies.Placement{
		Listen: "0.0.0.0", Insecure: true,
		Ports: func(string) topologies.Ports { return ports },
		Reach: func(link topologies.Link, from string) string {
			made := l.link(link.A, link.B)
			if made.a.router.id == from {
				return made.b.host
			}
			return made.a.host
		},
	})
	if err != nil {
		return err
	}
	logs := l.options.Logs
	if logs == "" {
		logs = "notice+"
	}
	c.Logs = append(c.Logs, config.Log{Module: config.ModuleDefault, Enable: logs})
	if l.options.Configure != nil {
		l.options.Configure(c)
	}
	var text strings.Builder
	if err := l.options.Program.write(&text, c); err != nil {
		return err
	}
	r := l.routers[id]
	r.spec = lab.Spec{ID: id, Program: l.options.Program.Program, Configuration: text.String(), Clients: ports.Client,
		In: r.namespace.do, Dial: r.dial, Keep: true}
	return nil
}

// dial connects to an address from the router's namespace.
func (r *labRouter) dial(ctx context.Context, address string) (net.Conn, error) {
	var conn net.Conn
	err := r.namespace.do(func() (err error) {
		conn, err = (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", address)
		return err
	})
	return conn, err
}

// link finds a link; it panics if there is none, which is a mistake of the caller's.
func (l *Lab) link(a, b string) *labLink {
	i := slices.IndexFunc(l.links, func(k *labLink) bool { return k.A == a && k.B == b || k.A == b && k.B == a })
	if i < 0 {
		panic(fmt.Sprintf("there is no link between %s and %s in %s", a, b, l.Topology.Name))
	}
	return l.links[i]
}

// router finds a router; it panics if there is none, which is a mistake of the caller's.
func (l *Lab) router(id string) *labRouter {
	r := l.routers[id]
	if r == nil {
		panic(fmt.Sprintf("there is no router %s in %s", id, l.Topology.Name))
	}
	return r
}

// IDs lists the routers in the order of the topology.
func (l *Lab) IDs() []string {
	ids := make([]string, len(l.Topology.Routers))
	for i, r := range l.Topology.Routers {
		ids[i] = r.ID
	}
	return ids
}

// specs says how routers are started; all of them if none is named.
func (l *Lab) specs(ids []string) []lab.Spec {
	if len(ids) == 0 {
		ids = l.IDs()
	}
	specs := make([]lab.Spec, len(ids))
	for i, id := range ids {
		specs[i] = l.router(id).spec
	}
	return specs
}

// Launch starts routers, without waiting for anything; all of them if none is named.
func (l *Lab) Launch(ids ...string) error { return l.network.Launch(l.specs(ids)...) }

// Start starts routers, all of them if none is named, and waits until they are operational.
func (l *Lab) Start(ids ...string) error { return l.network.Start(l.specs(ids)...) }

// Kill ends a router as kill -9 does.
func (l *Lab) Kill(id string) error { return l.network.Kill(id) }

// Suspend stops a router with SIGSTOP: it is silent from then on, and keeps its connections.
func (l *Lab) Suspend(id string) error { return l.network.Router(id).Suspend() }

// Resume lets a suspended router go on.
func (l *Lab) Resume(id string) error { return l.network.Router(id).Resume() }

// Terminate ends a router with SIGTERM and waits until it is gone.
func (l *Lab) Terminate(id string) error { return l.network.Router(id).Stop() }

// Logs returns the ends of what the routers have logged.
func (l *Lab) Logs() string { return l.network.Logs(lab.Long) }

// LinkDown sets one end of a link down: both routers lose the carrier, and nothing is told to either.
func (l *Lab) LinkDown(a, b string) error {
	k := l.link(a, b)
	k.down = true
	return k.a.router.namespace.down(k.a.name)
}

// LinkUp sets a link up again.
func (l *Lab) LinkUp(a, b string) error {
	k := l.link(a, b)
	k.down = false
	return k.a.router.namespace.up(k.a.name)
}

// Impair changes the conditions on a link that leads through a wire.
func (l *Lab) Impair(a, b string, c Conditions) {
	k := l.link(a, b)
	if k.wire == nil {
		panic(fmt.Sprintf("the link between %s and %s has no wire", a, b))
	}
	k.wire.set(c)
}

// Dial connects to a port on the host of a router, from there.
func (l *Lab) Dial(ctx context.Context, id string, port int) (net.Conn, error) {
	return l.router(id).dial(ctx, fmt.Sprintf("127.0.0.1:%d", port))
}

// Endpoint is where clients of a router connect, for package bench.
func (l *Lab) Endpoint(id string) bench.Endpoint {
	return bench.Endpoint{
		Address: id, Hostname: id, Mechanism: bench.SASLAnonymous,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) { return l.Dial(ctx, id, ports.Client) },
	}
}

// Close kills all routers and removes everything. It reports those that have ended by themselves.
func (l *Lab) Close() error {
	err := errors.Join(l.network.Deaths(), l.network.Close())
	for _, k := range l.links {
		if k.wire != nil {
			k.wire.close()
		}
	}
	for _, r := range l.routers {
		r.namespace.close()
	}
	return err
}
