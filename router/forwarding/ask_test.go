package forwarding_test

import (
	"fmt"
	"testing"

	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/router/forwarding"
)

// node is an endpoint without a connection, as the management agent has one.
func (w *world) node() *forwarding.Endpoint {
	return forwarding.NewEndpoint(&forwarding.Endpoint{Plane: w.plane, Terms: new(forwarding.Terms), Began: w.now,
		Driver: &peer{w: w}})
}

// reply makes a reply of a size that a peer has asked for. The caller ends it.
func (p *peer) reply(node *forwarding.Endpoint, size int) (end func()) {
	d := node.NewDelivery()
	d.Link = &forwarding.Link{End: node, Node: true, ID: engine.None}
	d.Size = size
	d.AskedBy(p.e)
	return func() { d.Drop(true) }
}

// TestWhoHasManyRepliesWaitingMayNotAsk fills the bounds of a connection, of a user and of the router, one after the
// other.
func TestWhoHasManyRepliesWaitingMayNotAsk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	node := w.node()
	const conns = forwarding.RepliesOfUser / forwarding.RepliesOfConn
	var ends []func()
	user := func(name string) (last *peer) {
		for i := range conns {
			p := w.join(&forwarding.Terms{}, fmt.Sprintf("192.0.2.%d:1", i), name)
			if !p.e.MayAsk() {
				t.Errorf("connection %d of user %s may not ask, and has no reply waiting", i, name)
			}
			ends = append(ends, p.reply(node, forwarding.RepliesOfConn))
			if may := p.e.MayAsk(); may != (i < conns-1) {
				t.Errorf("with %d octets of the connection and %d MiB of user %s it may ask: %v", forwarding.RepliesOfConn,
					i+1, name, may)
			}
			last = p
		}
		return last
	}
	first := user("u")
	one := w.join(&forwarding.Terms{}, "192.0.2.99:1", "one")
	end := one.reply(node, forwarding.RepliesOfConn+1)
	if one.e.MayAsk() {
		t.Error("a connection with more than its bound of replies may ask")
	}
	if end(); !one.e.MayAsk() {
		t.Error("it may not when they are over")
	}
	for i := 1; i < forwarding.RepliesMost/forwarding.RepliesOfUser; i++ {
		user(fmt.Sprint("u", i))
	}
	newcomer, router := w.join(&forwarding.Terms{}, "192.0.2.98:1", "new"),
		w.join(&forwarding.Terms{Role: forwarding.RoleInterRouter}, "192.0.2.97:1", "")
	if !newcomer.e.MayAsk() || !router.e.MayAsk() {
		t.Error("with all of the router's bound used by others, who has nothing waiting may not ask")
	}
	ends = append(ends, newcomer.reply(node, 1), router.reply(node, 1))
	if newcomer.e.MayAsk() || router.e.MayAsk() {
		t.Error("with all of the router's bound used by others, who has something waiting may ask for more")
	}
	for _, end := range ends {
		end()
	}
	if !first.e.MayAsk() || !newcomer.e.MayAsk() || !router.e.MayAsk() {
		t.Error("when all replies are over, somebody may not ask")
	}
	if a, _ := w.plane.Accounts.Largest(); a != nil {
		if m, _ := a.Held(); m != 0 {
			t.Errorf("%d octets are counted", m)
		}
	}
}

// TestRepliesCountToTheirUserThoughTheConnectionHasGone ends a connection that waits for a reply.
func TestRepliesCountToTheirUserThoughTheConnectionHasGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.join(&forwarding.Terms{}, "192.0.2.1:1", "u")
	end := p.reply(w.node(), forwarding.RepliesOfUser)
	p.leave()
	again := w.join(&forwarding.Terms{}, "192.0.2.1:2", "u")
	if again.e.MayAsk() {
		t.Error("who comes again may ask for as much once more")
	}
	if end(); !again.e.MayAsk() {
		t.Error("who comes again may never ask")
	}
	again.leave()
	w.plane.Accounts.Largest()
	if n := w.plane.Accounts.Len(); n != 0 {
		t.Errorf("%d accounts are left", n)
	}
}
