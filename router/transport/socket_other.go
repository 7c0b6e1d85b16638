//go:build !linux

package transport

import "syscall"

// control has nothing to set on this system.
func (o SocketOptions) control(_, _ string, _ syscall.RawConn) error { return nil }
