package topologies

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/postroad/postroad/internal/config"
)

// Ports are the ports of one router.
type Ports struct {
	Client      int // for clients
	InterRouter int // for interior routers
	Edge        int // for edge routers
}

// Placement says where the routers of a topology are.
type Placement struct {
	Listen string                              // address that all of them listen on
	Ports  func(router string) Ports           // of each router
	Reach  func(link Link, from string) string // address of the other end of a link, as seen from the router that connects
	// Insecure says that nobody else can reach these addresses: the listeners take anybody.
	Insecure bool
}

// loopback is the address of routers that are all on this machine.
const loopback = "127.0.0.1"

// Config returns the configuration of one router of the topology, given the ports of all, which are on 127.0.0.1.
func (t *Topology) Config(id string, ports map[string]Ports) (*config.Config, error) {
	return t.ConfigAt(id, Placement{
		Listen: loopback,
		Ports:  func(router string) Ports { return ports[router] },
		Reach:  func(Link, string) string { return loopback },
	})
}

// ConfigAt returns the configuration of one router of the topology. For each link the router named first connects to
// the one named second, except that an edge router always is the one that connects.
func (t *Topology) ConfigAt(id string, at Placement) (*config.Config, error) {
	router, ok := t.Router(id)
	if !ok {
		return nil, fmt.Errorf("there is no router %q in the topology %s", id, t.Name)
	}
	own := at.Ports(id)
	listener := func(name string, port int) attributes {
		a := attributes{"name": name, "host": at.Listen, "port": port}
		if at.Insecure {
			a["insecure"] = true
		}
		return a
	}
	listeners := []attributes{listener("clients", own.Client)}
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
			connectors = append(connectors, attributes{"name": "to-" + to, "host": at.Reach(l, from), "role": role,
				"cost": l.Cost, "port": port(at.Ports(to), role)})
		case to == id && !listening[role]:
			listening[role] = true
			l := listener(string(role), port(own, role))
			l["role"] = role
			listeners = append(listeners, l)
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
		if a.Redundant != 0 {
			address["redundant"] = a.Redundant
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
