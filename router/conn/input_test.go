package conn

import (
	"encoding/binary"
	"net"
	"testing"

	"github.com/postroad/postroad/internal/amqp/buf"
)

// newReader returns what a reader reads into, of a connection that is admitted and that nobody serves.
func newReader(t *testing.T) *input {
	t.Helper()
	near, far := net.Pipe()
	c := newHost(t).NewConn(piped{near}, settings(0), false)
	c.admitted.Store(true)
	in := newInput(c)
	t.Cleanup(func() { in.leave(); near.Close(); far.Close() })
	return in
}

// comes has octets come, as many as there is room for, of which the engine uses some.
func (in *input) comes(b []byte, use int) (n int) {
	n = copy(in.makeRoom(), b)
	in.w += n
	in.r += use
	in.adapt(n)
	return n
}

// frameOf is the header of a frame of a size.
func frameOf(size uint32) []byte { return binary.BigEndian.AppendUint32(nil, size) }

// TestTheBeginningOfALargeFrameKeepsASmallBuffer has four octets come of a frame of 64 KiB, and then the rest of it, an
// octet at a time: the buffer follows the octets that have come.
func TestTheBeginningOfALargeFrameKeepsASmallBuffer(t *testing.T) {
	t.Parallel()
	const size = 64 << 10
	in := newReader(t)
	in.most = buf.LargeChunk
	in.comes(frameOf(size), 0)
	if n := len(in.chunk.B); n != buf.SmallChunk {
		t.Errorf("four octets keep a buffer of %d", n)
	}
	for have := 4; have < size; have++ {
		if in.comes([]byte{0}, 0) != 1 {
			t.Fatalf("there is no room after %d octets", have)
		}
		if n := len(in.chunk.B); n > max(16*(have+1), buf.SmallChunk) {
			t.Fatalf("%d octets keep a buffer of %d", have+1, n)
		}
	}
	if string(in.chunk.B[in.r:in.r+4]) != string(frameOf(size)) || in.w-in.r != size {
		t.Errorf("the frame is not whole: %d octets", in.w-in.r)
	}
}

// TestABufferGrowsWhileReadsFillItAndShrinksAfter has much come, and then little: what is left in the large buffer does
// not keep it.
func TestABufferGrowsWhileReadsFillItAndShrinksAfter(t *testing.T) {
	t.Parallel()
	for _, left := range []int{0, 1, 100} {
		in := newReader(t)
		in.most = buf.LargeChunk
		much := append(frameOf(buf.LargeChunk-100), make([]byte, buf.LargeChunk)...)
		in.comes(much, 0)
		for i := 0; len(in.chunk.B) < buf.LargeChunk; i++ {
			if in.comes(much[4:], 0); i > 100 {
				t.Fatalf("reads that fill it make a buffer of %d", len(in.chunk.B))
			}
		}
		in.r = in.w - left
		for range 4 {
			in.comes(make([]byte, 10), 10)
		}
		if in.w-in.r != left {
			t.Errorf("%d octets are left of %d", in.w-in.r, left)
		}
		if n := in.octets(); n > buf.MediumChunk {
			t.Errorf("with %d octets left, a buffer of %d is kept", left, n)
		}
	}
}

// octets is how large the buffer is.
func (in *input) octets() int {
	if in.chunk == nil {
		return 0
	}
	return len(in.chunk.B)
}

// TestAPeerThatIsNotAdmittedGetsASmallBuffer has much come before the peer has said who it is.
func TestAPeerThatIsNotAdmittedGetsASmallBuffer(t *testing.T) {
	t.Parallel()
	in := newReader(t)
	in.c.admitted.Store(false)
	much := make([]byte, buf.LargeChunk)
	for range 10 {
		in.comes(much, min(len(in.makeRoom()), in.most))
		if n := in.octets(); n > buf.SmallChunk {
			t.Fatalf("it is %d octets large", n)
		}
	}
}

// TestABufferThatOthersHoldIsNotOverwritten has a message keep a part of it.
func TestABufferThatOthersHoldIsNotOverwritten(t *testing.T) {
	t.Parallel()
	in := newReader(t)
	in.most = buf.LargeChunk
	in.comes([]byte("a message"), 0)
	kept := in.chunk
	kept.Retain()
	in.r = in.w
	for range 10 {
		in.comes(make([]byte, 4000), 4000)
	}
	if string(kept.B[:9]) != "a message" {
		t.Errorf("it reads %q now", kept.B[:9])
	}
	if in.chunk == kept {
		t.Error("40,000 octets have come, and the buffer is the same")
	}
	if held := in.c.E.Meter.Held(); held != int64(len(kept.B)) {
		t.Errorf("it counts as %d octets", held)
	}
	if kept.Release(); in.c.E.Meter.Held() != 0 {
		t.Errorf("%d octets are still counted", in.c.E.Meter.Held())
	}
}
