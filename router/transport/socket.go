package transport

import (
	"net"
	"time"
)

// SocketOptions are settings of TCP sockets. Their zero value is good for most. Nagle's algorithm is always off.
type SocketOptions struct {
	// KeepAlive is how long a connection is silent before TCP probes it, and then how often; 0 means 15 s, negative off.
	KeepAlive time.Duration
	// UserTimeout is how long written octets may stay unacknowledged before the connection fails (TCP_USER_TIMEOUT,
	// RFC 5482); 0 leaves it to the system, which takes many minutes. Only Linux has it; elsewhere it has no effect.
	UserTimeout time.Duration
}

// keepAlive returns the setting in package net's form.
func (o SocketOptions) keepAlive() net.KeepAliveConfig {
	if o.KeepAlive < 0 {
		return net.KeepAliveConfig{}
	}
	return net.KeepAliveConfig{Enable: true, Idle: o.KeepAlive, Interval: o.KeepAlive}
}
