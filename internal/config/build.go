package config

import (
	"path/filepath"
	"slices"
	"strings"
)

// builder turns sections into a Config and collects everything that is wrong with them.
type builder struct {
	file     string
	format   Format
	problems Problems
	records  []*record
	nested   []*record // values of attributes that are entities themselves
}

// record is a section whose attributes have been checked against the schema.
type record struct {
	entityType *EntityType
	at         Position
	attributes map[string]any      // by name, defaults included
	given      map[string]Position // where the values of the attributes that were written stand
	dropped    bool                // reported and to be ignored
}

// where returns the position of an attribute, or that of the section if the attribute was not written.
func (r *record) where(attribute string) Position {
	if at, ok := r.given[attribute]; ok {
		return at
	}
	return r.at
}

// has reports whether the attribute was written.
func (r *record) has(attribute string) bool {
	_, ok := r.given[attribute]
	return ok
}

// tolerate adds an error in YAML, and a warning in the formats of Interconnect, which lives with the problem.
func (b *builder) tolerate(at Position, hint, format string, args ...any) {
	if b.format == FormatYAML {
		b.problems.errorf(at, hint, format, args...)
	} else {
		b.problems.warnf(at, hint, format, args...)
		b.problems[len(b.problems)-1].Tolerated = true
	}
}

// drop adds an error in YAML; in the formats of Interconnect, which ignores such a section, it does so too, with a
// warning.
func (b *builder) drop(r *record, at Position, hint, format string, args ...any) {
	r.dropped = true
	if b.format != FormatYAML {
		format += "; the section is ignored"
	}
	b.tolerate(at, hint, format, args...)
}

// sections checks every section against the schema.
func (b *builder) sections(sections []section) {
	singletons := map[string]Position{}
	for _, s := range sections {
		entityType, ok := TypeByName(s.name)
		if !ok {
			entityType, ok = TypeByName(camelCase(s.name))
		}
		if !ok || entityType.Section == "" {
			b.problems.errorf(s.at, didYouMean(s.name, sectionNames()), "unknown section %q", s.name)
			continue
		}
		if first, twice := singletons[entityType.Name]; twice {
			b.problems.errorf(s.at, "there can be only one", "%s is given twice, first in line %d",
				entityType.Section, first.Line)
			continue
		}
		if entityType.Singleton {
			singletons[entityType.Name] = s.at
		}
		switch entityType.Support {
		case NotYet:
			b.problems.warnf(s.at, "", "%s is not supported yet; the section has no effect", entityType.Section)
		case Retired:
			b.problems.warnf(s.at, entityType.Doc, "%s is not supported; the section has no effect", entityType.Section)
		}
		b.records = append(b.records, b.record(entityType, s))
	}
	for i := range Schema {
		if e := &Schema[i]; e.Singleton && e.Support == Supported {
			if _, ok := singletons[e.Name]; !ok {
				at := Position{File: b.file}
				b.records = append(b.records, b.record(e, section{name: e.Section, at: at}))
			}
		}
	}
}

// record checks the attributes of one section and adds the defaults.
func (b *builder) record(entityType *EntityType, s section) *record {
	r := &record{entityType: entityType, at: s.at, attributes: map[string]any{}, given: map[string]Position{}}
	written := map[string]string{} // attribute: name it was written with
	for _, set := range s.settings {
		a, ok := b.attribute(entityType, set.name, set.at)
		if !ok {
			continue
		}
		if other, twice := written[a.Name]; twice && other != set.name {
			b.problems.errorf(set.at, "give only "+a.Name, "%s and %s mean the same", other, set.name)
			continue
		} else if twice {
			b.tolerate(set.at, "the last one counts", "%s is given twice", set.name)
		}
		written[a.Name] = set.name
		v, ok := b.convert(a, set)
		if !ok || v == nil {
			continue
		}
		r.given[a.Name] = set.value.at
		r.attributes[a.Name] = v
		if a.Has(Later) && v != a.Default {
			b.problems.warnf(set.at, a.Doc, "%s is not supported yet; it has no effect", a.Name)
		}
	}
	for _, a := range entityType.All() {
		if _, ok := r.attributes[a.Name]; ok || a.Name == "type" {
			continue
		}
		if a.Default != nil {
			r.attributes[a.Name] = a.Default
		} else if a.Has(Required) && written[a.Name] == "" {
			b.problems.errorf(r.at, a.Doc, "%s has no %s", entityType.Section, a.Name)
			r.dropped = true
		}
	}
	return r
}

// attribute finds the attribute meant by a name, and reports names that are unknown, deprecated or not for users.
func (b *builder) attribute(entityType *EntityType, name string, at Position) (Attribute, bool) {
	a, ok := entityType.Attribute(name)
	if !ok {
		if a, ok = entityType.alias(name); ok {
			b.problems.warnf(at, "write "+a.Name, "%s is a deprecated name", name)
		}
	}
	switch {
	case !ok:
		var names []string
		for _, a := range entityType.All() {
			if !a.ReadOnly() {
				names = append(names, a.Name)
			}
		}
		b.problems.errorf(at, didYouMean(name, names), "%s has no attribute %q", entityType.label(), name)
		return a, false
	case a.ReadOnly():
		b.tolerate(at, "leave it out", "%s is set by the router itself", name)
		return a, false
	case a.Has(Deprecated):
		b.problems.warnf(at, a.Doc, "%s is deprecated", name)
	}
	return a, true
}

// label names the type in messages as a user of files knows it.
func (e *EntityType) label() string {
	if e.Section != "" {
		return e.Section
	}
	return e.Name
}

// sectionNames lists the names of sections.
func sectionNames() []string {
	var names []string
	for i := range Schema {
		if Schema[i].Section != "" {
			names = append(names, Schema[i].Section)
		}
	}
	return names
}

// path resolves a relative path of a YAML file against the directory of the file.
func (b *builder) path(p string) string {
	dir := filepath.Dir(b.file)
	if b.format != FormatYAML || p == "" || filepath.IsAbs(p) || dir == "." {
		return p
	}
	return filepath.Join(dir, p)
}

// config makes the typed configuration of the records that are not dropped.
func (b *builder) config() *Config {
	c := &Config{Format: b.format}
	for _, r := range b.nested {
		if r.entityType.Name == "gossip" {
			g := typed[Gossip](r)
			c.Gossip = &g
		}
	}
	for _, r := range b.records {
		if r.dropped {
			continue
		}
		switch r.entityType.Name {
		case "router":
			c.Router = typed[Router](r)
		case "mesh":
			c.Mesh = typed[Mesh](r)
		case "sslProfile":
			c.SSLProfiles = append(c.SSLProfiles, typed[SSLProfile](r))
		case "listener":
			c.Listeners = append(c.Listeners, typed[Listener](r))
		case "connector":
			c.Connectors = append(c.Connectors, typed[Connector](r))
		case "router.config.address":
			c.Addresses = append(c.Addresses, typed[Address](r))
		case "router.config.exchange":
			c.Exchanges = append(c.Exchanges, typed[Exchange](r))
		case "router.config.binding":
			c.Bindings = append(c.Bindings, typed[Binding](r))
		case "log":
			c.Logs = append(c.Logs, typed[Log](r))
		default:
			given := map[string]any{}
			for name := range r.given {
				given[name] = r.attributes[name]
			}
			c.Unsupported = append(c.Unsupported, Entity{Type: r.entityType.Name, Attributes: given, Position: r.at})
		}
	}
	return c
}

// ofType returns the records of one entity type that are not dropped.
func (b *builder) ofType(name string) []*record {
	var of []*record
	for _, r := range b.records {
		if r.entityType.Name == name && !r.dropped {
			of = append(of, r)
		}
	}
	return of
}

// text returns the value of an attribute of kind string, path or enum, "" if it is not set.
func (r *record) text(attribute string) string {
	s, _ := r.attributes[attribute].(string)
	return s
}

// flag returns the value of an attribute of kind boolean, false if it is not set.
func (r *record) flag(attribute string) bool {
	v, _ := r.attributes[attribute].(bool)
	return v
}

// number returns the value of an attribute of kind integer, 0 if it is not set.
func (r *record) number(attribute string) int {
	n, _ := r.attributes[attribute].(int)
	return n
}

// is reports whether the attribute has one of the given values.
func (r *record) is(attribute string, values ...string) bool {
	return slices.Contains(values, r.text(attribute))
}

// mechanisms returns the SASL mechanisms of a listener or connector.
func (r *record) mechanisms() []string { return strings.Fields(r.text("saslMechanisms")) }
