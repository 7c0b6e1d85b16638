package router

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/router/control"
	"github.com/postroad/postroad/router/forwarding"
)

// newOverload makes what watches the memory. memory is what the process may use, in octets; 0 takes the limit of the Go
// runtime. Messages may take a quarter of it.
func newOverload(memory int64) *forwarding.Overload {
	if memory <= 0 {
		memory = debug.SetMemoryLimit(-1)
	}
	o := &forwarding.Overload{Memory: memory, Live: liveHeap}
	o.Budget = min(memory, forwarding.Unlimited) / 4
	return o
}

// liveHeap returns the number of octets that the last garbage collection found in use.
func liveHeap() int64 {
	sample := [1]metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample[:])
	return int64(sample[0].Value.Uint64())
}

// watchMemory looks at the memory when it is time, and acts. It returns how long the next look is away. The control
// loop calls it.
func (r *Router) watchMemory(now time.Time) (wait time.Duration) {
	o := r.plane.Overload
	o.Mu.Lock()
	defer o.Mu.Unlock()
	if left := o.Next.Sub(now); left > 0 {
		return left
	}
	pressure := o.Pressure()
	before := forwarding.OverloadLevel(o.Level.Load())
	after := before.Step(pressure)
	cause, held := r.plane.Accounts.Largest()
	o.Cause.Store(cause != nil && held > o.Budget/4)
	if after != before {
		o.Level.Store(int32(after))
		log := r.host.Log(logging.Router)
		if after > before {
			log.Warningf("Overload: %v (%.0f %% of the memory for messages or of the heap is in use, %d octets held)",
				after, 100*pressure, o.Held())
		} else {
			log.Noticef("Overload: %v (%.0f %% in use)", after, 100*pressure)
		}
	}
	offends := after == forwarding.OverloadOffender || after >= forwarding.OverloadAttach && o.Cause.Load()
	if offends && now.Sub(o.Detached) >= forwarding.OffenderPause {
		if r.endOffender(now, cause) {
			o.Detached = now
		}
	}
	if after > forwarding.OverloadNone {
		r.collect(now)
		if now.Sub(o.Told) >= forwarding.WithholdPause {
			o.Told = now
			r.holdOrigins(after)
		}
	}
	step := forwarding.OverloadCalm
	if after > forwarding.OverloadNone || o.Held() > o.Budget/4 {
		step = forwarding.OverloadAlert
	}
	o.Next = now.Add(step)
	return step
}

// endOffender ends what holds the most of the account that does, or of all connections when there is none. It waits for
// no connection, and reports false if somebody works with the one that it would end.
func (r *Router) endOffender(now time.Time, cause *forwarding.Account) (done bool) {
	var worst *forwarding.Endpoint
	most := int64(0)
	for _, c := range r.host.Conns() {
		if c.E.Terms.Role == forwarding.RoleInterRouter || cause != nil && !c.E.IsOf(cause) {
			continue
		}
		if messages, state := c.E.Holds(); messages+state > most {
			worst, most = c.E, messages+state
		}
	}
	if worst == nil {
		return true
	}
	var w forwarding.Wakes
	defer w.Poke()
	return worst.EndOffender(now, &w)
}

// collectPause is the time between two collections of garbage while there is overload.
const collectPause = time.Second

// collect has the garbage collector look what is in use: by itself it may not for minutes, and the pressure would stay
// after its cause has gone.
func (r *Router) collect(now time.Time) {
	s := &r.plane.Overload.Surplus
	if now.Sub(r.collected) < collectPause || s.Running.Swap(true) {
		return
	}
	r.collected = now
	r.loops.Go(func() {
		defer s.Running.Store(false)
		runtime.GC()
	})
}

// holdOrigins holds back what comes from other routers, at a level of overload: see forwarding.Endpoint.HoldOrigins. It
// waits for no endpoint.
func (r *Router) holdOrigins(level forwarding.OverloadLevel) {
	foreign := make(map[int]bool)
	r.loop.guarded(func(k *control.Control) {
		for n := range k.Routers {
			foreign[n] = !k.Mesh.Understands(n)
		}
	})
	var w forwarding.Wakes
	for _, c := range r.host.Conns() {
		c.E.HoldOrigins(func(n int) bool { return n < 1 || foreign[n] }, level >= forwarding.OverloadAttach, &w)
	}
	w.Poke()
}
