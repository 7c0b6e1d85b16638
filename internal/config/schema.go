package config

import (
	"slices"
	"strings"
)

// TypePrefix is what Interconnect puts before the names of its entity types.
const TypePrefix = "org.apache.qpid.dispatch."

// ExtensionPrefix stands in its place in the names of Postroad's own entity types.
const ExtensionPrefix = "io.postroad."

// Kind is the kind of value an attribute holds.
type Kind uint8

// Kinds of values. The Go type in brackets is the one found in [Entity.Attributes].
const (
	KindString     Kind = iota // text (string)
	KindPath                   // name of a file or directory (string)
	KindInteger                // whole number (int)
	KindBoolean                // true or false (bool)
	KindEnum                   // one of Type.Tags (string)
	KindProperties             // map with ASCII keys, sent to a peer as AMQP fields (map[string]any)
	KindMap                    // map (map[string]any)
	KindList                   // list ([]any)
	KindEntityID               // identity of another entity (string)
)

// String returns the name of the kind as Interconnect's schema spells it.
func (k Kind) String() string {
	switch k {
	case KindPath:
		return "path"
	case KindInteger:
		return "integer"
	case KindBoolean:
		return "boolean"
	case KindEnum:
		return "enum"
	case KindProperties:
		return "properties"
	case KindMap:
		return "map"
	case KindList:
		return "list"
	case KindEntityID:
		return "entityId"
	default:
		return "string"
	}
}

// Type is the type of an attribute: a kind, and what bounds its values.
type Type struct {
	Kind     Kind
	Tags     []string // the values of an enumeration
	Min, Max int      // bounds of an integer, both inclusive; Min == Max == 0 means none
	Record   string   // entity type that names the keys of a map; "" if they are free
	Entries  string   // entity type that names the keys of each map in a map; "" if they are free
}

// bounded reports whether an integer of this type has bounds.
func (t Type) bounded() bool { return t.Min != 0 || t.Max != 0 }

// Flags say how an attribute may be used.
type Flags uint16

// Flags of attributes. Neither Create nor Update means read-only: set by the router, never by its user.
const (
	Create     Flags = 1 << iota // may be set in a configuration file and when an entity is created
	Update                       // may be changed on a running router
	Required                     // has to be set
	Unique                       // no two entities may have the same value
	Hidden                       // secret; never shown
	Graph                        // a number worth plotting
	Deprecated                   // accepted with a warning
	Later                        // accepted with a warning; this version of Postroad does nothing with it
	Extension                    // Postroad's own; Interconnect does not know it
)

// Attribute is one row of the schema.
type Attribute struct {
	Name    string
	Type    Type
	Default any // string, int or bool; nil if there is no default
	Flags   Flags
	Aliases []string // deprecated names, accepted with a warning
	Doc     string
}

// Has reports whether all the given flags are set.
func (a Attribute) Has(f Flags) bool { return a.Flags&f == f }

// ReadOnly reports whether only the router itself sets the attribute.
func (a Attribute) ReadOnly() bool { return a.Flags&(Create|Update) == 0 }

// Support says what this version of Postroad does with the entities of a type found in a configuration file.
type Support uint8

// Degrees of support.
const (
	NotInFiles Support = iota // operational: exists in a running router only
	Supported                 // does what it says
	NotYet                    // checked against the schema, reported as not supported yet, and ignored
	Retired                   // as NotYet, and there is no intention to support it
)

// EntityType describes the entities of one type.
type EntityType struct {
	Name       string // without TypePrefix: "listener", "router.config.address"
	Section    string // name of a section in a qdrouterd.conf; "" for operational entities
	Key        string // top-level key in YAML; a list unless Singleton; "" if YAML does not know it
	Singleton  bool
	Deprecated bool
	Extension  bool // Postroad's own; not among Interconnect's types
	Support    Support
	Operations []string // beyond READ, which every entity has
	Doc        string
	Attributes []Attribute // without the common ones: see All
}

// FullName returns the name of the type with its prefix.
func (e *EntityType) FullName() string {
	if e.Extension {
		return ExtensionPrefix + e.Name
	}
	return TypePrefix + e.Name
}

// Configuration reports whether entities of the type are configuration, as opposed to operational state.
func (e *EntityType) Configuration() bool { return e.Support != NotInFiles }

// All returns all attributes of the type: those every entity has (name, identity, type), then its own.
func (e *EntityType) All() []Attribute {
	all := slices.DeleteFunc(slices.Clone(commonAttributes), func(a Attribute) bool {
		_, own := find(e.Attributes, a.Name)
		return own
	})
	return append(all, e.Attributes...)
}

// Attribute finds an attribute by its name. It does not look at deprecated names.
func (e *EntityType) Attribute(name string) (Attribute, bool) {
	if a, ok := find(e.Attributes, name); ok {
		return a, true
	}
	return find(commonAttributes, name)
}

// find returns the row with the given name.
func find(table []Attribute, name string) (Attribute, bool) {
	i := slices.IndexFunc(table, func(a Attribute) bool { return a.Name == name })
	if i < 0 {
		return Attribute{}, false
	}
	return table[i], true
}

// alias finds the attribute that has the given deprecated name.
func (e *EntityType) alias(name string) (Attribute, bool) {
	i := slices.IndexFunc(e.Attributes, func(a Attribute) bool { return slices.Contains(a.Aliases, name) })
	if i < 0 {
		return Attribute{}, false
	}
	return e.Attributes[i], true
}

// Schema lists every entity type a router knows, configuration first. It is read-only.
var Schema = slices.Concat(supportedTypes, acceptedTypes, operationalTypes)

// TypeByName finds an entity type by its name, with or without its prefix, or by the name of its section.
func TypeByName(name string) (*EntityType, bool) {
	short := strings.TrimPrefix(strings.TrimPrefix(name, TypePrefix), ExtensionPrefix)
	for i := range Schema {
		if e := &Schema[i]; e.Name == short || e.Section == short && short != "" {
			return e, true
		}
	}
	return nil, false
}

// mustType returns an entity type that this package knows to exist.
func mustType(name string) *EntityType {
	e, ok := TypeByName(name)
	if !ok {
		panic("config: no entity type " + name)
	}
	return e
}

// The types of attributes, named so that the table reads like the specification's.
var (
	text       = Type{Kind: KindString}
	file       = Type{Kind: KindPath}
	integer    = Type{Kind: KindInteger}
	boolean    = Type{Kind: KindBoolean}
	properties = Type{Kind: KindProperties}
	anyMap     = Type{Kind: KindMap}
	list       = Type{Kind: KindList}
	entityID   = Type{Kind: KindEntityID}
)

// between is the type of integers within bounds, both inclusive.
func between(low, high int) Type { return Type{Kind: KindInteger, Min: low, Max: high} }

// oneOf is the type of an enumeration.
func oneOf(tags ...string) Type { return Type{Kind: KindEnum, Tags: tags} }

// mapOf is the type of a map from free names to maps with the attributes of an entity type.
func mapOf(entityType string) Type { return Type{Kind: KindMap, Entries: entityType} }

// recordOf is the type of a map whose keys are the attributes of an entity type.
func recordOf(entityType string) Type { return Type{Kind: KindMap, Record: entityType} }

// was lists the deprecated names of an attribute.
func was(names ...string) []string { return names }

// commonAttributes are the attributes that every entity has.
var commonAttributes = []Attribute{
	{"name", text, nil, Create | Unique, nil, "Name chosen by the user; others refer to the entity by it."},
	{"identity", text, nil, Unique, nil, "Identity given by the router; never changes."},
	{"type", text, nil, Required, nil, "Entity type."},
}
