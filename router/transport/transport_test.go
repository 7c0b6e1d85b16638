package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postroad/postroad/tls"
	"github.com/postroad/postroad/tls/tlstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// header is the protocol header of AMQP [2.2].
const header = "AMQP\x00\x01\x00\x00"

// profile returns a profile with a certificate for localhost, which trusts its own authority.
func profile(t *testing.T) *tls.Profile {
	t.Helper()
	ca := tlstest.NewAuthority(t, "ca", nil)
	pair := ca.Issue("router", nil)
	p, err := tls.Load(tls.ProfileConfig{CACertFile: ca.File, CertFile: pair.CertFile, PrivateKeyFile: pair.KeyFile})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// listen opens a listener on the loopback address.
func listen(t *testing.T, o ListenOptions) Listener {
	t.Helper()
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	o.Port = "0"
	l, err := Listen(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// accept returns the next connection.
func accept(t *testing.T, l Listener) Conn {
	t.Helper()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Abort() })
	return c
}

// port returns the port of an address.
func port(t *testing.T, a net.Addr) string {
	t.Helper()
	_, p, err := net.SplitHostPort(a.String())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// dial connects to a listener, with the handshake of the accepted end running beside it.
func dial(t *testing.T, l Listener, o DialOptions) (client, server Conn) {
	t.Helper()
	o.Port = port(t, l.Addr())
	accepted := make(chan Conn, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			err = c.Handshake(context.Background())
		}
		if err != nil {
			c = nil
		}
		accepted <- c
	}()
	client, err := Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if server = <-accepted; server == nil {
		t.Fatal("the listener's side failed")
	}
	t.Cleanup(func() { client.Abort(); server.Abort() })
	return client, server
}

// exchange sends a text each way.
func exchange(t *testing.T, a, b Conn) {
	t.Helper()
	for _, pair := range [][2]Conn{{a, b}, {b, a}} {
		if _, err := pair[0].Write([]byte(header)); err != nil {
			t.Fatal(err)
		}
		wantRead(t, pair[1], header)
	}
}

func wantRead(t *testing.T, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v, want %q", got, err, want)
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one with %q", err, want)
	}
}

// A plain connection carries octets both ways, and half of it can be closed.
func TestPlain(t *testing.T) {
	t.Parallel()
	client, server := dial(t, listen(t, ListenOptions{}), DialOptions{})
	exchange(t, client, server)
	if client.TLS() != nil || server.TLS() != nil {
		t.Error("a plain connection has TLS")
	}
	if client.RemoteAddr().String() != server.LocalAddr().String() {
		t.Errorf("connected to %v, accepted at %v", client.RemoteAddr(), server.LocalAddr())
	}
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if n, err := server.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("after CloseWrite: %d, %v", n, err)
	}
	if _, err := server.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	wantRead(t, client, "x")
	if err := client.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(make([]byte, 1)); !isTimeout(err) {
		t.Errorf("read after the deadline: %v", err)
	}
	if err := errors.Join(client.Close(), server.Close()); err != nil {
		t.Error(err)
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// With TLS both sides know what it is and who the peer is, and closing says goodbye.
func TestSecure(t *testing.T) {
	t.Parallel()
	p := profile(t)
	l := listen(t, ListenOptions{TLS: p, Scheme: "amqps", ClientCertificate: true})
	client, server := dial(t, l, DialOptions{TLS: p, Scheme: "amqps", VerifyHostname: true})
	exchange(t, client, server)
	for _, c := range []Conn{client, server} {
		if s := c.TLS(); s == nil || s.Protocol != "TLSv1.3" || s.Identity != "CN=router" {
			t.Errorf("state %+v", s)
		}
	}
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if n, err := server.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("after CloseWrite: %d, %v", n, err)
	}
	if _, err := server.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	wantRead(t, client, "x")
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if n, err := client.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("after Close: %d, %v", n, err)
	}
}

// A listener that does not require TLS takes peers with and without it, and loses no octet of either, however they
// arrive.
func TestEither(t *testing.T) {
	t.Parallel()
	p := profile(t)
	l := listen(t, ListenOptions{TLS: p})
	client, server := dial(t, l, DialOptions{TLS: p})
	exchange(t, client, server)
	if server.TLS() == nil {
		t.Error("a TLS client was taken for a plain one")
	}
	for _, pieces := range [][]string{
		{header}, {header + "and more than eight octets at once"}, {"A", "MQP\x00", "\x01\x00\x00", "more"}, {"\x15x"},
	} {
		raw, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		server := accept(t, l)
		for _, piece := range pieces {
			if _, err := raw.Write([]byte(piece)); err != nil {
				t.Fatal(err)
			}
			wantRead(t, server, piece) // the first Read does the handshake
		}
		if server.TLS() != nil {
			t.Errorf("%q was taken for TLS", pieces)
		}
		if _, err := WriteBuffers(server, &net.Buffers{[]byte("y"), []byte("es")}); err != nil {
			t.Fatal(err)
		}
		wantRead(t, raw, "yes")
	}
}

// A peer that is refused learns nothing and is closed; the error says what it did.
func TestRefusals(t *testing.T) {
	t.Parallel()
	p := profile(t)
	required := listen(t, ListenOptions{TLS: p, RequireTLS: true})
	either := listen(t, ListenOptions{TLS: p})
	tests := []struct {
		l          Listener
		sent, want string
	}{
		{required, header, "the peer speaks AMQP without TLS"},
		{required, "GET / HTTP/1.1\r\n\r\n", "the peer speaks HTTP without TLS"},
		{required, "", "EOF"},
		{either, "", "closed the connection before it sent anything"},
		{either, "\x16\x03\x01\x00\x05hello", "TLS handshake"},
		{either, "\x16", "EOF"},
	}
	for _, tt := range tests {
		raw, err := net.Dial("tcp", tt.l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		server := accept(t, tt.l)
		if _, err := raw.Write([]byte(tt.sent)); err != nil {
			t.Fatal(err)
		}
		if err := raw.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		wantError(t, server.Handshake(t.Context()), tt.want)
		_, err = server.Read(make([]byte, 1))
		wantError(t, err, tt.want) // the error stays
		_, err = server.Write([]byte{1})
		wantError(t, err, tt.want)
		if rest, _ := io.ReadAll(raw); bytes.Contains(rest, []byte("AMQP")) {
			t.Errorf("%q was answered with %q", tt.sent, rest)
		}
		raw.Close()
	}
	refused := make(chan error)
	go func() {
		server, err := required.Accept()
		if err == nil {
			err = server.Handshake(context.Background())
			server.Close()
		}
		refused <- err
	}()
	_, err := Dial(t.Context(), DialOptions{
		Port: port(t, required.Addr()), TLS: p, ServerName: "hub.example", VerifyHostname: true,
	})
	wantError(t, err, "hub.example")
	wantError(t, <-refused, "TLS handshake: remote error")
}

// TestClientThatNeverEndsItsHelloIsRefused sends 60 KiB that are said to be one.
func TestClientThatNeverEndsItsHelloIsRefused(t *testing.T) {
	t.Parallel()
	l := listen(t, ListenOptions{TLS: profile(t), RequireTLS: true})
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	go func() {
		hello := append([]byte{1, 0, 0xea, 0x60}, make([]byte, 60_000)...)
		for len(hello) > 0 {
			part := hello[:min(len(hello), 1000)]
			hello = hello[len(part):]
			if _, err := raw.Write(append([]byte{0x16, 3, 1, byte(len(part) >> 8), byte(len(part))}, part...)); err != nil {
				return
			}
		}
	}()
	wantError(t, accept(t, l).Handshake(t.Context()), "has sent 16384 octets")
}

// Options that cannot work are refused with what would be right.
func TestWrongOptions(t *testing.T) {
	t.Parallel()
	noCertificate, err := tls.Load(tls.ProfileConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		o    ListenOptions
		want string
	}{
		{ListenOptions{Scheme: "ws"}, `scheme "ws" is not supported, use amqp, amqps or quic`},
		{ListenOptions{Scheme: "quic"}, "needs an sslProfile"},
		{ListenOptions{Scheme: "quic", TLS: noCertificate}, "needs certFile"},
		{ListenOptions{Port: "no-such-service"}, `port "no-such-service" is neither a number up to 65535 nor`},
		{ListenOptions{Port: "65536"}, "neither a number up to 65535"},
		{ListenOptions{Port: "-1"}, "neither a number up to 65535"},
		{ListenOptions{Family: "IPv5"}, `address family "IPv5" is not IPv4 or IPv6`},
		{ListenOptions{Family: "IPv6", Host: "127.0.0.1"}, `host "127.0.0.1" is no IPv6 address`},
		{ListenOptions{Scheme: "amqps"}, "needs an sslProfile"},
		{ListenOptions{RequireTLS: true}, "needs an sslProfile"},
		{ListenOptions{TLS: noCertificate}, "needs certFile"},
		{ListenOptions{Host: "192.0.2.1", Port: "0"}, "192.0.2.1"}, // nobody's [RFC 5737]
	} {
		_, err := Listen(t.Context(), tt.o)
		wantError(t, err, tt.want)
	}
	for _, tt := range []struct {
		o    DialOptions
		want string
	}{
		{DialOptions{Scheme: "http"}, `scheme "http" is not supported`},
		{DialOptions{Scheme: "amqps"}, "needs an sslProfile"},
		{DialOptions{Scheme: "quic"}, "needs an sslProfile"},
		{DialOptions{Port: "x y"}, "neither a number"},
		{DialOptions{Family: "IPX"}, "is not IPv4 or IPv6"},
	} {
		_, err := Dial(t.Context(), tt.o)
		wantError(t, err, tt.want)
	}
	closed := listen(t, ListenOptions{})
	closed.Close()
	_, err = Dial(t.Context(), DialOptions{Port: port(t, closed.Addr())})
	wantError(t, err, "connection refused")
}

// Ports have the names of the specification [5.2.1], whatever the system's list of services says.
func TestPorts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ port, scheme, want string }{
		{"", SchemeAMQP, "5672"}, {"", SchemeAMQPS, "5671"}, {"amqp", SchemeAMQPS, "5672"}, {"amqps", SchemeAMQP, "5671"},
		{"0", SchemeAMQP, "0"}, {"05672", SchemeAMQP, "5672"}, {"65535", SchemeAMQP, "65535"},
	} {
		if got, err := resolvePort(t.Context(), tt.port, tt.scheme); err != nil || got != tt.want {
			t.Errorf("%q of %s: %s, %v, want %s", tt.port, tt.scheme, got, err, tt.want)
		}
	}
}

// A literal host stands for itself and its family only, an empty one for all addresses.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		host, family string
		want         place
	}{
		{"", "", place{"tcp", ""}}, {"", "IPv4", place{"tcp4", ""}}, {"", "IPv6", place{"tcp6", ""}},
		{"0.0.0.0", "", place{"tcp4", "0.0.0.0"}}, {"::", "", place{"tcp6", "::"}},
		{"::ffff:127.0.0.1", "IPv4", place{"tcp4", "127.0.0.1"}}, {"fe80::1%lo", "IPv6", place{"tcp6", "fe80::1%lo"}},
	} {
		got, err := places(t.Context(), tt.host, tt.family)
		if err != nil || len(got) != 1 || got[0] != tt.want {
			t.Errorf("%q %s: %v, %v, want %v", tt.host, tt.family, got, err, tt.want)
		}
	}
}
