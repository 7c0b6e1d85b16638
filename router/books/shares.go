package books

import "iter"

// Shares are what one connection counts by address, beside the counters of its links: deliveries on links that carry
// those of several addresses, which are anonymous ones and those between routers, and links that are gone. An address
// is known by its tally.
type Shares struct {
	last  *Tally
	at    *Counts // of last
	index map[*Tally]int
	list  []share
}

type share struct {
	tally  *Tally
	counts Counts
}

// shareLimit is the number of addresses that a connection counts for at a time.
const shareLimit = 64

// Of returns the counters of an address, to be used at once. When there are many, the ledger takes them all first, unless
// somebody is summing up.
func (s *Shares) Of(a *Tally, l *Ledger) *Counts {
	if s.last == a {
		return s.at
	}
	i, ok := s.index[a]
	if !ok {
		if len(s.list) >= shareLimit && l.mu.TryLock() { // else somebody is counting: later
			s.flush()
			l.mu.Unlock()
		}
		if s.index == nil {
			s.index = make(map[*Tally]int)
		}
		i = len(s.list)
		s.list = append(s.list, share{tally: a})
		s.index[a] = i
	}
	s.last, s.at = a, &s.list[i].counts
	return s.at
}

// flush gives what was counted to the addresses. The ledger is locked.
func (s *Shares) flush() {
	for i := range s.list {
		s.list[i].tally.Take(&s.list[i].counts)
	}
	clear(s.index)
	clear(s.list)
	s.last, s.at, s.list = nil, nil, s.list[:0]
}

// All yields the addresses and what was counted for each.
func (s *Shares) All() iter.Seq2[*Tally, *Counts] {
	return func(yield func(*Tally, *Counts) bool) {
		for i := range s.list {
			if !yield(s.list[i].tally, &s.list[i].counts) {
				return
			}
		}
	}
}
