package engine

import (
	"github.com/postroad/postroad/internal/amqp/wire"
)

// linkName identifies a link on a connection: names are unique for each direction [2.6.1].
type linkName struct {
	name string
	role wire.Role // the peer's
}

// link is one link endpoint [2.6].
type link struct {
	id            LinkID
	used          bool
	leaving       bool // LetGo was called, Detach or Forget will be: no delivery begins any more
	local, remote endpoint
	role          wire.Role // ours
	name          string
	session       SessionID
	prev, next    LinkID // list of the session's links
	localHandle   uint32
	remoteHandle  uint32

	deliveryCount uint32 // [2.6.7]
	credit        uint32
	drain         bool
	flowAt        int32      // one past its place in session.flowLinks; 0 when it is not there
	partial       DeliveryID // incoming: delivery whose frames are still coming; outgoing: being written
	discard       bool       // incoming: frames of the current delivery are ignored (a resumed one)
	nextTag       uint32
	first         DeliveryID // list of live deliveries
	live          int
}

func (c *Connection) newLink(s *session) *link {
	var id LinkID
	if n := len(c.freeLinks); n > 0 {
		id = c.freeLinks[n-1]
		c.freeLinks = c.freeLinks[:n-1]
	} else {
		id = LinkID(len(c.links))
		c.links = append(c.links, link{})
	}
	l := &c.links[id]
	*l = link{id: id, used: true, session: s.id, partial: None, first: None, prev: None, next: s.links,
		deliveryCount: c.firstSerial}
	if s.links != None {
		c.links[s.links].prev = id
	}
	s.links = id
	return l
}

// freeLink forgets a link with its deliveries.
func (c *Connection) freeLink(l *link) {
	c.forgetDeliveries(l)
	c.dropFlow(l)
	key := linkName{l.name, !l.role}
	if id, ok := c.names[key]; ok && id == l.id {
		c.dropName(key)
	}
	s := &c.sessions[l.session]
	if l.local == mapped {
		s.localHandles.remove(int(l.localHandle))
	}
	if l.remote != unmapped && s.remoteHandles.get(l.remoteHandle) == l.id {
		s.remoteHandles.remove(l.remoteHandle)
	}
	if l.prev != None {
		c.links[l.prev].next = l.next
	} else {
		s.links = l.next
	}
	if l.next != None {
		c.links[l.next].prev = l.prev
	}
	id := l.id
	c.nameOctets -= len(l.name)
	*l = link{}
	c.restLinks = append(c.restLinks, id)
}

// inputAttach takes the peer's attach: a new link, or the answer to ours [2.6.3].
func (c *Connection) inputAttach(f wire.Frame) error {
	x := new(wire.Attach)
	if _, err := x.Decode(f.Body); err != nil {
		return err
	}
	s := c.onSession(f.Channel)
	if s == nil || s.discards() {
		return nil
	}
	switch {
	case x.Handle >= maxHandles: // [2.7.2]
		c.refuse(cause(wire.ErrFraming, "handle %d is above handle-max %d", x.Handle, maxHandles-1))
		return nil
	case len(x.Name) > maxLinkName:
		c.failSession(s, cause(wire.ErrInvalidField, "link name of %d octets; at most %d", len(x.Name), maxLinkName))
		return nil
	case c.nameOctets+len(x.Name) > maxLinkNames:
		c.failSession(s, cause(wire.ErrResourceLimitExceeded, "%d octets of link names on this connection", maxLinkNames))
		return nil
	case s.remoteHandles.get(x.Handle) != None:
		c.failSession(s, cause(wire.ErrHandleInUse, "handle %d is attached already", x.Handle))
		return nil
	case x.Role == wire.RoleSender && !x.HasInitialDelivery:
		c.failSession(s, cause(wire.ErrInvalidField, "attach of sender %q without initial-delivery-count", x.Name))
		return nil
	case len(c.links)-len(c.freeLinks)-len(c.restLinks) >= maxLinks:
		c.failSession(s, cause(wire.ErrResourceLimitExceeded, "%d links on this connection", maxLinks))
		return nil
	}
	key := linkName{x.Name, x.Role}
	var l *link
	answer := false
	if id, ok := c.names[key]; ok {
		l = &c.links[id]
		answer = l.remote == unmapped && l.session == s.id
		if !answer {
			c.steal(l)
		}
	}
	if !answer {
		l = c.newLink(s)
		l.name, l.role = x.Name, !x.Role
		c.addName(l)
	}
	l.remote = mapped
	l.remoteHandle = x.Handle
	s.remoteHandles.set(x.Handle, l.id)
	if l.role == wire.RoleReceiver {
		l.deliveryCount = x.InitialDeliveryCount
	}
	if l.local == ended {
		return nil // detached by this side before the answer came
	}
	c.emit(Event{Kind: EventAttach, Session: s.id, Link: l.id, Answer: answer, Cold: &Cold{Attach: x}})
	return nil
}

// addName gives a new link its name, which it may take over from another.
func (c *Connection) addName(l *link) {
	if c.names == nil {
		c.names = make(map[linkName]LinkID)
	}
	c.names[linkName{l.name, !l.role}] = l.id
	c.nameOctets += len(l.name)
	c.mostNames = max(c.mostNames, len(c.names))
}

// dropName makes a name free. With the last one, the memory of all goes.
func (c *Connection) dropName(key linkName) {
	if delete(c.names, key); len(c.names) == 0 {
		c.names, c.mostNames = nil, 0
	}
}

// steal detaches a link whose name the same peer attaches again [2.6.1].
func (c *Connection) steal(l *link) {
	if l.local != ended { // else it is half detached already: only the name is taken over
		c.failLink(l, cause(wire.ErrStolen, "link %q was attached again", l.name))
	}
}

// NewLink attaches a new link on a session of ours or the peer's. The attach's Handle is assigned here. It returns
// None when the peer's handle-max is reached or the name is in use.
func (c *Connection) NewLink(id SessionID, a *wire.Attach) LinkID {
	s := &c.sessions[id]
	if _, taken := c.names[linkName{a.Name, !a.Role}]; taken || s.local != mapped || s.ending {
		return None
	}
	l := c.newLink(s)
	l.name, l.role = a.Name, a.Role
	c.addName(l)
	if err := c.attach(s, l, a); err != nil {
		c.freeLink(l)
		return None
	}
	return l.id
}

// Attach answers EventAttach. Name, Role and Handle of the attach are filled in. It returns false when the link has
// been answered or is gone, and when the peer's handle-max leaves no handle or its max-frame-size no room for the
// attach; then the session must be ended for it, as the next input reports.
func (c *Connection) Attach(id LinkID, a *wire.Attach) bool {
	l := &c.links[id]
	s := &c.sessions[l.session]
	if !l.used || l.local != unmapped || s.local != mapped || s.ending {
		return false
	}
	a.Name, a.Role = l.name, l.role
	if err := c.attach(s, l, a); err != nil {
		c.failCommand(s, err)
		return false
	}
	return true
}

// attach gives a link a handle and writes its attach, or tells why it cannot.
func (c *Connection) attach(s *session, l *link, a *wire.Attach) *wire.Error {
	h := s.localHandles.lowest()
	if s.remote == mapped && uint32(h) > s.handleMax || h >= maxHandles {
		return cause(wire.ErrResourceLimitExceeded, "no handle is left below handle-max %d", s.handleMax)
	}
	a.Handle = uint32(h)
	a.HasInitialDelivery = l.role == wire.RoleSender
	a.InitialDeliveryCount = l.deliveryCount
	b := a.Append(wire.BeginFrame(c.out.reserve(512), wire.FrameAMQP, s.localChannel))
	if most := c.maxFrameOut; c.remote != nil && uint64(len(b)) > uint64(most) { // [2.8.15]
		return cause(wire.ErrFrameSizeTooSmall, "an attach of %d octets does not fit max-frame-size %d", len(b), most)
	}
	s.localHandles.add(h)
	l.local, l.localHandle = mapped, uint32(h)
	c.answer(b)
	return nil
}

func (c *Connection) inputDetach(f wire.Frame) error {
	var x wire.Detach
	if _, err := x.Decode(f.Body); err != nil {
		return err
	}
	s := c.onSession(f.Channel)
	if s == nil || s.discards() {
		return nil
	}
	l := c.onHandle(s, x.Handle)
	if l == nil {
		return nil
	}
	s.remoteHandles.remove(x.Handle)
	l.remote = ended
	if l.local == ended {
		c.freeLink(l)
		return nil
	}
	c.emit(Event{Kind: EventDetach, Session: s.id, Link: l.id, Closed: x.Closed,
		Cold: &Cold{Err: &Error{Scope: ScopeLink, Cause: x.Error}}})
	return nil
}

// Detach detaches a link from this side or answers EventDetach; its deliveries are forgotten, and its number must not
// be used any more.
func (c *Connection) Detach(id LinkID, closed bool, err *wire.Error) {
	l := &c.links[id]
	if !l.used || l.local == ended {
		return
	}
	s := &c.sessions[l.session]
	if l.local == unmapped { // refused: the answer must come first [2.6.3]
		if s.local != mapped || s.ending {
			return // so must the session's, or it goes with the session
		}
		if err := c.attach(s, l, &wire.Attach{Name: l.name, Role: l.role}); err != nil {
			c.failCommand(s, err)
			return
		}
	}
	c.abortPartial(l)
	c.flushSession(s, eventBatch)
	c.dropFlow(l)
	c.frame(wire.FrameAMQP, s.localChannel, &wire.Detach{Handle: l.localHandle, Closed: closed, Error: c.fit(err)})
	l.local = ended
	s.localHandles.remove(int(l.localHandle))
	c.forgetDeliveries(l)
	if l.remote == ended {
		c.freeLink(l)
	}
}

// Forget lets go of a link without telling the peer; its number must not be used any more. It is for links of a session
// that the caller is going to end, or that the peer has ended, so that a session of very many links ends in portions.
// What the peer sends on the session from here on is discarded, but for its end. When AnyLink returns None, the caller
// gives End.
func (c *Connection) Forget(id LinkID) {
	l := &c.links[id]
	if !l.used {
		return
	}
	c.sessions[l.session].ending = true
	c.freeLink(l)
}

// AnyLink returns one of the links of a session that are not forgotten, or None. Links that this side has detached
// are among them until the peer has.
func (c *Connection) AnyLink(id SessionID) LinkID {
	if s := &c.sessions[id]; s.used {
		return s.links
	}
	return None
}

// failLink reports an error of the peer on a link. The caller answers the event with Detach.
func (c *Connection) failLink(l *link, err *wire.Error) {
	c.emit(Event{Kind: EventLinkError, Session: l.session, Link: l.id,
		Cold: &Cold{Err: &Error{Scope: ScopeLink, Local: true, Cause: err}}})
}

// onHandle returns the link of a handle, or ends the session [2.6.3].
func (c *Connection) onHandle(s *session, handle uint32) *link {
	id := s.remoteHandles.get(handle)
	if id == None {
		c.failSession(s, cause(wire.ErrUnattachedHandle, "handle %d is not attached", handle))
		return nil
	}
	return &c.links[id]
}

// Live is the number of unfinished deliveries of a link.
func (c *Connection) Live(id LinkID) int { return c.links[id].live }

// LinkSession is the session of a link.
func (c *Connection) LinkSession(id LinkID) SessionID { return c.links[id].session }

// LinkName is the name of a link.
func (c *Connection) LinkName(id LinkID) string { return c.links[id].name }
