// Package sasl holds the two sides of the SASL mechanisms that AMQP 1.0 carries in its security layer [5.3]: ANONYMOUS
// (RFC 4505), PLAIN (RFC 4616), EXTERNAL (RFC 4422 appendix A), SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802, RFC 7677).
//
// A [Server] and a [Client] take and give the octets of sasl-init, sasl-challenge, sasl-response and sasl-outcome. They
// do no I/O, start no goroutine and read no clock; they know neither frames nor sockets. Each value serves one exchange
// and belongs to one goroutine at a time. PLAIN and SCRAM stretch passwords with PBKDF2, so that one step may take
// milliseconds of processor time: no lock that others wait for may be held meanwhile.
//
// Everything that a peer sends is hostile until the outcome is [OK]: a response is at most [MaxMessage] octets long, an
// exchange takes a fixed number of steps, names are valid UTF-8 without control characters, iteration counts are
// bounded, secrets are compared in constant time, and a user that does not exist looks like one that does.
//
// Which users exist is the business of [Credentials]. [Users] is the one that comes with the package; its text form is
// described at [ParseUsers], and package usersfile keeps it in step with a file.
//
// Not done: channel binding (the -PLUS mechanisms), re-authentication, security layers, and the Unicode normalization
// of SASLprep: user names and passwords are compared as the UTF-8 octets that were given.
package sasl
