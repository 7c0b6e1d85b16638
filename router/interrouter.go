package router

import (
	"slices"
	"sync"
	"time"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/route"
)

// Capabilities that tell the links between routers apart.
const (
	capabilityControl = "qd.router"
	capabilityData    = "qd.router-data"
	routerCredit      = 250
)

// streamWindow is how many octets a neighbor may have in flight on a session that carries streams only, be it one or
// many: with contentHigh, that is what a stream that nobody reads holds here.
const streamWindow = 704 << 10

// attachRouterLinks attaches the fixed links of a connection that this side opened: one control link each way, then
// one data link each way for every priority, each pair on a session of its own. The order gives the priorities.
func (c *Endpoint) attachRouterLinks() {
	for pair := 0; pair <= route.Priorities; pair++ {
		s := c.eng.Begin(engine.None)
		if s == engine.None {
			c.note("peer allows %d sessions, a neighbor needs %d", pair, route.Priorities+1)
			c.shut(&wire.Error{Condition: wire.ErrResourceLimitExceeded, Description: "channel-max is too low"})
			return
		}
		kind, capability := linkData, wire.Symbol(capabilityData)
		if pair == 0 {
			kind, capability = linkControl, capabilityControl
		}
		c.newRouterLink(s, kind, capability, false)
		c.newRouterLink(s, kind, capability, true)
	}
}

// newRouterLink attaches one link of this side.
func (c *Endpoint) newRouterLink(s engine.SessionID, kind linkKind, capability wire.Symbol, outgoing bool) {
	l := (&link{
		number: c.plane.numbers.Add(1), conn: c, name: "qdlink." + c.plane.newName(), outgoing: outgoing, kind: kind,
		session: s, Consumer: route.Consumer{Capacity: routerCredit},
	}).own()
	c.attachOwn(l, capability)
}

// attachOwn sends the attach of a link between routers.
func (c *Endpoint) attachOwn(l *link, capability wire.Symbol) bool {
	a := routerAttach(capability)
	a.Name, a.Role = l.name, wire.Role(!l.outgoing)
	id := c.eng.NewLink(l.session, a)
	if id == engine.None {
		return false
	}
	l.id = id
	c.setLink(l)
	return true
}

// routerAttach is the attach of a link between routers: the capability stands as a plain symbol in both termini.
func routerAttach(capability wire.Symbol) *wire.Attach {
	return &wire.Attach{
		SndSettleMode: wire.SenderMixed,
		RcvSettleMode: wire.ReceiverFirst,
		Source: &wire.Source{ExpiryPolicy: "link-detach", Capabilities: []wire.Symbol{capability},
			SingleCapability: true},
		Target: &wire.Target{ExpiryPolicy: "link-detach", Capabilities: []wire.Symbol{capability},
			SingleCapability: true},
	}
}

// attachRouterLink answers an attach of a neighbor. The local terminus tells what the link is for: this router's
// source for a link on which messages leave, its target for the other direction.
func (c *Endpoint) attachRouterLink(l *link, a *wire.Attach) {
	var capability wire.Symbol
	if l.outgoing && a.Source != nil && a.Source.SingleCapability {
		capability = a.Source.Capabilities[0]
	} else if !l.outgoing && a.Target != nil && a.Target.SingleCapability {
		capability = a.Target.Capabilities[0]
	}
	switch capability {
	case capabilityControl:
		l.kind = linkControl
	case capabilityData:
		l.kind = linkData
	default:
		c.eng.Attach(l.id, &wire.Attach{SndSettleMode: a.SndSettleMode})
		l.attached = true
		c.peerDetached(l.id, true, &wire.Error{Condition: wire.ErrNotAllowed,
			Description: "only links between routers are carried on this connection (qd:connection-role)"})
		return
	}
	l.Capacity = routerCredit
	answer := &wire.Attach{SndSettleMode: a.SndSettleMode, RcvSettleMode: wire.ReceiverFirst,
		Source: a.Source, Target: a.Target}
	if !c.eng.Attach(l.id, answer) {
		return
	}
	c.routerLinkUp(l)
}

// routerLinkUp puts a link between routers to work once both sides have attached it. Data links get their priority in
// the order in which they come up, one that is attached again that of the one before it; those beyond the tenth carry
// streams.
func (c *Endpoint) routerLinkUp(l *link) {
	l.attached = true
	if !l.outgoing {
		if l.kind == linkData {
			if p := slices.Index(c.dataIn[:], nil); p >= 0 {
				l.priority = uint8(p)
				c.dataIn[p] = l
			} else {
				l.kind = linkStream
				l.priority = 4
			}
		}
		if l.kind != linkStream {
			c.eng.LimitWindow(l.session, 0)
		}
		l.reachable = true
		c.eng.Grant(l.id, routerCredit)
		return
	}
	switch l.kind {
	case linkControl:
		c.useControl(l)
	case linkData:
		p := c.near.Use(l.face())
		if p == route.Priorities { // a stream link that the peer attached for this side to send on
			l.kind = linkStream
			c.giveStream(streamUse{to: c, link: l})
			return
		}
		l.priority = uint8(p)
		c.plane.holders.wakeAll(&c.wakes)
	}
	c.pumpLater(l)
}

// routerLinkGone makes room for the next link of the same purpose.
func (c *Endpoint) routerLinkGone(l *link) {
	switch {
	case l.kind == linkStream && l.outgoing:
		c.streams.forget(l)
	case l.kind == linkData && l.outgoing:
		c.near.Forget(l.face(), l.priority)
	case l.kind == linkData && c.dataIn[l.priority] == l:
		c.dataIn[l.priority] = nil
	case l == c.control:
		c.control = nil
		for _, next := range c.links {
			if next != nil && next.kind == linkControl && next.outgoing && next.attached && !next.Dead.Load() {
				c.useControl(next)
				return
			}
		}
	}
}

// useControl sends control messages on a link, unless there is one already.
func (c *Endpoint) useControl(l *link) {
	if c.control == nil {
		c.control = l
		c.plane.events.put(event{kind: eventControlUp, conn: c, link: l})
	}
}

// streamPool holds a connection's streaming links that no sender uses. Those whose last user is gone and whose messages
// wait for a slow consumer behind the neighbor are stuck: nobody else's message is to wait behind them.
type streamPool struct {
	mu    sync.Mutex // a leaf
	links []*link    // in the order in which they were given up
}

const (
	// maxIdleStreams is how many unused streaming links a connection keeps, as Interconnect does.
	maxIdleStreams = 128
	// maxStuckStreams is how many stuck ones there may be. Each holds up to contentHigh octets here, streamWindow at the
	// neighbor, and one of its sessions.
	maxStuckStreams = 32
)

// get takes a link on which nothing waits, nil if there is none.
func (p *streamPool) get() *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.links) - 1; i >= 0; i-- {
		l := p.links[i]
		switch {
		case l.Dead.Load():
			p.links = slices.Delete(p.links, i, i+1)
		case l.Outstanding.Load() == 0:
			p.links = slices.Delete(p.links, i, i+1)
			return l
		}
	}
	return nil
}

// put keeps a link for the next stream. It returns one that is too many, to be detached, or nil: the link itself when
// there are enough, the one that has been stuck for longest when there are too many of those.
func (p *streamPool) put(l *link) (surplus *link) {
	if l.Dead.Load() {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	stuck, oldest := 0, -1
	for i, other := range p.links {
		if !other.Dead.Load() && other.Outstanding.Load() > 0 {
			if stuck++; stuck == 1 {
				oldest = i
			}
		}
	}
	switch {
	case l.Outstanding.Load() == 0:
		if len(p.links)-stuck >= maxIdleStreams {
			return l
		}
	case stuck >= maxStuckStreams:
		surplus = p.links[oldest]
		p.links = slices.Delete(p.links, oldest, oldest+1)
	}
	p.links = append(p.links, l)
	return surplus
}

func (p *streamPool) forget(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.links, l); i >= 0 {
		p.links = slices.Delete(p.links, i, i+1)
	}
}

// giveStream gives a streaming link that a sender does not need any more to the next one, or detaches one that is too
// many. What waits on that one has no sender any more that would hear of it.
func (c *Endpoint) giveStream(u streamUse) {
	if surplus := u.to.streams.put(u.link); surplus != nil {
		c.wakes.post(u.to, note{kind: noteDetach, link: surplus})
	}
}

// newStream makes a streaming link to the peer of c; noteOpenStream attaches it. Branches may be queued on it at once.
func (c *Endpoint) newStream() *link {
	return (&link{
		number: c.plane.numbers.Add(1), conn: c, name: "qdlink." + c.plane.newName(), outgoing: true, kind: linkStream,
		id: engine.None, session: engine.None, Consumer: route.Consumer{Capacity: routerCredit}, priority: 4,
	}).own()
}

// openStream attaches a streaming link, on a session of its own so that a slow stream holds back nothing else.
func (c *Endpoint) openStream(l *link) {
	l.session = c.eng.Begin(engine.None)
	if l.session == engine.None || !c.attachOwn(l, capabilityData) {
		c.note("no session for another streaming link")
		c.failLink(l)
	}
}

// sendControl gives a control message of the router's own to a neighbor's control link. The endpoint is that of the
// router itself, and its mutex free.
func (c *Endpoint) sendControl(now time.Time, l *link, payload []byte, w *wakes) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.beginTurn(now)
	d := c.newDelivery()
	d.settled, d.arrived, d.forwarded, d.anycast, d.size = true, true, true, true, len(payload)
	d.content.Append(buf.Slice{B: payload})
	d.content.Finish()
	d.content.Share(1, contentHigh)
	b := d.newBranch(l, nil, nil)
	l.Outstanding.Add(1)
	ok := w.post(l.conn, note{kind: noteDeliver, branch: b})
	if !ok {
		b.uncount()
		d.drop(true)
		d.drop(true)
	}
}

// cost is the cost of a connection between routers: the higher one of both ends.
func (c *Endpoint) cost() int {
	cost := max(c.terms.cost, 1)
	if n, ok := remoteCost(c.peer.open); ok {
		cost = max(cost, n)
	}
	return cost
}
