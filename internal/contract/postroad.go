package contract

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/postroad/postroad/internal/lab"
)

// Postroad is the router of this module.
type Postroad struct{}

// Name implements [System].
func (Postroad) Name() string { return "Postroad" }

// Promises implements [System].
func (Postroad) Promises() bool { return true }

// program builds the router once for all tests of a process, and returns its path.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "postroad-contract-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "postroad")
	if err := lab.Build("cmd/postroad", path); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return path, nil
})

// Program implements [System].
func (Postroad) Program() (lab.Program, error) {
	path, err := program()
	return lab.Postroad(path), err
}

// Environment implements [System].
func (Postroad) Environment(p *Plan) []string {
	if p.MemoryLimit == 0 {
		return nil
	}
	return []string{fmt.Sprintf("GOMEMLIMIT=%d", p.MemoryLimit)}
}

// Configuration implements [System].
func (Postroad) Configuration(n *Network, r *Router) string {
	var b strings.Builder
	mode := "standalone"
	if len(n.Plan.Routers) > 1 {
		mode = "interior"
	}
	fmt.Fprintf(&b, "router: {id: %s, mode: %s", r.ID, mode)
	if hold := n.Plan.RerouteHold; hold > 0 {
		fmt.Fprintf(&b, ", rerouteHoldMilliseconds: %d", hold.Milliseconds())
	}
	if n.Plan.Patient {
		b.WriteString(", helloIntervalSeconds: 10, helloMaxAgeSeconds: 30, fastHelloMilliseconds: 10000")
	}
	b.WriteString("}\nlisteners:\n")
	fmt.Fprintf(&b, "  - {name: clients, host: 127.0.0.1, port: %d", r.Clients)
	if n.Plan.MaxMessageSize > 0 {
		fmt.Fprintf(&b, ", maxMessageSize: %d", n.Plan.MaxMessageSize)
	}
	if n.Plan.Failover {
		fmt.Fprintf(&b, ", failoverUrls: %q", strings.Join(n.others(r), ", "))
	}
	b.WriteString("}\n")
	if mode == "interior" {
		fmt.Fprintf(&b, "  - {name: routers, host: 127.0.0.1, port: %d, role: inter-router}\n", r.Routers)
		b.WriteString("connectors:\n")
		for _, j := range n.joins(r) {
			fmt.Fprintf(&b, "  - {name: %s, host: 127.0.0.1, port: %d, role: inter-router, cost: %d}\n",
				j.name(), n.port(j), max(j.Cost, 1))
		}
	}
	b.WriteString("addresses:\n")
	fmt.Fprintf(&b, "  - {prefix: %s, distribution: closest}\n", Closest)
	fmt.Fprintf(&b, "  - {prefix: %s, distribution: multicast}\n", Multicast)
	fmt.Fprintf(&b, "  - {prefix: %s, distribution: unavailable}\n", Unavailable)
	fmt.Fprintf(&b, "  - {prefix: %s, distribution: closest, presettled: drop-oldest}\n", DropOldest)
	fmt.Fprintf(&b, "  - {prefix: %s, distribution: closest, presettled: block}\n", Block)
	b.WriteString("logs:\n  - {module: DEFAULT, enable: notice+}\n")
	return b.String()
}
