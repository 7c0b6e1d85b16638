package management

import (
	"slices"
	"strings"

	"github.com/postroad/postroad/internal/config"
)

// Short names of the entity types that this package knows by name.
const (
	typeEntity         = "entity"
	typeConfiguration  = "configurationEntity"
	typeOperational    = "operationalEntity"
	typeManagementNode = "org.amqp.management"
	typeManagement     = "management"
	typeRouter         = "router"
	typeLink           = "router.link"
	typeAddress        = "router.address"
	typeRouterNode     = "router.node"
	typeConnection     = "connection"
	typeConfigAddress  = "router.config.address"
	typeExchange       = "router.config.exchange"
	typeBinding        = "router.config.binding"
	typePolicy         = "policy"
	typeLogStats       = "logStats"
	typeMember         = "member" // with config.ExtensionPrefix
)

// typeEntry is an entity type with what it inherits.
type typeEntry struct {
	name       string // short name, such as router.link
	doc        string
	attributes []config.Attribute // its own ones first, then name, identity and type
	operations []string           // its own ones first, then those of its bases
	bases      []*typeEntry       // nearest first
	singleton  bool
	deprecated bool
	extension  bool // Postroad's own
}

// isA tells whether e is t or extends it.
func (e *typeEntry) isA(t *typeEntry) bool { return e == t || slices.Contains(e.bases, t) }

// longName is the name under which the schema lists e.
func (e *typeEntry) longName() string {
	if e.extension {
		return config.ExtensionPrefix + e.name
	}
	return config.TypePrefix + e.name
}

// fullName is the value of the type attribute of e's entities. Only org.amqp.management stands without the prefix.
func (e *typeEntry) fullName() string {
	if e.name == typeManagementNode {
		return e.name
	}
	return e.longName()
}

// baseTypes are the roots of all entity types, and the management node itself. Each but the first extends the type
// that extends names.
var baseTypes = []struct {
	entry   typeEntry
	extends string
}{
	{entry: typeEntry{name: typeEntity, doc: "What all entities have."}},
	{extends: typeEntity, entry: typeEntry{
		name: typeConfiguration, doc: "What all configuration entities have.", operations: []string{opRead},
	}},
	{extends: typeEntity, entry: typeEntry{
		name: typeOperational, doc: "What all entities with live values have.", operations: []string{opRead},
	}},
	{extends: typeOperational, entry: typeEntry{
		name: typeManagementNode, doc: "The management node of the AMQP Management draft.",
		operations: []string{opQuery, opGetTypes, opGetAnnotations, opGetOperations, opGetAttributes, opGetMgmtNodes},
	}},
	{extends: typeManagementNode, entry: typeEntry{
		name: typeManagement, doc: "The management node, with what Interconnect added to the draft.", singleton: true,
		operations: []string{opGetSchema, opGetJSONSchema, opGetLog},
	}},
}

// uncharted are attributes that Interconnect's core answers although its schema does not know them, and live values of
// Postroad's own.
var uncharted = map[string][]config.Attribute{
	typeRouter: {{
		Name: "linksBlocked", Type: config.Type{Kind: config.KindInteger}, Flags: config.Graph,
		Doc: "The same as blockedLinkCount.",
	}, {
		Name: "drainStep", Type: config.Type{Kind: config.KindString},
		Doc: "What a router that drains waits for: senders, consumers, clients, neighbors. Postroad's own, as the next ones.",
	}, {
		Name: "drainSenders", Type: config.Type{Kind: config.KindInteger},
		Doc: "Clients' senders that have not given their credit back to the router that drains.",
	}, {
		Name: "drainDeliveries", Type: config.Type{Kind: config.KindInteger},
		Doc: "Deliveries without an outcome in a router that drains.",
	}, {
		Name: "drainClients", Type: config.Type{Kind: config.KindInteger},
		Doc: "Connections of clients to a router that drains.",
	}, {
		Name: "drainProblem", Type: config.Type{Kind: config.KindString},
		Doc: "What was left when the time of a drain was over.",
	}},
	typeRouterNode: {{
		Name: "lastHeardSeconds", Type: config.Type{Kind: config.KindInteger},
		Doc: "Time since the last advertisement of the router, in seconds. Postroad's own.",
	}},
	typeLink: {{
		Name: "connectionId", Type: config.Type{Kind: config.KindEntityID},
		Doc: "Identity of the link's connection.",
	}},
	typeConnection: {{
		Name: "active", Type: config.Type{Kind: config.KindBoolean},
		Doc: "False for an edge uplink that stands by.",
	}},
}

// operations are those of types that can do more than their bases.
var operations = map[string][]string{typeRouter: {opDrain}}

// answeredByCore tells whether Interconnect answers queries for the type in its core. The core never refuses a query
// for an attribute that it does not know, and clients of several versions count on it: such an attribute is null. For
// all other types it is an error. The core also answers the deprecated names of attributes.
func answeredByCore(name string) bool {
	switch name {
	case typeRouter, typeConnection, typeLink, typeAddress, "router.connection.linkRoute",
		typeConfigAddress, "router.config.linkRoute", "router.config.autoLink",
		typeExchange, typeBinding:
		return true
	}
	return false
}

// schema is the table of all entity types, bases first. It is immutable.
type schema struct {
	types  []*typeEntry
	byName map[string]*typeEntry // by short name
}

// newSchema makes the table of the base types and those of [config.Schema] but for Postroad's own configuration.
func newSchema() *schema {
	s := &schema{byName: make(map[string]*typeEntry)}
	root, _ := config.TypeByName(typeRouter)
	common := root.All()[:len(root.All())-len(root.Attributes)]
	for _, t := range baseTypes {
		e := t.entry
		s.add(&e, s.byName[t.extends], common)
	}
	for i := range config.Schema {
		t := &config.Schema[i]
		if t.Extension && t.Configuration() {
			continue
		}
		base := s.byName[typeOperational]
		if t.Configuration() {
			base = s.byName[typeConfiguration]
		}
		s.add(&typeEntry{
			operations: slices.Clone(operations[t.Name]), name: t.Name, doc: t.Doc, singleton: t.Singleton, deprecated: t.Deprecated, extension: t.Extension,
			attributes: slices.Concat(t.Attributes, uncharted[t.Name]),
		}, base, common)
	}
	return s
}

func (s *schema) add(e, base *typeEntry, common []config.Attribute) {
	if base != nil {
		e.bases = append([]*typeEntry{base}, base.bases...)
		e.operations = slices.Concat(e.operations, base.operations)
	}
	e.attributes = slices.Concat(e.attributes, common)
	s.types = append(s.types, e)
	s.byName[e.name] = e
}

// configPrefix starts the names of types that configuration files call by their last word only.
const configPrefix = "router.config."

// lookup finds a type by its long name, its short one, or the word a configuration file has for it. It is nil when
// there is none.
func (s *schema) lookup(name string) *typeEntry {
	if e := s.byName[strings.TrimPrefix(name, config.ExtensionPrefix)]; e != nil && e.extension {
		return e
	}
	short := strings.TrimPrefix(name, config.TypePrefix)
	if e := s.byName[short]; e != nil {
		return e
	}
	return s.byName[configPrefix+short]
}
