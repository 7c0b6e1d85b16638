package buf

import (
	"sync"
	"sync/atomic"
)

// segmentCost is what keeping a slice of a message takes, in octets. The first slice of each message is not counted: link
// credit bounds how many of those there are.
const segmentCost = 256

// Meter counts the octets that one connection's messages hold in this process, so that its reader can wait while they
// are too many, and adds them to a Total: all of each chunk that the reader has left while others hold parts of it, and
// something for each slice of long messages. A chunk that its owner fills is not counted: what has arrived in it, and
// whatever else the connection holds, is counted with Add. A meter outlives its connection until the last chunk is
// released. All methods may be called concurrently.
type Meter struct {
	total   *Total
	held    atomic.Int64
	waiting atomic.Bool
	low     atomic.Int64
	wake    chan struct{}

	mu     sync.Mutex // a leaf
	chunks []*Chunk   // those that are charged
}

// Total is the sum of many meters, and of the totals below it: connections add up to a user, users to a process. The
// zero value is ready for use and has nothing above it. All methods may be called concurrently.
type Total struct {
	held  atomic.Int64
	above *Total
}

// NewTotal returns a total that adds to another one, or with nil to none. What is held is added at each level, so there
// should be few.
func NewTotal(above *Total) *Total { return &Total{above: above} }

// Held is the number of octets held now.
func (t *Total) Held() int64 { return t.held.Load() }

// NewMeter returns a meter that adds to a total.
func NewMeter(total *Total) *Meter { return &Meter{total: total, wake: make(chan struct{}, 1)} }

// Held is the number of octets held now.
func (m *Meter) Held() int64 { return m.held.Load() }

// Wait returns a channel that gets a value once at most low octets are held, which may be at once. One caller waits at
// a time.
func (m *Meter) Wait(low int64) <-chan struct{} {
	m.low.Store(low)
	m.waiting.Store(true)
	m.add(0)
	return m.wake
}

// Add counts octets that are held otherwise than by messages, or with a negative number those that are not held any
// more. A nil meter does nothing.
func (m *Meter) Add(octets int) { m.add(octets) }

func (m *Meter) add(n int) {
	if m == nil {
		return
	}
	after := m.held.Add(int64(n))
	if n != 0 {
		for t := m.total; t != nil; t = t.above {
			t.held.Add(int64(n))
		}
	}
	if m.waiting.Load() && after <= m.low.Load() && m.waiting.CompareAndSwap(true, false) {
		select {
		case m.wake <- struct{}{}:
		default:
		}
	}
}

// charge counts a chunk until nobody has it any more. The owner of the chunk calls it.
func (m *Meter) charge(c *Chunk) {
	if c.meter.Load() != nil {
		return
	}
	m.mu.Lock()
	c.place = len(m.chunks)
	m.chunks = append(m.chunks, c)
	c.meter.Store(m)
	m.mu.Unlock()
	m.add(len(c.B))
}

// uncharge takes a chunk off the list that nobody has any more.
func (m *Meter) uncharge(c *Chunk) {
	m.mu.Lock()
	last := len(m.chunks) - 1
	moved := m.chunks[last]
	m.chunks[c.place], moved.place = moved, c.place
	m.chunks[last] = nil
	m.chunks = m.chunks[:last]
	c.meter.Store(nil)
	m.mu.Unlock()
	m.add(-len(c.B))
}
