package mesh

import (
	"testing"
	"time"
)

func TestTheTimeSpentOnPathsIsCounted(t *testing.T) {
	t.Parallel()
	clock := time.Unix(0, 0)
	s := newStory(t, Config{LogLevel: LevelCritical, Clock: func() time.Time {
		clock = clock.Add(3 * time.Millisecond)
		return clock
	}})
	s.meet(1, "B")
	s.meet(2, "C")
	s.advance(500 * time.Millisecond)
	c := s.node.Counters()
	var count uint64
	for _, n := range c.PathTime.Counts {
		count += n
	}
	// Each computation is two measurements at least, of paths and of origins, of 3 ms each.
	if least := time.Duration(count) * 6 * time.Millisecond; count == 0 || count > c.PathComputations ||
		c.PathTime.Counts[0] > 0 || c.PathTime.Sum < least {
		t.Errorf("%d computations took %+v", c.PathComputations, c.PathTime)
	}
	if size := s.node.Size(); size.Routers != 2 || size.Reachable != 2 || size.LinkStates < 1 || size.Edges < 2 ||
		size.Addresses != 0 {
		t.Errorf("size %+v", size)
	}
}

func TestWithoutAClockNoTimeIsCounted(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meet(1, "B")
	s.advance(time.Second)
	if c := s.node.Counters(); c.PathComputations == 0 || c.PathTime.Sum != 0 {
		t.Errorf("%+v", c)
	}
}

func TestDurationsFallIntoTheirClasses(t *testing.T) {
	t.Parallel()
	var times Times
	for _, d := range []time.Duration{0, PathTimeBounds[0], PathTimeBounds[0] + 1, time.Second, time.Hour} {
		times.add(d)
	}
	last := len(times.Counts) - 1
	if times.Counts[0] != 2 || times.Counts[1] != 1 || times.Counts[last-2] != 1 || times.Counts[last] != 1 {
		t.Errorf("%v", times.Counts)
	}
}
