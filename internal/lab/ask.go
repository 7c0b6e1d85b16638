package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/Azure/go-amqp"

	"github.com/postroad/postroad/internal/goamqp"
	"github.com/postroad/postroad/internal/management/client"
)

// asker asks the management of one router, over a connection that is kept until there is an error.
type asker struct {
	hostname string // of the open
	dial     func(ctx context.Context) (net.Conn, error)

	mu     sync.Mutex
	conn   *amqp.Conn // nil if there is none
	client *client.Client
}

func (r *Router) newAsker() *asker {
	return &asker{hostname: r.ID, dial: func(ctx context.Context) (net.Conn, error) { return r.dial(ctx, r.Clients) }}
}

// connect opens the connection and a client on it.
func (a *asker) connect(ctx context.Context) error {
	raw, err := a.dial(ctx)
	if err != nil {
		return err
	}
	conn, err := amqp.NewConn(ctx, raw, &amqp.ConnOptions{SASLType: amqp.SASLTypeAnonymous(), HostName: a.hostname})
	if err != nil {
		raw.Close()
		return err
	}
	if a.client, err = client.Open(ctx, conn, client.Here, 0); err != nil {
		go conn.Close() // waits for an answer
		return err
	}
	a.conn = conn
	return nil
}

// query asks for the entities of a type.
func (a *asker) query(ctx context.Context, entityType string, attributes []string) ([]map[string]any, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.conn == nil {
		if err := a.connect(ctx); err != nil {
			return nil, err
		}
	}
	rows, err := a.client.Query(ctx, client.Here, entityType, attributes...)
	var refused *client.Refusal
	if err != nil && !errors.As(err, &refused) {
		a.drop()
	}
	return rows, err
}

// drop gives the connection up without waiting for its end.
func (a *asker) drop() {
	if a.conn != nil {
		go a.conn.Close() // waits for an answer
		a.conn = nil
	}
}

// forget closes the connection.
func (a *asker) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drop()
}

// close closes the connection and waits for its end.
func (a *asker) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.conn != nil {
		a.conn.Close()
		a.conn = nil
	}
}

// Query asks the router's management for the entities of a type, "router.node" for example, and returns the attributes
// named of each.
func (r *Router) Query(ctx context.Context, entityType string, attributes ...string) ([]map[string]any, error) {
	if r.Keep {
		return r.asker.query(ctx, entityType, attributes)
	}
	once := r.newAsker()
	defer once.close()
	return once.query(ctx, entityType, attributes)
}

// Node is what a router knows of another one.
type Node struct {
	ID      string
	Cost    int      // of the cheapest path there; 0 if there is none
	NextHop string   // a neighbor leads to itself
	Origins []string // those whose messages for there come through the router that was asked, in ascending order
}

// Nodes asks the router what it knows of the others.
func (r *Router) Nodes(ctx context.Context) ([]Node, error) {
	rows, err := r.Query(ctx, "router.node", "id", "cost", "nextHop", "validOrigins")
	if err != nil {
		return nil, err
	}
	var nodes []Node
	for _, row := range rows {
		node := Node{ID: goamqp.String(row["id"]), Cost: goamqp.Int(row["cost"]), NextHop: goamqp.String(row["nextHop"]),
			Origins: slices.Sorted(slices.Values(goamqp.Strings(row["validOrigins"])))}
		if node.ID == r.ID {
			continue
		}
		if node.NextHop == "" || node.NextHop == "(self)" {
			node.NextHop = node.ID
		}
		nodes = append(nodes, node)
	}
	return nodes, nil
}

// NextHop asks the router where it sends what is for another one; that one itself if they are neighbors.
func (r *Router) NextHop(ctx context.Context, to string) (string, error) {
	nodes, err := r.Nodes(ctx)
	if err != nil {
		return "", err
	}
	for _, node := range nodes {
		if node.ID == to {
			return node.NextHop, nil
		}
	}
	return "", fmt.Errorf("router %s does not know router %s: %v", r.ID, to, nodes)
}

// Costs asks the router for the costs of its paths to others.
func (r *Router) Costs(ctx context.Context) (map[string]int, error) {
	nodes, err := r.Nodes(ctx)
	costs := make(map[string]int)
	for _, node := range nodes {
		if node.Cost > 0 {
			costs[node.ID] = node.Cost
		}
	}
	return costs, err
}

// Consumers asks the router how many local consumers it knows of an entry of its table of addresses, and how many other
// routers that have some; none of an entry that it does not know. The key is M, the phase or F for the fallback, and the
// address.
func (r *Router) Consumers(ctx context.Context, key string) (local, remote int, err error) {
	rows, err := r.Query(ctx, "router.address", "name", "subscriberCount", "remoteCount")
	for _, row := range rows {
		if row["name"] == key {
			return goamqp.Int(row["subscriberCount"]), goamqp.Int(row["remoteCount"]), nil
		}
	}
	return 0, 0, err
}

// AwaitConsumers waits until the router knows so many consumers of an entry, see [Router.Consumers].
func (r *Router) AwaitConsumers(ctx context.Context, period time.Duration, key string, local, remote int) error {
	err := Poll(ctx, period, func() error {
		here, others, err := r.Consumers(ctx, key)
		if err == nil && (here != local || others != remote) {
			err = fmt.Errorf("%s has %d local consumers, and %d other routers that have some, not %d and %d", key, here,
				others, local, remote)
		}
		return err
	})
	if err != nil {
		return r.explain(err)
	}
	return nil
}

// Poll calls f until it returns nil or the context ends. The error is then the last one that says more than that the time
// was over.
func Poll(ctx context.Context, period time.Duration, f func() error) error {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	var last error
	for {
		err := f()
		if err == nil {
			return nil
		}
		late := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
			errors.Is(err, os.ErrDeadlineExceeded)
		if last == nil || !late {
			last = err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return last
		}
	}
}
