// Package router is the running router: connections, the addresses and links between them, forwarding, settlement,
// credit, and the control loop that keeps the tables. The protocols it speaks are engines without any input or output
// (internal/amqp/engine, internal/amqp/sasl, mesh); this package gives them octets and the time, and does what they say.
//
//	r, err := router.New(cfg, router.Options{Logs: logs, Version: "1.0"})
//	err = r.Run(ctx) // or Start and Stop
//
// # Goroutines
//
//	caller of Run     waits for its context, or for management to ask for the end, then Drain and Stop
//	control loop      one: takes events, lets the mesh's time pass; alone writes the tables     control.loop
//	agent             one: the management node; gives the mesh's messages to control links      agent.loop
//	listener          one each: accepts                                                         listener.serve
//	connector         one each: dials, then is the reader of its connection                     connector.serve
//	planned links     one: computes what links there are to be, begins and ends them; with gossip     planned.loop
//	planned link      one each, as a connector                                                  plannedLink.serve
//	                  and one for each connection of a planned link that ends                   conn.fade
//	gossip port       one: accepts; and one for each TLS handshake there                        gossip.accept
//	reader            one for each connection: reads, decodes, routes, forwards                 conn.reader
//	writer            one for each connection: writes what others could not write in passing    conn.writer
//	timer             of a connection: runs conn.tick for as long as that takes, when the engine's deadline has come
//	memory            one while memory is given back to the system after a burst         Router.giveMemoryBack
//	HTTP              those of net/http on a listener with http, and one while a health check runs
//
// A listener whose host has several addresses adds one goroutine for each of them (router/transport), and a TLS
// handshake one while it runs; QUIC has those of quic-go, and one for each connection that was closed until what was
// written has arrived; gossip has those of mesh/membership. Nothing else starts a goroutine. Stop takes leave of
// the other routers and ends all of them in this order: listeners, connectors and planned links, connections (each closes
// with amqp:connection:forced and has two seconds to be answered), then the control loop and the agent. Gossip takes
// leave meanwhile, for two seconds at most. What is left of QUIC connections ends last, within a second.
//
// # Channels and timers
//
//	conn.wake       capacity 1, anybody → the writer: there are notes, or something to write
//	conn.ended      closed by the reader at its end, for the writer
//	Meter.Wait      capacity 1, whoever releases content → a reader that waits in conn.waitHeld
//	unanswered.wake capacity 1, control loop or whoever takes its answers → a reader with too many events unanswered
//	control.wake    capacity 1, anybody → the control loop: the queue has events
//	planned.changed capacity 1, gossip → the loop of planned links: there is a new snapshot
//	gossip.handshakes  a place for each TLS handshake at the port for gossip
//	Router.asked    closed by the agent when somebody asks for a drain, for Run
//	Router.stop     closed by Stop when all connections have ended, for the control loop and the agent
//	Router.ctx      cancelled by Stop, for dialing, handshakes and waiting readers
//
//	conn.timer      the engine's deadline: handshake, idle time-out, keep-alive
//	control.loop    the mesh's deadline
//	waitHeld        how long a reader that is held back lets its peer wait
//	connector.serve the delay before it dials again
//	Stop            after which connections are cut off
//	deadlines       of the socket, while a connection closes (lingering)
//
// # Locks
//
//	output.mu       of a connection: held while its output is written. A reader of another connection only tries it
//	conn.mu         of a connection: the engine, links, deliveries, branches. Held for a batch, never while writing
//	control.mu      everything that the control loop owns; held while events are handled, and by those who look
//	scanner.mu      held while all connections are looked at for stuck deliveries and blocked links
//	ledger.mu       the list of connections whose counters are summed; held while they are summed
//	peer.copying    of a router: held while the first copy of a redundant message of it is handed on. Nobody waits for
//	                anything with it
//	copyTable.mu    what is known of such copies; seen.mu is taken under it
//	leaves          inbox.mu, Content, table.mu, tally.mu, holders.mu, seen.mu, streamPool.mu, control.queue, listener.mu,
//	                connector.mu, planned.mu, plannedLink.mu, and those of other packages (log outputs, TLS profiles)
//
// They are taken in the order output.mu, conn.mu, peer.copying, copyTable.mu, leaf, or control.mu, the agent's conn.mu,
// leaf; whoever counts takes scanner.mu, ledger.mu, and then one conn.mu after the other, or control.mu. Who holds a conn.mu
// only tries ledger.mu, and the control loop, which scans now and then, holds nothing while it does. Nobody holds the conn.mu
// of two connections at once, and nobody who holds a conn.mu takes control.mu: connections speak to each other through
// inboxes, and to the control loop through its queue. Neither ever blocks.
//
// # Who owns what
//
//	conn            its fields below mu and its engine: whoever holds mu, which is its reader, its writer, a reader
//	                that writes in passing, its timer, or somebody who counts for management and metrics
//	delivery        a message on its way. Its origin, the connection it came from, owns it; the fields that branches
//	                read are set before the first branch is handed over, and its content guards itself
//	branch          one outgoing delivery of a message. The connection of its link owns it from noteDeliver to
//	                noteOutcome or noteReturned; over is the origin's
//	address, peer   the control loop. The data plane reads routes and hop, which are replaced and never changed
//	link            its connection; fields of the first block never change, dead and outstanding are atomic
//
// A delivery is counted: one reference is the origin's, one each branch's, and one each note's that is under way and
// names it (noteGrown, noteSettled, noteResume, noteFollow). noteDeliver hands over the branch's own reference, noteOutcome
// and noteReturned bring it back. The last drop releases the content and, where the origin does it, puts the delivery on
// the free list of its connection.
//
// # The straight line of a message
//
//	reader of A:  conn.input → Connection.Input → conn.event → incoming → route → forward → hand
//	                                                                                         │ noteDeliver, inbox of B
//	B, in passing or by its writer:                  writeStep → take → deliver → pump → write ─▶ socket
//
//	reader of B:  conn.input → Connection.Input → conn.event → consumerOutcome → over
//	                                                                               │ noteOutcome, inbox of A
//	A, in passing or by its writer:         writeStep → take → branchOutcome → finished → Settle, Grant ─▶ socket
//
// docs/architecture.md walks along it file by file.
//
// # Files
//
//	router.go       Router: New, Start, Stop, Run            listen.go      listeners, connectors, ssl profiles
//	conn.go         reader, writer, timer of a connection    auth.go        handshake, SASL
//	attach.go       open, attach: who may do what            interrouter.go links between routers, streaming links
//	forward.go      from a frame to its targets              outgoing.go    from a branch to frames
//	settle.go       outcomes, credit, second attempts        take.go        notes and events to their functions
//	delivery.go     delivery and branch                      link.go        link, its queue
//	inbox.go        notes between connections, wakes         control.go     the control loop: addresses, attaches
//	unanswered.go   readers wait for the control loop        panic.go       what a panic ends
//	routing.go      what the mesh says: routers, next hops   address.go     the tables the data plane reads
//	agent.go        the management node's container          entities.go    what management shows
//	count.go        what is counted, and where               ledger.go      sums of it, failed connections
//	watch.go        rates, stuck deliveries, blocked links   stats.go       metrics
//	overload.go     what is done against a lack of memory    properties.go  properties of an open
//	exchange.go     what an exchange does with a message     exchangetable.go exchanges, bindings, next hops
//	web.go          /metrics and /healthz                    phase.go       what the configuration says; waypoints
//	input.go        what a reader reads into                 idle.go        what idle connections give back
//	fallback.go     fallbacks of addresses                   tenant.go      address spaces of multi-tenant listeners
//	balanced.go     the choice among consumers               hold.go        messages that wait for a consumer
//	seen.go         copies of messages                      gossip.go      finding other routers
//	steer.go        messages that know where they go        redundant.go   two copies over disjoint paths
//	copies.go       what becomes of two copies at the end of their ways
//	planned.go      links that follow from gossip
//	drain.go        the end of a router, with nothing handed back
//	manage.go       who may change the router by management
package router
