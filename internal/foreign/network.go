package foreign

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// convergeLimit bounds the time until all routers of a network know each other.
const convergeLimit = 30 * time.Second

// pollPeriod is the time between two questions to a router's management.
const pollPeriod = 50 * time.Millisecond

// Network is a running network of router processes.
type Network struct {
	topology Topology
	dir      string
	routers  map[string]*router
	killed   map[string]bool
}

// StartNetwork starts the routers of a topology, all at once, and waits until each of them knows a path to each other
// one. The network is the caller's to stop.
func StartNetwork(t Topology) (*Network, error) {
	dir, err := os.MkdirTemp("", "postroad-network-")
	if err != nil {
		return nil, err
	}
	n := &Network{topology: t, dir: dir, routers: make(map[string]*router), killed: make(map[string]bool)}
	taken := make(map[string]ports)
	for _, id := range t.Routers {
		taken[id] = make(ports)
		for _, l := range t.listeners() {
			taken[id][l] = freePort()
		}
	}
	type started struct {
		router *router
		err    error
	}
	results := make(chan started)
	for _, id := range t.Routers {
		go func() {
			r, err := startRouter(dir, id, t.config(id, taken), taken[id])
			results <- started{r, err}
		}()
	}
	var errs []error
	for range t.Routers {
		s := <-results
		if s.err == nil {
			n.routers[s.router.id] = s.router
		}
		errs = append(errs, s.err)
	}
	err = errors.Join(errs...)
	if err == nil {
		err = n.converge()
	}
	if err != nil {
		n.Kill(t.Routers...)
		os.RemoveAll(dir)
		return nil, err
	}
	return n, nil
}

// portsTaken are the ports which this process has given out.
var portsTaken sync.Map

// freePort returns a TCP port on which nobody listens, outside the range from which systems take the ports of outgoing
// connections.
func freePort() int {
	for {
		port := 20000 + rand.IntN(12000)
		if _, taken := portsTaken.LoadOrStore(port, true); taken {
			continue
		}
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
}

// URL returns the address of a router's listener for clients.
func (n *Network) URL(id string) string {
	return n.ListenerURL(id, clients)
}

// ListenerURL returns the address of one of a router's listeners.
func (n *Network) ListenerURL(id, listener string) string {
	return fmt.Sprintf("amqp://127.0.0.1:%d", n.routers[id].ports[listener])
}

// IDs returns the router ids in the order of the topology.
func (n *Network) IDs() []string {
	return n.topology.Routers
}

// Process returns the process id of a router.
func (n *Network) Process(id string) int {
	return n.routers[id].cmd.Process.Pid
}

// Kill ends routers as kill -9 does.
func (n *Network) Kill(ids ...string) {
	for _, id := range ids {
		if r := n.routers[id]; r != nil {
			n.killed[id] = true
			r.kill()
		}
	}
}

// Stop ends the routers that were not killed as an operator does, and removes the network's files. It reports routers
// that had ended by themselves, did not end, or had another exit code than 0.
func (n *Network) Stop() error {
	var errs []error
	for id, r := range n.routers {
		if n.killed[id] {
			continue
		}
		if err := r.stop(); err != nil {
			errs = append(errs, fmt.Errorf("%w\n%s", err, r.log.tail()))
		}
	}
	return errors.Join(append(errs, os.RemoveAll(n.dir))...)
}

// Explain writes the ends of the routers' logs to the test's output when the test fails.
func (n *Network) Explain(tb testing.TB) {
	tb.Cleanup(func() {
		if !tb.Failed() {
			return
		}
		for _, id := range n.topology.Routers {
			tb.Logf("router %s, end of log:\n%s", id, n.routers[id].log.tail())
		}
	})
}

// The entity types of Interconnect's management which the harness asks for.
const (
	nodeType    = "org.apache.qpid.dispatch.router.node"
	addressType = "org.apache.qpid.dispatch.router.address"
	linkType    = "org.apache.qpid.dispatch.router.link"
)

// converge waits until every router has computed the cost of a path to every other one.
func (n *Network) converge() error {
	ctx, cancel := context.WithTimeout(context.Background(), convergeLimit)
	defer cancel()
	for _, id := range n.topology.Routers {
		err := poll(ctx, func() error {
			nodes, err := Query(ctx, n.URL(id), nodeType, "id", "cost")
			if err != nil {
				return err
			}
			reached := 0
			for _, node := range nodes {
				if node["id"] == id || toInt(node["cost"]) > 0 {
					reached++
				}
			}
			if reached != len(n.topology.Routers) {
				return fmt.Errorf("knows a path to %d of %d routers: %v", reached, len(n.topology.Routers), nodes)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("router %s: %w\n%s", id, err, n.routers[id].log.tail())
		}
	}
	return nil
}

// NextHop returns the router to which from sends what is for to; it is empty if they are neighbors.
func (n *Network) NextHop(tb testing.TB, from, to string) string {
	tb.Helper()
	nodes, err := Query(tb.Context(), n.URL(from), nodeType, "id", "nextHop")
	if err != nil {
		tb.Fatal(err)
	}
	for _, node := range nodes {
		if node["id"] == to {
			hop, _ := node["nextHop"].(string)
			return hop
		}
	}
	tb.Fatalf("router %s does not know router %s: %v", from, to, nodes)
	return ""
}

// AwaitConsumers waits until a router knows so many local consumers of an address, and so many other routers that have
// some.
func (n *Network) AwaitConsumers(tb testing.TB, id, address string, local, remote int) {
	tb.Helper()
	n.AwaitEntry(tb, id, "M0"+address, local, remote)
}

// AwaitEntry is AwaitConsumers for an entry in the table of addresses: M, the phase or F for the fallback, the address.
func (n *Network) AwaitEntry(tb testing.TB, id, key string, local, remote int) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), convergeLimit)
	defer cancel()
	err := poll(ctx, func() error {
		addresses, err := Query(ctx, n.URL(id), addressType,
			"name", "subscriberCount", "remoteCount")
		if err != nil {
			return err
		}
		for _, a := range addresses {
			if a["name"] == key {
				if toInt(a["subscriberCount"]) == local && toInt(a["remoteCount"]) == remote {
					return nil
				}
				return fmt.Errorf("%v, want %d local consumers and %d remote routers", a, local, remote)
			}
		}
		if local+remote == 0 {
			return nil // it may have forgotten the address
		}
		return errors.New("does not know the address")
	})
	if err != nil {
		tb.Fatalf("router %s, address %s: %v", id, key, err)
	}
}

// Undelivered returns how many messages for an address wait on the links from a router to its consumers.
func (n *Network) Undelivered(ctx context.Context, id, address string) (int, error) {
	links, err := Query(ctx, n.URL(id), linkType, "linkDir", "linkType", "owningAddr", "undeliveredCount")
	if err != nil {
		return 0, err
	}
	sum := 0
	for _, link := range links {
		owner, _ := link["owningAddr"].(string)
		if link["linkDir"] == "out" && link["linkType"] == "endpoint" && len(owner) > 2 && owner[2:] == address {
			sum += toInt(link["undeliveredCount"])
		}
	}
	return sum, nil
}

// AwaitUndelivered waits until so many messages for an address wait on the links from a router to its consumers.
func (n *Network) AwaitUndelivered(tb testing.TB, id, address string, count int) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), convergeLimit)
	defer cancel()
	err := poll(ctx, func() error {
		got, err := n.Undelivered(ctx, id, address)
		if err == nil && got != count {
			err = fmt.Errorf("%d messages wait, want %d", got, count)
		}
		return err
	})
	if err != nil {
		tb.Fatalf("router %s, address %s: %v", id, address, err)
	}
}

// poll calls f until it returns nil or the context ends; its error is then the last one before that.
func poll(ctx context.Context, f func() error) error {
	ticker := time.NewTicker(pollPeriod)
	defer ticker.Stop()
	var err error
	for {
		e := f()
		if e == nil {
			return nil
		}
		if err == nil || ctx.Err() == nil {
			err = e
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return err
		}
	}
}
