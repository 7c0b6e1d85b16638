package conn

import (
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/route"
	"github.com/postroad/postroad/router/transport"
	"github.com/postroad/postroad/tls"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// piped is a transport over one end of a pipe, which holds nothing: what is written is read.
type piped struct{ net.Conn }

func (p piped) Handshake(context.Context) error { return nil }
func (p piped) TLS() *tls.State                 { return nil }
func (p piped) CloseWrite() error               { return p.Close() }
func (p piped) Abort() error                    { return p.Close() }
func (p piped) RemoteAddr() net.Addr            { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1} }

var _ transport.Conn = piped{}

// deafLoop is a control loop that answers nothing, and a journal that nobody reads.
type deafLoop struct {
	mu   sync.Mutex
	gone int
}

func (l *deafLoop) Put(e forwarding.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Kind == forwarding.EventConnGone {
		l.gone++
	}
}
func (l *deafLoop) Warn(string)          {}
func (l *deafLoop) Observe(string)       {}
func (l *deafLoop) Panicked(string, any) {}

// newHost returns the host of a router without listeners.
func newHost(t *testing.T) *Host {
	t.Helper()
	logs, err := logging.New(logging.Options{Stderr: io.Discard, Stdout: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	plane := forwarding.NewPlane("A", time.Now())
	tree, err := addressing.NewTree[route.Treatment](nil)
	if err != nil {
		t.Fatal(err)
	}
	loop := &deafLoop{}
	plane.Treatments, plane.Events, plane.Journal = &route.Treatments{Tree: tree}, loop, loop
	plane.Overload = &forwarding.Overload{Budget: 1 << 30, Memory: math.MaxInt64}
	plane.NewName = func() string { return "x" }
	h := &Host{Plane: plane, Config: &config.Config{}, Version: "test", Logs: logs}
	h.Ctx, h.Cancel = context.WithCancel(context.Background())
	t.Cleanup(h.Cancel)
	return h
}

// settings are those of a listener without authentication.
func settings(idle time.Duration) *Settings {
	return &Settings{Terms: forwarding.Terms{Capacity: 250}, MaxFrameSize: 64 << 10, ChannelMax: 10, Window: 1<<31 - 1,
		IdleTimeOut: idle, Handshake: 5 * time.Second, mechanisms: "ANONYMOUS"}
}

// begin is what a peer says first, and attaches that are refused with more than 200 octets each.
func begin(attaches int) []byte {
	b := amqptest.Encode(nil, wire.HeaderAMQP)
	b = amqptest.Encode(b, &wire.Open{ContainerID: "peer", MaxFrameSize: 64 << 10, ChannelMax: 10})
	b = amqptest.Encode(b, &wire.Begin{IncomingWindow: 1000, OutgoingWindow: 1000, HandleMax: 1 << 16})
	long := strings.Repeat("x", 2<<10)
	for i := range attaches {
		b = amqptest.Encode(b, &wire.Attach{Name: fmt.Sprint(i), Handle: uint32(i), Role: wire.RoleReceiver,
			Source: &wire.Source{Address: long, HasAddress: true}})
	}
	return b
}
