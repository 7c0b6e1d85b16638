package router

// choice is the best of the targets that were offered: the one with the least value among those that can take more,
// and, for when all are full, the one with the least value among the others.
type choice struct {
	free, full           target
	leastFree, leastFull int64 // -1 when there is none
}

func (b *choice) offer(t target, outstanding, capacity, cost int64) {
	value, best, least := outstanding+cost, &b.free, &b.leastFree
	if outstanding >= capacity {
		best, least = &b.full, &b.leastFull
	}
	if *least < 0 || value < *least {
		*best, *least = t, value
	}
}

// hopLoad is what is outstanding behind one next hop.
type hopLoad struct {
	to          *Endpoint
	outstanding int64
}

// balanced chooses the consumer with the least outstanding. Another router counts what is outstanding of the address
// behind the next hop to it, which other routers may share, plus the cost of the way. A consumer with as much
// outstanding as the capacity of its link (linkCapacity) is chosen only when all have. All this is as in Interconnect.
func (c *Endpoint) balanced(ts []target, a *address, r *routes, trip trip) []target {
	best := choice{leastFree: -1, leastFull: -1}
	start := 0
	if len(r.local) > 1 {
		start = int(a.turn.Add(1)) % len(r.local)
	}
	for i := range r.local {
		l := r.local[(start+i)%len(r.local)]
		if l.dead.Load() {
			continue
		}
		best.offer(target{link: l}, l.outstanding.Load(), int64(max(l.capacity, 1)), 0)
		if best.leastFree == 0 {
			return append(ts, best.free)
		}
	}
	if len(r.remote) > 0 {
		c.offerRemote(&best, r, trip)
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
func (c *Endpoint) offerRemote(best *choice, r *routes, trip trip) {
	for _, m := range r.remote {
		if h := m.router.hop.Load(); h != nil {
			c.loadOf(c.next(h, trip.flow)).outstanding += m.outstanding.Load()
		}
	}
	for _, m := range r.remote {
		h := m.router.hop.Load()
		if h == nil {
			continue
		}
		if to := c.way(h, trip); to != nil {
			best.offer(target{remote: m, to: to}, c.loadOf(c.next(h, trip.flow)).outstanding, int64(max(to.settings.capacity, 1)),
				int64(h.cost))
		}
	}
	clear(c.choice.loads)
	c.choice.loads = c.choice.loads[:0]
}

// loadOf is the entry of a next hop in the scratch of offerRemote.
func (c *Endpoint) loadOf(to *Endpoint) *hopLoad {
	for i := range c.choice.loads {
		if c.choice.loads[i].to == to {
			return &c.choice.loads[i]
		}
	}
	c.choice.loads = append(c.choice.loads, hopLoad{to: to})
	return &c.choice.loads[len(c.choice.loads)-1]
}
