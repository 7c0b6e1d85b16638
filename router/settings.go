package router

import (
	"time"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// settings are what a listener or a connector gives to its connections.
type settings struct {
	terms
	name           string
	maxFrameSize   uint32
	channelMax     uint16
	window         uint32 // frames of a client's session window
	idleTimeOut    time.Duration
	handshake      time.Duration
	multiTenant    bool   // each vhost has an address space of its own
	vhost          string // of all clients, "" for what they say
	host           string // connector: what the open and SASL say, and what is dialed
	properties     wire.Raw
	authenticate   bool
	requireSSL     bool
	requireCrypto  bool
	mechanisms     string
	user, password string
	peer           string // connector: the router that has to be there, "" for any
	planned        bool   // connector: planned, and not configured
	verifyID       bool   // the certificate of the router there has to be for its id
}
