package mesh

import "time"

// backoff decides when paths are computed after the topology has changed, as RFC 8405 does it. The first change after a
// quiet time is acted on at once. Those that follow soon are collected for a short delay, because a failure is reported
// by several routers within milliseconds. If there is no end of them, the delay is long, so that a storm of changes
// costs one computation per long delay, whatever its cause.
//
//	QUIET       → SHORT_WAIT  a change; computed at once
//	SHORT_WAIT  → LONG_WAIT   backoffLearn after the first change
//	any         → QUIET       backoffHold after the last change
type backoff struct {
	state   backoffState
	long    time.Duration // grows with the mesh
	learnt  time.Time     // when SHORT_WAIT ends
	quiet   time.Time     // when QUIET begins
	due     time.Time
	pending bool
	losses  bucket // neighbors lost here, which are acted on at once
}

type backoffState uint8

const (
	backoffQuiet backoffState = iota
	backoffShort
	backoffLong
)

// The delays of RFC 8405. A computation takes less than a millisecond in a mesh of a hundred routers, and what is known
// arrives within milliseconds; so they are shorter than those of the RFC, which are for routers of 2018 and earlier.
const (
	backoffShortDelay = 10 * time.Millisecond
	backoffLongDelay  = 20 * time.Millisecond // and a millisecond for each router
	backoffLearn      = 500 * time.Millisecond
	backoffHold       = 2 * time.Second
)

// The rate at which the loss of a neighbor makes paths be computed at once in a storm, per second and at once.
const (
	lossRate  = 2
	lossBurst = 5
)

// request asks for a computation, because of a change.
func (b *backoff) request(now time.Time) {
	switch {
	case !now.Before(b.quiet):
		b.state = backoffQuiet
	case b.state == backoffShort && !now.Before(b.learnt):
		b.state = backoffLong
	}
	var delay time.Duration
	switch b.state {
	case backoffQuiet:
		b.state, b.learnt = backoffShort, now.Add(backoffLearn)
	case backoffShort:
		delay = backoffShortDelay
	case backoffLong:
		delay = max(b.long, backoffLongDelay)
	}
	b.quiet = now.Add(backoffHold)
	if !b.pending {
		b.pending, b.due = true, now.Add(delay)
	}
}

// hurry makes a computation due at once because a neighbor is lost, and reports whether it may: not if neighbors are
// lost all the time.
func (b *backoff) hurry(now time.Time) bool {
	b.request(now)
	if b.due.After(now) && !b.losses.take(now, lossRate, lossBurst) {
		return false
	}
	b.due = now
	return true
}

// take reports whether paths are to be computed now, and counts it as done.
func (b *backoff) take(now time.Time) bool {
	if !b.pending || b.due.After(now) {
		return false
	}
	b.pending = false
	return true
}
