package membership

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	_ "testing/synctest" // time.Sleep is in bubbles only
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a network in memory for tests: routers dial each other through pipes, unless they are in different parts.
type world struct {
	t testing.TB

	mu      sync.Mutex
	routers map[string]*router
	part    map[string]int // by id; routers of different parts do not reach each other
	cables  []cable
}

// router is a member of the world.
type router struct {
	*Membership
	id      string
	overlay *Overlay

	mu   sync.Mutex
	logs []string
}

// cable is a connection between two routers.
type cable struct {
	a, b string
	end  *memoryCarrier
}

// newWorld returns a world for a bubble of synctest. Its time stands still when the test is over, and memberlist's
// goroutines need some of it to end.
func newWorld(t testing.TB) *world {
	t.Cleanup(func() { time.Sleep(time.Minute) })
	return newRealWorld(t)
}

func newRealWorld(t testing.TB) *world {
	return &world{t: t, routers: make(map[string]*router), part: make(map[string]int)}
}

// at is where a router listens.
func at(id string) Endpoint { return Endpoint{"memory", id, 1} }

// dial connects a router with the one at an endpoint.
func (w *world) dial(from string, e Endpoint) (Carrier, error) {
	w.mu.Lock()
	to := w.routers[e.Host]
	apart := w.part[from] != w.part[e.Host]
	if to == nil || apart {
		w.mu.Unlock()
		return nil, errors.New("nobody answers")
	}
	ours, theirs := newMemoryCarriers(len(w.cables)%2 == 0)
	w.cables = append(w.cables, cable{from, e.Host, ours})
	w.mu.Unlock()
	to.overlay.Serve(theirs)
	return ours, nil
}

// memoryCarrier is one end of a Carrier in memory. It takes the place of yamux, whose timers belong to nobody and can
// therefore not be used in bubbles of synctest.
type memoryCarrier struct {
	peer      *memoryCarrier
	streams   chan net.Conn
	datagrams chan []byte // nil for a carrier without
	ctx       context.Context
	cancel    context.CancelFunc // of both ends

	mu   *sync.Mutex // of both ends
	open []net.Conn
}

func newMemoryCarriers(datagrams bool) (a, b *memoryCarrier) {
	ctx, cancel := context.WithCancel(context.Background())
	a = &memoryCarrier{streams: make(chan net.Conn, peerStreams), ctx: ctx, cancel: cancel, mu: new(sync.Mutex)}
	b = &memoryCarrier{streams: make(chan net.Conn, peerStreams), ctx: ctx, cancel: cancel, mu: a.mu}
	if datagrams {
		a.datagrams, b.datagrams = make(chan []byte, 64), make(chan []byte, 64)
	}
	a.peer, b.peer = b, a
	return a, b
}

func (c *memoryCarrier) OpenStream(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return nil, net.ErrClosed
	}
	select {
	case c.peer.streams <- theirs:
		c.open = append(c.open, ours, theirs)
		return ours, nil
	default:
		return nil, errors.New("too many streams")
	}
}

func (c *memoryCarrier) AcceptStream(ctx context.Context) (net.Conn, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.ctx.Done():
		return nil, net.ErrClosed
	case s := <-c.streams:
		return s, nil
	}
}

func (c *memoryCarrier) SendDatagram(b []byte) error {
	if c.datagrams == nil || len(b) > 1200 {
		return errNoDatagram
	}
	select {
	case c.peer.datagrams <- b:
	default:
	}
	return nil
}

func (c *memoryCarrier) ReceiveDatagram(ctx context.Context) ([]byte, error) {
	if c.datagrams == nil {
		return nil, errNoDatagram
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.ctx.Done():
		return nil, net.ErrClosed
	case b := <-c.datagrams:
		return b, nil
	}
}

func (c *memoryCarrier) Close() error {
	c.cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, end := range []*memoryCarrier{c, c.peer} {
		for _, s := range end.open {
			_ = s.Close()
		}
		end.open = nil
	}
	return nil
}

// start starts a router which joins through a seed, "" for none. Change may alter its configuration.
func (w *world) start(id, seed string, change func(c *Config, o *OverlayConfig)) *router {
	w.t.Helper()
	r := &router{id: id}
	log := func(_ Level, text string) {
		r.mu.Lock()
		r.logs = append(r.logs, text)
		r.mu.Unlock()
	}
	o := OverlayConfig{Mesh: "test", ID: id, Log: log}
	o.Dial = func(_ context.Context, e Endpoint) (Carrier, error) { return w.dial(id, e) }
	c := Config{Mesh: "test", ID: id, Site: "here", Endpoints: []Endpoint{at(id)}, Log: log}
	if seed != "" {
		c.Seeds = []Endpoint{at(seed)}
	}
	if change != nil {
		change(&c, &o)
	}
	var err error
	if r.overlay, err = NewOverlay(o); err != nil {
		w.t.Fatal(err)
	}
	c.Network = r.overlay
	w.mu.Lock()
	if len(c.Endpoints) > 0 {
		w.routers[id] = r
	}
	w.mu.Unlock()
	if r.Membership, err = New(c); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(r.Stop)
	return r
}

// crash ends a router without a word.
func (w *world) crash(r *router) {
	w.mu.Lock()
	delete(w.routers, r.id)
	w.mu.Unlock()
	r.Stop()
}

// divide puts routers into a part of their own, and cuts what leads out of it; part 0 is where all are at first.
func (w *world) divide(part int, ids ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		w.part[id] = part
	}
	for _, c := range w.cables {
		if w.part[c.a] != w.part[c.b] {
			_ = c.end.Close()
		}
	}
}

// said reports whether the router's log has a text.
func (r *router) said(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.logs, func(line string) bool { return strings.Contains(line, text) })
}

// logged returns the router's log.
func (r *router) logged() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.logs)
}

// view returns who a router knows, in one line; those that are lost with a minus.
func (r *router) view() string {
	var ids []string
	for _, m := range r.Snapshot().Members {
		if m.Lost {
			m.ID = "-" + m.ID
		}
		ids = append(ids, m.ID)
	}
	return strings.Join(ids, " ")
}

// eventually waits until a condition holds, in the time of the test: virtual in a bubble of synctest.
func eventually(t testing.TB, what string, condition func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := condition()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		case <-ticker.C:
		}
	}
}

// wantView waits until all routers have the same view.
func wantView(t testing.TB, what, want string, routers ...*router) {
	t.Helper()
	eventually(t, what, func() error {
		for _, r := range routers {
			if got := r.view(); got != want {
				return fmt.Errorf("%s knows %q, want %q", r.id, got, want)
			}
		}
		return nil
	})
}
