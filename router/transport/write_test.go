package transport

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"

	"github.com/postroad/postroad/tls"
)

// writes is a connection that remembers its writes, and fails from one on.
type writes struct {
	Conn
	all  [][]byte
	fail int // this write and all after it fail; 0: none
}

func (w *writes) Write(b []byte) (int, error) {
	if w.fail > 0 && len(w.all)+1 >= w.fail {
		return len(b) / 2, errors.New("broken")
	}
	w.all = append(w.all, bytes.Clone(b))
	return len(b), nil
}

// buffers makes buffers of some sizes, with counting octets.
func buffers(sizes []int) (b net.Buffers, flat []byte) {
	for _, size := range sizes {
		start := len(flat)
		for range size {
			flat = append(flat, byte(len(flat)*7>>3))
		}
		b = append(b, bytes.Clone(flat[start:]))
	}
	return b, flat
}

// Whatever the sizes, the octets come out in their order, in writes that are whole records but for the last.
func TestCoalesce(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	tests := [][]int{
		{}, {0}, {0, 0, 1, 0}, {record}, {record - 1, 1}, {record - 1, 2}, {1, record}, {5 * record}, {1, 5 * record},
	}
	for range 200 {
		var sizes []int
		for range random.IntN(20) {
			sizes = append(sizes, random.IntN(1<<random.IntN(17)))
		}
		tests = append(tests, sizes)
	}
	for _, sizes := range tests {
		b, flat := buffers(sizes)
		var w writes
		n, err := WriteBuffers(&w, &b)
		if err != nil || n != int64(len(flat)) || len(b) != 0 {
			t.Fatalf("seed %d, sizes %v: wrote %d of %d, %v, %d buffers left", seed, sizes, n, len(flat), err, len(b))
		}
		if got := bytes.Join(w.all, nil); !bytes.Equal(got, flat) {
			t.Fatalf("seed %d, sizes %v: the octets differ", seed, sizes)
		}
		for i, piece := range w.all {
			if len(piece) == 0 || i < len(w.all)-1 && len(piece)%record != 0 {
				t.Errorf("seed %d, sizes %v: write %d of %d has %d octets", seed, sizes, i, len(w.all), len(piece))
			}
		}
	}
}

// A write that fails ends the rest, and the count is what went out.
func TestCoalesceFails(t *testing.T) {
	t.Parallel()
	b, _ := buffers([]int{100, record, 100, 5 * record, 100})
	w := writes{fail: 2}
	n, err := WriteBuffers(&w, &b)
	if err == nil || n < record || n >= 4*record || len(w.all) != 1 {
		t.Errorf("wrote %d, %v, in %d writes", n, err, len(w.all))
	}
}

// Large and many buffers arrive whole, with TLS and without.
func TestWriteBuffers(t *testing.T) {
	t.Parallel()
	p := profile(t)
	sizes := []int{1, 64, 0, 128, 100_000, 3}
	for range 3000 {
		sizes = append(sizes, 130)
	}
	for _, p := range []*tls.Profile{nil, p} {
		client, server := dial(t, listen(t, ListenOptions{TLS: p}), DialOptions{TLS: p})
		for _, pair := range [][2]Conn{{client, server}, {server, client}} {
			b, flat := buffers(sizes)
			failed := make(chan error, 1)
			go func() {
				n, err := WriteBuffers(pair[0], &b)
				if err == nil && (n != int64(len(flat)) || len(b) != 0) {
					err = errors.New("not everything was written")
				}
				failed <- err
			}()
			got := make([]byte, len(flat))
			if _, err := io.ReadFull(pair[1], got); err != nil || !bytes.Equal(got, flat) {
				t.Fatalf("read %v, equal %v", err, bytes.Equal(got, flat))
			}
			if err := <-failed; err != nil {
				t.Error(err)
			}
		}
	}
}

// Putting records together allocates nothing.
func TestCoalesceAllocatesNothing(t *testing.T) {
	b, _ := buffers([]int{64, 128, 64, 128, 64, 128})
	w := discard{}
	slices := make(net.Buffers, len(b))
	if n := testing.AllocsPerRun(100, func() {
		list := slices[:len(b)]
		copy(list, b)
		if _, err := WriteBuffers(&w, &list); err != nil {
			t.Fatal(err)
		}
	}); n > 1 { // the slice header, which escapes
		t.Errorf("%v allocations", n)
	}
}

// discard is a connection that takes everything.
type discard struct{ Conn }

func (discard) Write(b []byte) (int, error) { return len(b), nil }
