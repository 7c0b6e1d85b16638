package bench

import (
	"math/bits"
	"time"
)

// Histogram counts durations in buckets whose width grows with the value: 128 buckets per power of two, so a percentile
// is off by less than 0.8 %. Its size is fixed, whatever is recorded; durations beyond two minutes count as two minutes.
// The zero value is empty and ready. Not safe for concurrent use.
type Histogram struct {
	counts [histogramBuckets]uint64
	total  uint64
	sum    float64 // nanoseconds
	max    int64   // nanoseconds
}

const (
	histogramSubBits = 7 // 128 buckets per power of two
	histogramTopBits = 37
	histogramBuckets = (histogramTopBits - histogramSubBits + 1) << histogramSubBits
	histogramLimit   = 1<<histogramTopBits - 1 // nanoseconds, 137 s
)

// bucketOf returns the bucket of a value in nanoseconds within [0, histogramLimit].
func bucketOf(v int64) int {
	exponent := max(0, bits.Len64(uint64(v))-histogramSubBits-1)
	return exponent<<histogramSubBits + int(v>>exponent)
}

// bucketTop returns the largest value that falls in a bucket.
func bucketTop(i int) int64 {
	exponent := max(0, i>>histogramSubBits-1)
	mantissa := int64(i - exponent<<histogramSubBits)
	return (mantissa+1)<<exponent - 1
}

// Record counts n occurrences of a duration; a negative one counts as zero.
func (h *Histogram) Record(d time.Duration, n uint64) {
	v := min(max(int64(d), 0), histogramLimit)
	h.counts[bucketOf(v)] += n
	h.total += n
	h.sum += float64(v) * float64(n)
	h.max = max(h.max, v)
}

// Add counts everything the other histogram counted.
func (h *Histogram) Add(other *Histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
	h.sum += other.sum
	h.max = max(h.max, other.max)
}

// Reset forgets everything.
func (h *Histogram) Reset() { *h = Histogram{} }

// Total returns how many durations were counted.
func (h *Histogram) Total() uint64 { return h.total }

// Max returns the longest duration, exactly.
func (h *Histogram) Max() time.Duration { return time.Duration(h.max) }

// Mean returns the mean duration, 0 when nothing was counted.
func (h *Histogram) Mean() time.Duration {
	if h.total == 0 {
		return 0
	}
	return time.Duration(h.sum / float64(h.total))
}

// Quantile returns the duration that the share q (0 to 1) of all durations does not exceed.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	want := max(1, uint64(q*float64(h.total)+0.5))
	var seen uint64
	for i, n := range h.counts {
		if seen += n; seen >= want {
			return time.Duration(min(bucketTop(i), h.max))
		}
	}
	return h.Max()
}

// Bar is one bar of the picture of a histogram: how many durations lay above the limit of the bar before and not above
// UpTo.
type Bar struct {
	UpTo  time.Duration `json:"upToNanoseconds"`
	Count uint64        `json:"count"`
}

// Bars sums the histogram up by powers of two, from the first to the last bar that is not empty.
func (h *Histogram) Bars() []Bar {
	var bars []Bar
	for i, n := range h.counts {
		top := int64(1)<<bits.Len64(uint64(bucketTop(i))) - 1
		if len(bars) == 0 || int64(bars[len(bars)-1].UpTo) != top {
			if n == 0 && len(bars) == 0 {
				continue
			}
			bars = append(bars, Bar{UpTo: time.Duration(top)})
		}
		bars[len(bars)-1].Count += n
	}
	for len(bars) > 0 && bars[len(bars)-1].Count == 0 {
		bars = bars[:len(bars)-1]
	}
	return bars
}
