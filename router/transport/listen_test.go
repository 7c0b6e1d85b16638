package transport

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A listener on a name accepts at every address that the name has, all with one port, and closes them all.
func TestSeveralAddresses(t *testing.T) {
	t.Parallel()
	var reported []error
	o := ListenOptions{Report: func(err error) { reported = append(reported, err) }}
	l := openAt(t, o, "127.0.0.1", "127.0.0.2", "192.0.2.1")
	addresses := l.Addrs()
	if len(addresses) != 2 || port(t, addresses[0]) != port(t, addresses[1]) || addresses[0] != l.Addr() {
		t.Fatalf("listening at %v", addresses)
	}
	if len(reported) != 1 || !strings.Contains(reported[0].Error(), "192.0.2.1") {
		t.Errorf("reports %v, want one about the address that is not ours", reported)
	}
	for _, a := range addresses {
		c, err := net.Dial("tcp", a.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if got := accept(t, l).LocalAddr().String(); got != a.String() {
			t.Errorf("accepted at %s, want %v", got, a)
		}
	}
	late, err := net.Dial("tcp", addresses[1].String()) // nobody accepts it
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept after Close: %v", err)
	}
	if _, err := late.Read(make([]byte, 1)); err == nil {
		t.Error("a connection that came too late stays open")
	}
	if err := l.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
}

// openAt opens a listener as for a name that has some addresses.
func openAt(t *testing.T, o ListenOptions, hosts ...string) Listener {
	t.Helper()
	var where []place
	for _, h := range hosts {
		where = append(where, place{"tcp4", h})
	}
	sockets, err := o.open(t.Context(), where, "0")
	if err != nil {
		t.Fatal(err)
	}
	return newListener(o, sockets)
}

// A port that somebody has at one of the addresses is an error, not half a listener.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	taken := listen(t, ListenOptions{Host: "127.0.0.2"})
	where := []place{{"tcp4", "127.0.0.1"}, {"tcp4", "127.0.0.2"}}
	_, err := ListenOptions{}.open(t.Context(), where, port(t, taken.Addr()))
	wantError(t, err, "address already in use")
}

// Closing ends an Accept that waits.
func TestCloseEndsAccept(t *testing.T) {
	t.Parallel()
	for _, l := range []Listener{
		listen(t, ListenOptions{}), openAt(t, ListenOptions{}, "127.0.0.1", "127.0.0.2"),
	} {
		ended := make(chan error)
		go func() {
			_, err := l.Accept()
			ended <- err
		}()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept: %v", err)
		}
	}
}

// failing is a socket whose Accept fails some times, and then gives connections.
type failing struct {
	net.Listener
	mu     sync.Mutex
	errors int
	times  []time.Duration
	began  time.Time
	closed chan struct{}
}

func (f *failing) Accept() (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.times = append(f.times, time.Since(f.began))
	select {
	case <-f.closed:
		return nil, net.ErrClosed
	default:
	}
	if f.errors > 0 {
		f.errors--
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	}
	a, b := net.Pipe()
	_ = b.Close()
	return a, nil
}

func (f *failing) Close() error { close(f.closed); return nil }

// When the process has too many open files, accepting pauses longer and longer, says so, and goes on when it can.
func TestAcceptBacksOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &failing{errors: 11, began: time.Now(), closed: make(chan struct{})}
		var reported []string
		o := ListenOptions{Report: func(err error) { reported = append(reported, err.Error()) }}
		l := newListener(o, []net.Listener{f})
		if _, err := l.Accept(); err != nil {
			t.Fatal(err)
		}
		want := []time.Duration{0}
		for pause, at := 5*time.Millisecond, time.Duration(0); len(want) < 12; pause = min(2*pause, time.Second) {
			at += pause
			want = append(want, at)
		}
		if !slices.Equal(f.times, want) {
			t.Errorf("tried at %v, want %v", f.times, want)
		}
		if len(reported) != 11 || !strings.Contains(reported[0], "too many open files; trying again in 5ms") ||
			!strings.Contains(reported[10], "trying again in 1s") {
			t.Errorf("reports %q", reported)
		}
	})
}

// Close ends a pause at once.
func TestCloseEndsPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &failing{errors: 1000, began: time.Now(), closed: make(chan struct{})}
		l := newListener(ListenOptions{Report: func(error) {}}, []net.Listener{f})
		ended := make(chan error)
		go func() {
			_, err := l.Accept()
			ended <- err
		}()
		time.Sleep(10 * time.Second) // of the bubble
		synctest.Wait()
		before := time.Now()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) || time.Since(before) != 0 {
			t.Errorf("accept ended with %v after %v", err, time.Since(before))
		}
	})
}

// incoming returns the accepted end of a pipe at a listener with options, and the peer's end.
func incoming(o ListenOptions) (server *conn, peer net.Conn) {
	l := newListener(o, []net.Listener{nil})
	a, b := net.Pipe()
	return newConn(a, o.HandshakeTimeout, l.server), b
}

// A peer that stays silent, stops in the middle, or sends an octet a second is closed when its time is over.
func TestHandshakeTimeout(t *testing.T) {
	t.Parallel()
	p := profile(t)
	drip := func(b net.Conn) {
		for _, octet := range []byte("\x16\x03\x01\x02\x00" + strings.Repeat("\x01", 512)) {
			if _, err := b.Write([]byte{octet}); err != nil {
				return
			}
			time.Sleep(time.Second) // of the bubble
		}
	}
	half := func(b net.Conn) { b.Write([]byte("\x16\x03\x01\x02\x00\x01")) }
	silent := func(net.Conn) {}
	peers := map[string]func(net.Conn){"silent": silent, "half a hello": half, "an octet a second": drip}
	for name, behave := range peers {
		for _, o := range []ListenOptions{
			{TLS: p}, {TLS: p, RequireTLS: true}, {TLS: p, RequireTLS: true, HandshakeTimeout: 90 * time.Second},
		} {
			synctest.Test(t, func(t *testing.T) {
				server, peer := incoming(o)
				var behaving sync.WaitGroup
				behaving.Go(func() { behave(peer) })
				defer behaving.Wait()
				defer peer.Close()
				limit := o.HandshakeTimeout
				if limit == 0 {
					limit = DefaultHandshakeTimeout
				}
				began := time.Now()
				err := server.Handshake(context.Background())
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != limit {
					t.Errorf("%s: %v after %v, want a time-out after %v", name, err, time.Since(began), limit)
				}
				wantError(t, err, "the peer did not finish the handshake within "+limit.String())
				if _, err := peer.Read(make([]byte, 1)); err == nil {
					t.Errorf("%s: the connection is still open", name)
				}
			})
		}
	}
}

// The context of the caller ends a handshake, and with it the connection.
func TestHandshakeContext(t *testing.T) {
	t.Parallel()
	p := profile(t)
	for _, o := range []ListenOptions{{TLS: p}, {TLS: p, RequireTLS: true}} {
		synctest.Test(t, func(t *testing.T) {
			server, peer := incoming(o)
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error)
			go func() { ended <- server.Handshake(ctx) }()
			synctest.Wait()
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("handshake: %v", err)
			}
			if _, err := peer.Read(make([]byte, 1)); err == nil {
				t.Error("the connection is still open")
			}
		})
	}
}

// Closing a TLS connection whose peer does not read waits a moment for its goodbye, not for seconds.
func TestCloseDoesNotHang(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := profile(t) // certificates for the time of the bubble
		server, peer := incoming(ListenOptions{TLS: p, RequireTLS: true})
		client := p.Client(peer, "localhost", true)
		ended := make(chan error, 1)
		go func() { ended <- client.Handshake(context.Background()) }()
		if err := server.Handshake(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_ = server.Close() // the goodbye fails, the close does not
		if took := time.Since(began); took != goodbye {
			t.Errorf("closing took %v, want %v", took, goodbye)
		}
		if err := peer.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Accept returns connections while others before them say nothing.
func TestAcceptIsNotHeldUp(t *testing.T) {
	t.Parallel()
	p := profile(t)
	l := listen(t, ListenOptions{TLS: p})
	for range 10 {
		silent, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		accept(t, l)
	}
	client, server := dial(t, l, DialOptions{TLS: p})
	exchange(t, client, server)
}
