package management

import (
	"slices"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// nullColumn stands for an attribute that a table does not have.
const nullColumn = -1

// query answers QUERY: the values of the attributes asked for, of all entities of a type.
func (n *Node) query(r *request) ([]byte, error) {
	about, err := n.entityType(r)
	if err != nil {
		return nil, err
	}
	if r.entityType == "" && about != nil && (r.name != "" || r.identity != "") {
		return nil, failed(501, "Operation 'QUERY' not implemented for '%s': send it to the management node "+
			"(name=self), with the type as entityType", about.longName())
	}
	offset, err := r.natural("offset")
	if err != nil {
		return nil, err
	}
	count, err := r.count()
	if err != nil {
		return nil, err
	}
	names, err := r.attributeNames()
	if err != nil {
		return nil, err
	}
	if names, err = n.columnNames(about, names); err != nil {
		return nil, err
	}
	results := resultSet{names: names, offset: offset, count: count, limit: n.maxReply}
	for _, t := range n.tables {
		if about != nil && !t.entry.isA(about) {
			continue
		}
		if err := results.addAll(t, n.source, about == nil); err != nil {
			return nil, err
		}
		if results.full() {
			break
		}
	}
	return results.appendTo(nil), nil
}

// count returns the property count, 0 for all. A negative one means all as well, as in Interconnect.
func (r *request) count() (int, error) {
	v, _ := r.properties.Get("count")
	if n, ok := integerOf(v); ok && n < 0 {
		return 0, nil
	}
	return r.natural("count")
}

// columnNames returns the attributes that a query about a type answers: those asked for, or all.
func (n *Node) columnNames(about *typeEntry, asked []string) ([]string, error) {
	known := n.attributeNames(about)
	if len(asked) == 0 {
		return known, nil
	}
	if about != nil && answeredByCore(about.name) {
		return asked, nil
	}
	var unknown []string
	for _, name := range asked {
		if !slices.Contains(known, name) {
			unknown = append(unknown, clip(name))
		}
	}
	if len(unknown) > 0 {
		where := ""
		if about != nil {
			where = " for type " + about.longName()
		}
		return nil, failed(404, "Unknown attributes %q%s: GET-ATTRIBUTES lists the known ones",
			unknown[:min(len(unknown), 10)], where)
	}
	return asked, nil
}

// attributeNames returns the names of all attributes of a type, or of all types, in the order of answers.
func (n *Node) attributeNames(about *typeEntry) []string {
	var names []string
	seen := map[string]bool{}
	for _, t := range n.tables {
		if about != nil && t.entry != about {
			continue
		}
		for _, name := range t.layout {
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names
}

// resultSet collects the rows of a query.
type resultSet struct {
	names         []string
	offset, count int // rows to skip, and to take after that (0 = all)
	limit         int // octets

	rows    int
	content []byte // the rows, encoded
	row     []byte // the row being encoded
}

// full tells whether as many rows were taken as were asked for.
func (s *resultSet) full() bool { return s.count > 0 && s.rows == s.count }

// addAll adds the rows of a table, but those that have none of the attributes asked for when sparse is set. It fails
// when the rows take too much room.
func (s *resultSet) addAll(t *table, src Source, sparse bool) error {
	columns := make([]int, len(s.names))
	known := 0
	for i, name := range s.names {
		columns[i] = nullColumn
		if at, ok := t.index[name]; ok {
			columns[i] = at
			known++
		}
	}
	if known == 0 && sparse {
		return nil
	}
	for r := range t.rows(src) {
		if sparse && !s.encode(r, columns) {
			continue
		}
		if s.offset > 0 {
			s.offset--
			continue
		}
		if !sparse {
			s.encode(r, columns)
		}
		s.content = append(wire.AppendListHeader(s.content, len(s.row), len(columns)), s.row...)
		s.rows++
		if len(s.content) > s.limit {
			return failed(500, "The answer is too large, more than %d octets: ask for fewer rows with the properties "+
				"'count' and 'offset' (%d rows fit), or for fewer attributes with attributeNames", s.limit, s.rows-1)
		}
		if s.full() {
			return nil
		}
	}
	return nil
}

// encode encodes the columns of one record as the current row and tells whether any of them has a value.
func (s *resultSet) encode(r record, columns []int) (any bool) {
	s.row = s.row[:0]
	for _, c := range columns {
		if c == nullColumn {
			s.row = wire.AppendNull(s.row)
			continue
		}
		start := len(s.row)
		s.row = r.appendValue(s.row, c)
		any = any || !wire.IsNull(s.row[start:])
	}
	return any
}

// appendTo appends the body of the answer.
func (s *resultSet) appendTo(dst []byte) []byte {
	pairs := wire.AppendString(nil, "attributeNames")
	pairs = appendTexts(pairs, s.names)
	pairs = wire.AppendString(pairs, "results")
	pairs = wire.AppendListHeader(pairs, len(s.content), s.rows)
	const keysAndHeaders = 64
	dst = slices.Grow(dst, len(pairs)+len(s.content)+keysAndHeaders)
	dst = wire.AppendMapHeader(dst, len(pairs)+len(s.content), 2)
	return append(append(dst, pairs...), s.content...)
}
