package mesh

import "time"

// MaxLease is the longest time for which another router can have credit withheld by one message.
const MaxLease = 5 * time.Second

// The rate of requests of one router to withhold credit, per second and at once.
const (
	withholdRate  = 64
	withholdBurst = 256
)

// Withhold asks the router with a number to give the senders of the address Key no credit for some time, at most
// MaxLease: their messages wait here, and there is no memory for more. It reports false, and does nothing, for a router
// that is not of our kind or to which there is no way.
func (n *Node) Withhold(now time.Time, router int, key string, lease time.Duration) bool {
	n.enter(now)
	defer n.settle()
	if !n.Understands(router) || n.way(n.numbers[router]) == nil {
		return false
	}
	m := &message{id: n.config.ID, address: key, lease: lease.Milliseconds()}
	n.sendTo(n.numbers[router], pathRouter, OpcodeWithhold, m)
	return true
}

// handleWithhold hands on what another router asks for.
func (n *Node) handleWithhold(m *message) {
	r := n.routers[m.id]
	if r == nil {
		n.unknownRouter(OpcodeWithhold, m.id)
		return
	}
	if !r.withholds.take(n.now, withholdRate, withholdBurst) {
		n.counters.Dropped[DropRate]++
		return
	}
	lease := time.Duration(min(m.lease, MaxLease.Milliseconds())) * time.Millisecond
	n.emit(Event{Kind: EventWithhold, Router: r.number, ID: r.id, Key: m.address, Lease: lease})
}

// Understands reports whether the router with a number is of our kind, so that it withholds credit when asked.
func (n *Node) Understands(router int) bool {
	return !n.config.Plain && router > 0 && router < len(n.numbers) && n.numbers[router] != nil &&
		n.numbers[router].ls.instances != nil
}
