package main

import (
	"fmt"
	"math/rand/v2"
)

// interruptedAfter is the error of work that was ended by a signal.
func interruptedAfter(n, total int, verb string) error {
	if total > 0 {
		return fmt.Errorf("interrupted: %d of %d messages %s", n, total, verb)
	}
	return fmt.Errorf("interrupted: %s %s", countOf(uint64(n), "message"), verb)
}

// countOf renders a number with its noun.
func countOf(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// linkName returns a name for a link that no other client uses.
func linkName(verb string) string { return fmt.Sprintf("postroad-%s-%08x", verb, rand.Uint32()) }
