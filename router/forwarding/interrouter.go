package forwarding

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
	CapabilityControl = "qd.router"
	CapabilityData    = "qd.router-data"
)

// routerCredit is the credit of each link between routers.
const routerCredit = 250

// StreamWindow is how many octets a neighbor may have in flight on a session that carries streams only, be it one or
// many. A stream that nobody reads holds that here, and ContentHigh.
const StreamWindow = 704 << 10

// attachRouterLinks attaches the fixed links of a connection that this side opened: one control link each way, then
// one data link each way for every priority. Each pair has a session of its own. The order gives the priorities.
func (c *Endpoint) attachRouterLinks() {
	for pair := 0; pair <= route.Priorities; pair++ {
		s := c.Engine.Begin(engine.None)
		if s == engine.None {
			c.Note("peer allows %d sessions, a neighbor needs %d", pair, route.Priorities+1)
			c.Shut(&wire.Error{Condition: wire.ErrResourceLimitExceeded, Description: "channel-max is too low"})
			return
		}
		kind, capability := LinkData, wire.Symbol(CapabilityData)
		if pair == 0 {
			kind, capability = LinkControl, CapabilityControl
		}
		c.newRouterLink(s, kind, capability, false)
		c.newRouterLink(s, kind, capability, true)
	}
}

// newRouterLink attaches one link of this side.
func (c *Endpoint) newRouterLink(s engine.SessionID, kind LinkKind, capability wire.Symbol, outgoing bool) {
	l := (&Link{
		Number: c.Plane.Numbers.Add(1), End: c, Name: "qdlink." + c.Plane.NewName(), Outgoing: outgoing, Kind: kind,
		session: s, Consumer: route.Consumer{Capacity: routerCredit},
	}).Own()
	c.attachOwn(l, capability)
}

// attachOwn sends the attach of a link between routers.
func (c *Endpoint) attachOwn(l *Link, capability wire.Symbol) bool {
	a := RouterAttach(capability)
	a.Name, a.Role = l.Name, wire.Role(!l.Outgoing)
	id := c.Engine.NewLink(l.session, a)
	if id == engine.None {
		return false
	}
	l.ID = id
	c.setLink(l)
	return true
}

// RouterAttach is the attach of a link between routers: the capability stands as a plain symbol in both termini.
func RouterAttach(capability wire.Symbol) *wire.Attach {
	return &wire.Attach{
		SndSettleMode: wire.SenderMixed,
		RcvSettleMode: wire.ReceiverFirst,
		Source: &wire.Source{ExpiryPolicy: "link-detach", Capabilities: []wire.Symbol{capability},
			SingleCapability: true},
		Target: &wire.Target{ExpiryPolicy: "link-detach", Capabilities: []wire.Symbol{capability},
			SingleCapability: true},
	}
}

// attachRouterLink answers an attach of a neighbor. The local terminus says what the link is for: this router's
// source for a link on which messages leave, its target for the other direction.
func (c *Endpoint) attachRouterLink(l *Link, a *wire.Attach) {
	var capability wire.Symbol
	if l.Outgoing && a.Source != nil && a.Source.SingleCapability {
		capability = a.Source.Capabilities[0]
	} else if !l.Outgoing && a.Target != nil && a.Target.SingleCapability {
		capability = a.Target.Capabilities[0]
	}
	switch capability {
	case CapabilityControl:
		l.Kind = LinkControl
	case CapabilityData:
		l.Kind = LinkData
	default:
		c.Engine.Attach(l.ID, &wire.Attach{SndSettleMode: a.SndSettleMode})
		l.Attached = true
		c.peerDetached(l.ID, true, &wire.Error{Condition: wire.ErrNotAllowed,
			Description: "only links between routers are carried on this connection (qd:connection-role)"})
		return
	}
	l.Capacity = routerCredit
	answer := &wire.Attach{SndSettleMode: a.SndSettleMode, RcvSettleMode: wire.ReceiverFirst,
		Source: a.Source, Target: a.Target}
	if !c.Engine.Attach(l.ID, answer) {
		return
	}
	c.routerLinkUp(l)
}

// routerLinkUp puts a link between routers to work once both sides have attached it. Data links get their priority in
// the order in which they come up, one that is attached again that of the one before it; those beyond the tenth carry
// streams.
func (c *Endpoint) routerLinkUp(l *Link) {
	l.Attached = true
	if !l.Outgoing {
		if l.Kind == LinkData {
			if p := slices.Index(c.dataIn[:], nil); p >= 0 {
				l.Priority = uint8(p)
				c.dataIn[p] = l
			} else {
				l.Kind = LinkStream
				l.Priority = 4
			}
		}
		if l.Kind != LinkStream {
			c.Engine.LimitWindow(l.session, 0)
		}
		l.Reachable = true
		c.Engine.Grant(l.ID, routerCredit)
		return
	}
	switch l.Kind {
	case LinkControl:
		c.useControl(l)
	case LinkData:
		p := c.Near.Use(l.Face())
		if p == route.Priorities { // a stream link that the peer attached for this side to send on
			l.Kind = LinkStream
			c.giveStream(streamUse{to: c, link: l})
			return
		}
		l.Priority = uint8(p)
		c.Plane.Holders.WakeAll(&c.Wakes)
	}
	c.pumpLater(l)
}

// routerLinkGone makes room for the next link of the same purpose.
func (c *Endpoint) routerLinkGone(l *Link) {
	switch {
	case l.Kind == LinkStream && l.Outgoing:
		c.Streams.forget(l)
	case l.Kind == LinkData && l.Outgoing:
		c.Near.Forget(l.Face(), l.Priority)
	case l.Kind == LinkData && c.dataIn[l.Priority] == l:
		c.dataIn[l.Priority] = nil
	case l == c.control:
		c.control = nil
		for _, next := range c.Links {
			if next != nil && next.Kind == LinkControl && next.Outgoing && next.Attached && !next.Dead.Load() {
				c.useControl(next)
				return
			}
		}
	}
}

// useControl sends control messages on a link, unless there is one already.
func (c *Endpoint) useControl(l *Link) {
	if c.control == nil {
		c.control = l
		c.Plane.Events.Put(Event{Kind: EventControlUp, End: c, Link: l})
	}
}

// StreamPool holds a connection's streaming links that no sender uses. Those whose last user is gone and whose messages
// wait for a slow consumer behind the neighbor are stuck: nobody else's message is to wait behind them.
type StreamPool struct {
	mu    sync.Mutex // a leaf
	Links []*Link    // in the order in which they were given up
}

const (
	// MaxIdleStreams is how many unused streaming links a connection keeps, as Interconnect does.
	MaxIdleStreams = 128
	// MaxStuckStreams is how many stuck ones there may be. Each holds up to ContentHigh octets here, StreamWindow at
	// the neighbor, and one of the sessions.
	MaxStuckStreams = 32
)

// Get takes a link on which nothing waits, nil if there is none.
func (p *StreamPool) Get() *Link {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.Links) - 1; i >= 0; i-- {
		l := p.Links[i]
		switch {
		case l.Dead.Load():
			p.Links = slices.Delete(p.Links, i, i+1)
		case l.Outstanding.Load() == 0:
			p.Links = slices.Delete(p.Links, i, i+1)
			return l
		}
	}
	return nil
}

// Put keeps a link for the next stream. surplus is a link that is too many, to be detached, or nil: the link itself
// when there are enough, or the one that has been stuck for longest when too many are.
func (p *StreamPool) Put(l *Link) (surplus *Link) {
	if l.Dead.Load() {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	stuck, oldest := 0, -1
	for i, other := range p.Links {
		if !other.Dead.Load() && other.Outstanding.Load() > 0 {
			if stuck++; stuck == 1 {
				oldest = i
			}
		}
	}
	switch {
	case l.Outstanding.Load() == 0:
		if len(p.Links)-stuck >= MaxIdleStreams {
			return l
		}
	case stuck >= MaxStuckStreams:
		surplus = p.Links[oldest]
		p.Links = slices.Delete(p.Links, oldest, oldest+1)
	}
	p.Links = append(p.Links, l)
	return surplus
}

// forget takes a link out that is gone.
func (p *StreamPool) forget(l *Link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.Links, l); i >= 0 {
		p.Links = slices.Delete(p.Links, i, i+1)
	}
}

// giveStream gives a streaming link that a sender does not need any more to the next sender, or detaches one that is
// too many. What waits on the latter has no sender any more that would hear of it.
func (c *Endpoint) giveStream(u streamUse) {
	if surplus := u.to.Streams.Put(u.link); surplus != nil {
		c.Wakes.Post(u.to, Note{Kind: NoteDetach, Link: surplus})
	}
}

// NewStream makes a streaming link to the peer of c. NoteOpenStream attaches it; branches may be queued on it before.
func (c *Endpoint) NewStream() *Link {
	return (&Link{
		Number: c.Plane.Numbers.Add(1), End: c, Name: "qdlink." + c.Plane.NewName(), Outgoing: true, Kind: LinkStream,
		ID: engine.None, session: engine.None, Consumer: route.Consumer{Capacity: routerCredit}, Priority: 4,
	}).Own()
}

// openStream attaches a streaming link, on a session of its own so that a slow stream holds back nothing else.
func (c *Endpoint) openStream(l *Link) {
	l.session = c.Engine.Begin(engine.None)
	if l.session == engine.None || !c.attachOwn(l, CapabilityData) {
		c.Note("no session for another streaming link")
		c.failUnopened(l)
	}
}

// failUnopened ends a streaming link that the engine does not know, and that may have been given messages before.
func (c *Endpoint) failUnopened(l *Link) {
	l.ending = true
	l.Dead.Store(true)
	c.goOnBehind()
	for l.Head != nil {
		c.failQueued(l)
	}
}

// SendControl gives a control message of the router's own to a neighbor's control link. The endpoint is that of the
// router itself, and nobody holds its mutex.
func (c *Endpoint) SendControl(now time.Time, l *Link, payload []byte, w *Wakes) {
	c.Mu.Lock()
	defer c.Release()
	c.BeginTurn(now)
	d := c.NewDelivery()
	d.Settled, d.Arrival, d.Stage, d.Anycast, d.Size = true, Arrived, StageRouted, true, len(payload)
	d.Content.Append(buf.Slice{B: payload})
	d.Content.Finish()
	d.Content.Share(1, ContentHigh)
	b := d.NewBranch(l, nil, nil)
	l.Outstanding.Add(1)
	ok := w.Post(l.End, Note{Kind: NoteDeliver, Branch: b})
	if !ok {
		b.uncount()
		d.Drop(true)
		d.Drop(true)
	}
}

// Cost is the cost of a connection between routers: the higher one of both ends.
func (c *Endpoint) Cost() int {
	cost := max(c.Terms.Cost, 1)
	if n, ok := remoteCost(c.Peer.Open); ok {
		cost = max(cost, n)
	}
	return cost
}

// RemotePlanned reports whether the router that has dialed says that its link is planned, and not configured.
func RemotePlanned(open *wire.Open) bool { return RemoteSays(open, PlannedProperty) }

// RemoteSays reports whether a property of an open is true.
func RemoteSays(open *wire.Open, property string) bool {
	if open == nil || open.Properties == nil {
		return false
	}
	v, _, err := wire.DecodeValue(open.Properties)
	m, ok := v.(wire.Map)
	if err != nil || !ok {
		return false
	}
	value, _ := m.Get(property)
	said, _ := value.(bool)
	return said
}

// What an open between routers says: that the link is planned by whoever has dialed, and that its cost is to follow
// from the round-trip time, at both ends.
const (
	PlannedProperty  = "postroad.planned"
	MeasuredProperty = "postroad.measured"
)

// remoteCost is the cost that a neighbor's open demands.
func remoteCost(open *wire.Open) (int, bool) {
	if open == nil || open.Properties == nil {
		return 0, false
	}
	v, _, err := wire.DecodeValue(open.Properties)
	m, ok := v.(wire.Map)
	if err != nil || !ok {
		return 0, false
	}
	cost, _ := m.Get("qd.inter-router-cost")
	n, ok := cost.(int32)
	return int(n), ok && n >= 1
}
