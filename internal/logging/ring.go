package logging

import (
	"sync"
	"time"
)

// ringSize is how many events are kept in memory, as many as in Interconnect.
const ringSize = 1000

// Entry is one event that was written.
type Entry struct {
	Module Module
	Level  Level
	Text   string // the message and its attributes
	File   string // where in the source, "" if not known
	Line   int
	Time   time.Time
}

// ring holds the last events.
type ring struct {
	mu      sync.Mutex
	entries []Entry
	next    int // where the oldest entry is, once the ring is full
}

// add keeps an event and forgets the oldest.
func (r *ring) add(e Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.entries) < ringSize {
		r.entries = append(r.entries, e)
		return
	}
	r.entries[r.next] = e
	r.next = (r.next + 1) % ringSize
}

// last returns the youngest events, the oldest of them first; all with a negative limit.
func (r *ring) last(limit int) []Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.entries)
	if limit < 0 || limit > n {
		limit = n
	}
	out := make([]Entry, 0, limit)
	for i := n - limit; i < n; i++ {
		out = append(out, r.entries[(r.next+i)%n])
	}
	return out
}
