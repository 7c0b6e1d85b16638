package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/postroad/postroad/tls"
)

// ALPNAMQP is the protocol that AMQP asks for over QUIC, which needs a name for everything that it carries.
const ALPNAMQP = "amqp"

// The parameters of QUIC connections.
const (
	// quicIdle is how long a peer is silent when the connection is over. After a third of it the peer is asked whether it
	// is there, so that a connection on which nothing happens stays.
	quicIdle    = 30 * time.Second
	quicStreams = 16          // that a peer has open at the same time, where there is more than AMQP
	quicLinger  = time.Second // for what was written before the close to arrive
	// quicWindow is how many octets a peer may be ahead of what is read, where the options do not say; at the beginning
	// the smaller one. Who has shown no certificate begins with quicWindowUnknown.
	quicWindow        = 6 << 20
	quicWindowFirst   = 512 << 10
	quicWindowUnknown = 16 << 10
)

// quicSettings are what the options of listening and dialing say about QUIC.
type quicSettings struct {
	handshake time.Duration // for quic-go, which gives a handshake twice this time
	window    int           // 0 is quicWindow
	first     int           // the window of the beginning
	idle      time.Duration // 0 is quicIdle
	others    bool          // there are protocols beside AMQP
}

// config returns quic-go's configuration. Data in the first flight (0-RTT) stays off, because it can be replayed.
// Beside the one stream of AMQP there is one in one direction; see quicSole. Other protocols have streams and datagrams.
func (q quicSettings) config() *quic.Config {
	window, idle := cmp.Or(q.window, quicWindow), cmp.Or(q.idle, quicIdle)
	first := min(q.first, window)
	c := &quic.Config{
		HandshakeIdleTimeout: q.handshake, MaxIdleTimeout: idle, KeepAlivePeriod: idle / 3,
		MaxIncomingStreams: 1, MaxIncomingUniStreams: 1,
		InitialStreamReceiveWindow: uint64(first), InitialConnectionReceiveWindow: uint64(first + first/2),
		MaxStreamReceiveWindow: uint64(window), MaxConnectionReceiveWindow: uint64(window + window/2),
	}
	if q.others {
		c.MaxIncomingStreams, c.EnableDatagrams = quicStreams, true
	}
	return c
}

// quietBuffers keeps quic-go from writing to the standard log that the socket's buffers are smaller than it likes.
var quietBuffers = sync.OnceFunc(func() { _ = os.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true") })

// dialQUIC connects by QUIC, with a UDP socket of the connection's own. Without ALPN it asks for AMQP. Addresses of the
// host are tried one after the other, each for its part of the time that is left.
func dialQUIC(ctx context.Context, o DialOptions) (Conn, error) {
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
	if o.HandshakeTimeout == 0 {
		o.HandshakeTimeout = DefaultHandshakeTimeout
	}
	port, err := resolvePort(ctx, o.Port, SchemeQUIC)
	if err != nil {
		return nil, err
	}
	where, err := places(ctx, o.Host, o.Family)
	if err != nil {
		return nil, err
	}
	var problems []error
	for i, p := range where {
		c, err := o.dialPlace(ctx, net.JoinHostPort(p.host, port), len(where)-i)
		if err == nil {
			sole := &quicSole{conn: c, dialed: true}
			if err = sole.Handshake(ctx); err == nil {
				return sole, nil
			}
		}
		problems = append(problems, fmt.Errorf("quic %s: %w", net.JoinHostPort(p.host, port), err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(problems...)
}

// dialPlace connects to one address, in one of the parts of the time that is left.
func (o DialOptions) dialPlace(ctx context.Context, place string, parts int) (*QUICConn, error) {
	address, err := net.ResolveUDPAddr("udp", place)
	if err != nil {
		return nil, err
	}
	left := o.HandshakeTimeout
	if deadline, ok := ctx.Deadline(); ok {
		left = min(left, time.Until(deadline)/time.Duration(parts))
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	quietBuffers()
	socket, err := net.ListenUDP("udp", nil)
	if err != nil {
		return nil, err
	}
	transport := &quic.Transport{Conn: socket}
	release := func() { _ = transport.Close(); _ = socket.Close() }
	handshake := o.TLS.ClientHandshake(o.ServerName, o.VerifyHostname, o.ALPN...)
	settings := quicSettings{
		handshake: o.HandshakeTimeout, window: o.Window, first: quicWindowFirst, idle: o.idle,
		others: o.ALPN[0] != ALPNAMQP,
	}
	c, err := transport.Dial(ctx, address, handshake.Config, settings.config())
	if err != nil {
		release()
		if ctx.Err() != nil {
			err = fmt.Errorf("nobody has answered within %v: %w", left.Round(time.Millisecond), context.DeadlineExceeded)
		}
		return nil, quicError(err)
	}
	conn := newQUICConn(c, o.Background, time.Now(), release)
	if conn.state, err = handshake.State(c.ConnectionState().TLS); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// QUICConn is one QUIC connection, which carries whatever its protocol has it carry as streams and datagrams: it is a
// membership.Carrier. As a [Conn] it is one stream of AMQP.
type QUICConn struct {
	quic        *quic.Conn
	state       *tls.State
	began       time.Time       // of the handshake
	background  *sync.WaitGroup // counts what goes on after Close
	established func()          // nothing is to be waited for any more
}

// newQUICConn returns a connection that is counted until it has ended; then release is called.
func newQUICConn(c *quic.Conn, background *sync.WaitGroup, began time.Time, release func()) *QUICConn {
	if background == nil {
		background = new(sync.WaitGroup)
	}
	background.Add(1)
	context.AfterFunc(c.Context(), func() {
		defer background.Done()
		release()
	})
	return &QUICConn{quic: c, background: background, began: began, established: func() {}}
}

// QUIC returns the QUIC connection that is below another one; nil if there is none.
func QUIC(c Conn) *QUICConn {
	if s, ok := c.(*quicSole); ok {
		return s.conn
	}
	return nil
}

// Protocol returns what was agreed on by ALPN.
func (c *QUICConn) Protocol() string { return c.state.Connection.NegotiatedProtocol }

// TLS describes the handshake.
func (c *QUICConn) TLS() *tls.State { return c.state }

// OpenStream opens a stream, of which the peer learns when something is written.
func (c *QUICConn) OpenStream(ctx context.Context) (net.Conn, error) {
	s, err := c.quic.OpenStreamSync(ctx)
	if err != nil {
		return nil, quicError(err)
	}
	return &quicStream{stream: s, conn: c}, nil
}

// AcceptStream returns the next stream that the peer has opened.
func (c *QUICConn) AcceptStream(ctx context.Context) (net.Conn, error) {
	s, err := c.quic.AcceptStream(ctx)
	if err != nil {
		return nil, quicError(err)
	}
	return &quicStream{stream: s, conn: c}, nil
}

// SendDatagram sends a datagram, which may be lost. It fails if it does not fit into a packet, about 1,200 octets.
func (c *QUICConn) SendDatagram(b []byte) error { return c.quic.SendDatagram(b) }

// ReceiveDatagram returns the next datagram.
func (c *QUICConn) ReceiveDatagram(ctx context.Context) ([]byte, error) {
	return c.quic.ReceiveDatagram(ctx)
}

// Close ends the connection at once.
func (c *QUICConn) Close() error { return c.quic.CloseWithError(0, "") }

// quicError puts what ends QUIC connections by intention into the words of other transports.
func quicError(err error) error {
	var application *quic.ApplicationError
	switch {
	case errors.Is(err, &quic.IdleTimeoutError{}):
		return fmt.Errorf("the peer has been silent for too long: %w", syscall.ETIMEDOUT)
	case !errors.As(err, &application):
		return err
	case !application.Remote:
		return net.ErrClosed
	case application.ErrorMessage != "":
		return fmt.Errorf("the peer has closed the connection: %.200q", application.ErrorMessage)
	}
	return fmt.Errorf("the peer has closed the connection: %w", io.ErrUnexpectedEOF)
}
