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
// are too many, and adds them to a Total. All methods may be called concurrently.
type Meter struct {
	total   *Total
	held    atomic.Int64
	waiting atomic.Bool
	low     atomic.Int64
	wake    chan struct{}
}

// Total is the sum of many meters. The zero value is ready for use. All methods may be called concurrently.
type Total struct{ held atomic.Int64 }

// Held is the number of octets held now, small slices not counted.
func (t *Total) Held() int64 { return t.held.Load() }

// NewMeter returns a meter that adds to a total.
func NewMeter(total *Total) *Meter { return &Meter{total: total, wake: make(chan struct{}, 1)} }

// Held is the number of octets held now, small slices not counted.
func (m *Meter) Held() int64 { return m.held.Load() }

// Wait returns a channel that gets a value once at most low octets are held, which may be at once. One caller waits at
// a time.
func (m *Meter) Wait(low int64) <-chan struct{} {
	m.low.Store(low)
	m.waiting.Store(true)
	m.add(0)
	return m.wake
}

func (m *Meter) add(n int) {
	if m == nil {
		return
	}
	after := m.held.Add(int64(n))
	if n != 0 {
		m.total.held.Add(int64(n))
	}
	if m.waiting.Load() && after <= m.low.Load() && m.waiting.CompareAndSwap(true, false) {
		select {
		case m.wake <- struct{}{}:
		default:
		}
	}
}
