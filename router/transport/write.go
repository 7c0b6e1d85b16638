package transport

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// record is the most plaintext that one TLS record carries (RFC 8446 section 5.1).
const record = 16 << 10

// scratch are buffers in which records are put together.
var scratch = sync.Pool{New: func() any { return new([record]byte) }}

// WriteBuffers writes all buffers in their order and returns how many octets went out: with one writev on TCP, and in
// full records on TLS, where crypto/tls alone would make a record of each buffer. It consumes the slice as
// [net.Buffers.WriteTo] does, and keeps none of the buffers. It is a Write in all other respects.
func WriteBuffers(c Conn, buffers *net.Buffers) (int64, error) {
	if own, ok := c.(*conn); ok && own.ready.Load() && own.secure.Load() == nil {
		return buffers.WriteTo(own.raw)
	}
	return coalesce(c, buffers)
}

// PatientWriter writes to a peer that may not take long over any part of it. One goroutine uses it at a time.
type PatientWriter struct{ limited limited }

// NewPatientWriter returns a writer to a connection.
func NewPatientWriter(c Conn) *PatientWriter { return &PatientWriter{limited{Conn: c}} }

// WriteBuffers is [WriteBuffers]; the error is [os.ErrDeadlineExceeded] when nothing was written for the limit. A peer
// that takes a little now and then is waited for.
func (w *PatientWriter) WriteBuffers(buffers *net.Buffers, limit time.Duration) (written int64, err error) {
	w.limited.limit = limit
	c := w.limited.Conn
	for {
		if err := c.SetWriteDeadline(time.Now().Add(limit)); err != nil {
			return written, err
		}
		var n int64
		if own, ok := c.(*conn); ok && own.ready.Load() && own.secure.Load() == nil {
			n, err = buffers.WriteTo(own.raw)
		} else { // a layer above may not go on after it was interrupted: each record has its own limit
			n, err = coalesce(&w.limited, buffers)
			return written + n, err // what was in a record that was not written whole is not in the buffers any more
		}
		written += n
		if n == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return written, err
		}
	}
}

// limited gives each write its own limit.
type limited struct {
	Conn
	limit time.Duration
}

// Write writes at most a few records under one limit.
func (l *limited) Write(b []byte) (written int, err error) {
	for len(b) > 0 && err == nil {
		if err = l.SetWriteDeadline(time.Now().Add(l.limit)); err != nil {
			break
		}
		var n int
		n, err = l.Conn.Write(b[:min(len(b), 4*record)])
		written, b = written+n, b[n:]
		if n > 0 && errors.Is(err, os.ErrDeadlineExceeded) {
			err = nil // QUIC goes on; TLS cannot, and says so
		}
	}
	return written, err
}

// coalesce writes buffers in pieces of the size of a record. What fills records by itself is not copied.
func coalesce(w Conn, buffers *net.Buffers) (written int64, err error) {
	room := scratch.Get().(*[record]byte)
	defer scratch.Put(room)
	fill := 0
	write := func(b []byte) bool {
		n, e := w.Write(b)
		written += int64(n)
		err = e
		return e == nil
	}
	for len(*buffers) > 0 {
		b := (*buffers)[0]
		if fill == 0 && len(b) >= record {
			whole := len(b) - len(b)%record
			if !write(b[:whole]) {
				return written, err
			}
			b = b[whole:]
		}
		n := copy(room[fill:], b)
		fill += n
		if (*buffers)[0] = b[n:]; n == len(b) {
			(*buffers)[0] = nil
			*buffers = (*buffers)[1:]
		}
		if fill == record {
			if !write(room[:]) {
				return written, err
			}
			fill = 0
		}
	}
	if fill > 0 {
		write(room[:fill])
	}
	return written, err
}
