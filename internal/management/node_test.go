package management

import (
	"errors"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// network is a source with fixed rows.
type network struct {
	router      Router
	connections []Connection
	links       []Link
	addresses   []Address
	exchanges   []Exchange
	bindings    []Binding
	nodes       []RouterNode
	members     []Member
	policy      Policy
	logStats    []LogStats
	entities    []ConfigEntity
	log         []LogEntry
	drains      int
}

func (n *network) Router() Router                        { return n.router }
func (n *network) Connections() iter.Seq[Connection]     { return slices.Values(n.connections) }
func (n *network) Links() iter.Seq[Link]                 { return slices.Values(n.links) }
func (n *network) Addresses() iter.Seq[Address]          { return slices.Values(n.addresses) }
func (n *network) Exchanges() iter.Seq[Exchange]         { return slices.Values(n.exchanges) }
func (n *network) Bindings() iter.Seq[Binding]           { return slices.Values(n.bindings) }
func (n *network) RouterNodes() iter.Seq[RouterNode]     { return slices.Values(n.nodes) }
func (n *network) Members() iter.Seq[Member]             { return slices.Values(n.members) }
func (n *network) Policy() Policy                        { return n.policy }
func (n *network) LogStats() iter.Seq[LogStats]          { return slices.Values(n.logStats) }
func (n *network) Configuration() iter.Seq[ConfigEntity] { return slices.Values(n.entities) }
func (n *network) Log(limit int) []LogEntry              { return n.log }
func (n *network) BeginDrain()                           { n.drains++ }

// london is a router with one or two of everything.
func london() *network {
	properties, _ := wire.AppendValue(nil, wire.Map{
		{Key: wire.Symbol("product"), Value: "qpid-proton"}, {Key: wire.Symbol("platform"), Value: wire.Symbol("linux")},
		{Key: wire.Symbol("pid"), Value: int64(77)}, {Key: wire.Symbol("password"), Value: "geheim"},
	})
	return &network{
		router: Router{
			ID: "london", Mode: "interior", Version: "1.0", WorkerThreads: 4, AddrCount: 12, LinkCount: 3, NodeCount: 2,
			ConnectionCount: 2, AcceptedDeliveries: 1 << 40, UptimeSeconds: 90061, LinksBlocked: 1,
		},
		connections: []Connection{
			{
				ID: 1, Host: "127.0.0.1:40000", Role: "normal", Container: "client", Opened: true, SASL: "PLAIN",
				Authenticated: true, User: "ann", UptimeSeconds: 5, HasDelivery: true, SinceDeliverySeconds: 0,
				Properties: properties,
			},
			{ID: 2, Host: "tokyo:55672", Role: "inter-router", Outgoing: true, Container: "tokyo", Opened: true,
				Encrypted: true, TLS: true, TLSProtocol: "TLSv1.3", TLSCipher: "TLS_AES_128_GCM_SHA256", TLSStrength: 128},
		},
		links: []Link{
			{
				ID: 1, Name: "sender-1", Type: "endpoint", ConnectionID: 1, OwningAddr: "M0orders", Capacity: 250,
				DeliveryCount: 300, AcceptedCount: 299, UnsettledCount: 1, CreditAvailable: 249,
			},
			{ID: 2, Name: "", Type: "router-control", Outgoing: true, ConnectionID: 2, ZeroCreditSeconds: 12,
				IngressHistogram: []uint64{0, 300}},
			{ID: 3, Name: "anonymous", Type: "endpoint", ConnectionID: 1},
		},
		addresses: []Address{
			{
				Key: "M0orders", Distribution: "balanced", SubscriberCount: 1, RemoteCount: 1, DeliveriesIngress: 300,
				RemoteHostRouters: []string{"tokyo"}, TransitOutstanding: []int64{0, 1}, Priority: -1,
			},
			{Key: "L$management", Distribution: "closest", InProcess: 1, Priority: -1},
		},
		exchanges: []Exchange{
			{ID: 8, Name: "prices", Address: "prices", MatchMethod: "amqp", BindingCount: 2, Received: 1 << 40, Dropped: 1,
				Forwarded: 3, Diverted: 2, AlternateAddress: "other", AlternatePhase: 1},
			{ID: 9, Name: "topics", Address: "topics", Phase: 2, MatchMethod: "mqtt"},
		},
		bindings: []Binding{
			{ID: 10, Name: "eu", ExchangeName: "prices", BindingKey: "#.eu", NextHopAddress: "eu", NextHopPhase: 3, Matched: 7},
			{ID: 11, ExchangeName: "prices", BindingKey: "#", NextHopAddress: "all"},
		},
		nodes: []RouterNode{
			{ID: "london", Self: true, ProtocolVersion: 1, Instance: 1700000000, LinkState: []string{"tokyo"},
				LastTopoChange: 1700000005},
			{ID: "tokyo", Index: 1, ProtocolVersion: 1, Instance: 1 << 40, LinkState: []string{"london", "lima"},
				Neighbor: true, RouterLink: 2, Cost: 1, ValidOrigins: []string{"lima"}},
			{ID: "lima", Index: 2, ProtocolVersion: 1, NextHop: "tokyo", Cost: 3},
			{ID: "gone", Index: 3},
		},
		policy:   Policy{MaxConnections: 65535, DefaultVhost: "$default", ConnectionsProcessed: 2, ConnectionsCurrent: 2},
		logStats: []LogStats{{Module: "ROUTER", Notice: 3}, {Module: "SERVER"}},
		entities: []ConfigEntity{
			{Type: "router", Name: "router/london", Identity: "router/london", Attributes: map[string]any{
				"id": "london", "helloIntervalSeconds": 1,
			}},
			{Type: "listener", Name: "clients", Identity: "listener/0.0.0.0:5672:clients", Attributes: map[string]any{
				"host": "0.0.0.0", "port": "5672", "role": "normal", "authenticatePeer": false, "idleTimeoutSeconds": 16,
				"openProperties": map[string]any{"site": "eu", "password": "geheim", "rack": 7},
			}},
			{Type: "connector", Name: "tokyo", Identity: "connector/tokyo:55672:tokyo", Attributes: map[string]any{
				"host": "tokyo", "port": "55672", "saslUsername": "london", "saslPassword": "geheim",
				"connectionStatus": "SUCCESS",
			}},
			{Type: "sslProfile", Name: "mesh", Identity: "sslProfile/mesh", Attributes: map[string]any{
				"password": "geheim", "certFile": "/etc/cert.pem",
			}},
			{Type: "router.config.address", Name: "4", Identity: "4", Attributes: map[string]any{"prefix": "orders",
				"distribution": "balanced", "enableFallback": false,
			}},
		},
		log: []LogEntry{
			{Module: "ROUTER", Level: "info", Text: "first", Time: time.Unix(1700000000, 0)},
			{Module: "SERVER", Level: "notice", Text: "second", File: "x.go", Line: 7, Time: time.Unix(1<<40, 0)},
		},
	}
}

// properties are application properties of a request.
type properties map[string]any

// answer is a decoded reply.
type answer struct {
	to          string
	correlation any
	status      int32
	description string
	body        any
}

// requestMessage encodes a request.
func requestMessage(t testing.TB, p properties, body any) []byte {
	t.Helper()
	m := message.Message{
		Properties: &message.Properties{ReplyTo: "temp.reply", CorrelationID: uint64(7)},
		Body:       message.Value{Value: body},
	}
	for _, k := range slices.Sorted(mapKeys(p)) {
		m.ApplicationProperties = append(m.ApplicationProperties, wire.MapEntry{Key: k, Value: p[k]})
	}
	return encode(t, m)
}

func mapKeys(p properties) iter.Seq[string] {
	return func(yield func(string) bool) {
		for k := range p {
			if !yield(k) {
				return
			}
		}
	}
}

func encode(t testing.TB, m message.Message) []byte {
	t.Helper()
	b, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// handle sends a request to a node and decodes the reply.
func handle(t testing.TB, n *Node, request []byte) answer {
	t.Helper()
	reply := n.Handle(Request{Message: request})
	if !reply.OK || reply.Err != nil {
		t.Fatalf("no reply: %v", reply.Err)
	}
	head, body := split(t, reply.Message)
	m, err := message.Decode(head)
	if err != nil {
		t.Fatalf("reply cannot be decoded: %v", err)
	}
	budget := 1 << 30
	value, _, err := wire.DecodeValueWithin(body, &budget)
	if err != nil {
		t.Fatalf("body cannot be decoded: %v", err)
	}
	a := answer{to: reply.To, correlation: m.Properties.CorrelationID, body: value}
	if m.Properties.To != reply.To {
		t.Errorf("reply is addressed to %q, but says %q", reply.To, m.Properties.To)
	}
	code, _ := m.ApplicationProperties.Get("statusCode")
	description, _ := m.ApplicationProperties.Get("statusDescription")
	var ok bool
	if a.status, ok = code.(int32); !ok {
		t.Errorf("statusCode is %T, want int", code)
	}
	if a.description, ok = description.(string); !ok {
		t.Errorf("statusDescription is %T, want string", description)
	}
	return a
}

// split returns the sections of a message before the body, and the value of the body. The body takes more memory than
// its size allows in a message from elsewhere: it is full of short lists and nulls.
func split(t testing.TB, b []byte) (head, body []byte) {
	t.Helper()
	for rest := b; ; {
		code, value, err := wire.ReadDescriptor(rest)
		if err != nil {
			t.Fatalf("reply is malformed: %v", err)
		}
		if code == wire.DescriptorAMQPValue {
			return b[:len(b)-len(rest)], value
		}
		n, err := wire.Skip(value)
		if err != nil {
			t.Fatalf("reply is malformed: %v", err)
		}
		rest = value[n:]
	}
}

// ask sends a request about the network of london.
func ask(t testing.TB, p properties, body any) answer {
	t.Helper()
	return handle(t, NewNode(london(), Options{}), requestMessage(t, p, body))
}

// rowsOfAnswer turns the body of a query's answer into maps.
func rowsOfAnswer(t testing.TB, a answer) []map[string]any {
	t.Helper()
	if a.status != 200 {
		t.Fatalf("status %d %s", a.status, a.description)
	}
	body := a.body.(wire.Map)
	if len(body) != 2 {
		t.Fatalf("body has %d keys, want attributeNames and results", len(body))
	}
	names, _ := body.Get("attributeNames")
	results, _ := body.Get("results")
	rows := make([]map[string]any, 0)
	for _, r := range results.(wire.List) {
		row := map[string]any{}
		if len(r.(wire.List)) != len(names.(wire.List)) {
			t.Fatalf("row has %d values, but there are %d names", len(r.(wire.List)), len(names.(wire.List)))
		}
		for i, v := range r.(wire.List) {
			row[names.(wire.List)[i].(string)] = v
		}
		rows = append(rows, row)
	}
	return rows
}

// query asks for all attributes of a type, or those named.
func query(t testing.TB, entityType string, names ...string) []map[string]any {
	t.Helper()
	list := make(wire.List, len(names))
	for i, n := range names {
		list[i] = n
	}
	return rowsOfAnswer(t, ask(t, properties{
		"operation": "QUERY", "name": "self", "type": "org.amqp.management", "entityType": entityType,
		"count": int32(500), "offset": int32(0),
	}, wire.Map{{Key: "attributeNames", Value: list}}))
}

func TestReplyGoesToReplyToAndNamesTheRequest(t *testing.T) {
	t.Parallel()
	n := NewNode(london(), Options{})
	for _, c := range []struct {
		why                    string
		messageID, correlation any
		want                   any
	}{
		{"correlation-id is returned in its type", nil, uint64(1 << 60), uint64(1 << 60)},
		{"uuid", nil, wire.UUID{1, 2}, wire.UUID{1, 2}},
		{"binary", nil, []byte("x"), "x"},
		{"correlation-id wins over message-id", "m", "c", "c"},
		{"message-id stands in for correlation-id", "m", nil, "m"},
		{"neither", nil, nil, nil},
	} {
		a := handle(t, n, encode(t, message.Message{
			Properties:            &message.Properties{ReplyTo: "temp.r", MessageID: c.messageID, CorrelationID: c.correlation},
			ApplicationProperties: wire.Map{{Key: "operation", Value: "GET-ANNOTATIONS"}},
		}))
		got := a.correlation
		if b, ok := got.([]byte); ok {
			got = string(b)
		}
		if a.to != "temp.r" || got != c.want || a.status != 200 || a.description != "OK" {
			t.Errorf("%s: reply to %q, correlation-id %v (want %v), status %d %s",
				c.why, a.to, got, c.want, a.status, a.description)
		}
	}
}

func TestReplyHasTheEncodingThatPythonAndCClientsRead(t *testing.T) {
	t.Parallel()
	got := NewNode(london(), Options{}).Handle(Request{Message: encode(t, message.Message{
		Properties:            &message.Properties{ReplyTo: "r", CorrelationID: "1"},
		ApplicationProperties: wire.Map{{Key: "operation", Value: "GET-ANNOTATIONS"}},
	})})
	want := "\x00\x53\x73\xc0\x0b\x06\x40\x40\xa1\x01r\x40\x40\xa1\x011" + // properties: to, correlation-id
		"\x00\x53\x74\xc1\x29\x04" + // application properties
		"\xa1\x11statusDescription\xa1\x02OK" +
		"\xa1\x0astatusCode\x71\x00\x00\x00\xc8" +
		"\x00\x53\x77\xc1\x01\x00" // value: an empty map
	if string(got.Message) != want {
		t.Errorf("reply\n%q, want\n%q", got.Message, want)
	}
}

func TestAReplySentToTheManagementNodeIsNotAnswered(t *testing.T) {
	t.Parallel()
	n := NewNode(london(), Options{})
	first := n.Handle(Request{Message: requestMessage(t, properties{"operation": "GET-TYPES"}, nil)})
	if second := n.Handle(Request{Message: first.Message}); second.OK || second.Err != nil {
		t.Errorf("a reply was answered: %+v", second)
	}
}

func TestARequestWithoutReplyToIsNotAnswered(t *testing.T) {
	t.Parallel()
	r := NewNode(london(), Options{}).Handle(Request{Message: encode(t, message.Message{
		ApplicationProperties: wire.Map{{Key: "operation", Value: "QUERY"}},
	})})
	if r.OK || r.Err != nil {
		t.Errorf("reply %+v, want none", r)
	}
}

func TestAMalformedRequestIsAnErrorAndNotAnswered(t *testing.T) {
	t.Parallel()
	r := NewNode(london(), Options{}).Handle(Request{Message: []byte("\x00\x53\x73\xc0\xff\x01")})
	if _, ok := errors.AsType[*wire.DecodeError](r.Err); !ok || r.OK {
		t.Errorf("reply %+v, want a decode error", r)
	}
}

func TestErrorsSayWhatWasWrongAndWhatWouldBeRight(t *testing.T) {
	t.Parallel()
	self := func(p properties) properties {
		p["name"], p["type"] = "self", "org.amqp.management"
		return p
	}
	for _, c := range []struct {
		why    string
		p      properties
		body   any
		status int32
		text   string
	}{
		{"no operation", properties{}, nil, 400,
			"No 'operation' property: give one of QUERY, READ, GET-TYPES, GET-ATTRIBUTES, GET-OPERATIONS, " +
				"GET-ANNOTATIONS, GET-MGMT-NODES, GET-SCHEMA, GET-JSON-SCHEMA, GET-LOG"},
		{"unknown operation", self(properties{"operation": "Frobnicate"}), nil, 501,
			"Operation 'Frobnicate' not implemented: give one of QUERY, READ, GET-TYPES, GET-ATTRIBUTES, GET-OPERATIONS, " +
				"GET-ANNOTATIONS, GET-MGMT-NODES, GET-SCHEMA, GET-JSON-SCHEMA, GET-LOG"},
		{"create", properties{"operation": "CREATE", "type": "listener", "name": "l"}, wire.Map{}, 501,
			"Operation 'CREATE' not implemented: this management node creates, updates and deletes nothing"},
		{"update", properties{"operation": "update", "type": "connection", "identity": "1"}, wire.Map{}, 501,
			"Operation 'UPDATE' not implemented: this management node creates, updates and deletes nothing"},
		{"delete", properties{"operation": "DELETE", "type": "listener", "name": "l"}, nil, 501,
			"Operation 'DELETE' not implemented: this management node creates, updates and deletes nothing"},
		{"unknown type in QUERY", self(properties{"operation": "QUERY", "entityType": "sorcerer"}), nil, 400,
			"No such entity type 'sorcerer': GET-TYPES lists them all"},
		{"unknown type in READ", properties{"operation": "READ", "type": "sorcerer", "name": "x"}, nil, 400,
			"No such entity type 'sorcerer': GET-TYPES lists them all"},
		{"unknown type in GET-ATTRIBUTES", self(properties{"operation": "GET-ATTRIBUTES", "entityType": "x"}), nil, 400,
			"No such entity type 'x': GET-TYPES lists them all"},
		{"unknown attribute", self(properties{"operation": "QUERY", "entityType": "listener"}),
			wire.Map{{Key: "attributeNames", Value: wire.List{"host", "colour"}}}, 404,
			`Unknown attributes ["colour"] for type org.apache.qpid.dispatch.listener: GET-ATTRIBUTES lists the known ones`},
		{"unknown attribute of all types", self(properties{"operation": "QUERY"}),
			wire.Map{{Key: "attributeNames", Value: wire.List{"colour"}}}, 404,
			`Unknown attributes ["colour"]: GET-ATTRIBUTES lists the known ones`},
		{"attributeNames of another type", self(properties{"operation": "QUERY"}),
			wire.Map{{Key: "attributeNames", Value: "host"}}, 400,
			"attributeNames is no list: give a list of strings, or none for all attributes"},
		{"attribute name of another type", self(properties{"operation": "QUERY"}),
			wire.Map{{Key: "attributeNames", Value: wire.List{"host", int32(1)}}}, 400,
			"attributeNames holds something else than a string at position 2"},
		{"too many attribute names", self(properties{"operation": "QUERY"}),
			wire.Map{{Key: "attributeNames", Value: wire.List(slices.Repeat([]any{"name"}, 1001))}}, 400,
			"attributeNames has 1001 names: give at most 1000"},
		{"negative offset", self(properties{"operation": "QUERY", "offset": int32(-1)}), nil, 400,
			"Property 'offset' is -1: give 0 or more"},
		{"count that is no number", self(properties{"operation": "QUERY", "count": "many"}), nil, 400,
			"Property 'count' is no integer: give 0 or more"},
		{"QUERY sent to an entity", properties{"operation": "QUERY", "type": "listener", "name": "clients"}, nil, 501,
			"Operation 'QUERY' not implemented for 'org.apache.qpid.dispatch.listener': send it to the management node " +
				"(name=self), with the type as entityType"},
		{"READ of nothing", properties{"operation": "READ", "type": "listener"}, nil, 400,
			"org.apache.qpid.dispatch.listener: No name or identity provided"},
		{"READ of what is not there", properties{"operation": "READ", "type": "listener", "name": "x"}, nil, 404,
			"No entity with name=x"},
		{"READ of an entity of another type", properties{"operation": "READ", "type": "connector", "name": "clients"}, nil,
			404, "No entity with name=clients"},
		{"READ with a name and an identity that do not belong together",
			properties{"operation": "READ", "type": "router.link", "name": "sender-1", "identity": "3"}, nil, 404,
			"No entity with name=sender-1 identity=3"},
		{"READ that several types answer", properties{"operation": "READ", "identity": "1"}, nil, 400,
			"Several entities have identity=1: give one of their types (org.apache.qpid.dispatch.router, " +
				"org.apache.qpid.dispatch.router.link, org.apache.qpid.dispatch.connection) as the property 'type'"},
		{"indentation out of bounds", self(properties{"operation": "GET-JSON-SCHEMA", "indent": int32(99)}), nil, 400,
			"Property 'indent' is 99: give at most 16"},
	} {
		a := ask(t, c.p, c.body)
		if a.status != c.status || a.description != c.text {
			t.Errorf("%s:\n got %d %s\nwant %d %s", c.why, a.status, a.description, c.status, c.text)
		}
		if m, ok := a.body.(wire.Map); !ok || len(m) != 0 {
			t.Errorf("%s: body %v, want an empty map", c.why, a.body)
		}
	}
}

func FuzzHandleAnswersOrRefusesEveryMessage(f *testing.F) {
	for _, operation := range readingOperations {
		f.Add(requestMessage(f, properties{"operation": operation, "entityType": "router.link", "count": int32(2)},
			wire.Map{{Key: "attributeNames", Value: wire.List{"name", "nonsense"}}}))
	}
	f.Add(requestMessage(f, properties{"operation": "READ", "identity": "2", "type": "connection"}, nil))
	n := NewNode(london(), Options{})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := n.Handle(Request{Message: b})
		if r.OK && r.Err != nil {
			t.Fatal("both a reply and an error")
		}
		for b := r.Message; len(b) > 0; {
			n, err := wire.Skip(b)
			if err != nil {
				t.Fatalf("reply is malformed: %v", err)
			}
			b = b[n:]
		}
	})
}
