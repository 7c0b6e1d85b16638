package attack

import (
	"context"
	"fmt"
	"sync"
)

// multicastAddress is the section of the configuration that makes addresses multicast.
const multicastAddress = "addresses:\n  - {prefix: multicast, distribution: multicast}\n"

// Multicast is an attack with small messages to very many receivers without credit, from so many senders. When they
// leave, they come back and go on until the attack has been long enough.
func Multicast(senders int, settled, leave bool, limit string) Attack {
	const receivers = 5000
	a := Attack{Limit: limit, Addresses: multicastAddress}
	a.Name = fmt.Sprintf("multicast, %d senders, settled %v, leaving %v", senders, settled, leave)
	a.Prepare = func(s *Scene) error {
		_, err := s.receivers(receivers, "multicast.x", 0)
		return err
	}
	a.Strike = func(ctx context.Context, s *Scene) {
		var all sync.WaitGroup
		for range senders {
			all.Go(func() { s.multicast(ctx, settled, leave) })
		}
		all.Wait()
	}
	return a
}

// multicast is one sender.
func (s *Scene) multicast(ctx context.Context, settled, leave bool) {
	rounds, count := 0, 0
	for ctx.Err() == nil {
		p, err := s.dial(0)
		if err != nil {
			s.note("cannot attack: %v", err)
			return
		}
		l := load{links: 1, payload: always(data(1)), settled: settled}
		if leave {
			l.count = 20
		}
		p.start("multicast")
		if err = p.send(sender(0, "multicast.x")); err == nil {
			count, err = p.pump(ctx, l)
		}
		if rounds++; err != nil || !leave {
			s.note("%d messages in round %d (%v)", count, rounds, err)
			return
		}
		p.close()
	}
	s.note("%d rounds, the last with %d messages", rounds, count)
}
