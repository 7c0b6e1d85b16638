package router

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/go-amqp"
	"github.com/google/go-cmp/cmp"
)

// manager asks management nodes.
type manager struct {
	requests *sender
	replies  *receiver
	asked    uint64
}

func (c *client) manager() *manager { return c.managerAt("") }

// managerAt is a manager whose requests all go to one address.
func (c *client) managerAt(address string) *manager {
	return &manager{requests: c.sender(address, nil), replies: c.receiverWith("",
		&amqp.ReceiverOptions{DynamicAddress: true, Credit: 10})}
}

// ask sends an operation to a node and returns the status and the body of the answer.
func (m *manager) ask(node string, properties map[string]any, body any) (int32, any) {
	t := m.requests.t
	t.Helper()
	m.asked++
	request := &amqp.Message{Properties: &amqp.MessageProperties{To: &node, ReplyTo: ptr(m.replies.link.Address()),
		CorrelationID: m.asked}, ApplicationProperties: properties, Value: body}
	wantAccepted(t, "a management request", m.requests.send(request))
	reply := m.replies.accept()
	if reply.Properties == nil || reply.Properties.CorrelationID != m.asked {
		t.Fatalf("the reply is to another request: %+v", reply.Properties)
	}
	status, _ := reply.ApplicationProperties["statusCode"].(int32)
	return status, reply.Value
}

// query returns the rows of a type.
func (m *manager) query(node, entityType string) []map[string]any {
	t := m.requests.t
	t.Helper()
	status, body := m.ask(node, map[string]any{"operation": "QUERY", "type": "org.amqp.management", "name": "self",
		"entityType": "org.apache.qpid.dispatch." + entityType}, map[string]any{"attributeNames": []any{}})
	answer, _ := body.(map[string]any)
	names, _ := answer["attributeNames"].([]any)
	results, ok := answer["results"].([]any)
	if status != 200 || !ok {
		t.Fatalf("the answer to QUERY is %d %v", status, body)
	}
	var rows []map[string]any
	for _, result := range results {
		row := make(map[string]any)
		for i, v := range result.([]any) {
			row[fmt.Sprint(names[i])] = v
		}
		rows = append(rows, row)
	}
	return rows
}

func column(rows []map[string]any, name string) (values []string) {
	for _, row := range rows {
		values = append(values, fmt.Sprint(row[name]))
	}
	slices.Sort(values)
	return values
}

func TestManagementNodeOfEachRouterAnswersFromEachRouter(t *testing.T) {
	t.Parallel()
	n := chain(t, 3)
	connect(t, n.node("C")).receiver("closest/x", 10)
	n.consumers("A", "closest/x", 0, 1)
	for _, from := range n.routers {
		m := connect(t, from).manager()
		for _, about := range n.routers {
			nodes := []string{"_topo/0/" + about.ID() + "/$management", "amqp:/_topo/0/" + about.ID() + "/$management"}
			if from == about {
				nodes = append(nodes, "$management", "_local/$management")
			}
			for _, node := range nodes {
				rows := m.query(node, "router")
				if got := column(rows, "id"); !slices.Equal(got, []string{about.ID()}) {
					t.Errorf("%s asked from %s is %v", node, from.ID(), got)
				}
				if got := column(m.query(node, "router.node"), "id"); !slices.Equal(got, []string{"A", "B", "C"}) {
					t.Errorf("%s asked from %s knows %v", node, from.ID(), got)
				}
				if got := column(m.query(node, "router.address"), "key"); !slices.Contains(got, "M0closest/x") {
					t.Errorf("%s asked from %s has the addresses %v", node, from.ID(), got)
				}
			}
		}
	}
}

func TestManagementShowsConnectionsLinksListenersAndConnectors(t *testing.T) {
	t.Parallel()
	n := chain(t, 2)
	c := connectWith(t, "amqp://"+n.node("B").Addr("clients"), &amqp.ConnOptions{ContainerID: "me",
		Properties: map[string]any{"product": "test"}})
	r := c.receiver("closest/x", 10)
	exchange(t, c.sender("closest/x", nil), r, 3)
	m := c.manager()
	var own map[string]any
	for _, row := range m.query("$management", "connection") {
		if row["container"] == "me" {
			own = row
		}
	}
	if own == nil || own["role"] != "normal" || own["dir"] != "in" {
		t.Errorf("the connection is shown as %v", own)
	}
	var in, out uint64
	for _, row := range m.query("$management", "router.link") {
		if row["owningAddr"] != "M0closest/x" {
			continue
		}
		count, _ := row["acceptedCount"].(uint64)
		if row["linkDir"] == "in" {
			in += count
		} else {
			out += count
		}
	}
	if in != 3 || out != 3 {
		t.Errorf("links of the address have accepted %d in and %d out", in, out)
	}
	if got, want := column(m.query("$management", "listener"), "name"), []string{"clients",
		"routers"}; !slices.Equal(got, want) {
		t.Errorf("listeners %v", got)
	}
	if got := column(m.query("$management", "connector"), "name"); !slices.Equal(got, []string{"to-A-0"}) {
		t.Errorf("connectors %v", got)
	}
	status, body := m.ask("$management", map[string]any{"operation": "READ", "type": "org.apache.qpid.dispatch.listener",
		"name": "clients"}, nil)
	if listener, _ := body.(map[string]any); status != 200 || listener["role"] != "normal" {
		t.Errorf("READ of a listener: %d %v", status, body)
	}
}

func TestManagementRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	n := alone(t)
	c := connect(t, n.node("A"))
	m := c.manager()
	for what, q := range map[string]struct {
		properties map[string]any
		status     int32
	}{
		"an operation": {map[string]any{"operation": "EXPLODE", "type": "org.amqp.management", "name": "self"}, 501},
		"an entity": {map[string]any{"operation": "READ", "type": "org.apache.qpid.dispatch.listener",
			"name": "x"}, 404},
		"changes, as of now": {map[string]any{"operation": "DELETE", "type": "org.apache.qpid.dispatch.listener",
			"name": "clients"}, 501},
		"a request without any": {map[string]any{}, 400},
	} {
		if status, body := m.ask("$management", q.properties, nil); status != q.status {
			t.Errorf("%s: %d %v, want %d", what, status, body, q.status)
		}
	}
	// without a reply-to, or without a body at all
	if got := shown(m.requests.send(to("$management", text("?")))); got == "released" {
		t.Errorf("a message that is no request: %s", got)
	}
	big := to("$management", amqp.NewMessage(make([]byte, maxRequest+1000)))
	state, ok := m.requests.send(big).(*amqp.StateRejected)
	if !ok || state.Error.Condition != amqp.ErrCondResourceLimitExceeded {
		t.Errorf("a request of more than 1 MiB: %v", state)
	}
	if rows := m.query("$management", "router"); len(rows) != 1 {
		t.Errorf("it still answers: %v", rows)
	}
}

func TestMetricsAndHealthAreServedOverHTTP(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	r := n.add(plan{id: "A", listeners: `  - {name: web, host: 127.0.0.1, port: 0, http: true}
  - {name: health, host: 127.0.0.1, port: 0, http: true, metrics: false}`})
	c := connect(t, r)
	receiver := c.receiver("closest/x", 10)
	exchange(t, c.sender("closest/x", nil), receiver, 7)
	get := func(listener, path string) (int, string) {
		t.Helper()
		var client http.Client
		defer client.CloseIdleConnections()
		request, err := http.NewRequestWithContext(c.ctx, "GET", "http://"+r.Addr(listener)+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		b, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(b)
	}
	status, page := get("web", "/metrics")
	if status != 200 || !strings.Contains(page, "closest/x") || !strings.Contains(page, "qdr_") {
		t.Errorf("/metrics: %d\n%s", status, page)
	}
	var lines []string
	for line := range strings.Lines(page) {
		if strings.Contains(line, `"closest/x"`) && strings.Contains(line, "accepted") {
			lines = append(lines, strings.TrimSpace(line[strings.LastIndex(line, " "):]))
		}
	}
	if diff := cmp.Diff([]string{"7", "7"}, lines); diff != "" {
		t.Errorf("deliveries of the address in and out (-want +got)\n%s\n%s", diff, page)
	}
	if status, page := get("web", "/healthz"); status != 200 {
		t.Errorf("/healthz: %d %s", status, page)
	}
	if status, _ := get("health", "/healthz"); status != 200 {
		t.Errorf("/healthz of a listener without metrics: %d", status)
	}
	if status, _ := get("health", "/metrics"); status != 404 {
		t.Errorf("/metrics of a listener without: %d", status)
	}
}

func TestCountersOfLinksThatAreGoneAreKept(t *testing.T) {
	t.Parallel()
	n := chain(t, 2)
	r := connect(t, n.node("B")).receiver("closest/x", 1000)
	n.consumers("A", "closest/x", 0, 1)
	const count = 200
	for _, settled := range []bool{true, false} {
		c := connect(t, n.node("A"))
		s := c.sender("closest/x", nil)
		for i := range count {
			if settled {
				s.settled(text("%d", i))
			} else {
				s.begin(text("%d", i))
			}
		}
		if err := c.session.Close(c.ctx); err != nil { // everything sent before has been read
			t.Fatal(err)
		}
		c.conn.Close()
	}
	for range 2 * count {
		r.next()
	}
	r.conn.Close()
	eventually(t, "all is counted when everybody has left", func() error {
		a, b := n.node("A").view.Router(), n.node("B").view.Router()
		if a.DeliveriesIngress != 2*count || a.PresettledDeliveries < count || b.DeliveriesEgress != 2*count {
			return fmt.Errorf("%d in, %d of them pre-settled, %d out", a.DeliveriesIngress, a.PresettledDeliveries,
				b.DeliveriesEgress)
		}
		return nil
	})
}
