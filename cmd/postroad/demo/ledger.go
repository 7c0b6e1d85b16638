package demo

import (
	"math/bits"
	"sync"
)

// numberSet is a set of message numbers, which are small and nearly without gaps.
type numberSet struct{ words []uint64 }

// add puts a number into the set and reports whether it was new.
func (s *numberSet) add(n uint64) bool {
	i := int(n / 64)
	for len(s.words) <= i {
		s.words = append(s.words, 0)
	}
	if s.words[i]&(1<<(n%64)) != 0 {
		return false
	}
	s.words[i] |= 1 << (n % 64)
	return true
}

// without counts the numbers that are in this set and not in the other.
func (s *numberSet) without(other *numberSet) int {
	count := 0
	for i, w := range s.words {
		if other != nil && i < len(other.words) {
			w &^= other.words[i]
		}
		count += bits.OnesCount64(w)
	}
	return count
}

// ledger is the account of which messages arrived: for every reader, a set of numbers per sender. A reader is one
// receiver of a multicast address, or all receivers of another address together. It is safe for concurrent use.
type ledger struct {
	mu         sync.Mutex
	arrived    map[string]map[string]*numberSet // by reader and sender
	duplicates int
}

// arrive notes that a message of a sender has reached a reader.
func (l *ledger) arrive(reader, sender string, number uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.arrived == nil {
		l.arrived = map[string]map[string]*numberSet{}
	}
	if l.arrived[reader] == nil {
		l.arrived[reader] = map[string]*numberSet{}
	}
	set := l.arrived[reader][sender]
	if set == nil {
		set = &numberSet{}
		l.arrived[reader][sender] = set
	}
	if !set.add(number) {
		l.duplicates++
	}
}

// missing counts the messages of a sender that should have reached a reader and did not.
func (l *ledger) missing(reader, sender string, expected *numberSet) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return expected.without(l.arrived[reader][sender])
}

// repeated returns how many messages reached a reader more than once.
func (l *ledger) repeated() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.duplicates
}
