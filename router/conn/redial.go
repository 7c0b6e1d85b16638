package conn

import "time"

// Redial says when a connector dials again. A connection that was open and is lost is tried again soon. One that is
// lost again and again is damped, since each time the whole mesh computes its paths.
type Redial struct {
	delay  time.Duration // of the next attempt after one that failed
	losses int           // of connections that were open, without a calm one in between
}

const (
	// RedialCalm is how long a connection has to be open for its loss to be a first one.
	RedialCalm = 30 * time.Second
	// redialLosses is how many losses are not damped. Each later one doubles the delay, from redialDamped to
	// redialDampedLast.
	redialLosses     = 2
	redialDamped     = time.Second
	redialDampedLast = 30 * time.Second
)

// Delays before a connector dials again: after the loss of an open connection, and growing while it cannot connect.
const (
	RedialAfterLoss = 100 * time.Millisecond
	RedialFirst     = 250 * time.Millisecond
	redialLast      = time.Second // a partition that heals must not wait for longer
)

// After returns how long to wait after an attempt: opened says whether the peer's open came, and lived is how long the
// connection was open then.
func (r *Redial) After(opened bool, lived time.Duration) (wait time.Duration) {
	if !opened {
		wait = max(r.delay, RedialFirst)
		r.delay = min(2*wait, redialLast)
		return wait
	}
	r.delay = 0
	if lived >= RedialCalm {
		r.losses = 0
	}
	r.losses++
	if r.losses <= redialLosses {
		return RedialAfterLoss
	}
	wait = redialDamped
	for n := redialLosses + 1; n < r.losses && wait < redialDampedLast; n++ {
		wait *= 2
	}
	return min(wait, redialDampedLast)
}
