package show

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroad/postroad/cmd/postroad/connect"
	"github.com/postroad/postroad/cmd/postroad/meshview"
	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/goamqp"
	"github.com/postroad/postroad/internal/management/client"
	"github.com/postroad/postroad/mesh/spf"
	"github.com/postroad/postroad/topologies"
)

// graph is the network of the interior routers, for questions about paths.
type graph struct {
	ids       []string // in ascending order: the numbers of the nodes
	sites     []string // "" where none is known
	links     []meshview.Link
	graph     *spf.Graph
	consumers map[string][]int // by address: the routers that have consumers of it
	gone      []meshview.Gone  // known, and to which there is no way
}

// newGraph makes the graph of some routers and the links between them.
func newGraph(ids []string, links []meshview.Link) (*graph, error) {
	g := &graph{ids: slices.Sorted(slices.Values(ids)), links: links, consumers: make(map[string][]int)}
	g.sites = make([]string, len(g.ids))
	edges := make([][]spf.Edge, len(g.ids))
	for _, l := range links {
		a, err := g.number(l.A)
		if err != nil {
			return nil, err
		}
		b, err := g.number(l.B)
		if err != nil {
			return nil, err
		}
		edges[a] = append(edges[a], spf.Edge{To: b, Cost: l.Cost})
		edges[b] = append(edges[b], spf.Edge{To: a, Cost: l.Cost})
	}
	var err error
	g.graph, err = spf.NewGraph(edges, nil)
	return g, err
}

// number returns the node of a router.
func (g *graph) number(id string) (int, error) {
	if i, ok := slices.BinarySearch(g.ids, id); ok {
		return i, nil
	}
	for _, r := range g.gone {
		if r.ID == id {
			return 0, fmt.Errorf("there is no way to router %s", r)
		}
	}
	return 0, fmt.Errorf("there is no interior router %q; there are %s", id, strings.Join(g.ids, ", "))
}

// names returns the ids of nodes.
func (g *graph) names(nodes []int) []string {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = g.ids[n]
	}
	return names
}

// addConsumer notes that an address has consumers at a router.
func (g *graph) addConsumer(address string, node int) {
	if !slices.Contains(g.consumers[address], node) {
		g.consumers[address] = append(g.consumers[address], node)
	}
}

// interior returns the part of a mesh that consists of interior routers.
func interior(v *meshview.View) (*graph, error) {
	var links []meshview.Link
	for _, l := range v.Links {
		if !l.Edge {
			links = append(links, l)
		}
	}
	var ids []string
	for _, r := range v.Routers {
		if !v.IsEdge(r.ID) {
			ids = append(ids, r.ID)
		}
	}
	g, err := newGraph(ids, links)
	if err == nil {
		g.gone = v.Gone
	}
	return g, err
}

// ofTopology is the graph that a topology describes, with its clients' addresses.
func ofTopology(t *topologies.Topology) (*graph, error) {
	interior := func(id string) bool {
		r, _ := t.Router(id)
		return r.Mode == config.ModeInterior
	}
	var ids []string
	for _, r := range t.Routers {
		if r.Mode == config.ModeInterior {
			ids = append(ids, r.ID)
		}
	}
	var links []meshview.Link
	for _, l := range t.Links {
		if interior(l.A) && interior(l.B) {
			links = append(links, meshview.Link{A: min(l.A, l.B), B: max(l.A, l.B), Cost: l.Cost})
		}
	}
	g, err := newGraph(ids, links)
	if err != nil {
		return nil, err
	}
	for _, r := range t.Routers {
		if n, err := g.number(r.ID); err == nil {
			g.sites[n] = r.Site
		}
	}
	for _, c := range t.Clients {
		if n, err := g.number(c.Router); err == nil && c.Receives != "" {
			g.addConsumer(c.Receives, n)
		}
	}
	return g, nil
}

// source is where a command takes the mesh from: a router, or a topology file.
type source struct {
	client   connect.Flags
	topology string
	timeout  time.Duration
}

func (s *source) register(cmd *cobra.Command) {
	s.client.Register(cmd)
	fs := cmd.Flags()
	fs.StringVar(&s.topology, "topology", "",
		"take the mesh from a topology instead of asking routers: a file, or "+strings.Join(topologies.Names(), ", "))
	fs.DurationVar(&s.timeout, "timeout", 5*time.Second, "longest time to wait for each answer")
}

// load returns the mesh, with the addresses and their consumers if they are wanted.
func (s *source) load(ctx context.Context, addresses bool) (*graph, error) {
	if s.topology != "" {
		t, err := anyTopology(s.topology)
		if err != nil {
			return nil, err
		}
		return ofTopology(t)
	}
	asker := asker{flags: &s.client, timeout: s.timeout}
	defer asker.close()
	v, err := asker.ask(ctx)
	if err != nil {
		return nil, err
	}
	g, err := interior(v)
	if err != nil || !addresses {
		return g, err
	}
	for i, id := range g.ids {
		rows, err := asker.m.Query(ctx, client.Of(id), "router.address", "name", "subscriberCount")
		if err != nil {
			continue // topology says why; what it has is not counted
		}
		for _, row := range rows {
			address, mobile := mobileAddress(goamqp.String(row["name"]))
			if mobile && goamqp.Int(row["subscriberCount"]) > 0 {
				g.addConsumer(address, i)
			}
		}
	}
	return g, nil
}

// mobileAddress returns the text of the key of an address that clients share, without the phase.
func mobileAddress(key string) (text string, ok bool) {
	if len(key) < 3 || key[0] != 'M' || strings.HasPrefix(key[2:], "$") || strings.HasPrefix(key[2:], "_") {
		return "", false
	}
	return key[2:], true
}

// anyTopology returns the topology of a name or a file.
func anyTopology(name string) (*topologies.Topology, error) {
	if slices.Contains(topologies.Names(), name) {
		return topologies.Named(name)
	}
	return topologies.Load(name)
}
