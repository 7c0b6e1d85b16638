package conn

import (
	"fmt"
	"slices"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/mesh"
	"github.com/postroad/postroad/mesh/membership"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/transport"
	"github.com/postroad/postroad/tls"
)

// Admit goes on with the SASL exchange and with the peer's open. The endpoint's mutex is held; others do not wait for
// it before the open.
func (c *Conn) Admit(ev *engine.Event) {
	if ev.Kind == engine.EventOpen {
		c.opened(ev.Cold.Open)
		return
	}
	c.authenticate(ev)
	c.E.Security = c.security()
}

// security is how the peer has proved who it is, and how the connection is protected.
func (c *Conn) security() forwarding.Security {
	a := c.auth
	s := forwarding.Security{Mechanism: a.mechanism, User: a.user, Authenticated: a.done && a.mechanism != "ANONYMOUS"}
	if state := c.Socket.TLS(); state != nil {
		s.Encrypted, s.Protocol, s.Cipher, s.Strength = true, state.Protocol, state.Cipher, int64(state.SSF)
	}
	return s
}

// opened goes on when the peer's open has come.
func (c *Conn) opened(open *wire.Open) {
	e := c.E
	err := c.refusal(open)
	space := ""
	if err == nil {
		space, err = c.settings.spaceOf(open)
	}
	e.Near.ID, e.Near.Node = open.ContainerID, addressing.NodeName(open.ContainerID)
	e.Peer = forwarding.Counterpart{Open: open, User: c.user(), Space: space}
	if err != nil {
		e.Ending.Reason = err.Error()
		e.Note("connection of %s from %s refused: %v", open.ContainerID, e.Remote, err)
		e.Fails(books.FailedRefused)
		e.Shut(err)
		return
	}
	e.Peer.Extended = e.Terms.Role == forwarding.RoleInterRouter &&
		slices.Contains(open.OfferedCapabilities, mesh.Extension)
	e.Peer.Vouches = e.Peer.Extended && (c.auth.certified || e.Dialed && c.Socket.TLS() != nil)
	c.admitted.Store(true)
	e.Opened()
}

// user is who the peer, a client, has proved to be; "" if it has not.
func (c *Conn) user() string {
	if a := c.auth; a.done && !c.E.Dialed && a.mechanism != "ANONYMOUS" {
		return a.user
	}
	return ""
}

// refusal returns what the listener or connector demands and the peer does not fulfil, nil for nothing.
func (c *Conn) refusal(open *wire.Open) *wire.Error {
	s := c.settings
	if c.E.Dialed {
		if s.Peer != "" && open.ContainerID != s.Peer {
			return &wire.Error{Condition: wire.ErrNotAllowed,
				Description: fmt.Sprintf("this is router %q, and %q was to be here", open.ContainerID, s.Peer)}
		}
		return c.certified(open.ContainerID)
	}
	encrypted := c.Socket.TLS() != nil
	switch {
	case s.authenticate && (!c.auth.done || c.auth.mechanism == "ANONYMOUS"):
		return &wire.Error{Condition: wire.ErrUnauthorizedAccess,
			Description: "this listener requires authentication (authenticatePeer)"}
	case (s.requireSSL || s.requireCrypto) && !encrypted:
		return &wire.Error{Condition: wire.ErrConnectionForced, Description: "this listener requires encryption"}
	case s.Role == forwarding.RoleInterRouter && open.ContainerID == c.E.Plane.ID:
		return &wire.Error{Condition: wire.ErrNotAllowed,
			Description: fmt.Sprintf("router id %q is this router's own; ids must be unique in the mesh", open.ContainerID)}
	}
	return c.certified(open.ContainerID)
}

// certified checks that the certificate of a router is for the id that it claims, where that is demanded.
func (c *Conn) certified(id string) *wire.Error {
	if !c.settings.verifyID {
		return nil
	}
	if err := Certifies(c.Socket.TLS(), id); err != nil {
		return &wire.Error{Condition: wire.ErrUnauthorizedAccess, Description: err.Error()}
	}
	return nil
}

// Certifies reports why a certificate is not that of a router: its user, its common name or one of its DNS names has to
// be the id.
func Certifies(state *tls.State, id string) error {
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
func (c *Conn) handOver() {
	c.E.Near.Gone.Store(true)
	c.E.Inbox.Close()
	c.Host.Gossip.Take(c.Socket)
	c.E.Plane.Events.Put(forwarding.Event{Kind: forwarding.EventConnGone, End: c.E})
}

// IsGossip reports whether a connection has negotiated gossip.
func IsGossip(nc transport.Conn) bool {
	state := nc.TLS()
	return state != nil && state.Connection.NegotiatedProtocol == membership.ALPN
}
