package route

import (
	"time"

	"github.com/postroad/postroad/addressing"
)

// Chooser chooses the targets of messages, one after the other. It holds scratch memory, and is not safe for concurrent
// use; many may work by one table.
type Chooser struct {
	Table    *Table
	NodeName string // of this router
	Salt     uint32 // of the choice among equal ways

	now      time.Time
	topology uint64 // that of the table when the choice began
	loads    []hopLoad
	spread   *spread
}

// Begin begins a choice at a time.
func (c *Chooser) Begin(now time.Time) {
	c.now, c.topology = now, c.Table.Topology.Load()
}

// Topology is that by which the targets of a message are chosen, 0 if it has changed since Begin. Where the ingress
// router chose by the same one, its tree is known exactly: copies on another one's ways would not be needed, and could
// come to a consumer before what was sent earlier.
func (c *Chooser) Topology() uint64 {
	if c.topology != c.Table.Topology.Load() {
		return 0
	}
	return c.topology
}

// Choose appends the targets that a message has by the routes of its address, nil for none. diverted says that they are
// those of the fallback. Addresses of exchanges have Spread.
func (c *Chooser) Choose(ts []Target, r *Routes, f *Facts) (_ []Target, diverted bool) {
	first := len(ts)
	if r != nil {
		switch r.Distribution {
		case addressing.DistributionMulticast, addressing.DistributionFlood:
			ts = c.multicast(ts, r, f)
		case addressing.DistributionUnavailable:
			return ts, false
		default:
			ts = c.toOne(ts, r, f)
		}
	}
	if len(ts) > first || c.IsBound(f.E) {
		return ts, false
	}
	b := f.Address.Fallback
	if b == nil || f.FromFallback {
		return ts, false
	}
	if r = b.Routes.Load(); r == nil {
		return ts, false
	}
	if ts = c.balanced(ts, b, r, f); len(ts) == first {
		return ts, false
	}
	return c.twice(ts, f), true
}

// toOne chooses one consumer, or two ways to the router that has it.
func (c *Chooser) toOne(ts []Target, r *Routes, f *Facts) []Target {
	if f.E.Egress != nil {
		if ts = c.steer(ts, r, *f); len(ts) > 0 || c.IsBound(f.E) {
			return ts
		}
	}
	if ts = c.one(ts, f.Address, r, f); len(ts) == 0 && len(r.Remote) > 0 {
		astray := *f
		astray.astray = true
		ts = c.one(ts, f.Address, r, &astray)
	}
	return c.twice(ts, f)
}

// one chooses one consumer.
func (c *Chooser) one(ts []Target, a *Address, r *Routes, f *Facts) []Target {
	if r.Distribution == addressing.DistributionClosest {
		return c.closest(ts, a, r, f)
	}
	return c.balanced(ts, a, r, f)
}

// closest chooses a consumer here, or else one behind the cheapest way; equal ones take turns.
func (c *Chooser) closest(ts []Target, a *Address, r *Routes, f *Facts) []Target {
	first := len(ts)
	if ts = chooseLocal(ts, a, r); len(ts) > first {
		return ts
	}
	least := -1
	for _, m := range r.Remote {
		h := m.Router.Hop.Load()
		if h == nil || least >= 0 && h.Cost > least {
			continue
		}
		to := c.way(h, f)
		if to == nil {
			continue
		}
		if h.Cost != least {
			least = h.Cost
			ts = ts[:first]
		}
		ts = append(ts, Target{Remote: m, To: to})
	}
	if len(ts) > first {
		ts[first] = ts[first+int(a.Turn.Load())%(len(ts)-first)]
		ts = ts[:first+1]
	}
	return ts
}

// multicast chooses every consumer here and, for the routers with consumers, each next hop once. The valid origins
// make the ways of all routers one tree for each ingress router, so that each consumer gets one copy.
func (c *Chooser) multicast(ts []Target, r *Routes, f *Facts) []Target {
	for _, l := range r.Local {
		if !l.Dead.Load() {
			ts = append(ts, Target{Consumer: l})
		}
	}
	first := len(ts)
next:
	for _, m := range r.Remote {
		h := m.Router.Hop.Load()
		if h == nil || !mayUse(h.Next, f) || !c.isOnTree(h, f) {
			continue
		}
		for _, t := range ts[first:] {
			if t.To == h.Next {
				continue next
			}
		}
		ts = append(ts, Target{To: h.Next, Remote: m})
	}
	return ts
}

// way chooses the connection to a router, or nil: that of the flow among equal ways, else the next hop, or, when that is
// lost, one that takes over at once, before new paths are computed.
func (c *Chooser) way(h *Hop, f *Facts) *Neighbor {
	if !f.astray && !f.steered && !c.isOnTree(h, f) {
		return nil
	}
	switch next := c.next(h, f.Flow); {
	case mayUse(next, f):
		return next
	case next != h.Next && mayUse(h.Next, f):
		return h.Next
	case h.Next.IsUp() && !f.hasTried(h.Next):
		return nil // the message has come from there
	}
	for _, to := range h.Others {
		if mayUse(to, f) {
			return to
		}
	}
	return nil
}

// mayUse reports whether a message may go to a neighbor: never to one that it was given to before, and never back to a
// router it has passed.
func mayUse(to *Neighbor, f *Facts) bool {
	return to.IsUp() && !f.hasTried(to) && (!f.E.HasRouter || f.E.TraceCount == 0 || !f.E.TraceContains(to.ID))
}

// isOnTree reports whether the tree of shortest paths of a message's ingress router leads to a router by way of its next
// hop.
func (c *Chooser) isOnTree(h *Hop, f *Facts) bool {
	e := f.E
	if !e.HasRouter || e.TraceCount == 0 || e.Ingress == nil || string(e.Ingress) == c.NodeName {
		return true // it enters the mesh here
	}
	n, ok := c.Table.Number(e.Ingress)
	return ok && (h.Origins.Has(n) || e.Number != 0 && h.Former.Has(n) && c.now.Before(h.FormerUntil) &&
		(e.Topology == 0 || e.Topology != c.Topology()))
}
