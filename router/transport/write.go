package transport

import (
	"net"
	"sync"
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
