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

	"github.com/quic-go/quic-go"

	"github.com/postroad/postroad/tls"
)

// quicStream is one of several streams of a connection.
type quicStream struct {
	stream *quic.Stream
	conn   *QUICConn

	mu      sync.Mutex // a leaf
	writing bool       // a Write has not returned
	closed  bool       // nothing is written any more
}

// Read implements [net.Conn]. As on TCP, the end comes after the last octets, and not with them.
func (s *quicStream) Read(b []byte) (int, error) {
	n, err := s.stream.Read(b)
	switch {
	case err == io.EOF && n > 0:
		err = nil
	case err != nil && err != io.EOF:
		err = quicError(err)
	}
	return n, err
}

// Write implements [net.Conn].
func (s *quicStream) Write(b []byte) (int, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return 0, net.ErrClosed
	}
	s.writing = true
	s.mu.Unlock()
	n, err := s.stream.Write(b)
	s.mu.Lock()
	s.writing = false
	s.mu.Unlock()
	if err != nil {
		err = quicError(err)
	}
	return n, err
}

// finish ends what is written. It returns false when somebody is writing, which quic-go does not permit then.
func (s *quicStream) finish() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writing {
		return false
	}
	if !s.closed {
		s.closed = true
		_ = s.stream.Close()
	}
	return true
}

// Close closes both directions. What was written still arrives, unless a Write is not over.
func (s *quicStream) Close() error {
	s.stream.CancelRead(0)
	if !s.finish() {
		s.stream.CancelWrite(0)
	}
	return nil
}

func (s *quicStream) LocalAddr() net.Addr                { return s.conn.quic.LocalAddr() }
func (s *quicStream) RemoteAddr() net.Addr               { return s.conn.quic.RemoteAddr() }
func (s *quicStream) SetDeadline(t time.Time) error      { return s.stream.SetDeadline(t) }
func (s *quicStream) SetReadDeadline(t time.Time) error  { return s.stream.SetReadDeadline(t) }
func (s *quicStream) SetWriteDeadline(t time.Time) error { return s.stream.SetWriteDeadline(t) }

// quicSole makes one stream of octets of a connection, which is what AMQP needs. Who has dialed opens it.
//
// The end of a QUIC connection takes away what was written and has not arrived, and what has arrived and was not read.
// So whoever has read everything says so, by opening a stream in one direction on which there is nothing; who has closed
// waits for that, for quicLinger at most, before it ends the connection.
type quicSole struct {
	conn   *QUICConn
	dialed bool

	handshake sync.Mutex // one at a time; guards failed
	failed    error
	stream    atomic.Pointer[quicStream]

	mu     sync.Mutex // a leaf
	read   bool       // the peer was told that everything is read
	closed bool
}

var errNoStream = errors.New("this connection has no stream for AMQP")

// Handshake implements [Conn]: it waits for the stream, unless the connection is for another protocol.
func (s *quicSole) Handshake(ctx context.Context) error {
	if s.stream.Load() != nil {
		return nil
	}
	s.handshake.Lock()
	defer s.handshake.Unlock()
	if s.stream.Load() != nil || s.failed != nil {
		return s.failed
	}
	defer s.conn.established()
	if s.conn.Protocol() != ALPNAMQP {
		return nil
	}
	next := s.conn.AcceptStream
	if s.dialed {
		next = s.conn.OpenStream
	}
	stream, err := next(ctx)
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("the peer has not begun to speak AMQP: %w", context.Cause(ctx))
		}
		s.failed = err
		_ = s.conn.Close() // the error that matters is known
		return err
	}
	s.stream.Store(stream.(*quicStream))
	return nil
}

// ready returns the stream.
func (s *quicSole) ready() (*quicStream, error) {
	if stream := s.stream.Load(); stream != nil {
		return stream, nil
	}
	if err := s.Handshake(context.Background()); err != nil {
		return nil, err
	}
	if stream := s.stream.Load(); stream != nil {
		return stream, nil
	}
	return nil, errNoStream
}

// Read implements [net.Conn].
func (s *quicSole) Read(b []byte) (int, error) {
	stream, err := s.ready()
	if err != nil {
		return 0, err
	}
	n, err := stream.Read(b)
	switch {
	case err == io.EOF:
		s.readAll()
	case err != nil && s.isClosed():
		err = net.ErrClosed
	}
	return n, err
}

// readAll tells the peer that everything was read, once.
func (s *quicSole) readAll() {
	s.mu.Lock()
	told := s.read
	s.read = true
	s.mu.Unlock()
	if told {
		return
	}
	if mark, err := s.conn.quic.OpenUniStream(); err == nil {
		_ = mark.Close()
	}
}

func (s *quicSole) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// Write implements [net.Conn].
func (s *quicSole) Write(b []byte) (int, error) {
	stream, err := s.ready()
	if err != nil {
		return 0, err
	}
	return stream.Write(b)
}

// TLS implements [Conn].
func (s *quicSole) TLS() *tls.State { return s.conn.state }

// Began returns when the handshake has begun, which was before the connection was accepted.
func (s *quicSole) Began() time.Time { return s.conn.began }

// CloseWrite implements [Conn].
func (s *quicSole) CloseWrite() error {
	stream, err := s.ready()
	if err == nil && !stream.finish() {
		err = errors.New("somebody is writing")
	}
	return err
}

// Close implements [Conn]. It does not wait: the connection lives on until what was written has arrived, for a second
// at most, unless the peer has ended it, or does not take what is being written.
func (s *quicSole) Close() error {
	s.mu.Lock()
	before := s.closed
	s.closed = true
	s.mu.Unlock()
	if before {
		return nil
	}
	stream := s.stream.Load()
	if stream == nil || !stream.finish() {
		return s.conn.Close()
	}
	s.conn.background.Go(func() {
		ctx, cancel := context.WithTimeout(s.conn.quic.Context(), quicLinger)
		defer cancel()
		_, _ = s.conn.quic.AcceptUniStream(ctx)
		_ = s.conn.Close()
	})
	return stream.SetReadDeadline(time.Unix(1, 0)) // who reads is not kept
}

// Abort implements [Conn].
func (s *quicSole) Abort() error { return s.conn.Close() }

func (s *quicSole) LocalAddr() net.Addr  { return s.conn.quic.LocalAddr() }
func (s *quicSole) RemoteAddr() net.Addr { return s.conn.quic.RemoteAddr() }

// SetReadDeadline implements [net.Conn]. Before the handshake there is nothing that it could be for.
func (s *quicSole) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	stream := s.stream.Load()
	if stream == nil || s.closed {
		return nil
	}
	return stream.SetReadDeadline(t)
}

// SetWriteDeadline implements [net.Conn], as SetReadDeadline does.
func (s *quicSole) SetWriteDeadline(t time.Time) error {
	if stream := s.stream.Load(); stream != nil {
		return stream.SetWriteDeadline(t)
	}
	return nil
}

// SetDeadline implements [net.Conn], as SetReadDeadline does.
func (s *quicSole) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}
