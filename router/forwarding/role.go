package forwarding

import (
	"github.com/postroad/postroad/internal/amqp/wire"
)

// Role is what a connection is for, as configured on its listener or connector; it is never negotiated.
type Role uint8

// The roles.
const (
	RoleNormal Role = iota
	RoleInterRouter
	RoleRouteContainer
	RoleEdge
)

// String returns the name in configuration and management.
func (r Role) String() string {
	return [...]string{"normal", "inter-router", "route-container", "edge"}[r]
}

// Terms are what a listener or a connector says about the messages of its connections.
type Terms struct {
	Role           Role
	Cost           int  // between routers
	Measured       bool // between routers: the cost follows from the round-trip time
	Capacity       int  // deliveries that a link may have under way
	Annotated      bool // clients get the routers' annotations
	Trusted        bool // the routers' annotations count that clients send
	MaxMessageSize uint64
	Failover       wire.List // where else a client may find the mesh, nil if nothing is configured
}
