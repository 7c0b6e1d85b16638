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
// Schemes: amqp and amqps, over TCP. The Scheme of the options is where others will join. A TLS port may carry other
// protocols beside AMQP, for which peers ask by ALPN.
//
// QUIC has functions of its own, [ListenQUIC] and [DialQUIC], because one connection carries several streams and
// datagrams: for AMQP one stream takes the place of the TCP connection ([QUICConn.Stream]), for gossip the connection is
// handed on as it is. All protocols share one UDP port.
//
// Goroutines: none for a connection, or for a listener with one address; one for each address of a listener whose host
// name has several, which end with [Listener.Close]. The handshake of a TLS connection uses one while it runs. QUIC has
// those of quic-go for each socket and connection; they end with [QUICListener.Close] and [QUICConn.Close].
package transport
