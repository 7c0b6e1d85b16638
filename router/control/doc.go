// Package control keeps the tables of a router: the addresses and who consumes them here and elsewhere, the exchanges,
// the other routers and the ways to them. It takes typed events and the time, and publishes what the data plane reads
// (router/route); answers to endpoints are notes in their inboxes. It does no input or output, starts no goroutine and
// reads no clock; the control loop of package router runs it.
//
// # Who owns what
//
// Control owns all its fields, under Mu: whoever takes a turn holds it, and whoever looks. What it publishes is read
// without it: route.Table guards itself, and Routes, Hop, Pair and ExchangeTable are replaced and never changed. Of an
// endpoint it owns Neighbor, and of a link At and Local.
//
// Files, in the order in which to read them:
//
//	control.go        Control: addresses, consumers, what is published
//	fallback.go       addresses with a fallback; whether there is anybody to send to
//	phase.go          the phase in which a link finds its address
//	attach.go         answers to attaches
//	exchangetable.go  exchanges, bindings, next hops
//	withhold.go       credit that is withheld for other routers
//	pairs.go          two disjoint paths to a router
//	routing.go        what the mesh says: routers, next hops
//	events.go         the turns of the control: time, and events to their functions
package control
