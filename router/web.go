package router

import (
	"context"
	"errors"
	"net"
	"net/http"

	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/internal/metrics"
	"github.com/postroad/postroad/router/transport"
)

// webServer serves /metrics and /healthz on a listener with http: yes.
type webServer struct{ server *http.Server }

// serveWeb serves HTTP until the listener is closed.
func (l *listener) serveWeb() {
	r := l.router
	m, err := metrics.New(r, r.alive, metrics.Options{})
	if err != nil {
		r.log(logging.HTTP).Errorf("listener %s: %v", l.cfg.Name, err)
		return
	}
	mux := http.NewServeMux()
	if l.cfg.Metrics {
		mux.Handle("GET /metrics", m.Exposition())
	}
	if l.cfg.Healthz {
		mux.Handle("GET /healthz", m.Health())
	}
	server := &http.Server{Handler: mux}
	metrics.Bound(server)
	l.mu.Lock()
	l.web = &webServer{server}
	t := l.l
	l.mu.Unlock()
	if err := server.Serve(webListener{t}); err != nil && !errors.Is(err, http.ErrServerClosed) && r.ctx.Err() == nil {
		r.log(logging.HTTP).Errorf("listener %s: %v", l.cfg.Name, err)
	}
}

func (w *webServer) close() { w.server.Close() }

// alive is the health check: the control loop takes its turn.
func (r *Router) alive(ctx context.Context) error {
	if r.draining.Load() {
		return errDraining
	}
	done := make(chan struct{})
	go func() {
		r.control.mu.Lock()
		defer r.control.mu.Unlock()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return errors.New("the control loop does not answer")
	}
}

// webListener hands HTTP the connections of a transport listener. The TLS handshake happens at the first read.
type webListener struct{ transport.Listener }

func (l webListener) Accept() (net.Conn, error) { return l.Listener.Accept() }
