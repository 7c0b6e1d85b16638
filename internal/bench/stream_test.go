package bench

import (
	"testing"
	"time"
)

func TestTheLongestGapIsTheOneWithoutArrivals(t *testing.T) {
	t.Parallel()
	var g gapWatch
	g.mark(100)
	for _, at := range []int64{110, 150, 160} {
		g.arrive(at)
	}
	if got, want := g.watch(165), (Watch{Gap: 40, Start: 10}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := g.watch(300), (Watch{Gap: 140, Start: 60}); got != want {
		t.Errorf("with one that is still open: got %+v, want %+v", got, want)
	}
	g.mark(170)
	g.arrive(180)
	g.arrive(185)
	if got, want := g.watch(186), (Watch{Gap: 20, Start: -10}); got != want {
		t.Errorf("after a mark: got %+v, want %+v", got, want)
	}
}

func TestAStreamAccountsForEveryMessage(t *testing.T) {
	t.Parallel()
	c := testConfig(startRelay(t, 4096))
	c.Rate = 5000
	s, err := StartStream(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	s.Mark()
	if err := s.Flow(t.Context(), 500); err != nil {
		t.Error(err)
	}
	if w := s.Watch(); w.Gap <= 0 || w.Latency <= 0 || w.Gap > time.Minute {
		t.Errorf("nothing was measured: %+v", w)
	}
	d, err := s.Stop(t.Context())
	if err != nil || s.Err() == nil {
		t.Errorf("stopped with %v, %v", err, s.Err())
	}
	if !d.Exact() || d.Received < 500 || d.Sent != d.Received {
		t.Errorf("not every message arrived exactly once: %+v", d)
	}
}

func TestAStreamSaysWhichConnectionEnded(t *testing.T) {
	t.Parallel()
	c := testConfig("127.0.0.1:1")
	if _, err := StartStream(t.Context(), c); err == nil {
		t.Error("a stream flows to where nobody listens")
	}
}
