package router

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/mesh"
	"github.com/postroad/postroad/router/forwarding"
)

func TestCreditThatASenderGaveBackIsGivenAgain(t *testing.T) {
	t.Parallel()
	r := alone(t).node("A")
	c := connect(t, r).receiver("closest/x", 10)
	p := rawBegin(t, r)
	credit := p.attachSender(0, "closest/x")
	c.detach()
	p.creditOf(0, "it is asked for when the consumer is gone", func(x *wire.Flow) bool { return x.Drain })
	p.queue = nil
	p.send(&wire.Flow{IncomingWindow: 100, OutgoingWindow: 100, Handle: 0, HasHandle: true, DeliveryCount: credit,
		HasDeliveryCount: true, HasLinkCredit: true, Drain: true})
	p.sync()
	connect(t, r).receiver("closest/x", 10)
	p.creditOf(0, "it is given again for the next consumer", func(x *wire.Flow) bool {
		return x.LinkCredit == credit && x.DeliveryCount == credit && !x.Drain
	})
}

// TestMessageOfALinkThatIsGoneGivesItsNumberNoCredit has a settled message that is delivered when its link is gone and
// another has its number.
func TestMessageOfALinkThatIsGoneGivesItsNumberNoCredit(t *testing.T) {
	t.Parallel()
	r := alone(t).node("A")
	c := rawBegin(t, r)
	c.attachReceiver(0, "closest/x", 0)
	p := rawOpen(t, r, &wire.Open{ContainerID: "sender", MaxFrameSize: 64 << 10, ChannelMax: 100})
	p.begin(0)
	p.attachSender(0, "closest/x")
	x := p.first(0)
	x.Settled, x.HasSettled = true, true
	p.send(transfer(x, body("x")))
	p.sync()
	p.detachOwn(0)
	p.send(&wire.Attach{Name: "next", Role: wire.RoleSender, HasInitialDelivery: true,
		Target: &wire.Target{Address: "closest/nobody", HasAddress: true}})
	p.attached(0)
	c.grant(0, 0, 1)
	c.receive(0)
	of := connOf(t, r, "sender")
	eventually(t, "the message is over", func() error {
		of.Mu.Lock()
		defer of.Mu.Unlock()
		if of.Deliveries.Spare == 0 {
			return errors.New("it is not")
		}
		return nil
	})
	of.Mu.Lock()
	defer of.Mu.Unlock()
	for _, l := range of.Links {
		if l != nil && of.Engine.Credit(l.ID) > 0 {
			t.Errorf("link %q has credit, and its address no consumer", l.Name)
		}
	}
}

func TestDrainIsAnsweredWhenAllCreditIsUsed(t *testing.T) {
	t.Parallel()
	r := alone(t).node("A")
	p := rawBegin(t, r)
	p.attachReceiver(0, "closest/x", 0)
	s := connect(t, r).sender("closest/x", nil)
	for range 3 {
		s.begin(text("x"))
	}
	eventually(t, "they wait", func() error { return r.waitingFor("closest/x") })
	p.send(&wire.Flow{IncomingWindow: 100, OutgoingWindow: 100, Handle: 0, HasHandle: true, HasDeliveryCount: true,
		LinkCredit: 2, HasLinkCredit: true, Drain: true})
	p.receive(0)
	p.receive(0)
	p.creditOf(0, "the drain is answered [2.6.7]", func(x *wire.Flow) bool {
		return x.Drain && x.LinkCredit == 0 && x.DeliveryCount == 2
	})
}

func TestLinksAreCountedAndNotTheirNumbers(t *testing.T) {
	t.Parallel()
	c := idleConn(idleRouter(t))
	c.Links = make([]*forwarding.Link, forwarding.MaxLinks)
	for i := range c.Links {
		if err := c.Refuses(&wire.Attach{}); err != nil {
			t.Fatalf("with %d links: %v", i, err)
		}
		if c.Links[i] = (&forwarding.Link{}); i == 2000 { // counting them each time takes too long for all
			break
		}
	}
	for i := range c.Links {
		c.Links[i] = &forwarding.Link{}
	}
	if err := c.Refuses(&wire.Attach{}); err == nil || err.Condition != wire.ErrResourceLimitExceeded {
		t.Errorf("with %d links: %v", forwarding.MaxLinks, err)
	}
}

// TestMeshIsNotKeptWaitingByManyEvents has events that take a hundredth of a second each.
func TestMeshIsNotKeptWaitingByManyEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg, problems := config.Parse("test.conf", []byte("router {\n mode: interior\n id: A\n}\n"))
		if problems.Refused() {
			t.Fatal(problems)
		}
		logs, err := logging.New(logging.Options{Stderr: discard{}, Stdout: discard{}})
		if err != nil {
			t.Fatal(err)
		}
		r, err := New(cfg, Options{Logs: logs, Version: "test"})
		if err != nil {
			t.Fatal(err)
		}
		defer r.host.Cancel()
		k := r.control
		k.Mesh.Start(time.Now())
		c := idleConn(r)
		c.Peer.Open = &wire.Open{ContainerID: "B"}
		l := &forwarding.Link{End: c, Outgoing: true, Kind: forwarding.LinkControl}
		r.loop.Put(forwarding.Event{Kind: forwarding.EventControlUp, End: c, Link: l})
		r.loop.turn()
		before := k.Mesh.Counters().Sent[mesh.OpcodeHello]
		slow := func(forwarding.PanicPoint, *forwarding.Endpoint) { time.Sleep(10 * time.Millisecond) }
		r.plane.Hook.Store(&slow)
		for range 4 * portion {
			attachIdle(c, "orders")
		}
		r.loop.turn() // ten seconds
		if sent := k.Mesh.Counters().Sent[mesh.OpcodeHello] - before; sent < 3 {
			t.Errorf("%d HELLOs were sent meanwhile", sent)
		}
	})
}
