package router

import (
	"context"
	"errors"
	"net/http"

	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/metrics"
)

// web makes the handler of /metrics and /healthz on a listener with http: yes.
func (r *Router) web(l *config.Listener) (http.Handler, error) {
	m, err := metrics.New(r.view, r.alive, metrics.Options{})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	if l.Metrics {
		mux.Handle("GET /metrics", m.Exposition())
	}
	if l.Healthz {
		mux.Handle("GET /healthz", m.Health())
	}
	return mux, nil
}

// alive is the health check: the control loop takes its turn.
func (r *Router) alive(ctx context.Context) error {
	if r.host.Draining.Load() {
		return errDraining
	}
	done := make(chan struct{})
	go func() {
		r.control.Mu.Lock()
		defer r.control.Mu.Unlock()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return errors.New("the control loop does not answer")
	}
}
