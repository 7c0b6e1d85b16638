package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/postroad/postroad/tls"
)

// ALPNAMQP is the protocol that AMQP asks for over QUIC, which needs a name for everything that it carries.
const ALPNAMQP = "amqp"

// The parameters of QUIC connections.
const (
	quicIdle      = 30 * time.Second // without a packet, after which the connection is over
	quicKeepAlive = 10 * time.Second
	quicStreams   = 16 // that a peer has open at the same time
	quicLinger    = time.Second
)

// quicConfig returns quic-go's configuration. Data in the first flight (0-RTT) stays off, because it can be replayed.
func quicConfig(handshake time.Duration) *quic.Config {
	if handshake == 0 {
		handshake = DefaultHandshakeTimeout
	}
	return &quic.Config{
		HandshakeIdleTimeout: handshake, MaxIdleTimeout: quicIdle, KeepAlivePeriod: quicKeepAlive,
		MaxIncomingStreams: quicStreams, MaxIncomingUniStreams: -1, EnableDatagrams: true,
	}
}

// quietBuffers keeps quic-go from writing to the standard log that the socket's buffers are smaller than it likes.
var quietBuffers = sync.OnceFunc(func() { _ = os.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true") })

// QUICListener accepts QUIC connections on one UDP socket, for all protocols of its ALPN.
type QUICListener struct {
	options   ListenOptions
	socket    *net.UDPConn
	transport *quic.Transport
	listener  *quic.Listener
}

// ListenQUIC opens the socket of a QUIC listener: of the options, Host, Port, Family, TLS, ClientCertificate, ALPN and
// HandshakeTimeout count. AMQP is accepted beside ALPN. Of a host with several addresses the first is used.
func ListenQUIC(ctx context.Context, o ListenOptions) (*QUICListener, error) {
	if o.TLS == nil {
		return nil, errors.New("a QUIC listener needs an sslProfile")
	}
	config, err := o.TLS.ServerConfig(o.ClientCertificate, append([]string{ALPNAMQP}, o.ALPN...)...)
	if err != nil {
		return nil, err
	}
	address, err := udpAddress(ctx, o.Host, o.Port, o.Family)
	if err != nil {
		return nil, err
	}
	quietBuffers()
	l := &QUICListener{options: o}
	if l.socket, err = net.ListenUDP("udp", address); err != nil {
		return nil, err
	}
	l.transport = &quic.Transport{Conn: l.socket}
	if l.listener, err = l.transport.Listen(config, quicConfig(o.HandshakeTimeout)); err != nil {
		return nil, errors.Join(err, l.transport.Close(), l.socket.Close())
	}
	return l, nil
}

// udpAddress resolves a host and port; nil for the host is every local address.
func udpAddress(ctx context.Context, host, port, family string) (*net.UDPAddr, error) {
	number, err := resolvePort(ctx, port, SchemeAMQPS)
	if err != nil {
		return nil, err
	}
	where, err := places(ctx, host, family)
	if err != nil {
		return nil, err
	}
	return net.ResolveUDPAddr("udp", net.JoinHostPort(where[0].host, number))
}

// Addr returns the address of the socket.
func (l *QUICListener) Addr() net.Addr { return l.socket.LocalAddr() }

// Accept returns the next connection, after its handshake. After Close it returns [net.ErrClosed]; it fails for nothing
// else.
func (l *QUICListener) Accept() (*QUICConn, error) {
	for {
		c, err := l.listener.Accept(context.Background())
		if err != nil {
			return nil, net.ErrClosed
		}
		state, err := l.options.TLS.State(c.ConnectionState().TLS, true)
		if err != nil { // its certificate has no identity
			_ = c.CloseWithError(0, "the certificate has no identity")
			continue
		}
		return &QUICConn{quic: c, state: state, closed: func() {}}, nil
	}
}

// Close stops listening, and ends all connections that were accepted: they share the socket.
func (l *QUICListener) Close() error {
	return errors.Join(l.listener.Close(), l.transport.Close(), l.socket.Close())
}

// DialQUIC connects by QUIC: of the options, Host, Port, Family, TLS, VerifyHostname, ServerName, ALPN and
// HandshakeTimeout count. Without ALPN it asks for AMQP. The connection has a UDP socket of its own.
func DialQUIC(ctx context.Context, o DialOptions) (*QUICConn, error) {
	if o.TLS == nil {
		return nil, errors.New("QUIC needs an sslProfile")
	}
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	if o.ServerName == "" {
		o.ServerName = o.Host
	}
	if len(o.ALPN) == 0 {
		o.ALPN = []string{ALPNAMQP}
	}
	address, err := udpAddress(ctx, o.Host, o.Port, o.Family)
	if err != nil {
		return nil, err
	}
	quietBuffers()
	socket, err := net.ListenUDP("udp", nil)
	if err != nil {
		return nil, err
	}
	transport := &quic.Transport{Conn: socket}
	closed := sync.OnceFunc(func() { _ = transport.Close(); _ = socket.Close() })
	config := o.TLS.ClientConfig(o.ServerName, o.VerifyHostname, o.ALPN...)
	c, err := transport.Dial(ctx, address, config, quicConfig(o.HandshakeTimeout))
	if err != nil {
		closed()
		return nil, fmt.Errorf("quic %v: %w", address, err)
	}
	context.AfterFunc(c.Context(), closed) // however it ends
	state, err := o.TLS.State(c.ConnectionState().TLS, false)
	if err != nil {
		closed()
		return nil, err
	}
	return &QUICConn{quic: c, state: state, closed: closed}, nil
}

// QUICConn is one QUIC connection. It carries AMQP as one stream (Stream), or whatever its protocol has it carry as
// streams and datagrams: it is a membership.Carrier.
type QUICConn struct {
	quic   *quic.Conn
	state  *tls.State
	closed func()
}

// Protocol returns what was agreed on by ALPN.
func (c *QUICConn) Protocol() string { return c.state.Connection.NegotiatedProtocol }

// TLS describes the handshake.
func (c *QUICConn) TLS() *tls.State { return c.state }

// OpenStream opens a stream, of which the peer learns when something is written.
func (c *QUICConn) OpenStream(ctx context.Context) (net.Conn, error) {
	s, err := c.quic.OpenStreamSync(ctx)
	if err != nil {
		return nil, err
	}
	return &quicStream{Stream: s, conn: c}, nil
}

// AcceptStream returns the next stream that the peer has opened.
func (c *QUICConn) AcceptStream(ctx context.Context) (net.Conn, error) {
	s, err := c.quic.AcceptStream(ctx)
	if err != nil {
		return nil, err
	}
	return &quicStream{Stream: s, conn: c}, nil
}

// SendDatagram sends a datagram, which may be lost. It fails if it does not fit into a packet, about 1,200 octets.
func (c *QUICConn) SendDatagram(b []byte) error { return c.quic.SendDatagram(b) }

// ReceiveDatagram returns the next datagram.
func (c *QUICConn) ReceiveDatagram(ctx context.Context) ([]byte, error) {
	return c.quic.ReceiveDatagram(ctx)
}

// Close ends the connection at once.
func (c *QUICConn) Close() error {
	err := c.quic.CloseWithError(0, "")
	c.closed()
	return err
}

// Stream makes the connection one stream of octets, which is what AMQP needs. Who has dialed opens it, and the other
// side waits for that until the context ends.
func (c *QUICConn) Stream(ctx context.Context, dialed bool) (Conn, error) {
	next := c.AcceptStream
	if dialed {
		next = c.OpenStream
	}
	s, err := next(ctx)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &quicSole{s.(*quicStream)}, nil
}

// quicStream is one of several streams of a connection.
type quicStream struct {
	*quic.Stream
	conn *QUICConn
}

func (s *quicStream) LocalAddr() net.Addr  { return s.conn.quic.LocalAddr() }
func (s *quicStream) RemoteAddr() net.Addr { return s.conn.quic.RemoteAddr() }

// Close closes both directions. What was written still arrives.
func (s *quicStream) Close() error {
	s.CancelRead(0)
	return s.Stream.Close()
}

// quicSole is the only stream of a connection, which ends with it.
type quicSole struct{ *quicStream }

// Handshake implements [Conn]: it is over.
func (s *quicSole) Handshake(context.Context) error { return nil }

// TLS implements [Conn].
func (s *quicSole) TLS() *tls.State { return s.conn.state }

// CloseWrite implements [Conn].
func (s *quicSole) CloseWrite() error { return s.Stream.Close() }

// Close implements [Conn]. The connection lives on for a second, so that what was written arrives, unless the peer ends
// it before.
func (s *quicSole) Close() error {
	err := s.quicStream.Close()
	timer := time.AfterFunc(quicLinger, func() { _ = s.conn.Close() })
	context.AfterFunc(s.conn.quic.Context(), func() { timer.Stop() })
	return err
}

// Abort implements [Conn].
func (s *quicSole) Abort() error { return s.conn.Close() }
