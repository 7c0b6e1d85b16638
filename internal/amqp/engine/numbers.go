package engine

import "math/bits"

// numbers maps the handles or the channels of one side to links or sessions. Nearly all peers count from 0, so a slice
// does; a number far beyond the others goes to a map, so that memory follows how many there are and not how high they
// are. The zero value is empty.
type numbers[ID ~int32] struct {
	near   []ID
	far    map[uint32]ID
	most   int // entries that far has had, which is what its memory is for
	used   int
	octets *int // counts the memory, if not nil
}

// Octets of an entry.
const (
	nearOctets = 4
	farOctets  = 24
)

// get returns what stands for n, or None.
func (t *numbers[ID]) get(n uint32) ID {
	if uint64(n) < uint64(len(t.near)) && t.near[n] != None {
		return t.near[n]
	}
	if id, ok := t.far[n]; ok {
		return id
	}
	return None
}

// set puts id in place of n, which is free.
func (t *numbers[ID]) set(n uint32, id ID) {
	const gap, factor = 64, 4
	t.used++
	if uint64(n) >= uint64(max(len(t.near), gap+factor*t.used)) {
		if t.far == nil {
			t.far = make(map[uint32]ID)
		}
		t.far[n] = id
		if len(t.far) > t.most {
			t.most = len(t.far)
			t.count(farOctets)
		}
		return
	}
	had := cap(t.near)
	for uint64(n) >= uint64(len(t.near)) {
		t.near = append(t.near, None)
	}
	t.count((cap(t.near) - had) * nearOctets)
	t.near[n] = id
}

// remove makes n, which is in use, free. With the last one, the memory goes.
func (t *numbers[ID]) remove(n uint32) {
	if uint64(n) < uint64(len(t.near)) && t.near[n] != None {
		t.near[n] = None
	} else {
		delete(t.far, n)
	}
	if t.used--; t.used == 0 {
		t.reset()
	}
}

// reset forgets everything.
func (t *numbers[ID]) reset() {
	t.count(-t.memory())
	*t = numbers[ID]{octets: t.octets}
}

// memory is about how many octets the table takes.
func (t *numbers[ID]) memory() int { return cap(t.near)*nearOctets + t.most*farOctets }

func (t *numbers[ID]) count(octets int) {
	if t.octets != nil {
		*t.octets += octets
	}
}

// numberSet is a set of the numbers from 0 to 65,535, of which the lowest that is free can be found. The zero value is
// empty.
type numberSet struct {
	words  []uint64
	from   int  // no number of the words before it is free
	octets *int // counts the memory, if not nil
}

// lowest is the lowest number that is free.
func (t *numberSet) lowest() int {
	for ; t.from < len(t.words); t.from++ {
		if w := ^t.words[t.from]; w != 0 {
			return t.from*64 + bits.TrailingZeros64(w)
		}
	}
	return t.from * 64
}

// add takes a number, which is the lowest that is free.
func (t *numberSet) add(n int) {
	if n/64 == len(t.words) {
		had := cap(t.words)
		t.words = append(t.words, 0)
		t.count((cap(t.words) - had) * 8)
	}
	t.words[n/64] |= 1 << (n % 64)
}

// has reports whether a number is taken.
func (t *numberSet) has(n int) bool { return n/64 < len(t.words) && t.words[n/64]>>(n%64)&1 != 0 }

// remove makes a number free.
func (t *numberSet) remove(n int) {
	t.words[n/64] &^= 1 << (n % 64)
	t.from = min(t.from, n/64)
}

// reset forgets everything.
func (t *numberSet) reset() {
	t.count(-t.memory())
	*t = numberSet{octets: t.octets}
}

func (t *numberSet) memory() int { return cap(t.words) * 8 }

func (t *numberSet) count(octets int) {
	if t.octets != nil {
		*t.octets += octets
	}
}
