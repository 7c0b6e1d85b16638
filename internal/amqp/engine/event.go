package engine

import "github.com/postroad/postroad/internal/amqp/wire"

// SessionID numbers a session of a connection.
type SessionID int32

// LinkID numbers a link of a connection, of either direction.
type LinkID int32

// DeliveryID numbers a live delivery of a connection. Incoming and outgoing deliveries are numbered separately. It is
// not the delivery-id of the wire.
type DeliveryID int32

// None is the number of nothing.
const None = -1

// EventKind says what happened.
type EventKind uint8

// The events. Which fields of Event are set is said for each.
const (
	EventNone          EventKind = iota
	EventMechanisms              // client: the server's SASL mechanisms arrived. Mechanisms
	EventInit                    // server: the client chose. Init
	EventChallenge               // client. Data
	EventResponse                // server. Data
	EventAuthenticated           // client: outcome ok; the AMQP header has been sent. Data: additional data
	EventOpen                    // the peer's open arrived. Open. Answer with Open unless it was sent before
	EventClose                   // the peer closed; this side's close has been sent. Err
	EventBegin                   // the peer began a session, or answered ours. Session, Begin, Answer
	EventEnd                     // the peer ended a session. Session, Err. Forget its links, answer with End
	EventSessionError            // the peer broke a rule on a session, or a command on it failed. As EventEnd
	EventAttach                  // the peer attached a link, or answered ours. Link, Session, Attach, Answer
	EventDetach                  // the peer detached. Link, Closed, Err. Answer with Detach
	EventLinkError               // the peer broke a rule on a link. Link, Err. Answer with Detach
	EventCredit                  // outgoing link: credit, drain or echo changed. Link, Credit, Drain
	EventWindow                  // session: the peer's incoming window opened. Session
	EventDrained                 // incoming link: a drain is done, or the peer gave back credit. Link, Credit (given back)
	EventTransfer                // a frame of an incoming delivery. Link, Delivery, First, More, Settled, Payload, …
	EventAborted                 // the peer aborted an incoming delivery, it is over. Link, Delivery
	EventOutcome                 // state of an outgoing delivery. Link, Delivery, State, Settled (then it is over)
	EventSenderSettled           // the peer settled an incoming delivery, it is over. Link, Delivery, State
	EventDisconnected            // nothing more will come: framing error, SASL failure, time-out. Err
)

// Event is something that happened. It is a value; what it references (Payload, Tag, State.Raw) is valid until the
// next input, being part of that input.
type Event struct {
	Kind     EventKind
	First    bool // EventTransfer: first frame of the delivery
	More     bool // EventTransfer: more frames follow
	Settled  bool
	Closed   bool
	Drain    bool
	Answer   bool // EventBegin, EventAttach: the answer to ours
	Session  SessionID
	Link     LinkID
	Delivery DeliveryID
	Credit   uint32
	Format   uint32 // EventTransfer: message-format of the delivery, on its first frame
	Payload  []byte
	Tag      []byte // EventTransfer: delivery-tag, on its first frame
	State    wire.State
	Cold     *Cold // fields of rare events
}

// Cold holds what only rare events carry.
type Cold struct {
	Mechanisms []wire.Symbol
	Init       *wire.SASLInit
	Data       []byte
	Open       *wire.Open
	Begin      *wire.Begin
	Attach     *wire.Attach
	Err        *Error
}

// Err is the reason of an event, or nil.
func (e *Event) Err() *Error {
	if e.Cold == nil {
		return nil
	}
	return e.Cold.Err
}

// Events returns what the last input caused, in order. Handle each before giving commands for the next. The slice is
// valid until the next input.
func (c *Connection) Events() []Event { return c.events }

// emit adds a rare event, which ends the input after the current frame, so that the caller's answer comes before the
// next frame is looked at. The hot kinds, without Cold, are gathered over many frames.
func (c *Connection) emit(e Event) {
	c.events = append(c.events, e)
	c.stop = true
}

// event adds an empty event, to be filled in where it stands.
func (c *Connection) event() *Event {
	n := len(c.events)
	if n < cap(c.events) {
		c.events = c.events[:n+1] // begin has cleared it
	} else {
		c.events = append(c.events, Event{})
	}
	return &c.events[n]
}
