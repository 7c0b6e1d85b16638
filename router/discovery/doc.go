// Package discovery finds other routers by gossip, and keeps the links that follow from it. Gossip gives hints only.
// Discovery makes connectors of them. It never removes a route because gossip does not know a router, and never ends a
// connection with such a router.
//
// # Goroutines
//
//	planned links  one: computes what links there are to be, begins and ends them    planned.loop
//	planned link   one each, as a connector (router/conn)                            Connector.Serve
//	gossip port    one: accepts; and one for each handshake there, at most 64        Gossip.accept
//
// Package mesh/membership has goroutines of its own. When a planned link ends, router/conn has one for each of its
// connections until that has ended (Host.Fade).
//
// # Channels and timers
//
//	planned.changed    capacity 1, gossip → the loop of planned links: there is a new snapshot
//	Gossip.handshakes  a place for each handshake at the port for gossip
//
//	planned.loop       between two looks at the links, and at the file of the keys
//
// # Locks
//
// planned.Mu and PlannedLink.mu are leaves. The loop of planned links alone writes what planned.Mu guards, and reads it
// without the mutex.
//
// Files, in the order in which to read them:
//
//	neighborhood.go  what the mesh says of links between routers
//	gossip.go        Gossip: the router's part in gossip
//	endpoints.go     where routers can be dialed, and in which order
//	verify.go        which routers may take part; the keys
//	carry.go         connections that carry gossip
//	planned.go       links that follow from it
//	member.go        what management and metrics see
//	start.go         Gossip begins and ends
package discovery
