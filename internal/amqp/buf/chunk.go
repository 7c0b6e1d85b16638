package buf

import (
	"sync"
	"sync/atomic"
)

// Chunk sizes in octets. A reader starts with a small chunk and takes larger ones while reads fill them.
const (
	SmallChunk  = 4 << 10
	MediumChunk = 32 << 10
	LargeChunk  = 256 << 10
)

// Chunk is a counted buffer. It is created with one reference, its owner's. Only the owner may write to octets that
// nobody has been given yet; all other access is reading.
type Chunk struct {
	B    []byte
	refs atomic.Int32
	pool *sync.Pool
}

var (
	smallPool, mediumPool, largePool sync.Pool
	chunksOut, octetsOut             atomic.Int64
)

// NewChunk returns a chunk of at least size octets with one reference. Sizes up to [LargeChunk] come from pools.
func NewChunk(size int) *Chunk {
	chunksOut.Add(1)
	var pool *sync.Pool
	switch {
	case size <= SmallChunk:
		pool, size = &smallPool, SmallChunk
	case size <= MediumChunk:
		pool, size = &mediumPool, MediumChunk
	case size <= LargeChunk:
		pool, size = &largePool, LargeChunk
	default:
		octetsOut.Add(int64(size))
		c := &Chunk{B: make([]byte, size)}
		c.refs.Store(1)
		return c
	}
	octetsOut.Add(int64(size))
	c, _ := pool.Get().(*Chunk)
	if c == nil {
		c = &Chunk{B: make([]byte, size), pool: pool}
	}
	c.refs.Store(1)
	return c
}

// Retain adds a reference. The caller must hold one, or be the owner. A nil chunk is allowed and does nothing.
func (c *Chunk) Retain() {
	if c != nil {
		c.refs.Add(1)
	}
}

// Release gives up a reference; the last one returns the chunk to its pool. A nil chunk does nothing.
func (c *Chunk) Release() {
	if c == nil {
		return
	}
	switch n := c.refs.Add(-1); {
	case n == 0:
		chunksOut.Add(-1)
		octetsOut.Add(int64(-len(c.B)))
		if c.pool != nil {
			c.pool.Put(c)
		}
	case n < 0:
		panic("buf: chunk released more often than retained") // a defect of ours, never caused by input
	}
}

// Exclusive tells whether the caller's reference is the only one, so that the whole chunk may be overwritten.
func (c *Chunk) Exclusive() bool { return c.refs.Load() == 1 }

// Outstanding is the number of chunks in use in this process: created or taken from a pool and not yet released.
// Tests use it to prove that nothing leaks; metrics show it.
func Outstanding() int64 { return chunksOut.Load() }

// OutstandingOctets is the number of octets that these chunks have.
func OutstandingOctets() int64 { return octetsOut.Load() }

// Slice is a run of octets inside a chunk. Holding a Slice does not hold a reference by itself.
type Slice struct {
	B []byte
	C *Chunk
}
