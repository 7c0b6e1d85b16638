package router

import (
	"slices"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/books"
)

// An address for which the configuration says enableFallback has a second entry in the table, with the phase of
// fallbacks. The two are made and dropped together; what ties them never changes. Messages that find no consumer of the
// first, here or behind any router, go to those of the second, which have claimed it by a capability.

// claimsFallback tells whether a client claims with its link to be, or to send from, the fallback of an address.
func claimsFallback(a *wire.Attach) bool {
	var capabilities []wire.Symbol
	switch {
	case a.Role == wire.RoleReceiver && a.Source != nil:
		capabilities = a.Source.Capabilities
	case a.Role == wire.RoleSender && a.Target != nil:
		capabilities = a.Target.Capabilities
	}
	return slices.Contains(capabilities, capabilityFallback)
}

// pair makes the other half of an address with a fallback, and ties both together, before either is in the table.
func (k *control) pair(a *entry, parsed addressing.Address) *entry {
	other := parsed
	if parsed.Phase == addressing.PhaseFallback {
		other.Phase = addressing.PhaseZero
	} else {
		other.Phase = addressing.PhaseFallback
	}
	b := k.newAddress(other)
	if parsed.Phase == addressing.PhaseFallback {
		a.FallbackFor, b.Fallback = b.Address, a.Address
	} else {
		a.Fallback, b.FallbackFor = b.Address, a.Address
	}
	return b
}

// reachabilityChanged tells the senders of an address whether there is anybody to send to, where that has changed.
func (k *control) reachabilityChanged(a *entry, wasServed, wasReachable bool) {
	served, reachable := a.IsServed(), a.Reachable()
	if served == wasServed && reachable == wasReachable {
		return
	}
	if k.plane.hold > 0 && (wasServed && !served || wasReachable && !reachable) {
		k.lose(a) // its senders keep their credit for the hold time
	}
	for l := range a.senders {
		was, is := wasReachable, reachable
		if l.fallback {
			was, is = wasServed, served
		}
		if was != is && (is || k.plane.hold <= 0) {
			k.wakes.post(l.conn, note{kind: noteReachable, link: l, on: is})
		}
	}
}

// restore gives a delivery that went to the fallback, and came back, its own address again; also one that another router
// sent to a fallback which has gone, when its address has a consumer by now. A multicast cannot begin on the way.
func (d *delivery) restore() {
	if d.address == nil || d.address.FallbackFor == nil {
		return
	}
	own := d.address.FallbackFor
	switch {
	case d.diverted:
	case d.transit && !d.address.IsServed() && own.IsServed() && !own.IsMulticast():
	default:
		return
	}
	d.address, d.diverted = own, false
	d.routerHead = d.routerHead[:0]
}

// divert makes a delivery one for the fallback of its address, whose consumers were chosen.
func (c *Endpoint) divert(d *delivery) {
	if d.link != nil {
		c.countFor(d.link, d.address, books.Stats{Redirected: 1})
	}
	f := d.address.Fallback
	d.address, d.diverted = f, true
	d.to, d.routerHead = addressing.AppendMobile(d.to[:0], f.Text), d.routerHead[:0]
}
