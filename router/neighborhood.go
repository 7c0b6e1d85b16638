package router

// links look at the links between routers.
type links struct {
	host    *host
	control *control
}

// neighborhood looks at the links.
func (r *links) neighborhood() *neighborhood {
	n := &neighborhood{with: make(map[string][]adjacency)}
	dialed := make(map[*Endpoint]*connector)
	for _, c := range r.host.conns() {
		dialed[c.e] = c.connector
	}
	k := r.control
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, l := range k.mesh.Links() {
		c := k.neighbors[l.Link]
		if c == nil {
			continue
		}
		a := adjacency{connector: dialed[c], up: l.Up, planned: remotePlanned(c.peer.open)}
		if a.connector != nil {
			a.planned = a.connector.guide != nil
		}
		peer := l.Router
		if peer == "" {
			peer = c.near.ID
		}
		n.with[peer] = append(n.with[peer], a)
	}
	return n
}

// neighborsOf are the routers that another one says it has for neighbors.
func (r *links) neighborsOf(id string) map[string]bool {
	r.control.mu.Lock()
	s, _ := r.control.mesh.Router(id)
	r.control.mu.Unlock()
	neighbors := make(map[string]bool, len(s.LinkState))
	for _, n := range s.LinkState {
		neighbors[n.ID] = true
	}
	return neighbors
}
