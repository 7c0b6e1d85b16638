package router

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/Azure/go-amqp"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/conn"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/route"
)

func TestTheOverloadLevelFollowsThePressureWithHysteresis(t *testing.T) {
	t.Parallel()
	level := forwarding.OverloadNone
	for _, step := range []struct {
		pressure float64
		want     forwarding.OverloadLevel
	}{
		{0.59, forwarding.OverloadNone}, {0.60, forwarding.OverloadCredit}, {0.55, forwarding.OverloadCredit}, {0.74, forwarding.OverloadCredit},
		{0.75, forwarding.OverloadAttach}, {0.66, forwarding.OverloadAttach}, {0.64, forwarding.OverloadCredit}, {0.49, forwarding.OverloadNone},
		{0.86, forwarding.OverloadConnection}, {0.76, forwarding.OverloadConnection}, {0.74, forwarding.OverloadAttach}, {2, forwarding.OverloadOffender},
		{0.86, forwarding.OverloadOffender}, {0.84, forwarding.OverloadConnection}, {0, forwarding.OverloadNone},
	} {
		if level = level.Step(step.pressure); level != step.want {
			t.Fatalf("at %.2f the level is %v, want %v", step.pressure, level, step.want)
		}
	}
}

// press has a router believe that a part of its memory is in use, and waits until it acts on that.
func press(t *testing.T, r *Router, pressure float64, want forwarding.OverloadLevel) {
	t.Helper()
	o := r.plane.Overload
	o.Mu.Lock()
	o.Memory, o.Next = 1<<30, time.Time{}
	o.Live = func() int64 { return int64(pressure * forwarding.HeapShare * (1 << 30)) }
	o.Mu.Unlock()
	eventually(t, "the level is "+want.String(), func() error {
		if got := forwarding.OverloadLevel(r.plane.Overload.Level.Load()); got != want {
			return fmt.Errorf("it is %v", got)
		}
		return nil
	})
}

func TestARouterShortOfMemoryGivesCreditForOneMessageAtATime(t *testing.T) {
	t.Parallel()
	r := alone(t).node("A")
	press(t, r, 0.65, forwarding.OverloadCredit)
	p := rawBegin(t, r)
	p.attachReceiver(0, "closest/x", 100)
	if credit := p.attachSender(1, "closest/x"); credit != 1 {
		t.Errorf("the credit is %d", credit)
	}
	for range 10 {
		id := p.deliver(1, body("x"))
		p.settle(p.receive(0).DeliveryID, wire.State{Kind: wire.StateAccepted})
		p.wantOutcome("it goes on", id, wire.StateAccepted)
		want(p, "credit for the next", func(x *wire.Flow) bool { return x.LinkCredit == 1 })
	}
	press(t, r, 0.1, forwarding.OverloadNone)
	id := p.deliver(1, body("x"))
	p.settle(p.receive(0).DeliveryID, wire.State{Kind: wire.StateAccepted})
	p.wantOutcome("it goes on", id, wire.StateAccepted)
	want(p, "all its credit comes back", func(x *wire.Flow) bool { return x.LinkCredit > 200 })
}

func TestARouterShorterOfMemoryRefusesLinksButThoseForManagement(t *testing.T) {
	t.Parallel()
	r := alone(t).node("A")
	c := connect(t, r)
	receiver := c.receiver("closest/x", 10)
	s := c.sender("closest/x", nil)
	press(t, r, 0.8, forwarding.OverloadAttach)
	_, err := c.session.NewReceiver(c.ctx, "closest/y", nil)
	var refused *amqp.Error
	if !errors.As(err, &refused) || refused.Condition != amqp.ErrCondResourceLimitExceeded {
		t.Errorf("the attach of a receiver: %v", err)
	}
	c.sender("$management", nil)
	c.receiverWith("", &amqp.ReceiverOptions{DynamicAddress: true})
	receipt := s.begin(text("those that are there go on"))
	receiver.accept()
	wantAccepted(t, "those that are there go on", s.outcome(receipt))
	press(t, r, 0, forwarding.OverloadNone)
	c.receiver("closest/y", 1)
}

func TestARouterOutOfMemoryRefusesConnections(t *testing.T) {
	t.Parallel()
	r := alone(t).node("A")
	press(t, r, 0.9, forwarding.OverloadConnection)
	if c, err := amqp.Dial(within(t), "amqp://"+r.Addr("clients"), nil); err == nil {
		c.Close()
		t.Error("a connection is taken")
	}
	if n := r.plane.Overload.Refused.Load(); n == 0 {
		t.Error("it is not counted")
	}
	press(t, r, 0, forwarding.OverloadNone)
	connect(t, r)
}

func TestARouterOutOfMemoryDetachesTheLinkThatHoldsMost(t *testing.T) {
	t.Parallel()
	r := alone(t).node("A")
	connect(t, r).receiver("closest/slow", -1)
	small, large := rawBegin(t, r), rawBegin(t, r)
	for i, p := range []*raw{small, large} {
		p.attachSender(0, "closest/slow")
		for range 1 + 20*i {
			p.deliver(0, body("%s", make([]byte, 3<<10))) // too small to be metered
		}
		p.sync()
	}
	press(t, r, 1, forwarding.OverloadOffender)
	large.wantDetach("it holds the most", 0, wire.ErrResourceLimitExceeded)
	press(t, r, 0, forwarding.OverloadNone)
	small.sync()
	large.sync()
}

// TestManyConnectionsShareWhatMayBeHeldForASlowConsumer has 40 senders that offer all they can.
func TestManyConnectionsShareWhatMayBeHeldForASlowConsumer(t *testing.T) {
	t.Parallel()
	r := alone(t).node("A")
	connect(t, r).receiver("closest/slow", -1)
	for range 40 {
		s := connect(t, r).sender("closest/slow", nil)
		done := make(chan struct{})
		t.Cleanup(func() { <-done })
		t.Cleanup(func() { s.conn.Close() })
		go func() {
			defer close(done)
			for range 300 {
				if _, err := s.link.SendWithReceipt(s.ctx, amqp.NewMessage(make([]byte, 10_000)), nil); err != nil {
					return
				}
			}
		}()
	}
	var most int64
	eventually(t, "all hold something", func() error {
		most = max(most, r.plane.Overload.Held())
		holders := 0
		for _, c := range r.endpoints() {
			if c.Meter.Held() >= forwarding.HeldLeast/2 {
				holders++
			}
		}
		if holders < 40 {
			return fmt.Errorf("%d do", holders)
		}
		return nil
	})
	quick := connect(t, r).receiver("closest/quick", 10)
	exchange(t, connect(t, r).sender("closest/quick", nil), quick, 100)
	if most = max(most, r.plane.Overload.Held()); most > 2*conn.HeldTogether {
		t.Errorf("%d octets are held", most)
	}
}

func TestCreditFollowsTheSizeOfTheMessagesOfALink(t *testing.T) {
	t.Parallel()
	l := &forwarding.Link{Kind: forwarding.LinkEndpoint, Consumer: route.Consumer{Capacity: 250}, Address: &route.Address{}, End: &forwarding.Endpoint{Plane: &forwarding.Plane{Overload: &forwarding.Overload{}}}}
	for _, c := range []struct{ size, senders, want int }{
		{0, 1, 250}, {100, 1, 250}, {10_000, 1, 104}, {64 << 10, 1, 16}, {1 << 20, 1, forwarding.LeastWindow}, {1 << 30, 1, forwarding.LeastWindow},
		{10_000, 40, 10}, {100, 40, 250}, {100, 4000, 10}, {100, 100_000, forwarding.LeastWindow},
	} {
		l.Size = c.size
		l.Address.Crowd.Store(int32(c.senders))
		if got := l.Window(); got != c.want {
			t.Errorf("%d octets each, %d senders: %d, want %d", c.size, c.senders, got, c.want)
		}
	}
}
