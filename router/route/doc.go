// Package route is where messages may go: the tables that the control loop publishes and the data plane reads, and the
// choice among what they offer. It does no input or output, starts no goroutine and reads no clock; what it publishes is
// replaced and never changed, but for counters and flags that are atomic.
//
// A choice is a function of the facts of a message, the routes of its address, and the time:
//
//	targets, diverted := chooser.Choose(targets[:0], address.Routes.Load(), &facts)
//
// Files, in the order in which to read them:
//
//	doc.go        this page
//	seen.go       which numbered messages have come
//	treatment.go  what the configuration says about addresses
//	table.go      Table: addresses by key, routers by name
//	address.go    Address, Routes, Remote; Consumer and Neighbor, the faces of links and connections
//	router.go     Router: another router of the mesh; Hop, Pair
//	exchange.go   Exchange, NextHop, Via
//	facts.go      Facts, Target: what a choice goes by, and what comes of it
//	choose.go     Chooser: the choice of one consumer or of all
//	balanced.go   the choice among consumers by what is outstanding
//	steer.go      messages that know where they go; two disjoint paths
//	spread.go     the next hops of exchanges
package route
