package transport

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// layered is a connection whose octets go through a layer above the socket, such as QUIC. It may be written to again
// after a write has been interrupted.
type layered struct {
	Conn
	under net.Conn
}

func (l *layered) Write(b []byte) (int, error)         { return l.under.Write(b) }
func (l *layered) SetWriteDeadline(at time.Time) error { return l.under.SetWriteDeadline(at) }

// patience is a writer with a peer at the other end of a pipe, which holds nothing: what is written is read.
func patience(plain bool) (w *PatientWriter, far net.Conn) {
	near, far := net.Pipe()
	if !plain {
		return NewPatientWriter(&layered{under: near}), far
	}
	c := newConn(near, 0, nil)
	c.ready.Store(true)
	return NewPatientWriter(c), far
}

// TestAPeerThatReadsNothingIsWaitedForOnce writes to one, on a socket and through a layer above it.
func TestAPeerThatReadsNothingIsWaitedForOnce(t *testing.T) {
	t.Parallel()
	for _, plain := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			const limit = 10 * time.Second
			w, far := patience(plain)
			defer far.Close()
			began := time.Now()
			b, _ := buffers([]int{100, 200})
			n, err := w.WriteBuffers(&b, limit)
			if passed := time.Since(began); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || passed != limit {
				t.Errorf("plain %v: %d octets after %v: %v", plain, n, passed, err)
			}
		})
	}
}

// TestAPeerThatReadsAnOctetNowAndThenIsWaitedFor reads for a hundred times the limit.
func TestAPeerThatReadsAnOctetNowAndThenIsWaitedFor(t *testing.T) {
	t.Parallel()
	for _, plain := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			const limit = 10 * time.Second
			w, far := patience(plain)
			defer far.Close()
			b, flat := buffers([]int{70, 0, 31})
			var got []byte
			done := make(chan struct{})
			go func() {
				defer close(done)
				for len(got) < len(flat) {
					time.Sleep(limit - time.Millisecond)
					var one [1]byte
					if _, err := io.ReadFull(far, one[:]); err != nil {
						return
					}
					got = append(got, one[0])
				}
			}()
			began := time.Now()
			n, err := w.WriteBuffers(&b, limit)
			if err != nil || n != int64(len(flat)) || time.Since(began) < 100*(limit-time.Millisecond) {
				t.Errorf("plain %v: %d octets after %v: %v", plain, n, time.Since(began), err)
			}
			<-done
			if !bytes.Equal(got, flat) {
				t.Errorf("plain %v: the peer has read % x", plain, got)
			}
		})
	}
}

// TestAPeerThatStopsReadingIsGivenUp has read something before: it is given up between one and two times the limit
// after.
func TestAPeerThatStopsReadingIsGivenUp(t *testing.T) {
	t.Parallel()
	for _, plain := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			const limit, reads = 10 * time.Second, 3
			w, far := patience(plain)
			defer far.Close()
			var last time.Time
			done := make(chan struct{})
			go func() {
				defer close(done)
				for range reads {
					time.Sleep(limit / 3)
					var one [1]byte
					if _, err := io.ReadFull(far, one[:]); err == nil {
						last = time.Now()
					}
				}
			}()
			b, _ := buffers([]int{100, 200})
			n, err := w.WriteBuffers(&b, limit)
			<-done
			if passed := time.Since(last); n != reads || !errors.Is(err, os.ErrDeadlineExceeded) || passed > 2*limit {
				t.Errorf("plain %v: %d octets, %v after the last: %v", plain, n, passed, err)
			}
		})
	}
}

// TestWhatASlowPeerReadsIsInOrder has a peer read parts of what is written, with pauses around the limit, and then go
// on or not. What it has read is the beginning of what was to be written, whether or not the writer has given up.
func TestWhatASlowPeerReadsIsInOrder(t *testing.T) {
	t.Parallel()
	for _, plain := range []bool{true, false} {
		for _, sizes := range [][]int{{100, 200, 300}, {record / 2, record, 10}, {5 * record, 7}, {10 * record}} {
			synctest.Test(t, func(t *testing.T) {
				const limit = 10 * time.Second
				w, far := patience(plain)
				defer far.Close()
				b, flat := buffers(sizes)
				var got []byte
				done := make(chan struct{})
				go func() {
					defer close(done)
					part := make([]byte, len(flat)/7+1)
					for {
						time.Sleep(limit * 3 / 4)
						n, err := far.Read(part)
						if got = append(got, part[:n]...); err != nil {
							return
						}
					}
				}()
				n, err := w.WriteBuffers(&b, limit)
				w.limited.Conn.(interface{ closeUnder() }).closeUnder()
				<-done
				if int64(len(got)) != n || len(got) > len(flat) || !bytes.Equal(got, flat[:len(got)]) {
					t.Errorf("plain %v, %v: of %d octets, %d were written and %d read (%v), and they are not the first ones", plain,
						sizes, len(flat), n, len(got), err)
				}
				if err == nil && len(got) != len(flat) {
					t.Errorf("plain %v, %v: only %d of %d octets are read", plain, sizes, len(got), len(flat))
				}
			})
		}
	}
}

func (l *layered) closeUnder() { l.under.Close() }
func (c *conn) closeUnder()    { c.raw.Close() }
