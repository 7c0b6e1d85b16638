package router

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/go-amqp"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/management"
	"github.com/postroad/postroad/internal/metrics"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/control"
	"github.com/postroad/postroad/router/route"
)

const withWeb = "  - {name: web, host: 127.0.0.1, port: 0, http: true}"

// page is what /metrics of a router says: values by name and labels.
func page(t testing.TB, r *Router) (values map[string]float64, octets int) {
	t.Helper()
	var client http.Client
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(within(t), "GET", "http://"+r.Addr("web")+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("/metrics: %d %v", response.StatusCode, err)
	}
	values = make(map[string]float64)
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		cut := strings.LastIndexByte(line, ' ')
		v, err := strconv.ParseFloat(strings.TrimSpace(line[cut:]), 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		values[line[:cut]] = v
	}
	return values, len(b)
}

// wantMetrics waits until /metrics of a router has values; those named without labels are sums over all labels.
func wantMetrics(t testing.TB, r *Router, want map[string]float64) {
	t.Helper()
	eventually(t, "/metrics of "+r.ID(), func() error {
		values, _ := page(t, r)
		for name, v := range want {
			got, known := values[name]
			if !strings.Contains(name, "{") {
				for key, n := range values {
					if strings.HasPrefix(key, name+"{") {
						got, known = got+n, true
					}
				}
			}
			if got != v || !known && v != 0 {
				return fmt.Errorf("%s is %v, want %v", name, got, v)
			}
		}
		return nil
	})
}

// withMetrics returns routers in a row that serve their metrics.
func withMetrics(t testing.TB, count int, more ...string) *network {
	t.Helper()
	n := newNetwork(t)
	for i := range count {
		p := plan{id: letter(i), listeners: strings.Join(append([]string{withWeb}, more...), "\n")}
		if i > 0 {
			p.to = n.routers[i-1:]
		}
		n.add(p)
	}
	n.converge()
	return n
}

// delivered is the series of deliveries of an address.
func delivered(address, direction, outcome string) string {
	return fmt.Sprintf("postroad_deliveries_total{address=%q,direction=%q,outcome=%q}", address, direction, outcome)
}

func TestEachRouterCountsTheDeliveriesOfEachAddressOnTheirWay(t *testing.T) {
	t.Parallel()
	n := withMetrics(t, 3)
	a, b, c := n.node("A"), n.node("B"), n.node("C")
	consumer := connect(t, c)
	consumer.receiver("closest/x", 100).consume(nil)
	consumer.receiver("closest/y", 100).consume(nil)
	n.consumers("A", "closest/x", 0, 1)
	n.consumers("A", "closest/y", 0, 1)
	producer := connect(t, a)
	anonymous, attached := producer.sender("", nil), producer.sender("closest/x", nil)
	for range 3 {
		wantAccepted(t, "x, anonymous", anonymous.send(to("closest/x", text("x"))))
	}
	for range 2 {
		wantAccepted(t, "y", anonymous.send(to("closest/y", text("y"))))
	}
	for range 4 {
		wantAccepted(t, "x", attached.send(text("x")))
	}
	for range 5 {
		attached.settled(text("x"))
	}
	wantMetrics(t, a, map[string]float64{
		delivered("closest/x", "ingress", "accepted"): 7, delivered("closest/x", "ingress", "presettled"): 5,
		delivered("closest/x", "transit", "accepted"): 7, delivered("closest/x", "transit", "presettled"): 5,
		delivered("closest/y", "ingress", "accepted"): 2, delivered("closest/y", "transit", "accepted"): 2,
		delivered("closest/x", "egress", "accepted"): 0, delivered("_other", "ingress", "accepted"): 0,
		"qdr_deliveries_ingress_total": 14, "qdr_deliveries_transit_total": 14, "qdr_deliveries_egress_total": 0,
		"qdr_accepted_deliveries_total": 9, "qdr_presettled_deliveries_total": 5,
	})
	wantMetrics(t, b, map[string]float64{
		delivered("closest/x", "transit", "accepted"): 7, delivered("closest/x", "transit", "presettled"): 5,
		delivered("closest/y", "transit", "accepted"): 2, "qdr_deliveries_ingress_total": 0,
		"qdr_deliveries_transit_total": 14, "qdr_accepted_deliveries_total": 9, "qdr_presettled_deliveries_total": 0,
	})
	wantMetrics(t, c, map[string]float64{
		delivered("closest/x", "egress", "accepted"): 7, delivered("closest/x", "egress", "presettled"): 5,
		delivered("closest/y", "egress", "accepted"): 2, "qdr_deliveries_egress_total": 14,
		"qdr_deliveries_transit_total": 0, "qdr_accepted_deliveries_total": 9,
	})
	for _, want := range []struct {
		router                   *Router
		ingress, transit, egress uint64
	}{{a, 12, 12, 0}, {b, 0, 12, 0}, {c, 0, 0, 12}} {
		row, _ := addressRow(want.router, "closest/x")
		if row.DeliveriesIngress != want.ingress || row.DeliveriesTransit != want.transit ||
			row.DeliveriesEgress != want.egress {
			t.Errorf("%s: %+v", want.router.ID(), row)
		}
	}
	checkHistogram(t, c, "A", 12)
}

// checkHistogram checks that a router's link to the consumer of closest/x counts messages that all came from one router.
func checkHistogram(t *testing.T, r *Router, from string, count uint64) {
	t.Helper()
	index := -1
	for node := range r.view.RouterNodes() {
		if node.ID == from {
			index = int(node.Index)
		}
	}
	for l := range r.view.Links() {
		if l.Type == "endpoint" && l.OwningAddr == "M0closest/x" {
			want := make([]uint64, index+1)
			want[index] = count
			if !slices.Equal(l.IngressHistogram, want) {
				t.Errorf("the ingress histogram is %v, want %v", l.IngressHistogram, want)
			}
		}
	}
}

func TestDeliveriesToAndFromTheRouterItselfAreCounted(t *testing.T) {
	t.Parallel()
	n := withMetrics(t, 1)
	r := n.node("A")
	m := connect(t, r).manager()
	m.query("$management", "router")
	m.query("$management", "router")
	row, _ := addressRow(r, "M0$management")
	if row.DeliveriesIngress != 2 || row.DeliveriesToContainer != 2 || row.InProcess != 1 {
		t.Errorf("%+v", row)
	}
	eventually(t, "the answers are counted, too", func() error {
		for row := range r.view.Addresses() {
			if row.DeliveriesFromContainer == 2 && row.DeliveriesEgress == 2 {
				return nil
			}
		}
		return fmt.Errorf("no address has them")
	})
	wantMetrics(t, r, map[string]float64{`postroad_internal_deliveries_total{direction="in"}`: 2,
		`postroad_internal_deliveries_total{direction="out"}`: 2})
}

func TestDeliveriesFromAndToBrokersAreCounted(t *testing.T) {
	t.Parallel()
	n := withMetrics(t, 1, "  - {name: brokers, host: 127.0.0.1, port: 0, role: route-container}")
	r := n.node("A")
	broker := connectWith(t, "amqp://"+r.Addr("brokers"), nil)
	exchange(t, connect(t, r).sender("closest/x", nil), broker.receiver("closest/x", 10), 3)
	exchange(t, broker.sender("closest/y", nil), connect(t, r).receiver("closest/y", 10), 2)
	for _, c := range []struct {
		address string
		in, out uint64
	}{{"closest/x", 0, 3}, {"closest/y", 2, 0}} {
		row, _ := addressRow(r, c.address)
		if row.DeliveriesIngressRouteContainer != c.in || row.DeliveriesEgressRouteContainer != c.out {
			t.Errorf("%+v", row)
		}
	}
	wantMetrics(t, r, map[string]float64{"qdr_deliveries_ingress_route_container_total": 2,
		"qdr_deliveries_egress_route_container_total": 3, "qdr_deliveries_ingress_total": 5})
}

func TestPresettledDeliveriesAreReceivedOrCountedAsDropped(t *testing.T) {
	t.Parallel()
	n := withMetrics(t, 2)
	a := n.node("A")
	anonymous := connect(t, a).sender("", nil)
	here := connect(t, a)
	receiver := here.receiver("closest/x", 100)
	for range 20 {
		anonymous.settled(to("closest/x", text("x")))
	}
	for range 20 {
		receiver.next()
	}
	attached := connect(t, a).sender("closest/x", nil) // keeps the address
	receiver.detach()
	n.consumers("A", "closest/x", 0, 0)
	for range 30 {
		anonymous.settled(to("closest/x", text("x")))
	}
	for range 10 {
		anonymous.settled(to("closest/nobody", text("x")))
	}
	wantMetrics(t, a, map[string]float64{
		delivered("closest/x", "ingress", "presettled"): 50, delivered("closest/x", "egress", "presettled"): 20,
		`postroad_presettled_dropped_total{address="closest/x"}`: 30,
		`postroad_presettled_dropped_total{address="_other"}`:    10,
		"qdr_dropped_presettled_deliveries_total":                40, "qdr_presettled_deliveries_total": 60,
	})
	attached.link.Close(attached.ctx)
	n.consumers("A", "closest/x", 0, 0)
	wantMetrics(t, a, map[string]float64{"qdr_dropped_presettled_deliveries_total": 40}) // also without the address
}

func TestConnectionsThatFailAreCountedByReason(t *testing.T) {
	t.Parallel()
	closed := fixedPort(t)
	n := newNetwork(t)
	r := n.add(plan{id: "A", listeners: withWeb +
		"\n  - {name: users, host: 127.0.0.1, port: 0, authenticatePeer: true, saslMechanisms: PLAIN}",
		connectors: "{name: nowhere, host: 127.0.0.1, port: " + closed + ", role: normal}"})
	early := rawTo(t, r.Addr("clients"))
	early.send(wire.HeaderAMQP)
	early.header("the header is answered", wire.HeaderAMQP)
	early.nc.Close()
	garbage := rawTo(t, r.Addr("clients"))
	garbage.send([]byte("GET / HTTP/1.1\r\n\r\n"))
	garbage.wantEnd("it is no AMQP")
	rawTo(t, r.Addr("users")).wantEnd("there are no users")
	twin := rawTo(t, r.Addr("routers"))
	twin.send(wire.HeaderAMQP, &wire.Open{ContainerID: "A", MaxFrameSize: 4096})
	twin.wantClose("a router with the same id", wire.ErrNotAllowed)
	rawBegin(t, r).nc.Close()
	angry := rawBegin(t, r)
	angry.send(&wire.Close{Error: &wire.Error{Condition: wire.ErrInternal}})
	angry.wantEnd("it has closed")
	fine := connect(t, r)
	fine.conn.Close()
	failed := func(role, direction, reason string) string {
		return fmt.Sprintf("postroad_connections_failed_total{direction=%q,reason=%q,role=%q}", direction, reason, role)
	}
	wantMetrics(t, r, map[string]float64{
		failed("normal", "in", "handshake"): 1, failed("normal", "in", "protocol"): 1,
		failed("normal", "in", "authentication"): 1, failed("inter-router", "in", "refused"): 1,
		failed("normal", "in", "lost"): 1, failed("normal", "in", "peer-error"): 1,
	})
	values, _ := page(t, r)
	if dial := failed("normal", "out", "dial"); values[dial] < 1 {
		t.Errorf("the connector has failed %v times", values[dial])
	}
}

// ups notes the totals of a snapshot and tells which of them has gone down since the last one.
type ups map[string]uint64

func (u ups) note(name string, v uint64) error {
	before := u[name]
	u[name] = v
	if v < before {
		return fmt.Errorf("%s went from %d to %d", name, before, v)
	}
	return nil
}

func (u ups) check(s *metrics.Snapshot) error {
	all := map[string]*metrics.Deliveries{"": &s.Deliveries}
	var ingress uint64
	for i := range s.Addresses {
		a := &s.Addresses[i]
		if a.Name == "closest/x" {
			all[a.Name] = &a.Deliveries
			ingress += a.Deliveries.Ingress.Accepted
		}
	}
	for name, d := range all {
		for direction, o := range map[string]*metrics.Outcomes{"in": &d.Ingress, "out": &d.Egress} {
			for what, v := range map[string]uint64{"deliveries": o.Deliveries, "accepted": o.Accepted,
				"presettled": o.Presettled} {
				if err := u.note(name+" "+direction+" "+what, v); err != nil {
					return err
				}
			}
		}
	}
	if ingress > s.Deliveries.Ingress.Accepted {
		return fmt.Errorf("%d accepted of one address, %d of all", ingress, s.Deliveries.Ingress.Accepted)
	}
	return nil
}

func TestSumsNeverGoDownWhileLinksAndConnectionsComeAndGo(t *testing.T) {
	t.Parallel()
	r := withMetrics(t, 1).node("A")
	connect(t, r).receiver("closest/x", 1000).consume(nil)
	const workers, rounds, each = 4, 15, 10
	var busy sync.WaitGroup
	for w := range workers {
		busy.Go(func() {
			for range rounds {
				c := connect(t, r)
				s := c.sender([]string{"closest/x", ""}[w%2], nil)
				for i := range each {
					m := to("closest/x", text("%d", i))
					if i%2 == 0 {
						s.settled(m)
					} else {
						wantAccepted(t, "a message", s.send(m))
					}
				}
				s.link.Close(c.ctx)
				c.conn.Close()
			}
		})
	}
	done := make(chan struct{})
	go func() {
		busy.Wait()
		close(done)
	}()
	seen := make(ups)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for ended := false; !ended; {
		select {
		case <-done:
			ended = true
		case <-tick.C:
		}
		s := r.view.Snapshot()
		if err := seen.check(&s); err != nil {
			t.Error(err)
		}
	}
	const half = workers * rounds * each / 2
	wantMetrics(t, r, map[string]float64{
		delivered("closest/x", "ingress", "accepted"): half, delivered("closest/x", "ingress", "presettled"): half,
		delivered("closest/x", "egress", "accepted"): half, delivered("closest/x", "egress", "presettled"): half,
		"qdr_deliveries_ingress_total": 2 * half, "qdr_deliveries_egress_total": 2 * half,
		"postroad_presettled_dropped_total": 0, "postroad_links": 1, "postroad_sessions": 1,
	})
}

func TestMetricsStaySmallWithManyAddressesAndLinks(t *testing.T) {
	t.Parallel()
	const addresses, links = 10_000, 1_000
	r := withMetrics(t, 1).node("A")
	p := rawBegin(t, r)
	for i := range links {
		p.send(&wire.Attach{Name: fmt.Sprint(i), Handle: uint32(i), Role: wire.RoleReceiver,
			Source: &wire.Source{Address: fmt.Sprintf("closest/%d", i), HasAddress: true}, Target: &wire.Target{}})
	}
	eventually(t, "all links are attached", func() error {
		if got := r.view.Router().LinkCount; got != links {
			return fmt.Errorf("%d of %d", got, links)
		}
		return nil
	})
	k := r.control
	k.Mu.Lock()
	var all []*control.Entry
	for i := range addresses {
		a := k.Address(fmt.Sprintf("M0closest/%d", i))
		all = append(all, a)
		t := books.Counts{In: books.Stats{Deliveries: 3, Accepted: 2, Modified: 1}, Out: books.Stats{Deliveries: 2, Accepted: 2}}
		a.Tally.Take(&t)
		r.plane.Ledger.Locked(func() {
			r.plane.Ledger.Close(&t, new(books.Shares), books.Failure{})
		})
	}
	k.Mu.Unlock()
	values, octets := page(t, r)
	var sum float64
	series := 0
	for name, v := range values {
		if strings.HasPrefix(name, "postroad_deliveries_total{") {
			series++
			if strings.Contains(name, `direction="ingress",outcome="accepted"`) {
				sum += v
			}
		}
	}
	if most := 3*metrics.DefaultAddresses + 18; series > most || len(values) > most+500 || octets > 1<<20 {
		t.Errorf("%d series of deliveries, %d of all, %d octets", series, len(values), octets)
	}
	if sum != 2*addresses {
		t.Errorf("the series have %v accepted deliveries, want %d", sum, 2*addresses)
	}
	var rows []management.Address
	for row := range r.view.Addresses() {
		rows = append(rows, row)
	}
	if len(rows) < addresses {
		t.Errorf("management shows %d addresses", len(rows))
	}
	k.Mu.Lock()
	for _, a := range all {
		k.DropUnused(a)
	}
	k.Mu.Unlock()
}

func TestMetricsShowWhatIsInUse(t *testing.T) {
	t.Parallel()
	n := withMetrics(t, 2)
	a := n.node("A")
	c := connect(t, a)
	second, err := c.conn.NewSession(c.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := c.receiver("closest/x", 2)
	s := c.sender("closest/x", nil)
	big := amqp.NewMessage(make([]byte, 50_000))
	for range 5 {
		s.begin(big)
	}
	r.next()
	r.next()
	wantMetrics(t, a, map[string]float64{
		`postroad_connections{direction="in",role="normal",state="open"}`:       1,
		`postroad_connections{direction="in",role="inter-router",state="open"}`: 1,
		`postroad_links{direction="in",type="endpoint"}`:                        1,
		`postroad_links{direction="out",type="endpoint"}`:                       1,
		`postroad_links{direction="out",type="router-control"}`:                 1,
		`postroad_links{direction="in",type="inter-router"}`:                    route.Priorities,
		`postroad_deliveries_queued{type="endpoint"}`:                           3,
		`postroad_deliveries_unsettled{direction="in"}`:                         5,
		`postroad_deliveries_unsettled{direction="out"}`:                        2,
		"postroad_sessions":           2 + 1 + route.Priorities,
		"postroad_routers_reachable":  1,
		"postroad_link_states":        2,
		"postroad_link_state_edges":   2,
		"postroad_links_blocked":      0,
		"postroad_overload_level":     0,
		"postroad_remote_addresses":   0,
		"postroad_deliveries_waiting": 0,
	})
	values, _ := page(t, a)
	if held := values[`postroad_held_bytes{role="normal"}`]; held < 3*50_000 || held > 10*50_000 {
		t.Errorf("%v octets are held, want those of three messages at least", held)
	}
	if got := values["postroad_path_computation_seconds_count"]; got < 1 ||
		values["postroad_path_computation_seconds_sum"] <= 0 {
		t.Errorf("%v path computations were timed", got)
	}
	if values["postroad_buffers_in_flight_bytes"] < 4096*values["postroad_buffers_in_flight"] {
		t.Errorf("%v buffers of %v octets", values["postroad_buffers_in_flight"], values["postroad_buffers_in_flight_bytes"])
	}
	if err := second.Close(c.ctx); err != nil {
		t.Fatal(err)
	}
	wantMetrics(t, a, map[string]float64{"postroad_sessions": 1 + 1 + route.Priorities})
}
