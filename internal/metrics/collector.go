package metrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// collector makes metrics from snapshots.
type collector struct {
	source Source

	mu        sync.Mutex // one scrape at a time: the sticky parts below
	addresses fold
}

// newCollector returns a collector that gives at most so many addresses series of their own.
func newCollector(src Source, addresses int) *collector {
	return &collector{source: src, addresses: fold{most: addresses, own: map[string]*own{}}}
}

// Describe implements [prometheus.Collector].
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range allDescs {
		ch <- d
	}
	for _, m := range interconnectMetrics {
		ch <- m.desc
	}
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.source.Snapshot()
	out := output{ch}
	out.gauge(descRouter, 1, s.ID, s.Mode, s.Version)
	collectConnections(out, &s)
	collectLinks(out, &s)
	c.addresses.update(s.Deliveries, s.Addresses)
	collectDeliveries(out, &s, &c.addresses)
	collectMesh(out, &s.Mesh)
	for _, m := range interconnectMetrics {
		out.send(m.desc, m.kind, m.value(&s))
	}
}

// output sends metrics that have no more than the labels of their description.
type output struct{ ch chan<- prometheus.Metric }

func (o output) gauge(d *prometheus.Desc, v float64, labels ...string) {
	o.send(d, prometheus.GaugeValue, v, labels...)
}

func (o output) counter(d *prometheus.Desc, v uint64, labels ...string) {
	o.send(d, prometheus.CounterValue, float64(v), labels...)
}

// histogram sends how often something took how long.
func (o output) histogram(d *prometheus.Desc, h *Histogram) {
	buckets, count := make(map[float64]uint64, len(h.Bounds)), uint64(0)
	for i, n := range h.Counts {
		if count += n; i < len(h.Bounds) {
			buckets[h.Bounds[i].Seconds()] = count
		}
	}
	m, err := prometheus.NewConstHistogram(d, count, h.Sum.Seconds(), buckets)
	if err != nil {
		m = prometheus.NewInvalidMetric(d, err)
	}
	o.ch <- m
}

func (o output) send(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
	m, err := prometheus.NewConstMetric(d, kind, v, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(d, err)
	}
	o.ch <- m
}

func collectConnections(out output, s *Snapshot) {
	for _, c := range s.Connections {
		out.gauge(descConnections, float64(c.Count), c.Role, c.Direction, c.State)
	}
	out.counter(descConnectionsOpened, s.ConnectionsOpened)
	for _, f := range s.ConnectionsFailed {
		out.counter(descConnectionsFailed, f.Count, f.Role, f.Direction, f.Reason)
	}
	out.counter(descPanics, s.ConnectionPanics)
	out.gauge(descSessions, float64(s.Sessions))
}

func collectLinks(out output, s *Snapshot) {
	for _, l := range s.Links {
		out.gauge(descLinks, float64(l.Count), l.Type, l.Direction)
		out.gauge(descCredit, float64(l.Credit), l.Type, l.Direction)
		out.gauge(descLinksBlocked, float64(l.Blocked), l.Type, l.Direction)
		out.gauge(descStuck, float64(l.Stuck), l.Type, l.Direction)
		if l.Direction == "out" {
			out.gauge(descQueued, float64(l.Queued), l.Type)
		}
	}
	out.gauge(descOpenHandles, float64(s.OpenHandles))
	out.counter(descAttaches, s.Attaches)
	out.counter(descAttachesRefused, s.AttachesRefused)
}

func collectDeliveries(out output, s *Snapshot, f *fold) {
	for name, o := range f.own {
		shown := o.shown()
		for i, v := range shown {
			if v != 0 { // a series for every combination of every address would be a lot of zeros
				sendCount(out, name, i, v)
			}
		}
	}
	for i, v := range f.rest {
		sendCount(out, other, i, v)
	}
	d := &s.Deliveries
	out.counter(descOctets, d.Ingress.Octets, "ingress")
	out.counter(descOctets, d.Egress.Octets, "egress")
	out.counter(descOctets, d.Transit.Octets, "transit")
	out.counter(descInternal, d.ToSelf, "in")
	out.counter(descInternal, d.FromSelf, "out")
	out.gauge(descUnsettled, float64(s.UnsettledIn), "in")
	out.gauge(descUnsettled, float64(s.UnsettledOut), "out")
	out.counter(descDelayed, s.Delayed1s, "in", "1s_to_10s")
	out.counter(descDelayed, s.Delayed10s, "in", "over_10s")
	out.counter(descDelayed, s.DelayedOut1s, "out", "1s_to_10s")
	out.counter(descDelayed, s.DelayedOut10s, "out", "over_10s")
	out.gauge(descWaiting, float64(s.Waiting))
	out.counter(descHeldTotal, s.RerouteHeld)
	out.counter(descExpired, s.Expired)
	out.counter(descDuplicates, s.Duplicates)
	collectTables(out, s)
}

// collectTables sends what the router has in its tables and in its memory.
func collectTables(out output, s *Snapshot) {
	out.gauge(descAddresses, float64(s.AddressesKnown))
	out.gauge(descMobile, float64(s.MobileLocal), "local")
	out.gauge(descMobile, float64(s.MobileRemote), "remote")
	out.gauge(descBuffers, float64(s.BuffersInFlight))
	out.gauge(descBytes, float64(s.BytesInFlight))
	for _, h := range s.Held {
		out.gauge(descHeld, float64(h.Octets), h.Role)
	}
	out.gauge(descHeldBudget, float64(s.HeldBudget))
	out.gauge(descOverload, float64(s.Overload))
}

// sendCount sends the number at position i of an address's counts.
func sendCount(out output, address string, i int, v uint64) {
	switch i {
	case dropped:
		out.counter(descDropped, v, address)
	case redirected:
		out.counter(descRedirected, v, address)
	default:
		out.counter(descDeliveries, v, address, series[i].direction, series[i].outcome)
	}
}
