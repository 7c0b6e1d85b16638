package router

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/internal/management"
	"github.com/postroad/postroad/internal/metrics"
)

// view is what management and metrics see of a router. Its fields never change after the start.
type view struct {
	plane    *Plane
	roll     *roll
	cfg      *config.Config
	logs     *logging.Logs
	version  string // of the software
	control  *control
	mode     config.Mode
	hostName string
	gossip   gossipView               // nil without gossip
	draining func(*management.Router) // adds how far a drain has come
	askDrain func()                   // has the router drain and stop
	scanner  scanner
}

// gossipView is what gossip shows.
type gossipView interface {
	// rows are the members.
	rows() []management.Member
	// measure counts for metrics; nil before gossip has begun. The mutex of the control is held.
	measure(k *control) *metrics.Gossip
}

// scanner looks for stuck deliveries and blocked links.
type scanner struct {
	mu   sync.Mutex // taken before those of the ledger and of a connection
	last time.Time
}

// scan looks at all links unless that was done just before.
func (v *view) scan(now time.Time, age time.Duration) {
	if !v.scanner.mu.TryLock() {
		if age == scanInterval {
			return // the control loop need not wait until somebody else has looked
		}
		v.scanner.mu.Lock()
	}
	defer v.scanner.mu.Unlock()
	if !v.scanner.last.IsZero() && now.Sub(v.scanner.last) < age {
		return
	}
	v.scanner.last = now
	for _, c := range v.roll.list() {
		if c.look(func() { c.scan(now) }) {
			c.driver.idle(now)
		}
	}
}

// ends are the endpoints of connections, in the order they came.
func (v *view) ends() []*Endpoint {
	ends := slices.DeleteFunc(v.roll.list(), func(c *Endpoint) bool { return c.resident != nil })
	slices.SortFunc(ends, func(a, b *Endpoint) int { return cmp.Compare(a.number, b.number) })
	return ends
}

// Patience with endpoints that are busy: their turns are short, but nobody waits for a lock.
const (
	lookPause = 100 * time.Microsecond
	lookTimes = 100
)

// look calls f with an endpoint's mutex, when nobody else has it. False says that somebody else always had.
func (v *view) look(c *Endpoint, f func()) bool {
	for range lookTimes {
		if c.look(f) {
			return true
		}
		time.Sleep(lookPause)
	}
	return false
}
