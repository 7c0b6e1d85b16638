package contract

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/postroad/postroad/internal/foreign"
)

// Network is a running network of router processes.
type Network struct {
	Plan    Plan
	system  System
	dir     string
	routers map[string]*Router
	proxies map[string]*proxy // by the name of the join
}

// Router is one router of a network.
type Router struct {
	ID               string
	Clients, Routers int // ports
	process          *process
	down             bool // killed or stopped on purpose
}

// startAttempts is how often a network is started when a router ends at its start: somebody else may have taken a port
// that was free a moment before.
const startAttempts = 3

// Start starts the routers of a plan, all at once, and waits until each has a path to each other one. The network is
// the caller's to end.
func Start(s System, p Plan) (n *Network, err error) {
	for range startAttempts {
		if n, err = start(s, p); !errors.Is(err, errEnded) {
			break
		}
	}
	return n, err
}

func start(s System, p Plan) (*Network, error) {
	dir, err := os.MkdirTemp("", "postroad-contract-")
	if err != nil {
		return nil, err
	}
	n := &Network{Plan: p, system: s, dir: dir, routers: make(map[string]*Router), proxies: make(map[string]*proxy)}
	for _, id := range p.Routers {
		n.routers[id] = &Router{ID: id, Clients: freePort(), Routers: freePort()}
	}
	for _, j := range p.Links {
		if j.Through {
			if n.proxies[j.name()], err = newProxy(n.routers[j.To].Routers); err != nil {
				return nil, errors.Join(err, n.End())
			}
		}
	}
	results := make(chan error)
	for _, r := range n.routers {
		go func() { results <- n.launch(r) }()
	}
	var errs []error
	for range n.routers {
		errs = append(errs, <-results)
	}
	err = errors.Join(errs...)
	if err == nil {
		err = n.Converge()
	}
	if err != nil {
		return nil, errors.Join(err, n.End())
	}
	return n, nil
}

// launch starts one router.
func (n *Network) launch(r *Router) (err error) {
	ports := []int{r.Clients}
	if len(n.routers) > 1 {
		ports = append(ports, r.Routers)
	}
	r.process, err = startProcess(n.system, &n.Plan, n.dir, r.ID, n.system.Configuration(n, r), ports...)
	r.down = err != nil
	return err
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
			list = append(list, url(n.routers[id].Clients))
		}
	}
	return list
}

// First is the router where senders are, Last the one where consumers are.
func (n *Network) First() string { return n.Plan.Routers[0] }

// Last is the router where consumers are.
func (n *Network) Last() string { return n.Plan.Routers[len(n.Plan.Routers)-1] }

// URL returns the address of a router's listener for clients.
func (n *Network) URL(id string) string { return url(n.routers[id].Clients) }

// Kill ends a router as kill -9 does.
func (n *Network) Kill(id string) {
	n.routers[id].down = true
	n.routers[id].process.kill()
}

// Terminate asks a router to end, as an operator does, and does not wait for it.
func (n *Network) Terminate(id string) error {
	n.routers[id].down = true
	return n.routers[id].process.signal(syscall.SIGTERM)
}

// AwaitEnd waits until a router that was asked to has ended, and reports another exit code than 0.
func (n *Network) AwaitEnd(id string) error { return n.routers[id].process.awaitEnd() }

// Suspend stops a router's process with SIGSTOP and waits until it stands still. It is silent then, and keeps its
// connections.
func (n *Network) Suspend(id string) error {
	p := n.routers[id].process
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	var status syscall.WaitStatus
	for {
		switch _, err := syscall.Wait4(p.cmd.Process.Pid, &status, syscall.WUNTRACED, nil); {
		case err == syscall.EINTR:
		case err != nil:
			return err
		case !status.Stopped():
			return fmt.Errorf("router %s ended instead of standing still", id)
		default:
			return nil
		}
	}
}

// Restart starts a router again that was killed, with the same configuration.
func (n *Network) Restart(id string) error { return n.launch(n.routers[id]) }

// Cut closes what leads through a join's proxy, and lets nothing through any more.
func (n *Network) Cut(join string) { n.proxies[join].cut() }

// Mend lets a join's proxy work again.
func (n *Network) Mend(join string) { n.proxies[join].mend() }

// End stops the routers that were not killed as an operator does, and removes the network's files. It reports routers
// that had ended by themselves, did not end, or had another exit code than 0.
func (n *Network) End() error {
	var errs []error
	results := make(chan error, len(n.routers))
	for id, r := range n.routers {
		if r.process == nil || r.down {
			results <- nil
			continue
		}
		go func() {
			err := r.process.stop()
			if err != nil {
				err = fmt.Errorf("router %s: %w\n%s", id, err, r.process.log.tail())
			}
			results <- err
		}()
	}
	for range n.routers {
		errs = append(errs, <-results)
	}
	for _, p := range n.proxies {
		p.end()
	}
	return errors.Join(append(errs, os.RemoveAll(n.dir))...)
}

// Explain returns the ends of the routers' logs.
func (n *Network) Explain() string {
	text := ""
	for _, id := range n.Plan.Routers {
		if r := n.routers[id]; r.process != nil {
			text += fmt.Sprintf("router %s, end of log:\n%s\n", id, r.process.log.tail())
		}
	}
	return text
}

// The entity types of Interconnect's management which the suite asks for.
const (
	routerType  = "org.apache.qpid.dispatch.router"
	nodeType    = "org.apache.qpid.dispatch.router.node"
	addressType = "org.apache.qpid.dispatch.router.address"
	linkType    = "org.apache.qpid.dispatch.router.link"
)

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
		if p := n.proxies[j.name()]; !n.routers[j.From].down && !n.routers[j.To].down && (p == nil || !p.isCut()) {
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
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	var up []string
	for _, id := range n.Plan.Routers {
		if !n.routers[id].down {
			up = append(up, id)
		}
	}
	if len(up) == 1 {
		return nil
	}
	want := n.costs()
	origins := n.origins(want)
	for _, id := range up {
		err := poll(ctx, func() error {
			nodes, err := foreign.Query(ctx, n.URL(id), nodeType, "id", "cost", "validOrigins")
			if err != nil {
				return err
			}
			costs := make(map[string]int)
			for _, node := range nodes {
				other := fmt.Sprint(node["id"])
				costs[other] = number(node["cost"])
				list, _ := node["validOrigins"].([]any)
				var known []string
				for _, o := range list {
					known = append(known, fmt.Sprint(o))
				}
				slices.Sort(known)
				at := [2]string{id, other}
				if _, reachable := want[at]; reachable && !slices.Equal(known, origins[at]) {
					return fmt.Errorf("takes messages for %s from %v, not from %v", other, known, origins[at])
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
			return fmt.Errorf("router %s: %w\n%s", id, err, n.routers[id].process.log.tail())
		}
	}
	return nil
}

// pollPeriod is the time between two questions to a router's management.
const pollPeriod = 20 * time.Millisecond

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

// number returns an AMQP integer of any width, or -1 for anything else.
func number(v any) int {
	switch n := v.(type) {
	case int8:
		return int(n)
	case uint8:
		return int(n)
	case int16:
		return int(n)
	case uint16:
		return int(n)
	case int32:
		return int(n)
	case uint32:
		return int(n)
	case int64:
		return int(n)
	case uint64:
		return int(n)
	}
	return -1
}
