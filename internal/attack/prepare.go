package attack

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// attachSize is how many attaches are written at once.
const attachSize = 500

// receivers connects a client with receivers on an address, or on an address each when it has a verb, and waits until
// all are attached. The client reads on and forgets.
func (s *Scene) receivers(count int, address string, credits uint32) (*peer, error) {
	p, err := s.dial(0)
	if err != nil {
		return nil, err
	}
	p.start("receivers")
	if err := p.attach(count, address, credits); err != nil {
		return nil, err
	}
	p.discard()
	return p, nil
}

// attach attaches receivers with handles from 0 on, and waits until all are attached.
func (p *peer) attach(count int, address string, credits uint32) error {
	for first := 0; first < count; first += attachSize {
		var all []byte
		last := min(count, first+attachSize)
		for i := first; i < last; i++ {
			at := address
			if i := fmt.Sprint(i); at[len(at)-1] == '.' { // an address each
				at += i
			}
			all = append(all, receiver(fmt.Sprint("in", i), uint32(i), at)...)
			if credits > 0 {
				all = append(all, credit(uint32(i), 0, credits)...)
			}
		}
		if err := p.sendWithin(patience, all); err != nil {
			return err
		}
		for range last - first {
			if _, err := await[wire.Attach](p, patience); err != nil {
				return err
			}
		}
	}
	return nil
}

// firstCredit is the credit of a new link, as long as the router's memory allows it.
const firstCredit = 250

// unsettled makes as many unsettled deliveries to one consumer as the first credit of so many senders allows.
func (s *Scene) unsettled(senders, links int) (consumer *peer, producers []*peer, live int, err error) {
	if consumer, err = s.dial(0); err != nil {
		return nil, nil, 0, err
	}
	consumer.start("consumer")
	consumer.send(receiver("in", 0, "unsettled"), credit(0, 0, most))
	if _, err := await[wire.Attach](consumer, patience); err != nil {
		return nil, nil, 0, err
	}
	var got atomic.Int64
	go consumer.count(&got)
	var mu sync.Mutex
	var all sync.WaitGroup
	for range senders {
		p, err := s.dial(0)
		if err != nil {
			return nil, nil, 0, err
		}
		producers = append(producers, p)
		all.Go(func() {
			sent, e := s.fill(p, links, "unsettled",
				load{payload: always(data(1)), count: links * firstCredit, quiet: time.Second})
			mu.Lock()
			defer mu.Unlock()
			live, err = live+sent, errors.Join(err, e)
		})
	}
	all.Wait()
	for _, p := range producers {
		p.discard()
	}
	return consumer, producers, live, errors.Join(err, arrival(&got, live))
}

// arrival waits until so many deliveries have come.
func arrival(got *atomic.Int64, want int) error {
	ticker := time.NewTicker(lookPeriod)
	defer ticker.Stop()
	for begun := time.Now(); got.Load() < int64(want); <-ticker.C {
		if time.Since(begun) > patience {
			return fmt.Errorf("%d of %d deliveries have come", got.Load(), want)
		}
	}
	return nil
}

// fill attaches senders and pumps into them.
func (s *Scene) fill(p *peer, links int, address string, l load) (sent int, err error) {
	if err := p.start("producer"); err != nil {
		return 0, err
	}
	var attaches []byte
	for i := range uint32(links) {
		attaches = append(attaches, sender(i, address)...)
	}
	if err := p.sendWithin(patience, attaches); err != nil {
		return 0, err
	}
	l.links = links
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return p.pump(ctx, l)
}
