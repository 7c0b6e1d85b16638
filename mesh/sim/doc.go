// Package sim is a small deterministic world in which the link-state engines of many routers talk to each other:
// virtual time, a heap of events, and chance from a seed. The same seed always tells the same story.
//
// A [World] has routers and cables between them. Messages take their time on a cable, get lost or doubled if so wanted,
// and never overtake each other. Cables are cut, with or without anybody noticing, and restored; routers crash and come
// back. Most routers run a mesh.Node; others run a model of qdrouterd 1.19, so that a mixed mesh can be tried.
//
// Every event that an engine puts out is held against the contract of package mesh at once. What must be true when the
// world has been quiet for long enough is asked with [World.Check]:
//
//   - link states: what a router knows of one that it can reach is what that one says of itself
//   - paths: there is one to every router to which cables lead, of the lowest cost, and to no other
//   - no loops: hop by hop a message arrives at its destination
//   - addresses: each router knows each address exactly where it is
//   - multicast: forwarding to valid origins brings exactly one copy to every router
package sim
