package forwarding

import (
	"slices"
	"sync/atomic"
	"time"
	"unsafe"
)

// IdleAfter is how long no message has come or gone when a connection gives its memory back.
const IdleAfter = ScanInterval

const (
	// WorthGivingBack is how much idle connections must have given back, in octets, before the heap gives memory to the
	// system by force. By itself the heap does so late, and not at all while nothing happens.
	WorthGivingBack = 1 << 20
	// GivePause is the time between two collections of this kind.
	GivePause = 10 * time.Second
	// GiveTimes is how many collections follow each other: pools let go of what they hold with the second, and each
	// makes a stack that is little used half as large.
	GiveTimes = 4
)

// Surplus is memory that may be given back to the system.
type Surplus struct {
	Given   atomic.Int64 // by idle connections, in octets, since the last collections
	Running atomic.Bool
	times   int // collections that are still to come; the control loop's, like last
	last    time.Time
}

// GiveUp gives back what an idle endpoint keeps for the next messages. False means that the endpoint is not idle, or
// has done so.
func (c *Endpoint) GiveUp(now time.Time) (octets int, ok bool) {
	if !c.Mu.TryLock() {
		return 0, false // it is not idle
	}
	defer c.Release()
	if c.Engine == nil || c.Near.Gone.Load() || c.Crashed.Load() || c.Clock.LastDelivery.Equal(c.Clock.idleSince) ||
		now.Sub(c.Clock.LastDelivery) < IdleAfter {
		return 0, false
	}
	c.Clock.idleSince = c.Clock.LastDelivery
	octets = c.Deliveries.Spare<<10 + c.Engine.Rest()
	c.Deliveries.free, c.Deliveries.Spare = nil, 0
	octets += dropIfEmpty(&c.Deliveries.In) + dropIfEmpty(&c.Deliveries.Out) + dropIfEmpty(&c.Turns.ready) +
		dropIfEmpty(&c.Turns.Blocked) + dropIfEmpty(&c.Turns.Behind)
	c.Notes, c.OtherNotes, c.Turns.slices, c.Choice.gathered, c.Choice.targets = nil, nil, nil, nil, nil
	if !c.isLeft() {
		octets += cap(c.work.notes) * int(unsafe.Sizeof(Note{}))
		c.work = work{}
	}
	return octets + c.Inbox.rest(), true
}

// dropIfEmpty gives a slice of pointers back that are all nil.
func dropIfEmpty[T any](s *[]*T) (octets int) {
	if slices.ContainsFunc(*s, func(p *T) bool { return p != nil }) {
		return 0
	}
	octets = cap(*s) * int(unsafe.Sizeof(uintptr(0)))
	*s = nil
	return octets
}

// Due reports whether a collection is due, and counts it as done.
func (s *Surplus) Due(now time.Time) bool {
	if s.Given.Load() >= WorthGivingBack {
		s.Given.Store(0)
		s.times = GiveTimes
	}
	if s.times == 0 || now.Sub(s.last) < GivePause {
		return false
	}
	s.times, s.last = s.times-1, now
	return true
}
