package bench

import (
	"math/bits"
	"sync/atomic"
)

// arrivals remembers which sequence numbers of one sender have arrived, so that a message that came twice is seen, by
// whichever receiver. Memory is bounded: complete stretches of 65,536 numbers shrink to a mark, and at most 4,096
// stretches are remembered. Safe for concurrent use.
type arrivals struct {
	stretches  [arrivalRing]atomic.Pointer[stretch]
	unique     atomic.Uint64
	duplicates atomic.Uint64
}

const (
	arrivalRing = 4096
	stretchBits = 16
	stretchSize = 1 << stretchBits
)

// stretch is the arrival of consecutive sequence numbers. words is nil once all have arrived.
type stretch struct {
	number uint64 // sequence numbers divided by stretchSize
	left   atomic.Int64
	words  *[stretchSize / 64]atomic.Uint64
}

// add marks n consecutive sequence numbers as arrived.
func (a *arrivals) add(seq, n uint64) {
	for n > 0 {
		in := seq % stretchSize
		part := min(n, stretchSize-in)
		a.addWithin(seq>>stretchBits, in, part)
		seq += part
		n -= part
	}
}

// addWithin marks numbers of one stretch.
func (a *arrivals) addWithin(number, from, n uint64) {
	slot := &a.stretches[number%arrivalRing]
	s := slot.Load()
	for s == nil || s.number < number {
		fresh := &stretch{number: number, words: new([stretchSize / 64]atomic.Uint64)}
		fresh.left.Store(stretchSize)
		if slot.CompareAndSwap(s, fresh) {
			s = fresh
			break
		}
		s = slot.Load()
	}
	if s.number != number || s.words == nil { // long complete, or too long ago to tell
		a.duplicates.Add(n)
		return
	}
	var fresh uint64
	for at, end := from, from+n; at < end; {
		width := min(64-at%64, end-at)
		mask := (^uint64(0) >> (64 - width)) << (at % 64)
		old := s.words[at/64].Or(mask)
		fresh += uint64(bits.OnesCount64(mask &^ old))
		at += width
	}
	a.unique.Add(fresh)
	a.duplicates.Add(n - fresh)
	if fresh > 0 && s.left.Add(-int64(fresh)) == 0 {
		slot.CompareAndSwap(s, &stretch{number: number})
	}
}
