package foreign

import (
	"fmt"
	"strings"
)

// Topology is a network of routers: what to start, and how they are joined.
type Topology struct {
	Routers    []string // router ids
	Connectors []Connector
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

// distributions are the address prefixes which every router of a test network is configured with.
var distributions = []string{"closest", "balanced", "multicast"}

// config returns one router's configuration in Interconnect's syntax. ports are the ports of its listeners.
func (t Topology) config(id string, ports map[string]ports) string {
	var b strings.Builder
	section := func(name string, attributes ...string) {
		fmt.Fprintf(&b, "%s {\n    %s\n}\n\n", name, strings.Join(attributes, "\n    "))
	}
	section("router", "mode: interior", "id: "+id)
	for _, module := range []string{"SERVER", "ROUTER_CORE"} {
		section("log", "module: "+module, "enable: notice+") // below that they speak at every connection and link
	}
	open := func(role string, port int) []string {
		return []string{"host: 127.0.0.1", fmt.Sprintf("port: %d", port), "role: " + role}
	}
	listener := func(role string, port int) {
		section("listener", append(open(role, port), "authenticatePeer: no", "saslMechanisms: ANONYMOUS")...)
	}
	listener("normal", ports[id].clients)
	listener("inter-router", ports[id].routers)
	for _, c := range t.Connectors {
		if c.From == id {
			section("connector", append(open("inter-router", ports[c.To].routers), "name: to-"+c.To,
				fmt.Sprintf("cost: %d", max(c.Cost, 1)), "saslMechanisms: ANONYMOUS")...)
		}
	}
	for _, d := range distributions {
		section("address", "prefix: "+d, "distribution: "+d)
	}
	return b.String()
}
