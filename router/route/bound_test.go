package route

import (
	"fmt"
	"testing"
	"time"

	"github.com/postroad/postroad/addressing"
)

// TestAChoiceAmongManyLooksAtAsFewAsAmongSome puts nothing where the choice must not look: it would panic. Those that
// are dead are passed over.
func TestAChoiceAmongManyLooksAtAsFewAsAmongSome(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what        string
		d           addressing.Distribution
		outstanding int64 // of each, of 10
		dead        bool
		looked      int
		targets     int
	}{
		{"all are free and idle", addressing.DistributionBalanced, 0, false, 1, 1},
		{"all are free and busy", addressing.DistributionBalanced, 5, false, lookedAt, 1},
		{"all are full", addressing.DistributionBalanced, 10, false, lookedFor, 1},
		{"all are dead", addressing.DistributionBalanced, 0, true, deadMost, 0},
		{"all are full", addressing.DistributionClosest, 10, false, 1, 1},
	} {
		for _, count := range []int{5, 5000} {
			s := newStage(c.d)
			s.routes.Local = make([]*Consumer, count)
			for i := range min(c.looked, count) {
				one := &Consumer{Capacity: 10}
				one.Outstanding.Store(c.outstanding)
				one.Dead.Store(c.dead)
				s.routes.Local[(1+i)%count] = one // the first choice begins at the second
			}
			if got := len(s.choose()); got != c.targets {
				t.Errorf("%v among %d, %s: %d targets", c.d, count, c.what, got)
			}
		}
	}
}

// TestAllOfManyConsumersTakePart has every consumer busy: each choice begins at the next one.
func TestAllOfManyConsumersTakePart(t *testing.T) {
	t.Parallel()
	const count, each = 5000, 4
	s := newStage(addressing.DistributionBalanced)
	for range count {
		s.local(1, 100)
	}
	for range count * each {
		s.choose()[0].Consumer.Outstanding.Add(1)
	}
	for i, c := range s.routes.Local {
		if n := c.Outstanding.Load() - 1; n < each-2 || n > each+2 {
			t.Fatalf("consumer %d gets %d of %d messages", i, n, count*each)
		}
	}
}

// TestAChoiceAllocatesNothing is not parallel, since it counts allocations.
func TestAChoiceAllocatesNothing(t *testing.T) {
	for _, d := range []addressing.Distribution{addressing.DistributionBalanced, addressing.DistributionClosest,
		addressing.DistributionMulticast} {
		for _, remote := range []bool{false, true} {
			s := newStage(d)
			for i := range 100 {
				if remote {
					id := fmt.Sprint("B", i%10)
					s.remote(fmt.Sprint("R", i), neighbor(id, 100), 1, 0)
				} else {
					s.local(1, 100)
				}
			}
			ts := make([]Target, 0, 100)
			s.address.Routes.Store(&s.routes)
			allocs := testing.AllocsPerRun(100, func() {
				s.chooser.Begin(time.Time{})
				ts, _ = s.chooser.Choose(ts[:0], &s.routes, &s.facts)
			})
			if allocs != 0 || len(ts) == 0 {
				t.Errorf("%v, remote %v: %v allocations for %d targets", d, remote, allocs, len(ts))
			}
		}
	}
}

// BenchmarkChoice compares the choice among few and among many consumers.
func BenchmarkChoice(b *testing.B) {
	for _, count := range []int{5, 5000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			s := newStage(addressing.DistributionBalanced)
			for range count {
				s.local(1, 100)
			}
			ts := make([]Target, 0, 1)
			for range b.N {
				s.chooser.Begin(time.Time{})
				ts, _ = s.chooser.Choose(ts[:0], &s.routes, &s.facts)
			}
		})
	}
}
