package contract

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/goamqp"
	"github.com/postroad/postroad/internal/lab"
)

// column is a kind of delivery.
type column int

const (
	anycast    column = iota // unsettled, to one consumer
	presettled               // settled by the sender, to one consumer
	multicast                // unsettled, to all consumers
	columns
)

func (c column) String() string { return [...]string{"anycast", "presettled", "multicast"}[c] }

// settled reports whether the column's messages are sent settled.
func (c column) settled() bool { return c == presettled }

// Cell is one test of the table, while it runs.
type Cell struct {
	*testing.T
	Network *Network
	column  column
	// promises says that the contract is this system's.
	promises bool
	number   int64
	wait     time.Duration
	saw      []string
	clients  []*Client
	prefix   string // of the addresses
}

// stopped is what ends a cell before its end.
type stopped struct{}

// Stop implements [T]: the cell ends, and what did not come is what it observed.
func (c *Cell) Stop(format string, args ...any) {
	c.Seef(format, args...)
	panic(stopped{})
}

// Wait implements [T].
func (c *Cell) Wait() time.Duration { return c.wait }

// See notes what was observed, once.
func (c *Cell) See(words string) {
	if len(c.saw) == 0 || c.saw[len(c.saw)-1] != words {
		c.saw = append(c.saw, words)
	}
}

// Seef is See with a format.
func (c *Cell) Seef(format string, args ...any) { c.See(fmt.Sprintf(format, args...)) }

// Check ends the cell with words when something is not so.
func (c *Cell) Check(ok bool, format string, args ...any) {
	if !ok {
		c.Stop(format, args...)
	}
}

// observe runs the cell and returns what it observed.
func (c *Cell) observe(run func(*Cell)) string {
	defer func() {
		for _, client := range c.clients {
			client.Cut()
		}
	}()
	func() {
		defer func() {
			if r := recover(); r != nil && r != (stopped{}) {
				panic(r)
			}
		}()
		run(c)
	}()
	for _, client := range c.clients {
		for _, what := range slices.Compact(client.Broken()) {
			c.Logf("%s: %s", client.name, what)
			if strings.HasSuffix(what, "two outcomes") || len(c.saw) == 0 || c.saw[len(c.saw)-1] != brokenRule {
				c.saw = append(c.saw, brokenRule)
			}
		}
	}
	return strings.Join(c.saw, "; ")
}

const brokenRule = "AMQP broken"

// numbers makes names of clients and addresses different.
var numbers atomic.Int64

// Dial connects a client to a router.
func (c *Cell) Dial(id string) *Client {
	c.Helper()
	client, err := Dial(c, fmt.Sprintf("contract-%d", numbers.Add(1)), c.Network.URL(id))
	if err != nil {
		c.Stop("cannot connect: %v", err)
	}
	c.clients = append(c.clients, client)
	return client
}

// First and Last are the routers where senders and consumers are.
func (c *Cell) First() string { return c.Network.First() }

// Last is the router where consumers are.
func (c *Cell) Last() string { return c.Network.Last() }

// Several reports whether there is more than one router.
func (c *Cell) Several() bool { return len(c.Network.Plan.Routers) > 1 }

// Address is the cell's own address, below the prefix of its column.
func (c *Cell) Address() string {
	prefix := c.prefix
	switch {
	case prefix != "":
	case c.column == multicast:
		prefix = Multicast
	default:
		prefix = Closest
	}
	return fmt.Sprintf("%s/%d", prefix, c.number)
}

// Sender attaches a sender at the first router, of a client of its own.
func (c *Cell) Sender() *Link {
	c.Helper()
	return c.Dial(c.First()).Sender(c.Address())
}

// Receiver attaches a receiver at a router, of a client of its own.
func (c *Cell) Receiver(id string, credit uint32) *Link {
	c.Helper()
	return c.Dial(id).Receiver(c.Address(), credit)
}

// Settling is Receiver for one that gives everything the same outcome as it comes.
func (c *Cell) Settling(id string, credit uint32, state wire.State) *Link {
	c.Helper()
	r := c.Receiver(id, 0)
	r.SettleAll(state)
	r.Grant(credit)
	return r
}

// Deliver sends a short message as the column has it.
func (c *Cell) Deliver(s *Link, format string, args ...any) *Sent {
	c.Helper()
	return s.Deliver(body(format, args...), c.column.settled())
}

// body is a message with one data section.
func body(format string, args ...any) string {
	b := wire.AppendDescriptor(nil, wire.DescriptorData)
	return string(wire.AppendBinary(b, fmt.Appendf(nil, format, args...)))
}

// encode encodes a message.
func encode(m *message.Message) string {
	b, err := m.Append(nil)
	if err != nil {
		panic(err) // a test's own message
	}
	return string(b)
}

// to is a message for an anonymous sender.
func to(address string) string {
	return encode(&message.Message{Properties: &message.Properties{To: address}, Body: message.Data{[]byte("x")}})
}

// noise is a message of a size in octets.
func noise(size int) string {
	return encode(&message.Message{Body: message.Data{make([]byte, size)}})
}

// Query asks a router's management.
func (c *Cell) Query(id, entity string, attributes ...string) ([]map[string]any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.wait)
	defer cancel()
	return c.Network.Router(id).Query(ctx, entity, attributes...)
}

// Eventually waits until a check finds nothing wrong.
func (c *Cell) Eventually(why string, check func() error) {
	c.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), c.wait)
	defer cancel()
	if err := lab.Poll(ctx, pollPeriod, check); err != nil {
		c.Logf("%s: %v", why, err)
		c.Stop("not within %v: %s", c.wait, why)
	}
}

// Consumers waits until a router knows so many consumers of the cell's address here, and so many routers with some. A
// system that forgets them late may know more.
func (c *Cell) Consumers(id string, here, routers int) {
	c.Helper()
	why := "the consumers are known"
	if here+routers == 0 {
		why = "the loss of the consumers is known"
	}
	c.Eventually(why, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), c.wait)
		defer cancel()
		locals, remotes, err := c.Network.Router(id).Consumers(ctx, "M0"+c.Address())
		late := !c.promises && here+routers > 0 && locals >= here && remotes >= routers
		if err == nil && !late && (locals != here || remotes != routers) {
			err = fmt.Errorf("%s knows %d and %d, not %d and %d", id, locals, remotes, here, routers)
		}
		return err
	})
}

// AllConsumers waits until the first router knows the consumers at other routers and here.
func (c *Cell) AllConsumers(at ...string) {
	c.Helper()
	here, others := 0, make(map[string]bool)
	for _, id := range at {
		if id == c.First() {
			here++
		} else {
			others[id] = true
		}
	}
	c.Consumers(c.First(), here, len(others))
}

// Successor attaches a receiver at the last router in place of one that is gone, and waits until that is known at the
// first.
func (c *Cell) Successor() *Link {
	c.Helper()
	c.Consumers(c.First(), 0, 0)
	r := c.Receiver(c.Last(), 10)
	c.AllConsumers(c.Last())
	return r
}

// link returns what a router's management says of a link with a name.
func (c *Cell) link(id, name string) (map[string]any, error) {
	rows, err := c.Query(id, "router.link", "linkName", "linkDir", "undeliveredCount", "unsettledCount",
		"droppedPresettledCount", "deliveryCount", "presettledCount")
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if row["linkName"] == name {
			return row, nil
		}
	}
	return nil, errors.New("there is no link " + name)
}

// Queued waits until so many messages wait in a router for a receiver.
func (c *Cell) Queued(id string, l *Link, count int) {
	c.Helper()
	c.Eventually("messages wait for the consumer", func() error {
		row, err := c.link(id, l.Name)
		if err == nil && goamqp.Int(row["undeliveredCount"]) != count {
			err = fmt.Errorf("%v", row)
		}
		return err
	})
}

// Dropped waits until a router has counted so many dropped messages on a sender's link.
func (c *Cell) Dropped(id string, l *Link, count int) {
	c.Helper()
	c.Eventually("the drop is counted", func() error {
		row, err := c.link(id, l.Name)
		if err == nil && goamqp.Int(row["droppedPresettledCount"]) != count {
			err = fmt.Errorf("%v", row)
		}
		return err
	})
}

// AllDropped returns how many pre-settled messages the routers of the network have dropped and counted.
func (c *Cell) AllDropped() (int, error) {
	sum := 0
	for _, id := range c.Network.Plan.Routers {
		if !c.Network.Up(id) {
			continue
		}
		rows, err := c.Query(id, "router", "droppedPresettledDeliveries")
		if err != nil {
			return 0, err
		}
		for _, row := range rows {
			sum += goamqp.Int(row["droppedPresettledDeliveries"])
		}
	}
	return sum, nil
}

// AllDroppedBecomes waits until the routers of a network of the cell's own have counted so many drops.
func (c *Cell) AllDroppedBecomes(count int) {
	c.Helper()
	c.Eventually("the drops are counted", func() error {
		sum, err := c.AllDropped()
		if err == nil && sum != count {
			err = fmt.Errorf("%d are counted, not %d", sum, count)
		}
		return err
	})
}

// Alive checks that a sender's messages go to a receiver, whole.
func (c *Cell) Alive(s *Link, receivers ...*Link) {
	c.Helper()
	sent := c.Deliver(s, "afterwards")
	for _, r := range receivers {
		got := r.Accept()
		for got.Aborted {
			got = r.Accept()
		}
		c.Check(string(got.Payload) == body("afterwards"), "%d octets instead of the next message", len(got.Payload))
	}
	if c.column != presettled {
		if words := sent.Outcome(); words != "accepted" {
			c.Stop("the next message: %s", words)
		}
	}
}
