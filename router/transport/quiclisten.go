package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
)

// Bounds of what peers cause before they have said anything in AMQP, for each address of a listener.
const (
	quicHandshakes = 256 // connections that are beginning; others are refused
	// quicTrusting is up to how many of them a peer is believed that it is where its packets come from. Others are sent
	// a token to come back with (RFC 9000 section 8.1.2), which costs a round trip.
	quicTrusting = 32
)

// quicIDLength is the length of connection ids. A listener that is started again tells the peers of its former life that
// their connections are over (RFC 9000 section 10.3), by a secret that follows from the id, the private key and the address
// of the socket; so an id must never come again, and nobody may be able to ask for the secrets of all of them, nor at one
// port for those of another [21.11].
const quicIDLength = 16

var errBusy = errors.New("too many connections are beginning")

// quicListener is a set of UDP sockets that accept QUIC connections, for AMQP and the protocols of the options.
type quicListener struct {
	listening[*quicSocket]
	options  ListenOptions
	accepted chan Conn
}

// quicSocket is a UDP socket. It stays open until the listener is closed and the last connection has ended.
type quicSocket struct {
	socket    *net.UDPConn
	transport *quic.Transport
	listener  *quic.Listener
	beginning atomic.Int64 // connections
	users     atomic.Int64 // the listener and connections
}

// listenQUIC opens the sockets of a listener.
func listenQUIC(ctx context.Context, o ListenOptions) (Listener, error) {
	if o.TLS == nil {
		return nil, errors.New("a QUIC listener needs an sslProfile")
	}
	if _, err := o.TLS.ServerConfig(o.ClientCertificate); err != nil {
		return nil, err
	}
	port, err := resolvePort(ctx, o.Port, SchemeQUIC)
	if err != nil {
		return nil, err
	}
	where, err := places(ctx, o.Host, o.Family)
	if err != nil {
		return nil, err
	}
	if o.Report == nil {
		o.Report = func(error) {}
	}
	if o.Background == nil {
		o.Background = new(sync.WaitGroup)
	}
	if o.HandshakeTimeout == 0 {
		o.HandshakeTimeout = DefaultHandshakeTimeout
	}
	l := &quicListener{listening: listening[*quicSocket]{done: make(chan struct{})}, options: o, accepted: make(chan Conn)}
	if l.sockets, err = openPlaces(where, port, o.Report, l.open); err != nil {
		return nil, err
	}
	for _, s := range l.sockets {
		l.acceptors.Go(func() { l.serve(s) })
	}
	return l, nil
}

// open opens one socket.
func (l *quicListener) open(p place, port string) (*quicSocket, error) {
	o := &l.options
	network := strings.Replace(p.network, "tcp", "udp", 1)
	address, err := net.ResolveUDPAddr(network, net.JoinHostPort(p.host, port))
	if err != nil {
		return nil, err
	}
	config, err := o.TLS.ServerConfig(o.ClientCertificate, append([]string{ALPNAMQP}, o.ALPN...)...)
	if err != nil {
		return nil, err
	}
	quietBuffers()
	s := new(quicSocket)
	if s.socket, err = net.ListenUDP(network, address); err != nil {
		return nil, err
	}
	s.users.Store(1)
	s.transport = &quic.Transport{
		Conn: s.socket,
		ConnContext: func(ctx context.Context, info *quic.ClientInfo) (context.Context, error) {
			return l.begin(ctx, s, info)
		},
		VerifySourceAddress: func(net.Addr) bool { return s.beginning.Load() >= quicTrusting },
		ConnectionIDLength:  quicIDLength,
	}
	if key, ok := o.TLS.Secret("QUIC stateless reset of " + s.socket.LocalAddr().String()); ok {
		s.transport.StatelessResetKey = (*quic.StatelessResetKey)(&key)
	}
	settings := quicSettings{
		handshake: o.HandshakeTimeout / 2, window: o.Window, first: quicWindowUnknown, idle: o.idle, others: len(o.ALPN) > 0,
	}
	if o.ClientCertificate { // who sends octets has shown one
		settings.first = quicWindowFirst
	}
	if s.listener, err = s.transport.Listen(config, settings.config()); err != nil {
		return nil, errors.Join(err, s.transport.Close(), s.socket.Close())
	}
	return s, nil
}

// beginning is a connection that has not begun to speak its protocol.
type beginning struct {
	at    time.Time
	known atomic.Bool // the handshake is over
	over  func()
}

// beginningKey is the key of the beginning in the context of a connection.
type beginningKey struct{}

// begin is asked by quic-go about each new connection.
func (l *quicListener) begin(ctx context.Context, s *quicSocket, info *quic.ClientInfo) (context.Context, error) {
	if s.beginning.Add(1) > quicHandshakes {
		s.beginning.Add(-1)
		return nil, errBusy
	}
	b := &beginning{at: time.Now(), over: sync.OnceFunc(func() { s.beginning.Add(-1) })}
	ctx = context.WithValue(ctx, beginningKey{}, b)
	l.options.Background.Add(1)
	context.AfterFunc(ctx, func() {
		defer l.options.Background.Done()
		b.over()
		select {
		case <-l.done:
		default:
			if !b.known.Load() {
				l.options.Report(fmt.Errorf("handshake with %v: %w", info.RemoteAddr, quicError(context.Cause(ctx))))
			}
		}
	})
	return ctx, nil
}

// serve accepts the connections of a socket until the listener is closed.
func (l *quicListener) serve(s *quicSocket) {
	for {
		c, err := s.listener.Accept(context.Background())
		if err != nil {
			return
		}
		b := c.Context().Value(beginningKey{}).(*beginning)
		b.known.Store(true)
		s.users.Add(1)
		conn := newQUICConn(c, l.options.Background, b.at, s.release)
		conn.established = b.over
		if conn.state, err = l.options.TLS.ServerState(c.ConnectionState().TLS); err != nil {
			l.options.Report(fmt.Errorf("handshake with %v: %w", c.RemoteAddr(), err))
			_ = c.CloseWithError(0, "the certificate has no identity")
			continue
		}
		select {
		case l.accepted <- &quicSole{conn: conn}:
		case <-l.done:
			_ = conn.Close() // it came too late
		}
	}
}

// release gives up a use of the socket.
func (s *quicSocket) release() {
	if s.users.Add(-1) == 0 {
		_ = s.transport.Close()
		_ = s.socket.Close()
	}
}

// Close closes a socket that nobody has used.
func (s *quicSocket) Close() error {
	err := s.listener.Close()
	s.release()
	return err
}

// Addr returns the address of the socket.
func (s *quicSocket) Addr() net.Addr { return s.socket.LocalAddr() }

// Accept implements [Listener]. The TLS handshake is over, but not that of the [Conn].
func (l *quicListener) Accept() (Conn, error) {
	select {
	case c := <-l.accepted:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
