package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postroad/postroad/cmd/postroad/connect"
	"github.com/postroad/postroad/cmd/postroad/spawn"
	"github.com/postroad/postroad/internal/freeport"
	"github.com/postroad/postroad/internal/goamqp"
	management "github.com/postroad/postroad/internal/management/client"
	"github.com/postroad/postroad/internal/process"
	"github.com/postroad/postroad/internal/wait"
	"github.com/postroad/postroad/topologies"
)

// router is one router of the demo: a process of this program, and what its management node says.
type router struct {
	topologies.Router
	ports   topologies.Ports
	process *process.Process
	died    bool // it had ended before it was told to

	mu        sync.Mutex
	neighbors []string          // routers it has a link to
	nextHops  map[string]string // by destination; a neighbor leads to itself
}

// readyLine is what a router logs once its listeners are open.
const readyLine = "SERVER (notice) Operational"

// newRouters chooses ports for all routers of a topology.
func newRouters(t *topologies.Topology) ([]*router, error) {
	ports, err := freeport.Several(3 * len(t.Routers))
	if err != nil {
		return nil, err
	}
	routers := make([]*router, len(t.Routers))
	for i, r := range t.Routers {
		routers[i] = &router{Router: r, ports: topologies.Ports{
			Client: ports[3*i], InterRouter: ports[3*i+1], Edge: ports[3*i+2]}}
	}
	return routers, nil
}

// url is where clients connect to.
func (r *router) url() string { return "amqp://127.0.0.1:" + strconv.Itoa(r.ports.Client) }

// start writes the configuration of the router into a folder and starts its process.
func (r *router) start(t *topologies.Topology, ports map[string]topologies.Ports, folder string) error {
	c, err := t.Config(r.ID, ports)
	if err != nil {
		return err
	}
	path := filepath.Join(folder, strconv.Itoa(r.ports.Client)+".yaml")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := c.WriteYAML(f, nil); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	commands, err := spawn.Commands([]string{path})
	if err != nil {
		return err
	}
	r.process, err = process.Start(process.Options{Command: commands[0], Stdout: io.Discard, Ready: readyLine})
	return err
}

// awaitReady waits until the router has said that it is ready.
func (r *router) awaitReady(ctx context.Context) error {
	ctx, cancel := wait.Limit(ctx, spawn.StartLimit, "the router %s did not get ready", r.ID)
	defer cancel()
	err := r.process.AwaitReady(ctx)
	if errors.Is(err, process.ErrEnded) {
		return r.death()
	}
	return err
}

// death is the error of a router that has ended by itself; nil while it runs.
func (r *router) death() error {
	if r.process.Running() {
		return nil
	}
	return fmt.Errorf("the router %s died (%s); it said last:\n%s", r.ID, r.process.State(),
		cmp.Or(lastLines(r.process.Log(spawn.LogShown), 5), "nothing"))
}

// lastLines returns the last lines of a text.
func lastLines(text string, n int) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// watch asks the management node of the router for its neighbors and next hops every second, until ctx or the router
// ends.
func (r *router) watch(ctx context.Context) {
	flags := connect.Flags{URL: r.url(), Timeout: time.Second}
	conn, err := flags.Open(ctx)
	if err != nil {
		return
	}
	defer conn.Close()
	m, err := management.Open(ctx, conn, "", time.Second)
	if err != nil {
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ctx.Err() == nil {
		rows, err := m.Query(ctx, management.Here, "router.node", "id", "nextHop", "linkState")
		if err == nil {
			r.learn(rows)
		}
		select {
		case <-ctx.Done():
		case <-r.process.Ended():
			return
		case <-tick.C:
		}
	}
}

// learn takes over an answer about router.node.
func (r *router) learn(rows []map[string]any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nextHops = map[string]string{}
	for _, row := range rows {
		id := goamqp.String(row["id"])
		if id == r.ID {
			r.neighbors = goamqp.Strings(row["linkState"])
			continue
		}
		hop := goamqp.String(row["nextHop"])
		if hop == "" || hop == "(self)" {
			hop = id
		}
		r.nextHops[id] = hop
	}
}

// nextHop returns the neighbor on the way to another router, "" if none is known.
func (r *router) nextHop(to string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.nextHops[to]
}

// linkedTo reports whether the router says it has a link to another.
func (r *router) linkedTo(other string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.neighbors {
		if n == other {
			return true
		}
	}
	return false
}

// awaitMesh waits until the router has found the cheapest path to every other, and knows every consumer of every
// address: those attached to it, and the other routers that have some.
func (r *router) awaitMesh(ctx context.Context, t *topologies.Topology, limit time.Duration) error {
	ctx, cancel := wait.Limit(ctx, limit, "the router %s does not know all paths and all consumers", r.ID)
	defer cancel()
	flags := connect.Flags{URL: r.url(), Timeout: limit}
	conn, err := flags.Open(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	m, err := management.Open(ctx, conn, "", limit)
	if err != nil {
		return err
	}
	costs, consumers := t.Costs(r.ID), consumersOf(t, r.ID)
	for {
		nodes, err := m.Query(ctx, management.Here, "router.node", "id", "cost")
		if err != nil {
			return fmt.Errorf("%s: %w", r.ID, err)
		}
		addresses, err := m.Query(ctx, management.Here, "router.address", "key", "subscriberCount", "remoteCount")
		if err != nil {
			return fmt.Errorf("%s: %w", r.ID, err)
		}
		if pathsKnown(nodes, costs) && consumersKnown(addresses, consumers) {
			return nil
		}
		if !wait.Until(ctx, time.Now().Add(50*time.Millisecond)) {
			return context.Cause(ctx)
		}
	}
}

// pathsKnown reports whether an answer about router.node has a path of the given cost to every router.
func pathsKnown(nodes []map[string]any, costs map[string]int) bool {
	known := 0
	for _, n := range nodes {
		if cost, ok := costs[goamqp.String(n["id"])]; ok && goamqp.Int(n["cost"]) == cost {
			known++
		}
	}
	return known == len(costs)
}

// consumers are how many consumers an address has at one router, and how many other routers have some.
type consumers struct{ local, remote int }

// consumersOf counts the consumers of every address as one router should see them.
func consumersOf(t *topologies.Topology, router string) map[string]consumers {
	counts := map[string]consumers{}
	seen := map[[2]string]bool{}
	for _, c := range t.Clients {
		n := counts[c.Receives]
		switch {
		case c.Receives == "":
			continue
		case c.Router == router:
			n.local++
		case !seen[[2]string{c.Receives, c.Router}]:
			seen[[2]string{c.Receives, c.Router}] = true
			n.remote++
		}
		counts[c.Receives] = n
	}
	return counts
}

// consumersKnown reports whether an answer about router.address has at least so many consumers of every address.
func consumersKnown(addresses []map[string]any, expected map[string]consumers) bool {
	known := 0
	for _, row := range addresses {
		address, mobile := strings.CutPrefix(goamqp.String(row["key"]), "M0")
		if n, ok := expected[address]; mobile && ok && goamqp.Int(row["subscriberCount"]) >= n.local &&
			goamqp.Int(row["remoteCount"]) >= n.remote {
			known++
		}
	}
	return known == len(expected)
}
