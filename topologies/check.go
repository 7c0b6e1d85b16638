package topologies

import (
	"fmt"
	"math"

	"go.yaml.in/yaml/v3"

	"github.com/postroad/postroad/internal/config"
)

// checker collects the mistakes of one topology.
type checker struct {
	file     string
	document yaml.Node
	errors   []error
}

// errorf adds a mistake in the entry with the given index of a list of the file.
func (c *checker) errorf(list string, index int, format string, args ...any) {
	at := c.file
	if line := c.line(list, index); line > 0 {
		at = fmt.Sprintf("%s:%d", c.file, line)
	}
	c.errors = append(c.errors, fmt.Errorf("%s: %s", at, fmt.Sprintf(format, args...)))
}

// line returns the line of an entry, 0 if there is none.
func (c *checker) line(list string, index int) int {
	if len(c.document.Content) == 0 {
		return 0
	}
	root := c.document.Content[0]
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == list && index < len(root.Content[i+1].Content) {
			return root.Content[i+1].Content[index].Line
		}
	}
	return 0
}

// topology checks everything.
func (c *checker) topology(t *Topology) {
	if len(t.Routers) == 0 {
		c.errorf("", 0, "a topology needs routers")
		return
	}
	seen := map[string]bool{}
	for i, r := range t.Routers {
		switch {
		case r.ID == "":
			c.errorf("routers", i, "a router without an id")
		case seen[r.ID]:
			c.errorf("routers", i, "the router %s is given twice", r.ID)
		case r.Mode != config.ModeInterior && r.Mode != config.ModeEdge:
			c.errorf("routers", i, "the mode of %s is %q; it has to be interior or edge", r.ID, r.Mode)
		}
		seen[r.ID] = true
	}
	c.links(t)
	c.clients(t)
	if len(c.errors) > 0 {
		return
	}
	c.connected(t)
	ports := map[string]Ports{}
	for _, r := range t.Routers {
		ports[r.ID] = Ports{Client: 1, InterRouter: 2, Edge: 3}
	}
	if _, err := t.Config(t.Routers[0].ID, ports); err != nil {
		c.errors = append(c.errors, fmt.Errorf("%s: %w", c.file, err))
	}
}

// links checks the links.
func (c *checker) links(t *Topology) {
	seen := map[[2]string]bool{}
	for i, l := range t.Links {
		a, foundA := t.Router(l.A)
		b, foundB := t.Router(l.B)
		switch {
		case !foundA:
			c.errorf("links", i, "there is no router %q", l.A)
		case !foundB:
			c.errorf("links", i, "there is no router %q", l.B)
		case l.A == l.B:
			c.errorf("links", i, "a link from %s to itself", l.A)
		case seen[[2]string{l.A, l.B}] || seen[[2]string{l.B, l.A}]:
			c.errorf("links", i, "the link between %s and %s is given twice", l.A, l.B)
		case l.Cost < 1 || l.Cost > math.MaxInt32:
			c.errorf("links", i, "the cost is %d; it has to be at least 1", l.Cost)
		case a.Mode == config.ModeEdge && b.Mode == config.ModeEdge:
			c.errorf("links", i, "a link between the edge routers %s and %s", l.A, l.B)
		}
		seen[[2]string{l.A, l.B}] = true
	}
}

// clients checks the clients.
func (c *checker) clients(t *Topology) {
	seen := map[string]bool{}
	for i, cl := range t.Clients {
		_, found := t.Router(cl.Router)
		switch {
		case cl.Name == "":
			c.errorf("clients", i, "a client without a name")
		case seen[cl.Name]:
			c.errorf("clients", i, "the client %s is given twice", cl.Name)
		case !found:
			c.errorf("clients", i, "%s: there is no router %q", cl.Name, cl.Router)
		case (cl.Sends == "") == (cl.Receives == ""):
			c.errorf("clients", i, "%s: give it an address it sends to or one it receives from", cl.Name)
		case cl.Rate < 0 || math.IsNaN(cl.Rate) || math.IsInf(cl.Rate, 0):
			c.errorf("clients", i, "%s: the rate is %v messages a second", cl.Name, cl.Rate)
		case cl.Size < 0 || cl.Size > maxBody:
			c.errorf("clients", i, "%s: the size is %d octets; %d are the most", cl.Name, cl.Size, maxBody)
		case cl.Receives != "" && (cl.Rate != 0 || cl.Size != 0 || cl.Settled):
			c.errorf("clients", i, "%s: rate, size and settled are for senders", cl.Name)
		}
		seen[cl.Name] = true
	}
}

// connected checks that every router can reach every other.
func (c *checker) connected(t *Topology) {
	reached := map[string]bool{t.Routers[0].ID: true}
	for grown := true; grown; {
		grown = false
		for _, l := range t.Links {
			if reached[l.A] != reached[l.B] {
				reached[l.A], reached[l.B], grown = true, true, true
			}
		}
	}
	for i, r := range t.Routers {
		if !reached[r.ID] {
			c.errorf("routers", i, "no links lead from %s to %s", t.Routers[0].ID, r.ID)
		}
	}
}
