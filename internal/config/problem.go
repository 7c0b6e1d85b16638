package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Position is a place in a configuration file. Line and Column count from 1; 0 means unknown.
type Position struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// String formats the position as file:line:column, leaving out what is unknown.
func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	default:
		return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
	}
}

// Severity says whether a router may start with a problem in its configuration.
type Severity uint8

// Severities of problems.
const (
	Warning Severity = iota // the configuration is used; something in it has no effect or is dangerous
	Error                   // the configuration is refused
)

// String returns "warning" or "error".
func (s Severity) String() string {
	if s == Error {
		return "error"
	}
	return "warning"
}

// MarshalText returns the name of the severity.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	Severity Severity `json:"severity"`
	Position
	Text string `json:"text"`           // what is wrong
	Hint string `json:"hint,omitempty"` // what would be right

	// Tolerated marks a warning about something that would be an error in YAML.
	Tolerated bool `json:"tolerated,omitempty"`
}

// String formats the problem on one line, as compilers do.
func (p Problem) String() string {
	s := fmt.Sprintf("%s: %s: %s", p.Position, p.Severity, p.Text)
	if p.Hint != "" {
		s += " (" + p.Hint + ")"
	}
	return s
}

// Problems are all problems of one configuration, in the order of the file.
type Problems []Problem

// Refused reports whether any of the problems is an error, so that the configuration cannot be used.
func (ps Problems) Refused() bool {
	return slices.ContainsFunc(ps, func(p Problem) bool { return p.Severity == Error })
}

// Count returns how many errors and warnings there are.
func (ps Problems) Count() (errors, warnings int) {
	for _, p := range ps {
		if p.Severity == Error {
			errors++
		} else {
			warnings++
		}
	}
	return errors, warnings
}

// String formats the problems one to a line.
func (ps Problems) String() string {
	var b strings.Builder
	for _, p := range ps {
		b.WriteString(p.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// Sort brings the problems into the order of the file.
func (ps Problems) Sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// errorf adds an error.
func (ps *Problems) errorf(at Position, hint, format string, args ...any) {
	*ps = append(*ps, Problem{Severity: Error, Position: at, Text: fmt.Sprintf(format, args...), Hint: hint})
}

// warnf adds a warning.
func (ps *Problems) warnf(at Position, hint, format string, args ...any) {
	*ps = append(*ps, Problem{Severity: Warning, Position: at, Text: fmt.Sprintf(format, args...), Hint: hint})
}
