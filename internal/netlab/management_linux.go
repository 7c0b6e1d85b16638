package netlab

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/postroad/postroad/internal/lab"
	"github.com/postroad/postroad/topologies"
)

// Query asks a router for the entities of a type, "router.node" for example, and returns the attributes named of each.
func (l *Lab) Query(ctx context.Context, id, entityType string, attributes ...string) ([]map[string]any, error) {
	return l.network.Router(id).Query(ctx, entityType, attributes...)
}

// NextHop returns the router to which a router sends what is for another; that one itself if they are neighbors.
func (l *Lab) NextHop(ctx context.Context, from, to string) (string, error) {
	return l.network.Router(from).NextHop(ctx, to)
}

// Present is the part of the topology that there is at the moment: the routers that run and do not stand still, and the
// links that are up.
func (l *Lab) Present() *topologies.Topology {
	present := &topologies.Topology{Name: l.Topology.Name}
	for _, r := range l.Topology.Routers {
		if l.network.Up(r.ID) {
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
		known, err := l.network.Router(id).Costs(ctx)
		if err == nil && !maps.Equal(known, want) {
			err = fmt.Errorf("knows paths of the costs %v, not %v", known, want)
		}
		return err
	})
}

// await asks a router until the answer is right.
func (l *Lab) await(ctx context.Context, id string, ask func() error) error {
	if err := lab.Poll(ctx, pollPeriod, ask); err != nil {
		return fmt.Errorf("router %s: %w\n%s", id, err, l.network.Router(id).Log(lab.Brief))
	}
	return nil
}

// pollPeriod is the time between two questions to a router's management.
const pollPeriod = 10 * time.Millisecond
