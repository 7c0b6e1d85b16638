package attack

import (
	"context"
	"errors"
	"time"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// sessionLinks is how many links a session has that ends.
const sessionLinks = 60000

// ManyLinks is an attack with a session of 60,000 links that ends: by its end, by the connection's end without a word,
// or by a detach of each.
func ManyLinks(how, address string) Attack {
	var p *peer
	a := Attack{Name: "60,000 links end: " + how, UnderFire: how == LinksEnd, Lean: true}
	a.Prepare = func(s *Scene) (err error) {
		p, err = s.receivers(sessionLinks, address, 0)
		return err
	}
	a.Strike = func(ctx context.Context, s *Scene) {
		switch how {
		case LinksEnd:
			p.send(end(0))
		case LinksVanish:
			p.close()
		case LinksDetach:
			var all []byte
			for i := range uint32(sessionLinks) {
				all = append(all, detach(0, i)...)
			}
			if err := p.send(all); err != nil {
				s.note("the router takes no more (%v)", err)
			}
		}
		pause(ctx, time.Second)
	}
	return a
}

// The ways in which links end.
const (
	LinksEnd    = "the session ends"
	LinksVanish = "the connection is lost"
	LinksDetach = "each is detached"
)

const (
	// consumerRatio is how much more of the CPU a message may take among 10,000 consumers than among 5. It is far above
	// what noise does, and far below what a look at each consumer costs.
	consumerRatio = 3
	// consumerRounds is how often both are compared at most. Noise spoils one comparison, but not all; the router spoils
	// all of them.
	consumerRounds = 4
)

// Consumers sends to 10,000 consumers of a balanced address, and compares what a message costs with the same for 5.
// Each consumer has messages that are not settled, so that none is the obvious choice.
func Consumers() Attack {
	const few, plenty = "few", "plenty"
	var before time.Duration
	a := Attack{Name: "10,000 consumers of an address", Lean: true}
	a.Prepare = func(s *Scene) (err error) {
		if err = errors.Join(s.consumers(5, few), s.consumers(10000, plenty)); err == nil {
			before, err = s.traffic(few)
		}
		return err
	}
	a.Strike = func(_ context.Context, s *Scene) {
		for round := 1; ; round++ {
			after, err := s.traffic(plenty)
			s.note("CPU for a message: %v with 5 consumers, %v with 10,000 (%v)", before, after, err)
			switch {
			case err != nil:
				s.fail("the messages to 10,000 consumers could not be sent: %v", err)
				return
			case after <= consumerRatio*before:
				return
			case round == consumerRounds:
				s.fail("in each of %d rounds a message costs more than %d times as much of the CPU with 10,000 consumers as "+
					"with 5, in the last %v and %v", consumerRounds, consumerRatio, after, before)
				return
			}
			if before, err = s.traffic(few); err != nil {
				s.fail("the messages to 5 consumers could not be sent: %v", err)
				return
			}
		}
	}
	return a
}

// The traffic of Consumers: what is not accepted yet is more than a delivery for each consumer, and less than the
// senders' credit.
const (
	trafficMessages  = 40000
	trafficUnsettled = 15000
	trafficLinks     = 80
)

// consumers attaches consumers that accept late.
func (s *Scene) consumers(count int, address string) error {
	p, err := s.dial(0)
	if err != nil {
		return err
	}
	p.start("consumers")
	if err := p.attach(count, address, trafficMessages); err != nil {
		return err
	}
	go p.acceptAll(trafficUnsettled)
	return nil
}

// traffic sends to consumers, and returns the router's CPU time for each message. The sender stays and reads on.
func (s *Scene) traffic(address string) (time.Duration, error) {
	p, err := s.dial(0)
	if err != nil {
		return 0, err
	}
	first := s.router.cpu()
	l := load{payload: always(data(100)), count: trafficMessages}
	sent, err := s.fill(p, trafficLinks, address, l)
	used := s.router.cpu() - first
	p.discard()
	if err == nil && sent == 0 {
		err = errors.New("none was taken")
	}
	return used / time.Duration(max(sent, 1)), err
}

// hangLimit is how long a client may need to send 45 MB and be answered. It takes a second, unless the router stops
// reading.
const hangLimit = 20 * time.Second

// CloseBehind is an attack of a client that sends 45 MB to itself, gives no credit for them, and closes.
func CloseBehind(limit string) Attack {
	return behind("a close behind 45 MB", limit, frame(0, &wire.Close{}), wire.DescriptorClose)
}

// CreditBehind is an attack of a client that sends 45 MB to itself, and gives credit for them only behind.
func CreditBehind(limit string) Attack {
	return behind("credit behind 45 MB", limit, credit(1, 0, most), wire.DescriptorTransfer)
}

// behind is an attack of a client that sends to a receiver of its own without credit: 250 messages of 180 KB, or what
// its credit allows. Behind them it says something, to which there is an answer.
func behind(name, limit string, last []byte, answer uint64) Attack {
	return Attack{Name: name, Limit: limit, Strike: func(ctx context.Context, s *Scene) {
		p, err := s.dial(0)
		if err != nil {
			s.note("cannot attack: %v", err)
			return
		}
		p.start("itself")
		p.send(sender(0, "itself"), receiver("in", 1, "itself"))
		done := make(chan error, 1)
		begun := time.Now()
		go func() { done <- s.sayBehind(p, last, answer) }()
		select {
		case err = <-done:
		case <-time.After(hangLimit):
			err = context.DeadlineExceeded
		}
		if err != nil {
			s.fail("what was said behind the messages was not answered in %v: %v", time.Since(begun), err)
			return
		}
		s.note("what was said behind the messages was answered after %v", time.Since(begun))
	}}
}

// sayBehind sends messages, and something behind them, and waits for the answer.
func (s *Scene) sayBehind(p *peer, last []byte, answer uint64) error {
	ctx, cancel := context.WithTimeout(context.Background(), hangLimit)
	defer cancel()
	l := load{links: 1, payload: always(data(180000)), count: 250, quiet: time.Second, patient: true}
	sent, err := p.pump(ctx, l)
	s.note("%d messages of 180 KB sent (%v)", sent, err)
	if err == nil {
		err = p.sendWithin(patience, last)
	}
	for err == nil {
		var m message
		if m, err = p.next(hangLimit); m.code == answer {
			return nil
		}
	}
	return err
}

// Leavers is an attack of senders that send settled messages to a consumer which does not read, or gives no credit, and
// leave.
func Leavers(reads bool, limit string) Attack {
	a := Attack{Name: "settled messages of who has left", Limit: limit}
	a.Prepare = func(s *Scene) error {
		if reads {
			_, err := s.receivers(1, "left", 0)
			return err
		}
		p, err := s.silent(receiver("in", 0, "left"), credit(0, 0, most))
		if err == nil {
			p.keep()
		}
		return err
	}
	a.Strike = func(ctx context.Context, s *Scene) {
		l := load{links: 1, payload: always(data(10000)), settled: true, count: 1000, quiet: 100 * time.Millisecond}
		rounds, sent := 0, 0
		var err error
		for ; err == nil && ctx.Err() == nil && s.sent() < sentLimit; rounds++ {
			var p *peer
			if p, err = s.dial(0); err != nil {
				break
			}
			p.start("leaver")
			p.send(sender(0, "left"))
			var n int
			n, err = p.pump(ctx, l)
			sent += n
			p.close()
		}
		s.note("%d settled messages of 10 kB from %d senders (%v)", sent, rounds, err)
	}
	return a
}
