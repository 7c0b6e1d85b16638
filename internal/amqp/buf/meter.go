package buf

import "sync/atomic"

// meteredFrom is the size in octets of the smallest first slice of a message that a Meter counts. Smaller ones are
// bounded by link credit, and counting them would cost more than it is worth; further slices of a message are not, and
// are counted whatever their size, with segmentCost for what keeping one takes.
const (
	meteredFrom = 4 << 10
	segmentCost = 256
)

// Meter counts the octets that one connection's messages hold in this process, so that its reader can wait while they
// are too many. All methods may be called concurrently.
type Meter struct {
	held    atomic.Int64
	waiting atomic.Bool
	low     int64
	wake    chan struct{}
}

// NewMeter returns a meter that wakes a waiting reader when at most low octets are held.
func NewMeter(low int64) *Meter { return &Meter{low: low, wake: make(chan struct{}, 1)} }

// Held is the number of octets held now, small slices not counted.
func (m *Meter) Held() int64 { return m.held.Load() }

// Wait returns a channel that gets a value once at most low octets are held, which may be at once.
func (m *Meter) Wait() <-chan struct{} {
	m.waiting.Store(true)
	m.add(0)
	return m.wake
}

func (m *Meter) add(n int) {
	if m == nil {
		return
	}
	if m.held.Add(int64(n)) <= m.low && m.waiting.Load() && m.waiting.CompareAndSwap(true, false) {
		select {
		case m.wake <- struct{}{}:
		default:
		}
	}
}
