package membership

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/hashicorp/yamux"
)

// ALPN is the name under which gossip is negotiated on a TLS or QUIC port that carries AMQP as well (RFC 7301).
const ALPN = "postroad-gossip"

// Carrier is one connection to another router which carries several streams, and maybe datagrams, in both directions:
// a TLS connection by way of [Multiplex], or a QUIC connection as package router/transport has it.
type Carrier interface {
	OpenStream(ctx context.Context) (net.Conn, error)
	AcceptStream(ctx context.Context) (net.Conn, error)
	// SendDatagram sends a datagram. When it fails, because it is too large or there are none, a stream is used instead.
	SendDatagram(b []byte) error
	// ReceiveDatagram returns the next datagram. When it fails there are no more.
	ReceiveDatagram(ctx context.Context) ([]byte, error)
	Close() error
}

var errNoDatagram = errors.New("no datagram is possible")

// muxed is a Carrier over a connection that is one stream of octets.
type muxed struct {
	raw     net.Conn
	session *yamux.Session
}

// Multiplex makes a Carrier of a connection, by yamux. Who has dialed is the client. The connection belongs to the
// Carrier, which ends when the peer has not answered for 30 seconds.
func Multiplex(c net.Conn, client bool) (Carrier, error) {
	config := yamux.DefaultConfig()
	config.AcceptBacklog = peerStreams
	config.KeepAliveInterval = 15 * time.Second
	config.StreamOpenTimeout = streamOpen
	config.StreamCloseTimeout = 5 * time.Second
	config.LogOutput = io.Discard
	create := yamux.Server
	if client {
		create = yamux.Client
	}
	session, err := create(c, config)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &muxed{c, session}, nil
}

// OpenStream implements [Carrier].
func (m *muxed) OpenStream(context.Context) (net.Conn, error) { return m.session.Open() }

// AcceptStream implements [Carrier].
func (m *muxed) AcceptStream(ctx context.Context) (net.Conn, error) {
	return m.session.AcceptStreamWithContext(ctx)
}

// SendDatagram implements [Carrier].
func (m *muxed) SendDatagram([]byte) error { return errNoDatagram }

// ReceiveDatagram implements [Carrier].
func (m *muxed) ReceiveDatagram(context.Context) ([]byte, error) { return nil, errNoDatagram }

// Close implements [Carrier].
func (m *muxed) Close() error { return m.session.Close() }

// Unwrap returns the connection below.
func (m *muxed) Unwrap() net.Conn { return m.raw }
