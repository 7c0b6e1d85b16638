package management

import (
	"slices"
	"strings"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// read answers READ: the attributes of the one entity that type, name and identity select.
func (n *Node) read(r *request) ([]byte, error) {
	var about *typeEntry
	if r.typeName != "" {
		if about = n.schema.lookup(r.typeName); about == nil {
			return nil, failed(400, "No such entity type '%s': GET-TYPES lists them all", clip(r.typeName))
		}
	}
	management := n.schema.byName[typeManagement]
	if r.name == "" && r.identity == "" {
		if about != nil && !management.isA(about) {
			return nil, failed(400, "%s: No name or identity provided", about.longName())
		}
		r.identity, about = nameSelf, management
	}
	found, err := n.find(r, about)
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, failed(404, "No entity with %s", r.selection())
	}
	return found, nil
}

// find returns the encoded attributes of the entity that name and identity select among those of a type, or of all
// types; nil when there is none. When both are given, both must be right. Within one type the first one counts: links
// of several connections may have the same name.
func (n *Node) find(r *request, about *typeEntry) ([]byte, error) {
	var found []byte
	var types []string
	for _, t := range n.tables {
		if about != nil && !t.entry.isA(about) {
			continue
		}
		for record := range t.rows(n.source) {
			name, identity := record.id()
			if r.name != "" && r.name != name || r.identity != "" && r.identity != identity {
				continue
			}
			found = t.appendAttributes(nil, record)
			types = append(types, t.entry.longName())
			break
		}
	}
	if len(types) > 1 {
		return nil, failed(400, "Several entities have %s: give one of their types (%s) as the property 'type'",
			r.selection(), strings.Join(types, ", "))
	}
	if len(found) > n.maxReply {
		return nil, failed(500, "The answer is too large, more than %d octets: QUERY some of the attributes", n.maxReply)
	}
	return found, nil
}

// selection describes what a request selects, for error messages.
func (r *request) selection() string {
	var words []string
	if r.name != "" {
		words = append(words, "name="+clip(r.name))
	}
	if r.identity != "" {
		words = append(words, "identity="+clip(r.identity))
	}
	return strings.Join(words, " ")
}

// appendAttributes appends the map of all attributes of a record. Absent ones are null in entities that Interconnect's
// core answers for, and left out in all others.
func (t *table) appendAttributes(dst []byte, r record) []byte {
	withNulls := answeredByCore(t.entry.name)
	var content []byte
	pairs := 0
	for i, name := range t.layout {
		start := len(content)
		content = wire.AppendString(content, name)
		value := len(content)
		content = r.appendValue(content, i)
		if wire.IsNull(content[value:]) && !withNulls {
			content = content[:start]
			continue
		}
		pairs++
	}
	return appendPairsMap(slices.Grow(dst, len(content)+16), pairs, content)
}
