package transport

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// LazyReader reads from a connection into memory that its user need not have while there is nothing to read. One
// goroutine uses it at a time, and nobody else reads from the connection.
type LazyReader struct {
	own  *conn
	raw  syscall.RawConn
	once func(fd uintptr) bool
	room func() []byte
	rest func()
	n    int
	err  error
}

// NewLazyReader returns a LazyReader for a connection after its handshake, or nil where there is none: on TLS, whose
// records are read into memory of its own, and on systems without it.
func NewLazyReader(c Conn) *LazyReader {
	own, raw := plainSocket(c)
	if !tryReads || raw == nil {
		return nil
	}
	r := &LazyReader{own: own, raw: raw}
	r.once = func(fd uintptr) (done bool) {
		r.n, done, r.err = tryRead(fd, r.room())
		if !done {
			r.rest()
		}
		return done
	}
	return r
}

// Read reads into what room returns, which is not empty. When there is nothing to read, it calls rest and waits; room is
// called again after that, so that rest may give the memory back. It is the Read of the connection in all other
// respects.
func (r *LazyReader) Read(room func() []byte, rest func()) (int, error) {
	if early, ok := r.own.source.(*replay); ok && len(early.head) > 0 {
		return early.Read(room())
	}
	r.room, r.rest, r.n, r.err = room, rest, 0, nil
	err := r.raw.Read(r.once)
	var op *net.OpError
	switch {
	case errors.As(err, &op): // from waiting: a deadline, or it is closed
		err = op.Err
	case err == nil:
		err = r.err
	}
	if err != nil && err != io.EOF {
		local, remote := r.own.raw.LocalAddr(), r.own.raw.RemoteAddr()
		err = &net.OpError{Op: "read", Net: local.Network(), Source: local, Addr: remote, Err: err}
	}
	return r.n, err
}
