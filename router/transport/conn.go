package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroad/postroad/tls"
)

// DefaultHandshakeTimeout is how long a handshake may take where the options do not say.
const DefaultHandshakeTimeout = 5 * time.Second

// Conn is a connection that carries octets both ways. Reading and writing may go on at the same time, each in one
// goroutine; everything else may be called by anybody at any time.
type Conn interface {
	net.Conn // Close says goodbye in TLS, for which it waits 100 ms at most

	// Handshake makes the connection ready: it finds out whether the peer speaks TLS, and runs the TLS handshake. It
	// ends with an error, and the connection closed, when ctx or the time-out of the options says so. Only the first
	// call does something; Read and Write call it if nobody did.
	Handshake(ctx context.Context) error
	// TLS describes the TLS layer; nil without TLS, and before the handshake.
	TLS() *tls.State
	// CloseWrite tells the peer that nothing more will come. Reading goes on.
	CloseWrite() error
	// Abort closes the connection without a word.
	Abort() error
}

// recordHandshake is the first octet of a TLS connection (RFC 8446 section 5.1, content type handshake).
const recordHandshake = 0x16

// conn is a connection over TCP.
type conn struct {
	raw     net.Conn
	timeout time.Duration
	begin   func(ctx context.Context, c *conn) error // runs the handshake; see server and client

	mu     sync.Mutex // one handshake at a time; guards failed
	failed error
	ready  atomic.Bool // the handshake is over, and what follows does not change

	source io.Reader // raw, with what was read to find out about TLS
	secure atomic.Pointer[tls.Conn]
	state  atomic.Pointer[tls.State]
}

// newConn returns a connection that begin makes ready.
func newConn(raw net.Conn, timeout time.Duration, begin func(context.Context, *conn) error) *conn {
	if timeout == 0 {
		timeout = DefaultHandshakeTimeout
	}
	return &conn{raw: raw, source: raw, timeout: timeout, begin: begin}
}

// Handshake implements [Conn].
func (c *conn) Handshake(ctx context.Context) error {
	if c.ready.Load() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ready.Load() || c.failed != nil {
		return c.failed
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout,
		fmt.Errorf("the peer did not finish the handshake within %v: %w", c.timeout, context.DeadlineExceeded))
	defer cancel()
	if err := c.begin(ctx, c); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		c.failed = err
		_ = c.raw.Close() // the error that matters is known
		return err
	}
	c.ready.Store(true)
	return nil
}

// sniff reads the first octets and reports whether they begin a TLS handshake. They come again from c.source.
func (c *conn) sniff(ctx context.Context) (secure bool, err error) {
	stop := context.AfterFunc(ctx, func() { _ = c.raw.Close() })
	head := make([]byte, 8) // a protocol header [2.2]
	n, err := c.raw.Read(head)
	if !stop() && ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if n == 0 {
		if err == nil || errors.Is(err, io.EOF) {
			err = errors.New("the peer closed the connection before it sent anything")
		}
		return false, err
	}
	c.source = &replay{Conn: c.raw, head: head[:n]}
	return head[0] == recordHandshake, nil
}

// handshakeOctets is how much a client may send for the TLS handshake, certificates included.
const handshakeOctets = 16 << 10

// secured runs the TLS handshake over what wrap makes of the connection. The peer may send most octets for it; 0 is for
// no limit but that of crypto/tls.
func (c *conn) secured(ctx context.Context, most int, wrap func(raw net.Conn) (*tls.Conn, error)) error {
	raw, ok := c.source.(*replay)
	if !ok {
		raw = &replay{Conn: c.raw}
	}
	raw.most, raw.limited = most, most > 0
	secure, err := wrap(raw)
	if err != nil {
		return err
	}
	c.secure.Store(secure)
	if err := secure.Handshake(ctx); err != nil {
		return err
	}
	raw.limited = false
	state, err := secure.State()
	if err != nil {
		return err
	}
	c.state.Store(state)
	return nil
}

// Read implements [net.Conn].
func (c *conn) Read(b []byte) (int, error) {
	if !c.ready.Load() {
		if err := c.Handshake(context.Background()); err != nil {
			return 0, err
		}
	}
	if secure := c.secure.Load(); secure != nil {
		return secure.Read(b)
	}
	return c.source.Read(b)
}

// Write implements [net.Conn].
func (c *conn) Write(b []byte) (int, error) {
	if !c.ready.Load() {
		if err := c.Handshake(context.Background()); err != nil {
			return 0, err
		}
	}
	if secure := c.secure.Load(); secure != nil {
		return secure.Write(b)
	}
	return c.raw.Write(b)
}

// TLS implements [Conn].
func (c *conn) TLS() *tls.State { return c.state.Load() }

// Close implements [Conn].
func (c *conn) Close() error {
	if secure := c.secure.Load(); secure != nil {
		return secure.Close()
	}
	return c.raw.Close()
}

// CloseWrite implements [Conn].
func (c *conn) CloseWrite() error {
	var problems []error
	if secure := c.secure.Load(); secure != nil {
		problems = append(problems, secure.CloseWrite())
	}
	if half, ok := c.raw.(interface{ CloseWrite() error }); ok {
		problems = append(problems, half.CloseWrite())
	}
	return errors.Join(problems...)
}

// Abort implements [Conn].
func (c *conn) Abort() error { return c.raw.Close() }

func (c *conn) LocalAddr() net.Addr                { return c.raw.LocalAddr() }
func (c *conn) RemoteAddr() net.Addr               { return c.raw.RemoteAddr() }
func (c *conn) SetDeadline(t time.Time) error      { return c.raw.SetDeadline(t) }
func (c *conn) SetReadDeadline(t time.Time) error  { return c.raw.SetReadDeadline(t) }
func (c *conn) SetWriteDeadline(t time.Time) error { return c.raw.SetWriteDeadline(t) }

// replay is a connection of which some octets were read already.
type replay struct {
	net.Conn
	head []byte // to be read again

	limited bool // until the handshake is over
	most    int  // octets that may still be read
}

// Read implements [net.Conn].
func (r *replay) Read(b []byte) (n int, err error) {
	if r.limited {
		if r.most == 0 {
			return 0, fmt.Errorf("the peer has sent %d octets and has not finished the TLS handshake", handshakeOctets)
		}
		b = b[:min(len(b), r.most)]
		defer func() { r.most -= n }()
	}
	if len(r.head) == 0 {
		return r.Conn.Read(b)
	}
	n = copy(b, r.head)
	r.head = r.head[n:]
	return n, nil
}

// goodbye is how long the last record of a TLS connection waits for room in the socket.
const goodbye = 100 * time.Millisecond

// SetWriteDeadline shortens the five seconds that crypto/tls gives its close_notify, during which a peer that does not
// read would hold up whoever closes. Nobody else sets deadlines through the TLS layer.
func (r *replay) SetWriteDeadline(t time.Time) error {
	if limit := time.Now().Add(goodbye); t.After(limit) {
		t = limit
	}
	return r.Conn.SetWriteDeadline(t)
}
