package management

import "github.com/postroad/postroad/internal/config"

// LogStats is the row of the entity logStats: how many entries a log module has made, by level.
type LogStats struct {
	Module                                               string
	Trace, Debug, Info, Notice, Warning, Error, Critical int64
}

// logStatsColumns lists the attributes of logStats, with the types of Interconnect: int, or long where they need it.
var logStatsColumns = []column[LogStats]{
	integer("traceCount", func(l *LogStats) int64 { return l.Trace }),
	integer("debugCount", func(l *LogStats) int64 { return l.Debug }),
	integer("infoCount", func(l *LogStats) int64 { return l.Info }),
	integer("noticeCount", func(l *LogStats) int64 { return l.Notice }),
	integer("warningCount", func(l *LogStats) int64 { return l.Warning }),
	integer("errorCount", func(l *LogStats) int64 { return l.Error }),
	integer("criticalCount", func(l *LogStats) int64 { return l.Critical }),
	text("name", func(l *LogStats) string { return l.Module }),
	text("identity", func(l *LogStats) string { return typeLogStats + "/" + l.Module }),
	text("type", func(*LogStats) string { return config.TypePrefix + typeLogStats }),
}
