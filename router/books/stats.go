package books

import "time"

// Outcome is what became of a delivery, as far as it is counted.
type Outcome uint8

// The outcomes. None is for a delivery that ended without one: it was aborted, its sender settled it, or its sender is
// gone.
const (
	None Outcome = iota
	Accepted
	Rejected
	Released
	Modified
)

// Stats are the counters of a link, or of an address on some links. All but Octets count deliveries.
//
// For an incoming link, Deliveries is the sum of the outcomes, of Presettled, of None, and of the deliveries that are
// not over. Dropped is a part of Presettled, or of None when the sender settled too early. An outgoing delivery counts
// when its last frame is written, and not at all when its sender or the end of its link has ended it before.
type Stats struct {
	Deliveries, Octets                     uint64
	Presettled, Dropped                    uint64
	Accepted, Rejected, Released, Modified uint64
	None                                   uint64 // over without an outcome
	Delayed1, Delayed10                    uint64 // over 1 to 10 s after they arrived, and later than that
	Redirected                             uint64 // incoming: given to the fallback of their address
	Held, Expired                          uint64 // incoming: waited for a consumer; ended by their ttl
	Duplicates                             uint64 // incoming: dropped, because another copy has come or will come
}

// A delivery that is over after one of these times counts as delayed. One that is not over after DelayLong is stuck.
const (
	DelayShort = time.Second
	DelayLong  = 10 * time.Second
)

// End counts a delivery that is over, age after it arrived. settled says that nobody wanted an outcome; o does not
// count then.
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

// count counts an outcome.
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

// Raise makes each counter at least that of o.
func (s *Stats) Raise(o *Stats) {
	s.Deliveries = max(s.Deliveries, o.Deliveries)
	s.Octets = max(s.Octets, o.Octets)
	s.Presettled = max(s.Presettled, o.Presettled)
	s.Dropped = max(s.Dropped, o.Dropped)
	s.Accepted = max(s.Accepted, o.Accepted)
	s.Rejected = max(s.Rejected, o.Rejected)
	s.Released = max(s.Released, o.Released)
	s.Modified = max(s.Modified, o.Modified)
	s.None = max(s.None, o.None)
	s.Delayed1 = max(s.Delayed1, o.Delayed1)
	s.Delayed10 = max(s.Delayed10, o.Delayed10)
	s.Redirected = max(s.Redirected, o.Redirected)
	s.Held = max(s.Held, o.Held)
	s.Expired = max(s.Expired, o.Expired)
	s.Duplicates = max(s.Duplicates, o.Duplicates)
}
