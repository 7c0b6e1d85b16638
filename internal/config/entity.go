package config

import (
	"fmt"
	"maps"
	"strconv"
)

// Entity is the view of one entity that management gives: a type and a map of attributes.
type Entity struct {
	Position
	Type       string         // without TypePrefix
	Attributes map[string]any // by name; see Kind for the Go types
}

// Entities returns the supported entities of Interconnect's types with name, identity and type, as management shows
// them. Secrets are replaced by asterisks. The maps are copies.
func (c *Config) Entities() []Entity {
	var entities []Entity
	for _, e := range c.entities() {
		entityType := mustType(e.Type)
		if entityType.Extension {
			continue
		}
		for _, a := range entityType.Attributes {
			if _, set := e.Attributes[a.Name]; set && a.Has(Hidden) {
				e.Attributes[a.Name] = "********"
			}
		}
		e.Attributes["identity"] = c.identity(e, len(entities))
		if _, named := e.Attributes["name"]; !named {
			e.Attributes["name"] = e.Attributes["identity"]
		}
		e.Attributes["type"] = entityType.FullName()
		entities = append(entities, e)
	}
	return entities
}

// identity returns the identity Interconnect gives an entity.
func (c *Config) identity(e Entity, index int) string {
	a := e.Attributes
	switch e.Type {
	case "router":
		return fmt.Sprintf("router/%s", a["id"])
	case "sslProfile":
		return fmt.Sprintf("sslProfile/%s", a["name"])
	case "log":
		return fmt.Sprintf("log/%s", a["module"])
	case "listener", "connector":
		identity := fmt.Sprintf("%s/%s:%s", e.Type, a["host"], a["port"])
		if name, ok := a["name"]; ok {
			identity += fmt.Sprintf(":%s", name)
		}
		return identity
	default:
		return strconv.Itoa(index)
	}
}

// entities returns the supported entities in the order in which they are written, as they were configured.
func (c *Config) entities() []Entity {
	var entities []Entity
	add := func(name string, at Position, entity any) {
		entities = append(entities, Entity{Position: at, Type: name, Attributes: attributesOf(mustType(name), entity)})
	}
	add("router", c.Router.Position, c.Router)
	if attributes := attributesOf(mustType("mesh"), c.Mesh); len(attributes) > 0 {
		entities = append(entities, Entity{c.Mesh.Position, "mesh", maps.Clone(attributes)})
	}
	for _, e := range c.SSLProfiles {
		add("sslProfile", e.Position, e)
	}
	for _, e := range c.Listeners {
		add("listener", e.Position, e)
	}
	for _, e := range c.Connectors {
		add("connector", e.Position, e)
	}
	for _, e := range c.Addresses {
		add("router.config.address", e.Position, e)
	}
	for _, e := range c.Exchanges {
		add("router.config.exchange", e.Position, e)
	}
	for _, e := range c.Bindings {
		add("router.config.binding", e.Position, e)
	}
	for _, e := range c.Logs {
		add("log", e.Position, e)
	}
	return entities
}
