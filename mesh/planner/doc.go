// Package planner turns the members of a mesh into the links that there should be, and for one router into the
// connectors that it should have. It consists of pure functions; it dials nobody and closes nothing.
//
//	plan, err := planner.New(members, policy)
//	plan.Links()                 all links of the mesh, with who dials
//	plan.Neighbors("R3")         those of one router
//	plan.Connectors("R3", local) the same with costs, without what is configured by hand
//
// All routers that know the same members and have the same policy compute the same plan, without asking each other: it
// depends on nothing but ids, sites, and whether a router can be dialed. While views differ, for the moments that
// gossip takes, two routers may disagree about a link; who dials is part of the plan, so that the link then either exists or
// not, and never twice.
//
// # Shapes
//
//	ShapeNone      no links: configured connectors are all there is
//	ShapeFullMesh  every router with every other one
//	ShapeDegree    k links for each router (k+1 where k is odd), k-connected
//	ShapeSites     full mesh inside a site, r links between any two sites, on different routers
//
// ShapeDegree lays the routers on a ring, in the order of a hash of their ids, and links each with the ⌈k/2⌉ next
// ones on both sides. This circulant graph is the Harary graph of an even degree: it takes k routers to cut it, and no graph
// with fewer links has that. A router that joins gets its k links and takes the place of k/2 others; nobody else
// notices. The smallest graphs for an odd k have links across the ring, which would all move with every change: this is
// why k is rounded up. Large rings have long ways around; Shortcuts adds links along further rings in other orders,
// which make ways short and connectivity no less.
//
// ShapeSites picks for any two sites the routers with the lowest hashes of the pair, so that the links of a site are
// spread over its routers. With r routers at each site that can be dialed the mesh is r-connected.
//
// # Routers that cannot be dialed
//
// Two routers without an address, behind NAT for example, cannot be linked. Under ShapeDegree they are not on the ring,
// but hang on the k routers that follow their place there, which keeps the graph k-connected. Under ShapeSites they are
// linked with those of their site that can be dialed; a site nobody of whom can be dialed has, for each router, links
// to r routers of other sites. Of two routers that can be dialed the one with the lower id dials.
//
// # Churn
//
// A join or a leave changes at most 3⌈k/2⌉ links of the ring and 3 of each shortcut ring; two for each router that
// cannot be dialed and hangs on one of those places; and 2r between a pair of sites, most of the time none. The tests
// hold the plan to that, and check connectivity with an independent max-flow computation.
package planner
