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
	B     []byte
	refs  atomic.Int32
	pool  *sync.Pool
	meter atomic.Pointer[Meter] // that it is charged to, or nil
	place int                   // in the meter's list, guarded by it
	// parked says that its owner waits: who releases the last other reference releases the owner's, too.
	parked atomic.Bool
	// users are contents that have been given slices of it, some more than once; the owner adds them.
	users []*Content
}

// octetsPerUser bounds how many users a chunk remembers: so many octets of it for each. The smallest frame of a message
// that is worth being moved is larger.
const octetsPerUser = 64

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
		c.end()
	case n == 1:
		if c.parked.Load() && c.abandoned() {
			c.end()
		}
	case n < 0:
		panic("buf: chunk released more often than retained") // a defect of ours, never caused by input
	}
}

// end returns the chunk to its pool.
func (c *Chunk) end() {
	c.forget()
	chunksOut.Add(-1)
	octetsOut.Add(int64(-len(c.B)))
	if c.pool != nil {
		c.pool.Put(c)
	}
}

// Exclusive tells whether the caller's reference is the only one, so that the whole chunk may be overwritten.
func (c *Chunk) Exclusive() bool { return c.refs.Load() == 1 }

// Restart tells whether the owner's reference is the only one, so that the whole chunk may be overwritten; if so, nobody
// is known to use it any more. Only the owner calls it.
func (c *Chunk) Restart() bool {
	if !c.Exclusive() {
		return false
	}
	c.forget()
	return true
}

// Leave gives up the owner's reference, like Release. When others still have some, all of the chunk is charged to a meter
// until the last of them is released.
func (c *Chunk) Leave(m *Meter) {
	if !c.Exclusive() {
		m.charge(c)
	}
	c.Release()
}

// Park is called by the owner before it waits for more to write. As long as others have references, all of the chunk is
// charged to a meter; with the last of these, the chunk is released. The owner calls Unpark before anything else.
func (c *Chunk) Park(m *Meter) {
	m.charge(c)
	c.parked.Store(true)
	if c.Exclusive() && c.abandoned() { // who released the last one may not have seen that it is parked
		c.end()
	}
}

// Unpark takes a chunk back that was parked with a meter. False means that it is gone.
func (c *Chunk) Unpark(m *Meter) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return c.meter.Load() == m && c.parked.CompareAndSwap(true, false)
}

// abandoned takes a chunk from its owner if it is parked and nobody else has it.
func (c *Chunk) abandoned() bool {
	m := c.meter.Load()
	if m == nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return c.meter.Load() == m && c.parked.Load() && c.refs.CompareAndSwap(1, 0) && c.parked.CompareAndSwap(true, false)
}

// usedBy notes that a content has a slice of the chunk. The owner calls it.
func (c *Chunk) usedBy(u *Content) {
	if n := len(c.users); n < len(c.B)/octetsPerUser && (n == 0 || c.users[n-1] != u) {
		c.users = append(c.users, u)
	}
}

// forget empties the list of users of a chunk that nobody uses, and takes it off its meter.
func (c *Chunk) forget() {
	if m := c.meter.Load(); m != nil {
		m.uncharge(c)
	}
	clear(c.users)
	c.users = c.users[:0]
}

// retainUsed adds a reference to a chunk that somebody else has, unless the last one is just being released.
func (c *Chunk) retainUsed() bool {
	for {
		n := c.refs.Load()
		if n == 0 {
			return false
		}
		if c.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

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
