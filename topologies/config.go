package topologies

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/postroad/postroad/internal/config"
)

// host is where all routers of a topology listen.
const host = "127.0.0.1"

// Ports are the ports of one router on 127.0.0.1.
type Ports struct {
	Client      int // for clients
	InterRouter int // for interior routers
	Edge        int // for edge routers
}

// Config returns the configuration of one router of the topology, given the ports of all. For each link the router
// named first connects to the one named second, except that an edge router always is the one that connects.
func (t *Topology) Config(id string, ports map[string]Ports) (*config.Config, error) {
	router, ok := t.Router(id)
	if !ok {
		return nil, fmt.Errorf("there is no router %q in the topology %s", id, t.Name)
	}
	own := ports[id]
	listeners := []attributes{{"name": "clients", "host": host, "port": own.Client}}
	var connectors []attributes
	listening := map[config.Role]bool{}
	for _, l := range t.Links {
		from, to := t.direction(l)
		role := config.RoleInterRouter
		if r, _ := t.Router(from); r.Mode == config.ModeEdge {
			role = config.RoleEdge
		}
		switch {
		case from == id:
			connectors = append(connectors, attributes{"name": "to-" + to, "host": host, "role": role, "cost": l.Cost,
				"port": port(ports[to], role)})
		case to == id && !listening[role]:
			listening[role] = true
			listeners = append(listeners, attributes{"name": string(role), "host": host, "role": role,
				"port": port(own, role)})
		}
	}
	return t.build(router, listeners, connectors)
}

// attributes are those of one entity.
type attributes map[string]any

// build makes the configuration from its entities.
func (t *Topology) build(router Router, listeners, connectors []attributes) (*config.Config, error) {
	var addresses []attributes
	for _, a := range t.Addresses {
		address := attributes{"distribution": a.Distribution}
		if a.Prefix != "" {
			address["prefix"] = a.Prefix
		}
		if a.Pattern != "" {
			address["pattern"] = a.Pattern
		}
		addresses = append(addresses, address)
	}
	mesh := attributes{}
	if t.Name != "" {
		mesh["name"] = t.Name
	}
	if router.Site != "" {
		mesh["site"] = router.Site
	}
	text, err := yaml.Marshal(map[string]any{
		"router":     attributes{"id": router.ID, "mode": router.Mode},
		"mesh":       mesh,
		"listeners":  listeners,
		"connectors": connectors,
		"addresses":  addresses,
	})
	if err != nil {
		return nil, err
	}
	c, problems := config.Parse(router.ID+".yaml", text)
	if c == nil {
		return nil, fmt.Errorf("the router %s: %s", router.ID, strings.TrimSpace(problems.String()))
	}
	return c, nil
}

// direction returns the router that connects and the one that listens.
func (t *Topology) direction(l Link) (from, to string) {
	if b, _ := t.Router(l.B); b.Mode == config.ModeEdge {
		return l.B, l.A
	}
	return l.A, l.B
}

// port returns the port for connections of a role.
func port(p Ports, role config.Role) int {
	if role == config.RoleEdge {
		return p.Edge
	}
	return p.InterRouter
}
