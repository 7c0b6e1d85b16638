package discovery

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path"

	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/mesh/membership"
	"github.com/postroad/postroad/router/conn"
	"github.com/postroad/postroad/router/transport"
	"github.com/postroad/postroad/tls"
)

// verify returns why the router at the other end of a connection cannot have an id, nil if it can. The overlay calls
// it.
func (g *Gossip) verify(c membership.Carrier, id string) error {
	err := g.allowed(id)
	if err == nil {
		err = g.certified(stateOf(c), id)
	}
	if err != nil {
		g.Refused.Add(1)
	}
	return err
}

// stateOf returns the state of TLS under a carrier; nil without TLS.
func stateOf(c membership.Carrier) *tls.State {
	if q, ok := c.(*transport.QUICConn); ok {
		return q.TLS()
	}
	wrapped, ok := c.(interface{ Unwrap() net.Conn })
	if !ok {
		return nil
	}
	nc, ok := wrapped.Unwrap().(transport.Conn)
	if !ok {
		return nil
	}
	return nc.TLS()
}

// allowed returns why the configuration excludes a router, nil if it does not.
func (g *Gossip) allowed(id string) error {
	for _, pattern := range g.Entity.AllowIDs {
		if ok, _ := path.Match(pattern, id); ok {
			return nil
		}
	}
	if len(g.Entity.AllowIDs) > 0 {
		return fmt.Errorf("router %.127q is not allowed (allowIds)", id)
	}
	return nil
}

// certified returns why a certificate is not that of a router, nil if it is. Without TLS only the keys of gossip
// protect.
func (g *Gossip) certified(state *tls.State, id string) error {
	switch {
	case g.Profile == nil:
		return nil
	case state == nil:
		return errors.New("a connection without TLS")
	case len(state.Connection.PeerCertificates) == 0:
		if !g.Entity.VerifyID && g.Keys != nil {
			return nil
		}
		return fmt.Errorf("router %.127q shows no certificate; the listener has to ask for one (authenticatePeer)", id)
	case !g.Entity.VerifyID:
		return nil
	}
	return conn.Certifies(state, id)
}

// watchKeys reads the keys again when their file has changed. The loop of planned links calls it.
func (g *Gossip) watchKeys() {
	if g.Keys == nil {
		return
	}
	info, err := os.Stat(g.Entity.KeyFile)
	before := g.keyFile
	if err == nil && before != nil && os.SameFile(info, before) && info.ModTime().Equal(before.ModTime()) &&
		info.Size() == before.Size() && info.Mode() == before.Mode() {
		return
	}
	if err != nil && before == nil {
		return // that was reported
	}
	g.keyFile = info
	if err != nil {
		g.keyFile = nil
	}
	if err := g.Keys.Reload(); err != nil {
		g.Host.Log(logging.Router).Errorf("Gossip: the changed keys are not used: %v", err)
		return
	}
	keys := g.Keys.Keys()
	g.Host.Log(logging.Router).Noticef("Gossip: %d keys are known, %s is in use", len(keys), keys[0].Fingerprint)
}
