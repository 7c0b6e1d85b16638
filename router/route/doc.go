// Package route is where messages may go: the tables that the control loop publishes and the data plane reads, and the
// choice among what they offer. It does no input or output, starts no goroutine and reads no clock.
//
// What is published is replaced and never changed; counters and flags in it are atomic. Consumer and Neighbor are the
// faces of links and connections, which live in router/forwarding: the choice reads the faces, and the caller finds the
// link or connection again by the Owner.
//
// A choice is a function of the facts of a message, the routes of its address, and the time:
//
//	targets, diverted := chooser.Choose(targets[:0], address.Routes.Load(), &facts)
//
// # Who owns what
//
//	Table               its mutex, a leaf; only the control loop writes it
//	Address, Router     the control loop. The data plane reads what is atomic, and what never changes
//	Routes, Hop, Pair   nobody: they never change after they were published
//	Consumer, Neighbor  their owner; what others read is atomic, or never changes
//	Chooser             the endpoint that has it, under the endpoint's mutex
//
// Files, in the order in which to read them:
//
//	seen.go       which numbered messages have come
//	router.go     Router: another router of the mesh; Hop, Pair
//	treatment.go  what the configuration says about addresses
//	address.go    Address, Routes, Remote; Consumer and Neighbor, the faces of links and connections
//	exchange.go   Exchange, NextHop, Via
//	facts.go      Facts, Target: what a choice goes by, and what comes of it
//	table.go      Table: addresses by key, routers by name
//	steer.go      messages that know where they go; two disjoint paths
//	balanced.go   the choice among consumers by what is outstanding
//	choose.go     Chooser: the choice of one consumer or of all
//	spread.go     the next hops of exchanges
package route
