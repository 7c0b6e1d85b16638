package books

import "time"

// Outcome is what became of a delivery, as far as it is counted.
type Outcome uint8

// The outcomes. None is that of a delivery which ended without: aborted, settled by its sender, or its sender is gone.
const (
	None Outcome = iota
	Accepted
	Rejected
	Released
	Modified
)

// Stats are the counters of a link, or of an address on some links.
//
// For an incoming link, Deliveries is the sum of the outcomes, of Presettled, of None and of what is in hand. Dropped
// are part of Presettled, or of None when the sender settled too early. Outgoing deliveries count when their last
// frame is written; those that were ended before, by their sender or with their link, do not.
type Stats struct {
	Deliveries, Octets                     uint64
	Presettled, Dropped                    uint64
	Accepted, Rejected, Released, Modified uint64
	None                                   uint64 // over without an outcome
	Delayed1, Delayed10                    uint64 // were over 1 to 10 s after they had arrived, and later
	Redirected                             uint64 // incoming: sent to the fallback destination
	Held, Expired                          uint64 // incoming: waited for a consumer; ended by their ttl
	Duplicates                             uint64 // incoming: copies of a multicast message that another one comes of
}

// A delivery that was over only after these times counts as delayed; one that is not over after the second is stuck.
const (
	DelayShort = time.Second
	DelayLong  = 10 * time.Second
)

// End counts a delivery that is over, at an age. settled says that nobody wanted its outcome.
func (s *Stats) End(settled bool, o Outcome, age time.Duration) {
	switch {
	case settled:
		s.Presettled++
	default:
		s.count(o)
	}
	if age > DelayShort {
		if age > DelayLong {
			s.Delayed10++
		} else {
			s.Delayed1++
		}
	}
}

// count adds an outcome.
func (s *Stats) count(o Outcome) {
	switch o {
	case Accepted:
		s.Accepted++
	case Rejected:
		s.Rejected++
	case Released:
		s.Released++
	case Modified:
		s.Modified++
	default:
		s.None++
	}
}

// Add adds the counters of o.
func (s *Stats) Add(o *Stats) {
	s.Deliveries += o.Deliveries
	s.Octets += o.Octets
	s.Presettled += o.Presettled
	s.Dropped += o.Dropped
	s.Accepted += o.Accepted
	s.Rejected += o.Rejected
	s.Released += o.Released
	s.Modified += o.Modified
	s.None += o.None
	s.Delayed1 += o.Delayed1
	s.Delayed10 += o.Delayed10
	s.Redirected += o.Redirected
	s.Held += o.Held
	s.Expired += o.Expired
	s.Duplicates += o.Duplicates
}
