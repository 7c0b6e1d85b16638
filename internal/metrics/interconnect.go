package metrics

import "github.com/prometheus/client_golang/prometheus"

// interconnectMetric is a metric by the name and type that Interconnect has for it.
type interconnectMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*Snapshot) float64
}

// interconnectMetrics lists what Interconnect exports (src/http-libwebsockets.c), but for its memory pools. Their names
// and types break the conventions of Prometheus: gauges end in _total.
var interconnectMetrics = []interconnectMetric{
	likeGauge("connections", "Open connections.", func(s *Snapshot) float64 {
		open := 0
		for _, c := range s.Connections {
			open += c.Count
		}
		return float64(open)
	}),
	likeGauge("links", "Attached links.",
		func(s *Snapshot) float64 { return s.links(func(l *Links) int { return l.Count }) }),
	likeGauge("addresses", "Addresses known.", func(s *Snapshot) float64 { return float64(s.AddressesKnown) }),
	likeGauge("routers", "Other routers known.", func(s *Snapshot) float64 { return float64(s.Mesh.Routers) }),
	likeGauge("link_routes", "Link routes.", func(s *Snapshot) float64 { return float64(s.LinkRoutes) }),
	likeGauge("auto_links", "Auto links.", func(s *Snapshot) float64 { return float64(s.AutoLinks) }),
	likeCounter("presettled_deliveries", "Deliveries that were sent pre-settled.",
		func(s *Snapshot) uint64 { return s.PresettledTotal }),
	likeCounter("dropped_presettled_deliveries", "Pre-settled deliveries that were dropped.",
		func(s *Snapshot) uint64 { return s.Deliveries.DroppedPresettled }),
	likeCounter("accepted_deliveries", "Deliveries settled as accepted.",
		func(s *Snapshot) uint64 { return s.AcceptedTotal }),
	likeCounter("released_deliveries", "Deliveries settled as released.",
		func(s *Snapshot) uint64 { return s.ReleasedTotal }),
	likeCounter("rejected_deliveries", "Deliveries settled as rejected.",
		func(s *Snapshot) uint64 { return s.RejectedTotal }),
	likeCounter("modified_deliveries", "Deliveries settled as modified.",
		func(s *Snapshot) uint64 { return s.ModifiedTotal }),
	likeCounter("deliveries_ingress", "Deliveries from clients of this router.",
		func(s *Snapshot) uint64 { return s.Deliveries.Ingress.Deliveries }),
	likeCounter("deliveries_egress", "Deliveries to clients of this router.",
		func(s *Snapshot) uint64 { return s.Deliveries.Egress.Deliveries }),
	likeCounter("deliveries_transit", "Deliveries on to another router.",
		func(s *Snapshot) uint64 { return s.Deliveries.Transit.Deliveries }),
	likeCounter("deliveries_ingress_route_container", "Deliveries from brokers.",
		func(s *Snapshot) uint64 { return s.IngressRouteContainer }),
	likeCounter("deliveries_egress_route_container", "Deliveries to brokers.",
		func(s *Snapshot) uint64 { return s.EgressRouteContainer }),
	likeCounter("deliveries_delayed_1sec", "Deliveries that were settled after 1 to 10 seconds.",
		func(s *Snapshot) uint64 { return s.Delayed1s }),
	likeCounter("deliveries_delayed_10sec", "Deliveries that were settled after more than 10 seconds.",
		func(s *Snapshot) uint64 { return s.Delayed10s }),
	likeGauge("deliveries_stuck", "Deliveries unsettled for more than 10 seconds.",
		func(s *Snapshot) float64 { return s.links(func(l *Links) int { return l.Stuck }) }),
	likeGauge("links_blocked", "Links without credit for more than 10 seconds.",
		func(s *Snapshot) float64 { return s.links(func(l *Links) int { return l.Blocked }) }),
	likeCounter("deliveries_redirected_to_fallback", "Deliveries to fallback destinations.",
		func(s *Snapshot) uint64 { return s.Deliveries.Redirected }),
}

func likeGauge(name, help string, value func(*Snapshot) float64) interconnectMetric {
	return interconnectMetric{interconnectDesc(name, help), prometheus.GaugeValue, value}
}

func likeCounter(name, help string, value func(*Snapshot) uint64) interconnectMetric {
	return interconnectMetric{interconnectDesc(name, help), prometheus.CounterValue,
		func(s *Snapshot) float64 { return float64(value(s)) }}
}

func interconnectDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("qdr_"+name+"_total", help+" The same metric as Interconnect's.", nil, nil)
}

// links is the sum of a number over all links.
func (s *Snapshot) links(number func(*Links) int) float64 {
	sum := 0
	for i := range s.Links {
		sum += number(&s.Links[i])
	}
	return float64(sum)
}
