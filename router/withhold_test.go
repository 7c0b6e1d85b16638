package router

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/route"
)

// crowdedMessages is how many messages of 1 KiB wait in a crowded pair of routers.
const crowdedMessages = 100

// crowded is two routers: at B, messages of a sender at A wait for a consumer that has given no credit.
type crowded struct {
	n                *network
	a, b             *Router
	sender, receiver *raw
	ids              []uint32
}

func newCrowded(t *testing.T, target string, settled bool) *crowded {
	t.Helper()
	n := chain(t, 2)
	c := &crowded{n: n, a: n.node("A"), b: n.node("B")}
	c.receiver = rawBegin(t, c.b)
	c.receiver.attachReceiver(0, "closest/x", 0)
	n.consumers("A", "closest/x", 0, 1)
	c.sender = rawBegin(t, c.a)
	if credit := c.sender.attachSender(0, target); credit != 250 {
		t.Fatalf("the credit is %d", credit)
	}
	for range crowdedMessages {
		x := c.sender.first(0)
		x.Settled, x.HasSettled = settled, settled
		c.ids = append(c.ids, x.DeliveryID)
		c.sender.send(amqptest.Transfer(x, addressed("closest/x", 1<<10)))
	}
	n.queued("B", "closest/x", crowdedMessages)
	return c
}

// addressed is a message with its address and a body of some octets.
func addressed(to string, size int) string {
	b := wire.AppendDescriptor(nil, wire.DescriptorProperties)
	list := wire.AppendString(wire.AppendNull(wire.AppendNull(nil)), to)
	b = append(wire.AppendListHeader(b, len(list), 3), list...)
	return string(b) + body("%s", make([]byte, size))
}

// credit is what the sender at A has, and whether more is withheld for now.
func (c *crowded) credit() (credit uint32, resting bool) {
	for _, e := range c.a.endpoints() {
		e.Look(func() {
			for _, l := range e.Links {
				if l != nil && !l.Outgoing && l.Kind == forwarding.LinkEndpoint && !l.Node {
					credit, resting = e.Engine.Credit(l.ID), l.Rest != 0
				}
			}
		})
	}
	return credit, resting
}

// heard waits until A has heard that it is to withhold credit.
func (c *crowded) heard(t *testing.T) {
	t.Helper()
	eventually(t, "A has heard", func() error {
		if c.address().Withheld.Load() == 0 {
			return errors.New("it has not")
		}
		return nil
	})
}

// address is that of the messages at A.
func (c *crowded) address() *route.Address { return c.a.plane.Table.Get([]byte("M0closest/x")) }

// taken has the consumer take all that waits.
func (c *crowded) taken() {
	c.receiver.grant(0, 0, crowdedMessages)
	for range c.ids {
		c.receiver.settle(c.receiver.receive(0).DeliveryID, forwarding.Accepted)
	}
}

func TestARouterShortOfMemoryHasCreditWithheldWhereMessagesComeFrom(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]string{"to an address": "closest/x", "anonymous": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCrowded(t, target, false)
			press(t, c.b, 0.65, forwarding.OverloadCredit)
			c.heard(t)
			press(t, c.b, 0, forwarding.OverloadNone)
			c.address().Withheld.Store(math.MaxInt64) // however long this test takes
			if target == "" {                         // the address of each message is seen when it comes
				c.sender.deliver(0, addressed("closest/x", 1))
				c.sender.sync()
			}
			before, _ := c.credit()
			c.taken()
			for _, id := range c.ids {
				c.sender.wantOutcome("it was taken", id, wire.StateAccepted)
			}
			if credit, resting := c.credit(); credit != before || !resting {
				t.Errorf("the credit is %d, resting %v; want %d as before, and that more is withheld", credit, resting, before)
			}
			c.address().Withheld.Store(1)
			eventually(t, "there is credit again when the time is over", func() error {
				if credit, _ := c.credit(); credit <= before {
					return fmt.Errorf("it is %d", credit)
				}
				return nil
			})
		})
	}
}

// TestWhatIsNotHeldBackWhereItComesFromIsGivenBack has routers that do not understand. qdrouterd is one of these.
func TestWhatIsNotHeldBackWhereItComesFromIsGivenBack(t *testing.T) {
	t.Parallel()
	foreign := func(int) bool { return true }
	give := func(r *Router, on bool) {
		var w forwarding.Wakes
		for _, e := range r.endpoints() {
			e.HoldOrigins(foreign, on, &w)
		}
		w.Poke()
	}
	t.Run("unsettled", func(t *testing.T) {
		t.Parallel()
		c := newCrowded(t, "closest/x", false)
		give(c.b, false)
		c.n.queued("B", "closest/x", crowdedMessages)
		give(c.b, true)
		for _, id := range c.ids {
			c.sender.wantOutcome("nobody was offered it", id, wire.StateReleased)
		}
	})
	t.Run("settled", func(t *testing.T) {
		t.Parallel()
		c := newCrowded(t, "closest/x", true)
		give(c.b, true)
		eventually(t, "they are dropped and counted", func() error {
			var dropped uint64
			for row := range c.b.view.Links() {
				dropped += row.DroppedPresettledCount
			}
			if dropped != crowdedMessages {
				return fmt.Errorf("%d are", dropped)
			}
			return nil
		})
	})
}
