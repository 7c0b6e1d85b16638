package contract

import (
	"fmt"

	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/goamqp"
)

// useUp sends messages until the sender has no credit left, and returns them.
func (c *Cell) useUp(s *Link, format string) (sent []*Sent) {
	c.Helper()
	s.AwaitCredit()
	for s.Credit() > 0 {
		sent = append(sent, c.Deliver(s, format, len(sent)))
	}
	return sent
}

// slowConsumer has a consumer without credit, and then with much.
func slowConsumer(c *Cell) {
	r := c.Settling(c.Last(), 0, accepted)
	var fast *Link
	if c.column == multicast {
		fast = c.Settling(c.First(), 1<<20, accepted)
		c.AllConsumers(c.First(), c.Last())
	}
	s := c.Sender()
	sent := c.useUp(s, "%d")
	if fast != nil {
		fast.AwaitCount(len(sent))
	}
	c.Queued(c.Last(), r, len(sent))
	s.c.Sync()
	c.Check(s.Credit() == 0, "more credit while %d wait", len(sent))
	r.Grant(1 << 20)
	for range 500 {
		sent = append(sent, c.Deliver(s, "%d", len(sent)))
	}
	for _, x := range sent {
		words := x.Outcome()
		c.Check(words == "accepted", "%s", words)
	}
	r.AwaitCount(len(sent))
	if c.column == multicast {
		c.See("the slowest consumer paces the sender")
	} else {
		c.See("credit withheld")
	}
	c.See("nothing dropped")
}

// Pre-settled messages for a consumer without credit: more than the 16 MiB that may wait for it. Each sender sends what
// it has credit for, and leaves; they are small enough that routers do not read more slowly for them.
const (
	presettledSize    = 3500 // octets
	presettledSenders = 20
	presettledEach    = 240
	presettledCount   = presettledSenders * presettledEach
)

// numbered is a message with a number, of presettledSize.
func numbered(i int) string {
	return encode(&message.Message{Properties: &message.Properties{MessageID: uint64(i)},
		Body: message.Data{make([]byte, presettledSize)}})
}

// numberOf is the number of such a message.
func numberOf(c *Cell, r *Received) int {
	m, err := message.Decode(r.Payload)
	c.Check(err == nil, "not decoded: %v", err)
	id, _ := m.Properties.MessageID.(uint64)
	return int(id)
}

// slowPresettled has a consumer without credit, and more pre-settled messages than may wait for it. What is sent has to
// be what is received and what is counted as dropped.
func slowPresettled(c *Cell) {
	r := c.Receiver(c.Last(), 0)
	for i := range presettledCount {
		if i%presettledEach == 0 {
			s := c.Sender()
			defer s.c.Cut()
			for k := range presettledEach {
				s.Deliver(numbered(i+k), true)
			}
			s.c.Sync()
			s.Leave()
			c.waitingOrDropped(r, i+presettledEach) // so that senders do not overtake each other
		}
	}
	dropped := c.waitingOrDropped(r, presettledCount)
	c.Check(dropped > 0, "nothing dropped")
	r.Grant(1 << 20)
	r.AwaitCount(presettledCount - dropped)
	first := numberOf(c, r.Next())
	last := first
	for range r.Count() - 1 {
		n := numberOf(c, r.Next())
		c.Check(n > last, "out of order")
		last = n
	}
	switch {
	case first == 0 && last < presettledCount-1:
		c.See("the newest are dropped")
	case first > 0 && last == presettledCount-1:
		c.See("the oldest are dropped")
	case first == 0:
		c.See("some in between are dropped")
	default:
		c.See("the first and the last ones are dropped")
	}
	c.Check(r.Count()+dropped == presettledCount, "%d received and %d dropped of %d", r.Count(), dropped, presettledCount)
	c.See("counted: sent = received + dropped")
}

// waitingOrDropped waits until so many messages wait for a receiver or are counted as dropped, and returns how many are
// dropped.
func (c *Cell) waitingOrDropped(r *Link, count int) (dropped int) {
	c.Helper()
	c.Eventually("every message waits or is counted", func() error {
		var err error
		if dropped, err = c.AllDropped(); err != nil {
			return err
		}
		row, err := c.link(c.Last(), r.Name)
		if err == nil && dropped+goamqp.Int(row["undeliveredCount"]) != count {
			err = fmt.Errorf("%d of %d are dropped, %v", dropped, count, row)
		}
		return err
	})
	return dropped
}

// blockedPresettled has a consumer without credit, and more pre-settled messages than may wait for it, whose sender is
// held back. The consumer grants credit when nothing has moved for a while.
func blockedPresettled(c *Cell) {
	r := c.Settling(c.Last(), 0, accepted) // the routers may want to know when one has arrived
	s := c.Sender()
	s.AwaitCredit()
	sent := make(chan bool)
	go func() {
		defer close(sent)
		defer func() { recover() }() // the cell's end: the consumer misses what was not sent
		for i := range presettledCount {
			s.Deliver(numbered(i), true)
		}
	}()
	last, same := -1, 0
	c.Eventually("the sender is held back, or has sent everything", func() error {
		select {
		case <-sent:
			return nil
		default:
		}
		row, err := c.link(c.Last(), r.Name)
		if err != nil {
			return err
		}
		if queued := goamqp.Int(row["undeliveredCount"]); queued != last || queued == 0 {
			last, same = queued, 0
		}
		if same++; same < 10 {
			return fmt.Errorf("%d messages wait, and more come", last)
		}
		return nil
	})
	r.Grant(1 << 20)
	for i := range presettledCount {
		if n := numberOf(c, r.Next()); n != i {
			c.Logf("message %d instead of %d", n, i)
			c.Stop("messages are dropped")
		}
	}
	dropped, err := c.AllDropped()
	c.Check(err == nil && dropped == 0, "%d dropped", dropped)
	c.See("sender held back; nothing dropped")
}

// expiring is a message with a time to live in milliseconds; with an address for an anonymous sender.
func expiring(ttl uint32, address string) string {
	m := &message.Message{Header: &message.Header{TTL: ttl, HasTTL: true, Priority: 4}, Body: message.Data{[]byte("x")}}
	if address != "" {
		m.Properties = &message.Properties{To: address}
	}
	return encode(m)
}

// expiredInQueue has a message whose time to live ends while it waits for a consumer without credit.
func expiredInQueue(c *Cell) {
	r := c.Receiver(c.Last(), 0)
	var other *Link
	if c.column == multicast {
		other = c.Settling(c.First(), 10, released)
		c.AllConsumers(c.First(), c.Last())
	}
	s := c.Sender()
	sent := s.Deliver(expiring(1, ""), c.column.settled())
	switch c.column {
	case presettled:
		c.AllDroppedBecomes(1)
		c.See("dropped, counted")
	case multicast:
		c.Seef("that branch is %s", sent.Outcome())
	default:
		c.See(sent.Outcome())
	}
	r.Grant(10)
	if other != nil {
		other.SettleAll(accepted)
		c.Deliver(s, "afterwards")
		c.Check(string(r.Accept().Payload) == body("afterwards"), "it arrives all the same")
		return
	}
	c.Alive(s, r)
}

// expiredWhileHeld has a message whose time to live ends while it is held for a consumer to come.
func expiredWhileHeld(c *Cell) {
	r := c.Receiver(c.Last(), 0)
	s := c.Sender()
	s.AwaitCredit()
	r.Leave()
	c.Consumers(c.First(), 0, 0)
	c.See(c.Dial(c.First()).Sender("").Deliver(expiring(1, c.Address()), false).Outcome())
	c.Alive(s, c.Successor())
}

// tooLargeLimit is the max-message-size of the cells about it, in octets.
const tooLargeLimit = 10_000

func bounded(routers int) Plan {
	p := chain(false, ids(routers)...)
	p.MaxMessageSize = tooLargeLimit
	return p
}

// tooLarge has a message that grows beyond the limit and has not ended yet.
func tooLarge(c *Cell) {
	r := c.Receiver(c.Last(), 10)
	s := c.Sender()
	c.Alive(s, r)
	s.AwaitCredit()
	whole := noise(10 * tooLargeLimit)
	sent := s.Begin(whole[:tooLargeLimit/2], c.column.settled(), true)
	sent.More(whole[tooLargeLimit/2:2*tooLargeLimit], true)
	when := "before its end"
	if !c.promises { // it may not look before
		sent.More(whole[2*tooLargeLimit:], false)
		when = "after its end"
	}
	if !c.column.settled() {
		c.Seef("%s %s", sent.Outcome(), when)
	}
	c.See(s.AwaitDetach())
	s.c.Sync()
	c.Alive(s.c.Sender(c.Address()), r)
	c.See("the connection goes on")
}
