package bench

import (
	"math"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestHistogramBucketsAreContiguousAndNarrow(t *testing.T) {
	t.Parallel()
	low := int64(0)
	for i := range histogramBuckets {
		top := bucketTop(i)
		if bucketOf(low) != i || bucketOf(top) != i {
			t.Fatalf("bucket %d is [%d, %d], but these fall in %d and %d", i, low, top, bucketOf(low), bucketOf(top))
		}
		if width := top - low; low > 0 && float64(width)/float64(low) > 0.008 {
			t.Fatalf("bucket %d, [%d, %d], is %.3f wide", i, low, top, float64(width)/float64(low))
		}
		low = top + 1
	}
	if low != histogramLimit+1 {
		t.Errorf("buckets end at %d, want %d", low-1, int64(histogramLimit))
	}
}

func TestHistogramQuantilesAreExactToAPercent(t *testing.T) {
	t.Parallel()
	var h, other Histogram
	for i := 1; i <= 50_000; i++ {
		h.Record(time.Duration(i)*time.Microsecond, 1)
	}
	for i := 50_001; i <= 100_000; i++ {
		other.Record(time.Duration(i)*time.Microsecond, 1)
	}
	h.Add(&other)
	for q, want := range map[float64]float64{0: 1e-6, 0.5: 0.05, 0.9: 0.09, 0.99: 0.099, 0.999: 0.0999, 1: 0.1} {
		if got := h.Quantile(q).Seconds(); math.Abs(got-want)/want > 0.01 {
			t.Errorf("quantile %g is %g, want %g", q, got, want)
		}
	}
	if h.Total() != 100_000 || h.Max() != 100*time.Millisecond || math.Abs(h.Mean().Seconds()-0.05) > 0.001 {
		t.Errorf("total %d, max %v, mean %v", h.Total(), h.Max(), h.Mean())
	}
	var sum uint64
	for _, b := range h.Bars() {
		sum += b.Count
	}
	if sum != 100_000 {
		t.Errorf("the bars hold %d", sum)
	}
}

func TestHistogramTakesImpossibleDurations(t *testing.T) {
	t.Parallel()
	var h Histogram
	if h.Quantile(0.5) != 0 || h.Mean() != 0 || len(h.Bars()) != 0 {
		t.Error("an empty histogram is not empty")
	}
	h.Record(-time.Second, 1)
	h.Record(math.MaxInt64, 1)
	if h.Total() != 2 || h.Quantile(0) != 0 || h.Max() != histogramLimit {
		t.Errorf("total %d, least %v, max %v", h.Total(), h.Quantile(0), h.Max())
	}
}

func TestArrivalsCountEachNumberOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var a arrivals
		seen := map[uint64]bool{}
		var duplicates uint64
		for range rapid.IntRange(1, 30).Draw(t, "stretches") {
			seq := rapid.Uint64Range(0, 3*stretchSize).Draw(t, "from")
			n := rapid.Uint64Range(1, stretchSize/2).Draw(t, "n")
			a.add(seq, n)
			for i := seq; i < seq+n; i++ {
				if seen[i] {
					duplicates++
				}
				seen[i] = true
			}
		}
		if a.unique.Load() != uint64(len(seen)) || a.duplicates.Load() != duplicates {
			t.Fatalf("%d unique and %d duplicates, want %d and %d", a.unique.Load(), a.duplicates.Load(), len(seen),
				duplicates)
		}
	})
}

func TestArrivalsForgetCompleteStretches(t *testing.T) {
	t.Parallel()
	var a arrivals
	a.add(0, stretchSize)
	if s := a.stretches[0].Load(); s == nil || s.words != nil {
		t.Error("a complete stretch still holds its words")
	}
	a.add(5, 3)
	if a.unique.Load() != stretchSize || a.duplicates.Load() != 3 {
		t.Errorf("%d unique, %d duplicates", a.unique.Load(), a.duplicates.Load())
	}
}

func TestArrivalsFromManyReceiversAtOnce(t *testing.T) {
	t.Parallel()
	var a arrivals
	var work sync.WaitGroup
	for w := range uint64(4) {
		work.Go(func() {
			for i := range uint64(50_000) {
				a.add(i*4+w, 1)
			}
		})
	}
	work.Wait()
	if a.unique.Load() != 200_000 || a.duplicates.Load() != 0 {
		t.Errorf("%d unique, %d duplicates", a.unique.Load(), a.duplicates.Load())
	}
}

func TestUnsettledCountsEachOutcomeOnce(t *testing.T) {
	t.Parallel()
	var u unsettled
	want := func(first, last, next uint32, n, again uint64) {
		t.Helper()
		gotN, gotAgain, err := u.settle(first, last, next)
		if err != nil || gotN != n || gotAgain != again {
			t.Errorf("settle %d to %d: %d and %d again, error %v; want %d and %d", first, last, gotN, gotAgain, err, n, again)
		}
	}
	want(3, 5, 10, 3, 0)
	want(4, 6, 10, 1, 2)
	want(0, 2, 10, 3, 0)
	if u.low.Load() != 7 || u.room(10) != unsettledLimit-3 {
		t.Errorf("low %d, room %d", u.low.Load(), u.room(10))
	}
	want(0, 0, 10, 0, 1)
	for _, bad := range [][2]uint32{{9, 10}, {5, 4}, {11, 20}} {
		if _, _, err := u.settle(bad[0], bad[1], 10); err == nil {
			t.Errorf("deliveries %d to %d were settled; the next one to be sent is 10", bad[0], bad[1])
		}
	}
}

func TestUnsettledGoesOnPastTheWrapOfDeliveryIDs(t *testing.T) {
	t.Parallel()
	var u unsettled
	start := uint32(math.MaxUint32 - 10)
	u.low.Store(start)
	n, again, err := u.settle(start, 4, 5)
	if err != nil || n != 16 || again != 0 || u.low.Load() != 5 {
		t.Errorf("%d settled, %d again, low %d, error %v", n, again, u.low.Load(), err)
	}
}

func TestPaceIsSetByTheClock(t *testing.T) {
	t.Parallel()
	p := pace{period: 1000, first: 5000}
	for _, c := range []struct {
		now   int64
		limit int
		want  int
	}{{4999, 10, 0}, {5000, 10, 1}, {5999, 10, 1}, {8000, 10, 4}, {8000, 2, 2}, {1 << 40, 7, 7}} {
		if got := p.ready(c.now, c.limit); got != c.want {
			t.Errorf("at %d, %d are due, want %d", c.now, got, c.want)
		}
	}
	p.next = 3
	if got := p.ready(8000, 10); got != 1 || p.due(3) != 8000 {
		t.Errorf("after three were taken, %d are due at 8000", got)
	}
}
