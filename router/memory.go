package router

import (
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/router/forwarding"
)

func newOverload(memory int64) *forwarding.Overload {
	if memory <= 0 {
		memory = debug.SetMemoryLimit(-1)
	}
	o := &forwarding.Overload{Memory: memory, Live: liveHeap}
	o.Budget = min(memory, forwarding.Unlimited) / 4
	return o
}

// liveHeap is the number of octets that the last garbage collection found in use.
func liveHeap() int64 {
	sample := [1]metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample[:])
	return int64(sample[0].Value.Uint64())
}

// watchMemory looks at the memory when it is time, and acts. It returns how long until the next look.
func (r *Router) watchMemory(now time.Time) (wait time.Duration) {
	o := r.plane.Overload
	if left := o.Next.Sub(now); left > 0 {
		return left
	}
	pressure := o.Pressure()
	before := forwarding.OverloadLevel(o.Level.Load())
	after := before.Step(pressure)
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
	if after == forwarding.OverloadOffender && now.Sub(o.Detached) >= forwarding.OffenderPause {
		o.Detached = now
		r.detachOffender()
	}
	step := forwarding.OverloadCalm
	if after > forwarding.OverloadNone || o.Held() > o.Budget/4 {
		step = forwarding.OverloadAlert
	}
	o.Next = now.Add(step)
	return step
}

// detachOffender detaches the client's link that holds the most octets. It holds no lock when it is called.
func (r *Router) detachOffender() {
	var worst *forwarding.Endpoint
	most := 0
	for _, c := range r.host.Conns() {
		if c.E.Terms.Role == forwarding.RoleInterRouter {
			continue
		}
		c.E.Mu.Lock()
		_, held := c.E.WorstLink()
		c.E.Mu.Unlock()
		if held > most {
			worst, most = c.E, held
		}
	}
	if worst != nil {
		var w forwarding.Wakes
		w.Post(worst, forwarding.Note{Kind: forwarding.NoteOffender})
		w.Poke()
	}
}
