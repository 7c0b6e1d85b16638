// Command failover measures how long messages stop when something in a network of routers fails, with real processes in
// network namespaces. It needs Linux and root. `make bench-failover` runs it.
//
// # What is measured
//
// A diamond of four routers: a sender at A, a receiver at D, the cheaper way through B, the dearer one through C. While
// unsettled messages flow at a fixed rate, B is killed (kill -9) or stands still (SIGSTOP), or its link to D is set
// down. The gap is the longest time without an arrival at the receiver; at 200 messages a second it is 5 ms when nothing
// happens.
//
// Heal: six routers, three on each side, with two links between the sides. Both are set down until the sides have
// forgotten each other, and up again. Measured is the time until the first message comes through, and until all routers
// know the cheapest paths to all others.
//
// Cold start: all routers of a network are started at once. Measured is the time until all know the cheapest paths to
// all others, as their management says.
//
// Every run has processes of its own. Counted over all runs: messages that were accepted and did not arrive (lost),
// arrived twice (duplicated), came back to the sender as released or as modified, or had no outcome in the end (stuck).
package main
