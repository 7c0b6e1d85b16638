package contract

import (
	"errors"
	"fmt"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// memoryLimit is what the router of these cells may use, in octets: a few senders can press it.
const memoryLimit = 24 << 20

func short(routers int) Plan {
	p := chain(false, ids(routers)...)
	p.MemoryLimit = memoryLimit
	return p
}

// What the senders of these cells have to send: each what its credit allows.
const (
	pressSenders = 40
	pressSize    = 5000 // octets
)

// memoryPressure has senders to addresses with slow consumers, whose messages take more and more of the memory, and
// then consumers that take all of them.
func memoryPressure(c *Cell) {
	probe := c.Dial(c.First())
	consumers := c.Dial(c.First())
	var receivers, senders []*Link
	for i := range pressSenders {
		address := fmt.Sprintf("%s/%d", c.Address(), i)
		r := consumers.Receiver(address, 0)
		r.SettleAll(accepted)
		s := c.Dial(c.First()).Sender(address)
		s.AwaitCredit()
		receivers, senders = append(receivers, r), append(senders, s)
	}
	var sent []*Sent
	for _, s := range senders {
		for s.Credit() > 0 && s.gone() == nil {
			sent = append(sent, s.Begin(body("%s", make([]byte, pressSize)), c.column.settled(), false))
		}
	}
	c.Eventually("credit is withheld", func() error {
		s := probe.Sender(c.Address() + "/0")
		probe.Sync()
		if s.gone() != nil {
			return nil // attaches are refused already
		}
		defer s.Leave()
		if credit := s.Credit(); credit > 1 {
			return fmt.Errorf("the credit is %d", credit)
		}
		return nil
	})
	c.See("credit withheld")
	c.Eventually("attaches are refused", func() error {
		r := probe.Receiver(c.Address()+"/probe", 0)
		probe.Sync()
		if r.gone() == nil {
			r.Leave()
			return errors.New("attached")
		}
		return nil
	})
	c.See("attaches refused")
	c.Eventually("a link is detached", func() error {
		for _, s := range senders {
			if s.gone() != nil {
				return nil
			}
		}
		return errors.New("none")
	})
	c.See("the worst offender detached")
	for _, r := range receivers {
		r.Grant(1 << 20)
	}
	for _, x := range sent {
		s := x.link // it may be detached as long as the pressure lasts
		s.c.await("an outcome, or the end of the link", func() bool { return x.known || s.Detach != nil })
		detach := s.gone()
		switch {
		case x.Known():
			words := x.Outcome()
			c.Check(words == "accepted", "%s", words)
		case detach.Error == nil || detach.Error.Condition != wire.ErrResourceLimitExceeded:
			c.Stop("detached with %v", detach.Error)
		}
	}
	c.See("the others' messages accepted")
}

// gone returns the router's detach, nil if there was none.
func (l *Link) gone() *wire.Detach {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	return l.Detach
}
