package router

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/postroad/postroad/router/forwarding"
)

// TestSendersKeepTheirCreditWhenTheRouterThatCarriesTheirMessagesDies has senders send all that their credit allows
// from one corner of a ring to the opposite one, small messages and streamed ones, while the router between is killed,
// stopped, or cut off: each delivery gets its outcome, each sender its credit.
func TestSendersKeepTheirCreditWhenTheRouterThatCarriesTheirMessagesDies(t *testing.T) {
	t.Parallel()
	seeds := uint64(4)
	switch {
	case *propertySeed != 0:
		runStorm(t, *propertySeed)
		return
	case *propertySeeds > 0:
		seeds = uint64(*propertySeeds)
	}
	for seed := *propertyFirst; seed < *propertyFirst+seeds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			runStorm(t, seed)
		})
	}
}

func runStorm(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	w := emptyWorld(t, seed)
	defer w.over()
	w.n = ring(t, 4)
	w.addresses = []string{[]string{"closest/a", "balanced/a"}[rng.IntN(2)]}
	w.book.several = true
	receiver := newLine(w, w.n.node("C"), "receiver", 64<<10)
	for range 1 + rng.IntN(3) {
		receiver.session(0, 1<<20).attachReceiver(w.uids.Add(1), w.addresses[0], 50+uint32(rng.IntN(500)),
			func(x *rxLink) { x.eager, x.kind = true, true })
	}
	w.n.consumers("A", w.addresses[0], 0, 1)
	senders := 1 + rng.IntN(4)
	for i := range senders {
		w.actors = append(w.actors, &actor{w: w, number: i})
	}
	const each = 600
	killAt := int64(1 + rng.IntN(senders*each/16))
	w.plagues = []*plague{{at: killAt, do: w.killTransit}}
	for _, a := range w.actors {
		w.running.Go(func() { a.storm(each) })
	}
	w.running.Wait()
	w.actors = append(w.actors, &actor{w: w, number: senders, line: receiver})
	w.quieten()
	w.book.verdicts()
	w.everybodyLeaves()
}

// killTransit ends, or cuts off, the router through which A reaches C.
func (w *propertyWorld) killTransit(rng *rand.Rand) {
	hop := w.n.node("A").peerNamed("C").Hop.Load()
	if hop == nil {
		return
	}
	if rng.IntN(4) == 0 {
		w.tell("the connection from A to %s is cut", hop.Next.ID)
		w.book.disturb()
		forwarding.EndpointOf(hop.Next).Driver.Abort()
		return
	}
	w.endRouter(w.n.node(hop.Next.ID), rng.IntN(3) > 0)
}

// storm sends messages as long as there is credit. One in a few hundred is large enough to be streamed.
func (a *actor) storm(count int) {
	rng := rand.New(rand.NewPCG(a.w.seed, uint64(a.number+2)))
	l := newLine(a.w, a.w.n.node("A"), fmt.Sprintf("client %d", a.number), 64<<10)
	a.line = l
	x := l.session(0, 1<<20).attachSender(a.w.uids.Add(1), a.w.addresses[0], rng)
	for sent := 0; sent < count; {
		if !l.waitFor(5*time.Second, func() bool { return x.credit > 0 }, nil) {
			return // quieten says so if it has none for longer
		}
		l.mu.Lock()
		for x.credit > 0 && sent < count {
			size := rng.IntN(500)
			if rng.IntN(200) == 0 {
				size = 200_000
			}
			p := a.parcel(x, rng, size, rng.IntN(10) == 0)
			x.begin(p, parcelBody(p.id, p.size), 10_000)
			x.write(1 << 20)
			sent++
			if sent%16 == 0 {
				break
			}
		}
		l.mu.Unlock()
		a.w.stepped()
	}
}
