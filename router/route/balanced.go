package route

import "github.com/postroad/postroad/addressing"

// Bounds of the choice among the consumers of one address here: it costs the same for 5 and for 5,000. Each choice
// begins at the next consumer, so that all take part.
const (
	// lookedAt is how many consumers that can take more are compared.
	lookedAt = 16
	// lookedFor is how many consumers are looked at, to find those that can take more.
	lookedFor = 256
	// deadMost is how many are passed over that have just gone, before the routes without them are published.
	deadMost = 16 << 10
)

// choice is the best of the targets that were offered. free has the least value among those that can take more; full
// has the least value among the others, and is for when there are no free ones.
type choice struct {
	free, full           Target
	leastFree, leastFull int64 // -1 when there is none
}

// offer compares a target with the best ones so far. It reports whether the target can take more.
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

// balanced chooses the consumer with the least outstanding. For another router, that is what the address has
// outstanding behind the next hop, which several routers may share, plus the cost. A consumer with as much outstanding
// as the capacity of its link (linkCapacity) is chosen only when all consumers have as much. Interconnect chooses so,
// too, but compares all consumers here.
func (c *Chooser) balanced(ts []Target, a *Address, r *Routes, f *Facts) []Target {
	best := choice{leastFree: -1, leastFull: -1}
	start := 0
	if len(r.Local) > 1 {
		start = int(a.Turn.Add(1)) % len(r.Local)
	}
	compared := 0
	for i, dead := 0, 0; i < len(r.Local) && i-dead < lookedFor && dead < deadMost && compared < lookedAt; i++ {
		l := r.Local[(start+i)%len(r.Local)]
		if l.Dead.Load() {
			dead++
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

// loadOf returns the entry of a next hop in the scratch memory of offerRemote.
func (c *Chooser) loadOf(to *Neighbor) *hopLoad {
	for i := range c.loads {
		if c.loads[i].to == to {
			return &c.loads[i]
		}
	}
	c.loads = append(c.loads, hopLoad{to: to})
	return &c.loads[len(c.loads)-1]
}

// chooseLocal chooses a consumer of this router: the next one in turn where the distribution is closest, and otherwise
// the one with the least outstanding among the next ones.
func chooseLocal(ts []Target, a *Address, r *Routes) []Target {
	var best *Consumer
	least, turn := int64(0), int(a.Turn.Add(1))
	compared := 0
	for i := 0; i < len(r.Local) && i < deadMost && compared < lookedAt; i++ {
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
