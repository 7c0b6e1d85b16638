// Package transport listens and dials: it turns the addresses of listener and connector entities into connections that
// carry octets, plain or in TLS.
//
// [Listen] accepts without looking at what peers send, so that a slow one holds nobody up. What a connection needs
// before it carries octets, finding out whether the peer speaks TLS and the TLS handshake, is done by
// [Conn.Handshake], in the goroutine that will read from it and within [ListenOptions.HandshakeTimeout]. [Dial] returns
// connections whose handshake is over.
//
// A listener that has a profile and does not require TLS takes both kinds of peers and tells them apart by the first
// octet: a TLS handshake begins with 0x16, an AMQP or SASL protocol header with "A" [2.2]. Nothing that was read for
// this is lost.
//
// Schemes: amqp and amqps, over TCP, and quic. A TLS or QUIC port may carry other protocols beside AMQP, for which peers
// ask by ALPN.
//
// A QUIC connection carries several streams, and datagrams. For AMQP one stream takes the place of the TCP connection, so
// that a [Conn] is what it is on TCP; for other protocols [QUIC] returns the connection itself, and its Handshake waits
// for no stream. Two things are different. The TLS handshake is over when a connection is accepted: connections that are
// beginning are counted from their first packet, refused above a bound, and the time-out goes from that packet to the
// stream of AMQP. And the end of a connection is no matter of the system: Close leaves it in the background until what
// was written has arrived, for a second at most, and the Background of the options counts that.
//
// Goroutines: none for a connection over TCP, or for a listener with one address; one for each address of a listener
// whose host name has several, which end with [Listener.Close]. The handshake of a TLS connection uses one while it runs.
// QUIC has one for each address, one for each connection that was closed and lives on, and those of quic-go for each
// socket and connection. The socket of a listener is closed when its last connection has ended.
package transport
