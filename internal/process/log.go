package process

import (
	"bytes"
	"strings"
	"sync"
)

// logKept is how much of the end of a log is kept, in octets.
const logKept = 64 << 10

// log is what a process prints: the end of it is kept.
type log struct {
	ready []byte
	seen  chan struct{} // closed when the log has said what is waited for

	mu   sync.Mutex
	said bool
	last []byte
	size int64 // octets so far
}

func newLog(ready string) *log {
	l := &log{ready: []byte(ready), seen: make(chan struct{})}
	if l.said = ready == ""; l.said {
		close(l.seen)
	}
	return l
}

// Write appends to the log.
func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.size += int64(len(b))
	l.last = append(l.last, b...)
	if !l.said && bytes.Contains(l.last, l.ready) {
		l.said = true
		close(l.seen)
	}
	if l.said && len(l.last) > 2*logKept {
		l.last = append(l.last[:0], l.last[len(l.last)-logKept:]...)
	}
	return len(b), nil
}

// written returns how many octets the process has printed.
func (l *log) written() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size
}

// end returns so many octets of the end of the log at most, without white space around them.
func (l *log) end(octets int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimSpace(string(l.last[max(len(l.last)-octets, 0):]))
}
