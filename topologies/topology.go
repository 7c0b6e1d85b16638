package topologies

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/postroad/postroad/internal/config"
)

//go:embed *.yaml
var files embed.FS

// Topology is a network of routers and the clients that use it.
type Topology struct {
	Name        string    `yaml:"name" json:"name"`
	Description string    `yaml:"description" json:"description,omitempty"`
	Routers     []Router  `yaml:"routers" json:"routers"`
	Links       []Link    `yaml:"links" json:"links"`
	Addresses   []Address `yaml:"addresses" json:"addresses,omitempty"`
	Clients     []Client  `yaml:"clients" json:"clients,omitempty"`
}

// Router is one router.
type Router struct {
	ID   string      `yaml:"id" json:"id"`
	Mode config.Mode `yaml:"mode" json:"mode"` // interior or edge; interior if not given
	Site string      `yaml:"site" json:"site,omitempty"`
}

// Link joins two routers. Between an interior and an edge router it is the uplink of the latter.
type Link struct {
	A    string `yaml:"a" json:"a"`
	B    string `yaml:"b" json:"b"`
	Cost int    `yaml:"cost" json:"cost"` // at least 1; 1 if not given
}

// Address says how the messages of some addresses are distributed. One of Prefix and Pattern is set.
type Address struct {
	Prefix       string              `yaml:"prefix" json:"prefix,omitempty"`
	Pattern      string              `yaml:"pattern" json:"pattern,omitempty"`
	Distribution config.Distribution `yaml:"distribution" json:"distribution"`
	Redundant    int                 `yaml:"redundant" json:"redundant,omitempty"` // paths at a time; 0 for the default
}

// Client is a program attached to a router. It sends or receives, whichever of the two addresses is set.
type Client struct {
	Name     string  `yaml:"name" json:"name"`
	Router   string  `yaml:"router" json:"router"`
	Sends    string  `yaml:"sends" json:"sends,omitempty"`       // address it sends to
	Receives string  `yaml:"receives" json:"receives,omitempty"` // address it receives from
	Rate     float64 `yaml:"rate" json:"rate,omitempty"`         // of a sender, a second; 0 for as many as possible
	Size     int     `yaml:"size" json:"size,omitempty"`         // octets in the body of each message of a sender
	Settled  bool    `yaml:"settled" json:"settled,omitempty"`   // whether a sender sends its messages settled
}

// Address returns the address the client uses.
func (c Client) Address() string { return c.Sends + c.Receives }

// maxBody is the largest body of a client's messages, in octets.
const maxBody = 1 << 30

// Names lists the embedded topologies.
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // the embedded directory always exists
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ".yaml")
	}
	return names
}

// Named returns an embedded topology.
func Named(name string) (*Topology, error) {
	data, err := files.ReadFile(name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("there is no topology %q; there are %s", name, strings.Join(Names(), ", "))
	}
	return Parse(name+".yaml", data)
}

// Load reads a topology from a file.
func Load(path string) (*Topology, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, data)
}

// Parse reads a topology. The name of the file is used in errors, which report all mistakes, each with its line.
func Parse(file string, data []byte) (*Topology, error) {
	t := &Topology{}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(t); err != nil && !errors.Is(err, io.EOF) {
		var typeErrors *yaml.TypeError
		if errors.As(err, &typeErrors) {
			return nil, fmt.Errorf("%s: %s", file, strings.Join(typeErrors.Errors, "; "))
		}
		return nil, fmt.Errorf("%s: %s", file, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	t.setDefaults()
	c := checker{file: file}
	if err := yaml.Unmarshal(data, &c.document); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	c.topology(t)
	if len(c.errors) > 0 {
		return nil, errors.Join(c.errors...)
	}
	return t, nil
}

// setDefaults fills in what was not given.
func (t *Topology) setDefaults() {
	for i := range t.Routers {
		if t.Routers[i].Mode == "" {
			t.Routers[i].Mode = config.ModeInterior
		}
	}
	for i := range t.Links {
		if t.Links[i].Cost == 0 {
			t.Links[i].Cost = 1
		}
	}
	for i := range t.Addresses {
		if t.Addresses[i].Distribution == "" {
			t.Addresses[i].Distribution = config.DistributionBalanced
		}
	}
}

// Router finds a router by its id.
func (t *Topology) Router(id string) (Router, bool) {
	i := slices.IndexFunc(t.Routers, func(r Router) bool { return r.ID == id })
	if i < 0 {
		return Router{}, false
	}
	return t.Routers[i], true
}
