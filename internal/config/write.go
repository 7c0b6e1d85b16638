package config

import (
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// spelledOut are attributes that are written even when they have their default.
var spelledOut = []string{"mode", "host", "port", "distribution"}

// WriteYAML writes the configuration in YAML: every attribute that differs from its default, under its current name.
// Reading it gives the same configuration, unless something in it was tolerated that YAML refuses: see
// [Problem.Tolerated]. The notes are what was found in the file it was read from; they
// become comments at the top, as do sections that YAML has no key for.
func (c *Config) WriteYAML(w io.Writer, notes Problems) error {
	root := &yaml.Node{Kind: yaml.MappingNode}
	comments := make([]string, 0, len(notes)+2)
	for _, n := range notes {
		comments = append(comments, n.String())
	}
	for _, e := range c.entities() {
		c.trim(&e)
		if len(e.Attributes) > 0 {
			appendEntity(root, mustType(e.Type), e.Attributes)
		}
	}
	for _, e := range c.Unsupported {
		entityType := mustType(e.Type)
		if entityType.Key == "" {
			comments = append(comments, fmt.Sprintf("%s: left out: %s %v", e.Position, entityType.Section, e.Attributes))
			continue
		}
		appendEntity(root, entityType, e.Attributes)
	}
	if c.Format != FormatYAML && c.relativePaths() {
		comments = append(comments, "Relative paths are relative to this file; they were relative to the working directory.")
	}
	for _, comment := range comments {
		if _, err := fmt.Fprintf(w, "# %s\n", oneLine(comment)); err != nil {
			return err
		}
	}
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(root); err != nil {
		return err
	}
	return encoder.Close()
}

// trim removes the attributes that reading the YAML adds by itself.
func (c *Config) trim(e *Entity) {
	entityType := mustType(e.Type)
	if e.Type == "router" && c.Router.GeneratedID {
		delete(e.Attributes, "id")
	}
	profile, secured := "", false
	if e.Type == "listener" {
		profile, _ = e.Attributes["sslProfile"].(string)
		_, secured = c.Profile(profile)
	}
	for _, a := range entityType.Attributes {
		v, set := e.Attributes[a.Name]
		if !set || slices.Contains(spelledOut, a.Name) {
			continue
		}
		implied := a.Default
		switch {
		case secured && a.Name == "requireSsl":
			implied = true
		case secured && a.Name == "authenticatePeer":
			p, _ := c.Profile(profile)
			implied = p.CACertFile != ""
		}
		switch v.(type) {
		case string, int, bool:
			if v == implied {
				delete(e.Attributes, a.Name)
			}
		}
	}
}

// relativePaths reports whether an attribute of the configuration is a relative path.
func (c *Config) relativePaths() bool {
	for _, e := range c.entities() {
		for _, a := range mustType(e.Type).Attributes {
			path, _ := e.Attributes[a.Name].(string)
			if a.Has(Hidden) {
				path, _ = strings.CutPrefix(path, "file:")
			} else if a.Type.Kind != KindPath {
				continue
			}
			if path != "" && !filepath.IsAbs(path) && strings.ContainsAny(path, "/.") {
				return true
			}
		}
	}
	return false
}

// appendEntity adds an entity under the key of its type.
func appendEntity(root *yaml.Node, entityType *EntityType, attributes map[string]any) {
	entity := &yaml.Node{Kind: yaml.MappingNode}
	for _, a := range entityType.All() {
		v, ok := attributes[a.Name]
		if !ok {
			continue
		}
		if text, ok := v.(string); ok {
			if n, err := strconv.Atoi(text); err == nil && strconv.Itoa(n) == text {
				v = n // a port, say; needs no quotes
			}
		}
		entity.Content = append(entity.Content, textNode(a.Name), valueNode(v))
	}
	i := slices.IndexFunc(root.Content, func(n *yaml.Node) bool { return n.Value == entityType.Key })
	switch {
	case entityType.Singleton:
		root.Content = append(root.Content, textNode(entityType.Key), entity)
	case i < 0:
		root.Content = append(root.Content, textNode(entityType.Key),
			&yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{entity}})
	default:
		items := root.Content[i+1]
		items.Content = append(items.Content, entity)
	}
}

// textNode returns the node of a text, quoted if it would otherwise be read as something else.
func textNode(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	if strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' }) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// valueNode returns the node of a value as value.plain makes them.
func valueNode(v any) *yaml.Node {
	switch v := v.(type) {
	case nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v)}
	case int:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(v)}
	case float64:
		text := strconv.FormatFloat(v, 'g', -1, 64)
		if v == math.Trunc(v) && !strings.ContainsAny(text, ".e") {
			text += ".0"
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!float", Value: text}
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, item := range v {
			n.Content = append(n.Content, valueNode(item))
		}
		return n
	case map[string]any:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			n.Content = append(n.Content, textNode(key), valueNode(v[key]))
		}
		if len(v) == 0 {
			n.Style = yaml.FlowStyle
		}
		return n
	default:
		return textNode(fmt.Sprint(v))
	}
}

// oneLine makes a text fit for a comment.
func oneLine(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == '\u0085' || c == '\u2028' || c == '\u2029' || c == '\ufeff' {
			return ' '
		}
		return c
	}, s)
}
