package route

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/mesh/spf"
)

// graph is a mesh of routers, each with its own tables for one address that has consumers at some of them.
type graph struct {
	nodes []*graphNode
}

type graphNode struct {
	*stage
	id        string
	neighbors map[int]*Neighbor // by the number of the router there
}

// drawGraph draws a connected mesh. With alternates, each hop knows all other neighbors as such.
func drawGraph(t *rapid.T, d addressing.Distribution, alternates bool) *graph {
	n := rapid.IntRange(2, 8).Draw(t, "routers")
	edges := make([][]spf.Edge, n)
	g := &graph{}
	for i := range n {
		node := &graphNode{stage: newStage(d), id: fmt.Sprint("R", i), neighbors: make(map[int]*Neighbor)}
		node.chooser.NodeName, node.chooser.Salt = addressing.NodeName(node.id), SaltOf(node.id)
		g.nodes = append(g.nodes, node)
	}
	connect := func(i, j int) {
		if g.nodes[i].neighbors[j] != nil {
			return
		}
		cost := rapid.IntRange(1, 3).Draw(t, "cost")
		edges[i], edges[j] = append(edges[i], spf.Edge{To: j, Cost: cost}), append(edges[j], spf.Edge{To: i, Cost: cost})
		g.nodes[i].neighbors[j], g.nodes[j].neighbors[i] = neighbor(g.nodes[j].id, 100), neighbor(g.nodes[i].id, 100)
	}
	for i := 1; i < n; i++ {
		connect(i, rapid.IntRange(0, i-1).Draw(t, "to"))
	}
	for range rapid.IntRange(0, 2*n).Draw(t, "more") {
		if i, j := rapid.IntRange(0, n-1).Draw(t, "i"), rapid.IntRange(0, n-1).Draw(t, "j"); i != j {
			connect(i, j)
		}
	}
	consumers := make([]int, n)
	for i := range consumers {
		consumers[i] = rapid.IntRange(0, 2).Draw(t, "consumers")
	}
	paths, err := spf.NewGraph(edges, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range g.nodes {
		g.route(paths, i, consumers, alternates)
	}
	return g
}

// route makes the tables of a router.
func (g *graph) route(paths *spf.Graph, self int, consumers []int, alternates bool) {
	node, tree, origins := g.nodes[self], paths.Tree(self), paths.ValidOrigins(self)
	next := tree.NextHops()
	for range consumers[self] {
		node.local(0, 100)
	}
	for j := range g.nodes {
		if j == self {
			continue
		}
		m := &Remote{Router: NewRouter(g.nodes[j].id, j)}
		h := &Hop{Next: node.neighbors[next[j]], Cost: tree.Cost[j], Hops: tree.Hops[j], Origins: origins[j]}
		for k := range g.nodes { // in a fixed order
			if other := node.neighbors[k]; alternates && other != nil && k != next[j] {
				h.Others = append(h.Others, other)
			}
		}
		m.Router.Hop.Store(h)
		node.chooser.Table.AddRouter(m.Router)
		if consumers[j] > 0 {
			node.routes.Remote = append(node.routes.Remote, m)
		}
	}
	node.address.Routes.Store(&node.routes)
}

// number is that of the router with an id.
func (g *graph) number(id string) int {
	return slices.IndexFunc(g.nodes, func(n *graphNode) bool { return n.id == id })
}

// passed is the envelope of a message that has passed routers, the first of which is its ingress router.
func (g *graph) passed(trace []int) *message.Envelope {
	e := &message.Envelope{HasRouter: len(trace) > 0}
	e.TraceCount = len(trace)
	for i, n := range trace {
		if i == 0 {
			e.Ingress = []byte(addressing.NodeName(g.nodes[n].id))
		}
		e.Trace = wire.AppendString(e.Trace, addressing.NodeName(g.nodes[n].id))
	}
	return e
}

// TestEachConsumerOfAMulticastGetsOneCopy sends a message from each router of random meshes.
func TestEachConsumerOfAMulticastGetsOneCopy(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := drawGraph(t, addressing.DistributionMulticast, false)
		for ingress := range g.nodes {
			got := make(map[*Consumer]int)
			var spread func(at int, trace []int)
			spread = func(at int, trace []int) {
				node := g.nodes[at]
				node.facts.E = g.passed(trace)
				given := make(map[*Neighbor]bool)
				for _, target := range node.choose() {
					if target.To == nil {
						got[target.Consumer]++
						continue
					}
					to := g.number(target.To.ID)
					if slices.Contains(trace, to) || to == at || given[target.To] {
						t.Fatalf("a message of %d goes from %d, after %v, to %d", ingress, at, trace, to)
					}
					given[target.To] = true
					spread(to, append(slices.Clone(trace), at))
				}
			}
			spread(ingress, nil)
			for i, node := range g.nodes {
				for _, c := range node.routes.Local {
					if got[c] != 1 {
						t.Fatalf("a message of %d comes to a consumer at %d %d times", ingress, i, got[c])
					}
				}
			}
		}
	})
}

// TestAMessageForOneGoesForwardOnly walks through random meshes of which connections are lost: never back to a router
// that the message has passed, and to no neighbor twice. Without losses, it arrives.
func TestAMessageForOneGoesForwardOnly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.SampledFrom([]addressing.Distribution{addressing.DistributionBalanced,
			addressing.DistributionClosest}).Draw(t, "distribution")
		g := drawGraph(t, d, true)
		lost := false
		for _, node := range g.nodes {
			for j := range g.nodes {
				if to := node.neighbors[j]; to != nil && rapid.IntRange(0, 9).Draw(t, "lost") == 0 {
					to.Gone.Store(true)
					lost = true
				}
			}
		}
		served := slices.ContainsFunc(g.nodes, func(n *graphNode) bool { return len(n.routes.Local) > 0 })
		at, trace := rapid.IntRange(0, len(g.nodes)-1).Draw(t, "ingress"), []int(nil)
		for {
			node := g.nodes[at]
			node.facts.E, node.facts.Tried = g.passed(trace), nil
			node.chooser.Begin(time.Time{})
			var to *Neighbor
			for { // each neighbor gives it back, but for the one it goes on by
				ts, _ := node.chooser.Choose(nil, &node.routes, &node.facts)
				if len(ts) > 1 {
					t.Fatalf("it goes to %d at once", len(ts))
				}
				if len(ts) == 0 || ts[0].To == nil {
					if len(ts) == 0 && served && !lost {
						t.Fatalf("at %d, after %v, there is nobody", at, trace)
					}
					return
				}
				to = ts[0].To
				if next := g.number(to.ID); to.Gone.Load() || next == at || slices.Contains(trace, next) {
					t.Fatalf("it goes from %d, after %v, to %s", at, trace, to.ID)
				}
				for _, before := range node.facts.Tried {
					if before.To == to {
						t.Fatalf("at %d, %s gets it a second time", at, to.ID)
					}
				}
				node.facts.Tried = append(node.facts.Tried, Tried{To: to})
				if rapid.Bool().Draw(t, "goes on") {
					break
				}
				lost = true // it goes where nobody may be
			}
			trace = append(trace, at)
			at = g.number(to.ID)
		}
	})
}
