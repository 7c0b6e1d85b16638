package contract

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/postroad/postroad/internal/freeport"
	"github.com/postroad/postroad/internal/lab"
)

// Network is a running network of router processes.
type Network struct {
	*lab.Network
	Plan    Plan
	system  System
	routers map[string]*Router
	proxies map[string]*proxy // by the name of the join
}

// Router is one router of a network.
type Router struct {
	ID               string
	Clients, Routers int // ports
}

// startAttempts is how often a network is started when a router ends at its start: somebody else may have taken a port
// that was free a moment before.
const startAttempts = 3

// convergeLimit bounds the time until all routers of a network know the paths.
const convergeLimit = 30 * time.Second

// Start starts the routers of a plan, all at once, and waits until each has a path to each other one. The network is
// the caller's to end.
func Start(s System, p Plan) (n *Network, err error) {
	for range startAttempts {
		if n, err = start(s, p); !errors.Is(err, lab.ErrEnded) {
			break
		}
	}
	return n, err
}

func start(s System, p Plan) (n *Network, err error) {
	n = &Network{Plan: p, system: s, routers: make(map[string]*Router), proxies: make(map[string]*proxy)}
	if n.Network, err = lab.NewNetwork(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close(), n.endProxies())
			n = nil
		}
	}()
	if err := n.place(); err != nil {
		return n, err
	}
	program, err := s.Program()
	if err != nil {
		return n, err
	}
	var specs []lab.Spec
	for _, id := range p.Routers {
		r := n.routers[id]
		spec := lab.Spec{ID: id, Program: program, Configuration: s.Configuration(n, r), Environment: s.Environment(&p),
			Ports: []int{r.Clients}, Clients: r.Clients}
		if len(p.Routers) > 1 {
			spec.Ports = append(spec.Ports, r.Routers)
		}
		specs = append(specs, spec)
	}
	if err := n.Start(specs...); err != nil {
		return n, err
	}
	return n, n.Converge()
}

// place chooses the ports of the routers, and starts the proxies between them.
func (n *Network) place() error {
	for _, id := range n.Plan.Routers {
		ports, err := freeport.Several(2)
		if err != nil {
			return err
		}
		n.routers[id] = &Router{ID: id, Clients: ports[0], Routers: ports[1]}
	}
	for _, j := range n.Plan.Links {
		if j.Through {
			var err error
			if n.proxies[j.name()], err = newProxy(n.routers[j.To].Routers); err != nil {
				return err
			}
		}
	}
	return nil
}

// joins returns the connections that a router opens.
func (n *Network) joins(r *Router) (list []Join) {
	for _, j := range n.Plan.Links {
		if j.From == r.ID {
			list = append(list, j)
		}
	}
	return list
}

// port returns where a join leads: to the other router, or to the proxy in between.
func (n *Network) port(j Join) int {
	if p := n.proxies[j.name()]; p != nil {
		return p.port
	}
	return n.routers[j.To].Routers
}

// others returns the listeners for clients of the other routers, or of the router itself when it is alone.
func (n *Network) others(r *Router) (list []string) {
	for _, id := range n.Plan.Routers {
		if id != r.ID || len(n.Plan.Routers) == 1 {
			list = append(list, lab.URL(n.routers[id].Clients))
		}
	}
	return list
}

// First is the router where senders are, Last the one where consumers are.
func (n *Network) First() string { return n.Plan.Routers[0] }

// Last is the router where consumers are.
func (n *Network) Last() string { return n.Plan.Routers[len(n.Plan.Routers)-1] }

// URL returns the address of a router's listener for clients.
func (n *Network) URL(id string) string { return lab.URL(n.routers[id].Clients) }

// Cut closes what leads through a join's proxy, and lets nothing through any more.
func (n *Network) Cut(join string) { n.proxies[join].cut() }

// Mend lets a join's proxy work again.
func (n *Network) Mend(join string) { n.proxies[join].mend() }

// End stops the routers that were not killed as an operator does, and removes the network's files. It reports routers
// that had ended by themselves, did not end, or had another exit status than 0.
func (n *Network) End() error { return errors.Join(n.Stop(), n.endProxies()) }

func (n *Network) endProxies() error {
	for _, p := range n.proxies {
		if p != nil {
			p.end()
		}
	}
	return nil
}

// costs returns the cost of the cheapest path between any two routers, over the joins that are not cut and the routers
// that are up.
func (n *Network) costs() map[[2]string]int {
	costs := make(map[[2]string]int)
	better := func(a, b string, cost int) {
		if old, known := costs[[2]string{a, b}]; !known || cost < old {
			costs[[2]string{a, b}], costs[[2]string{b, a}] = cost, cost
		}
	}
	for _, j := range n.Plan.Links {
		if p := n.proxies[j.name()]; n.Up(j.From) && n.Up(j.To) && (p == nil || !p.isCut()) {
			better(j.From, j.To, max(j.Cost, 1))
		}
	}
	for _, by := range n.Plan.Routers {
		for _, a := range n.Plan.Routers {
			for _, b := range n.Plan.Routers {
				first, one := costs[[2]string{a, by}]
				second, two := costs[[2]string{by, b}]
				if a != b && one && two {
					better(a, b, first+second)
				}
			}
		}
	}
	return costs
}

// origins are the routers whose cheapest path to a router leads through another one, by those two.
func (n *Network) origins(costs map[[2]string]int) map[[2]string][]string {
	origins := make(map[[2]string][]string)
	for pair, cost := range costs {
		for _, by := range n.Plan.Routers {
			first, one := costs[[2]string{pair[0], by}]
			second, two := costs[[2]string{by, pair[1]}]
			if one && two && first+second == cost {
				at := [2]string{by, pair[1]}
				origins[at] = append(origins[at], pair[0])
				slices.Sort(origins[at])
			}
		}
	}
	return origins
}

// Converge waits until every router that is up has the cheapest path to every other one that it can reach, and knows
// whose messages come through it on their cheapest path.
func (n *Network) Converge() error {
	ctx, cancel := context.WithTimeout(context.Background(), convergeLimit)
	defer cancel()
	var up []string
	for _, id := range n.Plan.Routers {
		if n.Up(id) {
			up = append(up, id)
		}
	}
	if len(up) == 1 {
		return nil
	}
	want := n.costs()
	origins := n.origins(want)
	for _, id := range up {
		err := lab.Poll(ctx, pollPeriod, func() error {
			nodes, err := n.Router(id).Nodes(ctx)
			if err != nil {
				return err
			}
			costs := make(map[string]int)
			for _, node := range nodes {
				costs[node.ID] = node.Cost
				at := [2]string{id, node.ID}
				if _, reachable := want[at]; reachable && !slices.Equal(node.Origins, origins[at]) {
					return fmt.Errorf("takes messages for %s from %v, not from %v", node.ID, node.Origins, origins[at])
				}
			}
			for _, other := range up {
				if cost, reachable := want[[2]string{id, other}]; reachable && costs[other] != cost {
					return fmt.Errorf("has not the path of cost %d to %s: %v", cost, other, costs)
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("router %s: %w\n%s", id, err, n.Logs(lab.Brief))
		}
	}
	return nil
}

// pollPeriod is the time between two questions to a router's management.
const pollPeriod = 20 * time.Millisecond
