package router

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/router/conn"
	"github.com/postroad/postroad/router/control"
	"github.com/postroad/postroad/router/discovery"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/show"
)

// Options are what a router is made with beside its configuration.
type Options struct {
	Logs    *logging.Logs
	Version string // of the software, for peers and management
	// MemoryLimit is what the process may use, in octets; 0 takes the limit of the Go runtime.
	MemoryLimit int64
}

// Router is one running router. Make it with New, and run it with Run, or with Start, Drain and Stop, each once. Addr
// and ID are safe for concurrent use. Its fields never change after New, but for those with a type that guards itself.
type Router struct {
	plane *forwarding.Plane
	host  *conn.Host
	view  *show.View
	cfg   *config.Config

	stop         chan struct{}  // closed when the control loop and the agent are to end
	asked        chan struct{}  // closed when management asks for a drain
	loops        sync.WaitGroup // control loop, agent, and what they start
	control      *control.Control
	loop         *loop
	agent        *agent
	redundant    bool                          // some address is redundant
	drainTimeout time.Duration                 // 0: no drain at the end
	collected    time.Time                     // when garbage was last collected for want of memory; the control loop's
	drained      atomic.Pointer[drainProgress] // nil before a drain
	running      atomic.Bool                   // the control loop runs, or has run
	listeners    []*conn.Listener
	connectors   []*conn.Connector
	gossip       *discovery.Gossip // nil: neighbors are configured
}

// Warn logs a line about what a peer did, or what happened to a connection.
func (r *Router) Warn(text string) { r.host.Log(logging.Server).Warning(text) }

// Observe logs a line about deliveries and links.
func (r *Router) Observe(text string) { r.host.Log(logging.RouterCore).Info(text) }

// Addr returns the host and port that a listener listens on, "" when no listener has the name. Before Start they are
// those of the configuration.
func (r *Router) Addr(listener string) string {
	for _, l := range r.listeners {
		if l.Entity.Name == listener {
			return l.Addr()
		}
	}
	return ""
}

// ID returns the router id.
func (r *Router) ID() string { return r.plane.ID }
