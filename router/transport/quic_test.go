package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/postroad/postroad/mesh/membership"
	"github.com/postroad/postroad/tls"
)

// relay passes the datagrams of one client to a UDP port and back.
type relay struct {
	front  *net.UDPConn
	target *net.UDPAddr

	mu     sync.Mutex
	client net.Addr
	back   *net.UDPConn
	first  []byte  // datagram that came back
	lost   [2]bool // those to the listener, and those to the client
	done   sync.WaitGroup
}

// newRelay returns a relay before a listener.
func newRelay(t *testing.T, l Listener) *relay {
	t.Helper()
	front, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{front: front, target: l.Addr().(*net.UDPAddr)}
	r.move(t)
	r.done.Go(func() {
		b := make([]byte, 2048)
		for {
			n, from, err := front.ReadFrom(b)
			if err != nil {
				return
			}
			r.mu.Lock()
			r.client = from
			if !r.lost[0] {
				_, _ = r.back.WriteTo(b[:n], r.target)
			}
			r.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		front.Close()
		r.mu.Lock()
		r.back.Close()
		r.mu.Unlock()
		r.done.Wait()
	})
	return r
}

// move takes another port toward the listener, as a NAT that has forgotten the client does.
func (r *relay) move(t *testing.T) {
	t.Helper()
	back, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.back != nil {
		r.back.Close()
	}
	r.back = back
	r.done.Go(func() {
		b := make([]byte, 2048)
		for {
			n, err := back.Read(b)
			if err != nil {
				return
			}
			r.mu.Lock()
			if r.first == nil {
				r.first = bytes.Clone(b[:n])
			}
			if !r.lost[1] {
				_, _ = r.front.WriteTo(b[:n], r.client)
			}
			r.mu.Unlock()
		}
	})
}

// lose says which datagrams are lost from now on.
func (r *relay) lose(forth, back bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost = [2]bool{forth, back}
}

// port is where the relay stands for the listener.
func (r *relay) port() string { return strconv.Itoa(r.front.LocalAddr().(*net.UDPAddr).Port) }

// firstKind is the kind of the first packet that came back (RFC 9000 section 17.2).
func (r *relay) firstKind() byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.first[0] >> 4 & 3
}

// quicPort opens a QUIC listener that asks for certificates.
func quicPort(t *testing.T, p *tls.Profile) Listener {
	t.Helper()
	return listen(t, ListenOptions{Scheme: SchemeQUIC, TLS: p, ClientCertificate: true, ALPN: []string{membership.ALPN}})
}

// dialThrough connects to a QUIC listener, at the port of the options, and says hello.
func dialThrough(t *testing.T, l Listener, o DialOptions) (client, server Conn) {
	t.Helper()
	client, err := Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Abort() })
	server = accept(t, l)
	exchange(t, client, server)
	return client, server
}

// dialQUICTo is dialThrough without a detour.
func dialQUICTo(t *testing.T, l Listener, o DialOptions) (client, server Conn) {
	t.Helper()
	o.Scheme, o.Port = SchemeQUIC, port(t, l.Addr())
	return dialThrough(t, l, o)
}

// TestQUICCarriesOctetsLikeTCP: a megabyte each way, half-close, and who both ends are.
func TestQUICCarriesOctetsLikeTCP(t *testing.T) {
	t.Parallel()
	p := profile(t)
	l := quicPort(t, p)
	client, server := dialQUICTo(t, l, DialOptions{TLS: p, VerifyHostname: true})
	if QUIC(client).Protocol() != ALPNAMQP || client.TLS().Protocol != "TLSv1.3" || !client.TLS().ClientCertificate {
		t.Errorf("the connection is %q, %+v", QUIC(client).Protocol(), client.TLS())
	}
	if server.TLS().Identity != "CN=router" {
		t.Errorf("the peer has the identity %q", server.TLS().Identity)
	}
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	pieces := func() *net.Buffers { return &net.Buffers{data[:10], data[10:100_000], data[100_000:]} }
	var writers sync.WaitGroup
	writers.Go(func() { _, _ = WriteBuffers(client, pieces()); _ = client.CloseWrite() })
	if got, err := io.ReadAll(server); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d octets arrived, %v", len(got), err)
	}
	writers.Go(func() { _, _ = WriteBuffers(server, pieces()); _ = server.Close() })
	if got, err := io.ReadAll(client); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d octets came back, %v", len(got), err)
	}
	writers.Wait()
	if err := client.Abort(); err != nil {
		t.Error(err)
	}
	host, port := "127.0.0.1", port(t, l.Addr())
	for _, wrong := range []DialOptions{
		{Scheme: SchemeQUIC, Host: host, Port: port},
		{Scheme: SchemeQUIC, Host: host, Port: port, TLS: p, ALPN: []string{"x"}},
		{Scheme: SchemeQUIC, Host: host, Port: port, TLS: p, VerifyHostname: true, ServerName: "example.org"},
	} {
		if c, err := Dial(t.Context(), wrong); err == nil {
			_ = c.Close()
			t.Errorf("%+v connects", wrong)
		}
	}
	if _, err := Listen(t.Context(), ListenOptions{Scheme: SchemeQUIC}); err == nil {
		t.Error("a listener needs no profile")
	}
}

// TestNothingThatWasWrittenIsLostByAClose: whoever closes first, and however much is under way.
func TestNothingThatWasWrittenIsLostByAClose(t *testing.T) {
	t.Parallel()
	p := profile(t)
	l := quicPort(t, p)
	for i := range 6 {
		size := 1 << (4 * i)
		data := bytes.Repeat([]byte{'x'}, size)
		for _, both := range []bool{false, true} {
			var background sync.WaitGroup
			a, b := dialQUICTo(t, l, DialOptions{TLS: p, Background: &background})
			if i%2 == 1 {
				a, b = b, a
			}
			_, _ = b.Write([]byte{'!'})
			wantRead(t, a, "!")
			var writer sync.WaitGroup
			writer.Go(func() {
				_, err := a.Write(data)
				if err := errors.Join(err, a.Close()); err != nil {
					t.Error(err)
				}
			})
			if both {
				_ = b.CloseWrite()
			}
			if got, err := io.ReadAll(b); err != nil || len(got) != size {
				t.Errorf("%d of %d octets arrived, %v", len(got), size, err)
			}
			writer.Wait()
			_ = b.Close()
			background.Wait() // the connection of the client has ended
			if _, err := a.Write(data); err == nil {
				t.Error("it is written to a connection that is closed")
			}
		}
	}
}

// TestACloseEndsAReadAndAWriteThatWait: the peer neither reads nor writes.
func TestACloseEndsAReadAndAWriteThatWait(t *testing.T) {
	t.Parallel()
	p := profile(t)
	l := quicPort(t, p)
	for _, end := range []func(Conn) error{Conn.Close, Conn.Abort} {
		client, _ := dialQUICTo(t, l, DialOptions{TLS: p})
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if n, err := client.Read(make([]byte, 1)); err == nil {
				t.Errorf("%d octets are read", n)
			}
		})
		stream := client.(*quicSole).stream.Load()
		begun := make(chan struct{})
		waiting.Go(func() {
			close(begun)
			if n, err := client.Write(make([]byte, 64<<20)); err == nil {
				t.Errorf("%d octets are written", n)
			}
		})
		<-begun
		for writing := false; !writing; {
			stream.mu.Lock()
			writing = stream.writing
			stream.mu.Unlock()
		}
		if err := end(client); err != nil {
			t.Error(err)
		}
		waiting.Wait()
	}
}

// TestConnectionsOutliveTheirQUICListener: as those of TCP do, and new ones are not taken.
func TestConnectionsOutliveTheirQUICListener(t *testing.T) {
	t.Parallel()
	p := profile(t)
	var background sync.WaitGroup
	l := listen(t, ListenOptions{Scheme: SchemeQUIC, TLS: p, Background: &background})
	client, server := dialQUICTo(t, l, DialOptions{TLS: p})
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	exchange(t, client, server)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	o := DialOptions{Scheme: SchemeQUIC, Host: "127.0.0.1", Port: port(t, l.Addr()), TLS: p}
	if c, err := Dial(ctx, o); err == nil {
		_ = c.Abort()
		t.Error("a listener that is closed takes connections")
	}
	_ = client.Close()
	_ = server.Close()
	background.Wait()
	again, err := Listen(t.Context(), ListenOptions{Scheme: SchemeQUIC, Host: o.Host, Port: o.Port, TLS: p})
	if err != nil {
		t.Fatalf("the socket is still open: %v", err)
	}
	again.Close()
}

// TestASilentClientOfQUICIsGivenUp: it has a certificate, or not, and says nothing in AMQP.
func TestASilentClientOfQUICIsGivenUp(t *testing.T) {
	t.Parallel()
	p := profile(t)
	reports := make(chan error, 10)
	l := listen(t, ListenOptions{Scheme: SchemeQUIC, TLS: p, ClientCertificate: true, HandshakeTimeout: time.Second,
		Report: func(err error) { reports <- err }})
	client, err := Dial(t.Context(), DialOptions{Scheme: SchemeQUIC, Host: "127.0.0.1", Port: port(t, l.Addr()), TLS: p})
	if err != nil {
		t.Fatal(err)
	}
	server := accept(t, l)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	wantError(t, server.Handshake(ctx), "has not begun to speak AMQP")
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("the connection goes on")
	}
	began, ok := server.(interface{ Began() time.Time })
	if !ok || time.Since(began.Began()) > time.Minute {
		t.Error("it is not known when the handshake has begun")
	}

	r := newRelay(t, l)
	r.lose(false, true)
	half, stop := context.WithCancel(t.Context())
	var dialing sync.WaitGroup
	dialing.Go(func() {
		if c, err := Dial(half, DialOptions{Scheme: SchemeQUIC, Host: "127.0.0.1", Port: r.port(), TLS: p}); err == nil {
			_ = c.Abort()
			t.Error("nothing has come back, and the connection is there")
		}
	})
	wantError(t, <-reports, "handshake with 127.0.0.1")
	stop()
	dialing.Wait()
}

// TestConnectionsThatBeginAreBounded: when many peers are about to begin, a new one has to show first that it is where
// it says it is; when too many are, it is refused, until some of them have gone.
func TestConnectionsThatBeginAreBounded(t *testing.T) {
	t.Parallel()
	p := profile(t)
	l := listen(t, ListenOptions{Scheme: SchemeQUIC, TLS: p, HandshakeTimeout: time.Minute})
	socket := l.(*quicListener).sockets[0]
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			if _, err := l.Accept(); err != nil {
				return
			}
		}
	})
	o := DialOptions{Scheme: SchemeQUIC, Host: "127.0.0.1", Port: port(t, l.Addr()), TLS: p}
	var silent []Conn
	for i := range quicHandshakes {
		where := o
		var r *relay
		if i == 0 || i == quicTrusting {
			r = newRelay(t, l)
			where.Port = r.port()
		}
		c, err := Dial(t.Context(), where)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		silent = append(silent, c)
		if r == nil {
			continue
		}
		if retry := r.firstKind() == 3; retry != (i == quicTrusting) { // RFC 9000 section 17.2.5
			t.Errorf("connection %d has to show where it is: %v", i, retry)
		}
	}
	if c, err := Dial(t.Context(), o); err == nil {
		_ = c.Abort()
		t.Error("one more connection is taken")
	}
	if n := socket.beginning.Load(); n != quicHandshakes {
		t.Errorf("%d connections are beginning", n)
	}
	for _, c := range silent {
		_ = c.Abort()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		c, err := Dial(ctx, o)
		if err == nil {
			_ = c.Abort()
			break
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	_ = l.Close()
	accepting.Wait()
}

// TestAConnectionGoesOnWhenTheAddressOfItsClientChanges: its NAT has forgotten it, or it has moved.
func TestAConnectionGoesOnWhenTheAddressOfItsClientChanges(t *testing.T) {
	t.Parallel()
	p := profile(t)
	l := quicPort(t, p)
	r := newRelay(t, l)
	client, server := dialThrough(t, l, DialOptions{Scheme: SchemeQUIC, Port: r.port(), TLS: p})
	before := server.RemoteAddr().String()
	for range 3 {
		r.move(t)
		exchange(t, client, server)
	}
	if after := server.RemoteAddr().String(); after == before {
		t.Errorf("the client is still at %s", after)
	}
}

// TestADeadQUICPeerIsGivenUpAndAQuietOneIsNot: nothing is written on either of two connections for the time in which a
// peer that is silent is given up.
func TestADeadQUICPeerIsGivenUpAndAQuietOneIsNot(t *testing.T) {
	t.Parallel()
	p := profile(t)
	const idle = 5 * time.Second // the least that quic-go takes
	l := listen(t, ListenOptions{Scheme: SchemeQUIC, TLS: p, idle: idle})
	o := DialOptions{Scheme: SchemeQUIC, Port: port(t, l.Addr()), TLS: p, idle: idle}
	client, server := dialThrough(t, l, o)
	r := newRelay(t, l)
	o.Port = r.port()
	silent, dead := dialThrough(t, l, o)
	r.lose(true, true)
	for _, c := range []Conn{silent, dead} {
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, net.ErrClosed) {
			t.Errorf("the end of the dead connection is %v", err)
		}
	}
	exchange(t, client, server)
}

// TestAClientLearnsThatItsListenerWasStartedAgain: as soon as it sends something, and not when it has waited for long
// enough.
func TestAClientLearnsThatItsListenerWasStartedAgain(t *testing.T) {
	t.Parallel()
	p := profile(t)
	l := quicPort(t, p)
	client, _ := dialQUICTo(t, l, DialOptions{TLS: p})
	number := port(t, l.Addr())
	l.(*quicListener).sockets[0].socket.Close() // without a word
	again, err := Listen(t.Context(), ListenOptions{Scheme: SchemeQUIC, Host: "127.0.0.1", Port: number, TLS: p})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, err := client.Write(make([]byte, 100)); err != nil {
		t.Error(err)
	}
	_, err = client.Read(make([]byte, 1))
	wantError(t, err, "stateless reset")
}

// TestAPortDoesNotTellTheResetSecretsOfAnother: whoever sees the id of a connection to one port must not learn at another
// one with the same certificate how to end it (RFC 9000 section 21.11).
func TestAPortDoesNotTellTheResetSecretsOfAnother(t *testing.T) {
	t.Parallel()
	p := profile(t)
	packet := make([]byte, 100) // of a connection that is not known
	packet[0] = 0x40
	var tokens []string
	for range 2 {
		l := quicPort(t, p)
		nc, err := net.Dial("udp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		if _, err := nc.Write(packet); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 2000)
		nc.SetReadDeadline(time.Now().Add(30 * time.Second))
		n, err := nc.Read(b)
		if err != nil || n < 16 {
			t.Fatalf("%d octets come back: %v", n, err)
		}
		tokens = append(tokens, string(b[n-16:n]))
	}
	if tokens[0] == tokens[1] {
		t.Error("both ports have the same secret")
	}
}

// TestAHostWithSeveralAddressesIsReachedAtAnyOfThem: a listener has all of them with one port, and who dials tries them
// one after the other.
func TestAHostWithSeveralAddressesIsReachedAtAnyOfThem(t *testing.T) {
	t.Parallel()
	p := profile(t)
	l := listen(t, ListenOptions{Scheme: SchemeQUIC, TLS: p, Host: "localhost", Report: func(err error) { t.Log(err) }})
	for _, a := range l.Addrs() {
		if _, number, _ := net.SplitHostPort(a.String()); number != port(t, l.Addr()) {
			t.Errorf("the listener has the addresses %v", l.Addrs())
		}
	}
	dialThrough(t, l, DialOptions{Scheme: SchemeQUIC, Host: "localhost", Port: port(t, l.Addr()), TLS: p, VerifyHostname: true})
}

// TestGossipSharesAQUICPort: members find each other over the datagrams and streams of the port that AMQP has, one of
// them without a port of its own.
func TestGossipSharesAQUICPort(t *testing.T) {
	t.Parallel()
	p := profile(t)
	var members []*membership.Membership
	var seeds []membership.Endpoint
	ids := []string{"R1", "R2", "R3", "R4"}
	changed := make(chan struct{}, 1)
	var accepting sync.WaitGroup
	t.Cleanup(accepting.Wait)
	for i, id := range ids {
		overlay, err := membership.NewOverlay(membership.OverlayConfig{Mesh: "test", ID: id,
			Dial: func(ctx context.Context, e membership.Endpoint) (membership.Carrier, error) {
				c, err := Dial(ctx, DialOptions{
					Scheme: SchemeQUIC, Host: e.Host, Port: strconv.Itoa(int(e.Port)), TLS: p, ALPN: []string{membership.ALPN},
				})
				return QUIC(c), err
			}})
		if err != nil {
			t.Fatal(err)
		}
		config := membership.Config{Mesh: "test", ID: id, Seeds: seeds, Network: overlay}
		config.Changed = func(*membership.Snapshot) {
			select {
			case changed <- struct{}{}:
			default:
			}
		}
		config.Timing.Probe, config.Timing.ProbeWait = 200*time.Millisecond, 100*time.Millisecond
		if i < len(ids)-1 {
			l := quicPort(t, p)
			accepting.Go(func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					if q := QUIC(c); q.Protocol() == membership.ALPN {
						overlay.Serve(q)
					}
				}
			})
			t.Cleanup(func() { l.Close() })
			host, port, _ := net.SplitHostPort(l.Addr().String())
			number, _ := strconv.ParseUint(port, 10, 16)
			config.Endpoints = []membership.Endpoint{{Transport: "quic", Host: host, Port: uint16(number)}}
		}
		if seeds == nil {
			seeds = config.Endpoints
		}
		m, err := membership.New(config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.Stop)
		members = append(members, m)
	}
	known := func() error {
		for i, m := range members {
			var got []string
			for _, other := range m.Snapshot().Present() {
				got = append(got, other.ID)
			}
			if !slices.Equal(got, ids) {
				return fmt.Errorf("%s knows %v", ids[i], got)
			}
		}
		return nil
	}
	limit := time.After(time.Minute)
	for known() != nil {
		select {
		case <-changed:
		case <-limit:
			t.Fatal(known())
		}
	}
}

// TestAPortCarriesSeveralProtocols: who asks for one by ALPN gets it, who asks for an unknown one or none gets AMQP.
func TestAPortCarriesSeveralProtocols(t *testing.T) {
	t.Parallel()
	p := profile(t)
	l := listen(t, ListenOptions{TLS: p, ALPN: []string{membership.ALPN}})
	for _, tt := range []struct {
		ask  []string
		want string
	}{{nil, ""}, {[]string{"h2"}, ""}, {[]string{membership.ALPN}, membership.ALPN}} {
		client, server := dial(t, l, DialOptions{TLS: p, ALPN: tt.ask})
		for _, c := range []Conn{client, server} {
			if got := c.TLS().Connection.NegotiatedProtocol; got != tt.want {
				t.Errorf("asked for %q, got %q, want %q", tt.ask, got, tt.want)
			}
		}
	}
}
