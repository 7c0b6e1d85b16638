package contract

import (
	"strings"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// noConsumer has a sender to an address that nobody consumes from.
func noConsumer(c *Cell) {
	s := c.Sender()
	s.c.Sync()
	c.Check(s.Credit() == 0, "credit without a consumer")
	r := c.Receiver(c.Last(), 10)
	c.Alive(s, r)
	c.Check(s.Detach == nil, "detached")
	c.See("attached without credit, not detached")
}

// noConsumerAnonymous has an anonymous sender to an address that nobody has consumed from.
func noConsumerAnonymous(c *Cell) {
	s := c.Dial(c.First()).Sender("")
	if c.column.settled() {
		for range 3 {
			s.Deliver(to(c.Address()), true)
		}
		c.Dropped(c.First(), s, 3)
		c.See("dropped, counted")
		return
	}
	for range 3 {
		c.See(s.Deliver(to(c.Address()), false).Outcome())
	}
}

// anotherConsumer has a consumer that leaves with a message queued, and another one.
func anotherConsumer(c *Cell) {
	first := c.Receiver(c.Last(), 0)
	s := c.Sender()
	sent := c.Deliver(s, "x")
	c.Queued(c.Last(), first, 1)
	other := c.Receiver(c.Last(), 10)
	c.Consumers(c.Last(), 2, 0)
	other.SettleAll(accepted)
	first.Leave()
	if !c.column.settled() {
		if c.See(sent.Outcome()); sent.Outcome() != "accepted" {
			return
		}
	}
	other.Next()
	c.See("the other consumer has it")
}

// aBranchEnds has a consumer that leaves with a message of a multicast queued. The other one releases it: were the
// branch in doubt, the sender would hear that.
func aBranchEnds(c *Cell) {
	first := c.Receiver(c.Last(), 0)
	other := c.Receiver(c.First(), 10)
	c.AllConsumers(c.First(), c.Last())
	s := c.Sender()
	sent := c.Deliver(s, "x")
	c.Queued(c.Last(), first, 1)
	first.Leave()
	other.Settle(other.Next(), released)
	c.Seef("that branch is %s", sent.Outcome())
}

// consumerInTime has a consumer that leaves with a message queued, and one that comes while it is held.
func consumerInTime(c *Cell) {
	first := c.Receiver(c.Last(), 0)
	s := c.Sender()
	queued := c.Deliver(s, "queued")
	c.Queued(c.Last(), first, 1)
	first.Leave()
	c.Consumers(c.First(), 0, 0)
	c.Check(s.Credit() > 0, "the credit is taken back before the hold is over")
	late := c.Deliver(s, "sent while nobody was there")
	s.c.Sync()
	c.Check(!queued.Known() && !late.Known(), "not held")
	r := c.Settling(c.Last(), 10, accepted)
	c.Seef("held; %s by the consumer that comes", queued.Outcome())
	if words := late.Outcome(); words != "accepted" {
		c.Seef("one that was sent in the meantime: %s", words)
	}
	r.AwaitCount(2)
}

// lastConsumerLeaves has a consumer that leaves with a message queued, and no other comes.
func lastConsumerLeaves(c *Cell) {
	r := c.Receiver(c.Last(), 0)
	s := c.Sender()
	sent := c.Deliver(s, "x")
	c.Queued(c.Last(), r, 1)
	r.Leave()
	if c.column.settled() {
		c.AllDroppedBecomes(1)
		c.See("dropped, counted")
		return
	}
	c.See(sent.Outcome())
	s.AwaitDrain()
	c.See("credit taken back")
}

// consumerDies has a consumer that dies with a message written to it.
func consumerDies(c *Cell) {
	r := c.Receiver(c.Last(), 10)
	s := c.Sender()
	sent := c.Deliver(s, "x")
	r.AwaitCount(1)
	r.c.Cut()
	if !c.column.settled() {
		c.See(sent.Outcome())
		return
	}
	c.Alive(s, c.Successor())
	c.See("unknown; the link goes on")
}

// oneOfSeveralDies has a consumer of a multicast that dies with a message written to it.
func oneOfSeveralDies(c *Cell) {
	r, other := c.Receiver(c.Last(), 10), c.Receiver(c.First(), 10)
	c.AllConsumers(c.First(), c.Last())
	sent := c.Deliver(c.Sender(), "x")
	r.AwaitCount(1)
	other.Settle(other.Next(), released)
	r.c.Cut()
	c.Seef("that branch is %s", sent.Outcome())
}

// A message that is sent in parts: more than a router waits for before it forwards an incomplete one.
const (
	streamed = 1 << 20
	half     = 300 << 10
)

// begin sends the first part of a message.
func (c *Cell) begin(s *Link) *Sent {
	c.Helper()
	s.AwaitCredit()
	b := string(wire.AppendDescriptor(nil, wire.DescriptorData)) + "\xb0\x00\x10\x00\x00" // of 1 MiB
	return s.Begin(b+strings.Repeat("x", half), c.column.settled(), true)
}

// end sends the rest.
func end(sent *Sent) {
	sent.More(strings.Repeat("x", streamed/2-half), true)
	sent.More(strings.Repeat("x", streamed/2), false)
}

// consumerDiesInside has a consumer that dies when it has a part of a message.
func consumerDiesInside(c *Cell) {
	r := c.Receiver(c.Last(), 10)
	s := c.Sender()
	sent := c.begin(s)
	r.AwaitBegin()
	r.c.Cut()
	end(sent)
	if !c.column.settled() {
		c.See(sent.Outcome())
	}
	c.Alive(s, c.Successor())
	if c.column.settled() {
		c.See("aborted; the link goes on")
	}
}

// oneOfSeveralDiesInside has a consumer of a multicast that dies when it has a part of a message.
func oneOfSeveralDiesInside(c *Cell) {
	r, other := c.Receiver(c.Last(), 10), c.Receiver(c.First(), 10)
	c.AllConsumers(c.First(), c.Last())
	s := c.Sender()
	sent := c.begin(s)
	r.AwaitBegin()
	r.c.Cut()
	end(sent)
	got := other.Next()
	c.Check(!got.Aborted && len(got.Payload) > streamed, "the other consumer has not the whole message")
	other.Settle(got, released)
	c.Seef("that branch is %s, the others go on", sent.Outcome())
}

// senderDiesInside has a sender that dies when it has sent a part of a message.
func senderDiesInside(c *Cell) {
	receivers := []*Link{c.Receiver(c.Last(), 10)}
	if c.column == multicast {
		receivers = append(receivers, c.Receiver(c.First(), 10))
		c.AllConsumers(c.First(), c.Last())
	}
	s := c.Sender()
	c.begin(s)
	for _, r := range receivers {
		r.AwaitBegin()
	}
	s.c.Cut()
	for _, r := range receivers {
		c.Check(r.Next().Aborted, "a truncated message")
		c.See("aborted")
	}
	c.Alive(c.Sender(), receivers...)
}
