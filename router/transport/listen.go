package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/postroad/postroad/tls"
)

// ListenOptions are the attributes of a listener that concern its transport.
type ListenOptions struct {
	Scheme string // "" is amqp
	Host   string // a name or an address; "" is all local addresses, a name all addresses it has
	Port   string // a number or a service name; "" is that of the scheme; "0" is any free port, see Addr
	Family string // IPv4, IPv6, or "" for either

	TLS               *tls.Profile // nil: no TLS
	RequireTLS        bool         // refuse peers that do not use TLS (requireSsl); amqps implies it
	ClientCertificate bool         // refuse TLS peers without a certificate of its authorities (authenticatePeer)
	// ALPN are protocols other than AMQP for which a TLS peer may ask; TLS().Connection.NegotiatedProtocol says so then.
	ALPN []string

	HandshakeTimeout time.Duration // 0 is DefaultHandshakeTimeout
	Socket           SocketOptions // of TCP
	Window           int           // of QUIC: octets that a peer may be ahead of what is read; 0 is 6 MiB
	// Report is told about errors that the listener survives: accepting fails, for example as the process has too many
	// files open, and is tried again after a while; one of several addresses cannot be used; or a handshake of QUIC has
	// failed. It may be nil.
	Report func(err error)
	// Background counts what of QUIC goes on after Close. It may be nil.
	Background *sync.WaitGroup

	idle time.Duration // of QUIC, as quicIdle
}

// Listener accepts connections.
type Listener interface {
	// Accept returns the next connection, before its handshake. After Close it returns [net.ErrClosed]; it fails for
	// nothing else.
	Accept() (Conn, error)
	// Close stops listening. Connections that were accepted stay open.
	Close() error
	// Addr returns the address, the first one if there are several; with the port that was chosen for port 0.
	Addr() net.Addr
	// Addrs returns all addresses.
	Addrs() []net.Addr
}

// Listen opens the sockets of a listener. The context bounds the look-up of the host name. The error says what is
// wrong with the options or which address cannot be used.
func Listen(ctx context.Context, o ListenOptions) (Listener, error) {
	scheme, err := checkScheme(o.Scheme)
	if err != nil {
		return nil, err
	}
	if scheme == SchemeQUIC {
		return listenQUIC(ctx, o)
	}
	o.RequireTLS = o.RequireTLS || scheme == SchemeAMQPS
	switch {
	case o.RequireTLS && o.TLS == nil:
		return nil, errors.New("a listener that requires TLS needs an sslProfile")
	case o.TLS != nil:
		if _, err := o.TLS.ServerConfig(o.ClientCertificate); err != nil {
			return nil, err
		}
	}
	port, err := resolvePort(ctx, o.Port, scheme)
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
	sockets, err := o.open(ctx, where, port)
	if err != nil {
		return nil, err
	}
	return newListener(o, sockets), nil
}

// open opens a TCP socket at each place, all with the same port.
func (o ListenOptions) open(ctx context.Context, where []place, port string) ([]net.Listener, error) {
	config := net.ListenConfig{
		Control: o.Socket.control, KeepAliveConfig: o.Socket.keepAlive(), KeepAlive: o.Socket.KeepAlive,
	}
	config.SetMultipathTCP(false) // TCP_USER_TIMEOUT is for plain TCP
	return openPlaces(where, port, o.Report, func(p place, port string) (net.Listener, error) {
		return config.Listen(ctx, p.network, net.JoinHostPort(p.host, port))
	})
}

// socket is what can be opened at a place.
type socket interface {
	Addr() net.Addr
	Close() error
}

// openPlaces opens a socket at each place, all with the same port.
func openPlaces[S socket](where []place, port string, report func(error), open func(place, string) (S, error)) ([]S, error) {
	const tries = 10 // of finding a port that is free everywhere
	for try := 1; ; try++ {
		var sockets []S
		var problems []error
		chosen := port
		inUse := false
		for _, p := range where {
			s, err := open(p, chosen)
			if err != nil {
				problems = append(problems, err)
				inUse = inUse || errors.Is(err, syscall.EADDRINUSE)
				continue
			}
			sockets = append(sockets, s)
			if _, number, err := net.SplitHostPort(s.Addr().String()); err == nil {
				chosen = number
			}
		}
		if len(sockets) > 0 && !inUse {
			for _, err := range problems { // an address of the name that this machine does not have
				report(err)
			}
			return sockets, nil
		}
		for _, s := range sockets {
			problems = append(problems, s.Close())
		}
		if port != "0" || len(sockets) == 0 || try == tries {
			return nil, errors.Join(problems...)
		}
	}
}

// listening is what a listener has open: at least one socket, and whoever accepts connections of them.
type listening[S socket] struct {
	sockets   []S
	done      chan struct{} // closed by Close
	closing   sync.Once
	acceptors sync.WaitGroup
}

// Close implements [Listener].
func (l *listening[S]) Close() error {
	var problems []error
	l.closing.Do(func() {
		close(l.done)
		for _, s := range l.sockets {
			problems = append(problems, s.Close())
		}
		l.acceptors.Wait()
	})
	return errors.Join(problems...)
}

// Addr implements [Listener].
func (l *listening[S]) Addr() net.Addr { return l.sockets[0].Addr() }

// Addrs implements [Listener].
func (l *listening[S]) Addrs() []net.Addr {
	var all []net.Addr
	for _, s := range l.sockets {
		all = append(all, s.Addr())
	}
	return all
}

// listener is a set of listening sockets.
type listener struct {
	listening[net.Listener]
	options  ListenOptions
	accepted chan net.Conn // from acceptors, if there are several sockets
}

// newListener starts the acceptors that are needed.
func newListener(o ListenOptions, sockets []net.Listener) *listener {
	l := &listener{listening: listening[net.Listener]{sockets: sockets, done: make(chan struct{})}, options: o}
	if len(sockets) == 1 {
		return l
	}
	l.accepted = make(chan net.Conn)
	for _, s := range sockets {
		l.acceptors.Go(func() {
			for {
				raw, err := l.accept(s)
				if err != nil {
					return
				}
				select {
				case l.accepted <- raw:
				case <-l.done:
					_ = raw.Close() // it came too late
					return
				}
			}
		})
	}
	return l
}

// Accept implements [Listener].
func (l *listener) Accept() (Conn, error) {
	if l.accepted == nil {
		raw, err := l.accept(l.sockets[0])
		if err != nil {
			return nil, err
		}
		return newConn(raw, l.options.HandshakeTimeout, l.server), nil
	}
	select {
	case raw := <-l.accepted:
		return newConn(raw, l.options.HandshakeTimeout, l.server), nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// How long accepting pauses after an error, doubling from the first to the last.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// accept returns the next connection of a socket. It fails only after Close.
func (l *listener) accept(s net.Listener) (net.Conn, error) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		raw, err := s.Accept()
		if err == nil {
			return raw, nil
		}
		select {
		case <-l.done:
			return nil, net.ErrClosed
		default:
		}
		if errors.Is(err, net.ErrClosed) {
			return nil, net.ErrClosed
		}
		l.options.Report(fmt.Errorf("%w; trying again in %v", err, pause))
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-l.done:
			timer.Stop()
			return nil, net.ErrClosed
		}
	}
}

// server makes an incoming connection ready.
func (l *listener) server(ctx context.Context, c *conn) error {
	o := &l.options
	if o.TLS == nil {
		return nil
	}
	if !o.RequireTLS {
		secure, err := c.sniff(ctx)
		if err != nil || !secure {
			return err
		}
	}
	return c.secured(ctx, handshakeOctets, func(raw net.Conn) (*tls.Conn, error) {
		return o.TLS.Server(raw, o.ClientCertificate, o.ALPN...)
	})
}
