package metrics

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// Check tells whether the router is alive: nil, or the reason why not. It should return soon after ctx is done; a check
// that does not counts as failed, and no other one is started until it returns.
type Check func(ctx context.Context) error

// health serves the result of a check. Requests that arrive while a check runs share it.
type health struct {
	check   Check
	timeout time.Duration

	mu      sync.Mutex
	running *run // nil when no check runs
}

// run is a check that runs.
type run struct {
	done chan struct{} // closed when err is set
	err  error
}

// ServeHTTP implements [http.Handler].
func (h *health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if err := h.ask(r.Context()); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = fmt.Fprintln(w, err)
		return
	}
	_, _ = io.WriteString(w, "OK\n")
}

// ask runs the check, or waits for the one that runs.
func (h *health) ask(ctx context.Context) error {
	if h.check == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	r := h.start()
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return fmt.Errorf("the router did not answer within %v", h.timeout)
	}
}

// start returns the check that runs, and starts one when there is none. Its time does not depend on the request that
// started it, because others share it.
func (h *health) start() *run {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running != nil {
		return h.running
	}
	r := &run{done: make(chan struct{})}
	h.running = r
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), h.timeout)
		defer cancel()
		r.err = h.check(ctx)
		h.mu.Lock()
		h.running = nil
		h.mu.Unlock()
		close(r.done)
	}()
	return r
}
