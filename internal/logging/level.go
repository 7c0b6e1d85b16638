package logging

import (
	"fmt"
	"log/slog"
	"strings"
)

// Level is the weight of an event.
type Level uint8

// The levels, the lightest first.
const (
	LevelTrace Level = iota
	LevelDebug
	LevelInfo
	LevelNotice
	LevelWarning
	LevelError
	LevelCritical
	levelCount
)

var levelNames = [levelCount]string{"trace", "debug", "info", "notice", "warning", "error", "critical"}

// slogLevels are the levels on slog's scale.
var slogLevels = [levelCount]slog.Level{
	slog.LevelDebug - 4, slog.LevelDebug, slog.LevelInfo, slog.LevelInfo + 2, slog.LevelWarn, slog.LevelError,
	slog.LevelError + 4,
}

// String returns the name as in the enable attribute of a log entity.
func (l Level) String() string {
	if l < levelCount {
		return levelNames[l]
	}
	return fmt.Sprintf("Level(%d)", uint8(l))
}

// Slog returns the level on slog's scale: notice is INFO+2, trace DEBUG-4, critical ERROR+4.
func (l Level) Slog() slog.Level { return slogLevels[min(l, LevelCritical)] }

// FromSlog returns the heaviest level that is not above a level of slog; below trace it is trace.
func FromSlog(s slog.Level) Level {
	for l := LevelCritical; l > LevelTrace; l-- {
		if s >= slogLevels[l] {
			return l
		}
	}
	return LevelTrace
}

// Levels is a set of levels.
type Levels uint8

const allLevels Levels = 1<<levelCount - 1

// From returns the set of a level and all above it.
func From(l Level) Levels { return allLevels &^ (1<<l - 1) }

// Has reports whether a level is in the set.
func (s Levels) Has(l Level) bool { return s>>l&1 != 0 }

// String returns the set in the syntax of the enable attribute.
func (s Levels) String() string {
	if s == 0 {
		return "none"
	}
	var parts []string
	for l := range levelCount {
		if s == From(l) {
			return levelNames[l] + "+"
		}
		if s.Has(l) {
			parts = append(parts, levelNames[l])
		}
	}
	return strings.Join(parts, ",")
}

// ParseEnable reads the enable attribute of a log entity: names of levels separated by commas, spaces, semicolons or
// colons, each with a trailing + for that level and all above. A name may be shortened, "none" adds nothing, and
// "default" anywhere means to inherit from module DEFAULT.
func ParseEnable(text string) (set Levels, inherit bool, err error) {
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(", ;:", r) })
	for _, word := range words {
		name, plus := strings.CutSuffix(strings.ToLower(word), "+")
		switch {
		case name != "" && strings.HasPrefix("default", name):
			inherit = true
			continue
		case name != "" && strings.HasPrefix("none", name):
			continue
		}
		level, err := parseLevel(name)
		if err != nil {
			return 0, false, fmt.Errorf("enable %q: %q is not a log level, use none, %s or default, each level with + "+
				"for itself and above", text, word, strings.Join(levelNames[:], ", "))
		}
		if plus {
			set |= From(level)
		} else {
			set |= 1 << level
		}
	}
	return set, inherit, nil
}

// ParseLevel reads the name of a level, in any case.
func ParseLevel(name string) (Level, error) {
	l, err := parseLevel(strings.ToLower(name))
	if err != nil || levelNames[l] != strings.ToLower(name) {
		return 0, fmt.Errorf("%q is not a log level, use %s", name, strings.Join(levelNames[:], ", "))
	}
	return l, nil
}

// parseLevel finds the first level that a name in lower case is a beginning of, as Interconnect does.
func parseLevel(name string) (Level, error) {
	for l, known := range levelNames {
		if name != "" && strings.HasPrefix(known, name) {
			return Level(l), nil
		}
	}
	return 0, fmt.Errorf("no level %q", name)
}
