package conn

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroad/postroad/internal/amqp/sasl"
	"github.com/postroad/postroad/internal/amqp/sasl/usersfile"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/transport"
	"github.com/postroad/postroad/tls"
)

// Host is what the connections, listeners and connectors of one router have in common. Its first block never changes
// after the start.
type Host struct {
	Plane    *forwarding.Plane
	Config   *config.Config
	Version  string // of the software
	Logs     *logging.Logs
	Users    *usersfile.File
	Profiles map[string]*tls.Profile
	Roll     *forwarding.Roll
	Gossip   gossiper // nil without gossip
	// Web makes what answers to HTTP on a listener.
	Web func(l *config.Listener) (http.Handler, error)

	Ctx      context.Context // ends when nothing is to be dialed or waited for any more
	Cancel   context.CancelFunc
	Serving  sync.WaitGroup // listeners, connectors, connections
	Closing  sync.WaitGroup // connections over QUIC: what is left of them is sent
	Draining atomic.Bool
	Served   struct { // connections; its mutex is a leaf
		sync.Mutex
		Conns map[*Conn]struct{}
	}
}

// gossiper takes connections for gossip that came to a listener for routers.
type gossiper interface {
	// Shares reports whether gossip comes by a listener, beside AMQP.
	Shares(l *Listener) bool
	// Take makes a connection that was accepted one for gossip. It returns at once.
	Take(nc transport.Conn)
}

// Log is the logger of a module.
func (h *Host) Log(m logging.Module) *logging.Logger { return h.Logs.Module(m) }

// credentials are the users that listeners check passwords against, nil for none.
func (h *Host) credentials() sasl.Credentials {
	if h.Users == nil {
		return nil
	}
	return h.Users
}

// Conns returns the connections as they are now, in the order they came.
func (h *Host) Conns() []*Conn {
	h.Served.Lock()
	conns := slices.Collect(maps.Keys(h.Served.Conns))
	h.Served.Unlock()
	slices.SortFunc(conns, func(a, b *Conn) int { return cmp.Compare(a.E.Number, b.E.Number) })
	return conns
}

// refuses reports whether a client's connection is refused for want of memory. When one user holds most of it, only the
// connections of that user are.
func (h *Host) refuses(nc transport.Conn) bool {
	o := h.Plane.Overload
	return o.At(forwarding.OverloadConnection) &&
		(!o.Cause.Load() || h.Plane.Accounts.IsLarge(forwarding.HostKey(nc.RemoteAddr().String()), o))
}

// serve runs a connection in the calling goroutine.
func (h *Host) serve(c *Conn) {
	h.Served.Lock()
	h.Served.Conns[c] = struct{}{}
	h.Served.Unlock()
	if h.Ctx.Err() != nil || c.Connector != nil && c.Connector.Ctx.Err() != nil {
		c.Socket.Close()
	}
	h.Roll.Enter(c.E)
	c.run()
	h.Served.Lock()
	delete(h.Served.Conns, c)
	h.Served.Unlock()
	h.Roll.Leave(c.E)
	c.E.CloseAccount()
}

// NewProfile loads the files of an sslProfile. When they change, later handshakes use the new ones.
func (h *Host) NewProfile(p *config.SSLProfile) (*tls.Profile, error) {
	profile, err := tls.Load(tls.ProfileConfig{
		Name: p.Name, CACertFile: p.CACertFile, CertFile: p.CertFile, PrivateKeyFile: p.PrivateKeyFile,
		Password: p.Password, PasswordFile: p.PasswordFile, Ciphers: p.Ciphers, Protocols: p.Protocols,
		UIDFormat: p.UIDFormat, UIDNameMappingFile: p.UIDNameMappingFile,
		OnReload: func(err error) {
			if err != nil {
				h.Log(logging.Server).Errorf("sslProfile %s: changed files are not used: %v", p.Name, err)
				return
			}
			h.Log(logging.Server).Noticef("sslProfile %s: changed files are in use", p.Name)
		},
	})
	if err != nil {
		return nil, err
	}
	for _, w := range profile.Warnings() {
		h.Log(logging.Server).Warningf("sslProfile %s: %s", p.Name, w)
	}
	return profile, nil
}

// DrainTick is the time between two looks at what is still under way.
const DrainTick = 5 * time.Millisecond

// Await waits until left says nil, and returns what it said last when ctx ends before.
func Await(ctx context.Context, left func() error) error {
	tick := time.NewTicker(DrainTick)
	defer tick.Stop()
	for {
		err := left()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// fadeTime is how long messages that are under way on a planned link get when it ends.
const fadeTime = 10 * time.Second

// Fade ends a connection with a neighbor so that nothing is lost or handed back. Without control links the connection
// is no adjacency for either router: both send on other ways, while the data links bring to an end what they have.
func (h *Host) Fade(c *forwarding.Endpoint, why string) {
	ctx, cancel := context.WithTimeout(h.Ctx, fadeTime)
	defer cancel()
	c.LeaveMesh()
	began := time.Now()
	_ = Await(ctx, func() error { return c.Busy(time.Now(), began) }) // what is left then is failed
	c.Close(&wire.Error{Condition: wire.ErrConnectionForced, Description: "the link is not planned: " + why})
}

// verifiesIDs reports whether certificates are for the ids of routers where a listener or connector does not say.
func (h *Host) verifiesIDs() bool { return h.Config.Gossip != nil && h.Config.Gossip.VerifyID }
