package mesh

import (
	"testing"
	"time"
)

func TestFirstChangeIsComputedAtOnceAndAStormIsDamped(t *testing.T) {
	t.Parallel()
	b := backoff{long: 200 * time.Millisecond}
	now := storyBegin
	b.request(now)
	if !b.take(now) {
		t.Fatal("the first change waits")
	}
	var done []time.Duration
	for at := time.Duration(0); at < 5*time.Second; at += time.Millisecond {
		now = storyBegin.Add(at)
		b.request(now)
		if b.take(now) {
			done = append(done, at)
		}
	}
	for i := 1; i < len(done); i++ {
		distance := done[i] - done[i-1]
		if done[i] < backoffLearn && distance > 2*backoffShortDelay || done[i-1] > backoffLearn+backoffShortDelay && distance < b.long {
			t.Errorf("computations at %v and %v", done[i-1], done[i])
		}
	}
	if n := len(done); n < 20 || n > 80 {
		t.Errorf("%d computations for a change each millisecond, want 50 short delays and 22 long ones at most", n)
	}
	now = now.Add(backoffHold + time.Millisecond)
	b.take(now)
	now = now.Add(time.Millisecond)
	b.request(now)
	if !b.take(now) {
		t.Error("the first change after a quiet time waits")
	}
}

func TestLossOfANeighborIsComputedAtOnceButNotAllTheTime(t *testing.T) {
	t.Parallel()
	b := backoff{long: time.Second}
	now := storyBegin
	hurried := 0
	for range 400 { // in 4 s
		if b.hurry(now) {
			hurried++
		}
		b.take(now)
		now = now.Add(10 * time.Millisecond)
	}
	if hurried < lossBurst || hurried > 60 {
		t.Errorf("%d of 400 losses in four seconds were acted on at once", hurried)
	}
}
