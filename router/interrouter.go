package router

import (
	"slices"
	"sync"

	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
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
func (c *conn) attachRouterLinks() {
	for pair := 0; pair <= priorities; pair++ {
		s := c.eng.Begin(engine.None)
		if s == engine.None {
			c.note("peer allows %d sessions, a neighbor needs %d", pair, priorities+1)
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
func (c *conn) newRouterLink(s engine.SessionID, kind linkKind, capability wire.Symbol, outgoing bool) {
	l := &link{
		number: c.router.numbers.Add(1), conn: c, name: "qdlink." + randomName(), outgoing: outgoing, kind: kind,
		session: s, capacity: routerCredit,
	}
	c.attachOwn(l, capability)
}

// attachOwn sends the attach of a link between routers.
func (c *conn) attachOwn(l *link, capability wire.Symbol) bool {
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
func (c *conn) attachRouterLink(l *link, a *wire.Attach) {
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
	l.capacity = routerCredit
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
func (c *conn) routerLinkUp(l *link) {
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
		p := 0
		for p < priorities && c.data[p].Load() != nil {
			p++
		}
		if p == priorities { // a stream link that the peer attached for this side to send on
			l.kind = linkStream
			c.streams.put(l)
			return
		}
		l.priority = uint8(p)
		c.data[p].Store(l)
		c.router.holders.wakeAll(&c.wakes)
	}
	c.pumpLater(l)
}

// routerLinkGone makes room for the next link of the same purpose.
func (c *conn) routerLinkGone(l *link) {
	switch {
	case l.kind == linkStream && l.outgoing:
		c.streams.forget(l)
	case l.kind == linkData && l.outgoing:
		c.data[l.priority].CompareAndSwap(l, nil)
	case l.kind == linkData && c.dataIn[l.priority] == l:
		c.dataIn[l.priority] = nil
	case l == c.control:
		c.control = nil
		for _, next := range c.links {
			if next != nil && next.kind == linkControl && next.outgoing && next.attached && !next.dead.Load() {
				c.useControl(next)
				return
			}
		}
	}
}

// useControl sends control messages on a link, unless there is one already.
func (c *conn) useControl(l *link) {
	if c.control == nil {
		c.control = l
		c.router.control.put(event{kind: eventControlUp, conn: c, link: l})
	}
}

// streamPool holds a connection's streaming links that nobody uses.
type streamPool struct {
	mu   sync.Mutex // a leaf
	idle []*link
}

// maxIdleStreams is how many unused streaming links a connection keeps, as Interconnect does.
const maxIdleStreams = 128

func (p *streamPool) get() *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := len(p.idle); n > 0; n = len(p.idle) {
		l := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		if !l.dead.Load() {
			return l
		}
	}
	return nil
}

// put keeps a link for the next stream; false means that there are enough. One that still has messages is kept in any
// case.
func (p *streamPool) put(l *link) bool {
	if l.dead.Load() {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) >= maxIdleStreams && l.outstanding.Load() == 0 {
		return false
	}
	p.idle = append(p.idle, l)
	return true
}

func (p *streamPool) forget(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.idle {
		if p.idle[i] == l {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			return
		}
	}
}

// giveStream gives a streaming link that a sender does not need any more to the next one, or detaches it.
func (c *conn) giveStream(u streamUse) {
	if !u.to.streams.put(u.link) {
		c.wakes.post(u.to, note{kind: noteDetach, link: u.link})
	}
}

// newStream makes a streaming link to the peer of c; noteOpenStream attaches it. Branches may be queued on it at once.
func (c *conn) newStream() *link {
	return &link{
		number: c.router.numbers.Add(1), conn: c, name: "qdlink." + randomName(), outgoing: true, kind: linkStream,
		id: engine.None, session: engine.None, capacity: routerCredit, priority: 4,
	}
}

// openStream attaches a streaming link, on a session of its own so that a slow stream holds back nothing else.
func (c *conn) openStream(l *link) {
	l.session = c.eng.Begin(engine.None)
	if l.session == engine.None || !c.attachOwn(l, capabilityData) {
		c.note("no session for another streaming link")
		c.failLink(l)
	}
}
