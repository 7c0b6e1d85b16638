package books

import "time"

const rateSeconds = 5

// Rate is how many settlements there were in each of the last seconds.
type Rate struct {
	second int64
	counts [rateSeconds]uint32
}

// Add counts a settlement at a time.
func (r *Rate) Add(at time.Duration) {
	r.turn(int64(at / time.Second))
	r.counts[r.second%rateSeconds]++
}

// turn empties the seconds between the last one counted in and this one.
func (r *Rate) turn(second int64) {
	if second-r.second >= rateSeconds {
		r.counts, r.second = [rateSeconds]uint32{}, second
		return
	}
	for r.second < second {
		r.second++
		r.counts[r.second%rateSeconds] = 0
	}
}

// Mean is the number of settlements in a second.
func (r *Rate) Mean(at time.Duration) uint32 {
	r.turn(int64(at / time.Second))
	var sum uint32
	for _, n := range r.counts {
		sum += n
	}
	return sum / rateSeconds
}
