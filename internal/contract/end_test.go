package contract

import (
	"errors"
	"fmt"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// terminated has the router ended, as its operator does, that a consumer is connected to, while messages are with the
// consumer and wait for it.
func terminated(c *Cell) {
	const count, credit = 4, 2
	r := c.Receiver(c.Last(), credit)
	if c.column == multicast && c.Several() {
		c.Settling(c.First(), 10, released)
		c.AllConsumers(c.First(), c.Last())
	}
	s := c.Sender()
	var sent []*Sent
	for i := range count {
		sent = append(sent, c.Deliver(s, "%d", i))
	}
	r.AwaitCount(credit)
	c.Queued(c.Last(), r, count-credit)
	c.Check(c.Network.Router(c.Last()).Terminate() == nil, "no signal")
	r.SettleAll(accepted)
	for range credit {
		if m := r.Next(); !m.Settled {
			r.Settle(m, accepted)
		}
	}
	r.Grant(10)
	r.AwaitCount(count)
	if c.column.settled() {
		c.See("flushed")
	} else {
		for _, x := range sent {
			c.See(x.Outcome())
		}
	}
	closed := r.c.AwaitEnd()
	c.Check(closed != nil && closed.Error != nil, "connection lost")
	c.Seef("connection closed with %s", closed.Error.Condition)
	next, err := nextPlace(closed.Error)
	c.Check(err == nil, "%v", err)
	if err := c.Network.Router(c.Last()).AwaitEnd(); err != nil {
		c.Stop("%v", err)
	}
	if !c.Several() {
		if err := c.Network.Restart(c.First()); err != nil {
			c.Stop("no restart: %v", err)
		}
	}
	client, err := Dial(c, fmt.Sprintf("contract-%d", numbers.Add(1)), next)
	c.Check(err == nil, "the failover list leads nowhere: %v", err)
	c.clients = append(c.clients, client)
	r = client.Receiver(c.Address(), 10)
	switch {
	case !c.Several():
		s = c.Sender()
	case c.column == multicast:
		c.AllConsumers(c.First(), "B")
	default:
		c.AllConsumers("B")
	}
	c.Alive(s, r)
	c.See("the next message goes to the consumer's next place")
}

// nextPlace returns the last place of the failover list in the error of a close.
func nextPlace(e *wire.Error) (string, error) {
	if len(e.Info) == 0 {
		return "", errors.New("the close names no other router")
	}
	return failover(&wire.Open{Properties: e.Info})
}

// transitTerminated has the router ended, as its operator does, that messages go through. There is another way.
func transitTerminated(c *Cell) {
	const count = 200
	r := c.Settling("C", count, accepted)
	if c.column == multicast {
		c.Settling("A", count, released)
		c.AllConsumers("A", "C")
	}
	s := c.Sender()
	var sent []*Sent
	deliver := func() {
		for range count / 4 {
			sent = append(sent, c.Deliver(s, "%d", len(sent)))
		}
	}
	deliver()
	c.Check(c.Network.Router("B").Terminate() == nil, "no signal")
	deliver()
	deliver()
	if err := c.Network.Router("B").AwaitEnd(); err != nil {
		c.Stop("%v", err)
	}
	deliver()
	r.AwaitCount(count)
	if c.column.settled() {
		c.See("delivered")
	} else {
		for _, x := range sent {
			c.See(x.Outcome())
		}
	}
	c.See("goes on another way")
}
