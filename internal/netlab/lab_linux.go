package netlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/postroad/postroad/internal/bench"
	"github.com/postroad/postroad/internal/config"
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
	dir     string
	routers map[string]*labRouter
	links   []*labLink
}

// labRouter is one router of a lab, whether it runs or not.
type labRouter struct {
	id        string
	namespace *namespace
	file      string // of its configuration
	process   *process

	mu      sync.Mutex
	manager *manager // open connection to its management; nil if there is none
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
	dir, err := os.MkdirTemp("", "postroad-netlab-")
	if err != nil {
		return nil, err
	}
	l := &Lab{Topology: t, options: o, dir: dir, routers: map[string]*labRouter{}}
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
	for i, r := range l.Topology.Routers {
		if err := l.configure(i, r.ID); err != nil {
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

// configure writes the configuration of a router.
func (l *Lab) configure(i int, id string) error {
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
	r := l.routers[id]
	r.file = filepath.Join(l.dir, fmt.Sprintf("router%d%s", i, l.options.Program.Suffix))
	f, err := os.Create(r.file)
	if err != nil {
		return err
	}
	return errors.Join(l.options.Program.Write(f, c), f.Close())
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

// Launch starts routers, without waiting for anything; all of them if none is named.
func (l *Lab) Launch(ids ...string) error {
	if len(ids) == 0 {
		ids = l.IDs()
	}
	for _, id := range ids {
		r := l.router(id)
		p, err := startProcess(r.namespace, l.dir, l.options.Program.Command(r.file), l.options.Program.Operational)
		if err != nil {
			return fmt.Errorf("start router %s: %w", id, err)
		}
		r.process = p
		r.forget()
	}
	return nil
}

// Start starts routers, all of them if none is named, and waits until they are operational.
func (l *Lab) Start(ids ...string) error {
	if err := l.Launch(ids...); err != nil {
		return err
	}
	for _, id := range l.IDs() {
		if len(ids) > 0 && !slices.Contains(ids, id) {
			continue
		}
		if p := l.router(id).process; p != nil {
			if err := p.awaitReady(); err != nil {
				return fmt.Errorf("router %s: %w\n%s", id, err, p.log.tail())
			}
		}
	}
	return nil
}

// Kill ends a router as kill -9 does, without waiting for it to be gone.
func (l *Lab) Kill(id string) error { return l.router(id).process.kill() }

// Suspend stops a router with SIGSTOP: it is silent from then on, and keeps its connections.
func (l *Lab) Suspend(id string) error { return l.router(id).process.suspend() }

// Resume lets a suspended router go on.
func (l *Lab) Resume(id string) error { return l.router(id).process.resume() }

// Terminate ends a router with SIGTERM and waits until it is gone.
func (l *Lab) Terminate(id string) error {
	r := l.router(id)
	err := r.process.terminate()
	if err != nil {
		return fmt.Errorf("router %s: %w\n%s", id, err, r.process.log.tail())
	}
	r.process.killed = true
	return nil
}

// Log returns the end of what a router has logged.
func (l *Lab) Log(id string) string { return l.router(id).process.log.tail() }

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
	var conn net.Conn
	err := l.router(id).namespace.do(func() (err error) {
		conn, err = (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		return err
	})
	return conn, err
}

// Endpoint is where clients of a router connect, for package bench.
func (l *Lab) Endpoint(id string) bench.Endpoint {
	return bench.Endpoint{
		Address: id, Hostname: id, Mechanism: bench.SASLAnonymous,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) { return l.Dial(ctx, id, ports.Client) },
	}
}

// Deaths reports the routers that have ended by themselves.
func (l *Lab) Deaths() error {
	var errs []error
	for _, id := range l.IDs() {
		if p := l.routers[id].process; p != nil && !p.killed && !p.running() {
			errs = append(errs, fmt.Errorf("router %s ended by itself: %v\n%s", id, p.cmd.ProcessState, p.log.tail()))
		}
	}
	return errors.Join(errs...)
}

// Close kills all routers and removes everything. It returns [Lab.Deaths].
func (l *Lab) Close() error {
	err := l.Deaths()
	for _, r := range l.routers {
		r.forget()
		if r.process != nil {
			r.process.kill()
			<-r.process.ended
		}
	}
	for _, k := range l.links {
		if k.wire != nil {
			k.wire.close()
		}
	}
	for _, r := range l.routers {
		r.namespace.close()
	}
	return errors.Join(err, os.RemoveAll(l.dir))
}
