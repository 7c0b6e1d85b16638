// Package conn moves octets between sockets and endpoints (router/forwarding). All sockets of a router for AMQP are
// here: listeners accept them, connectors dial them, and each has a reader and a writer.
//
// # Goroutines
//
//	listener    one each: accepts                                                      Listener.Serve
//	connector   one each: dials, then is the reader of its connection                  Connector.Serve
//	reader      one for each connection: reads, and gives octets to the endpoint       Conn.Reader
//	writer      one for each connection: writes what others could not write in passing Conn.writer
//	timer       of a connection: lets the endpoint's time pass                         Conn.Tick
//	fading      one for each connection of a planned link that ends                    Host.Fade
//	HTTP        those of net/http on a listener with http                              Listener.serveWeb
//
// The goroutines of package transport come beside them: one for a TLS handshake while it runs, and those of QUIC.
//
// # Channels and timers
//
//	Conn.Wake        capacity 1, anybody → the writer: there are notes, or something to write
//	Conn.Ended       closed by the reader at its end, for the writer
//	Host.Ctx         cancelled by Stop, for dialing, handshakes and waiting readers
//
//	Conn.timer       the deadline of the endpoint: handshake, idle time-out, keep-alive, what expires
//	Conn.waitHeld    how long a reader that is held back lets its peer wait
//	Connector.Serve  the delay before it dials again
//	Await            between two looks at what is still under way
//	deadlines        of the socket, while a connection closes (Lingering)
//
// # Locks
//
// output.Mu of a connection is held while its output is written; a reader of another connection only tries it. It is
// taken before the mutex of the endpoint. The mutexes of listeners, connectors and Host.Served are leaves.
//
// # Who owns what
//
//	input           the reader
//	output          whoever holds its mutex
//	auth, timer     whoever holds the mutex of the endpoint
//
// Files, in the order in which to read them:
//
//	settings.go    what a listener or a connector gives to its connections
//	tenant.go      address spaces of multi-tenant listeners
//	host.go        what the connections of one router have in common
//	unread.go      readers wait for peers that do not read
//	input.go       what a reader reads into
//	conn.go        Conn: reader, writer, timer
//	properties.go  properties of an open
//	door.go        who may come in
//	auth.go        handshake, SASL
//	httplisten.go  listeners for HTTP
//	listen.go      listeners
//	redial.go      when a connector dials again
//	connect.go     connectors
package conn
