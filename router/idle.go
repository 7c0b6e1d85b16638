package router

import (
	"runtime/debug"
	"time"
)

// This file gives memory back to the system that a burst of messages has left. Connections that are idle again have
// given it to the heap before (router/forwarding, idle.go).

// giveMemoryBack returns memory to the system after connections that became idle have given back much. It does so in a
// goroutine of its own, one at a time. The control loop calls it.
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
