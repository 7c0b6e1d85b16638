// Package addressing knows the forms of an address and the rules by which the configuration treats one.
//
// # Addresses
//
// A client may write the same address as "amqp:/orders", "amqp://host:5672/orders", "//host/orders", "/orders" or
// "orders". [Router.Parse] reduces all of them to a class and a text, as Qpid Dispatch does it, and [Address.Key] gives
// the string under which a router keeps the address in its tables and announces it to other routers:
//
//	orders               M0orders    mobile: known wherever a consumer attached, phase 0
//	_local/qdhello       Lqdhello    this router only
//	_topo/0/all/qdrouter Tqdrouter   every router
//	_topo/0/B/$management RB         router B (on B itself: L$management)
//	_edge/E1/temp.42     HE1         the router that serves edge router E1
//
// [Router.AppendKey] does the same from octets into a buffer of the caller without allocating.
//
// # Patterns
//
// The configuration names addresses by prefix or pattern. A [Tree] finds the best match: tokens are separated by '.' or
// '/', which mean the same; '*' stands for exactly one token and '#' for any number of them, none included. Token by
// token from the left an exact match is better than '*', and '*' better than '#'; the first full match in this order
// wins. The cost of a look-up grows with the number of tokens of the address, not with the number of patterns.
//
// # Bindings
//
// An exchange compares the subjects of messages with the keys of its bindings. [Bindings] are a tree as well, in which
// all keys that match are found, not only the best one. How a key is written is the exchange's [MatchMethod]: amqp,
// which knows only '.', or mqtt, which knows '/', and '+' instead of '*'.
//
// The package starts no goroutine and reads no clock. All its types are safe for concurrent readers.
package addressing
