package management

import (
	"iter"
	"time"
)

// Source is what there is to show, and what may be done. The router implements it.
//
// Methods are called from within [Node.Handle], on its goroutine; a Source must allow calls from several goroutines
// at once when Handle is called so. Each sequence is a snapshot as of the call: rows must not change while they are
// read. The node reads a sequence at most once and stops as soon as it has enough, so a Source need not hold all rows
// at once. Rows come in an order that stays the same while nothing is added or removed, because clients page through
// them by offset.
type Source interface {
	Router() Router
	Connections() iter.Seq[Connection]
	Links() iter.Seq[Link]
	Addresses() iter.Seq[Address]
	Exchanges() iter.Seq[Exchange]
	Bindings() iter.Seq[Binding]
	RouterNodes() iter.Seq[RouterNode] // empty in a standalone router; else the router itself is one of them
	Members() iter.Seq[Member]         // that gossip knows; empty without gossip
	Policy() Policy
	LogStats() iter.Seq[LogStats] // one per log module
	Configuration() iter.Seq[ConfigEntity]
	// Log returns the most recent log entries, at most limit of them, oldest first. A limit of 0 means all that are
	// kept.
	Log(limit int) []LogEntry
	// BeginDrain has the router let its traffic move away and end. It returns at once, and may be called again.
	BeginDrain()
}

// ConfigEntity is an entity that comes from the configuration, such as a listener. The router entity with its
// configured attributes is one of them.
//
// Attributes holds the values by attribute name: string, bool, int, int32, int64, uint32, uint64, []string, []any,
// map[string]any, or nil for absent. Names that the schema of the type does not have are left out of answers, hidden
// ones are answered as null. The router may add operational values, such as a connector's connectionStatus.
type ConfigEntity struct {
	Type       string // short name, such as router.config.address
	Name       string // the configured name, else the identity
	Identity   string // unique among entities of the type, such as listener/0.0.0.0:5672:clients
	Attributes map[string]any
}

// LogEntry is one line of the router's log.
type LogEntry struct {
	Module string // such as ROUTER_CORE
	Level  string // such as notice
	Text   string
	File   string // source file, empty when not recorded
	Line   int
	Time   time.Time
}
