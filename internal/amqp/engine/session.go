package engine

import "github.com/postroad/postroad/internal/amqp/wire"

// endpoint is what each side of a session or link has sent: nothing, its begin/attach, or its end/detach.
type endpoint uint8

const (
	unmapped endpoint = iota
	mapped
	ended
)

// session is one session [2.5]. Field names are those of [2.5.6].
type session struct {
	id            SessionID
	used          bool
	ending        bool // the caller will give End: until then, everything but the end of the peer is discarded
	local, remote endpoint
	localChannel  uint16
	remoteChannel uint16

	nextIncomingID       uint32
	incomingWindow       uint32 // frames the peer may still send
	windowTarget         uint32 // what incomingWindow is restored to
	largestFrame         uint32 // decaying largest payload, in octets
	held                 int    // reasons not to restore the window
	limit                uint32 // octets that may be in flight; 0 for windowOctets
	nextOutgoingID       uint32
	remoteIncomingWindow uint32
	handleMax            uint32       // the peer's
	windowWanted         bool         // a write stopped for lack of window
	aborting             []DeliveryID // outgoing deliveries whose aborting frame waits for window, one for each link at most

	deliveryIn                uint32 // delivery-id expected next
	anyIn                     bool   // an incoming delivery has set deliveryIn
	deliveryOut               uint32 // delivery-id given next
	unsettledIn, unsettledOut serialTable
	settleIn, settleOut       pendingDisposition

	links         LinkID          // list of the session's links
	remoteHandles numbers[LinkID] // remote handle → link
	localHandles  numberSet
	flowDue       bool     // session flow state should be sent
	flowLinks     []LinkID // links whose flow state should be sent, each once
	dirtyAt       int      // one past its place in Connection.dirty; 0 when it is not there
}

// discards reports whether what the peer sends on the session means nothing any more, until its end.
func (s *session) discards() bool { return s.local == ended || s.ending }

func (c *Connection) newSession() *session {
	var id SessionID
	if n := len(c.freeSess); n > 0 {
		id = c.freeSess[n-1]
		c.freeSess = c.freeSess[:n-1]
	} else {
		id = SessionID(len(c.sessions))
		c.sessions = append(c.sessions, session{})
	}
	s := &c.sessions[id]
	window := c.cfg.IncomingWindow
	if window == 0 {
		window = defaultWindow
	}
	*s = session{id: id, used: true, incomingWindow: window, windowTarget: window, links: None,
		nextOutgoingID: c.firstSerial, deliveryOut: c.firstSerial}
	s.unsettledIn.octets, s.unsettledOut.octets = &c.tables, &c.tables
	s.remoteHandles.octets, s.localHandles.octets = &c.tables, &c.tables
	return s
}

// forgetLinks forgets all links of a session.
func (c *Connection) forgetLinks(s *session) {
	for s.links != None {
		c.freeLink(&c.links[s.links])
	}
	s.remoteHandles.reset()
	s.localHandles.reset()
}

// freeSession forgets a session, whose links are gone.
func (c *Connection) freeSession(s *session) {
	c.byLocal.remove(uint32(s.localChannel))
	c.channels.remove(int(s.localChannel))
	c.clean(s)
	c.tables -= s.memory()
	id := s.id
	*s = session{}
	c.restSess = append(c.restSess, id)
}

func (c *Connection) inputBegin(f wire.Frame) error {
	x := new(wire.Begin)
	if _, err := x.Decode(f.Body); err != nil {
		return err
	}
	if f.Channel > c.cfg.ChannelMax {
		c.refuse(cause(wire.ErrFraming, "channel %d is above channel-max %d", f.Channel, c.cfg.ChannelMax))
		return nil
	}
	if c.byRemote.get(uint32(f.Channel)) != None {
		c.refuse(cause(wire.ErrNotAllowed, "begin on channel %d, which already has a session", f.Channel))
		return nil
	}
	var s *session
	answer := x.HasRemoteChannel
	if answer { // [2.5.1] the answer to ours
		id := c.byLocal.get(uint32(x.RemoteChannel))
		if id == None || c.sessions[id].remote != unmapped {
			c.refuse(cause(wire.ErrInvalidField, "begin answers channel %d, on which none was sent", x.RemoteChannel))
			return nil
		}
		s = &c.sessions[id]
	} else {
		s = c.newSession()
	}
	s.remote = mapped
	s.remoteChannel = f.Channel
	c.byRemote.set(uint32(f.Channel), s.id)
	s.nextIncomingID = x.NextOutgoingID
	s.remoteIncomingWindow = x.IncomingWindow
	s.handleMax = x.HandleMax
	if s.local == ended {
		return nil // ended by this side before the answer came; wait for the peer's end
	}
	c.emit(Event{Kind: EventBegin, Session: s.id, Answer: answer, Cold: &Cold{Begin: x}})
	return nil
}

// Begin sends begin. With None it begins a new session and returns its number, or None when the peer's channel-max is
// reached; with the session of an EventBegin it answers.
func (c *Connection) Begin(id SessionID) SessionID {
	lowest := c.channels.lowest()
	var s *session
	switch {
	case id != None && c.sessions[id].local != unmapped:
		return id
	case lowest > int(c.channelMax):
		return None
	case id == None:
		s = c.newSession()
	default:
		s = &c.sessions[id]
	}
	c.channels.add(lowest)
	ch := uint16(lowest)
	s.local, s.localChannel = mapped, ch
	c.byLocal.set(uint32(ch), s.id)
	c.frame(wire.FrameAMQP, ch, &wire.Begin{
		RemoteChannel:    s.remoteChannel,
		HasRemoteChannel: s.remote != unmapped,
		NextOutgoingID:   s.nextOutgoingID,
		IncomingWindow:   s.incomingWindow,
		OutgoingWindow:   largestWindow,
		HandleMax:        maxHandles - 1,
	})
	return s.id
}

func (c *Connection) inputEnd(f wire.Frame) error {
	var x wire.End
	if _, err := x.Decode(f.Body); err != nil {
		return err
	}
	s := c.onSession(f.Channel)
	if s == nil {
		return nil
	}
	c.byRemote.remove(uint32(s.remoteChannel))
	s.remote = ended
	if s.local == ended { // [2.5.5] the answer to ours
		c.freeSession(s)
		return nil
	}
	c.emit(Event{Kind: EventEnd, Session: s.id,
		Cold: &Cold{Err: &Error{Scope: ScopeSession, Cause: x.Error}}})
	return nil
}

// End ends a session from this side or answers EventEnd. Its links are gone with it and their numbers must not be used
// any more. What the peer still sends on the session is discarded. Where there may be very many links, Forget lets go of
// them before, so that End finds none.
func (c *Connection) End(id SessionID, err *wire.Error) {
	s := &c.sessions[id]
	if !s.used || s.local == ended {
		return
	}
	if s.local == unmapped && c.Begin(id) == None { // refused: the answer must come first [2.5.1]
		c.Close(cause(wire.ErrResourceLimitExceeded, "no channel is left below channel-max %d", c.channelMax))
		return
	}
	c.flushSession(s, eventBatch)
	c.frame(wire.FrameAMQP, s.localChannel, &wire.End{Error: c.fit(err)})
	s.local = ended
	if c.cont.session == s.id {
		c.cont = continuation{}
	}
	c.forgetLinks(s)
	if s.remote == ended {
		c.freeSession(s)
	}
}

// failSession reports an error of the peer on a session. The caller answers the event with End; until then, what the peer
// sends on the session is discarded.
func (c *Connection) failSession(s *session, err *wire.Error) {
	s.ending = true
	c.emit(sessionError(s.id, err))
}

func sessionError(id SessionID, err *wire.Error) Event {
	return Event{Kind: EventSessionError, Session: id,
		Cold: &Cold{Err: &Error{Scope: ScopeSession, Local: true, Cause: err}}}
}

// failCommand is failSession for a command that cannot be done. The next input reports it.
func (c *Connection) failCommand(s *session, err *wire.Error) {
	if s.ending {
		return // the caller knows, or will soon
	}
	s.ending = true
	c.deferred = append(c.deferred, sessionError(s.id, err))
}

// Window is the number of transfer frames the peer's session still takes [2.5.6].
func (c *Connection) Window(id SessionID) uint32 { return c.sessions[id].remoteIncomingWindow }

// AwaitWindow tells whether the peer's session takes no transfer frame now. If so, EventWindow tells when it does again.
func (c *Connection) AwaitWindow(id SessionID) bool {
	s := &c.sessions[id]
	s.windowWanted = s.windowWanted || s.remoteIncomingWindow == 0
	return s.remoteIncomingWindow == 0
}

// LimitWindow bounds the octets that the peer may have in flight on a session, or with 0 takes the bound back. Given
// before Begin, it is also what begin announces, as if all frames were of the largest size. A peer whose frames grow may
// have more in flight, as windows are numbers of frames.
func (c *Connection) LimitWindow(id SessionID, octets uint32) {
	s := &c.sessions[id]
	if !s.used || c.cfg.IncomingWindow > 0 || s.limit == octets {
		return
	}
	s.limit = octets
	switch {
	case octets == 0:
		s.windowTarget = defaultWindow
		if s.incomingWindow < defaultWindow && s.held == 0 && s.local == mapped {
			s.incomingWindow, s.flowDue = defaultWindow, true
			c.markDirty(s)
		}
	case s.local == unmapped:
		s.incomingWindow = max(octets/c.cfg.MaxFrameSize, 1)
		s.windowTarget = s.incomingWindow
	}
}

// Hold stops the restoring of a session's incoming window, or with false takes one such reason back. While held, the
// peer may use what it was given and then has to wait.
func (c *Connection) Hold(id SessionID, on bool) {
	s := &c.sessions[id]
	if !s.used {
		return
	}
	if on {
		s.held++
		return
	}
	if s.held--; s.held <= 0 {
		s.held = 0
		c.restoreWindow(s)
	}
}

// restoreWindow gives the peer frames again when half of the target is used. The target follows the size
// of the frames: many when they are small, few when they are large, so that a session in flight stays within
// windowOctets.
func (c *Connection) restoreWindow(s *session) {
	if s.held > 0 || s.local != mapped || s.remote != mapped {
		return
	}
	switch {
	case c.cfg.IncomingWindow > 0:
	case s.limit > 0:
		s.windowTarget = max(s.limit/max(s.largestFrame, smallLimited), 1)
	default:
		s.windowTarget = min(max(windowOctets/max(s.largestFrame, 1024), smallestWindow), largestWindow)
	}
	if s.incomingWindow <= s.windowTarget/2 {
		s.incomingWindow = s.windowTarget
		s.flowDue = true
		c.markDirty(s)
	}
}

func (c *Connection) markDirty(s *session) {
	if s.dirtyAt == 0 {
		c.dirty = append(c.dirty, s.id)
		s.dirtyAt = len(c.dirty)
	}
}

// clean takes a session off the list of those with something to flush.
func (c *Connection) clean(s *session) {
	if s.dirtyAt == 0 {
		return
	}
	last := len(c.dirty) - 1
	moved := c.dirty[last]
	c.dirty[s.dirtyAt-1], c.sessions[moved].dirtyAt = moved, s.dirtyAt
	c.dirty = c.dirty[:last]
	s.dirtyAt = 0
}

// flushWork is how many sessions, and how many flows of links, one flush writes about.
const flushWork = 2000

// flush writes what was gathered, or as much as one turn may write: dispositions first, so that a peer sees settlement
// before new credit.
func (c *Connection) flush() {
	from := max(len(c.dirty)-flushWork, 0)
	due := c.dirty[from:]
	c.dirty = c.dirty[:from]
	most := flushWork
	for _, id := range due {
		s := &c.sessions[id]
		s.dirtyAt = 0
		if most -= c.flushSession(s, most); len(s.flowLinks) > 0 {
			c.markDirty(s) // where due was looked at already
		}
	}
}

// flushSession writes what was gathered for a session, with at most so many flows of links, and returns how many of
// these it wrote.
func (c *Connection) flushSession(s *session, most int) (flows int) {
	c.flushDisposition(s, &s.settleIn, wire.RoleReceiver)
	c.flushDisposition(s, &s.settleOut, wire.RoleSender)
	return c.flushFlow(s, most)
}

// Counts returns how many sessions and links are in use, also those that this side has ended and the peer has not.
func (c *Connection) Counts() (sessions, links int) {
	return len(c.sessions) - len(c.freeSess) - len(c.restSess), len(c.links) - len(c.freeLinks) - len(c.restLinks)
}

// Sessions calls f with every session in use.
func (c *Connection) Sessions(f func(SessionID)) {
	for i := range c.sessions {
		if c.sessions[i].used {
			f(SessionID(i))
		}
	}
}
