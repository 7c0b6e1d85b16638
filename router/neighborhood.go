package router

import (
	"github.com/postroad/postroad/router/conn"
	"github.com/postroad/postroad/router/control"
	"github.com/postroad/postroad/router/discovery"
	"github.com/postroad/postroad/router/forwarding"
)

// links look at the links between routers.
type links struct {
	host    *conn.Host
	control *control.Control
}

// Neighborhood looks at the links.
func (r *links) Neighborhood() *discovery.Neighborhood {
	n := &discovery.Neighborhood{With: make(map[string][]discovery.Adjacency)}
	dialed := make(map[*forwarding.Endpoint]*conn.Connector)
	for _, c := range r.host.Conns() {
		dialed[c.E] = c.Connector
	}
	k := r.control
	k.Mu.Lock()
	defer k.Mu.Unlock()
	for _, l := range k.Mesh.Links() {
		c := k.Neighbors[l.Link]
		if c == nil {
			continue
		}
		a := discovery.Adjacency{Connector: dialed[c], Up: l.Up, Planned: forwarding.RemotePlanned(c.Peer.Open)}
		if a.Connector != nil {
			a.Planned = a.Connector.Guide != nil
		}
		peer := l.Router
		if peer == "" {
			peer = c.Near.ID
		}
		n.With[peer] = append(n.With[peer], a)
	}
	return n
}

// NeighborsOf are the routers that another one says it has for neighbors.
func (r *links) NeighborsOf(id string) map[string]bool {
	r.control.Mu.Lock()
	s, _ := r.control.Mesh.Router(id)
	r.control.Mu.Unlock()
	neighbors := make(map[string]bool, len(s.LinkState))
	for _, n := range s.LinkState {
		neighbors[n.ID] = true
	}
	return neighbors
}
