package route

import "sync"

// This file tells copies of messages apart from other messages: those of multicasts, and the two of redundant ones. While
// the mesh converges, routers see different trees of shortest paths, and a multicast message may come twice. It must not
// be dropped for that reason before it came once: so the ingress router numbers its messages, and the first copy is taken,
// whatever way it came.

const (
	// seenWindow is how many of an ingress router's last numbers are remembered. A multicast message that comes later than
	// so many others is taken for one that has not come, a redundant one for one that has.
	seenWindow = 1 << 15
	// seenStale is how many messages in a row may come from before the window until the ingress router is taken for
	// another one, whose clock was set back.
	seenStale = 1000
)

// seen knows which messages of one ingress router have come. It may be used by several goroutines.
type Seen struct {
	mu    sync.Mutex // a leaf
	last  uint64
	stale int
	bits  []uint64 // of the numbers from last-seenWindow+1 to last; nil before the first
}

// first notes that a message has come, and tells whether no other copy has before. Numbers grow from one message to the
// next, over restarts, too, but for the order in which they arrive.
func (s *Seen) First(n uint64) bool {
	first, old := s.note(n)
	return first || old
}

// only is first for messages that had better not come than come twice: one from before the window counts as a copy.
func (s *Seen) Only(n uint64) bool {
	first, _ := s.note(n)
	return first
}

// note notes that a message has come. It tells whether that is certain to be the first copy, or whether the number is too
// old to know.
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
