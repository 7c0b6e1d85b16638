package route

import "sync"

// This file tells copies of messages apart from other messages: copies of a multicast, and the two of a redundant
// message. While the mesh converges, routers see different trees of shortest paths, and a multicast message may come
// twice, or on another way than expected. The ingress router therefore numbers its messages, and the first copy is
// taken, whatever way it came.

const (
	// seenWindow is how many of the last numbers of an ingress router are remembered. When a message is older, First
	// takes it for one that has not come, and Only for one that has.
	seenWindow = 1 << 15
	// seenStale is how many messages in a row may come from before the window. After more, the ingress router has begun
	// anew with a clock that was set back, and its numbers count from here.
	seenStale = 1000
)

// Seen knows which numbered messages of one ingress router have come. Its methods are safe for concurrent use.
type Seen struct {
	mu    sync.Mutex // a leaf
	last  uint64
	stale int
	bits  []uint64 // of the numbers from last-seenWindow+1 to last; nil before the first
}

// First remembers that a message has come, and reports whether no other copy came before. A message from before the
// window counts as the first one. The ingress router's numbers grow, also over its restarts; messages may arrive in
// another order.
func (s *Seen) First(n uint64) bool {
	first, old := s.note(n)
	return first || old
}

// Only is First for messages that had better not come than come twice: one from before the window counts as a copy.
func (s *Seen) Only(n uint64) bool {
	first, _ := s.note(n)
	return first
}

// note remembers that a message has come. It reports whether the message is certain to be the first copy, or whether
// the number is too old to know.
func (s *Seen) note(n uint64) (first, old bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.bits == nil:
		s.bits = make([]uint64, seenWindow/64)
		s.last = n
	case n > s.last:
		if n-s.last >= seenWindow {
			clear(s.bits)
		} else {
			for x := s.last + 1; x < n; x++ {
				s.bits[x%seenWindow/64] &^= 1 << (x % 64)
			}
			s.bits[n%seenWindow/64] &^= 1 << (n % 64)
		}
		s.last, s.stale = n, 0
	case s.last-n >= seenWindow:
		if s.stale++; s.stale > seenStale {
			clear(s.bits)
			s.last, s.stale = n, 0
			break
		}
		return false, true
	}
	word, bit := &s.bits[n%seenWindow/64], uint64(1)<<(n%64)
	if *word&bit != 0 {
		return false, false
	}
	*word |= bit
	return true, false
}
