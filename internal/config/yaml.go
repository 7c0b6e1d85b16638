package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// yamlParser turns the nodes of a YAML document into sections.
type yamlParser struct {
	file     string
	values   int // values made so far, aliases expanded
	problems Problems
}

// parseYAML reads the layout of Postroad: one key per entity type, holding a map or a list of maps.
func parseYAML(file string, data []byte) ([]section, Problems) {
	p := &yamlParser{file: file}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		p.syntaxError(err)
		return nil, p.problems
	}
	var more yaml.Node
	switch err := decoder.Decode(&more); {
	case err == nil:
		p.problems.errorf(p.at(&more), "remove the --- and what follows", "a second document in the file")
	case !errors.Is(err, io.EOF):
		p.syntaxError(err)
	}
	if len(document.Content) == 0 {
		return nil, p.problems
	}
	return p.document(document.Content[0]), p.problems
}

var yamlLine = regexp.MustCompile(`^line (\d+): `)

// syntaxError adds an error of the YAML library with the line it names.
func (p *yamlParser) syntaxError(err error) {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	at := Position{File: p.file}
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		at.Line, _ = strconv.Atoi(m[1])
		message = message[len(m[0]):]
	}
	p.problems.errorf(at, "", "not YAML: %s", message)
}

// at returns the position of a node.
func (p *yamlParser) at(n *yaml.Node) Position {
	return Position{File: p.file, Line: n.Line, Column: n.Column}
}

// document turns the top-level map into sections.
func (p *yamlParser) document(root *yaml.Node) []section {
	top := p.value(root, 0)
	if top.shape == shapeNull {
		return nil
	}
	if top.shape != shapeMap {
		p.problems.errorf(top.at, "router:, listeners:, …", "the file holds %s where a map of entities is wanted", top.shape)
		return nil
	}
	var sections []section
	for _, entry := range top.entries {
		sections = append(sections, p.entities(entry)...)
	}
	return sections
}

// entities turns one top-level entry into sections.
func (p *yamlParser) entities(entry setting) []section {
	entityType, ok := typeByKey(entry.name)
	if !ok {
		p.problems.errorf(entry.at, didYouMean(entry.name, yamlKeys()), "unknown key %q", entry.name)
		return nil
	}
	v := entry.value
	if entityType.Singleton {
		if v.shape != shapeMap {
			p.problems.errorf(v.at, "write its attributes as a map", "%s holds %s", entry.name, v.shape)
			return nil
		}
		return []section{{entityType.Section, entry.at, v.entries}}
	}
	if v.shape == shapeNull {
		return nil
	}
	if v.shape != shapeList {
		p.problems.errorf(v.at, "begin each of them with a dash", "%s holds %s where a list is wanted", entry.name, v.shape)
		return nil
	}
	var sections []section
	for _, item := range v.items {
		if item.shape != shapeMap {
			p.problems.errorf(item.at, "write its attributes as a map", "an entry of %s is %s", entry.name, item.shape)
			continue
		}
		sections = append(sections, section{entityType.Section, item.at, item.entries})
	}
	return sections
}

// value converts a node and everything below it.
func (p *yamlParser) value(n *yaml.Node, depth int) value {
	v := value{at: p.at(n), shape: shapeNull}
	p.values++
	if depth > maxDepth || p.values > maxValues {
		if p.values <= maxValues+1 {
			p.problems.errorf(v.at, "", "more than %d levels or %d values", maxDepth, maxValues)
		}
		p.values = maxValues + 1
		return v
	}
	switch n.Kind {
	case yaml.AliasNode:
		aliased := p.value(n.Alias, depth+1)
		aliased.at = v.at
		return aliased
	case yaml.ScalarNode:
		v.text = n.Value
		v.shape = scalarShape(n)
	case yaml.SequenceNode:
		v.shape = shapeList
		for _, item := range n.Content {
			v.items = append(v.items, p.value(item, depth+1))
		}
	case yaml.MappingNode:
		v.shape = shapeMap
		v.entries = p.entries(n, depth)
	}
	return v
}

// entries converts the entries of a map and reports keys that are no names or come twice.
func (p *yamlParser) entries(n *yaml.Node, depth int) []setting {
	var entries []setting
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode {
			p.problems.errorf(p.at(key), "", "a key that is no name")
			continue
		}
		if first, twice := lines[key.Value]; twice {
			p.problems.errorf(p.at(key), "", "%q is given twice, first in line %d", key.Value, first)
			continue
		}
		lines[key.Value] = key.Line
		entries = append(entries, setting{key.Value, p.at(key), p.value(n.Content[i+1], depth+1)})
	}
	return entries
}

// scalarShape says what a scalar is according to YAML.
func scalarShape(n *yaml.Node) shape {
	switch n.ShortTag() {
	case "!!null":
		return shapeNull
	case "!!bool":
		return shapeBoolean
	case "!!int", "!!float":
		return shapeNumber
	default:
		return shapeText
	}
}

// typeByKey finds the entity type of a top-level key.
func typeByKey(key string) (*EntityType, bool) {
	for i := range Schema {
		if e := &Schema[i]; e.Key == key && key != "" {
			return e, true
		}
	}
	return nil, false
}

// yamlKeys lists the top-level keys of a YAML file.
func yamlKeys() []string {
	var keys []string
	for i := range Schema {
		if Schema[i].Key != "" {
			keys = append(keys, Schema[i].Key)
		}
	}
	return keys
}
