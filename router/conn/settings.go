package conn

import (
	"time"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
)

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
