package route

import "testing"

func TestTheFirstCopyOfANumberIsTakenAndNoOther(t *testing.T) {
	t.Parallel()
	var s Seen
	const start = 1_000_000
	for _, step := range []struct {
		what  string
		n     uint64
		first bool
	}{
		{"the first message", start, true}, {"a copy of it", start, false},
		{"a later one", start + 3, true}, {"one in between", start + 1, true}, {"its copy", start + 1, false},
		{"one that came before the first", start - 5, true}, {"its copy", start - 5, false},
		{"one a whole window later", start + seenWindow, true},
		{"one that has the place of another", start + 3 + seenWindow, true},
		{"an old one that is still in the window", start + 5, true}, {"its copy", start + 5, false},
		{"the next life of the ingress router", start << 20, true}, {"its copy", start << 20, false},
		{"an old one, of which nothing is known", start, true},
	} {
		if got := s.First(step.n); got != step.first {
			t.Errorf("%s: %v", step.what, got)
		}
	}
}

func TestNumbersOfAnIngressRouterWhoseClockWasSetBackAreKnownBeforeLong(t *testing.T) {
	t.Parallel()
	var s Seen
	s.First(1 << 40)
	for n := range uint64(seenStale) {
		if !s.First(n + 1) {
			t.Fatalf("message %d is taken for a copy", n)
		}
	}
	s.First(2 * seenStale)
	if s.First(2 * seenStale) {
		t.Error("a copy is taken for the first one")
	}
}
