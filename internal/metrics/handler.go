package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	// DefaultCheckTimeout is how long a health check may take.
	DefaultCheckTimeout = 2 * time.Second

	scrapeTimeout = 10 * time.Second
	mostScrapes   = 4 // at the same time
)

// Options are the settings of [New]. The zero value of a field means its default.
type Options struct {
	Addresses    int           // addresses with series of their own; DefaultAddresses when 0
	CheckTimeout time.Duration // of a health check; DefaultCheckTimeout when 0
}

// Metrics is the collector of one router with the registry it stands in.
type Metrics struct {
	registry *prometheus.Registry
	health   *health
}

// New returns the metrics of a router and of its process. check tells whether the router is alive; it may be nil.
func New(src Source, check Check, options Options) (*Metrics, error) {
	if options.Addresses <= 0 {
		options.Addresses = DefaultAddresses
	}
	if options.CheckTimeout <= 0 {
		options.CheckTimeout = DefaultCheckTimeout
	}
	m := &Metrics{registry: prometheus.NewRegistry(), health: &health{check: check, timeout: options.CheckTimeout}}
	for _, c := range []prometheus.Collector{
		newCollector(src, options.Addresses),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := m.registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Registry returns the registry, for metrics that other packages add.
func (m *Metrics) Registry() *prometheus.Registry { return m.registry }

// Handler serves /metrics and /healthz to GET and HEAD requests. What a listener does not want it takes away with
// [Metrics.Exposition] and [Metrics.Health].
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.Exposition())
	mux.Handle("GET /healthz", m.Health())
	return mux
}

// Exposition serves the metrics in the text format of Prometheus, or in another one that the client prefers.
func (m *Metrics) Exposition() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: mostScrapes,
		Timeout:             scrapeTimeout,
	})
}

// Health serves the result of the health check: 200 with "OK", or 503 with the reason why not.
func (m *Metrics) Health() http.Handler { return m.health }

// Bound sets the limits of a server for the handler that the caller has not set, so that slow or silent clients do not
// hold connections.
func Bound(s *http.Server) {
	setDefault(&s.ReadHeaderTimeout, 5*time.Second)
	setDefault(&s.ReadTimeout, 10*time.Second)
	setDefault(&s.WriteTimeout, 2*scrapeTimeout)
	setDefault(&s.IdleTimeout, time.Minute)
	setDefault(&s.MaxHeaderBytes, 16<<10)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
