package show

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/internal/management"
	"github.com/postroad/postroad/internal/metrics"
	"github.com/postroad/postroad/mesh"
	"github.com/postroad/postroad/router/control"
	"github.com/postroad/postroad/router/forwarding"
)

// View is what management and metrics see of a router. Its fields never change after the start.
type View struct {
	Plane    *forwarding.Plane
	Roll     *forwarding.Roll
	Config   *config.Config
	Logs     *logging.Logs
	Version  string // of the software
	Control  *control.Control
	Mode     config.Mode
	HostName string
	Gossip   gossipView               // nil without gossip
	Draining func(*management.Router) // adds how far a drain has come
	AskDrain func()                   // has the router drain and stop
	Scanner  scanner
}

// gossipView is what gossip shows.
type gossipView interface {
	// Rows are the members.
	Rows() []management.Member
	// Measure counts for metrics; nil before gossip has begun. links are those to neighbors.
	Measure(links []mesh.LinkStatus) *metrics.Gossip
}

// scanner looks for stuck deliveries and blocked links.
type scanner struct {
	Mu   sync.Mutex // taken before those of the ledger and of a connection
	last time.Time
}

// Scan looks at all links unless that was done just before.
func (v *View) Scan(now time.Time, age time.Duration) {
	if !v.Scanner.Mu.TryLock() {
		if age == forwarding.ScanInterval {
			return // the control loop need not wait until somebody else has looked
		}
		v.Scanner.Mu.Lock()
	}
	defer v.Scanner.Mu.Unlock()
	if !v.Scanner.last.IsZero() && now.Sub(v.Scanner.last) < age {
		return
	}
	v.Scanner.last = now
	for _, c := range v.Roll.List() {
		if c.Look(func() { c.Scan(now) }) {
			c.Driver.Idle(now)
		}
	}
}

// ends are the endpoints of connections, in the order they came.
func (v *View) ends() []*forwarding.Endpoint {
	ends := slices.DeleteFunc(v.Roll.List(), func(c *forwarding.Endpoint) bool { return c.Resident != nil })
	slices.SortFunc(ends, func(a, b *forwarding.Endpoint) int { return cmp.Compare(a.Number, b.Number) })
	return ends
}

// Patience with endpoints that are busy: their turns are short, but nobody waits for a lock.
const (
	lookPause = 100 * time.Microsecond
	lookTimes = 100
)

// look calls f with an endpoint's mutex, when nobody else has it. False says that somebody else always had.
func (v *View) look(c *forwarding.Endpoint, f func()) bool {
	for range lookTimes {
		if c.Look(f) {
			return true
		}
		time.Sleep(lookPause)
	}
	return false
}
