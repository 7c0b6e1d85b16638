package attack

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/postroad/postroad/internal/amqp/wire"
)

const (
	// tripPeriod is the time between two messages of the innocent, when the router is quick.
	tripPeriod = 3 * time.Millisecond
	// newcomerPeriod is the time between two new connections of the innocent.
	newcomerPeriod = 250 * time.Millisecond
	// warmTrips is how many round trips are made before the attack.
	warmTrips = 30
)

// innocent is a client beside the attack. It has a connection to send and one to receive, one message under way at a
// time, and opens a new connection with a new link now and then.
type innocent struct {
	port     int
	sender   *peer
	receiver *peer
	credit   int
	sent     uint32
	warm     chan struct{} // closed after warmTrips
	warmed   sync.Once
	stopping chan struct{}
	running  sync.WaitGroup

	mu        sync.Mutex
	trips     []time.Duration // send, receive, accept, outcome
	newcomers []time.Duration // connect, open, begin, attach
	pending   time.Time       // when the round trip under way began, zero for none
	harm      []string        // what was done to it
}

// newInnocent connects an innocent client and lets it work.
func newInnocent(port int) (*innocent, error) {
	i := &innocent{port: port, warm: make(chan struct{}), stopping: make(chan struct{})}
	var err error
	if i.receiver, err = dial(port, 0); err != nil {
		return nil, err
	}
	if i.sender, err = dial(port, 0); err != nil {
		return nil, err
	}
	i.receiver.start("innocent receiver")
	i.receiver.send(receiver("innocent", 0, "innocent"), credit(0, 0, most))
	if _, err := await[wire.Attach](i.receiver, patience); err != nil {
		return nil, err
	}
	i.sender.start("innocent sender")
	i.sender.send(sender(0, "innocent"))
	i.sender.keep()
	i.receiver.keep()
	i.running.Go(func() { i.work(tripPeriod, 1, i.trip, &i.trips) })
	i.running.Go(func() { i.work(newcomerPeriod, 3, i.newcomer, &i.newcomers) })
	return i, nil
}

// work does something again and again, and notes how long it took. It ends after a number of failures.
func (i *innocent) work(period time.Duration, most int, f func() error, times *[]time.Duration) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for failures := 0; failures < most; {
		select {
		case <-ticker.C:
		case <-i.stopping:
			return
		}
		begun := time.Now()
		err := f()
		i.mu.Lock()
		*times = append(*times, time.Since(begun))
		i.pending = time.Time{}
		if len(i.trips) == warmTrips {
			i.warmed.Do(func() { close(i.warm) })
		}
		if err != nil {
			i.harm = append(i.harm, err.Error())
			failures++
		}
		i.mu.Unlock()
	}
}

// trip sends a message and waits until it was received, accepted, and its outcome came back.
func (i *innocent) trip() error {
	i.mu.Lock()
	i.pending = time.Now()
	i.mu.Unlock()
	for i.credit <= 0 {
		f, err := await[wire.Flow](i.sender, patience)
		if err != nil {
			return fmt.Errorf("the innocent sender waits for credit: %w", err)
		}
		i.flow(f)
	}
	b, _ := i.sender.transfer(0, data(100), false)
	i.sent++
	i.credit--
	if err := i.sender.sendWithin(patience, b); err != nil {
		return fmt.Errorf("the innocent sender cannot send: %w", err)
	}
	x, err := await[wire.Transfer](i.receiver, patience)
	if err != nil {
		return fmt.Errorf("the innocent receiver: %w", err)
	}
	err = i.receiver.sendWithin(patience, disposition(wire.RoleReceiver, x.DeliveryID, x.DeliveryID, true, accepted))
	if err != nil {
		return fmt.Errorf("the innocent receiver cannot accept: %w", err)
	}
	for {
		m, err := i.sender.next(patience)
		if err == nil {
			err = m.over()
		}
		if err != nil {
			return fmt.Errorf("the innocent sender gets no outcome: %w", err)
		}
		switch x := m.body.(type) {
		case *wire.Flow:
			i.flow(x)
		case *wire.Disposition:
			if x.State.Kind != wire.StateAccepted {
				return fmt.Errorf("the innocent sender's message had outcome %v", x.State.Kind)
			}
			return nil
		}
	}
}

func (i *innocent) flow(f *wire.Flow) {
	if f.HasHandle {
		i.credit = int(f.DeliveryCount + f.LinkCredit - i.sent)
	}
}

// newcomer connects, attaches a link and leaves.
func (i *innocent) newcomer() error {
	p, err := dial(i.port, 0)
	if err != nil {
		return fmt.Errorf("a newcomer cannot connect: %w", err)
	}
	defer p.close()
	address := fmt.Sprintf("newcomer.%d", time.Now().UnixNano())
	p.start("newcomer")
	p.send(receiver("newcomer", 0, address))
	a, err := await[wire.Attach](p, patience)
	switch {
	case err != nil:
		return fmt.Errorf("a newcomer: %w", err)
	case a.Source == nil:
		d, err := await[wire.Detach](p, patience)
		if err == nil {
			return fmt.Errorf("a newcomer's attach was refused: %w", d.Error)
		}
		return fmt.Errorf("a newcomer's attach was refused: %w", err)
	}
	return nil
}

// stop lets the innocent finish what it is at, and leave.
func (i *innocent) stop() {
	close(i.stopping)
	i.running.Wait()
	i.sender.send(frame(0, &wire.Close{}))
	i.receiver.send(frame(0, &wire.Close{}))
	i.sender.close()
	i.receiver.close()
}

// vanish closes the innocent's connections without a word. What it is at fails.
func (i *innocent) vanish() {
	close(i.stopping)
	i.sender.close()
	i.receiver.close()
	i.running.Wait()
}

// felt is what the innocent felt in a time.
type felt struct {
	Trips, Newcomers             int
	P50, P99                     time.Duration // of the round trips
	NewcomerP50, NewcomerLongest time.Duration
	Harm                         []string

	trips, newcomers []time.Duration
}

// forget starts a time anew.
func (i *innocent) forget() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.trips, i.newcomers = slices.Grow(i.trips[:0], 4096), i.newcomers[:0]
}

// report says what the innocent felt since forget. A round trip that is not over counts as long as it has taken.
func (i *innocent) report() felt {
	i.mu.Lock()
	defer i.mu.Unlock()
	trips, newcomers := slices.Clone(i.trips), slices.Clone(i.newcomers)
	if !i.pending.IsZero() {
		trips = append(trips, time.Since(i.pending))
	}
	return newFelt(trips, newcomers, slices.Clone(i.harm))
}

// newFelt makes the figures from times.
func newFelt(trips, newcomers []time.Duration, harm []string) felt {
	return felt{Trips: len(trips), P50: quantile(trips, 0.5), P99: quantile(trips, 0.99),
		Newcomers: len(newcomers), NewcomerP50: quantile(newcomers, 0.5), NewcomerLongest: quantile(newcomers, 1),
		Harm: harm, trips: trips, newcomers: newcomers}
}

// and is what was felt in two times together.
func (f felt) and(g felt) felt {
	trips, newcomers := slices.Concat(f.trips, g.trips), slices.Concat(f.newcomers, g.newcomers)
	return newFelt(trips, newcomers, slices.Concat(f.Harm, g.Harm))
}

// quantile returns a quantile of times, 0 of none. It sorts them.
func quantile(times []time.Duration, q float64) time.Duration {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[min(int(float64(len(times))*q), len(times)-1)]
}

// String returns the figures in words.
func (f felt) String() string {
	return fmt.Sprintf("%d round trips p50 %v p99 %v, %d newcomers p50 %v longest %v", f.Trips, rounded(f.P50),
		rounded(f.P99), f.Newcomers, rounded(f.NewcomerP50), rounded(f.NewcomerLongest))
}

func rounded(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
