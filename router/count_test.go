package router

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/internal/management"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/conn"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/show"
)

// slowRoute is a router with a sender and a receiver that take their time: each step is the test's.
type slowRoute struct {
	*benchRoute
	deliveries []engine.DeliveryID // that the receiver has not settled
}

func newSlowRoute(t *testing.T) *slowRoute {
	b := newBenchRoute(t, 100, false)
	logs, err := logging.New(logging.Options{Stderr: discard{}, Stdout: discard{},
		Modules: map[logging.Module]logging.Settings{logging.Default: {Enable: "info+"}}})
	if err != nil {
		t.Fatal(err)
	}
	b.router.host.Logs = logs
	b.router.host.Roll.Enter(b.tx)
	b.router.host.Roll.Enter(b.rx)
	return &slowRoute{benchRoute: b}
}

// send lets the sender send messages and the router take them.
func (s *slowRoute) send(n int, settled bool) {
	for range n {
		id := s.sender.Deliver(s.out, settled, 0)
		s.sender.Write(id, nil, s.payload, true)
	}
	s.move(s.sender, s.tx)
}

// deliver lets the router write, and the receiver read.
func (s *slowRoute) deliver() {
	s.step(s.rx)
	p := driverOf(s.rx).Socket.(*pipeEnd)
	for rest := p.written; len(rest) > 0; {
		n := s.receiver.Input(time.Time{}, rest)
		for _, ev := range s.receiver.Events() {
			if ev.Kind == engine.EventTransfer && !ev.Settled {
				s.deliveries = append(s.deliveries, ev.Delivery)
			}
		}
		rest = rest[n:]
	}
	p.written = p.written[:0]
}

// settle lets the receiver settle what it has, and the sender hear of it.
func (s *slowRoute) settle(state wire.State) {
	for _, id := range s.deliveries {
		s.receiver.Settle(id, state)
	}
	s.deliveries = nil
	s.move(s.receiver, s.rx)
	s.step(s.tx)
	s.back(s.tx, s.sender)
}

// links are the rows of the sender's and the receiver's link.
func (s *slowRoute) links() (in, out management.Link) {
	s.router.view.Scan(time.Now(), 0)
	at := time.Since(s.router.plane.Began) + 1
	return firstRow(s.tx, at), firstRow(s.rx, at)
}

// firstRow is the row of the first link of an endpoint.
func firstRow(c *forwarding.Endpoint, at time.Duration) management.Link {
	rows, _ := show.LinkRows(nil, c, at, 0)
	return rows[0]
}

// logged is how many lines with a text the router has logged.
func (s *slowRoute) logged(text string) (lines []string) {
	for _, e := range s.router.host.Logs.Recent(-1) {
		if strings.Contains(e.Text, text) {
			lines = append(lines, e.Text)
		}
	}
	return lines
}

func TestDeliveriesThatTakeLongAreCountedByTheTimeTheyTook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlowRoute(t)
		for _, c := range []struct {
			n    int
			wait time.Duration
		}{{1, 0}, {2, time.Second}, {3, 1100 * time.Millisecond}, {4, 10 * time.Second}, {5, 11 * time.Second}} {
			s.send(c.n, false)
			s.deliver()
			time.Sleep(c.wait)
			s.settle(forwarding.Accepted)
		}
		s.send(6, true)
		time.Sleep(2 * time.Second) // settled ones are over when they are written
		s.deliver()
		s.step(s.tx)
		in, out := s.links()
		for _, l := range []management.Link{in, out} {
			if l.DeliveriesDelayed1Sec != 3+4+6 || l.DeliveriesDelayed10Sec != 5 || l.DeliveriesStuck != 0 {
				t.Errorf("%s: %d were delayed over 1 s, %d over 10 s, %d are stuck; want 13, 5, 0", l.Name,
					l.DeliveriesDelayed1Sec, l.DeliveriesDelayed10Sec, l.DeliveriesStuck)
			}
			if l.DeliveryCount != 21 || l.AcceptedCount != 15 || l.PresettledCount != 6 {
				t.Errorf("%s: %+v", l.Name, l)
			}
		}
		endNow(s.tx)
		endNow(s.rx)
		s.router.host.Roll.Leave(s.tx)
		s.router.host.Roll.Leave(s.rx)
		if r := s.router.view.Router(); r.DeliveriesDelayed1Sec != 13 || r.DeliveriesDelayed10Sec != 5 ||
			r.AcceptedDeliveries != 15 || r.PresettledDeliveries != 6 {
			t.Errorf("after the links and connections have ended: %+v", r)
		}
	})
}

func TestDeliveriesThatAreNotOverAfterTenSecondsAreStuck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlowRoute(t)
		s.send(2, false)
		s.deliver()
		time.Sleep(5 * time.Second)
		s.send(3, false) // these stay in the router
		stuck := func(when string, wantIn, wantOut uint64) {
			t.Helper()
			in, out := s.links()
			if in.DeliveriesStuck != wantIn || out.DeliveriesStuck != wantOut {
				t.Errorf("%s: %d are stuck on the way in, %d out, want %d and %d", when, in.DeliveriesStuck,
					out.DeliveriesStuck, wantIn, wantOut)
			}
			time.Sleep(forwarding.ScanAge)
			if r := s.router.view.Router(); r.DeliveriesStuck != wantIn+wantOut {
				t.Errorf("%s: %d are stuck in the router, want %d", when, r.DeliveriesStuck, wantIn+wantOut)
			}
		}
		stuck("before ten seconds", 0, 0)
		time.Sleep(6 * time.Second)
		stuck("after that", 2, 2)
		time.Sleep(4 * time.Second)
		stuck("with those that were not delivered", 5, 5)
		if lines := s.logged("Stuck delivery"); len(lines) != 2 {
			t.Errorf("logged %q, want one line for each link", lines)
		}
		s.deliver()
		s.settle(forwarding.Accepted)
		stuck("when all are settled", 0, 0)
	})
}

func TestALinkWithoutCreditForTenSecondsIsBlockedWhenSomethingWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlowRoute(t)
		s.receiver.Drain(s.in)
		s.move(s.receiver, s.rx)
		s.deliver()
		blocked := func(when string, want bool, seconds uint32) {
			t.Helper()
			_, out := s.links()
			if out.ZeroCreditSeconds != seconds || (out.CreditAvailable == 0) != (seconds > 0) {
				t.Errorf("%s: credit %d, none for %d s, want %d", when, out.CreditAvailable, out.ZeroCreditSeconds, seconds)
			}
			if n := s.router.view.Sum(false).Links[forwarding.LinkEndpoint][1].Blocked; (n == 1) != want {
				t.Errorf("%s: %d outgoing links are blocked", when, n)
			}
		}
		time.Sleep(20 * time.Second)
		blocked("without credit, and nothing to send", false, 20)
		s.send(1, false)
		s.deliver() // it cannot be
		time.Sleep(10 * time.Second)
		blocked("when a message has waited for ten seconds", false, 30)
		time.Sleep(time.Second)
		blocked("when it has waited for longer", true, 31)
		time.Sleep(time.Second)
		blocked("a second later", true, 32)
		if lines := s.logged("Link blocked"); len(lines) != 1 ||
			!strings.HasSuffix(lines[0], "Link blocked with zero credit for 31 seconds") {
			t.Errorf("logged %q, want one line", lines)
		}
		s.receiver.Grant(s.in, 1)
		s.move(s.receiver, s.rx)
		s.deliver() // with the last credit
		time.Sleep(3 * time.Second)
		blocked("when it was sent", false, 3)
		s.receiver.Grant(s.in, 1)
		s.move(s.receiver, s.rx)
		blocked("with credit", false, 0)
	})
}

func TestASenderWithoutCreditForTenSecondsIsBlocked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlowRoute(t)
		s.send(249, false)
		time.Sleep(5 * time.Second)
		s.send(1, false) // the last one
		time.Sleep(10 * time.Second)
		if in, _ := s.links(); in.CreditAvailable != 0 || in.ZeroCreditSeconds != 10 {
			t.Errorf("credit %d, none for %d s", in.CreditAvailable, in.ZeroCreditSeconds)
		}
		time.Sleep(2 * time.Second)
		if r := s.router.view.Router(); r.LinksBlocked != 1 {
			t.Errorf("%d links are blocked, want 1", r.LinksBlocked)
		}
		s.deliver()
		s.settle(forwarding.Accepted)
		time.Sleep(2 * time.Second)
		if r := s.router.view.Router(); r.LinksBlocked != 0 {
			t.Errorf("%d links are blocked with credit again", r.LinksBlocked)
		}
	})
}

func TestTheSettleRateIsTheMeanOfFiveSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlowRoute(t)
		want := func(when string, rate uint32) {
			t.Helper()
			if in, out := s.links(); in.SettleRate != rate || out.SettleRate != rate {
				t.Errorf("%s: %d a second in, %d out, want %d", when, in.SettleRate, out.SettleRate, rate)
			}
		}
		for range 3 {
			s.send(50, false)
			s.deliver()
			s.settle(forwarding.Accepted)
			time.Sleep(time.Second)
		}
		want("after 150 in three seconds", 30)
		s.send(50, false)
		s.deliver()
		s.settle(forwarding.Released) // these do not count
		want("and some that were released", 30)
		time.Sleep(2 * time.Second)
		want("two seconds later", 20)
		time.Sleep(time.Minute)
		want("a minute later", 0)
	})
}

// Every incoming delivery is counted once by how it ended; dropped ones are among the pre-settled.
func TestDeliveriesAreTheSumOfTheirOutcomes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlowRoute(t)
		for _, state := range []wire.State{forwarding.Accepted, forwarding.Released, forwarding.DeliveryFailed,
			wire.RejectedState(&wire.Error{Condition: wire.ErrNotAllowed}), {}} {
			s.send(3, false)
			s.deliver()
			s.settle(state)
		}
		s.send(4, true)
		s.deliver()
		s.step(s.tx)
		s.send(5, false)
		s.deliver() // these are in doubt when the receiver goes
		endNow(s.rx)
		s.step(s.tx)
		s.router.loop.turn()
		s.send(6, true) // and these find nobody
		s.step(s.tx)
		got := s.tx.Links[0].Stats
		got.Octets = 0
		want := books.Stats{Deliveries: 15 + 4 + 5 + 6, Accepted: 3, Released: 3, Modified: 3 + 5, Rejected: 3, None: 3,
			Presettled: 4 + 6, Dropped: 6}
		if got != want {
			t.Errorf("in:  %+v\nwant %+v", got, want)
		}
		got = s.rx.Counted.Past.Out
		got.Octets = 0
		want = books.Stats{Deliveries: 15 + 4 + 5, Accepted: 3, Released: 3, Modified: 3 + 5, Rejected: 3, None: 3, Presettled: 4}
		if got != want {
			t.Errorf("out: %+v\nwant %+v", got, want)
		}
	})
}

func TestConnectionsThatTakeTooLongAreCountedAsFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlowRoute(t)
		r := s.router
		limits := &conn.Settings{Terms: forwarding.Terms{Capacity: 250}, MaxFrameSize: 65536, ChannelMax: 100, Window: 1<<31 - 1,
			Handshake: 5 * time.Second, IdleTimeOut: 8 * time.Second}
		end := func(c *forwarding.Endpoint) {
			endNow(c)
			r.host.Roll.Leave(c)
		}
		silent := r.host.NewConn(&pipeEnd{}, limits, false)
		r.host.Roll.Enter(silent.E)
		silent.Begin()
		time.Sleep(6 * time.Second)
		synctest.Wait()
		end(silent.E)
		asleep := r.host.NewConn(&pipeEnd{}, limits, false)
		r.host.Roll.Enter(asleep.E)
		asleep.Begin()
		client := engine.New(engine.Config{Client: true, SASL: engine.SASLNone, ContainerID: "c", MaxFrameSize: 65536})
		client.Open(nil)
		s.move(client, asleep.E)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		end(asleep.E)
		client.Take(&s.output)
		s.output.Release()
		want := map[books.Failure]uint64{{Role: "normal", Reason: books.FailedTimeout}: 1, {Role: "normal", Reason: books.FailedIdle}: 1}
		if got := r.view.Sum(false).Failed; !maps.Equal(got, want) {
			t.Errorf("failed: %v, want %v", got, want)
		}
	})
}

func TestNoCounterGoesDownWhileAConnectionIsBusy(t *testing.T) {
	t.Parallel()
	r := alone(t).node("A")
	connect(t, r).receiver("closest/x", 100)
	s := connect(t, r).sender("closest/x", nil)
	for range 10 {
		s.begin(text("1"))
	}
	shown := func() (all, address uint64) {
		m := r.view.Snapshot()
		for _, a := range m.Addresses {
			if a.Name == "closest/x" {
				address = a.Deliveries.Ingress.Deliveries
			}
		}
		return m.Deliveries.Ingress.Deliveries, address
	}
	eventually(t, "ten are counted", func() error {
		if all, address := shown(); all < 10 || address < 10 {
			return fmt.Errorf("%d, and %d of the address", all, address)
		}
		return nil
	})
	allBefore, addressBefore := shown()
	for _, e := range r.endpoints() {
		e.Mu.Lock()
	}
	all, address := shown()
	for _, e := range r.endpoints() {
		e.Mu.Unlock()
	}
	if all < allBefore || address < addressBefore {
		t.Errorf("with all connections busy %d deliveries are shown, %d of the address; before it were %d and %d", all,
			address, allBefore, addressBefore)
	}
}
