package spf

import (
	"iter"
	"math/bits"
	"slices"
)

// Set is a set of small ints, one bit for each. The nil set is empty.
type Set []uint64

// NewSet returns an empty set with room for the numbers below n.
func NewSet(n int) Set { return make(Set, (n+63)/64) }

// newSets returns count empty sets with room for the numbers below n, in one piece of memory.
func newSets(count, n int) []Set {
	words := (n + 63) / 64
	all := make([]uint64, count*words)
	sets := make([]Set, count)
	for i := range sets {
		sets[i] = Set(all[i*words : (i+1)*words : (i+1)*words])
	}
	return sets
}

// Has reports whether i is in the set. A number beyond its room is not.
func (s Set) Has(i int) bool { return i >= 0 && i>>6 < len(s) && s[i>>6]&(1<<(i&63)) != 0 }

// Add puts i into the set, which must have room for it.
func (s Set) Add(i int) { s[i>>6] |= 1 << (i & 63) }

// Len returns how many numbers are in the set.
func (s Set) Len() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// All yields the numbers in the set in ascending order.
func (s Set) All() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, w := range s {
			for ; w != 0; w &= w - 1 {
				if !yield(i<<6 + bits.TrailingZeros64(w)) {
					return
				}
			}
		}
	}
}

// Equal reports whether both sets have the same members, whatever room they have.
func (s Set) Equal(o Set) bool {
	if len(s) < len(o) {
		s, o = o, s
	}
	return slices.Equal(s[:len(o)], o) && !slices.ContainsFunc(s[len(o):], func(w uint64) bool { return w != 0 })
}

// union adds all members of o, for which s must have room.
func (s Set) union(o Set) {
	for i, w := range o {
		s[i] |= w
	}
}
