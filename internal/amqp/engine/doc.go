// Package engine holds the AMQP 1.0 connection, session, link and delivery state machines, without any input or output
// of their own: octets and the time go in, events and octets come out. It starts no goroutine and reads no clock, so
// that it is tested in virtual time and fuzzed by operations.
//
// The files are named after the specification's nouns: header, open, session, link, flow, transfer, disposition.
// Rules carry the paragraph they obey, as [2.6.7] (part.section).
//
// # Contract
//
//	input     Input(now, b), Advance(now)
//	commands  Open, Begin, NewLink, Attach, Deliver, Write, Abort, Settle, SettleOutgoing, Grant, Drain, Drained,
//	          Hold, Detach, End, Close and the SASL commands
//	output    Events, Take (octets), Deadline
//	getters   Credit, Window, …
//
// Do one of the inputs, handle its events, give commands, then take the octets. Sessions, links and deliveries are
// numbered like file descriptors; the caller keeps its own state beside these numbers. A number that an event or a
// command ended is not used again before the next input, so that no event still to be handled means something newer.
//
// A Connection is not safe for concurrent use: its owner's lock guards it.
package engine
