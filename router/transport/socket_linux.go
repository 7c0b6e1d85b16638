package transport

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// control sets what package net has no setting for. Sockets that are accepted inherit it.
func (o SocketOptions) control(_, _ string, raw syscall.RawConn) error {
	if o.UserTimeout <= 0 {
		return nil
	}
	milliseconds := max(int(o.UserTimeout/time.Millisecond), 1)
	var err error
	if e := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, milliseconds)
	}); e != nil {
		return e
	}
	return err
}
