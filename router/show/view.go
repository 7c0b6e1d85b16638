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

// View is what management and metrics see of a router. Its fields, but Scanner, never change after the start. Its
// methods are safe for concurrent use, and wait for no endpoint.
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
	AskDrain func()                   // has the router drain and stop; returns at once
	Scanner  scanner
	shown    shown
}

// gossipView is what gossip shows.
type gossipView interface {
	// Rows returns the members as management shows them.
	Rows() []management.Member
	// Measure returns counters for metrics, nil before gossip has begun. links are those to neighbors.
	Measure(links []mesh.LinkStatus) *metrics.Gossip
}

// scanner says when links were last looked at for stuck deliveries and blocked links.
type scanner struct {
	Mu   sync.Mutex // taken before the mutexes of the ledger and of an endpoint
	last time.Time
}

// Scan looks at all links for stuck deliveries and blocked links, unless the last scan is younger than age. It also has
// idle connections give memory back. While another scan runs, it waits; with an age of forwarding.ScanInterval it
// returns at once instead, so that the control loop does not wait.
func (v *View) Scan(now time.Time, age time.Duration) {
	if !v.Scanner.Mu.TryLock() {
		if age == forwarding.ScanInterval {
			return
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

// ends returns the endpoints of connections, in the order in which they came.
func (v *View) ends() []*forwarding.Endpoint {
	ends := slices.DeleteFunc(v.Roll.List(), func(c *forwarding.Endpoint) bool { return c.Resident != nil })
	slices.SortFunc(ends, func(a, b *forwarding.Endpoint) int { return cmp.Compare(a.Number, b.Number) })
	return ends
}

// Patience is how long one who looks at endpoints waits for those that are busy, all of them together. Their turns are
// short.
const Patience = 50 * time.Millisecond

// Looker looks at one endpoint after the other. It is used once, by one goroutine.
type Looker struct{ timer *time.Timer }

// NewLooker returns a looker with patience. Stop has to be called.
func NewLooker() *Looker { return &Looker{time.NewTimer(Patience)} }

// Stop ends the looking.
func (l *Looker) Stop() { l.timer.Stop() }

// Look calls f with the mutex of an endpoint, at once or at the end of the turn that somebody else takes. It returns
// false when patience was over before.
func (l *Looker) Look(c *forwarding.Endpoint, f func()) bool {
	if c.Look(f) {
		return true
	}
	q := c.Ask(f)
	select {
	case <-q.Done:
		return true
	case <-l.timer.C:
		l.timer.Reset(0) // for the next one
	}
	if q.Forget() {
		return false
	}
	<-q.Done
	return true
}
