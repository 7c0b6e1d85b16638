package discovery

import (
	"slices"

	"github.com/postroad/postroad/router/conn"
)

// Adjacency is a connection with a neighbor.
type Adjacency struct {
	Connector *conn.Connector // of this router, nil for one that was accepted
	Planned   bool            // by either router, and not configured
	Up        bool            // both routers hear each other
}

// Neighborhood is what the mesh says of links at one moment.
type Neighborhood struct {
	With map[string][]Adjacency // by router id
}

// Up reports whether a connection with a router is up.
func (n *Neighborhood) Up(peer string) bool {
	return slices.ContainsFunc(n.With[peer], func(a Adjacency) bool { return a.Up })
}

// Mesh is what the planning of links goes by besides gossip. Its methods are safe for concurrent use.
type Mesh interface {
	// Neighborhood returns the connections with neighbors as they are now.
	Neighborhood() *Neighborhood
	// NeighborsOf returns the neighbors of another router, as that one says; none for an unknown router.
	NeighborsOf(id string) map[string]bool
}
