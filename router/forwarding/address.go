package forwarding

import (
	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/router/route"
)

// oneAddress remembers the last look-up of a link without a fixed address.
type oneAddress struct {
	text    []byte
	phase   addressing.Phase
	client  bool // text is a client's, and not a router's
	address *route.Address
	to      []byte // as other routers read it, where text does not say it
}

// Find returns the address for the text of a message's `to`, or nil. It looks in the space of the client's tenant, and
// in the phase of senders. Choice.key is the key afterwards, unless the link remembered the address. The mutex is held.
func (c *Endpoint) Find(l *Link, to []byte) *route.Address {
	return c.findIn(l, to, addressing.PhaseZero, true)
}

// findAt returns the address that a router's annotations name, or nil.
func (c *Endpoint) findAt(l *Link, to []byte, phase uint8) *route.Address {
	p, _ := addressing.PhaseOf(phase)
	return c.findIn(l, to, p, false)
}

// findIn looks up an address by its text and phase, unless the link remembers it from the message before.
func (c *Endpoint) findIn(l *Link, to []byte, phase addressing.Phase, client bool) *route.Address {
	known := &l.known
	if a := known.address; a != nil && !a.Gone.Load() && known.phase == phase && known.client == client &&
		string(known.text) == string(to) {
		return a
	}
	c.Choice.key = c.Plane.Identity.AppendKeyIn(c.Choice.key[:0], c.Peer.Space, to, phase)
	if client && addressing.Class(c.Choice.key[0]) == addressing.ClassMobile {
		if phase, ok := c.Plane.Treatments.IngressPhase(c.Choice.key[2:]); ok {
			c.Choice.key[1] = byte(phase)
		}
	}
	a := c.Plane.Table.Get(c.Choice.key)
	if a != nil {
		known.text, known.phase, known.client, known.address = append(known.text[:0], to...), phase, client, a
		known.to = known.to[:0]
		if client && (c.Peer.Space != "" || a.Phase != 0) {
			known.to = c.appendForRouters(known.to, to)
		}
	}
	return a
}

// appendForRouters appends the address that a client gave as other routers read it. Choice.key is its key.
func (c *Endpoint) appendForRouters(dst, to []byte) []byte {
	if addressing.Class(c.Choice.key[0]) == addressing.ClassMobile {
		return addressing.AppendMobile(dst, c.Choice.key[2:])
	}
	return c.Plane.Identity.ParseIn(c.Peer.Space, string(to)).AppendForRouters(dst)
}
