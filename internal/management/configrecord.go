package management

import (
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// configColumn is an attribute whose value comes from a [ConfigEntity].
type configColumn struct {
	from   string // its name there
	hidden bool   // a secret
}

// configRecord is a configuration entity as a record.
type configRecord struct {
	columns []configColumn
	entry   *typeEntry
	entity  ConfigEntity
}

func (r *configRecord) id() (name, identity string) { return r.entity.Name, r.entity.Identity }

func (r *configRecord) appendValue(dst []byte, i int) []byte {
	c := &r.columns[i]
	switch {
	case c.from == "name":
		return appendText(dst, r.entity.Name)
	case c.from == "identity":
		return appendText(dst, r.entity.Identity)
	case c.from == "type":
		return appendString(dst, r.entry.fullName())
	case c.hidden:
		return wire.AppendNull(dst)
	}
	v := r.entity.Attributes[c.from]
	if v == nil && r.entry.name == typeConfigAddress {
		v = addressDefault(c.from, r.entity.Attributes["waypoint"] == true)
	}
	return appendAny(dst, v)
}

// addressDefault returns what Interconnect answers for an attribute of an address that its configuration leaves out.
func addressDefault(name string, waypoint bool) any {
	switch {
	case name == "priority":
		return -1
	case name == "egressPhase" && waypoint:
		return 1
	case name == "ingressPhase", name == "egressPhase":
		return 0
	}
	return nil
}

// configRows yields the configuration entities of type e.
func configRows(e *typeEntry, columns []configColumn) func(Source) iter.Seq[record] {
	return func(src Source) iter.Seq[record] {
		return func(yield func(record) bool) {
			for entity := range src.Configuration() {
				if entity.Type == e.name && !yield(&configRecord{columns, e, entity}) {
					return
				}
			}
		}
	}
}

// mergedRecord is a row of this package followed by what the configuration entity of the same type adds.
type mergedRecord struct {
	record
	own  int // number of values of the row
	rest *configRecord
}

func (r *mergedRecord) appendValue(dst []byte, i int) []byte {
	if i < r.own {
		return r.record.appendValue(dst, i)
	}
	return r.rest.appendValue(dst, i-r.own)
}

// mergedRows yields the rows of known with the attributes that the first configuration entity of type e adds.
func mergedRows(e *typeEntry, known rowSet, columns []configColumn) func(Source) iter.Seq[record] {
	return func(src Source) iter.Seq[record] {
		return func(yield func(record) bool) {
			rest := &configRecord{columns: columns, entry: e}
			for entity := range src.Configuration() {
				if entity.Type == e.name {
					rest.entity = entity
					break
				}
			}
			for r := range known.each(src) {
				if !yield(&mergedRecord{record: r, own: len(known.names), rest: rest}) {
					return
				}
			}
		}
	}
}

// secret tells whether the value of an attribute or property of this name must not be shown, whatever its schema says.
func secret(name string) bool {
	return strings.HasSuffix(strings.ToLower(name), "password")
}

// appendAny appends a value of the configuration: integers as int, or long where they need it, as Interconnect does.
func appendAny(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return wire.AppendNull(dst)
	case string:
		return appendString(dst, v)
	case bool:
		return wire.AppendBool(dst, v)
	case int:
		return appendInteger(dst, int64(v))
	case int32:
		return wire.AppendInt32(dst, v)
	case int64:
		return appendInteger(dst, v)
	case uint32:
		return appendInteger(dst, int64(v))
	case uint64:
		if v > math.MaxInt64 {
			return wire.AppendUlong(dst, v)
		}
		return appendInteger(dst, int64(v))
	case []string:
		return appendTexts(dst, v)
	case []any:
		return appendList(dst, v, appendAny)
	case map[string]any:
		return appendMap(dst, v)
	}
	return appendString(dst, fmt.Sprint(v))
}

// appendMap appends a map with its keys in order.
func appendMap(dst []byte, m map[string]any) []byte {
	var content []byte
	for _, k := range slices.Sorted(maps.Keys(m)) {
		content = appendString(content, k)
		if secret(k) {
			content = wire.AppendNull(content)
			continue
		}
		content = appendAny(content, m[k])
	}
	return append(wire.AppendMapHeader(dst, len(content), len(m)), content...)
}

// appendProperties appends a map of properties as a peer gave it, with strings in place of symbols, for clients that
// look up strings. A malformed map or pair is left out.
func appendProperties(dst []byte, properties wire.Raw) []byte {
	var content []byte
	pairs := 0
	if len(properties) > 0 && !wire.IsNull(properties) {
		if _, b, _, err := wire.ReadMapHeader(properties); err == nil {
			content, pairs = appendPairs(content, b)
		}
	}
	return append(wire.AppendMapHeader(dst, len(content), pairs), content...)
}

func appendPairs(dst, b []byte) (content []byte, pairs int) {
	for len(b) > 0 {
		n, err := wire.Skip(b)
		if err != nil || n == len(b) {
			break
		}
		value := b[n:]
		size, err := wire.Skip(value)
		if err != nil {
			break
		}
		key, _, keyErr := wire.ReadText(b[:n])
		b = value[size:]
		if keyErr != nil {
			continue
		}
		pairs++
		dst = wire.AppendString(dst, key)
		switch symbol, _, err := wire.ReadSymbol(value[:size]); {
		case secret(string(key)):
			dst = wire.AppendNull(dst)
		case err == nil:
			dst = wire.AppendString(dst, symbol)
		default:
			dst = append(dst, value[:size]...)
		}
	}
	return dst, pairs
}

// decimal is a number as text, the form of the identities of connections and links.
func decimal(n uint64) string { return strconv.FormatUint(n, 10) }
