package config

import (
	"fmt"
	"strings"
)

// LogLevels are the levels of log events, the least important first.
var LogLevels = []string{"trace", "debug", "info", "notice", "warning", "error", "critical"}

// LevelSet is a set of log levels: bit i stands for LogLevels[i].
type LevelSet uint8

// AllLevels is the set of all levels.
const AllLevels LevelSet = 1<<7 - 1

// Has reports whether the level with the given index in [LogLevels] is in the set.
func (s LevelSet) Has(level int) bool { return s&(1<<level) != 0 }

// LogChoice is the meaning of the attribute enable of a log entity.
type LogChoice struct {
	Levels  LevelSet // enabled levels
	Inherit bool     // enable was empty or "default": the levels of module DEFAULT hold
}

// ParseLogLevels reads the attribute enable: names of levels separated by comma, semicolon, colon or space, in any
// case, possibly abbreviated, each with a trailing + for all more important ones too; none for silence; default, or nothing
// at all, for the levels of module DEFAULT.
func ParseLogLevels(enable string) (LogChoice, error) {
	tokens := strings.FieldsFunc(enable, func(c rune) bool { return strings.ContainsRune(", ;:", c) })
	choice := LogChoice{Inherit: len(tokens) == 0}
	for _, token := range tokens {
		name, above := strings.CutSuffix(strings.ToLower(token), "+")
		switch {
		case name == "":
			return LogChoice{}, fmt.Errorf("enable holds %q, which is no level", token)
		case strings.HasPrefix("default", name):
			choice.Inherit = true
			continue
		case strings.HasPrefix("none", name):
			continue
		}
		level := -1
		for i, l := range LogLevels {
			if strings.HasPrefix(l, name) {
				level = i
				break
			}
		}
		if level < 0 {
			return LogChoice{}, fmt.Errorf("enable holds %q, which is no level", token)
		}
		choice.Levels |= 1 << level
		if above {
			choice.Levels |= AllLevels &^ (1<<level - 1)
		}
	}
	return choice, nil
}
