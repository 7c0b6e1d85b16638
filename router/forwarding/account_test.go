package forwarding_test

import (
	"fmt"
	"testing"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
)

// TestWhoSharesAnAccount lists pairs of connections.
func TestWhoSharesAnAccount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what             string
		remote, user     string
		other, otherUser string
		share            bool
		role             forwarding.Role
	}{
		{"one host", "192.0.2.1:1", "", "192.0.2.1:2", "", true, 0},
		{"two hosts", "192.0.2.1:1", "", "192.0.2.2:1", "", false, 0},
		{"one user from two hosts", "192.0.2.1:1", "u", "192.0.2.2:1", "u", true, 0},
		{"two users from one host", "192.0.2.1:1", "u", "192.0.2.1:2", "v", false, 0},
		{"a user and nobody from one host", "192.0.2.1:1", "u", "192.0.2.1:2", "", false, 0},
		{"hosts of one /64", "[2001:db8:0:1::1]:1", "", "[2001:db8:0:1:ffff::2]:2", "", true, 0},
		{"hosts of two /64", "[2001:db8:0:1::1]:1", "", "[2001:db8:0:2::1]:1", "", false, 0},
		{"one host of two zones", "[fe80::1%a]:1", "", "[fe80::1%b]:1", "", true, 0},
		{"an IPv4 host in both notations", "192.0.2.1:1", "", "[::ffff:192.0.2.1]:2", "", true, 0},
		{"two IPv4 hosts as IPv6", "[::ffff:192.0.2.2]:1", "", "[::ffff:192.0.2.1]:2", "", false, 0},
		{"no address at all", "pipe", "", "pipe", "", true, 0},
		{"a user named like a host", "192.0.2.1:1", "host:192.0.2.1", "192.0.2.1:1", "", false, 0},
		{"two routers", "192.0.2.1:1", "", "192.0.2.1:1", "", false, forwarding.RoleInterRouter},
	} {
		w := newWorld(t)
		a := w.join(&forwarding.Terms{Role: c.role}, c.remote, c.user)
		b := w.join(&forwarding.Terms{Role: c.role}, c.other, c.otherUser)
		if share := a.e.Account() != nil && b.e.IsOf(a.e.Account()); share != c.share {
			t.Errorf("%s: they share an account: %v", c.what, share)
		}
		a.leave()
		b.leave()
		w.rest()
		w.plane.Accounts.Largest()
		if n := w.plane.Accounts.Len(); n != 0 {
			t.Errorf("%s: %d accounts are left of connections that are over", c.what, n)
		}
	}
}

// TestNothingIsCountedWhenConnectionsHaveGone has a user send, receive and leave much behind, on two connections.
func TestNothingIsCountedWhenConnectionsHaveGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rx := w.join(&forwarding.Terms{Capacity: 1000}, "192.0.2.1:1", "u")
	tx := w.join(&forwarding.Terms{Capacity: 1000}, "192.0.2.2:1", "u")
	rx.manual = true
	rx.receivers("q", 50, 3)
	rx.receivers("multicast/x", 50, 3)
	for _, address := range []string{"q", "multicast/x"} {
		out := tx.sender(address)
		for i := 0; tx.engine.Credit(out) > 0 && i < 500; i++ {
			tx.send(out, i%2 == 0, body(fmt.Sprint(i)))
		}
	}
	w.rest()
	account := tx.e.Account()
	o := w.plane.Overload
	if m, s := account.Held(); m == 0 || s == 0 || m != o.Clients.Held() || s != o.State.Held() {
		t.Fatalf("the user holds %d octets of messages and %d of state, all clients %d and %d", m, s,
			w.plane.Overload.Clients.Held(), w.plane.Overload.State.Held())
	}
	if largest, held := w.plane.Accounts.Largest(); largest != account || held == 0 {
		t.Errorf("the largest account, with %d octets, is not that of the user", held)
	}
	rx.leave()
	w.rest()
	tx.leave()
	w.rest()
	if m, s := account.Held(); m != 0 || s != 0 || o.Clients.Held() != 0 || o.State.Held() != 0 {
		t.Errorf("%d octets of messages and %d of state are still counted, of all clients %d and %d", m, s,
			w.plane.Overload.Clients.Held(), w.plane.Overload.State.Held())
	}
	for _, p := range []*peer{rx, tx} {
		if m, s := p.e.Holds(); m != 0 || s != 0 {
			t.Errorf("a connection counts %d octets of messages and %d of state", m, s)
		}
	}
	w.plane.Accounts.Largest()
	if n := w.plane.Accounts.Len(); n != 0 {
		t.Errorf("%d accounts are left", n)
	}
}

// TestTheStateOfAConnectionFollowsItsLinks attaches and detaches many links.
func TestTheStateOfAConnectionFollowsItsLinks(t *testing.T) {
	t.Parallel()
	const count = 10_000
	w := newWorld(t)
	p := w.client()
	_, before := p.e.Holds()
	ids := p.receivers("q", count, 0)
	_, with := p.e.Holds()
	if with-before < count<<10 {
		t.Errorf("%d links are counted as %d octets", count, with-before)
	}
	for _, id := range ids {
		p.engine.Detach(id, true, nil)
	}
	w.rest()
	if _, after := p.e.Holds(); with-after < count<<10 {
		t.Errorf("without them it still counts %d octets of %d", after, with)
	}
}

// TestBranchesOfAMulticastAreCountedToItsSenderUntilItIsOver counts what they take besides the octets of the message.
func TestBranchesOfAMulticastAreCountedToItsSenderUntilItIsOver(t *testing.T) {
	t.Parallel()
	const count = 1000
	w := newWorld(t)
	rx, tx := w.client(), w.client()
	rx.manual = true
	rx.receivers("multicast/x", count, 1)
	out := tx.sender("multicast/x")
	before := tx.e.Meter.Held()
	tx.send(out, false, body("x"))
	w.rest()
	if held, least := tx.e.Meter.Held()-before, int64(count-1)*forwarding.BranchCost; held < least || held > least+8<<10 {
		t.Errorf("the branches are counted as %d octets, not as about %d", held, least)
	}
	if held := rx.e.Meter.Held(); held != 0 {
		t.Errorf("%d octets are counted to the consumers", held)
	}
	for i, a := range rx.got {
		if i > 0 {
			rx.engine.Settle(a.id, wire.State{Kind: wire.StateAccepted})
		}
	}
	w.rest()
	if tx.e.Meter.Held() == before {
		t.Error("one consumer has it still, and nothing is counted")
	}
	rx.engine.Settle(rx.got[0].id, wire.State{Kind: wire.StateAccepted})
	w.rest()
	if held := tx.e.Meter.Held(); held != before || tx.outcomes[wire.StateAccepted] != 1 {
		t.Errorf("it is over, and %d octets are counted; the sender has heard %v", held, tx.outcomes)
	}
}

// TestWhatIsQueuedStaysCountedToTheUserWhoHasLeft has pre-settled messages wait for a consumer whose sender has gone.
func TestWhatIsQueuedStaysCountedToTheUserWhoHasLeft(t *testing.T) {
	t.Parallel()
	const count, size = 20, 30 << 10
	w := newWorld(t)
	rx := w.client()
	in := rx.receivers("q", 1, 0)
	tx := w.join(&forwarding.Terms{Capacity: 1000}, "192.0.2.2:1", "u")
	out := tx.sender("q")
	for range count {
		tx.send(out, true, body(string(make([]byte, size))))
	}
	w.rest()
	account := tx.e.Account()
	tx.leave()
	w.rest()
	if m, s := account.Held(); m < count*size || s != 0 {
		t.Errorf("%d octets are queued, and %d counted, with %d of state", count*size, m, s)
	}
	again := w.join(&forwarding.Terms{Capacity: 1000}, "192.0.2.3:1", "u")
	if !again.e.IsOf(account) {
		t.Error("who comes again does not find what was left behind")
	}
	again.leave()
	if largest, _ := w.plane.Accounts.Largest(); largest != account {
		t.Error("the largest account is not that of the user who has left")
	}
	rx.engine.Grant(in[0], count)
	w.rest()
	if m, s := account.Held(); m != 0 || s != 0 || len(rx.got) < count {
		t.Errorf("all is delivered, and %d octets are counted, with %d of state", m, s)
	}
	rx.leave()
	w.rest()
	w.plane.Accounts.Largest()
	if n := w.plane.Accounts.Len(); n != 0 {
		t.Errorf("%d accounts are left", n)
	}
}

// TestWhatIsTooMuchIsReleased has a client fill its share with unsettled messages on many links, of which the router
// knows no size when it gives them credit. What is beyond comes back as released, all else arrives.
func TestWhatIsTooMuchIsReleased(t *testing.T) {
	t.Parallel()
	const links, each, size = 10, 20, 60 << 10
	w := newWorld(t)
	rx, tx := w.client(), w.client()
	in := rx.receivers("q", 1, 0)
	var outs []engine.LinkID
	for i := range links {
		outs = append(outs, tx.attach(fmt.Sprint(i), "q", wire.RoleSender))
	}
	w.rest()
	for _, out := range outs {
		for range each {
			tx.send(out, false, body(string(make([]byte, size))))
		}
	}
	w.rest()
	released := tx.outcomes[wire.StateReleased]
	if fits := forwarding.HeldMost / size; released < links*each-fits-2 || released > links*each-fits/2 {
		t.Errorf("of %d messages %d are released, and %d fit", links*each, released, fits)
	}
	if held := tx.e.Meter.Held(); held > forwarding.HeldMost+buf.LargeChunk {
		t.Errorf("%d octets are held", held)
	}
	rx.engine.Grant(in[0], links*each)
	w.rest()
	if got := tx.outcomes[wire.StateAccepted]; got+released != links*each || got != len(rx.got) {
		t.Errorf("of the others %d are accepted, and %d frames have come", got, len(rx.got))
	}
}

// TestTheConnectionsOfAUserTogetherMayHoldSoMuch fills the share of a user from many connections, none of which is at
// its own. Another user is not concerned.
func TestTheConnectionsOfAUserTogetherMayHoldSoMuch(t *testing.T) {
	t.Parallel()
	const conns, size = 12, 60 << 10
	w := newWorld(t)
	rx := w.client()
	rx.receivers("q", 1, 0)
	var txs []*peer
	for i := range conns {
		tx := w.join(&forwarding.Terms{Capacity: 1 << 20}, fmt.Sprintf("192.0.2.%d:1", i), "u")
		txs = append(txs, tx)
		out := tx.sender("q")
		for range forwarding.HeldMost / size / 2 {
			tx.send(out, false, body(string(make([]byte, size))))
		}
		w.rest()
	}
	released := 0
	for _, tx := range txs {
		released += tx.outcomes[wire.StateReleased]
		if held := tx.e.Meter.Held(); held > forwarding.HeldMost/2+buf.LargeChunk {
			t.Errorf("a connection holds %d octets", held)
		}
	}
	const most = forwarding.UserMost + conns*(forwarding.HeldLeast+buf.LargeChunk)
	if m, _ := txs[0].e.Account().Held(); m < forwarding.UserMost || m > most {
		t.Errorf("the user holds %d octets", m)
	}
	if released == 0 {
		t.Error("nothing is released")
	}
	other := w.join(&forwarding.Terms{Capacity: 1 << 20}, "192.0.2.1:2", "v")
	out := other.sender("q")
	for range 10 {
		other.send(out, false, body(string(make([]byte, size))))
	}
	w.rest()
	if n := other.outcomes[wire.StateReleased]; n != 0 {
		t.Errorf("another user has %d messages released", n)
	}
}
