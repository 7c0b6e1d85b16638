package management

import (
	"iter"
	"slices"

	"github.com/postroad/postroad/internal/config"
)

// record is one entity while it is being encoded: its values by position in the layout of its table.
type record interface {
	id() (name, identity string)
	appendValue(dst []byte, i int) []byte
}

// table ties an entity type to its rows.
type table struct {
	entry  *typeEntry
	layout []string                          // attribute names in the order in which answers list them
	index  map[string]int                    // position in layout
	rows   func(src Source) iter.Seq[record] // a record is valid until the next one is asked for
}

// newTable makes the table of an entry. Attributes that known does not cover are taken from configuration entities.
func newTable(e *typeEntry, known rowSet) *table {
	t := &table{entry: e, layout: slices.Clone(known.names), index: map[string]int{}}
	var rest []configColumn
	add := func(name string, a config.Attribute) {
		if !slices.Contains(t.layout, name) {
			rest = append(rest, configColumn{from: a.Name, hidden: a.Has(config.Hidden) || secret(a.Name)})
			t.layout = append(t.layout, name)
		}
	}
	for _, a := range e.attributes {
		add(a.Name, a)
	}
	for _, a := range e.attributes {
		for _, alias := range aliases(e, a) {
			add(alias, a)
		}
	}
	for i, name := range t.layout {
		t.index[name] = i
	}
	switch {
	case known.each == nil:
		t.rows = configRows(e, rest)
	case len(rest) == 0:
		t.rows = known.each
	default:
		t.rows = mergedRows(e, known, rest)
	}
	return t
}

// aliases returns other names under which the value of an attribute is answered too: those that Interconnect's core
// has for attributes of link routes, auto links and addresses.
func aliases(e *typeEntry, a config.Attribute) []string {
	switch {
	case a.Name == "enableFallback":
		return []string{"fallback"}
	case e.name == "router.config.linkRoute", e.name == "router.config.autoLink":
		return a.Aliases
	}
	return nil
}

// rowSet is the source of the rows that this package defines itself: the names of their attributes, and the rows.
type rowSet struct {
	names []string
	each  func(src Source) iter.Seq[record] // nil: there are none
}

// rowRecord is a record of a row type with its columns.
type rowRecord[R any] struct {
	columns []column[R]
	key     func(*R) (name, identity string)
	row     R
}

func (r *rowRecord[R]) id() (name, identity string) { return r.key(&r.row) }

func (r *rowRecord[R]) appendValue(dst []byte, i int) []byte { return r.columns[i].append(dst, &r.row) }

// typedRows makes the row set of a row type: get gives the rows, key tells their names and identities.
func typedRows[R any](
	columns []column[R], get func(Source) iter.Seq[R], key func(*R) (name, identity string),
) rowSet {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	return rowSet{names: names, each: func(src Source) iter.Seq[record] {
		return func(yield func(record) bool) {
			r := &rowRecord[R]{columns: columns, key: key}
			for r.row = range get(src) {
				if !yield(r) {
					return
				}
			}
		}
	}}
}

// one is a sequence of one value.
func one[R any](r R) iter.Seq[R] {
	return func(yield func(R) bool) { yield(r) }
}

// none is the empty row set of types that never have entities here.
func none(names []string) rowSet {
	return rowSet{names: names, each: func(Source) iter.Seq[record] { return func(func(record) bool) {} }}
}

// rowsOf returns the row set of a type whose rows this package defines. For all other types it is empty, which leaves
// everything to the configuration.
func rowsOf(name string) rowSet {
	switch name {
	case typeRouter:
		return typedRows(routerColumns, func(s Source) iter.Seq[Router] { return one(s.Router()) },
			func(r *Router) (string, string) { return r.ID, "1" })
	case typeConnection:
		return typedRows(connectionColumns, Source.Connections,
			func(c *Connection) (string, string) { return "connection/" + c.Host, decimal(c.ID) })
	case typeLink:
		return typedRows(linkColumns, Source.Links,
			func(l *Link) (string, string) { return l.Name, decimal(l.ID) })
	case typeAddress:
		return typedRows(addressColumns, Source.Addresses,
			func(a *Address) (string, string) { return a.Key, a.Key })
	case typeExchange:
		return typedRows(exchangeColumns, Source.Exchanges,
			func(x *Exchange) (string, string) { return x.Name, decimal(x.ID) })
	case typeBinding:
		return typedRows(bindingColumns, Source.Bindings,
			func(b *Binding) (string, string) { return b.Name, decimal(b.ID) })
	case typeRouterNode:
		return typedRows(routerNodeColumns, Source.RouterNodes, func(n *RouterNode) (string, string) {
			return typeRouterNode + "/" + n.ID, typeRouterNode + "/" + n.ID
		})
	case typeMember:
		return typedRows(memberColumns, Source.Members,
			func(m *Member) (string, string) { return typeMember + "/" + m.ID, typeMember + "/" + m.ID })
	case typePolicy:
		return typedRows(policyColumns, func(s Source) iter.Seq[Policy] { return one(s.Policy()) },
			func(*Policy) (string, string) { return typePolicy, typePolicy })
	case typeLogStats:
		return typedRows(logStatsColumns, Source.LogStats,
			func(l *LogStats) (string, string) { return l.Module, typeLogStats + "/" + l.Module })
	case typeManagement:
		return typedRows(selfColumns, func(Source) iter.Seq[self] { return one(self{}) },
			func(*self) (string, string) { return nameSelf, nameSelf })
	case typeEntity, typeConfiguration, typeOperational, typeManagementNode:
		return none(nil)
	}
	return rowSet{}
}

// self is the row of the management node.
type self struct{}

// nameSelf is the name and the identity of the management node.
const nameSelf = "self"

var selfColumns = []column[self]{
	text("name", func(*self) string { return nameSelf }),
	text("identity", func(*self) string { return nameSelf }),
	text("type", func(*self) string { return config.TypePrefix + typeManagement }),
}
