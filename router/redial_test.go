package router

import (
	"testing"
	"time"

	"github.com/postroad/postroad/router/conn"
)

func TestAConnectorDialsLessOftenWhileItCannotConnect(t *testing.T) {
	t.Parallel()
	var r conn.Redial
	for i, want := range []time.Duration{250, 500, 1000, 1000} {
		if got := r.After(false, 0); got != want*time.Millisecond {
			t.Errorf("attempt %d: %v, want %d ms", i, got, want)
		}
	}
	r.After(true, time.Hour)
	if got := r.After(false, 0); got != conn.RedialFirst {
		t.Errorf("after it was connected: %v", got)
	}
}

func TestALinkThatFlapsIsDampedUntilItIsCalm(t *testing.T) {
	t.Parallel()
	var r conn.Redial
	for i, want := range []time.Duration{100, 100, 1000, 2000, 4000, 8000, 16000, 30000, 30000} {
		if got := r.After(true, time.Second); got != want*time.Millisecond {
			t.Errorf("loss %d: %v, want %d ms", i+1, got, want)
		}
	}
	if got := r.After(true, conn.RedialCalm); got != conn.RedialAfterLoss {
		t.Errorf("after it was calm: %v", got)
	}
}
