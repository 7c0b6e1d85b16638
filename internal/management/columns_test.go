package management

import (
	"fmt"
	"slices"
	"testing"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// amqpType names the AMQP type of a decoded value.
func amqpType(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case bool:
		return "boolean"
	case uint32:
		return "uint"
	case uint64:
		return "ulong"
	case int32:
		return "int"
	case int64:
		return "long"
	case wire.List:
		return "list"
	case wire.Map:
		return "map"
	}
	return fmt.Sprintf("%T", v)
}

// TestValuesHaveTheTypesOfInterconnect holds the types against the qd_compose_insert_* calls of Interconnect's
// src/router_core/agent_*.c, and the rule of its Python agent: an integer is an int when it fits one, else a long.
func TestValuesHaveTheTypesOfInterconnect(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		entityType, identity string
		names                map[string][]string // by type
	}{
		{"router", "1", map[string][]string{
			"string": {"name", "identity", "id", "type", "mode", "area", "version"},
			"ulong": {
				"addrCount", "linkCount", "nodeCount", "linkRouteCount", "autoLinkCount", "connectionCount",
				"presettledDeliveries", "droppedPresettledDeliveries", "acceptedDeliveries", "rejectedDeliveries",
				"releasedDeliveries", "modifiedDeliveries", "deliveriesDelayed1Sec", "deliveriesDelayed10Sec",
				"deliveriesStuck", "deliveriesIngress", "deliveriesEgress", "deliveriesTransit",
				"deliveriesIngressRouteContainer", "deliveriesEgressRouteContainer", "deliveriesRedirectedToFallback",
			},
			"uint": {"linksBlocked", "uptimeSeconds"},
			"int":  {"workerThreads", "helloIntervalSeconds"},
			"null": {"metadata", "memoryUsage"},
		}},
		{"connection", "1", map[string][]string{
			"string": {
				"name", "identity", "host", "role", "protocol", "dir", "container", "sasl", "user", "type", "adminStatus",
				"operStatus",
			},
			"boolean": {"isAuthenticated", "isEncrypted", "ssl", "opened", "active", "enableProtocolTrace"},
			"null":    {"sslProto", "sslCipher", "tenant"},
			"map":     {"properties"},
			"long":    {"sslSsf"},
			"uint":    {"uptimeSeconds", "lastDlvSeconds"},
		}},
		{"connection", "2", map[string][]string{"null": {"lastDlvSeconds", "sasl", "user"}, "string": {"sslProto"}}},
		{"router.link", "1", map[string][]string{
			"string": {
				"name", "identity", "type", "linkName", "linkType", "linkDir", "owningAddr", "connectionId", "adminStatus",
				"operStatus",
			},
			"uint": {"capacity", "priority", "settleRate", "creditAvailable", "zeroCreditSeconds"},
			"ulong": {
				"undeliveredCount", "unsettledCount", "deliveryCount", "presettledCount", "droppedPresettledCount",
				"acceptedCount", "rejectedCount", "releasedCount", "modifiedCount", "deliveriesDelayed1Sec",
				"deliveriesDelayed10Sec", "deliveriesStuck",
			},
			"null": {"peer", "ingressHistogram"},
		}},
		{"router.link", "2", map[string][]string{"list": {"ingressHistogram"}, "null": {"owningAddr"}}},
		{"router.address", "M0orders", map[string][]string{
			"string": {"name", "identity", "key", "type", "distribution"},
			"uint":   {"inProcess", "subscriberCount", "remoteCount", "containerCount"},
			"list":   {"remoteHostRouters", "transitOutstanding"},
			"ulong": {
				"deliveriesIngress", "deliveriesEgress", "deliveriesTransit", "deliveriesToContainer",
				"deliveriesFromContainer", "deliveriesEgressRouteContainer", "deliveriesIngressRouteContainer",
				"deliveriesRedirectedToFallback",
			},
			"long": {"trackedDeliveries"},
			"int":  {"priority"},
		}},
		{"router.node", "router.node/london", map[string][]string{
			"string": {"id", "nextHop", "address", "name", "identity", "type"},
			"int":    {"protocolVersion", "instance", "lastTopoChange", "index"},
			"list":   {"linkState", "validOrigins"},
			"null":   {"routerLink", "cost"},
		}},
		{"router.node", "router.node/tokyo", map[string][]string{
			"int": {"protocolVersion", "routerLink", "cost", "index"}, "long": {"instance"},
			"null": {"nextHop", "lastTopoChange"},
		}},
		{"policy", "policy", map[string][]string{
			"int":     {"maxConnections", "maxMessageSize", "connectionsProcessed", "connectionsCurrent", "totalDenials"},
			"boolean": {"enableVhostPolicy", "enableVhostNamePatterns"},
			"string":  {"policyDir", "defaultVhost"},
		}},
		{"logStats", "logStats/ROUTER", map[string][]string{"int": {"traceCount", "noticeCount"}, "string": {"name"}}},
		{"listener", "listener/0.0.0.0:5672:clients", map[string][]string{
			"string": {"name", "identity", "type", "host", "port", "role"}, "boolean": {"authenticatePeer"},
			"int": {"idleTimeoutSeconds"}, "null": {"sslProfile"}, "map": {"openProperties"},
		}},
		{"router.config.exchange", "8", map[string][]string{
			"string": {"name", "identity", "address", "alternateAddress", "matchMethod", "type"},
			"int":    {"phase", "alternatePhase"}, "uint": {"bindingCount"},
			"ulong": {"receivedCount", "droppedCount", "forwardedCount", "divertedCount"},
		}},
		{"router.config.exchange", "9", map[string][]string{
			"null": {"alternateAddress", "alternatePhase"}, "int": {"phase"},
		}},
		{"router.config.binding", "10", map[string][]string{
			"string": {"name", "identity", "exchangeName", "bindingKey", "nextHopAddress", "type"},
			"int":    {"nextHopPhase"}, "ulong": {"matchedCount"},
		}},
		{"router.config.binding", "11", map[string][]string{"null": {"name"}}},
		{"router.config.address", "4", map[string][]string{
			"string": {"prefix", "distribution"}, "boolean": {"fallback", "enableFallback"}, "null": {"pattern"},
			"int": {"ingressPhase", "egressPhase", "priority"},
		}},
	} {
		rows := query(t, c.entityType)
		i := slices.IndexFunc(rows, func(r map[string]any) bool { return r["identity"] == c.identity })
		if i < 0 {
			t.Errorf("%s %s is missing", c.entityType, c.identity)
			continue
		}
		for want, names := range c.names {
			for _, name := range names {
				v, there := rows[i][name]
				if got := amqpType(v); !there || got != want {
					t.Errorf("%s %s: %s is %s (%v), want %s", c.entityType, c.identity, name, got, v, want)
				}
			}
		}
	}
}

func TestEveryColumnStandsInTheSchema(t *testing.T) {
	t.Parallel()
	n := NewNode(london(), Options{})
	for _, table := range n.tables {
		for _, name := range rowsOf(table.entry.name).names {
			known := false
			for _, a := range table.entry.attributes {
				known = known || a.Name == name
			}
			if !known {
				t.Errorf("%s: the schema does not describe %s", table.entry.name, name)
			}
		}
	}
}

func TestConnectionPropertiesHaveStringsForSymbols(t *testing.T) {
	t.Parallel()
	got := query(t, "connection", "properties")
	want := "[{product qpid-proton} {platform linux} {pid 77} {password <nil>}]"
	if s := fmt.Sprint(got[0]["properties"]); s != want {
		t.Errorf("properties %s, want %s", s, want)
	}
	m := got[0]["properties"].(wire.Map)
	if _, ok := m[1].Value.(string); !ok {
		t.Errorf("platform is %T, want string", m[1].Value)
	}
	if s := fmt.Sprint(got[1]["properties"]); s != "[]" {
		t.Errorf("no properties: %s, want an empty map", s)
	}
}

func TestTextThatIsNotUTF8IsMadeSo(t *testing.T) {
	t.Parallel()
	src := london()
	src.links[0].Name = "a\xffb"
	a := handle(t, NewNode(src, Options{}), requestMessage(t,
		properties{"operation": "READ", "type": "router.link", "identity": "1"}, nil))
	if name, _ := a.body.(wire.Map).Get("linkName"); name != "a\uFFFDb" {
		t.Errorf("linkName %q", name)
	}
}
