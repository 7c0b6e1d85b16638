package netlab

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/Azure/go-amqp"

	"github.com/postroad/postroad/topologies"
)

// manager is a connection to the management of a router.
type manager struct {
	conn     *amqp.Conn
	requests *amqp.Sender
	replies  *amqp.Receiver
}

// connectManager opens one.
func (l *Lab) connectManager(ctx context.Context, id string) (*manager, error) {
	nc, err := l.Dial(ctx, id, ports.Client)
	if err != nil {
		return nil, err
	}
	m := &manager{}
	options := &amqp.ConnOptions{SASLType: amqp.SASLTypeAnonymous(), HostName: id}
	if m.conn, err = amqp.NewConn(ctx, nc, options); err != nil {
		nc.Close()
		return nil, err
	}
	session, err := m.conn.NewSession(ctx, nil)
	if err == nil {
		m.replies, err = session.NewReceiver(ctx, "", &amqp.ReceiverOptions{DynamicAddress: true})
	}
	if err == nil {
		m.requests, err = session.NewSender(ctx, "$management", nil)
	}
	if err != nil {
		m.conn.Close()
		return nil, err
	}
	return m, nil
}

// forget closes the connection to the management of a router.
func (r *labRouter) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.manager != nil {
		go r.manager.conn.Close() // waits for an answer
		r.manager = nil
	}
}

// Query asks a router for the entities of a type, "router.node" for example, and returns the attributes named of each.
func (l *Lab) Query(ctx context.Context, id, entityType string, attributes ...string) ([]map[string]any, error) {
	r := l.router(id)
	r.mu.Lock()
	defer r.mu.Unlock()
	var err error
	if r.manager == nil {
		if r.manager, err = l.connectManager(ctx, id); err != nil {
			r.manager = nil
			return nil, err
		}
	}
	rows, err := r.manager.query(ctx, entityType, attributes)
	if err != nil {
		go r.manager.conn.Close()
		r.manager = nil
	}
	return rows, err
}

// query is Query on a connection.
func (m *manager) query(ctx context.Context, entityType string, attributes []string) ([]map[string]any, error) {
	names := make([]any, len(attributes))
	for i, name := range attributes {
		names[i] = name
	}
	err := m.requests.Send(ctx, &amqp.Message{
		Properties: &amqp.MessageProperties{ReplyTo: new(m.replies.Address()), CorrelationID: uint64(1)},
		ApplicationProperties: map[string]any{"operation": "QUERY", "type": "org.amqp.management", "name": "self",
			"entityType": "org.apache.qpid.dispatch." + entityType},
		Value: map[string]any{"attributeNames": names},
	}, nil)
	if err != nil {
		return nil, err
	}
	reply, err := m.replies.Receive(ctx, nil)
	if err != nil {
		return nil, err
	}
	if err := m.replies.AcceptMessage(ctx, reply); err != nil {
		return nil, err
	}
	body, _ := reply.Value.(map[string]any)
	results, ok := body["results"].([]any)
	if !ok {
		return nil, fmt.Errorf("no results: %v %v", reply.ApplicationProperties, reply.Value)
	}
	rows := make([]map[string]any, len(results))
	for i, result := range results {
		values, _ := result.([]any)
		rows[i] = map[string]any{}
		for j := range min(len(values), len(attributes)) {
			rows[i][attributes[j]] = values[j]
		}
	}
	return rows, nil
}

// NextHop returns the router to which a router sends what is for another; that one itself if they are neighbors.
func (l *Lab) NextHop(ctx context.Context, from, to string) (string, error) {
	rows, err := l.Query(ctx, from, "router.node", "id", "nextHop")
	if err != nil {
		return "", err
	}
	for _, row := range rows {
		if row["id"] == to {
			hop, _ := row["nextHop"].(string)
			if hop == "" || hop == "(self)" {
				hop = to
			}
			return hop, nil
		}
	}
	return "", fmt.Errorf("router %s does not know router %s", from, to)
}

// Present is the part of the topology that there is at the moment: the routers that run and do not stand still, and the
// links that are up.
func (l *Lab) Present() *topologies.Topology {
	present := &topologies.Topology{Name: l.Topology.Name}
	for _, r := range l.Topology.Routers {
		if p := l.routers[r.ID].process; p != nil && p.running() && !p.stopped && !p.killed {
			present.Routers = append(present.Routers, r)
		}
	}
	for _, k := range l.links {
		_, a := present.Router(k.A)
		_, b := present.Router(k.B)
		dead := k.wire != nil && k.wire.conditions.Load().BlackHole
		if a && b && !k.down && !dead {
			present.Links = append(present.Links, k.Link)
		}
	}
	return present
}

// Converge waits until every router that is present knows the cheapest path to every other one that can be reached, and
// no path to any that cannot.
func (l *Lab) Converge(ctx context.Context) error {
	present := l.Present()
	for _, r := range present.Routers {
		if err := l.AwaitCosts(ctx, r.ID, present.Costs(r.ID)); err != nil {
			return err
		}
	}
	return nil
}

// AwaitCosts waits until a router knows paths of these costs to other routers, and to no more.
func (l *Lab) AwaitCosts(ctx context.Context, id string, want map[string]int) error {
	return l.await(ctx, id, func() error {
		rows, err := l.Query(ctx, id, "router.node", "id", "cost")
		if err != nil {
			return err
		}
		known := map[string]int{}
		for _, row := range rows {
			if other, _ := row["id"].(string); other != id {
				if cost := integer(row["cost"]); cost > 0 {
					known[other] = cost
				}
			}
		}
		if !reflect.DeepEqual(known, want) {
			return fmt.Errorf("knows paths of the costs %v, not %v", known, want)
		}
		return nil
	})
}

// AwaitConsumers waits until a router knows so many local consumers of an address, and so many other routers that have
// some.
func (l *Lab) AwaitConsumers(ctx context.Context, id, address string, local, remote int) error {
	return l.await(ctx, id, func() error {
		rows, err := l.Query(ctx, id, "router.address", "key", "subscriberCount", "remoteCount")
		if err != nil {
			return err
		}
		for _, row := range rows {
			if name, ok := strings.CutPrefix(fmt.Sprint(row["key"]), "M0"); ok && name == address {
				if integer(row["subscriberCount"]) == local && integer(row["remoteCount"]) == remote {
					return nil
				}
				return fmt.Errorf("%v instead of %d local consumers and %d routers that have some", row, local, remote)
			}
		}
		if local+remote == 0 {
			return nil
		}
		return fmt.Errorf("does not know the address %s", address)
	})
}

// await asks a router until the answer is right.
func (l *Lab) await(ctx context.Context, id string, ask func() error) error {
	tick := time.NewTicker(pollPeriod)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
				err = errors.New("no answer")
			}
			return fmt.Errorf("router %s: %w\n%s", id, err, l.Log(id))
		}
	}
}

// pollPeriod is the time between two questions to a router's management.
const pollPeriod = 10 * time.Millisecond

// integer returns an AMQP integer of any width, or -1 for anything else.
func integer(v any) int {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return int(r.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return int(r.Uint())
	}
	return -1
}
