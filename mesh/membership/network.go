package membership

import (
	"context"
	"net"
)

// Network carries gossip between routers. [Overlay] is the one that runs over TLS and QUIC connections; a router may
// have another one, over links of its own.
//
// What it carries is packed already, and encrypted if there is a keyring. All methods may be called by anybody at any
// time between Start and Close.
type Network interface {
	// Start tells who is to be given what arrives. It is called once, before anything else.
	Start(r Receiver)
	// SendPacket sends a packet to another router by its id, and may lose it. It never waits: what cannot be sent or
	// queued now is dropped, and false returned. It does not keep b.
	SendPacket(to string, b []byte) bool
	// DialStream opens a stream to another router by its id.
	DialStream(ctx context.Context, to string) (net.Conn, error)
	// DialSeed opens a stream to whoever listens at an endpoint.
	DialSeed(ctx context.Context, seed Endpoint) (net.Conn, error)
	// Relays returns routers through which others can reach this one who cannot dial it, at most two.
	Relays() []string
	// Close ends the network with all streams. The Receiver is not called after it has returned.
	Close() error
}

// Receiver takes what a [Network] gets from other routers.
type Receiver interface {
	// ReceivePacket takes a packet, and keeps b. It does not wait.
	ReceivePacket(b []byte)
	// ReceiveStream takes a stream that another router has opened, and will close it. It does not wait.
	ReceiveStream(c net.Conn)
	// Member tells where a router can be reached. It does not wait.
	Member(id string) (Member, bool)
}
