package meshview

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postroad/postroad/internal/goamqp"
	"github.com/postroad/postroad/internal/management/client"
)

// View is the mesh as the management nodes of its routers describe it.
type View struct {
	Router  string   `json:"router"` // the router that was asked; costs are from here
	Routers []Router `json:"routers"`
	Links   []Link   `json:"links"`
	Gone    []Gone   `json:"unreachable,omitempty"`
}

// Gone is a router that is known, and to which there is no way: it has died, or is in another part of the mesh. It
// is no part of the picture, and is forgotten after a minute.
type Gone struct {
	ID string `json:"id"`
	// Heard is the time in seconds since something came from it, nil if it is not known. Of a router that does well
	// something comes every half a minute.
	Heard *int `json:"lastHeardSeconds,omitempty"`
}

// Router is one router of the mesh.
type Router struct {
	ID      string `json:"id"`
	Mode    string `json:"mode,omitempty"` // "" if it did not answer
	Version string `json:"version,omitempty"`
	Cost    int    `json:"cost"`              // of the path to it, of an edge router that to its interior router
	NextHop string `json:"nextHop,omitempty"` // neighbor on the way to it; "" for the router asked and for edge routers
	Parent  string `json:"parent,omitempty"`  // router before it on the path
	Clients int    `json:"clients"`           // connections of clients, without the one that asks
	Problem string `json:"problem,omitempty"` // why nothing is known of it but its id
}

// Link joins two routers. The ends are in alphabetical order.
type Link struct {
	A    string `json:"a"`
	B    string `json:"b"`
	Cost int    `json:"cost"`
	Edge bool   `json:"edge,omitempty"` // uplink of the edge router B
}

// Ask asks the router at the other end of the connection for the routers it knows, and each of these for itself and
// its connections. A router that does not answer is shown with the reason, unless it has been lost meanwhile.
func Ask(ctx context.Context, m *client.Client) (*View, error) {
	const attempts = 3
	for attempt := 1; ; attempt++ {
		v, err := askOnce(ctx, m)
		if err != nil || attempt == attempts {
			return v, err
		}
		again, err := m.Query(ctx, client.Here, "router.node")
		if err != nil {
			return nil, err
		}
		if !v.isOutdated(again) {
			return v, nil
		}
	}
}

// isLost reports whether the router that was asked first knows of no way to another one any more.
func (v *View) isLost(ctx context.Context, m *client.Client, id string) bool {
	nodes, err := m.Query(ctx, client.Here, "router.node")
	if err != nil {
		return false
	}
	now := &View{Router: v.Router}
	now.AddNodes(nodes)
	return now.Find(id) == nil && !v.IsEdge(id)
}

// isOutdated reports whether a router did not answer that is not in a later answer about router.node any more.
func (v *View) isOutdated(nodes []map[string]any) bool {
	now := &View{Router: v.Router}
	now.AddNodes(nodes)
	return slices.ContainsFunc(v.Routers, func(r Router) bool {
		return r.Problem != "" && r.Parent != "" && now.Find(r.ID) == nil && !v.IsEdge(r.ID)
	})
}

// IsEdge reports whether a router is known as an edge router.
func (v *View) IsEdge(id string) bool {
	return slices.ContainsFunc(v.Links, func(l Link) bool { return l.Edge && l.B == id })
}

// askOnce asks everybody once.
func askOnce(ctx context.Context, m *client.Client) (*View, error) {
	self, err := m.Query(ctx, client.Here, "router", "id", "mode", "version")
	if err != nil {
		return nil, err
	}
	if len(self) == 0 {
		return &View{}, nil
	}
	v := &View{Router: goamqp.String(self[0]["id"]), Links: []Link{}}
	nodes, err := m.Query(ctx, client.Here, "router.node")
	if err != nil {
		return nil, err
	}
	v.AddNodes(nodes)
	if v.Find(v.Router) == nil { // a standalone or edge router knows of no nodes
		v.Routers = append(v.Routers, Router{ID: v.Router})
	}
	for _, r := range slices.Clone(v.Routers) {
		node := client.Of(r.ID)
		if r.ID == v.Router {
			node = client.Here
		}
		edges := v.describe(ctx, m, r.ID, node)
		for _, edge := range edges {
			v.Routers = append(v.Routers, Router{ID: edge, Parent: r.ID, Cost: r.Cost})
			v.Links = append(v.Links, Link{A: r.ID, B: edge, Cost: 1, Edge: true})
			v.describe(ctx, m, edge, client.OfEdge(edge))
		}
	}
	if r := v.Find(v.Router); r.Clients > 0 {
		r.Clients-- // this one
	}
	v.sort()
	v.findParents()
	return v, ctx.Err()
}

// AddNodes takes over the answer about router.node. There is a link where both routers say so, as for the paths: one that
// has died does not take back what it has said last.
func (v *View) AddNodes(nodes []map[string]any) {
	neighbors := make(map[string][]string)
	for _, n := range nodes {
		r := Router{ID: goamqp.String(n["id"]), Cost: goamqp.Int(n["cost"]), NextHop: goamqp.String(n["nextHop"])}
		if r.ID == v.Router {
			r.NextHop = ""
		} else if r.NextHop == "" || r.NextHop == "(self)" {
			r.NextHop = r.ID // a neighbor
		}
		if r.ID != v.Router && r.Cost == 0 && goamqp.String(n["nextHop"]) != "(self)" {
			if len(goamqp.Strings(n["linkState"])) == 0 {
				continue // it has said itself that it has no neighbors any more: it has left by will
			}
			gone := Gone{ID: r.ID}
			if heard := n["lastHeardSeconds"]; heard != nil {
				gone.Heard = new(int)
				*gone.Heard = goamqp.Int(heard)
			}
			v.Gone = append(v.Gone, gone)
			continue
		}
		v.Routers = append(v.Routers, r)
		neighbors[r.ID] = goamqp.Strings(n["linkState"])
	}
	for _, r := range v.Routers {
		for _, id := range neighbors[r.ID] {
			if r.ID < id && slices.Contains(neighbors[id], r.ID) {
				v.Links = append(v.Links, Link{A: r.ID, B: id, Cost: 1})
			}
		}
	}
}

// Unknown is the error for a router that is not in the picture.
func (v *View) Unknown(id string) error {
	for _, g := range v.Gone {
		if g.ID == id {
			return fmt.Errorf("there is no way to router %s", g)
		}
	}
	ids := make([]string, len(v.Routers))
	for i, r := range v.Routers {
		ids[i] = r.ID
	}
	slices.Sort(ids)
	return fmt.Errorf("there is no router %q; there are %s", id, strings.Join(ids, ", "))
}

// String names the router, and when it was heard of last.
func (g Gone) String() string {
	if g.Heard == nil {
		return g.ID
	}
	return fmt.Sprintf("%s (last heard of %v ago)", g.ID, time.Duration(*g.Heard)*time.Second)
}

// link returns the link between two routers, nil if there is none.
func (v *View) link(a, b string) *Link {
	a, b = min(a, b), max(a, b)
	for i := range v.Links {
		if l := &v.Links[i]; l.A == a && l.B == b {
			return l
		}
	}
	return nil
}

// Find returns the router with the given id, nil if there is none.
func (v *View) Find(id string) *Router {
	for i := range v.Routers {
		if v.Routers[i].ID == id {
			return &v.Routers[i]
		}
	}
	return nil
}

// describe asks a router about itself and its connections, and returns the edge routers connected to it. The cost of a
// link is the larger of those its two ends tell each other when they open the connection.
func (v *View) describe(ctx context.Context, m *client.Client, id, node string) (edges []string) {
	r := v.Find(id)
	self, err := m.QuerySoon(ctx, node, "router", "mode", "version")
	if errors.Is(err, client.ErrNotSoon) && !v.isLost(ctx, m, id) { // it may be slow
		self, err = m.Query(ctx, node, "router", "mode", "version")
	}
	if err != nil || len(self) == 0 {
		r.Problem = "no answer"
		if err != nil {
			r.Problem = err.Error()
		}
		return nil
	}
	r.Mode, r.Version = goamqp.String(self[0]["mode"]), goamqp.String(self[0]["version"])
	connections, err := m.Query(ctx, node, "connection", "container", "role", "dir", "properties")
	if err != nil {
		r.Problem = err.Error()
		return nil
	}
	for _, c := range connections {
		peer := goamqp.String(c["container"])
		switch role := goamqp.String(c["role"]); {
		case role == "normal" && goamqp.String(c["dir"]) == "in":
			r.Clients++
		case role == "inter-router" && v.link(id, peer) != nil:
			l := v.link(id, peer)
			l.Cost = max(l.Cost, goamqp.Int(goamqp.Map(c["properties"])["qd.inter-router-cost"]))
		case role == "edge" && goamqp.String(c["dir"]) == "in" && v.Find(peer) == nil:
			edges = append(edges, peer)
		}
	}
	return edges
}

// sort brings routers and links into a fixed order.
func (v *View) sort() {
	slices.SortFunc(v.Routers, func(a, b Router) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(v.Gone, func(a, b Gone) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(v.Links, func(a, b Link) int { return cmp.Or(cmp.Compare(a.A, b.A), cmp.Compare(a.B, b.B)) })
}

// findParents finds, for every router, the one before it on the path from the router that was asked: a neighbor with
// the same next hop whose cost and that of the link add up. The next hop itself will do where the costs do not.
func (v *View) findParents() {
	for i := range v.Routers {
		r := &v.Routers[i]
		if r.ID == v.Router || r.Parent != "" {
			continue
		}
		if r.Parent = v.Router; r.NextHop != r.ID && v.Find(r.NextHop) != nil {
			r.Parent = r.NextHop
		}
		for _, l := range v.Links {
			other := l.A
			if other == r.ID {
				other = l.B
			} else if l.B != r.ID {
				continue
			}
			p := v.Find(other)
			if p == nil || l.Edge || p.Cost+l.Cost != r.Cost {
				continue
			}
			if p.NextHop == r.NextHop || p.ID == v.Router && r.NextHop == r.ID {
				r.Parent = p.ID
				break
			}
		}
	}
}

// onPath reports whether a link is part of the paths from the router that was asked.
func (v *View) onPath(l Link) bool {
	a, b := v.Find(l.A), v.Find(l.B)
	return a != nil && a.Parent == l.B || b != nil && b.Parent == l.A
}
