package router

import (
	"flag"
	"fmt"
	"testing"

	"github.com/postroad/postroad/internal/amqp/buf"
)

var (
	propertySeed  = flag.Uint64("seed", 0, "replay one seed of the property test")
	propertySeeds = flag.Int("seeds", 0, "how many seeds of the property test to run, one after the other")
	propertyFirst = flag.Uint64("seeds.first", 1000, "the first of those")
)

// TestRandomTrafficOverRandomNetworksKeepsTheContract has clients do at random whatever clients may do, over networks
// of one to five routers that are cut and killed at random, and checks while they do it and at the end:
//
//   - each unsettled delivery has exactly one outcome on its sender's link, unless that link is gone; it is what the
//     consumer said, unaltered; released only when nothing was offered to a consumer, modified only in doubt;
//   - what arrives is what was sent, or ends aborted; nobody gets a copy twice; order is kept where nothing failed;
//   - nobody is sent more than it gave credit for; senders have their credit back in the end; drains are answered;
//   - pre-settled messages arrive or are counted as dropped;
//   - nothing is left in any table after everybody has left.
//
// Everything that is chosen follows from the seed; what happens at the same time does not, so that a seed that failed
// may have to be run some times to fail again.
func TestRandomTrafficOverRandomNetworksKeepsTheContract(t *testing.T) {
	t.Parallel()
	switch {
	case *propertySeed != 0:
		runSeed(t, *propertySeed)
	case *propertySeeds > 0:
		for seed := *propertyFirst; seed < *propertyFirst+uint64(*propertySeeds); seed++ {
			t.Run(fmt.Sprint(seed), func(t *testing.T) { runSeed(t, seed) })
		}
	default:
		seeds := uint64(24)
		if raceEnabled {
			seeds = 8
		}
		for seed := uint64(1); seed <= seeds; seed++ {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				runSeed(t, seed)
			})
		}
	}
}

// runSeed runs one seed: the clients' steps, the quiet afterwards, the leaving.
func runSeed(t *testing.T, seed uint64) {
	if *propertySeed != 0 || *propertySeeds > 0 { // nothing else runs; else what is left is found at the end of all tests
		before := buf.Outstanding()
		t.Cleanup(func() {
			eventually(t, "the routers have ended", func() error {
				if n := buf.Outstanding() - before; n != 0 {
					return fmt.Errorf("%d read buffers are held", n)
				}
				return nil
			})
		})
	}
	w := newPropertyWorld(t, seed)
	defer w.over()
	w.play()
	w.quieten()
	w.book.verdicts()
	w.everybodyLeaves()
}
