package mesh

import (
	"time"

	"github.com/postroad/postroad/mesh/spf"
)

// OverloadCost is what an overloaded router adds to the cost of all its links. So messages go around it where there is
// another way, it remains reachable itself, and it stays the last resort for routers behind it (as in RFC 6987). All
// routers compute with the same costs, qdrouterd too, so that no loops come of it.
const OverloadCost = 1 << 24

// SetOverload announces that this router wants no messages that it would have to pass on, because it is about to be
// stopped or has too much to do, or that it takes them again.
func (n *Node) SetOverload(now time.Time, overload bool) {
	n.enter(now)
	if n.overload != overload {
		n.overload, n.adjacent = overload, true
	}
	n.settle()
}

// Leave tells all routers that this one goes, so that they forget it at once. Nothing is sent afterwards, and no message
// is taken; the loss of links still is.
func (n *Node) Leave(now time.Time) {
	n.enter(now)
	if n.begun.IsZero() || n.left {
		return
	}
	n.nextSequence()
	n.own.peers, n.own.instances = nil, nil
	own := n.own
	m := &message{id: n.config.ID, instance: n.instance, lsSeq: own.seq, mobileSeq: n.mobile.seq}
	if !n.config.Plain {
		m.ls, m.leaving = &own, true
	}
	n.sendAll(n.neighborLinks(nil), "amqp:/"+allRouters+pathRouter, OpcodeRA, m)
	n.left = true
}

// stress returns the cost of a link as an overloaded router announces it.
func stress(cost, extra int) int { return min(cost+extra, spf.MaxCost) }

// nextSequence gives the own link state its next number. After the last one a new life begins, as if the router had been
// started again, which is the only way to begin with low numbers that all routers understand.
func (n *Node) nextSequence() {
	if n.own.seq < maxSequence {
		n.own.seq++
		return
	}
	n.renew()
}

// renew begins a new life of this router: everybody forgets what was known of it, and asks.
func (n *Node) renew() {
	n.instance++
	n.own.seq, n.mobile.seq = 1, 0
	for _, a := range n.mobile.addresses {
		if a.told {
			n.mobile.seq = 1
		}
	}
	n.mobile.cached = nil
	n.raLast = sentRA{-1, -1}
	for _, l := range n.links {
		l.saying = nil
		n.sendHello(l) // what a neighbor hears on the link itself counts, and must come before the RA
	}
	n.ra.request(n.now)
}
