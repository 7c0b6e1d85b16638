package foreign

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/postroad/postroad/internal/freeport"
	"github.com/postroad/postroad/internal/goamqp"
	"github.com/postroad/postroad/internal/lab"
)

// convergeLimit bounds the time until all routers of a network know each other.
const convergeLimit = 30 * time.Second

// pollPeriod is the time between two questions to a router's management.
const pollPeriod = 50 * time.Millisecond

// ports are the TCP ports of one router, by listener.
type ports map[string]int

// Network is a running network of router processes.
type Network struct {
	*lab.Network
	topology Topology
	ports    map[string]ports
}

// StartNetwork starts the routers of a topology, all at once, and waits until each of them knows a path to each other
// one. The network is the caller's to stop.
func StartNetwork(t Topology) (*Network, error) {
	program, err := routerProgram()
	if err != nil {
		return nil, err
	}
	n := &Network{topology: t, ports: make(map[string]ports)}
	for _, id := range t.Routers {
		n.ports[id] = make(ports)
		for _, l := range t.listeners() {
			if n.ports[id][l], err = freeport.One(); err != nil {
				return nil, err
			}
		}
	}
	if n.Network, err = lab.NewNetwork(); err != nil {
		return nil, err
	}
	var specs []lab.Spec
	for _, id := range t.Routers {
		specs = append(specs, lab.Spec{ID: id, Program: program, Configuration: t.config(id, n.ports),
			Ports: slices.Collect(maps.Values(n.ports[id])), Clients: n.ports[id][clients]})
	}
	err = n.Start(specs...)
	if err == nil {
		err = n.converge()
	}
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// URL returns the address of a router's listener for clients.
func (n *Network) URL(id string) string {
	return n.ListenerURL(id, clients)
}

// ListenerURL returns the address of one of a router's listeners.
func (n *Network) ListenerURL(id, listener string) string {
	return lab.URL(n.ports[id][listener])
}

// IDs returns the router ids in the order of the topology.
func (n *Network) IDs() []string {
	return n.topology.Routers
}

// Metric returns the sum of those series of a metric of a router that have all of the labels, see [lab.Metric].
func (n *Network) Metric(ctx context.Context, id, name string, labels ...string) (int, error) {
	return lab.Metric(ctx, n.ports[id][scrapes], name, labels...)
}

// Explain writes the ends of the routers' logs to the test's output when the test fails.
func (n *Network) Explain(tb testing.TB) {
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Log(n.Logs(lab.Brief))
		}
	})
}

// converge waits until every router has computed the cost of a path to every other one.
func (n *Network) converge() error {
	ctx, cancel := context.WithTimeout(context.Background(), convergeLimit)
	defer cancel()
	for _, id := range n.topology.Routers {
		err := lab.Poll(ctx, pollPeriod, func() error {
			costs, err := n.Router(id).Costs(ctx)
			if err == nil && len(costs) != len(n.topology.Routers)-1 {
				err = fmt.Errorf("knows paths to others of the costs %v", costs)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("router %s: %w\n%s", id, err, n.Logs(lab.Brief))
		}
	}
	return nil
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
	if err := n.Router(id).AwaitConsumers(ctx, pollPeriod, key, local, remote); err != nil {
		tb.Fatal(err)
	}
}

// Undelivered returns how many messages for an address wait on the links from a router to its consumers.
func (n *Network) Undelivered(ctx context.Context, id, address string) (int, error) {
	links, err := n.Router(id).Query(ctx, "router.link", "linkDir", "linkType", "owningAddr", "undeliveredCount")
	if err != nil {
		return 0, err
	}
	sum := 0
	for _, link := range links {
		owner, _ := link["owningAddr"].(string)
		if link["linkDir"] == "out" && link["linkType"] == "endpoint" && len(owner) > 2 && owner[2:] == address {
			sum += goamqp.Int(link["undeliveredCount"])
		}
	}
	return sum, nil
}

// AwaitUndelivered waits until so many messages for an address wait on the links from a router to its consumers.
func (n *Network) AwaitUndelivered(tb testing.TB, id, address string, count int) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), convergeLimit)
	defer cancel()
	err := lab.Poll(ctx, pollPeriod, func() error {
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
