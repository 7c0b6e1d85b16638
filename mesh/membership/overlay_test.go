package membership

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroad/postroad/tls/tlstest"
)

// port is a TLS port that carries gossip and something else, told apart by ALPN.
type port struct {
	Endpoint
	listener net.Listener
	wg       sync.WaitGroup
}

// listen opens a port. Whoever does not speak gossip gets an echo.
func listen(t *testing.T, config *tls.Config, gossip func() *Overlay) *port {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &port{listener: l, Endpoint: Endpoint{"amqps", "127.0.0.1", uint16(l.Addr().(*net.TCPAddr).Port)}}
	p.wg.Go(func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() {
				c := tls.Server(raw, config)
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				defer cancel()
				if err := c.HandshakeContext(ctx); err != nil {
					_ = raw.Close()
					return
				}
				if c.ConnectionState().NegotiatedProtocol != ALPN {
					_, _ = io.Copy(c, c)
					_ = c.Close()
					return
				}
				if carrier, err := Multiplex(c, false); err == nil {
					gossip().Serve(carrier)
				}
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); p.wg.Wait() })
	return p
}

// tlsRouter is a router with a TLS port.
type tlsRouter struct {
	*router
	port *port
}

// tlsConfigs makes the configurations of a router that has the certificate of its id.
func tlsConfigs(t *testing.T, a *tlstest.Authority, id string) (server, client *tls.Config) {
	t.Helper()
	pair := a.Issue(id, nil)
	certificate, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	text, err := os.ReadFile(a.File)
	if err != nil || !roots.AppendCertsFromPEM(text) {
		t.Fatal("the authority cannot be read", err)
	}
	server = &tls.Config{
		Certificates: []tls.Certificate{certificate}, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert,
		NextProtos: []string{ALPN, "amqp"}, MinVersion: tls.VersionTLS13,
	}
	client = &tls.Config{
		Certificates: []tls.Certificate{certificate}, RootCAs: roots, ServerName: "localhost",
		NextProtos: []string{ALPN}, MinVersion: tls.VersionTLS13,
	}
	return server, client
}

// dialTLS connects to a port.
func dialTLS(ctx context.Context, config *tls.Config, e Endpoint) (Carrier, error) {
	dialer := tls.Dialer{Config: config}
	c, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))))
	if err != nil {
		return nil, err
	}
	return Multiplex(c, true)
}

// verify binds the id of a router to its certificate.
func verify(c Carrier, id string) error {
	state := c.(interface{ Unwrap() net.Conn }).Unwrap().(*tls.Conn).ConnectionState()
	if name := state.PeerCertificates[0].Subject.CommonName; name != id {
		return fmt.Errorf("the certificate is that of %s, not %s", name, id)
	}
	return nil
}

// startTLS starts a router with a port, certificate and keyring.
func startTLS(t *testing.T, a *tlstest.Authority, id string, seeds []Endpoint, k *Keyring, open bool) *tlsRouter {
	t.Helper()
	r := &tlsRouter{router: &router{id: id}}
	server, client := tlsConfigs(t, a, id)
	log := func(_ Level, text string) {
		r.mu.Lock()
		r.logs = append(r.logs, text)
		r.mu.Unlock()
	}
	var err error
	r.overlay, err = NewOverlay(OverlayConfig{
		Mesh: "test", ID: id, Verify: verify, Log: log,
		Dial: func(ctx context.Context, e Endpoint) (Carrier, error) { return dialTLS(ctx, client, e) },
	})
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Mesh: "test", ID: id, Seeds: seeds, Network: r.overlay, Keyring: k, Log: log}
	c.Timing.Probe, c.Timing.ProbeWait = 200*time.Millisecond, 100*time.Millisecond
	if open {
		r.port = listen(t, server, func() *Overlay { return r.overlay })
		c.Endpoints = []Endpoint{r.port.Endpoint}
	}
	if r.Membership, err = New(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	return r
}

// TestGossipSharesATLSPort: routers that listen and one that does not find each other through one seed, with nothing
// but TCP and one port for each; and the ports carry something else at the same time.
func TestGossipSharesATLSPort(t *testing.T) {
	t.Parallel()
	a := tlstest.NewAuthority(t, "mesh", nil)
	k := keyring(t, GenerateKey())
	routers := []*tlsRouter{startTLS(t, a, "R1", nil, k, true)}
	seeds := []Endpoint{routers[0].port.Endpoint}
	for _, id := range []string{"R2", "R3", "R4"} {
		routers = append(routers, startTLS(t, a, id, seeds, k, true))
	}
	routers = append(routers, startTLS(t, a, "R5", seeds, k, false), startTLS(t, a, "R6", seeds, k, false))
	for _, r := range routers {
		wantView(t, "all join", "R1 R2 R3 R4 R5 R6", r.router)
	}
	_, client := tlsConfigs(t, a, "client")
	client.NextProtos = nil
	c, err := tls.Dial("tcp", routers[0].port.listener.Addr().String(), client)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("AMQP\n")); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(c).ReadString('\n'); line != "AMQP\n" {
		t.Errorf("the port answers %q, %v", line, err)
	}
	routers[3].Leave(t.Context())
	for _, r := range append(routers[:3:3], routers[4:]...) {
		wantView(t, "R4 leaves", "R1 R2 R3 R5 R6", r.router)
	}
}

// TestACertificateIsGoodForOneID: a router with a certificate of the mesh that claims the id of another one is refused.
func TestACertificateIsGoodForOneID(t *testing.T) {
	t.Parallel()
	a := tlstest.NewAuthority(t, "mesh", nil)
	r := startTLS(t, a, "R1", nil, nil, true)
	_, client := tlsConfigs(t, a, "Mallory")
	liar, err := NewOverlay(OverlayConfig{
		Mesh: "test", ID: "R2",
		Dial: func(ctx context.Context, e Endpoint) (Carrier, error) { return dialTLS(ctx, client, e) },
	})
	if err != nil {
		t.Fatal(err)
	}
	liar.Start(nobody{})
	t.Cleanup(func() { _ = liar.Close() })
	_, err = liar.DialSeed(t.Context(), r.port.Endpoint)
	if err == nil || !strings.Contains(err.Error(), "the certificate is that of Mallory, not R2") {
		t.Errorf("the error is %v", err)
	}
}

// nobody is a receiver that takes nothing and knows nobody.
type nobody struct{}

func (nobody) ReceivePacket([]byte)         {}
func (nobody) ReceiveStream(c net.Conn)     { _ = c.Close() }
func (nobody) Member(string) (Member, bool) { return Member{}, false }

// directory is a receiver that knows members, and counts packets.
type directory struct {
	members map[string]Member
	packets chan []byte
	streams chan net.Conn
}

func (d *directory) ReceivePacket(b []byte)          { d.packets <- b }
func (d *directory) ReceiveStream(c net.Conn)        { d.streams <- c }
func (d *directory) Member(id string) (Member, bool) { m, ok := d.members[id]; return m, ok }
func newDirectory(members map[string]Member) *directory {
	return &directory{members, make(chan []byte, 1000), make(chan net.Conn, 10)}
}

// overlays starts overlays that can dial each other as the function says, without memberships.
func overlays(t *testing.T, members map[string]Member, datagrams bool, mayDial func(from, to string) bool) (
	map[string]*Overlay, map[string]*directory) {
	t.Helper()
	t.Cleanup(func() { time.Sleep(time.Minute) })
	all, receivers := make(map[string]*Overlay), make(map[string]*directory)
	for id := range members {
		o, err := NewOverlay(OverlayConfig{Mesh: "test", ID: id, MaxDialed: 4,
			Dial: func(_ context.Context, e Endpoint) (Carrier, error) {
				if !mayDial(id, e.Host) {
					return nil, errors.New("blocked")
				}
				ours, theirs := newMemoryCarriers(datagrams)
				all[e.Host].Serve(theirs)
				return ours, nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		all[id], receivers[id] = o, newDirectory(members)
	}
	for id, o := range all {
		o.Start(receivers[id])
		t.Cleanup(func() { _ = o.Close() })
	}
	return all, receivers
}

// TestAMemberThatCannotBeDialedFromHereIsReachedThroughOthers: packets and streams.
func TestAMemberThatCannotBeDialedFromHereIsReachedThroughOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		members := map[string]Member{
			"A": {ID: "A", Endpoints: []Endpoint{at("A")}}, "hub": {ID: "hub", Endpoints: []Endpoint{at("hub")}},
			"B": {ID: "B", Endpoints: []Endpoint{at("B")}},
		}
		all, receivers := overlays(t, members, true, func(from, to string) bool { return from == "hub" || to == "hub" })
		if !all["A"].SendPacket("hub", []byte("first")) { // there has to be some connection
			t.Fatal("A does not reach the hub")
		}
		<-receivers["hub"].packets
		eventually(t, "a packet comes", func() error {
			all["A"].SendPacket("B", []byte("packet"))
			select {
			case got := <-receivers["B"].packets:
				if string(got) != "packet" {
					return fmt.Errorf("it is %q", got)
				}
				return nil
			default:
				return errors.New("no packet yet")
			}
		})
		c, err := all["A"].DialStream(t.Context(), "B")
		if err != nil {
			t.Fatal(err)
		}
		other := <-receivers["B"].streams
		go func() { _, _ = c.Write([]byte("question")) }()
		b := make([]byte, 8)
		if _, err := io.ReadFull(other, b); err != nil || string(b) != "question" {
			t.Errorf("%q, %v", b, err)
		}
		go func() { _, _ = other.Write([]byte("answer")); _ = other.Close() }()
		if got, _ := io.ReadAll(c); string(got) != "answer" {
			t.Errorf("%q", got)
		}
		_ = c.Close()
		if _, err := all["A"].DialStream(t.Context(), "nobody"); err == nil || !strings.Contains(err.Error(), "no way") {
			t.Errorf("a stream to nobody: %v", err)
		}
	})
}

// TestConnectionsAreFewAndSilentOnesClosed: of many that were dialed those used last are kept, and two when all is quiet.
func TestConnectionsAreFewAndSilentOnesClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		members := make(map[string]Member)
		for i := range 12 {
			id := fmt.Sprint("R", i)
			members[id] = Member{ID: id, Endpoints: []Endpoint{at(id)}}
		}
		all, receivers := overlays(t, members, true, func(string, string) bool { return true })
		count := func() int {
			all["R0"].mu.Lock()
			defer all["R0"].mu.Unlock()
			return len(all["R0"].sessions)
		}
		for i := 1; i < 12; i++ {
			id := fmt.Sprint("R", i)
			all["R0"].SendPacket(id, []byte("x"))
			<-receivers[id].packets
		}
		synctest.Wait()
		if n := count(); n != 4 {
			t.Errorf("%d connections are kept, want 4", n)
		}
		time.Sleep(2 * idle)
		if n := count(); n != pinned {
			t.Errorf("%d connections are kept when nothing is sent, want %d", n, pinned)
		}
		all["R1"].mu.Lock()
		defer all["R1"].mu.Unlock()
		if n := all["R1"].accepts; n != len(all["R1"].sessions) {
			t.Errorf("%d connections are counted, %d exist", n, len(all["R1"].sessions))
		}
	})
}

// TestASlowNeighborHoldsNobodyUp: packets for a neighbor that takes nothing are dropped, and others get theirs.
func TestASlowNeighborHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		members := map[string]Member{
			"A": {ID: "A", Endpoints: []Endpoint{at("A")}}, "slow": {ID: "slow", Endpoints: []Endpoint{at("slow")}},
			"B": {ID: "B", Endpoints: []Endpoint{at("B")}},
		}
		all, receivers := overlays(t, members, false, func(string, string) bool { return true })
		receivers["slow"].packets = make(chan []byte) // nobody reads
		sent := 0
		for range 10_000 {
			if all["A"].SendPacket("slow", []byte("x")) {
				sent++
			}
		}
		synctest.Wait()
		for range 10_000 {
			if all["A"].SendPacket("slow", []byte("x")) {
				sent++
			}
		}
		if sent > dialQueue+4*sessionQueue {
			t.Errorf("%d packets are queued", sent)
		}
		all["A"].SendPacket("B", []byte("x"))
		<-receivers["B"].packets
		go func() {
			for range receivers["slow"].packets {
			}
		}()
		time.Sleep(time.Minute)
		for _, o := range all {
			_ = o.Close()
		}
		close(receivers["slow"].packets)
	})
}

// TestANeighborThatFloodsIsBounded: streams beyond the rate end the connection, packets beyond the rate are not sent on.
func TestANeighborThatFloodsIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		members := map[string]Member{
			"A": {ID: "A", Endpoints: []Endpoint{at("A")}}, "hub": {ID: "hub", Endpoints: []Endpoint{at("hub")}},
			"B": {ID: "B", Endpoints: []Endpoint{at("B")}},
		}
		all, receivers := overlays(t, members, true, func(from, to string) bool { return from == "hub" || to == "hub" })
		all["A"].SendPacket("hub", []byte("x"))
		<-receivers["hub"].packets
		over, came := make(chan struct{}), 0
		go func() {
			for {
				select {
				case <-receivers["B"].packets:
					came++
				case <-over:
					return
				}
			}
		}()
		for range 2000 {
			for range 50 {
				all["A"].SendPacket("B", []byte("flood"))
			}
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		if came < 1000 || came > 3*transitRate+sessionQueue {
			t.Errorf("%d of 100,000 packets in two seconds came", came)
		}
		close(over)
		var err error
		for i := 0; i < 1000 && err == nil; i++ {
			var c net.Conn
			if c, err = all["A"].DialStream(t.Context(), "hub"); err == nil {
				_ = (<-receivers["hub"].streams).Close()
				_ = c.Close()
			}
		}
		if err == nil {
			t.Error("a thousand streams at once are taken")
		}
	})
}

// TestStrangersAreRefused: who does not speak the protocol, or not at all.
func TestStrangersAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		members := map[string]Member{"A": {ID: "A"}}
		all, _ := overlays(t, members, true, func(string, string) bool { return true })
		for _, say := range []string{
			"", "GET / HTTP/1.1\r\n\r\n", "PRG\x02", "PRG\x01\x04test\x01/\x00", "PRG\x01\x04test\x01A\x00",
		} {
			ours, theirs := newMemoryCarriers(false)
			all["A"].Serve(theirs)
			if say != "" {
				c, err := ours.OpenStream(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				_, _ = c.Write([]byte(say))
				go func() { _, _ = io.Copy(io.Discard, c) }()
			}
			<-ours.ctx.Done()
		}
		synctest.Wait()
		all["A"].mu.Lock()
		defer all["A"].mu.Unlock()
		if n := all["A"].accepts; n != 0 {
			t.Errorf("%d connections are counted", n)
		}
	})
}
