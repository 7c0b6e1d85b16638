package mesh

import "time"

// PathTimeBounds are the upper bounds of the classes of Times.
var PathTimeBounds = [...]time.Duration{
	10 * time.Microsecond, 100 * time.Microsecond, time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond, time.Second, 5 * time.Second,
}

// Times is how often something took how long: in class i at most PathTimeBounds[i] and more than the bound before it;
// the last class has no bound.
type Times struct {
	Counts [len(PathTimeBounds) + 1]uint64
	Sum    time.Duration
}

func (t *Times) add(d time.Duration) {
	i := 0
	for i < len(PathTimeBounds) && d > PathTimeBounds[i] {
		i++
	}
	t.Counts[i]++
	t.Sum += d
}

// timed begins to count the time spent on paths, and returns what ends it.
func (n *Node) timed() func() {
	if n.config.Clock == nil {
		return func() {}
	}
	began := n.config.Clock()
	return func() { n.computing += n.config.Clock().Sub(began) }
}
