package engine

import (
	"time"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// Bounds that no configuration changes.
const (
	minMaxFrameSize  = 512      // [2.4.1] MIN-MAX-FRAME-SIZE
	maxEarlyFrame    = 16 << 10 // octets of a frame before and of the open, [2.4.1] says 512
	maxHandles       = 1 << 16  // links of one session
	maxLinks         = 1 << 16  // links of one connection that the peer attaches
	maxLinkName      = 1 << 10  // octets
	maxLinkNames     = 16 << 20 // octets of the names of all links of one connection
	defaultWindow    = 256      // frames of a fresh session's incoming window
	smallestWindow   = 32       // frames
	largestWindow    = 2048     // frames
	windowOctets     = 2 << 20  // octets a session may have in flight when its frames are large
	smallLimited     = 16 << 10 // octets of a frame; smaller ones count as such where LimitWindow was called
	maxUnsettled     = 1 << 20  // live deliveries of one connection and direction
	eventBatch       = 64       // events after which Input returns, so that few octets cannot make very many
	shortestIdleTime = 100 * time.Millisecond
)

// SASLMode says what a connection does about the SASL layer.
type SASLMode uint8

// The SASL modes.
const (
	SASLRequired SASLMode = iota // server: refuses peers without it; client: uses it
	SASLOptional                 // server: accepts both
	SASLNone                     // client: goes without it
)

// Config is what a connection is made with.
type Config struct {
	Client              bool // this side opened the transport and speaks first
	SASL                SASLMode
	Mechanisms          []wire.Symbol // server: offered
	ContainerID         string
	Hostname            string // client: sent in open
	MaxFrameSize        uint32 // octets of the largest frame accepted, at least 512
	ChannelMax          uint16
	IncomingWindow      uint32        // frames of every session's incoming window [2.5.6]; 0 = by the size of the frames
	IdleTimeOut         time.Duration // silence after which this side gives up; half of it is announced [2.4.5]; 0 = never
	HandshakeTimeOut    time.Duration // from the first input or Advance to the peer's open, from close to close; 0 = never
	OfferedCapabilities []wire.Symbol
	DesiredCapabilities []wire.Symbol
	Properties          wire.Raw
}

// phase is the state of a connection [2.4.6], with the layers before it.
type phase uint8

const (
	phaseHeader    phase = iota // wants a protocol header, any
	phaseSASL                   // wants SASL frames
	phaseAMQP                   // wants the AMQP protocol header, after SASL
	phaseOpen                   // wants open
	phaseOpened                 // open received
	phaseCloseSent              // close sent, everything but close is discarded
	phaseEnd                    // nothing is read any more
)

// Connection is the state machine of one AMQP connection [2.4]. See the package comment for how to drive it.
type Connection struct {
	cfg          Config
	phase        phase
	saslDone     bool
	saslInit     bool // the mechanism was chosen
	openSent     bool
	closeSent    bool
	remote       *wire.Open
	maxFrameOut  uint32 // the peer's max-frame-size
	channelMax   uint16 // the lower of both
	began        time.Time
	lastReceived time.Time
	lastSent     time.Time
	remoteIdle   time.Duration // the peer's idle-time-out
	firstSerial  uint32        // with which transfer-ids, delivery-ids and delivery-counts begin: 0, near 2^32 in tests
	now          time.Time

	sessions   []session
	freeSess   []SessionID
	restSess   []SessionID        // numbers that ended since the last input, see deliverySlab
	byRemote   numbers[SessionID] // remote channel → session
	byLocal    numbers[SessionID] // local channel → session
	channels   numberSet          // local channels in use
	links      []link
	freeLinks  []LinkID
	restLinks  []LinkID
	names      map[linkName]LinkID
	nameOctets int
	mostNames  int // that names has had, which is what its memory is for
	incoming   deliverySlab
	outgoing   deliverySlab
	dirty      []SessionID // sessions with something to flush, each once
	flows      int         // links whose flow state is to be flushed
	states     int         // octets of the states of dispositions that are gathered
	tables     int         // octets of memory of all sessions' tables, see footprint.go
	openOctets int         // of the peer's open
	events     []Event
	deferred   []Event // caused by commands, for the next inputs; one for each session at most
	stop       bool    // a rare event wants an answer before the next frame, or this frame is not done
	work       int     // units that this input has done
	cont       continuation
	continues  bool
	out        Output
	single     [1]buf.Slice     // scratch of Write
	transfer   wire.Transfer    // scratch of the hot path
	flow       wire.Flow        // scratch
	state      wire.Disposition // scratch
	framesIn   uint64
	framesOut  uint64
	octetsIn   uint64
	octetsOut  uint64
}

// New returns a connection that has seen nothing. A client's first octets are ready to be taken at once.
func New(cfg Config) *Connection {
	cfg.MaxFrameSize = max(cfg.MaxFrameSize, minMaxFrameSize)
	c := &Connection{
		cfg:         cfg,
		maxFrameOut: minMaxFrameSize,
		channelMax:  cfg.ChannelMax,
		incoming:    deliverySlab{free: None, resting: None},
		outgoing:    deliverySlab{free: None, resting: None},
	}
	c.byRemote.octets, c.byLocal.octets, c.channels.octets = &c.tables, &c.tables, &c.tables
	if cfg.Client {
		if cfg.SASL == SASLNone {
			c.sendHeader(wire.HeaderAMQP)
		} else {
			c.sendHeader(wire.HeaderSASL)
		}
	}
	return c
}

// Input takes octets as they arrived from the peer and returns how many were used: whole frames only, and none after
// a frame with a rare event, after many events or after much work. The caller handles the events and presents the rest
// again, until nothing more is used and Continues reports false; then it reads more. A frame may take several inputs:
// its octets are used with the first, and the others use none before it is done. Events and what they reference are
// valid until the next input.
func (c *Connection) Input(now time.Time, b []byte) (used int) {
	c.begin(now)
	if len(b) > 0 || c.lastReceived.IsZero() {
		c.lastReceived = now // [2.4.5] any octets show that the peer lives
	}
	if c.cont.kind != nothing {
		c.goOn()
	}
	for c.phase != phaseEnd && !c.stop && !c.spent() {
		c.work++
		n := 0
		switch c.phase {
		case phaseHeader, phaseAMQP:
			n = c.inputHeader(b[used:])
		default:
			n = c.inputFrame(b[used:])
		}
		if n == 0 {
			break
		}
		used += n
	}
	if c.phase == phaseEnd {
		used = len(b)
	}
	c.octetsIn += uint64(used)
	c.continues = c.phase != phaseEnd && (c.stop || c.spent())
	return used
}

// Advance lets time pass: it sends an empty frame or gives up on the peer when the deadline has come.
func (c *Connection) Advance(now time.Time) {
	c.begin(now)
	if c.phase == phaseEnd {
		return
	}
	if t := c.handshakeDeadline(); !t.IsZero() && !now.Before(t) {
		what := "open within %v of connecting"
		if c.phase == phaseCloseSent {
			what = "close within %v of this side's"
		}
		c.refuse(cause(wire.ErrResourceLimitExceeded, "no "+what, c.cfg.HandshakeTimeOut))
		return
	}
	if t := c.idleDeadline(); !t.IsZero() && !now.Before(t) {
		c.refuse(cause(wire.ErrResourceLimitExceeded, "nothing received for %v, the idle time-out", c.cfg.IdleTimeOut))
		return
	}
	if t := c.keepAliveDeadline(); !t.IsZero() && !now.Before(t) {
		c.frame(wire.FrameAMQP, 0, nil) // [2.4.5] an empty frame
	}
}

// Deadline is when Advance wants to be called, or the zero time.
func (c *Connection) Deadline() time.Time {
	if c.phase == phaseEnd {
		return time.Time{}
	}
	if len(c.deferred) > 0 {
		return c.now
	}
	return earliest(earliest(c.handshakeDeadline(), c.idleDeadline()), c.keepAliveDeadline())
}

// handshakeDeadline is when the peer must have opened the connection, or closed it when this side did.
func (c *Connection) handshakeDeadline() time.Time {
	if c.cfg.HandshakeTimeOut <= 0 || c.phase == phaseOpened || c.began.IsZero() {
		return time.Time{}
	}
	return c.began.Add(c.cfg.HandshakeTimeOut)
}

// Pause says that the caller does not read from the peer, until the next Input: its silence says nothing meanwhile.
func (c *Connection) Pause() { c.lastReceived = time.Time{} }

func (c *Connection) idleDeadline() time.Time {
	if c.cfg.IdleTimeOut <= 0 || !c.openSent || c.lastReceived.IsZero() {
		return time.Time{}
	}
	return c.lastReceived.Add(c.cfg.IdleTimeOut)
}

// keepAliveDeadline is half the peer's idle time-out after the last octets given to the caller [2.4.5]. While octets
// wait to be taken there is none: they will do.
func (c *Connection) keepAliveDeadline() time.Time {
	if c.remoteIdle <= 0 || !c.openSent || c.phase != phaseOpened || c.Dirty() {
		return time.Time{}
	}
	return c.lastSent.Add(c.remoteIdle / 2)
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// begin starts an input: the events of the last one are forgotten, numbers they named are free, and the clock moves on.
func (c *Connection) begin(now time.Time) {
	clear(c.events) // also for event, which expects it
	first := min(len(c.deferred), eventBatch)
	c.events = append(c.events[:0], c.deferred[:first]...)
	if c.deferred = c.deferred[first:]; len(c.deferred) == 0 {
		c.deferred = nil
	}
	c.stop, c.work = false, first
	c.now = now
	c.incoming.wake()
	c.outgoing.wake()
	c.freeLinks, c.restLinks = append(c.freeLinks, c.restLinks...), c.restLinks[:0]
	c.freeSess, c.restSess = append(c.freeSess, c.restSess...), c.restSess[:0]
	if c.began.IsZero() {
		c.began, c.lastReceived, c.lastSent = now, now, now
	}
}

// Sent tells the connection that octets left at now; it sets the time of the next keep-alive.
func (c *Connection) Sent(now time.Time, octets int) {
	if c.began.IsZero() {
		c.began = now
	}
	c.lastSent = now
	c.octetsOut += uint64(octets)
}

// refuse ends the connection for an error detected by this side: close with the error where an open was or can be
// sent. Nothing more is read.
func (c *Connection) refuse(err *wire.Error) {
	e := &Error{Scope: ScopeConnection, Local: true, Cause: err}
	if c.phase == phaseOpen || c.phase == phaseOpened {
		c.Open(nil) // a close needs an open before it [2.4.3]
	}
	if c.openSent && !c.closeSent {
		c.sendClose(err)
	}
	c.phase = phaseEnd
	c.emit(Event{Kind: EventDisconnected, Cold: &Cold{Err: e}})
}

// Fail ends the connection at once, for an error of this side's own that leaves its state in doubt: what was gathered
// for the peer is not written, the error is as far as an open was or can be sent. Nothing more is read.
func (c *Connection) Fail(err *wire.Error) {
	for _, id := range c.dirty {
		c.sessions[id].dirtyAt = 0
	}
	c.dirty = c.dirty[:0]
	c.events, c.deferred = nil, nil
	c.refuse(err)
}

// Remote is the peer's open, or nil before it arrived.
func (c *Connection) Remote() *wire.Open { return c.remote }

// Closed tells whether nothing more is read from the peer: the caller writes what is pending and closes the transport.
func (c *Connection) Closed() bool { return c.phase == phaseEnd }

// Opened tells whether the peer's open has arrived and no close was sent or received.
func (c *Connection) Opened() bool { return c.phase == phaseOpened && !c.closeSent }

// Stats counts frames and octets both ways.
type Stats struct{ FramesIn, FramesOut, OctetsIn, OctetsOut uint64 }

// Stats returns the counters of the connection.
func (c *Connection) Stats() Stats {
	return Stats{FramesIn: c.framesIn, FramesOut: c.framesOut, OctetsIn: c.octetsIn, OctetsOut: c.octetsOut}
}
