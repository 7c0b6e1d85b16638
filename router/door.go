package router

import (
	"fmt"
	"slices"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/mesh"
	"github.com/postroad/postroad/mesh/membership"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/transport"
	"github.com/postroad/postroad/tls"
)

// admit goes on with the SASL exchange and with the peer's open. The endpoint's mutex is held; others do not wait for it
// before the open.
func (c *conn) admit(ev *engine.Event) {
	if ev.Kind == engine.EventOpen {
		c.opened(ev.Cold.Open)
		return
	}
	c.authenticate(ev)
	c.e.security = c.security()
}

// security is how the peer has proved who it is, and how the connection is protected.
func (c *conn) security() Security {
	a := c.auth
	s := Security{Mechanism: a.mechanism, User: a.user, Authenticated: a.done && a.mechanism != "ANONYMOUS"}
	if state := c.nc.TLS(); state != nil {
		s.Encrypted, s.Protocol, s.Cipher, s.Strength = true, state.Protocol, state.Cipher, int64(state.SSF)
	}
	return s
}

// opened goes on when the peer's open has come.
func (c *conn) opened(open *wire.Open) {
	e := c.e
	err := c.refusal(open)
	space := ""
	if err == nil {
		space, err = c.settings.spaceOf(open)
	}
	e.near.ID, e.near.Node = open.ContainerID, addressing.NodeName(open.ContainerID)
	e.peer = counterpart{open: open, user: c.user(), space: space}
	if err != nil {
		e.ending.reason = err.Error()
		e.note("connection of %s from %s refused: %v", open.ContainerID, e.remote, err)
		e.fails(books.FailedRefused)
		e.shut(err)
		return
	}
	e.peer.extended = e.terms.role == RoleInterRouter && slices.Contains(open.OfferedCapabilities, mesh.Extension)
	e.peer.vouches = e.peer.extended && (c.auth.certified || e.dialed && c.nc.TLS() != nil)
	c.admitted.Store(true)
	e.opened()
}

// user is who the peer, a client, has proved to be; "" if it has not.
func (c *conn) user() string {
	if a := c.auth; a.done && !c.e.dialed && a.mechanism != "ANONYMOUS" {
		return a.user
	}
	return ""
}

// refusal tells what the listener demands of a connection and the peer does not fulfil, nil for nothing.
func (c *conn) refusal(open *wire.Open) *wire.Error {
	s := c.settings
	if c.e.dialed {
		if s.peer != "" && open.ContainerID != s.peer {
			return &wire.Error{Condition: wire.ErrNotAllowed,
				Description: fmt.Sprintf("this is router %q, and %q was to be here", open.ContainerID, s.peer)}
		}
		return c.certified(open.ContainerID)
	}
	encrypted := c.nc.TLS() != nil
	switch {
	case s.authenticate && (!c.auth.done || c.auth.mechanism == "ANONYMOUS"):
		return &wire.Error{Condition: wire.ErrUnauthorizedAccess,
			Description: "this listener requires authentication (authenticatePeer)"}
	case (s.requireSSL || s.requireCrypto) && !encrypted:
		return &wire.Error{Condition: wire.ErrConnectionForced, Description: "this listener requires encryption"}
	case s.role == RoleInterRouter && open.ContainerID == c.e.plane.id:
		return &wire.Error{Condition: wire.ErrNotAllowed,
			Description: fmt.Sprintf("router id %q is this router's own; ids must be unique in the mesh", open.ContainerID)}
	}
	return c.certified(open.ContainerID)
}

// certified checks that the certificate of a router is for the id that it claims, where that is demanded.
func (c *conn) certified(id string) *wire.Error {
	if !c.settings.verifyID {
		return nil
	}
	if err := certifies(c.nc.TLS(), id); err != nil {
		return &wire.Error{Condition: wire.ErrUnauthorizedAccess, Description: err.Error()}
	}
	return nil
}

// certifies reports why a certificate is not that of a router: its user, its common name or one of its DNS names has to
// be the id.
func certifies(state *tls.State, id string) error {
	if state == nil || len(state.Connection.PeerCertificates) == 0 {
		return fmt.Errorf("router %.127q shows no certificate (verifyId)", id)
	}
	leaf := state.Connection.PeerCertificates[0]
	if state.Identity == id || leaf.Subject.CommonName == id || slices.Contains(leaf.DNSNames, id) {
		return nil
	}
	return fmt.Errorf("router %.127q shows the certificate of %.200q, which is not for this id (verifyId)", id,
		state.Identity)
}

// handOver gives a connection that a listener has accepted to gossip, for which its peer has asked.
func (c *conn) handOver() {
	c.e.near.Gone.Store(true)
	c.e.inbox.close()
	c.host.gossip.take(c.nc)
	c.e.plane.events.put(event{kind: eventConnGone, conn: c.e})
}

// isGossip tells whether a connection has negotiated gossip.
func isGossip(nc transport.Conn) bool {
	state := nc.TLS()
	return state != nil && state.Connection.NegotiatedProtocol == membership.ALPN
}
