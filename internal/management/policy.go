package management

import "github.com/postroad/postroad/internal/config"

// Policy is the row of the entity policy: the limits in force and how often they were hit.
type Policy struct {
	MaxConnections          int64 // that may be open at once
	MaxMessageSize          int64 // octets, 0 = no limit
	EnableVhostPolicy       bool
	EnableVhostNamePatterns bool
	PolicyDir               string
	DefaultVhost            string

	ConnectionsProcessed int64 // accepted or denied since the start
	ConnectionsDenied    int64
	ConnectionsCurrent   int64
	LinksDenied          int64
	MaxMessageSizeDenied int64
	TotalDenials         int64
}

// policyColumns lists the attributes of policy, with the types of Interconnect: integers are int, or long where they
// need it. Strings are never null, because qdstat takes their length.
var policyColumns = []column[Policy]{
	integer("maxConnections", func(p *Policy) int64 { return p.MaxConnections }),
	integer("maxMessageSize", func(p *Policy) int64 { return p.MaxMessageSize }),
	boolean("enableVhostPolicy", func(p *Policy) bool { return p.EnableVhostPolicy }),
	boolean("enableVhostNamePatterns", func(p *Policy) bool { return p.EnableVhostNamePatterns }),
	{"policyDir", func(dst []byte, p *Policy) []byte { return appendString(dst, p.PolicyDir) }},
	{"defaultVhost", func(dst []byte, p *Policy) []byte { return appendString(dst, p.DefaultVhost) }},
	integer("connectionsProcessed", func(p *Policy) int64 { return p.ConnectionsProcessed }),
	integer("connectionsDenied", func(p *Policy) int64 { return p.ConnectionsDenied }),
	integer("connectionsCurrent", func(p *Policy) int64 { return p.ConnectionsCurrent }),
	integer("linksDenied", func(p *Policy) int64 { return p.LinksDenied }),
	integer("maxMessageSizeDenied", func(p *Policy) int64 { return p.MaxMessageSizeDenied }),
	integer("totalDenials", func(p *Policy) int64 { return p.TotalDenials }),
	text("name", func(*Policy) string { return typePolicy }),
	text("identity", func(*Policy) string { return typePolicy }),
	text("type", func(*Policy) string { return config.TypePrefix + typePolicy }),
}
