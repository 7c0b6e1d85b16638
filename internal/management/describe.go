package management

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/config"
)

// getTypes answers GET-TYPES: type → the types it extends, of all types that are or extend about.
func (n *Node) getTypes(about *typeEntry) []byte {
	return n.mapTypes(func(dst []byte, e *typeEntry) []byte {
		if about != nil && !e.isA(about) {
			return dst
		}
		dst = wire.AppendString(dst, e.fullName())
		return appendList(dst, e.bases, func(dst []byte, base *typeEntry) []byte {
			return wire.AppendString(dst, base.fullName())
		})
	})
}

// getAttributes answers GET-ATTRIBUTES: type → the names of its attributes.
func (n *Node) getAttributes(about *typeEntry) []byte {
	return n.mapTypes(func(dst []byte, e *typeEntry) []byte {
		if about != nil && e != about {
			return dst
		}
		return appendTexts(wire.AppendString(dst, e.longName()), n.attributeNames(e))
	})
}

// getOperations answers GET-OPERATIONS: type → its operations.
func (n *Node) getOperations(about *typeEntry) []byte {
	return n.mapTypes(func(dst []byte, e *typeEntry) []byte {
		if about != nil && e != about {
			return dst
		}
		return appendTexts(wire.AppendString(dst, e.longName()), e.operations)
	})
}

// mapTypes returns a map of what appendPair appends for each type: a key and a value, or nothing.
func (n *Node) mapTypes(appendPair func(dst []byte, e *typeEntry) []byte) []byte {
	var content []byte
	pairs := 0
	for _, e := range n.schema.types {
		before := len(content)
		if content = appendPair(content, e); len(content) > before {
			pairs++
		}
	}
	return appendPairsMap(nil, pairs, content)
}

// getMgmtNodes answers GET-MGMT-NODES: the addresses of the management nodes of all routers of the mesh.
func (n *Node) getMgmtNodes() []byte {
	var addresses []string
	for node := range n.source.RouterNodes() {
		addresses = append(addresses, topological(node.ID, "$management"))
	}
	return appendTexts(nil, addresses)
}

// getLog answers GET-LOG: the most recent entries of the log.
func (n *Node) getLog(r *request) ([]byte, error) {
	limit, err := r.natural("limit")
	if err != nil {
		return nil, err
	}
	entries := n.source.Log(limit)
	if limit > 0 && len(entries) > limit {
		entries = entries[len(entries)-limit:]
	}
	b := appendList(nil, entries, appendLogEntry)
	if len(b) > n.maxReply {
		return nil, failed(500, "The answer is too large, more than %d octets: ask for fewer entries with the property "+
			"'limit'", n.maxReply)
	}
	return b, nil
}

// appendLogEntry appends [module, level, text, file, line, seconds since 1970].
func appendLogEntry(dst []byte, e LogEntry) []byte {
	row := appendString(nil, e.Module)
	row = appendText(row, e.Level)
	row = appendString(row, e.Text)
	row = appendText(row, e.File)
	if e.File == "" {
		row = wire.AppendNull(row)
	} else {
		row = appendInteger(row, int64(e.Line))
	}
	row = appendInteger(row, e.Time.Unix())
	return append(wire.AppendListHeader(dst, len(row), 6), row...)
}

// getSchema answers GET-SCHEMA: the schema as a map.
func (n *Node) getSchema() ([]byte, error) {
	return wire.AppendValue(nil, n.schema.dump())
}

// getJSONSchema answers GET-JSON-SCHEMA: the schema as text, indented by the property indent.
func (n *Node) getJSONSchema(r *request) ([]byte, error) {
	indent, err := r.natural("indent")
	if err != nil {
		return nil, err
	}
	if indent > 16 {
		return nil, failed(400, "Property 'indent' is %d: give at most 16", indent)
	}
	text, err := appendJSON(nil, n.schema.dump())
	if err != nil {
		return nil, err
	}
	if indent > 0 {
		var indented bytes.Buffer
		if err := json.Indent(&indented, text, "", strings.Repeat(" ", indent)); err != nil {
			return nil, err
		}
		text = indented.Bytes()
	}
	return wire.AppendString(nil, text), nil
}

// dump returns the schema in the form of Interconnect's: {prefix, entityTypes: {short name: type}}. Types that start
// with router.config. have the names that configuration files use, and Postroad's own their long names.
func (s *schema) dump() wire.Map {
	var types wire.Map
	for _, e := range s.types {
		name := strings.TrimPrefix(e.name, configPrefix)
		if e.extension {
			name = e.longName()
		}
		types = append(types, wire.MapEntry{Key: name, Value: e.dump()})
	}
	return wire.Map{
		{Key: "prefix", Value: strings.TrimSuffix(config.TypePrefix, ".")},
		{Key: "entityTypes", Value: types},
	}
}

// dump describes an entity type. Properties that do not hold are left out.
func (e *typeEntry) dump() wire.Map {
	var attributes wire.Map
	for _, a := range e.attributes {
		if a.Name != "type" { // stands outside, as fullyQualifiedType
			attributes = append(attributes, wire.MapEntry{Key: a.Name, Value: dumpAttribute(a)})
		}
	}
	m := wire.Map{{Key: "attributes", Value: attributes}}
	if len(e.operations) > 0 {
		m = append(m, wire.MapEntry{Key: "operations", Value: listOf(e.operations)})
	}
	m = append(m,
		wire.MapEntry{Key: "description", Value: e.doc},
		wire.MapEntry{Key: "fullyQualifiedType", Value: e.fullName()})
	if e.deprecated {
		m = append(m, wire.MapEntry{Key: "deprecated", Value: true})
	}
	if e.singleton {
		m = append(m, wire.MapEntry{Key: "singleton", Value: true})
	}
	return m
}

func dumpAttribute(a config.Attribute) wire.Map {
	m := wire.Map{{Key: "type", Value: any(a.Type.Kind.String())}}
	if a.Type.Kind == config.KindEnum {
		m[0].Value = listOf(a.Type.Tags)
	}
	switch v := a.Default.(type) {
	case nil:
	case int:
		m = append(m, wire.MapEntry{Key: "default", Value: int64(v)})
	default:
		m = append(m, wire.MapEntry{Key: "default", Value: v})
	}
	for _, f := range []struct {
		name string
		flag config.Flags
	}{
		{"required", config.Required}, {"unique", config.Unique}, {"deprecated", config.Deprecated},
		{"graph", config.Graph},
	} {
		if a.Has(f.flag) {
			m = append(m, wire.MapEntry{Key: f.name, Value: true})
		}
	}
	return append(m, wire.MapEntry{Key: "description", Value: a.Doc})
}

// listOf returns texts as an AMQP list.
func listOf(texts []string) wire.List {
	l := make(wire.List, len(texts))
	for i, t := range texts {
		l[i] = t
	}
	return l
}

// appendJSON appends maps, lists and plain values of the schema as JSON, maps in their order.
func appendJSON(dst []byte, v any) ([]byte, error) {
	var err error
	switch v := v.(type) {
	case wire.Map:
		for i, e := range v {
			dst = append(dst, "{,"[min(i, 1)])
			if dst, err = appendJSON(dst, e.Key); err != nil {
				return nil, err
			}
			if dst, err = appendJSON(append(dst, ':'), e.Value); err != nil {
				return nil, err
			}
		}
		if len(v) == 0 {
			dst = append(dst, '{')
		}
		return append(dst, '}'), nil
	case wire.List:
		dst = append(dst, '[')
		for i, item := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = appendJSON(dst, item); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	}
	b, err := json.Marshal(v)
	return append(dst, b...), err
}
