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
// Schemes: amqp and amqps, over TCP. The Scheme of the options is where others will join.
//
// Goroutines: none for a connection, or for a listener with one address; one for each address of a listener whose host
// name has several, which end with [Listener.Close]. The handshake of a TLS connection uses one while it runs.
package transport
