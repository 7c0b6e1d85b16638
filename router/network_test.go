package router

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/internal/management"
	"github.com/postroad/postroad/mesh"
	"github.com/postroad/postroad/router/conn"
	"github.com/postroad/postroad/router/route"
)

// limit bounds every wait of a test. What a test waits for comes in milliseconds; the limit is for a busy machine.
const limit = 30 * time.Second

// within returns the context of one test, or of one step of it.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// poll calls a check until it finds nothing wrong. It returns what was wrong last when the context ends.
func poll(ctx context.Context, check func() error) error { return conn.Await(ctx, check) }

// eventually fails the test unless a check finds nothing wrong before long.
func eventually(t testing.TB, why string, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit) // also used while the test's own context ends
	defer cancel()
	if err := poll(ctx, check); err != nil {
		t.Fatalf("%s: %v", why, err)
	}
}

// network is some routers in this process, connected over the loopback interface.
type network struct {
	t       testing.TB
	routers []*Router // nil where one was killed
}

// Router configurations are made of this text; %s is what a test adds.
const commonConfig = `%s
router: {id: %s, mode: %s%s}
listeners:
  - {name: clients, host: 127.0.0.1, port: 0}
%s
connectors: [%s]
addresses:
  - {prefix: closest, distribution: closest}
  - {prefix: balanced, distribution: balanced}
  - {prefix: multicast, distribution: multicast}
  - {prefix: unavailable, distribution: unavailable}
  - {prefix: twice, distribution: balanced, redundant: 2}
  - {prefix: urgent, distribution: closest, priority: 9}%s
`

// plan is what the configuration of one router is made of.
type plan struct {
	id         string
	standalone bool
	router     string // more attributes of the router
	listeners  string // more listeners, one on each line
	port       string // of the listener for routers, "0" if empty
	sections   string // more sections
	addresses  string // more addresses, each on a line of its own
	to         []*Router
	connectors string // instead of those
}

// text is the configuration file.
func (p plan) text() string {
	mode, port := "interior", p.port
	if port == "" {
		port = "0"
	}
	listeners := p.listeners
	if p.standalone {
		mode = "standalone"
	} else {
		listeners += "\n  - {name: routers, host: 127.0.0.1, role: inter-router, port: " + port + "}"
	}
	var connectors []string
	for i, r := range p.to {
		_, port, _ := net.SplitHostPort(r.Addr("routers"))
		connectors = append(connectors,
			fmt.Sprintf("{name: to-%s-%d, host: 127.0.0.1, port: %s, role: inter-router}", r.ID(), i, port))
	}
	if p.connectors != "" {
		connectors = []string{p.connectors}
	}
	if p.router != "" {
		p.router = ", " + p.router
	}
	return fmt.Sprintf(commonConfig, p.sections, p.id, mode, p.router, listeners, strings.Join(connectors, ", "),
		p.addresses)
}

// start makes and starts a router of a configuration text.
func start(t testing.TB, text string) *Router {
	t.Helper()
	cfg, problems := config.Parse("router.yaml", []byte(text))
	if cfg == nil {
		t.Fatalf("configuration refused: %v\n%s", problems, text)
	}
	if raceEnabled && !strings.Contains(text, "fastHelloMilliseconds") {
		cfg.Router.FastHelloMilliseconds *= 10 // many routers share two slow processors: some stand still for more than 300 ms
	}
	logs, err := logging.New(logging.Options{
		Modules: map[logging.Module]logging.Settings{logging.Default: {Enable: "info+"}},
		Stderr:  discard{}, Stdout: discard{},
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(cfg, Options{Logs: logs, Version: "0.0.0-test"})
	if err != nil {
		t.Fatalf("router %s: %v", cfg.Router.ID, err)
	}
	if err := r.Start(); err != nil {
		t.Fatalf("router %s: %v", cfg.Router.ID, err)
	}
	return r
}

// fixedPort returns a port for a router that is started again on it. It is outside the range from which systems take
// ports for connections, one of which could otherwise have it when the router is started again.
func fixedPort(t testing.TB) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(20_000 + rand.IntN(10_000))
		l, err := net.Listen("tcp4", "127.0.0.1:"+port)
		if err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

// discard takes what routers log: the last lines are kept in memory and shown when a test fails.
type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// newNetwork returns a network without routers that ends with the test.
func newNetwork(t testing.TB) *network {
	n := &network{t: t}
	t.Cleanup(n.end)
	return n
}

// add starts a router of the network.
func (n *network) add(p plan) *Router {
	n.t.Helper()
	r := start(n.t, p.text())
	n.routers = append(n.routers, r)
	return r
}

// alone returns a network of one standalone router.
func alone(t testing.TB) *network {
	t.Helper()
	n := newNetwork(t)
	n.add(plan{id: "A", standalone: true})
	return n
}

// chain returns routers A, B, C, … of which each knows the one before.
func chain(t testing.TB, count int) *network {
	t.Helper()
	n := newNetwork(t)
	for i := range count {
		p := plan{id: letter(i)}
		if i > 0 {
			p.to = n.routers[i-1:]
		}
		n.add(p)
	}
	n.converge()
	return n
}

// ring returns routers A, B, C, … in a circle.
func ring(t testing.TB, count int) *network {
	t.Helper()
	n := newNetwork(t)
	for i := range count {
		p := plan{id: letter(i), port: fixedPort(t)}
		switch {
		case i == count-1:
			p.to = []*Router{n.routers[i-1], n.routers[0]}
		case i > 0:
			p.to = n.routers[i-1:]
		}
		n.add(p)
	}
	n.converge()
	return n
}

// star returns a hub A and routers B, C, … around it.
func star(t testing.TB, count int) *network {
	t.Helper()
	n := newNetwork(t)
	for i := range count {
		p := plan{id: letter(i)}
		if i > 0 {
			p.to = n.routers[:1]
		}
		n.add(p)
	}
	n.converge()
	return n
}

// fullMesh returns routers of which each is connected to each.
func fullMesh(t testing.TB, count int) *network {
	t.Helper()
	n := newNetwork(t)
	for i := range count {
		n.add(plan{id: letter(i), to: slices.Clone(n.routers)})
	}
	n.converge()
	return n
}

func letter(i int) string { return string(rune('A' + i)) }

// node returns a router by its id.
func (n *network) node(id string) *Router {
	n.t.Helper()
	for _, r := range n.routers {
		if r != nil && r.ID() == id {
			return r
		}
	}
	n.t.Fatalf("no router %s", id)
	return nil
}

// converge waits until all connectors are connected, every router knows the link state of every other one as that has
// it, has worked it into its paths, and has a way to each.
func (n *network) converge() {
	n.t.Helper()
	eventually(n.t, "the mesh converges", func() error {
		states := make(map[string][]mesh.PeerCost)
		for _, r := range n.routers {
			states[r.ID()] = r.ownLinkState()
		}
		for _, r := range n.routers {
			if err := r.settled(states); err != nil {
				return err
			}
			if err := n.knowsAll(r); err != nil {
				return err
			}
		}
		return nil
	})
}

// knowsAll tells what a router does not know yet of the others.
func (n *network) knowsAll(r *Router) error {
	known := make(map[string]bool)
	for row := range r.view.RouterNodes() {
		if row.Self {
			continue
		}
		if row.Cost <= 0 || row.NextHop == "" && row.RouterLink < 0 {
			return fmt.Errorf("%s has no way to %s: %+v", r.ID(), row.ID, row)
		}
		known[row.ID] = true
	}
	if want := len(n.routers) - 1; len(known) != want {
		return fmt.Errorf("%s knows %d other routers, not %d", r.ID(), len(known), want)
	}
	for _, other := range n.routers {
		if p := other.peerNamed(r.ID()); other != r && (p == nil || p.Hop.Load() == nil) {
			return fmt.Errorf("%s has no next hop to %s", other.ID(), r.ID())
		}
	}
	return nil
}

// ownLinkState is what a router says of its neighbors.
func (r *Router) ownLinkState() []mesh.PeerCost {
	r.control.Mu.Lock()
	defer r.control.Mu.Unlock()
	return r.control.Mesh.Status().LinkState
}

// settled tells what a router has not worked into its paths, given the link states of all.
func (r *Router) settled(states map[string][]mesh.PeerCost) error {
	k := r.control
	k.Mu.Lock()
	defer k.Mu.Unlock()
	dialed := 0
	for _, c := range k.Neighbors {
		if c.Dialed {
			dialed++
		}
	}
	if dialed < len(r.connectors) {
		return fmt.Errorf("%s has %d connections of %d connectors", r.plane.ID, dialed, len(r.connectors))
	}
	for _, l := range k.Mesh.Links() {
		if !l.Up {
			return fmt.Errorf("%s has a link to %q that is not up", r.plane.ID, l.Router)
		}
	}
	for _, s := range k.Mesh.Routers() {
		if want, alive := states[s.ID]; alive && !slices.Equal(s.LinkState, want) {
			return fmt.Errorf("%s knows the neighbors %v of %s, which has %v", r.plane.ID, s.LinkState, s.ID, want)
		}
	}
	if !k.Mesh.Settled() {
		return fmt.Errorf("%s has not computed its paths yet", r.plane.ID)
	}
	return nil
}

// peerNamed is what a router has in its table of another one.
func (r *Router) peerNamed(id string) *route.Router {
	return r.plane.Table.Router([]byte("0/" + id))
}

// addressRow is the row of a mobile address, or of a local one with an L before it.
func addressRow(r *Router, text string) (management.Address, bool) {
	for row := range r.view.Addresses() {
		if row.Key == "M0"+text || row.Key == text {
			return row, true
		}
	}
	return management.Address{}, false
}

// consumers waits until a router knows exactly this many consumers of an address here and routers with some elsewhere.
func (n *network) consumers(id, text string, here, routers int) {
	n.t.Helper()
	r := n.node(id)
	eventually(n.t, fmt.Sprintf("%s knows the consumers of %s", id, text), func() error {
		row, ok := addressRow(r, text)
		if !ok && here == 0 && routers == 0 {
			return nil
		}
		if int(row.SubscriberCount) != here || int(row.RemoteCount) != routers {
			return fmt.Errorf("it has %d here and %d routers, not %d and %d", row.SubscriberCount, row.RemoteCount,
				here, routers)
		}
		return nil
	})
}
