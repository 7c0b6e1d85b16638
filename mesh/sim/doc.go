// Package sim is a small deterministic world in which the link-state engines of many routers talk to each other:
// virtual time, a heap of events, and chance from a seed. The same seed always tells the same story.
//
// A [World] has routers and cables between them. Messages take their time on a cable, get lost or doubled if so wanted,
// and overtake each other only if so wanted. Cables are cut, with or without anybody noticing, and restored; routers
// crash, leave, come back, do not run for a while, and have clocks that differ and drift. Most routers run a mesh.Node;
// others run a model of qdrouterd 1.19, so that a mixed mesh can be tried.
//
// Every event that an engine puts out is held against the contract of package mesh at once:
//
//   - next-hop-is-neighbor: every link of a path or of published routes is up and leads to the neighbor that is named
//   - alternate-loop-free: by the database of the router an alternate does not come back, and avoids the next hop if it
//     says so; and whenever all routers agree ([World.CheckInstant]), no message loops after the loss of any one cable
//   - no-false-alarm: nobody takes a router for dead that runs, unless messages get lost
//
// What must be true when the world has been quiet for long enough is asked with [World.Check]:
//
//   - databases-equal: what a router knows of one that it can reach is what that one says of itself
//   - reachable, shortest: there is a path to every router to which cables lead, of the lowest cost, and to no other
//   - no-loop: hop by hop a message arrives at its destination
//   - addresses: each router knows each address exactly where it is
//   - multicast-once: forwarding to valid origins brings exactly one copy to every router
package sim
