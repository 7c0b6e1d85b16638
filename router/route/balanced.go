package route

import "github.com/postroad/postroad/addressing"

// Bounds of the choice among the consumers of one address here, so that it costs the same for few and for many. Each
// choice looks at the next ones, so that all take part.
const (
	// lookedAt is how many consumers that can take more are compared.
	lookedAt = 16
	// lookedFor is how many are looked at to find those.
	lookedFor = 256
)

// choice is the best of the targets that were offered: the one with the least value among those that can take more,
// and, for when all are full, the one with the least value among the others.
type choice struct {
	free, full           Target
	leastFree, leastFull int64 // -1 when there is none
}

func (b *choice) offer(t Target, outstanding, capacity, cost int64) (free bool) {
	value, best, least := outstanding+cost, &b.free, &b.leastFree
	if free = outstanding < capacity; !free {
		best, least = &b.full, &b.leastFull
	}
	if *least < 0 || value < *least {
		*best, *least = t, value
	}
	return free
}

// hopLoad is what is outstanding behind one next hop.
type hopLoad struct {
	to          *Neighbor
	outstanding int64
}

// balanced chooses the consumer with the least outstanding. Another router counts what is outstanding of the address
// behind the next hop to it, which other routers may share, plus the cost of the way. A consumer with as much
// outstanding as the capacity of its link (linkCapacity) is chosen only when all have. All this is as in Interconnect,
// but that of many consumers here some are compared, others the next time.
func (c *Chooser) balanced(ts []Target, a *Address, r *Routes, f *Facts) []Target {
	best := choice{leastFree: -1, leastFull: -1}
	start := 0
	if len(r.Local) > 1 {
		start = int(a.Turn.Add(1)) % len(r.Local)
	}
	compared := 0
	for i := 0; i < len(r.Local) && i < lookedFor && compared < lookedAt; i++ {
		l := r.Local[(start+i)%len(r.Local)]
		if l.Dead.Load() {
			continue
		}
		if best.offer(Target{Consumer: l}, l.Outstanding.Load(), int64(max(l.Capacity, 1)), 0) {
			compared++
		}
		if best.leastFree == 0 {
			return append(ts, best.free)
		}
	}
	if len(r.Remote) > 0 {
		c.offerRemote(&best, r, f)
	}
	switch {
	case best.leastFree >= 0:
		return append(ts, best.free)
	case best.leastFull >= 0:
		return append(ts, best.full)
	}
	return ts
}

// offerRemote offers the other routers that a message may go to.
func (c *Chooser) offerRemote(best *choice, r *Routes, f *Facts) {
	for _, m := range r.Remote {
		if h := m.Router.Hop.Load(); h != nil {
			c.loadOf(c.next(h, f.Flow)).outstanding += m.Outstanding.Load()
		}
	}
	for _, m := range r.Remote {
		h := m.Router.Hop.Load()
		if h == nil {
			continue
		}
		if to := c.way(h, f); to != nil {
			best.offer(Target{Remote: m, To: to}, c.loadOf(c.next(h, f.Flow)).outstanding, int64(max(to.Capacity, 1)),
				int64(h.Cost))
		}
	}
	clear(c.loads)
	c.loads = c.loads[:0]
}

// loadOf is the entry of a next hop in the scratch of offerRemote.
func (c *Chooser) loadOf(to *Neighbor) *hopLoad {
	for i := range c.loads {
		if c.loads[i].to == to {
			return &c.loads[i]
		}
	}
	c.loads = append(c.loads, hopLoad{to: to})
	return &c.loads[len(c.loads)-1]
}

// chooseLocal chooses a consumer of this router: in turn, and with the least outstanding if that is how the address
// distributes.
func chooseLocal(ts []Target, a *Address, r *Routes) []Target {
	var best *Consumer
	least, turn := int64(0), int(a.Turn.Add(1))
	compared := 0
	for i := 0; i < len(r.Local) && compared < lookedAt; i++ {
		l := r.Local[(turn+i)%len(r.Local)]
		if l.Dead.Load() {
			continue
		}
		compared++
		n := l.Outstanding.Load()
		if best == nil || n < least {
			best, least = l, n
		}
		if r.Distribution == addressing.DistributionClosest {
			break
		}
	}
	if best == nil {
		return ts
	}
	return append(ts, Target{Consumer: best})
}
