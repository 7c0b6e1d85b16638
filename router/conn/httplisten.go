package conn

import (
	"errors"
	"net"
	"net/http"

	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/internal/metrics"
	"github.com/postroad/postroad/router/transport"
)

// webServer answers to HTTP on a listener with http: yes.
type webServer struct{ server *http.Server }

// serveWeb serves HTTP until the listener is closed.
func (l *Listener) serveWeb() {
	h := l.host
	handler, err := h.Web(l.Entity)
	if err != nil {
		h.Log(logging.HTTP).Errorf("listener %s: %v", l.Entity.Name, err)
		return
	}
	server := &http.Server{Handler: handler}
	metrics.Bound(server)
	l.mu.Lock()
	l.web = &webServer{server}
	t := l.l
	l.mu.Unlock()
	if err := server.Serve(webListener{t}); err != nil && !errors.Is(err, http.ErrServerClosed) && h.Ctx.Err() == nil {
		h.Log(logging.HTTP).Errorf("listener %s: %v", l.Entity.Name, err)
	}
}

// close ends the server and its connections.
func (w *webServer) close() { w.server.Close() }

// webListener hands HTTP the connections of a transport listener. The TLS handshake happens at the first read.
type webListener struct{ transport.Listener }

// Accept implements net.Listener.
func (l webListener) Accept() (net.Conn, error) { return l.Listener.Accept() }
