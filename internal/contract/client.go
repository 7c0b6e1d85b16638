package contract

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// T is what a client needs of the test that uses it: Stop ends it, as what it waited for did not come, and Wait is how
// long it may wait.
type T interface {
	Helper()
	Stop(format string, args ...any)
	Wait() time.Duration
}

// Client is an AMQP peer that speaks in frames, with one session. A goroutine reads what the router says, and answers
// what has to be answered: detach, end, close, and drain, by giving back the credit. Another one keeps the connection
// alive.
type Client struct {
	Open *wire.Open // the router's; nil before it came

	t    T
	name string
	nc   net.Conn

	writing sync.Mutex // held while frames are written; after mu

	mu       sync.Mutex
	changed  chan struct{} // closed and renewed whenever something has arrived
	err      error         // why nothing more arrives
	closed   *wire.Close
	begun    map[uint16]bool   // channels whose begin was answered
	channels map[uint16]uint16 // the router's channels: those of this side
	ended    *wire.End         // of the session
	syncs    int               // ends of the channel for sync
	links    []*Link           // by the handle of this side
	theirs   map[uint32]*Link  // by the router's handle
	sent     []*Sent           // by delivery-id
	broken   []string          // rules of the protocol or of the contract that the router broke
	out, in  uint32            // transfers sent and received
	window   uint64            // transfers that the router takes, from its first on
	base     uint32            // next-outgoing-id of the router's begin
}

// Link is a link of a client.
type Link struct {
	Name   string
	Handle uint32
	Answer *wire.Attach // nil before it came
	Detach *wire.Detach // the router's, nil before it came

	c        *Client
	remote   uint32
	role     wire.Role
	credit   uint32      // a sender's; or what a receiver has granted and not used
	most     uint32      // largest credit that a sender had
	count    uint32      // delivery-count
	drains   int         // drains of a sender's credit
	leaving  bool        // this side detached first
	settling *wire.State // a receiver's outcome for everything that comes, nil if it waits to be told
	got      []*Received
	taken    int // of got
}

// Sent is a delivery that a client sent.
type Sent struct {
	ID      uint32
	link    *Link
	state   wire.State
	known   bool // it has an outcome
	settled bool // and was settled with it
}

// Received is a delivery that a client got.
type Received struct {
	ID      uint32
	Settled bool
	Payload []byte
	Aborted bool
	done    bool
	over    bool // the router has settled it
}

// frameSize is the max-frame-size that clients announce, in octets.
const frameSize = 64 << 10

// Dial connects to a router, opens the connection and begins a session.
func Dial(t T, name, url string) (*Client, error) {
	nc, err := net.Dial("tcp", strings.TrimPrefix(url, "amqp://"))
	if err != nil {
		return nil, err
	}
	c := &Client{t: t, name: name, nc: nc, changed: make(chan struct{}), theirs: make(map[uint32]*Link),
		begun: make(map[uint16]bool), channels: make(map[uint16]uint16)}
	go c.read()
	c.Send(wire.HeaderAMQP, &wire.Open{ContainerID: name, MaxFrameSize: frameSize, ChannelMax: 10}, c.begin())
	c.await("the session begins", func() bool { return c.begun[0] })
	if c.Open.IdleTimeOut > 0 {
		go c.keepAlive(time.Duration(c.Open.IdleTimeOut) * time.Millisecond / 2)
	}
	return c, nil
}

// keepAlive sends empty frames until the connection has ended [2.4.5].
func (c *Client) keepAlive(period time.Duration) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for range ticker.C {
		c.mu.Lock()
		ended := c.err != nil
		c.mu.Unlock()
		if ended {
			return
		}
		c.Send(amqptest.Empty)
	}
}

// begin is what begins a session.
func (c *Client) begin() *wire.Begin {
	return &wire.Begin{IncomingWindow: window, OutgoingWindow: window, HandleMax: 1 << 10}
}

// window is how many transfers a client takes; it is never a limit.
const window = 1 << 30

// Send writes protocol headers, performatives (on channel 0), frames and raw octets. When the router has closed the
// connection, it is a wait that fails, not the sending.
func (c *Client) Send(what ...any) {
	var b []byte
	for _, x := range what {
		b = amqptest.Encode(b, x)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	c.nc.SetWriteDeadline(time.Now().Add(c.t.Wait()))
	c.nc.Write(b)
}

// Cut closes the connection as a crash does: the router gets no close.
func (c *Client) Cut() { c.nc.Close() }

// read takes in what the router says until the connection ends.
func (c *Client) read() {
	var b []byte
	for {
		what, n, err := amqptest.Decode(b, frameSize)
		if err == nil && n > 0 {
			b = b[n:]
			c.take(what)
			continue
		}
		if err == nil {
			b = slices.Grow(b, 64<<10)
			n, err = c.nc.Read(b[len(b):cap(b)])
			b = b[:len(b)+n]
			if n > 0 {
				continue
			}
		} else {
			err = fmt.Errorf("cannot be decoded: %w", err)
		}
		c.mu.Lock()
		c.err = err
		c.wake()
		c.mu.Unlock()
		return
	}
}

// wake lets whoever waits look again. The mutex is held.
func (c *Client) wake() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// take takes one frame or protocol header.
func (c *Client) take(what any) {
	c.mu.Lock()
	answer := c.handle(what)
	c.wake()
	c.mu.Unlock()
	if len(answer) > 0 {
		c.Send(answer...)
	}
}

// handle notes what came and returns what is to be answered.
func (c *Client) handle(what any) (answer []any) {
	f, ok := what.(amqptest.Frame)
	if !ok {
		return nil // a protocol header
	}
	switch x := f.Body.(type) {
	case *wire.Open:
		c.Open = x
	case *wire.Begin:
		c.begun[x.RemoteChannel], c.channels[f.Channel] = true, x.RemoteChannel
		if x.RemoteChannel == 0 {
			c.base, c.window = x.NextOutgoingID, uint64(x.IncomingWindow)
		}
	case *wire.Attach:
		c.attached(x)
	case *wire.Flow:
		return c.flow(x)
	case *wire.Transfer:
		return c.transfer(x, f.Payload)
	case *wire.Disposition:
		c.disposition(x)
	case *wire.Detach:
		return c.detached(x)
	case *wire.End:
		if c.channels[f.Channel] != 0 {
			c.syncs++
		} else if c.ended == nil {
			c.ended = x
			return []any{&wire.End{}}
		}
	case *wire.Close:
		c.closed = x
		return []any{&wire.Close{}}
	}
	return nil
}

func (c *Client) attached(x *wire.Attach) {
	for _, l := range c.links {
		if l.Name == x.Name && l.role != x.Role && l.Answer == nil {
			l.Answer, l.remote = x, x.Handle
			c.theirs[x.Handle] = l
			return
		}
	}
	c.broken = append(c.broken, fmt.Sprintf("an attach that nobody asked for: %+v", x))
}

func (c *Client) detached(x *wire.Detach) (answer []any) {
	l := c.theirs[x.Handle]
	if l == nil {
		c.broken = append(c.broken, fmt.Sprintf("a detach of no link: %+v", x))
		return nil
	}
	delete(c.theirs, x.Handle)
	l.Detach = x
	if !l.leaving {
		answer = []any{&wire.Detach{Handle: l.Handle, Closed: true}}
	}
	return answer
}

// flow takes credit, and gives back what is left of it when the router drains.
func (c *Client) flow(x *wire.Flow) (answer []any) {
	c.window = uint64(x.NextIncomingID) + uint64(x.IncomingWindow)
	if !x.HasHandle {
		return nil
	}
	l := c.theirs[x.Handle]
	if l == nil || l.role != wire.RoleSender {
		return nil
	}
	l.credit = x.DeliveryCount + x.LinkCredit - l.count
	if !x.HasDeliveryCount { // the router has not seen the attach yet: [2.6.7] counts from the initial count
		l.credit = x.LinkCredit - l.count
	}
	l.most = max(l.most, l.credit)
	if !x.Drain {
		return nil
	}
	l.drains++
	l.count += l.credit
	l.credit = 0
	return []any{c.linkFlow(l, true)}
}

// linkFlow is a flow with the state of a link. The mutex is held.
func (c *Client) linkFlow(l *Link, drain bool) *wire.Flow {
	return &wire.Flow{NextIncomingID: c.base + c.in, HasNextIncomingID: true, IncomingWindow: window,
		NextOutgoingID: c.out, OutgoingWindow: window, Handle: l.Handle, HasHandle: true,
		DeliveryCount: l.count, HasDeliveryCount: true, LinkCredit: l.credit, HasLinkCredit: true, Drain: drain}
}

func (c *Client) transfer(x *wire.Transfer, payload string) (answer []any) {
	c.in++
	l := c.theirs[x.Handle]
	if l == nil || l.role != wire.RoleReceiver {
		c.broken = append(c.broken, fmt.Sprintf("a transfer on no receiver: %+v", x))
		return nil
	}
	var r *Received
	if n := len(l.got); n > 0 && !l.got[n-1].done {
		r = l.got[n-1]
	} else {
		r = &Received{ID: x.DeliveryID}
		l.got = append(l.got, r)
		if l.credit == 0 {
			c.broken = append(c.broken, fmt.Sprintf("a delivery without credit: %+v", x))
		} else {
			l.credit--
		}
		l.count++
	}
	r.Settled = r.Settled || x.Settled
	r.Payload = append(r.Payload, payload...)
	r.Aborted = x.Aborted
	r.done = x.Aborted || !x.More
	if r.done && !r.Settled && l.settling != nil {
		answer = []any{&wire.Disposition{Role: wire.RoleReceiver, First: r.ID, Last: r.ID, Settled: true,
			State: *l.settling}}
	}
	return answer
}

// disposition notes outcomes. A delivery has exactly one.
func (c *Client) disposition(x *wire.Disposition) {
	if x.Role == wire.RoleSender {
		c.settledBySender(x)
		return
	}
	if !x.Settled && !x.State.Terminal() {
		return
	}
	for id := x.First; id-x.First <= x.Last-x.First; id++ {
		if int(id) >= len(c.sent) {
			c.broken = append(c.broken, fmt.Sprintf("an outcome of a delivery that never was: %+v", x))
			return
		}
		s := c.sent[id]
		if s.settled || s.known && s.state.Kind != x.State.Kind {
			c.broken = append(c.broken, fmt.Sprintf("delivery %d has two outcomes: %s and %s", id, Words(s.state),
				Words(x.State)))
		}
		s.state, s.known, s.settled = x.State.Clone(), true, x.Settled
	}
}

// settledBySender notes what the router has settled of what it sent.
func (c *Client) settledBySender(x *wire.Disposition) {
	for _, l := range c.links {
		for _, r := range l.got {
			if x.Settled && r.ID-x.First <= x.Last-x.First {
				r.over = true
			}
		}
	}
}

// await waits until a condition holds, which is looked at with the mutex held.
func (c *Client) await(why string, holds func() bool) {
	c.t.Helper()
	limit := time.NewTimer(c.t.Wait())
	defer limit.Stop()
	for {
		c.mu.Lock()
		ok, err, closed, changed := holds(), c.err, c.closed, c.changed
		c.mu.Unlock()
		switch {
		case ok:
			return
		case closed != nil && closed.Error != nil:
			c.t.Stop("connection closed with %s (%s)", closed.Error.Condition, why)
			return
		case err != nil:
			c.t.Stop("connection lost (%s)", why)
			return
		}
		select {
		case <-changed:
		case <-limit.C:
			c.t.Stop("nothing within %v (%s)", c.t.Wait(), why)
			return
		}
	}
}

// AwaitEnd waits until the router has closed the connection, or it is lost, and returns the close.
func (c *Client) AwaitEnd() *wire.Close {
	c.t.Helper()
	c.await("the connection ends", func() bool { return c.closed != nil || c.err != nil })
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// Sync proves that the router has handled everything sent so far, and said what it had to say at once: another session
// begins and ends.
func (c *Client) Sync() {
	c.t.Helper()
	const channel = 1
	c.mu.Lock()
	c.begun[channel] = false
	syncs := c.syncs
	c.mu.Unlock()
	c.Send(amqptest.On(channel, c.begin()))
	c.await("another session begins", func() bool { return c.begun[channel] })
	c.Send(amqptest.On(channel, &wire.End{}))
	c.await("another session ends", func() bool { return c.syncs > syncs })
}

// link attaches a link and waits for the answer.
func (c *Client) link(a *wire.Attach) *Link {
	c.t.Helper()
	c.mu.Lock()
	l := &Link{c: c, Handle: uint32(len(c.links)), role: a.Role}
	l.Name = fmt.Sprintf("%s-%d", c.name, l.Handle)
	c.links = append(c.links, l)
	c.mu.Unlock()
	a.Name, a.Handle = l.Name, l.Handle
	if a.SndSettleMode == 0 {
		a.SndSettleMode = wire.SenderMixed
	}
	c.Send(a)
	c.await("the attach is answered", func() bool { return l.Answer != nil })
	return l
}

// Sender attaches a sender; without an address it is an anonymous one.
func (c *Client) Sender(address string) *Link {
	c.t.Helper()
	return c.link(&wire.Attach{Role: wire.RoleSender, HasInitialDelivery: true,
		Source: &wire.Source{ExpiryPolicy: wire.SessionEnd},
		Target: &wire.Target{Address: address, HasAddress: address != "", ExpiryPolicy: wire.SessionEnd}})
}

// Receiver attaches a receiver and grants credit.
func (c *Client) Receiver(address string, credit uint32) *Link {
	c.t.Helper()
	l := c.link(&wire.Attach{Role: wire.RoleReceiver, Target: &wire.Target{ExpiryPolicy: wire.SessionEnd},
		Source: &wire.Source{Address: address, HasAddress: true, ExpiryPolicy: wire.SessionEnd}})
	if credit > 0 {
		l.Grant(credit)
	}
	return l
}

// Grant gives the router more credit.
func (l *Link) Grant(credit uint32) {
	l.c.mu.Lock()
	l.credit += credit
	flow := l.c.linkFlow(l, false)
	l.c.mu.Unlock()
	l.c.Send(flow)
}

// Leave detaches the link and waits for the answer.
func (l *Link) Leave() {
	l.c.t.Helper()
	l.c.mu.Lock()
	l.leaving = true
	l.c.mu.Unlock()
	l.c.Send(&wire.Detach{Handle: l.Handle, Closed: true})
	l.c.await("the detach is answered", func() bool { return l.Detach != nil })
}

// Credit is what a sender has at the moment.
func (l *Link) Credit() uint32 {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	return l.credit
}

// Drains counts how often the router took a sender's credit back.
func (l *Link) Drains() int {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	return l.drains
}

// Most is the largest credit that a sender had.
func (l *Link) Most() uint32 {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	return l.most
}

// AwaitCredit waits until a sender may send.
func (l *Link) AwaitCredit() {
	l.c.t.Helper()
	l.c.await("a sender gets credit", func() bool { return l.credit > 0 })
}

// AwaitDrain waits until a sender's credit was taken back.
func (l *Link) AwaitDrain() {
	l.c.t.Helper()
	l.c.await("the credit is taken back", func() bool { return l.drains > 0 })
}

// AwaitDetach waits until the router has detached the link, and says with which condition.
func (l *Link) AwaitDetach() string {
	l.c.t.Helper()
	l.c.await("the link is detached", func() bool { return l.Detach != nil })
	if l.Detach.Error == nil {
		return "detached"
	}
	return "detached: " + string(l.Detach.Error.Condition)
}

// Deliver sends a message, in as many frames as it takes, once there is credit.
func (l *Link) Deliver(payload string, settled bool) *Sent {
	l.c.t.Helper()
	l.AwaitCredit()
	s := l.Begin(payload, settled, false)
	return s
}

// room is what a transfer takes of a frame beside its payload, at most, in octets.
const room = 128

// Begin sends the first frames of a message, without looking at the credit; more says that others will follow.
func (l *Link) Begin(payload string, settled, more bool) *Sent {
	l.c.t.Helper()
	l.c.mu.Lock()
	s := &Sent{ID: uint32(len(l.c.sent)), link: l}
	l.c.sent = append(l.c.sent, s)
	l.count++
	l.credit--
	l.c.mu.Unlock()
	x := wire.Transfer{Handle: l.Handle, DeliveryID: s.ID, HasDeliveryID: true, HasMessageFormat: true,
		DeliveryTag: fmt.Appendf(nil, "%d", s.ID), Settled: settled, HasSettled: true}
	s.frames(x, payload, more)
	return s
}

// More sends more frames of a message that was begun; more says that still others will follow.
func (s *Sent) More(payload string, more bool) {
	s.link.c.t.Helper()
	s.frames(wire.Transfer{Handle: s.link.Handle}, payload, more)
}

// Abort ends a message that was begun.
func (s *Sent) Abort() { s.link.c.Send(&wire.Transfer{Handle: s.link.Handle, Aborted: true}) }

func (s *Sent) frames(x wire.Transfer, payload string, more bool) {
	s.link.c.t.Helper()
	c := s.link.c
	for first := true; first || payload != ""; first = false {
		c.await("the session's window opens", func() bool { return uint64(c.out) < c.window })
		n := min(int(min(frameSize, c.Open.MaxFrameSize))-room, len(payload))
		x.More = more || n < len(payload)
		c.mu.Lock()
		c.out++
		c.mu.Unlock()
		c.Send(amqptest.Transfer(x, payload[:n]))
		payload = payload[n:]
		x = wire.Transfer{Handle: x.Handle, Settled: x.Settled, HasSettled: x.HasSettled}
	}
}

// Outcome waits for the outcome of a delivery and returns it in words.
func (s *Sent) Outcome() string {
	s.link.c.t.Helper()
	s.link.c.await("an outcome", func() bool { return s.known })
	s.link.c.mu.Lock()
	defer s.link.c.mu.Unlock()
	return Words(s.state)
}

// Known reports whether the delivery has an outcome.
func (s *Sent) Known() bool {
	s.link.c.mu.Lock()
	defer s.link.c.mu.Unlock()
	return s.known
}

// Next waits for the next delivery, whole or aborted.
func (l *Link) Next() *Received {
	l.c.t.Helper()
	l.c.await("a delivery", func() bool { return len(l.got) > l.taken && l.got[l.taken].done })
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	l.taken++
	return l.got[l.taken-1]
}

// AwaitBegin waits until some of the next delivery has come.
func (l *Link) AwaitBegin() {
	l.c.t.Helper()
	l.c.await("a delivery begins", func() bool { return len(l.got) > l.taken && len(l.got[l.taken].Payload) > 0 })
}

// AwaitCount waits until so many deliveries have come in all, whole or aborted.
func (l *Link) AwaitCount(count int) {
	l.c.t.Helper()
	l.c.await(fmt.Sprintf("%d deliveries", count), func() bool { return len(l.got) >= count && l.got[count-1].done })
}

// Count is how many deliveries have come in all.
func (l *Link) Count() int {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	return len(l.got)
}

// Settle gives a delivery an outcome.
func (l *Link) Settle(r *Received, state wire.State) {
	l.c.Send(&wire.Disposition{Role: wire.RoleReceiver, First: r.ID, Last: r.ID, Settled: true, State: state})
}

// SettleAll gives everything that comes from now on an outcome.
func (l *Link) SettleAll(state wire.State) {
	l.c.mu.Lock()
	l.settling = &state
	l.c.mu.Unlock()
}

// Accept takes the next delivery and accepts it, unless that was done as it came.
func (l *Link) Accept() *Received {
	l.c.t.Helper()
	r := l.Next()
	if !r.Settled && l.settling == nil {
		l.Settle(r, accepted)
	}
	return r
}

// Broken returns what the router did against the rules.
func (c *Client) Broken() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broken
}

var (
	accepted = wire.State{Kind: wire.StateAccepted}
	released = wire.State{Kind: wire.StateReleased}
)

// Words returns an outcome in words.
func Words(s wire.State) string {
	switch s.Kind {
	case wire.StateNone:
		return "settled without an outcome"
	case wire.StateAccepted:
		return "accepted"
	case wire.StateReleased:
		return "released"
	case wire.StateRejected:
		if e := s.RejectedError(); e != nil {
			return "rejected " + string(e.Condition)
		}
		return "rejected"
	case wire.StateModified:
		failed, undeliverable, _, err := s.Modified()
		text := "modified"
		if failed {
			text += " delivery-failed"
		}
		if undeliverable {
			text += " undeliverable-here"
		}
		if err != nil {
			text += " " + err.Error()
		}
		return text
	}
	return fmt.Sprintf("state %d", s.Kind)
}
