package engine

import (
	"math"
	"time"

	"github.com/postroad/postroad/internal/amqp/wire"
)

func (c *Connection) inputOpen(f wire.Frame) error {
	open := new(wire.Open)
	if _, err := open.Decode(f.Body); err != nil {
		return err
	}
	if f.Channel != 0 { // [2.4.1]
		c.refuse(cause(wire.ErrFraming, "open on channel %d; it must be channel 0", f.Channel))
		return nil
	}
	if open.MaxFrameSize < minMaxFrameSize {
		c.refuse(cause(wire.ErrInvalidField, "open with max-frame-size %d; at least 512 is required", open.MaxFrameSize))
		return nil
	}
	c.remote, c.openOctets = open, len(f.Body)
	c.maxFrameOut = open.MaxFrameSize
	c.channelMax = min(c.cfg.ChannelMax, open.ChannelMax)
	c.remoteIdle = time.Duration(open.IdleTimeOut) * time.Millisecond
	if c.remoteIdle > 0 && c.remoteIdle < shortestIdleTime {
		// [2.4.5] an idle-time-out too short to keep is refused: half of 1 ms would be a storm of empty frames.
		c.refuse(cause(wire.ErrNotAllowed, "idle-time-out of %v is too short; at least %v is supported",
			c.remoteIdle, shortestIdleTime))
		return nil
	}
	c.phase = phaseOpened
	c.lastSent = c.now
	c.emit(Event{Kind: EventOpen, Cold: &Cold{Open: open}})
	return nil
}

// Open sends the open performative. The properties replace those of the Config when not nil. Sending it twice does
// nothing.
func (c *Connection) Open(properties wire.Raw) {
	if c.openSent {
		return
	}
	c.openSent = true
	if properties == nil {
		properties = c.cfg.Properties
	}
	c.frame(wire.FrameAMQP, 0, &wire.Open{
		ContainerID:         c.cfg.ContainerID,
		Hostname:            c.cfg.Hostname,
		MaxFrameSize:        c.cfg.MaxFrameSize,
		ChannelMax:          c.cfg.ChannelMax,
		IdleTimeOut:         announced(c.cfg.IdleTimeOut),
		OfferedCapabilities: c.cfg.OfferedCapabilities,
		DesiredCapabilities: c.cfg.DesiredCapabilities,
		Properties:          properties,
	})
}

// announced is the idle-time-out told to the peer, in milliseconds: half of what is tolerated [2.4.5].
func announced(tolerated time.Duration) uint32 {
	if tolerated <= 0 {
		return 0
	}
	return uint32(min(max(tolerated/2/time.Millisecond, 1), math.MaxUint32))
}

func (c *Connection) inputClose(f wire.Frame) error {
	var x wire.Close
	if _, err := x.Decode(f.Body); err != nil {
		return err
	}
	if c.closeSent {
		c.phase = phaseEnd
		c.emit(Event{Kind: EventDisconnected, Cold: &Cold{}})
		return nil
	}
	c.emit(Event{Kind: EventClose, Cold: &Cold{Err: &Error{Scope: ScopeConnection, Cause: x.Error}}})
	c.Open(nil)
	c.sendClose(nil)
	c.phase = phaseEnd
	return nil
}

// Close ends the connection from this side, with an error or without. What the peer sends before its own close is
// discarded.
func (c *Connection) Close(err *wire.Error) {
	if c.closeSent || c.phase == phaseEnd {
		return
	}
	switch {
	case c.phase >= phaseOpen:
		c.Open(nil)
		c.sendClose(err)
		c.phase = phaseCloseSent
		c.began = time.Time{} // from the next sign of time on, the peer's close is waited for
	case c.openSent: // sent before the peer's header came [2.4.2]
		c.sendClose(err)
		c.phase = phaseEnd
	default:
		c.phase = phaseEnd
	}
}

func (c *Connection) sendClose(err *wire.Error) {
	c.flush()
	for _, id := range c.dirty { // settlements are owed, credit is not
		c.flushSession(&c.sessions[id], 0)
	}
	c.frame(wire.FrameAMQP, 0, &wire.Close{Error: c.fit(err)})
	c.closeSent = true
}
