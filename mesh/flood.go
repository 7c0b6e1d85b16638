package mesh

import (
	"slices"
	"time"

	"github.com/postroad/postroad/addressing"
)

// floodMemory is how long a second copy of a flooded message is recognised. It must be longer than copies take on
// different ways, and shorter than the distance between two RAs of the same content.
const floodMemory = 500 * time.Millisecond

// The rates of messages that are flooded for one router, and per known router of those that come by one link; per
// second and at once.
const (
	floodRate      = 24
	floodBurst     = 32
	floodLinkRate  = 4
	floodLinkBurst = 8
)

// memory is what is remembered of the messages that were flooded for a router.
type memory struct {
	ra, mau flooding
}

type flooding struct {
	a, b   int64 // sequence numbers of the newest message
	hops   int   // the shortest trace with which it was forwarded
	when   time.Time
	bucket bucket
}

// first reports whether the message with these sequence numbers is to be forwarded: whether it is newer than what was
// forwarded last, comes by a shorter way, or comes after so long a time that it is no copy.
func (f *flooding) first(now time.Time, a, b int64, hops int) bool {
	if now.Sub(f.when) <= floodMemory {
		if a < f.a || b < f.b || a == f.a && b == f.b && hops >= f.hops {
			return false
		}
	}
	if !f.bucket.take(now, floodRate, floodBurst) {
		return false
	}
	f.a, f.b, f.hops, f.when = a, b, hops, now
	return true
}

// floodRA forwards an RA of router r to all neighbors that it has not passed.
func (n *Node) floodRA(l *link, e *envelope, r *router, m *message) {
	if n.mayFlood(l) && r.flooded.ra.first(n.now, m.lsSeq, m.mobileSeq, len(e.routers)) {
		n.forward(e, n.neighborLinks(e.routers))
	}
}

// floodMAU forwards a MAU of router r along the shortest paths of r.
func (n *Node) floodMAU(l *link, e *envelope, r *router, m *message) {
	if n.mayFlood(l) && r.flooded.mau.first(n.now, m.mobileSeq, 0, len(e.routers)) {
		n.forward(e, n.pathLinks(r.number, e.routers))
	}
}

// pathLinks returns the links on which the shortest paths from the router with the number origin go on, but for those
// to routers that have the message already. While paths are being computed it returns those to all neighbors.
func (n *Node) pathLinks(origin int, except []string) []*link {
	if n.search != nil || n.paths.pending {
		return n.neighborLinks(except)
	}
	var links []*link
	for _, d := range n.numbers {
		if d == nil || d.number == origin || !d.reached || origin != 0 && !d.origins.Has(origin) {
			continue
		}
		hop := n.numbers[d.path.Router]
		if hop.link != nil && !slices.Contains(links, hop.link) && !slices.Contains(except, hop.id) {
			links = append(links, hop.link)
		}
	}
	return links
}

// mayFlood reports whether the link has not brought too many messages to be flooded.
func (n *Node) mayFlood(l *link) bool {
	known := float64(len(n.routers) + 16)
	if l.floods.take(n.now, floodLinkRate*known, floodLinkBurst*known) {
		return true
	}
	n.counters.Dropped[DropRate]++
	n.complain(LevelWarning, ModuleLS, subject("flood", l),
		"Router %s sends too many messages to be flooded: not all are forwarded", l.peer)
	return false
}

// neighborLinks returns the links to all neighbors but those that have the message already.
func (n *Node) neighborLinks(except []string) []*link {
	links := make([]*link, 0, len(n.neighbors))
	for _, r := range n.neighbors {
		if !slices.Contains(except, r.id) {
			links = append(links, r.link)
		}
	}
	return links
}

// forwardTo passes a message on towards the router id.
func (n *Node) forwardTo(e *envelope, id string) {
	r := n.routers[id]
	if r == nil {
		n.counters.Dropped[DropNoPath]++
		return
	}
	l := n.way(r)
	if l == nil {
		n.counters.Dropped[DropNoPath]++
		return
	}
	if slices.Contains(e.routers, l.peer) {
		n.counters.Dropped[DropLoop]++
		return
	}
	n.forward(e, []*link{l})
}

func (n *Node) forward(e *envelope, links []*link) {
	if len(links) == 0 {
		return
	}
	payload := e.appendForwarded(make([]byte, 0, len(e.head)+len(e.tail)+len(e.trace)+512), n.self.NodeName())
	for _, l := range links {
		n.counters.Forwarded++
		n.emit(Event{Kind: EventSend, Link: l.id, Payload: payload})
	}
}

// way returns the link on which messages to the router go: the next hop, or the direct link as long as no path has been
// computed.
func (n *Node) way(r *router) *link {
	if r.reached {
		if hop := n.numbers[r.path.Router]; hop != nil && hop.link != nil {
			return hop.link
		}
	}
	return r.link
}

// sendTo sends a message of this router to another one.
func (n *Node) sendTo(r *router, path string, op Opcode, m *message) {
	if l := n.way(r); l != nil {
		to := "amqp:/_topo/" + addressing.Area + "/" + r.id + "/" + path
		n.send(l, op, encode(n.self.NodeName(), to, op, m))
	}
}

// sendAll sends a message of this router on several links.
func (n *Node) sendAll(links []*link, to string, op Opcode, m *message) {
	if len(links) == 0 {
		return
	}
	payload := encode(n.self.NodeName(), to, op, m)
	for _, l := range links {
		n.send(l, op, payload)
	}
}

func (n *Node) send(l *link, op Opcode, payload []byte) {
	if n.left {
		return
	}
	n.counters.Sent[op]++
	n.emit(Event{Kind: EventSend, Link: l.id, Payload: payload})
}
