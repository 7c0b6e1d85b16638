package transport

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
)

// A try to write to a peer that does not read takes what fits and returns; the rest can follow later, and the peer
// gets every octet once, in order.
func TestTryWriterTakesWhatFitsAndNeverWaits(t *testing.T) {
	t.Parallel()
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
	defer peer.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Handshake(context.Background()); err != nil {
		t.Fatal(err)
	}
	w := NewTryWriter(c)
	if w == nil {
		t.Fatal("plain TCP has no TryWriter")
	}
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	rest := net.Buffers{want[:100], want[100 : 8<<20], want[8<<20:]}
	total := 0
	for {
		n, err := w.Write(rest)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break // the socket is full: 16 MiB are more than it holds
		}
		Skip(&rest, n)
		total += n
	}
	if total == 0 || total >= len(want) {
		t.Fatalf("took %d of %d octets", total, len(want))
	}
	go func() {
		_, _ = WriteBuffers(c, &rest)
		_ = c.CloseWrite()
	}()
	got, err := io.ReadAll(peer)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("got %d octets, want %d, or not the same ones", len(got), len(want))
	}
}
