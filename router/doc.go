// Package router is the running router: it makes the rooms below it, starts them, and ends them in an order in which
// nothing is lost. The protocols are engines without any input or output (internal/amqp/engine, internal/amqp/sasl,
// mesh); the rooms give them octets and the time, and do what they say.
//
//	r, err := router.New(cfg, router.Options{Logs: logs, Version: "1.0"})
//	err = r.Run(ctx) // or Start and Stop
//
// # Rooms
//
// Each has a doc.go with its goroutines, its locks, who owns what, and its files in the order in which to read them.
//
//	books        counters, rates, the ledger                               no I/O, knows neither links nor addresses
//	route        the tables of the data plane, and the choice of targets   no I/O
//	forwarding   Endpoint: links, deliveries, settlement of one connection no I/O
//	control      the only writer of the tables                             no I/O
//	transport    TCP, TLS and QUIC become connections that carry octets
//	conn         the sockets for AMQP: listeners, connectors, readers, writers
//	discovery    gossip, and the links that follow from it
//	show         what management and metrics see
//
// docs/architecture.md says who may import whom, and walks along a message file by file.
//
// # Goroutines
//
//	caller of Run   waits for its context, or for management to ask for the end, then Drain and Stop
//	control loop    one: gives the control events and the time; looks after the memory            loop.run
//	agent           one: the management node                                                      agent.loop
//	memory          one while memory goes back to the system after a burst                        Router.giveMemoryBack
//	leaving         one while gossip takes leave, at a drain and at the end                       Gossip.Leave
//	health check    one while a request for /healthz waits for the control                        Router.alive
//
// Others are those of conn, discovery and transport. Nothing else starts a goroutine.
//
// Stop tells the other routers that this one goes, and then ends all goroutines in this order: listeners, connectors
// and planned links; connections, each of which closes with amqp:connection:forced and has two seconds to be answered;
// the control loop and the agent. Gossip takes leave meanwhile, within two seconds. What QUIC connections still have to
// send ends last, within a second.
//
// # Channels and timers
//
//	loop.wake       capacity 1, anybody → the control loop: the queue has events
//	agent.wake      capacity 1, anybody → the agent: its endpoint has notes
//	Event.Done      closed by the control when an event is handled, for whoever drains or stops the router
//	Router.asked    closed by the agent when somebody asks for a drain, for Run
//	Router.stop     closed by Stop when all connections have ended, for the control loop and the agent
//
//	loop.run        the deadline of the control, the next look at the memory and at links
//	Router.change   how long the control loop gets to do what it is asked for
//	Router.Drain    how long a drain may take, and its clients to hear of it
//	Router.Stop     after which connections are cut off
//
// # Locks
//
// Those of all rooms, in the order in which they are taken:
//
//	show.scanner, books.Ledger      by whoever sums up, who then tries one endpoint's mutex after the other, or takes the
//	                                control's; the ledger also by a connection that has ended
//	control.Control.Mu              all that the control owns; held for a portion of events, and by those who look
//	conn.output.Mu                  held while the output of a connection is written; in passing it is only tried
//	forwarding.Endpoint.Mu          one connection, or the agent: engine, links, deliveries. Held for a turn
//	route.Router.Copying            held while the first copy of a redundant message is handed on
//	forwarding.CopyTable.Mu         what is known of such copies
//	leaves                          inboxes, contents, tables, the queue of loop, all others
//
// Nobody holds the mutexes of two endpoints at once. The control, holding its own, takes that of the agent's endpoint
// to send what the mesh has to say. Whoever holds the mutex of an endpoint never takes that of the control, and only
// tries that of the ledger. Endpoints speak to each other by notes in their inboxes, and to the control by events in
// the queue of its loop. Neither ever blocks.
//
// Files, in the order in which to read them:
//
//	router.go        Router: what it consists of
//	treatments.go    what the configuration says about addresses
//	panics.go        what becomes of a panic
//	idle.go          memory that idle connections have given back
//	memory.go        what is done against a lack of memory
//	mesh.go          the engine of the mesh
//	neighborhood.go  what discovery sees of links between routers
//	manage.go        who may change the router by management
//	agent.go         the container of the management node
//	loop.go          the control loop
//	drain.go         the end of a router, with nothing handed back
//	web.go           /metrics and /healthz
//	new.go           New: a router from its configuration
//	run.go           Start, Stop, Run
package router
