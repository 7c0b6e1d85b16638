package contract

import (
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// inOrder has one sender with messages of different sizes and priorities.
func inOrder(c *Cell) {
	const count, priorities = 300, 3
	at := []string{c.Last()}
	if c.column == multicast {
		at = append(at, c.First())
	}
	var receivers []*Link
	for _, id := range at {
		r := c.Settling(id, 1<<20, accepted)
		receivers = append(receivers, r)
	}
	c.AllConsumers(at...)
	s := c.Sender()
	for i := range count {
		size := 100
		if i%41 == 40 { // a message that is streamed
			size = half
		}
		m := &message.Message{Header: &message.Header{Priority: uint8(i % priorities)},
			Properties: &message.Properties{MessageID: uint64(i)}, Body: message.Data{make([]byte, size)}}
		s.Deliver(encode(m), c.column.settled())
	}
	misplaced := 0
	for _, r := range receivers {
		last := [priorities]int{-1, -1, -1}
		for range count {
			n := numberOf(c, r.Next())
			if n < last[n%priorities] {
				misplaced++
			}
			last[n%priorities] = n
		}
	}
	if misplaced == 0 {
		c.See("in order")
	} else {
		c.Logf("%d after one with a higher number", misplaced)
		c.See("out of order")
	}
}

// twoPhases asks for settlement in two phases on both sides, and settles as if it had it.
func twoPhases(c *Cell) {
	receiving := c.Dial(c.Last())
	r := receiving.link(&wire.Attach{Role: wire.RoleReceiver, RcvSettleMode: wire.ReceiverSecond,
		Source: &wire.Source{Address: c.Address(), HasAddress: true}, Target: &wire.Target{}})
	r.Grant(10)
	s := c.Dial(c.First()).link(&wire.Attach{Role: wire.RoleSender, RcvSettleMode: wire.ReceiverSecond,
		HasInitialDelivery: true, Source: &wire.Source{}, Target: &wire.Target{Address: c.Address(), HasAddress: true}})
	for _, l := range []*Link{r, s} {
		c.See(map[wire.ReceiverSettleMode]string{wire.ReceiverFirst: "answered with first",
			wire.ReceiverSecond: "answered with second"}[l.Answer.RcvSettleMode])
	}
	sent := c.Deliver(s, "x")
	got := r.Next()
	receiving.Send(&wire.Disposition{Role: wire.RoleReceiver, First: got.ID, Last: got.ID, State: accepted})
	c.See(sent.Outcome())
	receiving.await("the router settles", func() bool { return got.over })
	c.See("settled towards the receiver")
}
