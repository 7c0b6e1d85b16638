// Package discovery finds other routers by gossip, and keeps the links that follow from it. What it hears are hints: it
// makes connectors of them, and neither removes a route nor ends a connection with a router of which gossip has nothing
// to say.
//
// # Goroutines
//
//	planned links  one: computes what links there are to be, begins and ends them    planned.loop
//	planned link   one each, as a connector; and one for each connection of a planned link that ends
//	gossip port    one: accepts; and one for each TLS handshake there                Gossip.accept
//
// Files, in the order in which to read them:
//
//	gossip.go   the router's part in gossip
//	planned.go  links that follow from it
//	member.go   what management and metrics see
package discovery
