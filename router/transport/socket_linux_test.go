package transport

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// option reads an option of a connection's socket.
func option(t *testing.T, c Conn, level, name int) int {
	t.Helper()
	raw, err := c.(*conn).raw.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var value int
	if e := raw.Control(func(fd uintptr) { value, err = unix.GetsockoptInt(int(fd), level, name) }); e != nil {
		t.Fatal(e)
	}
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// Sockets of both sides have the options: no Nagle, keep-alive, and the user time-out, which accepted ones inherit.
func TestSocketOptions(t *testing.T) {
	t.Parallel()
	s := SocketOptions{KeepAlive: 42 * time.Second, UserTimeout: 1500 * time.Millisecond}
	client, server := dial(t, listen(t, ListenOptions{Socket: s}), DialOptions{Socket: s})
	for name, c := range map[string]Conn{"client": client, "server": server} {
		for _, tt := range []struct {
			what              string
			level, name, want int
		}{
			{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
			{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 42},
			{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 1500},
			{"SO_PROTOCOL", unix.SOL_SOCKET, unix.SO_PROTOCOL, unix.IPPROTO_TCP},
		} {
			if got := option(t, c, tt.level, tt.name); got != tt.want {
				t.Errorf("%s: %s is %d, want %d", name, tt.what, got, tt.want)
			}
		}
	}
	off := SocketOptions{KeepAlive: -1}
	client, server = dial(t, listen(t, ListenOptions{Socket: off}), DialOptions{Socket: off})
	for name, c := range map[string]Conn{"client": client, "server": server} {
		if got := option(t, c, unix.SOL_SOCKET, unix.SO_KEEPALIVE); got != 0 {
			t.Errorf("%s: SO_KEEPALIVE is %d, want 0", name, got)
		}
	}
}
