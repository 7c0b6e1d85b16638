package metrics

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// sourceFunc is a source that is made of a function.
type sourceFunc func() Snapshot

func (f sourceFunc) Snapshot() Snapshot { return f() }

// busy is the snapshot of a router that has some of everything.
func busy() Snapshot {
	orders := Deliveries{
		Ingress: Outcomes{Deliveries: 26, Accepted: 10, Rejected: 1, Released: 2, Modified: 3, Presettled: 4, None: 5},
		Egress:  Outcomes{Deliveries: 7, Accepted: 7, Octets: 700}, Transit: Outcomes{Deliveries: 3, Accepted: 3},
		DroppedPresettled: 5, Redirected: 6,
	}
	total := orders
	total.Ingress.Accepted += 100
	total.Ingress.Deliveries += 100
	total.ToSelf, total.FromSelf = 21, 22
	return Snapshot{
		ID: "london", Mode: "interior", Version: "1.2.3",
		Connections: []Connections{
			{"normal", "in", "open", 3}, {"normal", "in", "opening", 1}, {"inter-router", "out", "open", 2},
		},
		ConnectionsOpened: 17, ConnectionsFailed: []Failures{{"normal", "in", "handshake-timeout", 2}},
		Links: []Links{
			{Type: "endpoint", Direction: "in", Count: 4, Credit: 1000},
			{Type: "inter-router", Direction: "out", Count: 22, Credit: 250, Blocked: 1, Stuck: 2, Queued: 3},
		},
		OpenHandles: 27, Sessions: 5, Attaches: 30, AttachesRefused: 4,
		Deliveries: total, UnsettledIn: 6, UnsettledOut: 7, Delayed1s: 8, Delayed10s: 9,
		DelayedOut1s: 10, DelayedOut10s: 11, Waiting: 12, RerouteHeld: 13, Expired: 14, Duplicates: 15,
		Held: []Held{{"normal", 4096}, {"edge", 1}}, HeldBudget: 1 << 20, Overload: 2,
		Addresses:   []Address{{"orders", orders}},
		MobileLocal: 2, MobileRemote: 3, AddressesKnown: 12, BuffersInFlight: 4, BytesInFlight: 65536,
		Mesh: Mesh{
			Routers:   2,
			Neighbors: []Neighbor{{"tokyo", 4, true, 250 * time.Microsecond}, {"paris", 1, false, 0}},
			Reachable: 1, LinkStates: 3, Edges: 4, Addresses: 9,
			PathComputations: 11,
			PathTime: Histogram{Bounds: []time.Duration{time.Millisecond, time.Second}, Counts: []uint64{2, 1, 1},
				Sum: 1500 * time.Millisecond},
			Forwarded: 51, Dropped: []Dropped{{"stale", 52}},
			Gossip: &Gossip{Members: 3, Lost: 1, PlannedLinks: 2, PlannedUp: 1, Refused: 5, PacketsIn: 6, PacketsOut: 7,
				DroppedPackets: 8},
			LastTopologyChange: time.Unix(1700000000, 0),
			ControlMessages:    []ControlMessages{{"HELLO", "in", 31}, {"HELLO", "out", 32}, {"LSU", "in", 33}},
		},
		AcceptedTotal: 111, PresettledTotal: 4,
	}
}

func gather(t *testing.T, src Source, addresses int) *prometheus.Registry {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(newCollector(src, addresses)); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSnapshotAppearsAsLabelledMetrics(t *testing.T) {
	t.Parallel()
	r := gather(t, sourceFunc(busy), DefaultAddresses)
	want := `
# HELP postroad_connections Connections, by role, by who opened them, and by state.
# TYPE postroad_connections gauge
postroad_connections{direction="in",role="normal",state="open"} 3
postroad_connections{direction="in",role="normal",state="opening"} 1
postroad_connections{direction="out",role="inter-router",state="open"} 2
# HELP postroad_control_messages_total Control messages between routers, by opcode and direction.
# TYPE postroad_control_messages_total counter
postroad_control_messages_total{direction="in",opcode="HELLO"} 31
postroad_control_messages_total{direction="in",opcode="LSU"} 33
postroad_control_messages_total{direction="out",opcode="HELLO"} 32
# HELP postroad_neighbor_up Whether there is an adjacency with the neighbor.
# TYPE postroad_neighbor_up gauge
postroad_neighbor_up{neighbor="paris"} 0
postroad_neighbor_up{neighbor="tokyo"} 1
# HELP postroad_path_computation_seconds Time of a computation of paths and valid origins.
# TYPE postroad_path_computation_seconds histogram
postroad_path_computation_seconds_bucket{le="0.001"} 2
postroad_path_computation_seconds_bucket{le="1"} 3
postroad_path_computation_seconds_bucket{le="+Inf"} 4
postroad_path_computation_seconds_sum 1.5
postroad_path_computation_seconds_count 4
# HELP postroad_presettled_dropped_total Pre-settled deliveries that were dropped, by address.
# TYPE postroad_presettled_dropped_total counter
postroad_presettled_dropped_total{address="_other"} 0
postroad_presettled_dropped_total{address="orders"} 5
# HELP postroad_router_info Who the router is; always 1.
# TYPE postroad_router_info gauge
postroad_router_info{id="london",mode="interior",version="1.2.3"} 1
`
	err := testutil.GatherAndCompare(r, strings.NewReader(want), "postroad_connections",
		"postroad_control_messages_total", "postroad_neighbor_up", "postroad_path_computation_seconds",
		"postroad_presettled_dropped_total", "postroad_router_info")
	if err != nil {
		t.Error(err)
	}
	for label, want := range map[string]float64{
		"orders/ingress/accepted": 10, "orders/ingress/presettled": 4, "orders/transit/accepted": 3,
		"orders/ingress/none":     5,
		"_other/ingress/accepted": 100, "_other/transit/accepted": 0,
	} {
		if got := deliveries(t, r)[label]; got != want {
			t.Errorf("deliveries of %s: %v, want %v", label, got, want)
		}
	}
}

func TestMetricsOfInterconnectKeepTheirNamesAndTypes(t *testing.T) {
	t.Parallel()
	r := gather(t, sourceFunc(busy), DefaultAddresses)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "qdr_") {
			m := f.GetMetric()[0]
			got[f.GetName()] = fmt.Sprint(strings.ToLower(f.GetType().String()), " ",
				m.GetCounter().GetValue()+m.GetGauge().GetValue())
		}
	}
	for name, want := range map[string]string{
		"qdr_connections_total":                        "gauge 6",
		"qdr_links_total":                              "gauge 26",
		"qdr_addresses_total":                          "gauge 12",
		"qdr_routers_total":                            "gauge 2",
		"qdr_link_routes_total":                        "gauge 0",
		"qdr_auto_links_total":                         "gauge 0",
		"qdr_presettled_deliveries_total":              "counter 4",
		"qdr_dropped_presettled_deliveries_total":      "counter 5",
		"qdr_accepted_deliveries_total":                "counter 111",
		"qdr_released_deliveries_total":                "counter 0",
		"qdr_rejected_deliveries_total":                "counter 0",
		"qdr_modified_deliveries_total":                "counter 0",
		"qdr_deliveries_ingress_total":                 "counter 126",
		"qdr_deliveries_egress_total":                  "counter 7",
		"qdr_deliveries_transit_total":                 "counter 3",
		"qdr_deliveries_ingress_route_container_total": "counter 0",
		"qdr_deliveries_egress_route_container_total":  "counter 0",
		"qdr_deliveries_delayed_1sec_total":            "counter 8",
		"qdr_deliveries_delayed_10sec_total":           "counter 9",
		"qdr_deliveries_stuck_total":                   "gauge 2",
		"qdr_links_blocked_total":                      "gauge 1",
		"qdr_deliveries_redirected_to_fallback_total":  "counter 6",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("metrics that Interconnect does not have: %v", got)
	}
}

func TestOwnMetricsFollowTheConventionsOfPrometheus(t *testing.T) {
	t.Parallel()
	r := gather(t, sourceFunc(busy), DefaultAddresses)
	problems, err := testutil.GatherAndLint(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if !strings.HasPrefix(p.Metric, "qdr_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestPeersCannotMakeSeriesWithoutBound(t *testing.T) {
	t.Parallel()
	var s Snapshot
	for i := range 10_000 {
		id := fmt.Sprintf("r%05d", i)
		s.Mesh.Neighbors = append(s.Mesh.Neighbors, Neighbor{ID: id, Cost: 1, Up: true})
		s.Mesh.ControlMessages = append(s.Mesh.ControlMessages, ControlMessages{id, "in", 1})
		s.Addresses = append(s.Addresses, Address{id, Deliveries{Ingress: Outcomes{Accepted: 1}}})
		s.Deliveries.Ingress.Accepted++
	}
	s.Mesh.Neighbors = append(s.Mesh.Neighbors, Neighbor{ID: "\xff"}, Neighbor{ID: strings.Repeat("x", 257)})
	r := gather(t, sourceFunc(func() Snapshot { return s }), 50)
	for name, want := range map[string]int{
		"postroad_neighbor_up": mostNeighbors, "postroad_control_messages_total": mostTexts + 1,
		"postroad_deliveries_total": 50 + dropped,
	} {
		if got, err := testutil.GatherAndCount(r, name); err != nil || got != want {
			t.Errorf("%s has %d series (%v), want %d", name, got, err, want)
		}
	}
	if got := deliveries(t, r)["_other/ingress/accepted"]; got != 9950 {
		t.Errorf("deliveries to addresses without series: %v, want 9950", got)
	}
}

func TestEveryListenerGetsItsOwnMetrics(t *testing.T) {
	t.Parallel()
	for range 2 {
		m, err := New(sourceFunc(busy), nil, Options{})
		if err != nil {
			t.Fatal(err)
		}
		body := get(t, m.Handler(), "/metrics", http.StatusOK)
		for _, metric := range []string{
			"postroad_connections{", "qdr_connections_total 6", "go_goroutines", "process_",
		} {
			if !strings.Contains(body, metric) {
				t.Errorf("/metrics does not have %s", metric)
			}
		}
	}
}

func TestScrapesMayRunAtTheSameTime(t *testing.T) {
	t.Parallel()
	m, err := New(sourceFunc(busy), nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range mostScrapes {
		wg.Go(func() { get(t, m.Exposition(), "/metrics", http.StatusOK) })
	}
	wg.Wait()
}

func TestOnlyReadingIsServed(t *testing.T) {
	t.Parallel()
	m, err := New(sourceFunc(busy), nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/metrics", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: status %d, want %d", w.Code, http.StatusMethodNotAllowed)
	}
	get(t, m.Handler(), "/", http.StatusNotFound)
}

func TestBoundLeavesWhatTheCallerHasSet(t *testing.T) {
	t.Parallel()
	s := &http.Server{IdleTimeout: time.Second}
	Bound(s)
	if s.IdleTimeout != time.Second {
		t.Errorf("IdleTimeout is %v now", s.IdleTimeout)
	}
	if s.ReadHeaderTimeout == 0 || s.ReadTimeout == 0 || s.MaxHeaderBytes == 0 {
		t.Error("limits are missing")
	}
	if s.WriteTimeout <= scrapeTimeout {
		t.Errorf("WriteTimeout %v would cut off a slow scrape", s.WriteTimeout)
	}
}

// get asks for a path and returns the body of the answer.
func get(t *testing.T, h http.Handler, path string, status int) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if w.Code != status {
		t.Errorf("GET %s: status %d, want %d: %s", path, w.Code, status, w.Body)
	}
	return w.Body.String()
}

// deliveries returns the values of postroad_deliveries_total by address/direction/outcome.
func deliveries(t *testing.T, r *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		if f.GetName() != "postroad_deliveries_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			var words []string
			for _, l := range m.GetLabel() {
				words = append(words, l.GetValue())
			}
			values[strings.Join(words, "/")] = m.GetCounter().GetValue()
		}
	}
	return values
}
