package contract

import (
	"fmt"
	"os"
	"strings"

	"github.com/postroad/postroad/internal/lab"
)

// QdrouterdVariable names a program that starts qdrouterd, to hold the suite against it. Its only argument is the
// configuration file. A script of one line does, which can give it the libraries and Python modules that it needs.
const QdrouterdVariable = "POSTROAD_CONTRACT_QDROUTERD"

// Qdrouterd is the router of Qpid Dispatch, which AMQ Interconnect is made of.
type Qdrouterd struct{}

// Name implements [System].
func (Qdrouterd) Name() string { return "Interconnect" }

// Promises implements [System].
func (Qdrouterd) Promises() bool { return false }

// Program implements [System].
func (Qdrouterd) Program() (lab.Program, error) {
	return lab.Qdrouterd(os.Getenv(QdrouterdVariable)), nil
}

// Environment implements [System]. There is no limit of memory.
func (Qdrouterd) Environment(*Plan) []string { return nil }

// Configuration implements [System]. Reroute-hold and policies for pre-settled messages do not exist there.
func (Qdrouterd) Configuration(n *Network, r *Router) string {
	var file lab.Conf
	section := file.Section
	mode := "standalone"
	if len(n.Plan.Routers) > 1 {
		mode = "interior"
	}
	section("router", "mode: "+mode, "id: "+r.ID)
	section("log", "module: DEFAULT", "enable: notice+")
	open := func(role string, port int, more ...string) []string {
		return append([]string{"host: 127.0.0.1", fmt.Sprintf("port: %d", port), "role: " + role,
			"saslMechanisms: ANONYMOUS"}, more...)
	}
	clients := []string{"authenticatePeer: no"}
	if n.Plan.Failover {
		clients = append(clients, "failoverUrls: "+strings.Join(n.others(r), ", "))
	}
	section("listener", open("normal", r.Clients, clients...)...)
	if mode == "interior" {
		section("listener", open("inter-router", r.Routers, "authenticatePeer: no")...)
		for _, j := range n.joins(r) {
			section("connector", open("inter-router", n.port(j), "name: "+j.name(),
				fmt.Sprintf("cost: %d", max(j.Cost, 1)))...)
		}
	}
	for _, prefix := range []string{Closest, DropOldest, Block} {
		section("address", "prefix: "+prefix, "distribution: closest")
	}
	section("address", "prefix: "+Multicast, "distribution: multicast")
	section("address", "prefix: "+Unavailable, "distribution: unavailable")
	if n.Plan.MaxMessageSize > 0 {
		section("policy", "enableVhostPolicy: true", "defaultVhost: $default")
		section("vhost", "hostname: $default", "allowUnknownUser: true", fmt.Sprintf(`groups: {
        "$default": {
            "users": "*",
            "remoteHosts": "*",
            "sources": "*",
            "targets": "*",
            "allowAnonymousSender": true,
            "allowDynamicSource": true,
            "maxMessageSize": %d
        }
    }`, n.Plan.MaxMessageSize))
	}
	return file.String()
}
