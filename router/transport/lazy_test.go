package transport

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// lazyPair returns a LazyReader and the connection it reads from, and its peer.
func lazyPair(t *testing.T) (*LazyReader, Conn, net.Conn) {
	t.Helper()
	ctx := t.Context()
	l, err := Listen(ctx, ListenOptions{Host: "127.0.0.1", Port: "0"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Handshake(ctx); err != nil {
		t.Fatal(err)
	}
	r := NewLazyReader(c)
	if r == nil {
		t.Fatal("plain TCP has no LazyReader")
	}
	return r, c, peer
}

func TestALazyReaderHasNoMemoryWhileItWaitsAndReadsAllThatComes(t *testing.T) {
	t.Parallel()
	r, _, peer := lazyPair(t)
	var room []byte
	waits := make(chan struct{}, 1)
	give := func() []byte {
		if room == nil {
			room = make([]byte, 1000)
		}
		return room
	}
	rest := func() {
		room = nil
		select {
		case waits <- struct{}{}:
		default:
		}
	}
	want := bytes.Repeat([]byte("0123456789"), 100_000)
	go func() {
		<-waits // there is nothing yet
		peer.Write(want)
		peer.(*net.TCPConn).CloseWrite()
	}()
	var got []byte
	for {
		n, err := r.Read(give, rest)
		if n > 0 && room == nil {
			t.Fatal("it has read without memory")
		}
		got = append(got, room[:n]...)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d octets were read, want %d, or not the same ones", len(got), len(want))
	}
}

func TestALazyReaderEndsWithItsDeadlineAndItsConnection(t *testing.T) {
	t.Parallel()
	r, c, _ := lazyPair(t)
	room := make([]byte, 10)
	read := func(rest func()) error {
		_, err := r.Read(func() []byte { return room }, rest)
		return err
	}
	c.SetReadDeadline(time.Now().Add(time.Millisecond))
	if err := read(func() {}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
	c.SetReadDeadline(time.Time{})
	if err := read(func() { go c.Close() }); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after it was closed: %v", err)
	}
}
