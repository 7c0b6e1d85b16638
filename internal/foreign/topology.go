package foreign

import (
	"fmt"
	"time"

	"github.com/postroad/postroad/internal/lab"
)

// Topology is a network of routers: what to start, and how they are joined.
type Topology struct {
	Routers    []string // router ids
	Connectors []Connector
	Hold       time.Duration // rerouteHoldMilliseconds, unless 0
}

// Connector is an inter-router connection. From opens it, To listens. A Cost of zero leaves the default, 1.
type Connector struct {
	From, To string
	Cost     int
}

// Chain returns a topology in which each router is connected to the next one.
func Chain(ids ...string) Topology {
	t := Topology{Routers: ids}
	for i := 1; i < len(ids); i++ {
		t.Connectors = append(t.Connectors, Connector{From: ids[i-1], To: ids[i]})
	}
	return t
}

// Ring returns a chain whose last router is connected to the first.
func Ring(ids ...string) Topology {
	t := Chain(ids...)
	t.Connectors = append(t.Connectors, Connector{From: ids[len(ids)-1], To: ids[0]})
	return t
}

// The listeners of a router. Tenants of tenantsByName are who their clients say they are, those of shop and bank are
// shop and bank. Senders get much credit from floods.
const (
	clients       = "clients"
	routers       = "routers"
	tenantsByName = "hosts"
	shop          = "shop"
	bank          = "bank"
	floods        = "floods"
	scrapes       = "scrapes"
)

// listeners returns those which every router of the network has.
func (t Topology) listeners() []string {
	return []string{clients, routers, tenantsByName, shop, bank, floods, scrapes}
}

// addresses are those which every router of a test network is configured with, by prefix. What only Postroad knows is
// left out for other routers.
func addresses() map[string][]string {
	entries := map[string][]string{
		"closest":     {"distribution: closest"},
		"balanced":    {"distribution: balanced"},
		"multicast":   {"distribution: multicast"},
		"unavailable": {"distribution: unavailable"},
		"queue":       {"waypoint: yes"},
		"fallback":    {"distribution: closest", "enableFallback: yes"},
	}
	for _, policy := range []string{"drop-newest", "drop-oldest", "block"} {
		entries[policy] = []string{"distribution: closest"}
		if !Foreign() {
			entries[policy] = append(entries[policy], "presettled: "+policy)
		}
	}
	return entries
}

// topic is an exchange which every router of a test network is configured with: one for each way to write keys, and for
// each library that publishes.
type topic struct {
	method   string
	bindings [][2]string // key and the last word of the next hop's address
}

var topics = []topic{
	{"amqp", [][2]string{{"eu.#", "europe"}, {"*.gold", "metals"}, {"#", "everything"}}},
	{"mqtt", [][2]string{{"eu/#", "europe"}, {"+/gold", "metals"}, {"#", "everything"}}},
}

// exchange returns the address of a library's exchange. Those of its next hops are below it, and so is the alternate
// address, "unbound".
func (k topic) exchange(l Library) string {
	return fmt.Sprintf("exchange/%s/%s", k.method, l)
}

// config returns one router's configuration in Interconnect's syntax. ports are the ports of its listeners.
func (t Topology) config(id string, ports map[string]ports) string {
	var file lab.Conf
	section := file.Section
	router := []string{"mode: interior", "id: " + id}
	if t.Hold != 0 && !Foreign() {
		router = append(router, fmt.Sprintf("rerouteHoldMilliseconds: %d", t.Hold.Milliseconds()))
	}
	section("router", router...)
	for _, module := range []string{"SERVER", "ROUTER_CORE"} {
		section("log", "module: "+module, "enable: notice+") // below that they speak at every connection and link
	}
	open := func(role string, port int) []string {
		return []string{"host: 127.0.0.1", fmt.Sprintf("port: %d", port), "role: " + role}
	}
	listener := func(name, role string, attributes ...string) {
		section("listener", append(append(open(role, ports[id][name]), "authenticatePeer: no",
			"saslMechanisms: ANONYMOUS"), attributes...)...)
	}
	listener(clients, "normal")
	listener(routers, "inter-router")
	listener(tenantsByName, "normal", "multiTenant: yes")
	listener(shop, "normal", "multiTenant: yes", "policyVhost: shop")
	listener(bank, "normal", "multiTenant: yes", "policyVhost: bank")
	listener(floods, "normal", "linkCapacity: 100000")
	listener(scrapes, "normal", "http: yes")
	for _, c := range t.Connectors {
		if c.From == id {
			section("connector", append(open("inter-router", ports[c.To][routers]), "name: to-"+c.To,
				fmt.Sprintf("cost: %d", max(c.Cost, 1)), "saslMechanisms: ANONYMOUS")...)
		}
	}
	for prefix, attributes := range addresses() {
		section("address", append([]string{"prefix: " + prefix}, attributes...)...)
	}
	for _, k := range topics {
		for _, l := range Libraries() {
			e := k.exchange(l)
			section("exchange", "name: "+e, "address: "+e, "alternateAddress: "+e+"/unbound", "matchMethod: "+k.method)
			for _, binding := range k.bindings {
				section("binding", "exchangeName: "+e, "bindingKey: "+binding[0], "nextHopAddress: "+e+"/"+binding[1])
			}
		}
	}
	return file.String()
}
