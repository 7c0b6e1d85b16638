package router

import (
	"runtime/debug"
	"time"
)

// This file gives memory back that a burst of messages has left: that of connections that are idle again to the heap, and
// the heap's to the system.

// giveMemoryBack returns memory to the system after many connections have become idle. The control loop calls it.
func (r *Router) giveMemoryBack(now time.Time) {
	s := &r.plane.Overload.Surplus
	if s.Running.Load() || !s.Due(now) {
		return
	}
	s.Running.Store(true)
	r.loops.Go(func() {
		defer s.Running.Store(false)
		debug.FreeOSMemory()
	})
}
