package contract

import (
	"errors"
	"fmt"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/goamqp"
)

// backlog is what one router has for the next one.
type backlog struct{ written, queued int }

// toNeighbors sums a router's links to other routers.
func (c *Cell) toNeighbors(id string) (b backlog, err error) {
	rows, err := c.Query(id, "router.link", "linkType", "linkDir", "undeliveredCount", "deliveryCount")
	for _, row := range rows {
		if row["linkType"] == "inter-router" && row["linkDir"] == "out" {
			b.written += goamqp.Int(row["deliveryCount"])
			b.queued += goamqp.Int(row["undeliveredCount"])
		}
	}
	return b, err
}

// handedOn waits until a router has so many messages written to its neighbors, or queued for them.
func (c *Cell) handedOn(id string, count int) (b backlog) {
	c.Helper()
	c.Eventually("the messages are on their way to the next router", func() (err error) {
		if b, err = c.toNeighbors(id); err == nil && b.written+b.queued != count {
			err = fmt.Errorf("%+v", b)
		}
		return err
	})
	return b
}

// writtenToKilled has a router killed that handed a message on to a consumer, who has not answered.
func writtenToKilled(victim string) func(*Cell) {
	return func(c *Cell) {
		r := c.Receiver("C", 10)
		var other *Link
		if c.column == multicast {
			other = c.Receiver("A", 10)
			c.AllConsumers("A", "C")
		}
		sent := c.Deliver(c.Sender(), "x")
		r.AwaitCount(1)
		if other != nil {
			other.Settle(other.Next(), released)
		}
		c.kill(victim)
		if c.column == multicast {
			c.Seef("that branch is %s", sent.Outcome())
			return
		}
		c.See(sent.Outcome())
	}
}

// lostOnTheHop has pre-settled messages that were written to a router which is killed before it could read them.
func lostOnTheHop(victim, before string) func(*Cell) {
	return func(c *Cell) {
		const count = 10
		r := c.Receiver("C", 1000)
		s := c.Sender()
		s.AwaitCredit()
		c.suspend(victim)
		for i := range count {
			c.Deliver(s, "%d", i)
		}
		b := c.handedOn(before, count)
		c.Check(b.queued == 0, "%d wait for credit", b.queued)
		c.kill(victim)
		if victim == "C" {
			r = c.Receiver("B", 1000)
		}
		c.converge()
		c.Consumers("A", 0, 1)
		c.Alive(s, r)
		c.Check(r.Count() == 1, "%d arrive on another way", r.Count()-1)
		c.See("lost on the wire")
		if dropped, err := c.AllDropped(); err == nil && dropped == count {
			c.See("counted")
		}
	}
}

// converge waits until the routers have found the paths that there are.
func (c *Cell) converge() {
	if err := c.Network.Converge(); err != nil {
		c.Logf("%v", err)
		c.Stop("no paths within %v", convergeLimit)
	}
}

// kill ends a router as kill -9 does.
func (c *Cell) kill(id string) {
	if err := c.Network.Kill(id); err != nil {
		c.Stop("%v", err)
	}
}

func (c *Cell) suspend(id string) {
	if err := c.Network.Router(id).Suspend(); err != nil {
		c.Stop("SIGSTOP: %v", err)
	}
}

// queuedForKilled has a router killed for which another one has messages queued, beyond those that it has written to
// it. There is another way, or another consumer.
func queuedForKilled(victim, before string) func(*Cell) {
	return func(c *Cell) {
		const count, senders = 400, 2
		r := c.Settling("C", 1000, accepted)
		if c.column == multicast {
			c.Settling("A", 1000, released)
			c.AllConsumers("A", "C")
		}
		var links []*Link
		for range senders {
			s := c.Sender()
			s.AwaitCredit()
			links = append(links, s)
		}
		c.suspend(victim)
		var sent []*Sent
		for i := range count {
			sent = append(sent, c.Deliver(links[i%senders], "%d", i))
		}
		b := c.handedOn(before, count)
		c.Check(b.queued > 0, "none is queued")
		if victim == "C" && c.column != multicast {
			r = c.Settling("B", 1000, accepted)
			c.Consumers("B", 1, 1)
		}
		c.kill(victim)
		if c.column.settled() {
			c.Eventually("the queued ones are delivered or counted", func() error {
				dropped, err := c.AllDropped()
				if err == nil && dropped+r.Count() != b.queued {
					err = fmt.Errorf("%d dropped and %d delivered of %d", dropped, r.Count(), b.queued)
				}
				return err
			})
			c.converge()
			c.Consumers("A", 0, 1)
			c.Alive(links[0], afterAll(r))
			c.See("queued: delivered on another way, or dropped and counted")
			c.See("written: lost on the wire")
			return
		}
		words := make(map[string]int)
		for _, s := range sent {
			words[s.Outcome()]++
		}
		for _, of := range []struct {
			name  string
			count int
		}{{"queued", b.queued}, {"written", b.written}} {
			for outcome, n := range words {
				if n == of.count {
					c.Seef("%s: %s", of.name, outcome)
					delete(words, outcome)
				}
			}
		}
		if len(words) > 0 {
			c.Seef("%d queued, %d written: %v", b.queued, b.written, words)
		}
	}
}

// afterAll has a receiver take all that has come, so that the next delivery is a new one.
func afterAll(r *Link) *Link {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	r.taken = len(r.got)
	return r
}

// ingressKilled has the router killed that the sender is connected to.
func ingressKilled(c *Cell) {
	r := c.Receiver(c.Last(), 10)
	s := c.Sender()
	c.Deliver(s, "x")
	r.AwaitCount(1)
	c.kill(c.First())
	if closed := s.c.AwaitEnd(); closed != nil {
		c.See("connection closed")
	} else {
		c.See("connection lost")
	}
	next, err := failover(s.c.Open)
	c.Check(err == nil, "%v", err)
	if !c.Several() {
		if err := c.Network.Restart(c.First()); err != nil {
			c.Stop("no restart: %v", err)
		}
		r = c.Receiver(c.Last(), 10)
	} else {
		afterAll(r)
	}
	client, err := Dial(c, fmt.Sprintf("contract-%d", numbers.Add(1)), next)
	c.Check(err == nil, "the failover list leads nowhere: %v", err)
	c.clients = append(c.clients, client)
	c.Alive(client.Sender(c.Address()), r)
	c.See("goes on with the failover list")
}

// failover returns the last place of the failover list in an open.
func failover(open *wire.Open) (string, error) {
	v, _, err := wire.DecodeValue(open.Properties)
	if err != nil {
		return "", err
	}
	properties, _ := v.(wire.Map)
	list, _ := properties.Get("failover-server-list")
	places, _ := list.(wire.List)
	if len(places) == 0 {
		return "", errors.New("no failover list")
	}
	place, _ := places[len(places)-1].(wire.Map)
	host, _ := place.Get("network-host")
	port, _ := place.Get("port")
	return fmt.Sprintf("amqp://%v:%v", host, port), nil
}

// flapping is three routers of which each is connected to each; A – B goes through a proxy.
func flapping(int) Plan {
	p := chain(false, "A", "B", "C")
	p.Links[0].Through = true
	p.Links = append(p.Links, Join{From: "A", To: "C"})
	return p
}

// linkFlaps has a link between two routers come and go while messages go another way.
func linkFlaps(c *Cell) {
	receivers := []*Link{c.Receiver("C", 1000)}
	receivers[0].SettleAll(accepted)
	if c.column == multicast {
		for _, id := range []string{"A", "B"} {
			r := c.Settling(id, 1000, accepted)
			receivers = append(receivers, r)
		}
		c.AllConsumers("A", "B", "C")
	}
	s := c.Sender()
	var sent []*Sent
	deliver := func() {
		for range 20 {
			sent = append(sent, c.Deliver(s, "%d", len(sent)))
		}
	}
	for range 3 {
		deliver()
		c.Network.Cut("A-B")
		deliver()
		c.Eventually("the loss is noticed", func() error { return c.neighborOf("A", "B", false) })
		deliver()
		c.Network.Mend("A-B")
		c.converge()
	}
	deliver()
	if c.column != presettled {
		for _, x := range sent {
			if words := x.Outcome(); words != "accepted" {
				c.Stop("a message on another way is %s", words)
			}
		}
	}
	if c.column != multicast {
		receivers[0].AwaitCount(len(sent))
		c.See("messages on other ways untouched")
	}
	for _, r := range receivers {
		seen := make(map[string]bool)
		for range r.Count() {
			got := string(r.Next().Payload)
			c.Check(!seen[got], "a duplicate")
			seen[got] = true
		}
	}
	if c.column == multicast {
		c.See("no duplicates")
	}
}

// neighborOf reports whether a router has another one for a neighbor, or does not, as is wanted.
func (c *Cell) neighborOf(id, other string, want bool) error {
	nodes, err := c.Query(id, "router.node", "id", "nextHop", "routerLink")
	if err != nil {
		return err
	}
	for _, node := range nodes {
		if node["id"] == other {
			hop, _ := node["nextHop"].(string)
			_, linked := node["routerLink"]
			if is := hop == "" && linked; is != want {
				return fmt.Errorf("%v", node)
			}
			return nil
		}
	}
	if want {
		return fmt.Errorf("%s does not know %s", id, other)
	}
	return nil
}

// parted is a chain whose first router can be cut off.
func parted(int) Plan {
	p := chain(false, "A", "B", "C")
	p.Links[0].Through = true
	return p
}

// cutOff waits until A knows only its own consumers. A system that forgets consumers late has at least no path any more.
func (c *Cell) cutOff(here int) {
	if c.promises {
		c.Consumers("A", here, 0)
		return
	}
	c.Eventually("the partition is noticed", func() error { return c.neighborOf("A", "B", false) })
}

// partition has the consumers cut off from the sender.
func partition(c *Cell) {
	c.Receiver("C", 10)
	s := c.Sender()
	s.AwaitCredit()
	anonymous := c.Dial("A").Sender("")
	c.Network.Cut("A-B")
	c.cutOff(0)
	if sent := anonymous.Deliver(to(c.Address()), c.column.settled()); c.column.settled() {
		c.Dropped("A", anonymous, 1)
		c.See("dropped, counted")
	} else {
		c.See(sent.Outcome())
	}
	s.AwaitDrain()
	c.See("credit taken back")
	c.Alive(s, c.Receiver("A", 10))
	c.See("consumers on this side go on")
}

// partialMulticast has some of the consumers cut off from the sender.
func partialMulticast(c *Cell) {
	here := c.Receiver("A", 10)
	c.Receiver("C", 10)
	c.AllConsumers("A", "C")
	s := c.Sender()
	s.AwaitCredit()
	c.Network.Cut("A-B")
	c.cutOff(1)
	sent := c.Deliver(s, "x")
	here.Accept()
	c.Seef("%s by those on this side", sent.Outcome())
}

// heal has a partition end while a message is held.
func heal(c *Cell) {
	r := c.Settling("C", 10, accepted)
	s := c.Sender()
	s.AwaitCredit()
	c.Network.Cut("A-B")
	c.cutOff(0)
	var sent *Sent
	if !c.column.settled() {
		c.Check(s.Credit() > 0, "the credit is taken back before the hold is over")
		sent = c.Deliver(s, "x")
	}
	if sent != nil {
		s.c.Sync()
		if !sent.Known() {
			c.See("held")
		}
	}
	c.Network.Mend("A-B")
	if sent != nil {
		c.See(sent.Outcome())
		afterAll(r)
	}
	c.converge()
	c.Consumers("A", 0, 1)
	c.Alive(s, r)
	c.Check(!c.column.settled() && r.Count() == 2 || r.Count() == 1, "%d copies", r.Count())
	c.See("routes back, no duplicates")
}

// healMulticast has a partition end between consumers.
func healMulticast(c *Cell) {
	var receivers []*Link
	for _, id := range []string{"A", "B", "C"} {
		r := c.Settling(id, 100, accepted)
		receivers = append(receivers, r)
	}
	c.AllConsumers("A", "B", "C")
	s := c.Sender()
	c.Network.Cut("A-B")
	c.cutOff(1)
	c.Network.Mend("A-B")
	c.converge()
	c.AllConsumers("A", "B", "C")
	const count = 20
	var sent []*Sent
	for i := range count {
		sent = append(sent, c.Deliver(s, "%d", i))
	}
	for _, x := range sent {
		words := x.Outcome()
		c.Check(words == "accepted", "%s", words)
	}
	for _, r := range receivers {
		r.AwaitCount(count)
		r.c.Sync()
		c.Check(r.Count() == count, "%d copies of %d messages", r.Count(), count)
	}
	c.See("routes back, no duplicates")
}

// silentFailure has a router stand still through which a message went, while its connections stay. There is another way.
func silentFailure(c *Cell) {
	r := c.Receiver("C", 10)
	receivers := []*Link{r}
	if c.column == multicast {
		other := c.Settling("A", 10, released)
		c.AllConsumers("A", "C")
		receivers = append(receivers, other)
	}
	s := c.Sender()
	sent := c.Deliver(s, "x")
	r.AwaitCount(1)
	for _, r := range receivers {
		r.Next()
	}
	c.suspend("B")
	defer c.Network.Kill("B")
	switch c.column {
	case anycast:
		c.See(sent.Outcome())
	case multicast:
		c.Seef("that branch is %s", sent.Outcome())
	}
	c.Eventually("the loss is noticed", func() error { return c.neighborOf("A", "B", false) })
	c.Consumers("A", len(receivers)-1, 1)
	c.Alive(s, r)
	c.See("the next message goes another way")
}
