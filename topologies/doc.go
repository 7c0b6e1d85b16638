// Package topologies describes example networks: routers, the links between them, addresses, and clients that send and
// receive. One description serves the demo, tests, simulations and drawings.
//
// A description is a YAML file:
//
//	name: pair
//	routers:
//	  - {id: a, mode: interior, site: here}             # mode interior or edge, interior if not given
//	  - {id: b}
//	links:
//	  - {a: a, b: b, cost: 1}                           # cost 1 if not given
//	addresses:
//	  - {prefix: orders, distribution: balanced}        # or pattern; as in the configuration of a router
//	clients:
//	  - {name: shop, router: a, sends: orders, rate: 200, size: 1024, settled: false}
//	  - {name: warehouse, router: b, receives: orders}
//
// The files of this folder are embedded in the program: see [Named] and [Names].
package topologies
