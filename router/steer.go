package router

import (
	"hash/fnv"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/message"
)

// This file sends messages on to the router that their ingress router has chosen. Usually each router on the way chooses
// among the consumers again, as Interconnect does, and all that a sender sends to one router takes one path. Where several
// paths of the same cost lead there, they are used side by side: by flow, so that the messages of one sender keep their
// order, and with the name of the egress router in each, because routers on different paths would choose differently.

// flowOf is what all messages of a client's link have in common when one of several equal ways is chosen, 0 for no
// choice.
func (c *Endpoint) flowOf(l *link) uint32 {
	if l == nil || l.kind != linkEndpoint {
		return 0
	}
	return max(mix(uint32(l.number), c.plane.salt), 1)
}

// saltOf makes a router choose otherwise than those before it: else each would only have the flows for one of its ways.
func saltOf(id string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(id))
	return h.Sum32()
}

// mix spreads a number over all bits.
func mix(n, salt uint32) uint32 {
	n ^= salt
	n = (n ^ n>>16) * 0x7feb352d
	n = (n ^ n>>15) * 0x846ca68b
	return n ^ n>>16
}

// next is the next hop to a router: among equal ways, that of the flow.
func (c *Endpoint) next(h *hop, flow uint32) *Endpoint {
	if len(h.equal) < 2 || flow == 0 {
		return h.conn
	}
	return h.equal[mix(flow, c.plane.salt)%uint32(len(h.equal))]
}

// steer chooses where a message goes whose ingress router has said which router's consumer it is for: that one's
// consumers, here, or the way there. None means that it cannot be done as things are.
func (c *Endpoint) steer(ts []target, r *routes, t trip) []target {
	if string(t.e.Egress) == c.plane.nodeName {
		return c.chooseLocal(ts, t.d.address, r)
	}
	p := c.plane.table.peer(t.e.Egress)
	if p == nil {
		return ts
	}
	h := p.hop.Load()
	if h == nil {
		return ts
	}
	t.steered, t.flow = true, t.e.Flow
	to := c.along(t)
	if to == nil {
		to = c.way(h, t)
	}
	if to == nil {
		return ts
	}
	next := target{to: to, steered: true}
	for _, m := range r.remote {
		if m.router == p {
			next.remote = m
		}
	}
	return append(ts, next)
}

// isBound tells whether a message is one of two copies for another router's consumers. It goes nowhere else: somebody could
// get both.
func (c *Endpoint) isBound(t trip) bool {
	return t.e.PathCount > 0 && string(t.e.Egress) != c.plane.nodeName
}

// chooseLocal chooses a consumer of this router: in turn, and with the least outstanding if that is how the address distributes.
func (c *Endpoint) chooseLocal(ts []target, a *address, r *routes) []target {
	var best *link
	least, turn := int64(0), int(a.turn.Add(1))
	for i := range r.local {
		l := r.local[(turn+i)%len(r.local)]
		if l.dead.Load() {
			continue
		}
		n := l.outstanding.Load()
		if best == nil || n < least {
			best, least = l, n
		}
		if r.distribution == addressing.DistributionClosest {
			break
		}
	}
	if best == nil {
		return ts
	}
	return append(ts, target{link: best})
}

// forks tells whether several equal paths lead to one of the routers that have consumers of an address. Then those on the
// way are not to choose among them: they would have other paths to them than this one.
func (a *address) forks() bool {
	r := a.routes.Load()
	if r == nil {
		return false
	}
	for _, m := range r.remote {
		if h := m.router.hop.Load(); h != nil && h.forks {
			return true
		}
	}
	return false
}

// annotateWay adds to the annotations of a message for another router which one's consumer it is for.
func (c *Endpoint) annotateWay(r *message.RouterAnnotations, d *delivery, e *message.Envelope, t *target) {
	switch flow := c.flowOf(d.link); {
	case t.steered:
		r.Egress, r.Flow, r.Paths, r.PathCount = e.Egress, e.Flow, e.Paths, e.PathCount
	case !d.transit && t.remote != nil && flow != 0 && d.address.forks():
		r.Egress, r.Flow = t.remote.router.octets, flow
	}
}
