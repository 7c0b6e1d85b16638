package route

import (
	"hash/fnv"

	"github.com/postroad/postroad/internal/amqp/message"
)

// This file sends messages on to the router that their ingress router has chosen. Usually each router on the way chooses
// among the consumers again, as Interconnect does, and all that a sender sends to one router takes one path. Where several
// paths of the same cost lead there, they are used side by side: by flow, so that the messages of one sender keep their
// order, and with the name of the egress router in each, because routers on different paths would choose differently.

// FlowOf is what all messages of a client's link with a number have in common when one of several equal ways is chosen.
func (c *Chooser) FlowOf(link uint64) uint32 { return max(mix(uint32(link), c.Salt), 1) }

// SaltOf makes the router with an id choose otherwise than those before it: else each would only have the flows for one
// of its ways.
func SaltOf(id string) uint32 {
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
func (c *Chooser) next(h *Hop, flow uint32) *Neighbor {
	if len(h.Equal) < 2 || flow == 0 {
		return h.Next
	}
	return h.Equal[mix(flow, c.Salt)%uint32(len(h.Equal))]
}

// steer chooses where a message goes whose ingress router has said which router's consumer it is for: that one's
// consumers, here, or the way there. None means that it cannot be done as things are.
func (c *Chooser) steer(ts []Target, r *Routes, f Facts) []Target {
	if string(f.E.Egress) == c.NodeName {
		return chooseLocal(ts, f.Address, r)
	}
	p := c.Table.Router(f.E.Egress)
	if p == nil {
		return ts
	}
	h := p.Hop.Load()
	if h == nil {
		return ts
	}
	f.steered, f.Flow = true, f.E.Flow
	to := c.along(&f)
	if to == nil {
		to = c.way(h, &f)
	}
	if to == nil {
		return ts
	}
	next := Target{To: to, Steered: true}
	for _, m := range r.Remote {
		if m.Router == p {
			next.Remote = m
		}
	}
	return append(ts, next)
}

// along is the connection on which a copy that has come from another router goes on along its path, nil if it cannot.
func (c *Chooser) along(f *Facts) *Neighbor {
	next, ok := f.E.NextOnPath(f.From, c.NodeName)
	if !ok {
		return nil
	}
	p := c.Table.Router(next)
	if p == nil {
		return nil
	}
	if direct := p.Direct.Load(); direct != nil && mayUse(direct, f) {
		return direct
	}
	return nil
}

// twice makes two targets of one that is behind another router, if the message is to go there twice and there are two
// paths.
func (c *Chooser) twice(ts []Target, f *Facts) []Target {
	if len(ts) != 1 || !f.Doubles || ts[0].Remote == nil || f.Address.Main().Redundant < 2 {
		return ts
	}
	p := ts[0].Remote.Router.Pair.Load()
	if p == nil || !mayUse(p.First[0], f) || !mayUse(p.First[1], f) {
		return ts
	}
	ts[0].To, ts[0].Pair = p.First[0], p
	return append(ts, Target{To: p.First[1], Pair: p})
}

// Annotate adds to the annotations of a message for another router which one's consumer it is for, and by which ways.
func (c *Chooser) Annotate(r *message.RouterAnnotations, f *Facts, t *Target) {
	switch {
	case t.Steered:
		r.Egress, r.Flow, r.Paths, r.PathCount = f.E.Egress, f.E.Flow, f.E.Paths, f.E.PathCount
	case !f.Transit && t.Remote != nil && f.Flow != 0 && f.Address.forks():
		r.Egress, r.Flow = t.Remote.Router.Octets, f.Flow
	}
}
