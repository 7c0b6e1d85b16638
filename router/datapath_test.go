package router

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/router/conn"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/transport"
	"github.com/postroad/postroad/tls"
)

// pipeEnd is a transport that keeps what is written to it, for a test that moves the octets itself.
type pipeEnd struct {
	net.Conn
	written []byte
}

func (p *pipeEnd) Write(b []byte) (int, error) {
	p.written = append(p.written, b...)
	return len(b), nil
}
func (p *pipeEnd) Read([]byte) (int, error)         { return 0, io.EOF }
func (p *pipeEnd) Close() error                     { return nil }
func (p *pipeEnd) CloseWrite() error                { return nil }
func (p *pipeEnd) Abort() error                     { return nil }
func (p *pipeEnd) Handshake(context.Context) error  { return nil }
func (p *pipeEnd) TLS() *tls.State                  { return nil }
func (p *pipeEnd) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (p *pipeEnd) SetDeadline(time.Time) error      { return nil }
func (p *pipeEnd) SetReadDeadline(time.Time) error  { return nil }
func (p *pipeEnd) SetWriteDeadline(time.Time) error { return nil }

var _ transport.Conn = (*pipeEnd)(nil)

// bench is a router with one sending and one receiving client, all driven by the calling goroutine: no sockets, no
// scheduler, only the work that a message costs.
type benchRoute struct {
	tb       testing.TB
	router   *Router
	tx, rx   *forwarding.Endpoint
	sender   *engine.Connection
	receiver *engine.Connection
	out      engine.LinkID // of sender
	in       engine.LinkID // of receiver
	payload  buf.Slice
	chunk    *buf.Chunk
	output   engine.Output
	woken    forwarding.Wakes
	settled  bool
	received int
	outcomes int
}

func newBenchRoute(tb testing.TB, size int, settled bool) *benchRoute {
	tb.Helper()
	cfg, problems := config.Parse("test.conf", []byte("router {\n mode: standalone\n id: A\n}\n"))
	if problems.Refused() {
		tb.Fatal(problems)
	}
	logs, err := logging.New(logging.Options{Stderr: io.Discard, Stdout: io.Discard})
	if err != nil {
		tb.Fatal(err)
	}
	r, err := New(cfg, Options{Logs: logs, Version: "test"})
	if err != nil {
		tb.Fatal(err)
	}
	b := &benchRoute{tb: tb, router: r, settled: settled}
	b.tx, b.sender = b.connect()
	b.rx, b.receiver = b.connect()
	b.in = b.attach(b.rx, b.receiver, wire.RoleReceiver)
	b.receiver.Grant(b.in, 1000)
	b.move(b.receiver, b.rx)
	b.out = b.attach(b.tx, b.sender, wire.RoleSender)
	msg := &message.Message{Body: message.Data{make([]byte, size)}}
	octets, err := msg.Append(nil)
	if err != nil {
		tb.Fatal(err)
	}
	b.payload = buf.Slice{B: octets}
	b.chunk = buf.NewChunk(buf.LargeChunk)
	tb.Cleanup(b.close)
	return b
}

// close gives everything back, for the test that counts buffers.
func (b *benchRoute) close() {
	for _, c := range []*forwarding.Endpoint{b.tx, b.rx} {
		endNow(c)
	}
	for _, client := range []*engine.Connection{b.sender, b.receiver} {
		client.Take(&b.output)
		b.output.Release()
	}
	if b.chunk != nil {
		b.chunk.Release()
	}
	b.router.host.Cancel()
}

// connect makes a connection of the router and the client at its other end, and opens both.
func (b *benchRoute) connect() (*forwarding.Endpoint, *engine.Connection) {
	s := &conn.Settings{Terms: forwarding.Terms{Capacity: 250}, MaxFrameSize: 65536, ChannelMax: 100, Window: 1<<31 - 1}
	c := b.router.host.NewConn(&pipeEnd{}, s, false)
	if !c.Begin() {
		b.tb.Fatal("the connection did not begin")
	}
	c.TimerAt = time.Now() // no timer in a benchmark
	client := engine.New(engine.Config{Client: true, SASL: engine.SASLNone, ContainerID: "client", MaxFrameSize: 65536,
		ChannelMax: 100, IncomingWindow: 1<<31 - 1})
	client.Open(nil)
	b.move(client, c.E)
	client.Begin(engine.None)
	b.move(client, c.E)
	return c.E, client
}

func (b *benchRoute) attach(c *forwarding.Endpoint, client *engine.Connection, role wire.Role) engine.LinkID {
	var session engine.SessionID
	client.Sessions(func(id engine.SessionID) { session = id })
	id := client.NewLink(session, &wire.Attach{Name: "l", Role: role,
		Source: &wire.Source{Address: "q", HasAddress: true}, Target: &wire.Target{Address: "q", HasAddress: true}})
	b.move(client, c)
	b.router.loop.turn() // its loop does not run: this goroutine takes its place
	b.step(c)
	b.back(c, client)
	return id
}

// move gives what the client has written to the router's connection, and the answers back.
func (b *benchRoute) move(client *engine.Connection, c *forwarding.Endpoint) {
	client.Take(&b.output)
	for _, s := range b.output.Segments {
		chunk := b.chunk
		if chunk == nil {
			chunk = buf.NewChunk(len(s))
		}
		n := copy(chunk.B, s)
		if n < len(s) {
			b.tb.Fatal("the chunk is too small")
		}
		used, _ := c.Input(time.Now(), chunk, chunk.B[:n], &b.woken)
		b.woken.Flush()
		if used != n {
			b.tb.Fatalf("%d of %d octets used: %s", used, n, c.Ending.Reason)
		}
		if b.chunk == nil {
			chunk.Release()
		}
	}
	b.output.Release()
	b.step(c)
	b.back(c, client)
}

// step lets a connection write.
func (b *benchRoute) step(c *forwarding.Endpoint) {
	for more := true; more; {
		var err error
		if more, _, err = driverOf(c).WriteStep(&b.woken, true); err != nil {
			b.tb.Fatal(err)
		}
	}
	b.woken.Ends = b.woken.Ends[:0]
	select {
	case <-driverOf(c).Wake:
	default:
	}
}

// back gives what the router has written to the client.
func (b *benchRoute) back(c *forwarding.Endpoint, client *engine.Connection) {
	p := driverOf(c).Socket.(*pipeEnd)
	now := time.Time{}
	for rest := p.written; len(rest) > 0; {
		n := client.Input(now, rest)
		events := client.Events()
		for i := range events {
			switch ev := &events[i]; ev.Kind {
			case engine.EventTransfer:
				b.received++
				client.Settle(ev.Delivery, wire.State{Kind: wire.StateAccepted})
				if client.Credit(ev.Link) < 500 {
					client.Grant(ev.Link, 500)
				}
			case engine.EventOutcome:
				b.outcomes++
			}
		}
		if n == 0 && !client.Continues() {
			b.tb.Fatalf("the client does not take % x", rest)
		}
		rest = rest[n:]
	}
	p.written = p.written[:0]
}

// batch sends n messages through the router and brings the outcomes back.
func (b *benchRoute) batch(n int) {
	before, settled := b.received, b.outcomes
	for range n {
		id := b.sender.Deliver(b.out, b.settled, 0)
		if id == engine.None {
			b.tb.Fatal("the sender has no credit")
		}
		if _, done := b.sender.Write(id, nil, b.payload, true); !done {
			b.tb.Fatal("the session window is closed")
		}
	}
	b.move(b.sender, b.tx) // transfers in, through the router's tables into the receiver's inbox
	b.step(b.rx)           // and out
	b.back(b.rx, b.receiver)
	b.move(b.receiver, b.rx) // outcomes in
	b.step(b.tx)             // and back
	b.back(b.tx, b.sender)
	if b.received-before != n || (!b.settled && b.outcomes-settled != n) {
		b.tb.Fatalf("%d of %d messages arrived, %d outcomes", b.received-before, n, b.outcomes-settled)
	}
}

// A message costs the data path no allocation once everything is warm: decode, look-up, forward, encode, and the
// outcome back. The two clients of this test are engines too, so theirs are counted with it.
func TestTheDataPathAllocatesNothingPerMessage(t *testing.T) {
	if raceEnabled {
		return // the race detector allocates, and its pools drop what they are given; the run without it counts
	}
	for _, settled := range []bool{false, true} {
		b := newBenchRoute(t, 100, settled)
		for range 50 {
			b.batch(50)
		}
		const n = 50
		if got := testing.AllocsPerRun(200, func() { b.batch(n) }); got/n >= 0.01 {
			t.Errorf("settled=%v: %.2f allocations for %d messages, want none", settled, got, n)
		}
	}
}

// BenchmarkDataPath is the cost of one message through the router without sockets and scheduler, in batches of 50; the
// work of the two clients is in it too.
func BenchmarkDataPath(bm *testing.B) {
	for _, c := range []struct {
		name    string
		size    int
		settled bool
	}{{"100B/unsettled", 100, false}, {"100B/presettled", 100, true}, {"1KiB/unsettled", 1024, false}} {
		bm.Run(c.name, func(bm *testing.B) {
			b := newBenchRoute(bm, c.size, c.settled)
			for range 50 {
				b.batch(50)
			}
			bm.ReportAllocs()
			bm.ResetTimer()
			for n := 0; n < bm.N; n += 50 {
				b.batch(50)
			}
		})
	}
}
