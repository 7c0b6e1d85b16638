package config

import (
	"strconv"
	"strings"
)

// Bounds of what is read, so that a hostile file costs little.
const (
	maxFileSize = 4 << 20 // octets
	maxDepth    = 32      // maps and lists inside each other
	maxValues   = 65535   // values in a file, aliases expanded
)

// section is one entity of a file as the parsers see it.
type section struct {
	name     string // as written; in YAML already that of the entity type
	at       Position
	settings []setting
}

// setting is one attribute, or one entry of a map.
type setting struct {
	name  string
	at    Position
	value value
}

// shape is the syntactic form of a value.
type shape uint8

const (
	shapeText    shape = iota // text, or a scalar whose type its attribute decides
	shapeNumber               // number
	shapeBoolean              // true or false
	shapeNull                 // null, or nothing at all
	shapeList
	shapeMap
)

// String names the shape for error messages.
func (s shape) String() string {
	return [...]string{"text", "a number", "a boolean", "nothing", "a list", "a map"}[s]
}

// value is a value as written, with its position.
type value struct {
	at      Position
	shape   shape
	text    string    // of a scalar, as written
	items   []value   // of a list
	entries []setting // of a map
}

// scalar reports whether the value is text, a number or a boolean.
func (v value) scalar() bool { return v.shape <= shapeBoolean }

// plain returns the value as string, int, float64, bool, nil, []any or map[string]any. A number that is neither an int
// nor a float64 stays text.
func (v value) plain() any {
	switch v.shape {
	case shapeNumber:
		if n, err := strconv.Atoi(v.text); err == nil {
			return n
		}
		if f, err := strconv.ParseFloat(v.text, 64); err == nil {
			return f
		}
		return v.text
	case shapeBoolean:
		return strings.EqualFold(v.text, "true")
	case shapeNull:
		return nil
	case shapeList:
		items := make([]any, len(v.items))
		for i, item := range v.items {
			items[i] = item.plain()
		}
		return items
	case shapeMap:
		entries := make(map[string]any, len(v.entries))
		for _, e := range v.entries {
			entries[e.name] = e.value.plain()
		}
		return entries
	default:
		return v.text
	}
}
