package forwarding

import (
	"slices"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/books"
)

// An address for which the configuration says enableFallback has a second entry in the table, with the phase of
// fallbacks. The two are made and dropped together; what ties them never changes. A message that finds no consumer of
// the first, here or behind any router, goes to one of the second, whose consumers have claimed it by a capability.

// claimsFallback reports whether a client claims with its link to be, or to send from, the fallback of an address.
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

// restore gives a delivery that went to the fallback, and came back, its own address again. So it does when another
// router has sent it to a fallback that is gone, and its address has a consumer by now. A multicast cannot begin on the
// way.
func (d *Delivery) restore() {
	if d.address == nil || d.address.FallbackFor == nil {
		return
	}
	own := d.address.FallbackFor
	switch {
	case d.diverted:
	case d.Transit && !d.address.IsServed() && own.IsServed() && !own.IsMulticast():
	default:
		return
	}
	d.address, d.diverted = own, false
	d.routerHead = d.routerHead[:0]
}

// divert makes a delivery one for the fallback of its address, whose consumers were chosen.
func (c *Endpoint) divert(d *Delivery) {
	if d.Link != nil {
		c.countFor(d.Link, d.address, books.Stats{Redirected: 1})
	}
	f := d.address.Fallback
	d.address, d.diverted = f, true
	d.to, d.routerHead = addressing.AppendMobile(d.to[:0], f.Text), d.routerHead[:0]
}

// Capabilities of a terminus by which a client claims its part in the route of an address.
const (
	CapabilityWaypoint = "qd.waypoint"
	capabilityFallback = "qd.fallback"
)
