package router

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

// find returns the address for the text of a message's `to`, or nil: that of a client in the space of its tenant and
// the phase of senders. The caller's connection lock guards the cache and the scratch; c.key is the key that was looked
// up unless the cache had it.
func (c *Endpoint) find(l *link, to []byte) *route.Address {
	return c.findIn(l, to, addressing.PhaseZero, true)
}

// findAt returns the address for what a router's annotations say, or nil.
func (c *Endpoint) findAt(l *link, to []byte, phase uint8) *route.Address {
	p, _ := addressing.PhaseOf(phase)
	return c.findIn(l, to, p, false)
}

func (c *Endpoint) findIn(l *link, to []byte, phase addressing.Phase, client bool) *route.Address {
	known := &l.known
	if a := known.address; a != nil && !a.Gone.Load() && known.phase == phase && known.client == client &&
		string(known.text) == string(to) {
		return a
	}
	c.choice.key = c.plane.identity.AppendKeyIn(c.choice.key[:0], c.peer.space, to, phase)
	if client && addressing.Class(c.choice.key[0]) == addressing.ClassMobile {
		if phase, ok := c.plane.treatments.IngressPhase(c.choice.key[2:]); ok {
			c.choice.key[1] = byte(phase)
		}
	}
	a := c.plane.table.Get(c.choice.key)
	if a != nil {
		known.text, known.phase, known.client, known.address = append(known.text[:0], to...), phase, client, a
		known.to = known.to[:0]
		if client && (c.peer.space != "" || a.Phase != 0) {
			known.to = c.appendForRouters(known.to, to)
		}
	}
	return a
}
