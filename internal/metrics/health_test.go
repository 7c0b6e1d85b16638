package metrics

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// ask sends one health request and returns status and body.
func ask(h *health) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/healthz", nil))
	return w.Code, w.Body.String()
}

func TestHealthIsOKWhenTheCheckPasses(t *testing.T) {
	t.Parallel()
	for _, check := range []Check{nil, func(context.Context) error { return nil }} {
		if code, body := ask(&health{check: check, timeout: time.Second}); code != http.StatusOK || body != "OK\n" {
			t.Errorf("answer is %d %q, want 200 \"OK\\n\"", code, body)
		}
	}
}

func TestHealthTellsTheReasonWhenTheCheckFails(t *testing.T) {
	t.Parallel()
	h := &health{check: func(context.Context) error { return errors.New("no uplink") }, timeout: time.Second}
	if code, body := ask(h); code != http.StatusServiceUnavailable || body != "no uplink\n" {
		t.Errorf("answer is %d %q, want 503 \"no uplink\\n\"", code, body)
	}
}

func TestACheckThatHangsIsUnhealthyAndRunsOnlyOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var started atomic.Int32
		release := make(chan struct{})
		h := &health{timeout: 2 * time.Second, check: func(context.Context) error {
			started.Add(1)
			<-release
			return nil
		}}
		start := time.Now()
		for range 10 {
			code, body := ask(h)
			if code != http.StatusServiceUnavailable || !strings.Contains(body, "did not answer within 2s") {
				t.Errorf("answer is %d %q, want 503 with the time", code, body)
			}
		}
		if waited := time.Since(start); waited != 20*time.Second {
			t.Errorf("ten requests took %v, want 2 s each", waited)
		}
		if n := started.Load(); n != 1 {
			t.Errorf("%d checks were started, want 1", n)
		}
		close(release)
		synctest.Wait()
		if code, _ := ask(h); code != http.StatusOK {
			t.Errorf("after the check returned: status %d, want 200", code)
		}
	})
}

func TestRequestsAtTheSameTimeShareACheck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var started atomic.Int32
		h := &health{timeout: 2 * time.Second, check: func(ctx context.Context) error {
			started.Add(1)
			select {
			case <-time.After(time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		for range 5 {
			go func() {
				if code, _ := ask(h); code != http.StatusOK {
					t.Errorf("status %d, want 200", code)
				}
			}()
		}
		time.Sleep(3 * time.Second) // virtual
		if n := started.Load(); n != 1 {
			t.Errorf("%d checks were started, want 1", n)
		}
	})
}
