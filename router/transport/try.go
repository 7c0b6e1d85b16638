package transport

import (
	"net"
	"syscall"
)

// TryWriter writes to a connection as much as it takes at once. It never waits for the peer, so that a goroutine that
// serves another connection can write to this one in passing. One goroutine uses it at a time, and nobody writes to
// the connection meanwhile.
type TryWriter struct {
	raw  syscall.RawConn
	once func(fd uintptr) bool
	b    net.Buffers
	n    int
	err  error
}

// NewTryWriter returns a TryWriter for a connection after its handshake, or nil where there is none: on TLS, where
// writing may have to wait, and on systems without it.
func NewTryWriter(c Conn) *TryWriter {
	_, raw := plainSocket(c)
	if !tryWrites || raw == nil {
		return nil
	}
	w := &TryWriter{raw: raw}
	w.once = func(fd uintptr) bool {
		w.n, w.err = tryWrite(fd, w.b)
		return true
	}
	return w
}

// Write writes the beginning of the buffers, at most what the connection takes now, and returns how many octets that
// were. Writing nothing is not an error.
func (w *TryWriter) Write(b net.Buffers) (int, error) {
	w.b, w.n, w.err = b, 0, nil
	err := w.raw.Write(w.once)
	w.b = nil
	if err == nil {
		err = w.err
	}
	return w.n, err
}

// Skip takes the first n octets off the buffers.
func Skip(b *net.Buffers, n int) {
	for n > 0 && len(*b) > 0 {
		if first := (*b)[0]; n < len(first) {
			(*b)[0] = first[n:]
			return
		}
		n -= len((*b)[0])
		(*b)[0] = nil
		*b = (*b)[1:]
	}
}

// plainSocket returns the socket of a connection after its handshake, nil on TLS and where there is none.
func plainSocket(c Conn) (own *conn, raw syscall.RawConn) {
	own, ok := c.(*conn)
	if !ok || !own.ready.Load() || own.secure.Load() != nil {
		return nil, nil
	}
	socket, ok := own.raw.(syscall.Conn)
	if !ok {
		return nil, nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, nil
	}
	return own, raw
}
