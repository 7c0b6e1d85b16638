package router

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/postroad/postroad/internal/amqp/sasl"
	"github.com/postroad/postroad/internal/amqp/sasl/usersfile"
	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/router/transport"
	"github.com/postroad/postroad/tls"
)

// host is what the connections, listeners and connectors of one router have in common. Its first block never changes
// after the start.
type host struct {
	plane    *Plane
	cfg      *config.Config
	version  string // of the software
	logs     *logging.Logs
	users    *usersfile.File
	profiles map[string]*tls.Profile
	roll     *roll
	gossip   gossiper // nil without gossip
	// web makes what answers to HTTP on a listener.
	web func(l *config.Listener) (http.Handler, error)

	ctx      context.Context // ends when nothing is to be dialed or waited for any more
	cancel   context.CancelFunc
	serving  sync.WaitGroup // listeners, connectors, connections
	closing  sync.WaitGroup // connections over QUIC: what is left of them is sent
	draining atomic.Bool
	served   struct { // connections; its mutex is a leaf
		sync.Mutex
		conns map[*conn]struct{}
	}
}

// gossiper takes connections for gossip that came to a listener for routers.
type gossiper interface {
	// shares reports whether gossip comes by a listener, beside AMQP.
	shares(l *listener) bool
	// take makes a connection that was accepted one for gossip. It returns at once.
	take(nc transport.Conn)
}

func (h *host) log(m logging.Module) *logging.Logger { return h.logs.Module(m) }

// credentials are the users that listeners check passwords against, nil for none.
func (h *host) credentials() sasl.Credentials {
	if h.users == nil {
		return nil
	}
	return h.users
}

// conns returns the connections as they are now, in the order they came.
func (h *host) conns() []*conn {
	h.served.Lock()
	conns := slices.Collect(maps.Keys(h.served.conns))
	h.served.Unlock()
	slices.SortFunc(conns, func(a, b *conn) int { return cmp.Compare(a.e.number, b.e.number) })
	return conns
}

// serve runs a connection in the calling goroutine.
func (h *host) serve(c *conn) {
	h.served.Lock()
	h.served.conns[c] = struct{}{}
	h.served.Unlock()
	if h.ctx.Err() != nil || c.connector != nil && c.connector.ctx.Err() != nil {
		c.nc.Close()
	}
	h.roll.enter(c.e)
	c.run()
	h.served.Lock()
	delete(h.served.conns, c)
	h.served.Unlock()
	h.roll.leave(c.e)
}

// newProfile loads the files of an sslProfile. When they change, later handshakes use the new ones.
func (h *host) newProfile(p *config.SSLProfile) (*tls.Profile, error) {
	profile, err := tls.Load(tls.ProfileConfig{
		Name: p.Name, CACertFile: p.CACertFile, CertFile: p.CertFile, PrivateKeyFile: p.PrivateKeyFile,
		Password: p.Password, PasswordFile: p.PasswordFile, Ciphers: p.Ciphers, Protocols: p.Protocols,
		UIDFormat: p.UIDFormat, UIDNameMappingFile: p.UIDNameMappingFile,
		OnReload: func(err error) {
			if err != nil {
				h.log(logging.Server).Errorf("sslProfile %s: changed files are not used: %v", p.Name, err)
				return
			}
			h.log(logging.Server).Noticef("sslProfile %s: changed files are in use", p.Name)
		},
	})
	if err != nil {
		return nil, err
	}
	for _, w := range profile.Warnings() {
		h.log(logging.Server).Warningf("sslProfile %s: %s", p.Name, w)
	}
	return profile, nil
}
