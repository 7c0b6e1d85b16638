package sim

import "time"

// The clock of a router shows the world's time plus an offset, and may run fast or slow.

// now returns what the router's clock shows.
func (r *Router) now() time.Time {
	w := r.world
	return w.now.Add(r.offset + time.Duration(float64(w.now.Sub(w.begin))*r.drift))
}

// worldTime returns when the router's clock will show t or a little more.
func (r *Router) worldTime(t time.Time) time.Time {
	if t.IsZero() || r.offset == 0 && r.drift == 0 {
		return t
	}
	w := r.world
	return w.begin.Add(time.Duration(float64(t.Sub(w.begin)-r.offset)/(1+r.drift)) + 200*time.Nanosecond)
}

// maxOffset is how far clocks are apart at most.
const maxOffset = time.Hour

// nextInstance returns the instance of the next life of a router: the time by its own clock, which may have been set
// back since the last one.
func (w *World) nextInstance(r *Router) int64 {
	if !w.Skew {
		w.instance++
		return w.instance
	}
	if r.life == 0 || w.Rand.IntN(4) == 0 {
		r.offset = w.Between(-maxOffset, maxOffset)
		r.drift = (w.Rand.Float64() - 0.5) / 50
	}
	instance := r.now().UnixMilli()
	if instance == r.instance {
		instance++
	}
	r.instance = instance
	return instance
}

// awake returns a step that waits until the router runs.
func (r *Router) awake(step func()) func() {
	return func() {
		if w := r.world; r.engine != nil && r.stalled.After(w.now) {
			w.schedule(r.stalled, occurrence{step: r.awake(step)})
			return
		}
		step()
	}
}

// Stall keeps the router from running for the duration, as on a busy machine. What arrives meanwhile waits.
func (r *Router) Stall(d time.Duration) {
	w := r.world
	if r.engine == nil || r.stalled.After(w.now) {
		return
	}
	w.log("stall %s for %v", r.ID, d)
	r.stalled = w.now.Add(d)
	r.wake = r.stalled
	w.schedule(r.stalled, occurrence{router: r, crash: r.life})
}
