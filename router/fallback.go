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
func (k *control) pair(a *address, parsed addressing.Address) *address {
	other := parsed
	if parsed.Phase == addressing.PhaseFallback {
		other.Phase = addressing.PhaseZero
	} else {
		other.Phase = addressing.PhaseFallback
	}
	b := k.newAddress(other)
	if parsed.Phase == addressing.PhaseFallback {
		a.fallbackFor, b.fallback = b, a
	} else {
		a.fallback, b.fallbackFor = b, a
	}
	return b
}

// other is the other half of an address with a fallback, or nil.
func (a *address) other() *address {
	if a.fallback != nil {
		return a.fallback
	}
	return a.fallbackFor
}

// main is the address itself, or the one that it is the fallback of. A nil address has none.
func (a *address) main() *address {
	if a != nil && a.fallbackFor != nil {
		return a.fallbackFor
	}
	return a
}

// isServed tells whether the address itself has a consumer.
func (a *address) isServed() bool {
	r := a.routes.Load()
	return r != nil && (len(r.local) > 0 || len(r.remote) > 0 || r.exchange != nil)
}

// reachable tells whether a message to the address would find a consumer, if only that of the fallback.
func (a *address) reachable() bool { return a.isServed() || a.fallback != nil && a.fallback.isServed() }

// reachableFrom is reachable for a sender: what comes from the fallback does not go back to it.
func (a *address) reachableFrom(l *link) bool {
	if l.fallback {
		return a.isServed()
	}
	return a.reachable()
}

// reachabilityChanged tells the senders of an address whether there is anybody to send to, where that has changed.
func (k *control) reachabilityChanged(a *address, wasServed, wasReachable bool) {
	served, reachable := a.isServed(), a.reachable()
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

// divert chooses a consumer of the fallback for a delivery that no consumer of its address can have.
func (c *Endpoint) divert(ts []target, t trip) []target {
	d := t.d
	f := d.address.fallback
	if f == nil || d.link != nil && d.link.fallback {
		return ts
	}
	r := f.routes.Load()
	if r == nil {
		return ts
	}
	if ts = c.balanced(ts, f, r, t); len(ts) == 0 {
		return ts
	}
	if d.link != nil {
		c.countFor(d.link, d.address, books.Stats{Redirected: 1})
	}
	d.address, d.diverted = f, true
	d.to, d.routerHead = addressing.AppendMobile(d.to[:0], f.text), d.routerHead[:0]
	return ts
}

// restore gives a delivery that went to the fallback, and came back, its own address again; also one that another router
// sent to a fallback which has gone, when its address has a consumer by now. A multicast cannot begin on the way.
func (d *delivery) restore() {
	if d.address == nil || d.address.fallbackFor == nil {
		return
	}
	own := d.address.fallbackFor
	switch {
	case d.diverted:
	case d.transit && !d.address.isServed() && own.isServed() && own.distribution != addressing.DistributionMulticast:
	default:
		return
	}
	d.address, d.diverted = own, false
	d.routerHead = d.routerHead[:0]
}
