package membership

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// OverlayConfig says how an [Overlay] reaches other routers.
type OverlayConfig struct {
	Mesh, ID string // as of Config
	// Dial connects to an endpoint, with TLS or QUIC and ALPN. Nil for a router that does not dial.
	Dial func(ctx context.Context, e Endpoint) (Carrier, error)
	// Order returns endpoints of one router in the order in which they are to be dialed, without those that Dial cannot
	// reach. It may be nil.
	Order func(endpoints []Endpoint) []Endpoint
	// Verify reports why the router at the other end of a carrier cannot have this id: what its certificate says, or a
	// list. It may be nil.
	Verify func(c Carrier, id string) error
	// Log is as of Config.
	Log func(level Level, text string)
	// MaxDialed is how many connections that were dialed are kept, 0 for 32. There are more for a moment. MaxAccepted is
	// how many are accepted, 0 for 1,024.
	MaxDialed, MaxAccepted int
}

// Limits of an overlay.
const (
	sessionQueue   = 256  // packets that wait to be sent to a neighbor
	dialQueue      = 32   // packets that wait for a connection
	maxHops        = 4    // connections on the way of a packet or stream
	maxDials       = 16   // at the same time
	peerSessions   = 2    // connections with one router
	peerStreams    = 8    // streams that a neighbor has open at the same time
	streamRate     = 20.0 // streams a second that a neighbor may open, after streamBurst
	streamBurst    = 64
	transitRate    = 2000.0           // packets a second that a neighbor may send through this router
	transitStreams = 32               // streams through this router at the same time
	streamOpen     = 10 * time.Second // until a stream reaches the other router
	hello          = 5 * time.Second  // until two routers have introduced themselves
	writeLimit     = 10 * time.Second // until a neighbor has taken a packet
	transitLimit   = 2 * time.Minute  // for a stream through this router
	redialMin      = time.Second      // doubling to redialMax
	redialMax      = time.Minute
	idle           = 2 * time.Minute // after which a connection that was dialed is closed
	pinned         = 2               // connections that are kept for ever, as relays
	maxWays        = 10_000
)

// Overlay is a [Network] over connections between routers. It dials members when it has something for them, keeps the
// connections for both directions, and carries packets and streams for others: to a neighbor, or to a member that it
// can dial. So routers that can only dial, or only be dialed by some, reach each other through those that both can
// reach.
type Overlay struct {
	config OverlayConfig
	log    *logger

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	receiver Receiver // nil before Start
	closed   bool
	peers    map[string]*peer
	sessions []*session // in the order in which they began
	ways     map[string]*session
	dials    int
	accepts  int // introductions under way, and sessions that were accepted
	transits int
}

// peer is another router: a neighbor, or one that is being dialed.
type peer struct {
	sessions []*session
	waiting  [][]byte      // frames
	dialing  chan struct{} // closed when the dialing is over; nil when nobody dials
	retry    time.Time     // when it may be dialed again
	wait     time.Duration // 0 after a success
}

// NewOverlay returns an overlay, which does nothing before it is given to a membership.
func NewOverlay(config OverlayConfig) (*Overlay, error) {
	if err := checkID(config.ID); err != nil {
		return nil, err
	}
	if config.Mesh == "" || len(config.Mesh) > maxMesh {
		return nil, fmt.Errorf("mesh %.80q must be a name of 1 … %d octets", config.Mesh, maxMesh)
	}
	if config.MaxDialed <= 0 {
		config.MaxDialed = 32
	}
	if config.MaxAccepted <= 0 {
		config.MaxAccepted = 1024
	}
	o := &Overlay{
		config: config, log: &logger{write: config.Log},
		peers: make(map[string]*peer), ways: make(map[string]*session),
	}
	o.ctx, o.cancel = context.WithCancel(context.Background())
	return o, nil
}

// Start implements [Network].
func (o *Overlay) Start(r Receiver) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		o.receiver = r
		o.wg.Go(o.sweep)
	}
}

// Close implements [Network].
func (o *Overlay) Close() error {
	o.mu.Lock()
	o.closed = true
	sessions := slices.Clone(o.sessions)
	o.mu.Unlock()
	o.cancel()
	for _, s := range sessions {
		s.close()
	}
	o.wg.Wait()
	return nil
}

// spawn runs f in a goroutine that Close waits for, unless the overlay is closed.
func (o *Overlay) spawn(f func()) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.receiver == nil {
		return false
	}
	o.wg.Go(f)
	return true
}

// Serve takes over a carrier that another router has dialed. It returns at once.
func (o *Overlay) Serve(c Carrier) {
	o.mu.Lock()
	full := o.accepts >= o.config.MaxAccepted
	if !full {
		o.accepts++
	}
	o.mu.Unlock()
	serve := func() {
		if _, err := o.introduce(o.ctx, c, false, ""); err != nil {
			o.accepted(-1)
			o.log.printf(LevelInfo, "a connection for gossip is refused: %v", err)
		}
	}
	if full || !o.spawn(serve) {
		_ = c.Close() // there is no one to tell
		if !full {
			o.accepted(-1)
		}
	}
}

func (o *Overlay) accepted(change int) {
	o.mu.Lock()
	o.accepts += change
	o.mu.Unlock()
}

// errSelf is for a router that has dialed itself.
var errSelf = errors.New("this is the router itself")

// introduce begins a session: the first stream, on which both routers say who they are. The expected id is "" for
// anybody.
func (o *Overlay) introduce(ctx context.Context, c Carrier, dialed bool, expected string) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, hello)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	s, err := o.meet(ctx, c, dialed, expected)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = o.add(s)
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return s, nil
}

// meet is the conversation of introduce. Each router sends
//
//	"PRG" and the version, 1
//	octet, n mesh
//	octet, n id
//	octet, n "", or why it refuses
//
// the one that has dialed first.
func (o *Overlay) meet(ctx context.Context, c Carrier, dialed bool, expected string) (*session, error) {
	var control net.Conn
	var err error
	if dialed {
		control, err = c.OpenStream(ctx)
	} else {
		control, err = c.AcceptStream(ctx)
	}
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = control.SetDeadline(deadline)
	}
	say := func(refusal string) error {
		b := append([]byte("PRG"), formVersion)
		_, err := control.Write(appendText(appendText(appendText(b, o.config.Mesh), o.config.ID), refusal))
		return err
	}
	if dialed {
		if err := say(""); err != nil {
			return nil, err
		}
	}
	mesh, id, refusal, err := readIntroduction(control)
	switch {
	case err != nil:
		return nil, err
	case refusal != "":
		return nil, fmt.Errorf("the other router refuses: %.100q", refusal)
	case mesh != o.config.Mesh:
		err = fmt.Errorf("%w, %q", errMesh, mesh)
	case id == o.config.ID:
		err = errSelf
	case expected != "" && id != expected:
		err = fmt.Errorf("it is router %s, not %s", id, expected)
	case o.config.Verify != nil:
		err = o.config.Verify(c, id)
	}
	if !dialed {
		refusal := ""
		if err != nil {
			refusal = err.Error()
			refusal = refusal[:min(len(refusal), 200)]
		}
		err = errors.Join(err, say(refusal))
	}
	if err != nil {
		return nil, err
	}
	_ = control.SetDeadline(time.Time{})
	return newSession(o, c, control, id, dialed), nil
}

func readIntroduction(c net.Conn) (mesh, id, refusal string, err error) {
	head := make([]byte, 4)
	if err := readFull(c, head); err != nil {
		return "", "", "", err
	}
	if string(head[:3]) != "PRG" || head[3] != formVersion {
		return "", "", "", errEnvelope
	}
	for _, field := range []*string{&mesh, &id, &refusal} {
		if *field, err = readText(c); err != nil {
			return "", "", "", err
		}
	}
	if len(mesh) > maxMesh {
		return "", "", "", errEnvelope
	}
	return mesh, id, refusal, checkID(id)
}

// add puts a session to use. Of more than two with one router the oldest is closed.
func (o *Overlay) add(s *session) error {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return net.ErrClosed
	}
	p := o.peer(s.peer)
	p.sessions = append(p.sessions, s)
	o.sessions = append(o.sessions, s)
	waiting := p.waiting
	p.waiting, p.wait, p.retry = nil, 0, time.Time{}
	var surplus []*session
	if len(p.sessions) > peerSessions {
		surplus = append(surplus, p.sessions[0])
	}
	if over := o.surplus(s); over != nil && !slices.Contains(surplus, over) {
		surplus = append(surplus, over)
	}
	s.start()
	o.mu.Unlock()
	for _, frame := range waiting {
		s.send(frame)
	}
	for _, old := range surplus {
		old.close()
	}
	return nil
}

// surplus returns the session that was dialed and has been used least, when there are too many; not those that make
// this router reachable, and not the new one.
func (o *Overlay) surplus(added *session) (least *session) {
	n := 0
	for _, s := range o.sessions {
		if !s.dialed {
			continue
		}
		if n++; n > pinned && s != added && (least == nil || s.used.Load() < least.used.Load()) {
			least = s
		}
	}
	if n <= o.config.MaxDialed {
		return nil
	}
	return least
}

// remove forgets a session that is over.
func (o *Overlay) remove(s *session) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sessions = slices.DeleteFunc(o.sessions, func(other *session) bool { return other == s })
	if p := o.peers[s.peer]; p != nil {
		p.sessions = slices.DeleteFunc(p.sessions, func(other *session) bool { return other == s })
	}
	for id, way := range o.ways {
		if way == s {
			delete(o.ways, id)
		}
	}
	if !s.dialed {
		o.accepts--
	}
}

// peer returns what is known of a router, which may be nothing yet.
func (o *Overlay) peer(id string) *peer {
	p := o.peers[id]
	if p == nil {
		p = new(peer)
		o.peers[id] = p
	}
	return p
}

// session returns the newest session with a neighbor; nil if there is none.
func (o *Overlay) session(id string) *session {
	if p := o.peers[id]; p != nil && len(p.sessions) > 0 {
		return p.sessions[len(p.sessions)-1]
	}
	return nil
}

// sweep closes what is not used any more.
func (o *Overlay) sweep() {
	ticker := time.NewTicker(15 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-o.ctx.Done():
			return
		case now := <-ticker.C:
			o.mu.Lock()
			var old []*session
			n := 0
			for _, s := range o.sessions {
				if s.dialed {
					if n++; n > pinned && now.Sub(time.Unix(0, s.used.Load())) > idle {
						old = append(old, s)
					}
				}
			}
			for id, p := range o.peers {
				if len(p.sessions) == 0 && p.dialing == nil && now.After(p.retry) {
					delete(o.peers, id)
				}
			}
			o.mu.Unlock()
			for _, s := range old {
				s.close()
			}
		}
	}
}

// Relays implements [Network].
func (o *Overlay) Relays() (ids []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range o.sessions {
		if s.dialed && len(ids) < maxRelays && !slices.Contains(ids, s.peer) {
			ids = append(ids, s.peer)
		}
	}
	slices.Sort(ids)
	return ids
}

// SendPacket implements [Network].
func (o *Overlay) SendPacket(to string, b []byte) bool {
	if len(to) > maxID {
		return false
	}
	frame := appendFrame(nil, maxHops, to, o.config.ID, b)
	return o.forward(to, frame, nil)
}

// forward sends a frame on its way: to a neighbor; to a member that can be dialed; through the relays of a member that
// cannot; the way that packets came from there; or, if this router is the first one, to any neighbor.
func (o *Overlay) forward(to string, frame []byte, from *session) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.receiver == nil {
		return false
	}
	if s := o.session(to); s != nil {
		return s.send(frame)
	}
	m, known := o.receiver.Member(to)
	if known && o.queue(m, frame) {
		return true
	}
	for _, id := range m.Relays {
		if id == o.config.ID || from != nil && id == from.peer {
			continue
		}
		if s := o.session(id); s != nil {
			return s.send(frame)
		}
		if relay, ok := o.receiver.Member(id); ok && o.queue(relay, frame) {
			return true
		}
	}
	if s := o.ways[to]; s != nil && s != from {
		return s.send(frame)
	}
	if from == nil && len(o.sessions) > 0 {
		return o.sessions[0].send(frame)
	}
	return false
}

// queue keeps a frame until a member is dialed. It returns false if that cannot be, or has failed the last time.
func (o *Overlay) queue(m Member, frame []byte) bool {
	if !m.Reachable() || m.ID == o.config.ID {
		return false
	}
	p := o.peer(m.ID)
	failed := p.wait > 0
	if !o.dial(p, m) || failed || len(p.waiting) >= dialQueue {
		return false
	}
	p.waiting = append(p.waiting, frame)
	return true
}

// dial begins to dial a member, unless somebody does. It returns false if it is too early for that, or too much.
func (o *Overlay) dial(p *peer, m Member) bool {
	if p.dialing != nil {
		return true
	}
	if o.config.Dial == nil || o.dials >= maxDials || o.closed || time.Now().Before(p.retry) {
		return false
	}
	o.dials++
	over := make(chan struct{})
	p.dialing = over
	o.wg.Go(func() {
		_, err := o.reach(o.ctx, m.Endpoints, m.ID)
		o.mu.Lock()
		defer o.mu.Unlock()
		o.dials--
		p.dialing = nil
		p.waiting = nil // after a success there are none
		close(over)
		if err != nil {
			p.wait = min(max(2*p.wait, redialMin), redialMax)
			p.retry = time.Now().Add(p.wait)
			if o.ctx.Err() == nil {
				o.log.printf(LevelDebug, "member %s cannot be dialed: %v", m.ID, err)
			}
		}
	})
	return true
}

// reach dials endpoints until one of them is the router that is expected.
func (o *Overlay) reach(ctx context.Context, endpoints []Endpoint, expected string) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, streamOpen)
	defer cancel()
	defer context.AfterFunc(o.ctx, cancel)()
	if o.config.Order != nil {
		endpoints = o.config.Order(endpoints)
	}
	return DialFirst(ctx, endpoints, func(ctx context.Context, e Endpoint) (*session, error) {
		c, err := o.config.Dial(ctx, e)
		if err != nil {
			return nil, err
		}
		return o.introduce(ctx, c, true, expected)
	}, (*session).close)
}

// DialSeed implements [Network].
func (o *Overlay) DialSeed(ctx context.Context, seed Endpoint) (net.Conn, error) {
	if o.config.Dial == nil {
		return nil, errors.New("this router does not dial")
	}
	var s *session
	err := net.ErrClosed
	done := make(chan struct{})
	if !o.spawn(func() { defer close(done); s, err = o.reach(ctx, []Endpoint{seed}, "") }) {
		return nil, net.ErrClosed
	}
	<-done
	if err != nil {
		return nil, err
	}
	return s.open(ctx, maxHops, s.peer, o.config.ID)
}

// DialStream implements [Network].
func (o *Overlay) DialStream(ctx context.Context, to string) (net.Conn, error) {
	return o.dialStream(ctx, maxHops, to, o.config.ID, nil)
}

// dialStream opens a stream to a router, for this router or for another one.
func (o *Overlay) dialStream(ctx context.Context, hops int, to, origin string, from *session) (net.Conn, error) {
	s, err := o.next(ctx, to, from)
	if err != nil {
		return nil, err
	}
	return s.open(ctx, hops, to, origin)
}

// next returns the session that leads to a router, in the order of forward.
func (o *Overlay) next(ctx context.Context, to string, from *session) (*session, error) {
	o.mu.Lock()
	if o.closed || o.receiver == nil {
		o.mu.Unlock()
		return nil, net.ErrClosed
	}
	s := o.session(to)
	m, _ := o.receiver.Member(to)
	o.mu.Unlock()
	if s != nil {
		return s, nil
	}
	if s := o.dialed(ctx, m); s != nil {
		return s, nil
	}
	for _, id := range m.Relays {
		if id == o.config.ID || from != nil && id == from.peer {
			continue
		}
		o.mu.Lock()
		s := o.session(id)
		relay, _ := o.receiver.Member(id)
		o.mu.Unlock()
		if s == nil {
			s = o.dialed(ctx, relay)
		}
		if s != nil {
			return s, nil
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if s := o.ways[to]; s != nil && s != from {
		return s, nil
	}
	if from == nil && len(o.sessions) > 0 {
		return o.sessions[0], nil
	}
	return nil, fmt.Errorf("there is no way to router %.127q", to)
}

// dialed dials a member and waits; nil if it cannot be dialed.
func (o *Overlay) dialed(ctx context.Context, m Member) *session {
	if !m.Reachable() || m.ID == o.config.ID {
		return nil
	}
	o.mu.Lock()
	p := o.peer(m.ID)
	ok := o.dial(p, m)
	over := p.dialing
	o.mu.Unlock()
	if !ok {
		return nil
	}
	select {
	case <-over:
	case <-ctx.Done():
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.session(m.ID)
}

// learnWay remembers through which neighbor packets of a member come.
func (o *Overlay) learnWay(origin string, s *session) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ways[origin] == s || o.closed {
		return
	}
	if _, known := o.receiver.Member(origin); known && (len(o.ways) < maxWays || o.ways[origin] != nil) {
		o.ways[origin] = s
	}
}
