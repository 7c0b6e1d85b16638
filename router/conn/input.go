package conn

import (
	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/transport"
)

// input is what a connection's reader reads into. It belongs to the reader.
type input struct {
	c     *Conn
	lazy  *transport.LazyReader // nil where reading cannot wait without memory
	chunk *buf.Chunk            // nil while there is nothing to read
	r, w  int                   // unread octets are chunk.B[r:w]
	// parked says that the chunk may be gone.
	parked bool
	size   int // of the next chunk
	most   int // octets to be read at most
	// compactAt is how many octets are held when messages are next moved out of chunks that are mostly empty.
	compactAt  int64
	room       func() []byte
	rest       func()
	roomOctets int // of what room has returned
	woken      forwarding.Wakes
	greedy     bool // what was read last took more than one turn
}

// newInput makes what the reader of a connection reads into.
func newInput(c *Conn) *input {
	in := &input{c: c, lazy: transport.NewLazyReader(c.Socket), size: buf.SmallChunk, most: EarlyOctets,
		compactAt: compactFrom}
	in.room, in.rest = in.makeRoom, in.giveBack
	return in
}

// EarlyOctets is how much of a peer's input is held before it is admitted: one frame of the largest size that the
// engine takes then.
const EarlyOctets = 16 << 10

// read reads what there is, or waits for it.
func (in *input) read() (n int, err error) {
	if in.lazy != nil {
		n, err = in.lazy.Read(in.room, in.rest)
	} else {
		n, err = in.c.Socket.Read(in.makeRoom())
	}
	in.w += n
	return n, err
}

// makeRoom returns the part of the chunk to read into.
func (in *input) makeRoom() []byte {
	in.unpark()
	if in.chunk == nil {
		in.chunk, in.r, in.w = buf.NewChunk(in.size), 0, 0
	}
	room := in.chunk.B[in.w:]
	in.roomOctets = len(room)
	return room[:min(len(room), in.most)]
}

// giveBack gives the chunk back while there is nothing to read, unless a part of a frame stands in it. A chunk that
// others hold goes back when they let go.
func (in *input) giveBack() {
	switch {
	case in.chunk == nil || in.parked || in.r < in.w:
	case in.chunk.Exclusive():
		in.leave()
	default:
		in.parked = true
		in.chunk.Park(in.c.E.Meter)
	}
}

// unpark takes a parked chunk again, if it is still there.
func (in *input) unpark() {
	if in.parked {
		if in.parked = false; !in.chunk.Unpark(in.c.E.Meter) {
			in.chunk = nil
		}
	}
}

// leave gives up the chunk.
func (in *input) leave() {
	if in.unpark(); in.chunk != nil {
		in.chunk.Leave(in.c.E.Meter)
		in.chunk, in.r, in.w = nil, 0, 0
	}
}

// compactFrom is how many octets must be held before those that are held for small messages are looked for.
const compactFrom = 256 << 10

// compact moves messages that wait out of chunks that are mostly empty, each time when twice as much is held as was
// left the last time.
func (in *input) compact(held int64) {
	switch {
	case held >= in.compactAt:
		in.compactNow()
	case held < in.compactAt/4:
		in.compactAt = max(compactFrom, in.compactAt/2)
	}
}

// compactNow does that at once, and returns how much is held then.
func (in *input) compactNow() (held int64) {
	in.c.E.Mu.Lock()
	in.c.E.Meter.Compact()
	in.c.E.Release()
	held = in.c.E.Meter.Held()
	in.compactAt = max(compactFrom, 2*held)
	return held
}

// adapt chooses the size of chunks by how much came, n octets, and makes room to read. It goes on in the chunk while a
// useful part of that is free, and starts the chunk again when nobody else holds it. Otherwise it takes a new one, with
// the octets of an incomplete frame.
func (in *input) adapt(n int) {
	if n == in.roomOctets && in.size < buf.LargeChunk && in.c.admitted.Load() {
		in.size = min(in.size*8, buf.LargeChunk)
	} else if n < in.size/16 && in.size > buf.SmallChunk {
		in.size = in.size / 8
	}
	in.size = min(in.size, in.c.largestChunk())
	if in.r == in.w && in.chunk.Restart() {
		if in.r, in.w = 0, 0; len(in.chunk.B) < in.size || len(in.chunk.B) > 8*in.size {
			in.leave()
		}
		return
	}
	have := in.w - in.r
	need := min(frameNeed(in.chunk.B[in.r:in.w]), max(have, usefulRoom)) // memory follows the octets that have come
	room := len(in.chunk.B) - in.w
	if oversized := len(in.chunk.B) > 8*max(in.size, have); room >= usefulRoom && room >= need && !oversized {
		return
	}
	next := buf.NewChunk(max(in.size, have+need))
	w := copy(next.B, in.chunk.B[in.r:in.w])
	in.leave()
	in.chunk, in.w = next, w
}

// usefulRoom is how many octets of a chunk have to be free for the reader to go on in it.
const usefulRoom = 2048

// frameNeed is how many octets are missing to complete the frame that b begins with.
func frameNeed(b []byte) int {
	if len(b) < 4 {
		return 512
	}
	size := int(b[0])<<24 | int(b[1])<<16 | int(b[2])<<8 | int(b[3])
	if size > 1<<24 {
		return 512 // the engine refuses it
	}
	return max(size-len(b), 1)
}
