package main

import (
	"cmp"
	"context"
	"slices"
)

// meshView is the mesh as the management nodes of its routers describe it.
type meshView struct {
	Router  string       `json:"router"` // the router that was asked; costs are from here
	Routers []meshRouter `json:"routers"`
	Links   []meshLink   `json:"links"`
}

// meshRouter is one router of the mesh.
type meshRouter struct {
	ID      string `json:"id"`
	Mode    string `json:"mode,omitempty"` // "" if it did not answer
	Version string `json:"version,omitempty"`
	Cost    int    `json:"cost"`              // of the path to it, of an edge router that to its interior router
	NextHop string `json:"nextHop,omitempty"` // neighbor on the way to it; "" for the router asked and for edge routers
	Parent  string `json:"parent,omitempty"`  // router before it on the path
	Clients int    `json:"clients"`           // connections of clients, without the one that asks
	Problem string `json:"problem,omitempty"` // why nothing is known of it but its id
}

// meshLink joins two routers. The ends are in alphabetical order.
type meshLink struct {
	A    string `json:"a"`
	B    string `json:"b"`
	Cost int    `json:"cost"`
	Edge bool   `json:"edge,omitempty"` // uplink of the edge router B
}

// askMesh asks the router at the other end of the connection for the routers it knows, and each of these for itself and
// its connections. A router that does not answer is shown with the reason.
func askMesh(ctx context.Context, m *managementClient) (*meshView, error) {
	self, err := m.query(ctx, managementHere, "router", "id", "mode", "version")
	if err != nil {
		return nil, err
	}
	if len(self) == 0 {
		return &meshView{}, nil
	}
	v := &meshView{Router: asString(self[0]["id"])}
	nodes, err := m.query(ctx, managementHere, "router.node", "id", "cost", "nextHop", "linkState")
	if err != nil {
		return nil, err
	}
	v.addNodes(nodes)
	if v.find(v.Router) == nil { // a standalone or edge router knows of no nodes
		v.Routers = append(v.Routers, meshRouter{ID: v.Router})
	}
	for _, r := range slices.Clone(v.Routers) {
		if r.Problem != "" {
			continue
		}
		node := managementOf(r.ID)
		if r.ID == v.Router {
			node = managementHere
		}
		edges := v.describe(ctx, m, r.ID, node)
		for _, edge := range edges {
			v.Routers = append(v.Routers, meshRouter{ID: edge, Parent: r.ID, Cost: r.Cost})
			v.Links = append(v.Links, meshLink{A: r.ID, B: edge, Cost: 1, Edge: true})
			v.describe(ctx, m, edge, managementOfEdge(edge))
		}
	}
	if r := v.find(v.Router); r.Clients > 0 {
		r.Clients-- // this one
	}
	v.sort()
	v.findParents()
	return v, ctx.Err()
}

// addNodes takes over the answer about router.node.
func (v *meshView) addNodes(nodes []map[string]any) {
	for _, n := range nodes {
		r := meshRouter{ID: asString(n["id"]), Cost: asInt(n["cost"]), NextHop: asString(n["nextHop"])}
		if r.ID == v.Router {
			r.NextHop = ""
		} else if r.NextHop == "" || r.NextHop == "(self)" {
			r.NextHop = r.ID // a neighbor
		}
		if r.ID != v.Router && r.Cost == 0 { // what it has said last does not hold any more
			r.NextHop, r.Problem = r.ID, noWay
			v.Routers = append(v.Routers, r)
			continue
		}
		v.Routers = append(v.Routers, r)
		for _, neighbor := range asStrings(n["linkState"]) {
			v.link(r.ID, neighbor)
		}
	}
}

// noWay is the problem of a router that died, or that is in another part of the mesh.
const noWay = "no way to it"

// link returns the link between two routers, which it makes if need be.
func (v *meshView) link(a, b string) *meshLink {
	a, b = min(a, b), max(a, b)
	for i := range v.Links {
		if l := &v.Links[i]; l.A == a && l.B == b {
			return l
		}
	}
	v.Links = append(v.Links, meshLink{A: a, B: b, Cost: 1})
	return &v.Links[len(v.Links)-1]
}

// find returns the router with the given id, nil if there is none.
func (v *meshView) find(id string) *meshRouter {
	for i := range v.Routers {
		if v.Routers[i].ID == id {
			return &v.Routers[i]
		}
	}
	return nil
}

// describe asks a router about itself and its connections, and returns the edge routers connected to it. The cost of a
// link is the larger of those its two ends tell each other when they open the connection.
func (v *meshView) describe(ctx context.Context, m *managementClient, id, node string) (edges []string) {
	r := v.find(id)
	self, err := m.query(ctx, node, "router", "mode", "version")
	if err != nil || len(self) == 0 {
		r.Problem = "no answer"
		if err != nil {
			r.Problem = err.Error()
		}
		return nil
	}
	r.Mode, r.Version = asString(self[0]["mode"]), asString(self[0]["version"])
	connections, err := m.query(ctx, node, "connection", "container", "role", "dir", "properties")
	if err != nil {
		r.Problem = err.Error()
		return nil
	}
	for _, c := range connections {
		peer := asString(c["container"])
		switch role := asString(c["role"]); {
		case role == "normal" && asString(c["dir"]) == "in":
			r.Clients++
		case role == "inter-router" && v.find(peer) != nil:
			l := v.link(id, peer)
			l.Cost = max(l.Cost, asInt(asMap(c["properties"])["qd.inter-router-cost"]))
		case role == "edge" && asString(c["dir"]) == "in" && v.find(peer) == nil:
			edges = append(edges, peer)
		}
	}
	return edges
}

// sort brings routers and links into a fixed order.
func (v *meshView) sort() {
	slices.SortFunc(v.Routers, func(a, b meshRouter) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(v.Links, func(a, b meshLink) int { return cmp.Or(cmp.Compare(a.A, b.A), cmp.Compare(a.B, b.B)) })
}

// findParents finds, for every router, the one before it on the path from the router that was asked: a neighbor with
// the same next hop whose cost and that of the link add up. The next hop itself will do where the costs do not.
func (v *meshView) findParents() {
	for i := range v.Routers {
		r := &v.Routers[i]
		if r.ID == v.Router || r.Parent != "" {
			continue
		}
		if r.Parent = v.Router; r.NextHop != r.ID && v.find(r.NextHop) != nil {
			r.Parent = r.NextHop
		}
		for _, l := range v.Links {
			other := l.A
			if other == r.ID {
				other = l.B
			} else if l.B != r.ID {
				continue
			}
			p := v.find(other)
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
func (v *meshView) onPath(l meshLink) bool {
	a, b := v.find(l.A), v.find(l.B)
	return a != nil && a.Parent == l.B || b != nil && b.Parent == l.A
}
