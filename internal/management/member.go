package management

import "github.com/postroad/postroad/internal/config"

// Member is the row of the entity member: one router that gossip knows, this one included.
type Member struct {
	ID        string
	Site      string
	Role      string   // interior or edge
	Endpoints []string // transport://host:port
	Relays    []string
	Lost      bool
	Since     int64 // seconds since 1970
	Instance  uint64
	Self      bool
	Planned   bool // a link to it is planned
	Linked    bool // there is an adjacency
}

// memberColumns lists the attributes of member.
var memberColumns = []column[Member]{
	text("id", func(m *Member) string { return m.ID }),
	text("site", func(m *Member) string { return m.Site }),
	text("role", func(m *Member) string { return m.Role }),
	texts("endpoints", func(m *Member) []string { return m.Endpoints }),
	texts("relays", func(m *Member) []string { return m.Relays }),
	text("state", func(m *Member) string {
		if m.Lost {
			return "lost"
		}
		return "present"
	}),
	long("since", func(m *Member) int64 { return m.Since }),
	ulong("instance", func(m *Member) uint64 { return m.Instance }),
	boolean("self", func(m *Member) bool { return m.Self }),
	boolean("planned", func(m *Member) bool { return m.Planned }),
	boolean("linked", func(m *Member) bool { return m.Linked }),
	text("name", func(m *Member) string { return typeMember + "/" + m.ID }),
	text("identity", func(m *Member) string { return typeMember + "/" + m.ID }),
	text("type", func(*Member) string { return config.ExtensionPrefix + typeMember }),
}
