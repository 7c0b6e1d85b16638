package router

import (
	"errors"
	"fmt"
	"testing"

	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/route"
)

// attachAs attaches a link of a neighbor with a name, a handle and a capability.
func (p *raw) attachAs(name string, handle uint32, role wire.Role, capability wire.Symbol) {
	p.t.Helper()
	a := forwarding.RouterAttach(capability)
	a.Name, a.Handle, a.Role, a.HasInitialDelivery = name, handle, role, role == wire.RoleSender
	p.send(a)
	p.attached(handle)
}

// detachOwn detaches a link of this side and waits for the answer.
func (p *raw) detachOwn(handle uint32) {
	p.t.Helper()
	p.send(&wire.Detach{Handle: handle, Closed: true})
	want(p, "a detach is answered", func(x *wire.Detach) bool { return x.Handle == p.theirs[handle] })
}

// hello waits for a control message on a link of the router.
func (p *raw) hello(handle uint32) {
	p.t.Helper()
	want(p, "a HELLO comes on the control link", func(x *wire.Transfer) bool { return x.Handle == p.theirs[handle] })
}

func TestNeighborMayAttachItsControlLinkAgain(t *testing.T) {
	t.Parallel()
	r := chain(t, 1).node("A")
	p := neighbor(t, r, "X")
	p.hello(0)
	for again := range 3 {
		p.detachOwn(0)
		eventually(t, "the neighbor is gone", func() error { return neighbors(r, 0) })
		p.queue = nil // what came before
		p.attachAs(fmt.Sprintf("again-%d", again), 0, wire.RoleReceiver, forwarding.CapabilityControl)
		p.grant(0, 0, 250)
		p.hello(0)
	}
}

// TestNeighborMayAttachItsNextControlLinkFirst has two of them for a while.
func TestNeighborMayAttachItsNextControlLinkFirst(t *testing.T) {
	t.Parallel()
	r := chain(t, 1).node("A")
	p := neighbor(t, r, "X")
	p.hello(0)
	p.attachAs("next", 9, wire.RoleReceiver, forwarding.CapabilityControl)
	p.grant(9, 0, 250)
	p.detachOwn(0)
	p.hello(9)
	if err := neighbors(r, 1); err != nil {
		t.Error(err)
	}
}

// neighbors tells whether a router speaks to so many.
func neighbors(r *Router, count int) error {
	r.control.Mu.Lock()
	defer r.control.Mu.Unlock()
	if got := len(r.control.Neighbors); got != count {
		return fmt.Errorf("%d neighbors, not %d", got, count)
	}
	return nil
}

func TestDataLinkThatIsAttachedAgainHasThePriorityOfTheOneBefore(t *testing.T) {
	t.Parallel()
	r := chain(t, 1).node("A")
	p := neighbor(t, r, "X")
	c := connOf(t, r, "X")
	p.attachAs("to-me", 3, wire.RoleReceiver, forwarding.CapabilityData)
	for again := range 2 * route.Priorities {
		p.detachOwn(2)
		p.attachAs(fmt.Sprintf("from-me-%d", again), 2, wire.RoleSender, forwarding.CapabilityData)
		p.detachOwn(3)
		p.attachAs(fmt.Sprintf("to-me-%d", again), 3, wire.RoleReceiver, forwarding.CapabilityData)
	}
	c.Mu.Lock()
	defer c.Mu.Unlock()
	for _, l := range c.Links {
		if l != nil && (l.Kind == forwarding.LinkStream || l.Priority != 0) {
			t.Errorf("link %q carries streams or has priority %d", l.Name, l.Priority)
		}
	}
	if l := c.Near.Link(0); l == nil || l.Dead.Load() || c.Streams.Get() != nil {
		t.Error("messages of priority 0 have no link")
	}
}

func TestLinkThatEndsWhileItsSessionIsBlockedIsForgotten(t *testing.T) {
	t.Parallel()
	r := alone(t).node("A")
	p := rawOpen(t, r, &wire.Open{ContainerID: "blocked", MaxFrameSize: 64 << 10, ChannelMax: 100})
	p.send(&wire.Begin{IncomingWindow: 0, OutgoingWindow: 9, HandleMax: 1 << 16})
	want[*wire.Begin](p, "begin is answered")
	c := connOf(t, r, "blocked")
	s := connect(t, r).sender("", nil)
	const count = 20
	for handle := range uint32(count) {
		address := fmt.Sprintf("closest/blocked%d", handle)
		p.attachReceiver(handle, address, 0)
		p.send(&wire.Flow{IncomingWindow: 0, OutgoingWindow: 9, Handle: handle, HasHandle: true,
			HasDeliveryCount: true, LinkCredit: 10, HasLinkCredit: true})
		s.begin(to(address, text("x")))
	}
	blocked := func(count int) error {
		c.Mu.Lock()
		defer c.Mu.Unlock()
		for i, l := range c.Turns.Blocked {
			if l.Dead.Load() || !l.Blocked || l.BlockedAt != i {
				return fmt.Errorf("%q should not be there", l.Name)
			}
		}
		if len(c.Turns.Blocked) != count {
			return fmt.Errorf("%d links wait for the window, not %d", len(c.Turns.Blocked), count)
		}
		return nil
	}
	eventually(t, "all links wait", func() error { return blocked(count) })
	for n, handle := range []uint32{7, 0, 19, 3} { // in the middle, the first, the last
		p.detachOwn(handle)
		if err := blocked(count - n - 1); err != nil {
			t.Fatal(err)
		}
	}
	p.send(&wire.Flow{IncomingWindow: 100, OutgoingWindow: 9})
	for range count - 4 {
		want[*wire.Transfer](p, "the others go on")
	}
}

// TestMessageOfALinkThatIsGoneTakesNoStream forwards one again whose sender is gone: nobody would give the stream back.
func TestMessageOfALinkThatIsGoneTakesNoStream(t *testing.T) {
	t.Parallel()
	r := idleRouter(t)
	c, to := idleConn(r), idleConn(r)
	data := (&forwarding.Link{End: to, Outgoing: true, Kind: forwarding.LinkData, ID: engine.None}).Own()
	to.Near.Use(data.Face())
	l := &forwarding.Link{End: c, ID: engine.None}
	l.Dead.Store(true)
	d := c.NewDelivery()
	d.Link = l
	if got := c.InterRouterLink(d, to); got != data {
		t.Errorf("it goes to %+v", got)
	}
	if len(l.Streams) != 0 {
		t.Error(errors.New("the link that is gone has a stream"))
	}
}
