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
//	          Hold, LetGo, Detach, Forget, End, Close and the SASL commands
//	output    Events, Take (octets), Deadline, Continues
//	getters   Credit, Window, Unsent, Footprint, …
//
// Do one of the inputs, handle its events, give commands, then take the octets. Sessions, links and deliveries are
// numbered like file descriptors; the caller keeps its own state beside these numbers. A number that an event or a
// command ended is not used again before the next input, so that no event still to be handled means something newer.
//
// # Bounds
//
// One input does a bounded amount of work and makes a bounded number of events, whatever the peer sends. Continues
// reports that the next one has something to go on with; commands may come between the two. One Take writes a bounded
// part of what is gathered, and Dirty reports the rest.
//
// Detach forgets the deliveries of its link, Forget a link with them, End the links of its session. Where these may be
// very many, LetGo and Forget take them in portions before. Other commands take the same time however much there is.
//
// What waits for a peer that reads nothing is the pending output, and lists that hold each link or session once. The
// caller stops reading by Unsent. Footprint says what a peer makes the engine keep.
//
// A Connection is not safe for concurrent use: its owner's lock guards it.
package engine
