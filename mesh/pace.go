package mesh

import (
	"fmt"
	"time"
)

// pacer spaces out an action that events ask for. After a quiet time the action is due at once (or after the first
// delay); until there is one, the distance between two actions doubles from min to max.
type pacer struct {
	first, min, max, quiet time.Duration

	wait    time.Duration
	last    time.Time
	due     time.Time
	pending bool
}

// request asks for the action. It is due at p.due.
func (p *pacer) request(now time.Time) {
	if p.pending {
		return
	}
	p.pending = true
	p.due = now.Add(p.first)
	if p.last.IsZero() || now.Sub(p.last) > p.quiet {
		p.wait = 0
		return
	}
	p.wait = min(max(2*p.wait, p.min), p.max)
	if at := p.last.Add(p.wait); at.After(p.due) {
		p.due = at
	}
}

// take reports whether the action is to be done now, and counts it as done.
func (p *pacer) take(now time.Time) bool {
	if !p.pending || p.due.After(now) {
		return false
	}
	p.done(now)
	return true
}

// done counts the action as done for whatever reason.
func (p *pacer) done(now time.Time) { p.pending, p.last = false, now }

// bucket bounds a rate: it lets through burst at once and then rate per second.
type bucket struct {
	used float64
	last time.Time
}

func (b *bucket) take(now time.Time, rate, burst float64) bool {
	b.used = max(0, b.used-now.Sub(b.last).Seconds()*rate)
	b.last = now
	if b.used+1 > burst {
		return false
	}
	b.used++
	return true
}

// request is a question to another router that is repeated until it is answered.
type request struct {
	wanted bool
	next   time.Time // when to ask (again)
	wait   time.Duration
}

// The distance between two askings of the same thing.
const (
	requestMin = 300 * time.Millisecond
	requestMax = 16 * time.Second
)

// want asks for the question to be put after a delay, unless it has been put already and waits for its answer.
func (r *request) want(now time.Time, delay time.Duration) {
	if !r.wanted {
		*r = request{wanted: true, next: now.Add(delay)}
	}
}

// soon makes a question that has been put in vain be put again before long, because the other side shows signs of life.
func (r *request) soon(now time.Time) {
	if at := now.Add(requestMin); r.wanted && r.next.After(at) {
		r.next, r.wait = at, 0
	}
}

// answered ends the question.
func (r *request) answered() { *r = request{} }

// put reports whether the question is to be put now, and counts it as put.
func (r *request) put(now time.Time) bool {
	if !r.wanted || r.next.After(now) {
		return false
	}
	r.wait = min(max(r.wait*3/2, requestMin), requestMax)
	r.next = now.Add(r.wait)
	return true
}

// The rate of log lines of the same subject, per second and at once, the number of subjects that are remembered, and
// the length of a line.
const (
	logRate     = 0.1
	logBurst    = 3
	logSubjects = 256
	logLength   = 1000
)

// complaint is what the log remembers of a kind of line that others can provoke.
type complaint struct {
	bucket     bucket
	suppressed int
}

// log emits a line if its level is enabled.
func (n *Node) log(level Level, module Module, format string, args ...any) {
	if level >= n.config.LogLevel {
		n.emit(Event{Kind: EventLog, Level: level, Module: module, Text: fmt.Sprintf(format, args...)})
	}
}

// complain emits a line that another router has provoked: for each subject three at once, and then one in ten seconds.
func (n *Node) complain(level Level, module Module, subject, format string, args ...any) {
	if level < n.config.LogLevel {
		return
	}
	c := n.complaints[subject]
	if c == nil {
		if len(n.complaints) >= logSubjects {
			clear(n.complaints)
		}
		c = &complaint{}
		n.complaints[subject] = c
	}
	if !c.bucket.take(n.now, logRate, logBurst) {
		c.suppressed++
		return
	}
	text := fmt.Sprintf(format, args...)
	if len(text) > logLength {
		text = text[:logLength] + "…"
	}
	if c.suppressed > 0 {
		text += fmt.Sprintf(" (and %d more like this)", c.suppressed)
	}
	c.suppressed = 0
	n.emit(Event{Kind: EventLog, Level: level, Module: module, Text: text})
}
