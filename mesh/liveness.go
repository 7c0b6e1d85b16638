package mesh

import "time"

// liveness is what is known of the signs of life on a link.
type liveness struct {
	heard    time.Time     // the last HELLO
	interval time.Duration // in which the peer promises HELLOs; 0 if it is not of our kind
	late     time.Duration // how much later they came at most, of late
	stalled  time.Duration // Node.stalled when the last one came
	spared   time.Time     // until when it is not expired, because this router has just not run; zero if it was not yet
}

const (
	helloIntervalMin = 10 * time.Millisecond
	helloMisses      = 3 // HELLOs of a neighbor of our kind in a row
	// lateShare is the part of what is known about late HELLOs that the next one takes away.
	lateShare = 32
	spareTime = 20 * time.Millisecond
)

// heard takes note of a HELLO.
func (n *Node) heard(l *link, m *message) {
	v := &l.liveness
	if l.hearing && v.interval > 0 {
		late := n.now.Sub(v.heard) - v.interval - (n.stalled - v.stalled)
		v.late = max(late, v.late-v.late/lateShare)
	}
	v.heard, v.stalled, v.interval, v.spared = n.now, n.stalled, 0, time.Time{}
	if m.interval > 0 && !n.config.Plain {
		l.extended = true
		v.interval = max(time.Duration(min(m.interval, time.Hour.Milliseconds()))*time.Millisecond, helloIntervalMin)
	}
	n.wakeLinks(v.heard.Add(n.maxAge(l) + 1))
}

// maxAge returns for how long a neighbor may be silent. For one of our kind that is three HELLOs, and more if its HELLOs
// have been late: then it or the way to it is busy, not dead.
func (n *Node) maxAge(l *link) time.Duration {
	v := &l.liveness
	if v.interval == 0 {
		return n.config.HelloMaxAge
	}
	return min(helloMisses*v.interval+2*v.late, n.config.HelloMaxAge)
}

// expire drops the peer of a link if it was silent for too long.
//
// What speaks for it: time in which this router did not run, because it was called late, does not count, for everything
// that came meanwhile is still to be taken. And whatever else comes from a neighbor of our kind is as good as a HELLO; but
// without HELLOs it is lost after HelloMaxAge all the same.
func (n *Node) expire(l *link) {
	v, age := &l.liveness, n.maxAge(l)
	stalled := n.stalled - v.stalled
	end := v.heard.Add(age + stalled)
	silent := true
	if n.now.After(end) && n.config.Received != nil {
		last := n.config.Received(l.id)
		silent = n.now.After(last.Add(age + stalled))
		if v.interval > 0 && last.After(v.heard) {
			end = earlier(last.Add(age+stalled), v.heard.Add(n.config.HelloMaxAge+stalled))
		}
	}
	if !n.now.After(end) {
		n.wakeLinks(end.Add(1))
		return
	}
	// This router may not have run for longer than it has been called late. What came meanwhile is read first, once.
	if v.spared.IsZero() && n.now.Equal(n.resumed) {
		v.spared = n.now.Add(spareTime)
	}
	if n.now.Before(v.spared) {
		n.wakeLinks(v.spared)
		return
	}
	n.log(LevelTrace, ModuleHello, "HELLO peer expired: %s", l.peer)
	if l.up {
		n.adjacent = true
		if silent {
			n.emit(Event{Kind: EventLinkSilent, Link: l.id, ID: l.peer})
		}
	}
	l.hearing, l.up, v.late = false, false, 0
}
