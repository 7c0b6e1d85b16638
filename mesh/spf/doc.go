// Package spf computes shortest paths through a mesh of routers. It consists of pure functions on graphs whose nodes
// are small ints, and knows nothing of messages, time or router ids.
//
// All routers must compute the same paths from the same link states, or messages would loop. The rules are therefore
// those of Qpid Dispatch (python/qpid_dispatch_internal/router/path.py): Dijkstra's algorithm over directed edges,
// nodes settled in the order of cost and, where costs are equal, of router id, and a path changed only for a cheaper
// one. So the predecessor of a node is, among all that lie on a cheapest path to it, the one with the lowest cost and
// then the lowest id. Ids enter as the rank of a node.
//
//	Graph.Tree            costs, hops and predecessors from one root; Tree.NextHops, Tree.Radius
//	Graph.ValidOrigins    for each destination the origins whose path to it leads through a given node
//	Graph.OriginSearch    the same in steps, for a caller that must not stop for long
//	Graph.EqualCost       for each destination all first hops that lie on a cheapest path
//	Graph.Alternates      for each destination and first hop the neighbor that takes over when that hop is lost
//	Graph.Disjoint        two paths that have as little in common as possible
//	Graph.Cuts            single nodes and connections without which the network falls apart; also Components,
//	                      Between, Connectivity and Without, for questions of the kind "what if"
package spf
