// Package forwarding is what one connection, or a container inside the router, has to do with messages: its engine,
// links, deliveries and branches, holding, copies, settlement, credit and the queue. It does no input or output, starts
// no goroutine and reads no clock.
//
//	used, turn := e.Input(now, chunk, octets, &woken)      // octets from the peer
//	more, closed, ok := e.Fill(now, &output, wait, &woken) // notes of others; octets for the peer
//	e.Advance(now, &woken)                                 // time has passed
//
// An endpoint speaks to others only by notes in their inboxes; woken gathers whose inboxes have got some. It hears of
// addresses and routers by the tables of its Plane (router/route), and tells the control loop events.
//
// # Who owns what
//
//	Endpoint        whoever holds its mutex, which is its driver's reader, writer or timer, another connection's reader
//	                that writes in passing, or somebody who looks for management and metrics
//	Delivery        a message on its way. Its origin, the endpoint it came from, owns it. What branches read is fixed:
//	                set while none is out. The course is the origin's alone; the content guards itself
//	Branch          one outgoing delivery of a message. The endpoint of its link owns it from NoteDeliver to
//	                noteOutcome or NoteReturned; Over is the origin's
//	Link            its endpoint; fields of the first block never change, its face is atomic
//
// A delivery is counted: one reference is the origin's, one each branch's, and one each note's that is under way and
// names it (noteGrown, noteSettled, noteResume, NoteFollow). NoteDeliver hands over the branch's own reference,
// noteOutcome and NoteReturned bring it back. The last drop releases the content and, where the origin does it, puts
// the delivery on the free list of its endpoint.
//
// # Channels
//
//	unanswered.wake  capacity 1, the control loop or whoever takes its answers → a reader with too many events unanswered
//	Account.turns    the processors less one, readers of a user whose work is long: each holds one for a turn
//	Meter.Wait       capacity 1, whoever releases content → a reader that is held back
//
// # Locks
//
// Endpoint.Mu is held for a turn, never while octets are written. Under it come route.Router.Copying, then
// CopyTable.Mu, then a leaf: those of inboxes, contents, holders, StreamPool and Roll. Nobody holds it for two
// endpoints at once.
//
// Files, in the order in which to read them:
//
//	role.go         what a connection is for, and its terms
//	link.go         Link, its queue
//	event.go        what endpoints tell the control loop; readers wait for it
//	account.go      what is held, by who causes it
//	plane.go        what the endpoints of one router have in common
//	delivery.go     Delivery and Branch
//	inbox.go        notes between endpoints, wakes
//	watch.go        stuck deliveries, blocked links
//	count.go        what is counted, and where
//	work.go         what takes long is divided into turns
//	fallback.go     deliveries for the fallback of their address
//	hold.go         messages that wait for a consumer
//	endpoint.go     Endpoint: its states, its turns, its driver
//	look.go         others look at an endpoint that is busy
//	roll.go         the endpoints whose counters are summed
//	idle.go         what idle endpoints give back
//	overload.go     what is done against a lack of memory
//	address.go      the address of a message
//	copies.go       two copies of a message, and what becomes of them at the end of their ways
//	settle.go       outcomes, credit, second attempts
//	forward.go      from a frame to its targets
//	exchange.go     what an exchange does with a message
//	outgoing.go     from a branch to frames
//	origins.go      what waits for messages of other routers, when memory is short
//	interrouter.go  links between routers, streaming links
//	attach.go       open, attach: who may do what
//	take.go         notes and events to their functions
//	panic.go        what a panic ends
//	underway.go     what is under way when a router ends
package forwarding
