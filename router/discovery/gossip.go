package discovery

import (
	"os"
	"sync/atomic"

	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/mesh/membership"
	"github.com/postroad/postroad/router/conn"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/transport"
	"github.com/postroad/postroad/tls"
)

// Gossip is the router's part in finding other routers. What it hears is a hint, of which planned.go makes connectors.
//
// A nil Gossip is that of a router without gossip: Open, Start, Serve, Close, Leave, Shares and Snapshot do nothing
// then. They are called in the order Open, Start, Serve, Close, Leave; Shares, Snapshot, Take, Rows and Measure are
// safe for concurrent use.
type Gossip struct {
	Host      *conn.Host
	mesh      Mesh
	Listeners []*conn.Listener // of the router; set before Start
	Entity    *config.Gossip
	Config    membership.Config
	Profile   *tls.Profile        // nil: plain TCP
	Keys      *membership.Keyring // nil: gossip is not encrypted
	keyFile   os.FileInfo         // as it was read last
	Port      transport.Listener  // for gossip alone; nil without one
	overlay   *membership.Overlay
	Members   *membership.Membership // nil before Start

	handshakes chan struct{} // a place for each handshake at the port
	Refused    atomic.Uint64 // connections for gossip
	Planned    planned
}

// transport returns one of two names: secure with TLS, plain without.
func (g *Gossip) transport(secure, plain string) string {
	if g.Profile != nil {
		return secure
	}
	return plain
}

// log writes a line for people.
func (g *Gossip) log(level membership.Level, text string) {
	l := g.Host.Log(logging.Router)
	switch level {
	case membership.LevelDebug:
		l.Debug("Gossip: " + text)
	case membership.LevelInfo:
		l.Info("Gossip: " + text)
	case membership.LevelWarning:
		l.Warning("Gossip: " + text)
	default:
		l.Error("Gossip: " + text)
	}
}

// Shares reports whether gossip comes to a listener, beside AMQP.
func (g *Gossip) Shares(l *conn.Listener) bool {
	return g != nil && l.Profile != nil && l.Settings.Role == forwarding.RoleInterRouter && !l.Entity.HTTP
}

// Snapshot returns the members; nil without gossip.
func (g *Gossip) Snapshot() *membership.Snapshot {
	if g == nil || g.Members == nil {
		return nil
	}
	return g.Members.Snapshot()
}

// refusals returns how many connections and messages for gossip were refused.
func (g *Gossip) refusals() uint64 {
	c := g.Members.Counters()
	return g.Refused.Load() + c.RefusedStreams + c.RefusedEnvelope + c.RefusedMesh + c.RefusedPlain + c.RefusedKey +
		c.RefusedMessage + c.RefusedMember + c.RefusedNotAllowed + c.RefusedRate + c.RefusedFull + c.RefusedDetails
}
