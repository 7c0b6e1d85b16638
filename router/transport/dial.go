package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/postroad/postroad/tls"
)

// DialOptions are the attributes of a connector that concern its transport.
type DialOptions struct {
	Scheme         string       // "" is amqp
	Host           string       // a name or an address; "" is 127.0.0.1
	Port           string       // a number or a service name; "" is that of the scheme
	Family         string       // IPv4, IPv6, or "" for either
	TLS            *tls.Profile // nil: no TLS; amqps needs one
	VerifyHostname bool         // the certificate of the server must be for ServerName
	ServerName     string       // "" is Host
	ALPN           []string     // the protocols to ask for, if not AMQP

	HandshakeTimeout time.Duration // 0 is DefaultHandshakeTimeout; connecting is bounded by the context only
	Socket           SocketOptions // of TCP
	Window           int           // of QUIC: octets that the peer may be ahead of what is read; 0 is 6 MiB
	// Background counts what of QUIC goes on after Close. It may be nil.
	Background *sync.WaitGroup

	idle time.Duration // of QUIC, as quicIdle
}

// Dial connects, trying all addresses of the host, and runs the TLS handshake if there is a profile. The error says
// which address failed and why.
func Dial(ctx context.Context, o DialOptions) (Conn, error) {
	scheme, err := checkScheme(o.Scheme)
	if err != nil {
		return nil, err
	}
	if scheme == SchemeQUIC {
		return dialQUIC(ctx, o)
	}
	if scheme == SchemeAMQPS && o.TLS == nil {
		return nil, errors.New("scheme amqps needs an sslProfile")
	}
	port, err := resolvePort(ctx, o.Port, scheme)
	if err != nil {
		return nil, err
	}
	network, ok := families[o.Family]
	if !ok {
		return nil, fmt.Errorf("address family %q is not IPv4 or IPv6", o.Family)
	}
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	if o.ServerName == "" {
		o.ServerName = o.Host
	}
	dialer := net.Dialer{Control: o.Socket.control, KeepAliveConfig: o.Socket.keepAlive(), KeepAlive: o.Socket.KeepAlive}
	dialer.SetMultipathTCP(false) // TCP_USER_TIMEOUT is for plain TCP
	address := net.JoinHostPort(o.Host, port)
	raw, err := dialer.DialContext(ctx, network.tcp, address)
	if err != nil {
		return nil, err
	}
	c := newConn(raw, o.HandshakeTimeout, o.client)
	if err := c.Handshake(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	return c, nil
}

// client makes an outgoing connection ready.
func (o DialOptions) client(ctx context.Context, c *conn) error {
	if o.TLS == nil {
		return nil
	}
	return c.secured(ctx, 0, func(raw net.Conn) (*tls.Conn, error) {
		return o.TLS.Client(raw, o.ServerName, o.VerifyHostname, o.ALPN...), nil
	})
}
