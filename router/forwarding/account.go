package forwarding

import (
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/router/route"
)

// This file counts what is held to whoever causes it. Each endpoint counts to the account of its user: the
// authenticated identity, or the host that an anonymous peer comes from. Messages are counted apart from the state of
// connections, since reading and credit go by the messages alone.

const (
	// HeldMost is how many octets of messages, and of what goes with them, a connection of a client may hold. A message
	// beyond that is released, or dropped if it is settled. Reading goes on: credit may stand behind the messages.
	HeldMost = 8 << 20
	// userMost is the same for all connections of a user together.
	userMost = 32 << 20
	// HeldLeast is what each connection may hold, however much the others of its user do.
	HeldLeast = 64 << 10
	// linkCost is about what a link takes, besides its state in the engine.
	linkCost = 1 << 10
	// chargeStep is how far the charge of an endpoint's state may be from the truth, in octets.
	chargeStep = 4 << 10
	// repliesOfConn, repliesOfUser and repliesMost bound the octets of management replies that wait for their
	// receivers, by who has asked. More requests are not taken until some have gone. A reply has at most some
	// megabytes.
	repliesOfConn = 1 << 20
	repliesOfUser = 8 << 20
	repliesMost   = 32 << 20
)

// Account is what the connections of one user hold. An account lives as long as one of them is open, or anything is
// held. Its methods may be called concurrently.
type Account struct {
	key      string
	messages *buf.Total
	state    *buf.Total
	replies  atomic.Int64
	conns    int // guarded by Accounts.mu
	turns    Turns
}

// Turns are what the connections of one user may do at a time of what is long: they leave a processor to others.
type Turns chan struct{}

// Take waits for a turn. Nil, for no user, does not wait.
func (t Turns) Take() {
	if t != nil {
		t <- struct{}{}
	}
}

// Give gives the turn back.
func (t Turns) Give() {
	if t != nil {
		<-t
	}
}

// UserTurns returns the turns that a reader takes one of when what it has read takes long.
func (c *Endpoint) UserTurns() Turns {
	if a := c.account.Load(); a != nil {
		return a.turns
	}
	return nil
}

// Held is how many octets are held, of messages and of state.
func (a *Account) Held() (messages, state int64) { return a.messages.Held(), a.state.Held() }

func (a *Account) sum() int64 { return a.messages.Held() + a.state.Held() + a.replies.Load() }

// Accounts are those of all users.
type Accounts struct {
	mu    sync.Mutex // a leaf
	byKey map[string]*Account
}

// open returns the account of a user for one more connection.
func (s *Accounts) open(key string, o *Overload) *Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.byKey[key]
	if a == nil {
		if s.byKey == nil {
			s.byKey = make(map[string]*Account)
		}
		a = &Account{key: key, turns: make(Turns, max(1, runtime.GOMAXPROCS(0)-1)),
			messages: buf.NewTotal(&o.Clients), state: buf.NewTotal(&o.State)}
		s.byKey[key] = a
	}
	a.conns++
	return a
}

// close says that a connection of a user is over.
func (s *Accounts) close(a *Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.conns--; a.conns == 0 && a.sum() == 0 {
		delete(s.byKey, a.key)
	}
}

// Largest returns the account that holds the most, nil when nothing is held, and lets go of those that hold nothing.
func (s *Accounts) Largest() (largest *Account, held int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, a := range s.byKey {
		switch sum := a.sum(); {
		case sum > held:
			largest, held = a, sum
		case sum == 0 && a.conns == 0:
			delete(s.byKey, key)
		}
	}
	return largest, held
}

// IsLarge reports whether the user with a key holds more than a fair share.
func (s *Accounts) IsLarge(key string, o *Overload) bool {
	s.mu.Lock()
	a := s.byKey[key]
	s.mu.Unlock()
	return a != nil && o.isLarge(a)
}

// HostKey is the key of the account of anonymous peers: the host of an address, of IPv6 its /64.
func HostKey(remote string) string {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return "host:" + remote
	}
	ip := at.Addr().Unmap()
	if ip.Is6() {
		if p, err := ip.WithZone("").Prefix(64); err == nil {
			return "host:" + p.String()
		}
	}
	return "host:" + ip.String()
}

// OpenAccount begins to count to the account of the peer's host. It is called before anything is held.
func (c *Endpoint) OpenAccount() {
	if c.Terms.Role == RoleInterRouter {
		c.Meter = buf.NewMeter(&c.Plane.Overload.routers)
		return
	}
	a := c.Plane.Accounts.open(HostKey(c.Remote), c.Plane.Overload)
	c.account.Store(a)
	c.Meter, c.state = buf.NewMeter(a.messages), buf.NewMeter(a.state)
}

// moveAccount goes on counting to the account of the user that the peer has proved to be.
func (c *Endpoint) moveAccount(user string) {
	before := c.account.Load()
	if before == nil || user == "" {
		return
	}
	a := c.Plane.Accounts.open("user:"+user, c.Plane.Overload)
	c.account.Store(a)
	c.Meter.Move(a.messages)
	c.state.Move(a.state)
	c.Plane.Accounts.close(before)
}

// CloseAccount ends the counting. What messages of the connection hold stays counted until they are over.
func (c *Endpoint) CloseAccount() {
	if c.account.Load() == nil {
		return
	}
	c.state.Add(-c.charged)
	c.charged = 0
	c.Plane.Accounts.close(c.account.Load())
}

// charge counts what the endpoint's state takes now. The mutex is held.
func (c *Endpoint) charge() {
	if c.Engine == nil || c.state == nil || c.Near.Gone.Load() {
		return
	}
	_, links := c.Engine.Counts()
	n := c.Engine.Footprint() + c.Engine.Unsent() + int(c.Inbox.octets.Load()) + links*linkCost
	if d := n - c.charged; d >= chargeStep || d <= -chargeStep {
		c.state.Add(d)
		c.charged = n
	}
}

// isOver reports whether the connection would hold too much with some octets more. A message that alone takes too much
// may be held all the same, when nothing else is.
func (c *Endpoint) isOver(more int) bool {
	if c.account.Load() == nil {
		return false
	}
	held := c.Meter.Held()
	if held+int64(more) > HeldMost && (held > HeldLeast || more == 0) {
		return true
	}
	return c.account.Load().messages.Held() > userMost && held+int64(more) > HeldLeast
}

// blocks reports whether nothing that comes on an incoming link may be dropped, though it is settled: its sender has to
// wait before it is read.
func (l *Link) blocks() bool { return l.Address != nil && l.Address.Presettled == route.Block }

// MustWait reports whether what the peer sends has to wait before it is read: a message that is passed on already, or
// may not be dropped, cannot be given back. The mutex is held.
func (c *Endpoint) MustWait() bool {
	return slices.ContainsFunc(c.Links, func(l *Link) bool {
		return l != nil && !l.Outgoing &&
			(l.Receiving != nil && l.Receiving.Stage != StageComing || l.InHand > 0 && l.blocks())
	})
}

// refuseOver gives back a delivery that would be too much. Its link gets no credit for a moment.
func (c *Endpoint) refuseOver(d *Delivery) {
	l := d.Link
	c.Undeliverable(d)
	if l != nil && !l.Node {
		c.rest(l)
	}
}

// MayAsk reports whether a management request of the connection may be answered now. It may not while too many octets
// of replies wait, which the connection or its user has asked for.
func (c *Endpoint) MayAsk() bool {
	waiting := c.replies.Load()
	switch {
	case waiting == 0 && c.account.Load() == nil:
		return true
	case waiting > repliesOfConn:
		return false
	case c.account.Load() == nil: // another router's: whoever is behind it
		return waiting < repliesOfUser && c.Plane.replies.Load() < repliesMost
	}
	user := c.account.Load().replies.Load()
	return user == 0 || user < repliesOfUser && c.Plane.replies.Load() < repliesMost
}

// asked counts octets of a reply to a request that came over the connection, or those of one that is over.
func (c *Endpoint) asked(octets int) {
	c.replies.Add(int64(octets))
	c.Plane.replies.Add(int64(octets))
	if c.account.Load() != nil {
		c.account.Load().replies.Add(int64(octets))
	}
}

// Holds is how many octets the connection holds, of messages and of state. It takes no lock.
func (c *Endpoint) Holds() (messages, state int64) {
	if c.account.Load() == nil {
		return c.Meter.Held(), 0
	}
	return c.Meter.Held(), c.state.Held()
}

// IsOf reports whether the connection counts to an account.
func (c *Endpoint) IsOf(a *Account) bool { return c.account.Load() == a }
