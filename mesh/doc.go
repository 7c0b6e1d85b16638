// Package mesh is the link-state engine of one interior router: it finds its neighbors, learns the topology of the
// mesh, computes paths and keeps the mobile addresses of all routers. It does no I/O, starts no goroutine and reads
// no clock.
//
// # Protocol
//
// The wire format is that of Qpid Dispatch 1.19, so that a [Node] is a good neighbor of a running qdrouterd. Routers
// send each other these control messages over their control links:
//
//	HELLO  to the neighbor on a link: my id, and whom I hear on this link. A neighbor is up when its HELLO lists me
//	RA     to all routers: my id, boot time, and the sequence numbers of my link state and my addresses
//	LSR    to one router: send me your link state
//	LSU    to one router: my link state, the list of my neighbors with the cost of getting there
//	MAR    to one router: send me your addresses, I have those of sequence number n
//	MAU    to all routers: addresses that I added and deleted; to one router: all my addresses
//	WITHHOLD  to one router of our kind: give the senders of an address no credit for a time
//
// A message carries the routers it has passed in its trace. RA travels by flooding, the multicast MAU along the
// shortest paths of its origin, the others hop by hop along the next hops. A Node does this forwarding too; the
// router around it only moves whole messages between links and the Node.
//
// Where Interconnect acts on ticks of a second, a Node acts on events, within bounds on the rate of everything it
// sends. The other differences, none of which Interconnect notices:
//
//   - HELLO lists only whom the Node hears on that link, so that each of several links to a neighbor is proved to
//     work in both directions. The link of the lowest cost, then of the lowest number, is used.
//   - RA carries the link state too when it has changed (key "ls", with the value that LSU has), which saves asking for
//     it. MAU carries the instance, so that a late one of an earlier life of its router is not taken for a new one.
//     Interconnect ignores both keys; Config.Plain leaves them out.
//   - A flooded message is forwarded only once, or again if a copy with a shorter trace comes; not by radius.
//   - A request is repeated until it is answered.
//   - The addresses of a router count only while there is a path to it. Interconnect keeps using them until its link
//     state is too old.
//   - What a neighbor says of itself on its own link is believed over what comes by other ways.
//   - Neighbors of our kind say hello ten times a second, and are lost after three HELLOs that did not come, if nothing
//     else came either.
//   - Two routers with one id are found wherever they are, and the later one is refused.
//
// With each computation of paths a Node publishes [Routes]: equal-cost next hops, loop-free alternates, and the links of
// each neighbor, with which the data plane goes on by itself when a connection ends. docs/protocol/mesh.md describes
// all of this.
//
// # Files
//
//	node.go       the Node: contract, links, time          events.go     what it puts out
//	message.go    reading the bodies of messages           compose.go    writing them
//	envelope.go   what is around them: to, ingress, trace  input.go      where a message goes
//	flood.go      forwarding                               config.go     what can be set
//	hello.go      neighbors, adjacencies                   linkstate.go  database, requests, ageing
//	routes.go     paths, valid origins                     mobile.go     addresses
//	table.go      routes for the data plane, alternates    backoff.go    when paths are computed
//	liveness.go   when a neighbor is lost                  twins.go      routers with the same id
//	rtt.go        round-trip times, costs that follow      disjoint.go   two paths with no router in common
//	drain.go      overload, leaving, new numbers           times.go      how long computations took
//	pace.go       bounds on rates                          status.go     what management shows
//	withhold.go   credit that another router withholds
package mesh
