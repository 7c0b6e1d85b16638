// Package message reads and writes the sections of AMQP messages [3.2] as a router needs them: lazily.
//
// A router's data path uses [Envelope.Scan], which finds the sections before the bare message and reads the few fields
// that routing depends on, [Address] and [Subject], which find properties.to and properties.subject without decoding the
// rest, and [AppendAnnotations], which writes the message annotations anew for the next hop. They reference the scanned
// octets, allocate nothing in steady state, and work on a message that is still arriving: each says when it needs more
// octets. The bare message is never changed, and its body never read.
//
// Consumers inside a router, and tests, use [Decode] and [Message.Append], which handle whole messages.
//
// The package does no I/O, starts no goroutine and reads no clock. Its errors are [*wire.DecodeError]: ErrDecode for a
// malformed section or one past a limit, ErrInvalidField for a router annotation of the wrong type.
package message
