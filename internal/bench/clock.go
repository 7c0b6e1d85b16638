package bench

import (
	"math"
	"runtime"
	"time"
)

// clock is the monotonic clock that senders and receivers share, in nanoseconds since the process began to measure.
type clock struct{ start time.Time }

func newClock() clock { return clock{start: time.Now()} }

// now returns nanoseconds.
func (c clock) now() int64 { return int64(time.Since(c.start)) }

// pace says when messages are due: one every period, by the clock.
type pace struct {
	period float64 // nanoseconds between two messages; 0: everything is due at once
	first  int64   // when message 0 is due
	next   uint64  // message that is due next
}

// due returns when message n is due.
func (p *pace) due(n uint64) int64 { return p.first + int64(float64(n)*p.period) }

// ready returns how many messages are due at now and have not been taken, at most limit.
func (p *pace) ready(now int64, limit int) int {
	if p.period == 0 {
		return limit
	}
	elapsed := float64(now-p.first) / p.period
	if elapsed < float64(p.next) {
		return 0
	}
	return int(math.Min(float64(limit), math.Floor(elapsed)-float64(p.next)+1))
}

// longestSleep bounds how long a paced sender is deaf to requests of its peer.
const longestSleep = 50 * time.Millisecond

// sleepUntil sleeps on the operating system's own timer, which is accurate to a few microseconds where the Go runtime
// rounds to a millisecond. The goroutine must be locked to its thread by preciseTimers.
func (c clock) sleepUntil(at int64) {
	d := time.Duration(at - c.now())
	if d > 0 {
		preciseSleep(min(d, longestSleep))
	}
}

// preciseTimers ties the goroutine to a thread whose timers are not rounded; call the result when done.
func preciseTimers() (release func()) {
	runtime.LockOSThread()
	setTimerSlack()
	return runtime.UnlockOSThread
}
