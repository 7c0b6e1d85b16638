package books

import "iter"

// Shares are what one connection counts by address, beside the counters of its links. Anonymous links and links between
// routers carry deliveries of several addresses, and links that are gone count here, too. An address is known by its
// tally. The zero value is ready for use. The endpoint's mutex guards it.
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

// shareLimit is the number of addresses from which shares are flushed.
const shareLimit = 64

// Of returns the counters of an address, which are valid until the next call. When there are counters of many
// addresses, these get theirs first, unless somebody has the ledger locked.
func (s *Shares) Of(a *Tally, l *Ledger) *Counts {
	if s.last == a {
		return s.at
	}
	i, ok := s.index[a]
	if !ok {
		if len(s.list) >= shareLimit && l.mu.TryLock() { // else somebody is summing up: later
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

// flush gives each address what was counted for it, and empties the shares. The ledger is locked.
func (s *Shares) flush() {
	for i := range s.list {
		s.list[i].tally.Take(&s.list[i].counts)
	}
	clear(s.index)
	clear(s.list)
	s.last, s.at, s.list = nil, nil, s.list[:0]
}

// All yields the tallies of the addresses, with what was counted for each and is not flushed.
func (s *Shares) All() iter.Seq2[*Tally, *Counts] {
	return func(yield func(*Tally, *Counts) bool) {
		for i := range s.list {
			if !yield(s.list[i].tally, &s.list[i].counts) {
				return
			}
		}
	}
}
