package router

import (
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/postroad/postroad/internal/amqp/engine"
)

// This file gives memory back that a burst of messages has left: that of connections that are idle again to the heap, and
// the heap's to the system.

const (
	// idleAfter is how long no message has come or gone when a connection gives its memory back.
	idleAfter = scanInterval
	// worthGivingBack is how much idle connections must have given back, in octets, before the heap gives memory to the
	// system by force; by itself it does so late, and not at all while nothing happens.
	worthGivingBack = 1 << 20
	// givePause is the time between two collections of this kind. There are several: pools let go of what they hold with
	// the second, and a collection makes a stack that is little used half as large.
	givePause = 10 * time.Second
	giveTimes = 4
)

// surplus is memory that may be given back to the system.
type surplus struct {
	given   atomic.Int64 // by idle connections, in octets, since the last collections
	running atomic.Bool
	times   int // collections that are still to come; the control loop's, like last
	last    time.Time
}

// idle gives back what a connection that is idle keeps for the next messages. Who calls it holds no output.mu and no
// endpoint's.
func (c *conn) idle(now time.Time) {
	w := &c.output
	if !w.mu.TryLock() {
		return
	}
	defer w.mu.Unlock()
	octets, ok := c.e.giveUp(now)
	if !ok {
		return
	}
	if len(w.rest) == 0 && w.out.Size == 0 {
		octets += cap(w.notes) * int(unsafe.Sizeof(note{}))
		w.out.Release()
		w.out, w.rest, w.vector, w.notes = engine.Output{}, nil, nil, nil
	}
	c.e.plane.overload.surplus.given.Add(int64(octets))
}

// giveUp gives back what an endpoint that is idle keeps for the next messages. False says that it is not, or has done so.
func (c *Endpoint) giveUp(now time.Time) (octets int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.eng == nil || c.near.Gone.Load() || c.crashed.Load() || c.clock.lastDelivery.Equal(c.clock.idleSince) ||
		now.Sub(c.clock.lastDelivery) < idleAfter {
		return 0, false
	}
	c.clock.idleSince = c.clock.lastDelivery
	octets = c.deliveries.spare<<10 + c.eng.Rest()
	c.deliveries.free, c.deliveries.spare = nil, 0
	octets += dropIfEmpty(&c.deliveries.in) + dropIfEmpty(&c.deliveries.out) + dropIfEmpty(&c.turns.ready) +
		dropIfEmpty(&c.turns.blocked) + dropIfEmpty(&c.turns.behind)
	c.notes, c.otherNotes, c.turns.slices, c.choice.gathered, c.choice.targets = nil, nil, nil, nil, nil
	return octets + c.inbox.rest(), true
}

// rest gives the memory for notes back when there are none.
func (i *inbox) rest() (octets int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.notes) == 0 {
		octets = cap(i.notes) * int(unsafe.Sizeof(note{}))
		i.notes = nil
	}
	return octets
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

// due tells whether a collection is due, and takes note of it.
func (s *surplus) due(now time.Time) bool {
	if s.given.Load() >= worthGivingBack {
		s.given.Store(0)
		s.times = giveTimes
	}
	if s.times == 0 || now.Sub(s.last) < givePause {
		return false
	}
	s.times, s.last = s.times-1, now
	return true
}

// giveMemoryBack returns memory to the system after many connections have become idle. The control loop calls it.
func (r *Router) giveMemoryBack(now time.Time) {
	s := &r.plane.overload.surplus
	if s.running.Load() || !s.due(now) {
		return
	}
	s.running.Store(true)
	r.loops.Go(func() {
		defer s.running.Store(false)
		debug.FreeOSMemory()
	})
}
