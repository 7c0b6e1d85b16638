package router

import (
	"testing"
	"time"
)

func TestAConnectorDialsLessOftenWhileItCannotConnect(t *testing.T) {
	t.Parallel()
	var r redial
	for i, want := range []time.Duration{250, 500, 1000, 1000} {
		if got := r.after(false, 0); got != want*time.Millisecond {
			t.Errorf("attempt %d: %v, want %d ms", i, got, want)
		}
	}
	r.after(true, time.Hour)
	if got := r.after(false, 0); got != redialFirst {
		t.Errorf("after it was connected: %v", got)
	}
}

func TestALinkThatFlapsIsDampedUntilItIsCalm(t *testing.T) {
	t.Parallel()
	var r redial
	for i, want := range []time.Duration{100, 100, 1000, 2000, 4000, 8000, 16000, 30000, 30000} {
		if got := r.after(true, time.Second); got != want*time.Millisecond {
			t.Errorf("loss %d: %v, want %d ms", i+1, got, want)
		}
	}
	if got := r.after(true, redialCalm); got != redialAfterLoss {
		t.Errorf("after it was calm: %v", got)
	}
}
