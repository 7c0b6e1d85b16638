package conn

import (
	"time"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/router/forwarding"
)

// HandshakeDefault is how long a peer has from connecting to its open where the configuration names no limit.
const HandshakeDefault = 5 * time.Second

// Settings are what a listener or a connector gives to its connections.
type Settings struct {
	forwarding.Terms
	name           string
	MaxFrameSize   uint32
	ChannelMax     uint16
	Window         uint32 // frames of a client's session window
	IdleTimeOut    time.Duration
	Handshake      time.Duration
	multiTenant    bool   // each vhost has an address space of its own
	vhost          string // of all clients, "" for what they say
	Host           string // connector: what the open and SASL say, and what is dialed
	properties     wire.Raw
	authenticate   bool
	requireSSL     bool
	requireCrypto  bool
	mechanisms     string
	user, password string
	Peer           string // connector: the router that has to be there, "" for any
	Planned        bool   // connector: planned, and not configured
	verifyID       bool   // the certificate of the router there has to be for its id
}

func roleOf(r config.Role) forwarding.Role {
	switch r {
	case config.RoleInterRouter:
		return forwarding.RoleInterRouter
	case config.RoleRouteContainer:
		return forwarding.RoleRouteContainer
	case config.RoleEdge:
		return forwarding.RoleEdge
	default:
		return forwarding.RoleNormal
	}
}

func CapacityOf(n int) int {
	if n <= 0 {
		return config.DefaultLinkCapacity
	}
	return n
}

// keepsAnnotations reports whether stripAnnotations leaves the routers' annotations in messages to clients.
func keepsAnnotations(strip string) bool { return strip == "no" || strip == "in" }

// trustsAnnotations reports whether stripAnnotations leaves them in messages from clients, where they count then. Such
// a client may say by x-opt-qd.to where a message goes, and is believed what it says of the trace. No tenant may do so.
func trustsAnnotations(strip string) bool { return strip == "no" || strip == "out" }

// windowOf is the session window for clients, in frames. As Interconnect's, it is as good as open unless set. See
// HeldTogether.
func windowOf(frames int) uint32 {
	if frames <= 0 {
		return 1<<31 - 1
	}
	return uint32(frames)
}

func channelMax(sessions int) uint16 {
	if sessions <= 0 || sessions > 32768 {
		sessions = 32768
	}
	return uint16(sessions - 1)
}
