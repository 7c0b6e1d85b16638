package router

import (
	"time"

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

// settings are what a listener or a connector gives to its connections.
type settings struct {
	name           string
	role           Role
	cost           int
	capacity       int
	maxFrameSize   uint32
	channelMax     uint16
	window         uint32 // frames of a client's session window
	idleTimeOut    time.Duration
	handshake      time.Duration
	annotated      bool   // clients get the routers' annotations
	trusted        bool   // the routers' annotations count that clients send
	multiTenant    bool   // each vhost has an address space of its own
	vhost          string // of all clients, "" for what they say
	host           string // connector: what the open and SASL say, and what is dialed
	properties     wire.Raw
	failover       []failoverURL
	authenticate   bool
	requireSSL     bool
	requireCrypto  bool
	mechanisms     string
	user, password string
	maxMessageSize uint64
	peer           string // connector: the router that has to be there, "" for any
	planned        bool   // connector: planned, and not configured
	measured       bool   // between routers: the cost follows from the round-trip time
	verifyID       bool   // the certificate of the router there has to be for its id
}
