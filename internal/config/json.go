package config

import (
	"encoding/json"
	"regexp"
	"sort"
	"strings"
	"unicode/utf8"
)

// scanner reads a text from its beginning: lines, and values in JSON. Between the tokens of a value it passes over
// comments from '#' to the end of the line and over superfluous commas; a name, or text up to the end of a line, needs
// no quotes.
type scanner struct {
	file     string
	src      string
	pos      int   // offset of the next octet
	starts   []int // offsets of the beginnings of lines, made when first needed
	values   int
	problems Problems
}

var bareName = regexp.MustCompile(`^[$\w.-]+`)

// parseJSON reads Interconnect's JSON form: [["section", {"attribute": value, …}], …].
func parseJSON(file, src string) ([]section, Problems) {
	s := &scanner{file: file, src: src}
	root, ok := s.value(0)
	if !ok {
		return nil, s.problems
	}
	if s.skipSpace(); s.pos < len(s.src) {
		s.problems.errorf(s.position(s.pos), "", "text after the end of the list")
	}
	if root.shape != shapeList {
		s.problems.errorf(root.at, `[["router", {…}], …]`, "the file holds %s where a list of sections is wanted", root.shape)
		return nil, s.problems
	}
	var sections []section
	for _, item := range root.items {
		if item.shape != shapeList || len(item.items) != 2 || item.items[0].shape != shapeText ||
			item.items[1].shape != shapeMap {
			s.problems.errorf(item.at, `["name", {"attribute": "value"}]`, "this is no section")
			continue
		}
		settings := item.items[1].entries
		for i := range settings {
			settings[i].name = camelCase(settings[i].name)
		}
		sections = append(sections, section{item.items[0].text, item.at, settings})
	}
	return sections, s.problems
}

// maxColumn is the column from which on octets are counted instead of characters, so that long lines cost nothing.
const maxColumn = 1000

// position converts an offset.
func (s *scanner) position(offset int) Position {
	if s.starts == nil {
		s.starts = []int{0}
		for i := range len(s.src) {
			if s.src[i] == '\n' {
				s.starts = append(s.starts, i+1)
			}
		}
	}
	line := sort.SearchInts(s.starts, offset+1)
	column := offset - s.starts[line-1] + 1
	if column < maxColumn {
		column = utf8.RuneCountInString(s.src[s.starts[line-1]:offset]) + 1
	}
	return Position{File: s.file, Line: line, Column: column}
}

// line returns the rest of the current line and moves on to the next.
func (s *scanner) line() string {
	rest := s.src[s.pos:]
	line, _, _ := strings.Cut(rest, "\n")
	s.pos = min(s.pos+len(line)+1, len(s.src))
	return strings.TrimSuffix(line, "\r")
}

// endOfLine moves on to the next line and reports whether nothing but a comma or a comment was left on this one.
func (s *scanner) endOfLine() bool {
	at := s.position(s.pos)
	rest := strings.TrimSpace(stripComment(s.line()))
	if rest == "" || rest == "," {
		return true
	}
	s.problems.errorf(at, "", "%.40q after the end of the value", rest)
	return false
}

// skipSpace moves on to the next token.
func (s *scanner) skipSpace() {
	for s.pos < len(s.src) {
		switch s.src[s.pos] {
		case ' ', '\t', '\r', '\n', ',':
			s.pos++
		case '#':
			s.line()
		default:
			return
		}
	}
}

// fail adds an error at the current position and returns what a failed read returns.
func (s *scanner) fail(hint, format string, args ...any) (value, bool) {
	s.problems.errorf(s.position(s.pos), hint, format, args...)
	return value{}, false
}

// value reads one value. It reports whether it could; if not, it has added an error.
func (s *scanner) value(depth int) (value, bool) {
	s.skipSpace()
	if s.pos == len(s.src) {
		return s.fail("", "the file ends where a value is wanted")
	}
	if s.values++; depth > maxDepth || s.values > maxValues {
		return s.fail("", "more than %d levels or %d values", maxDepth, maxValues)
	}
	v := value{at: s.position(s.pos)}
	switch s.src[s.pos] {
	case '{':
		v.shape = shapeMap
		return s.entries(v, depth)
	case '[':
		v.shape = shapeList
		return s.items(v, depth)
	case '"':
		text, ok := s.quoted()
		v.text = text
		return v, ok
	case '}', ']', ':':
		return s.fail("", "%q where a value is wanted", s.src[s.pos])
	default:
		return s.bare(v), true
	}
}

// items reads a list.
func (s *scanner) items(v value, depth int) (value, bool) {
	for s.pos++; ; {
		if s.skipSpace(); s.pos == len(s.src) {
			s.problems.errorf(v.at, "", "the list is not closed")
			return value{}, false
		}
		if s.src[s.pos] == ']' {
			s.pos++
			return v, true
		}
		item, ok := s.value(depth + 1)
		if !ok {
			return value{}, false
		}
		v.items = append(v.items, item)
	}
}

// entries reads a map.
func (s *scanner) entries(v value, depth int) (value, bool) {
	for s.pos++; ; {
		if s.skipSpace(); s.pos == len(s.src) {
			s.problems.errorf(v.at, "", "the map is not closed")
			return value{}, false
		}
		if s.src[s.pos] == '}' {
			s.pos++
			return v, true
		}
		entry := setting{at: s.position(s.pos)}
		if s.src[s.pos] == '"' {
			name, ok := s.quoted()
			if !ok {
				return value{}, false
			}
			entry.name = name
		} else {
			entry.name = bareName.FindString(s.src[s.pos:])
			s.pos += len(entry.name)
		}
		if s.skipSpace(); s.pos == len(s.src) || s.src[s.pos] != ':' {
			return s.fail(`"name": value`, "a colon is missing")
		}
		s.pos++
		var ok bool
		if entry.value, ok = s.value(depth + 1); !ok {
			return value{}, false
		}
		v.entries = append(v.entries, entry)
	}
}

// quoted reads a JSON string.
func (s *scanner) quoted() (string, bool) {
	start := s.pos
	for i := start + 1; i < len(s.src) && s.src[i] != '\n'; i++ {
		switch s.src[i] {
		case '\\':
			i++
		case '"':
			s.pos = i + 1
			var text string
			if err := json.Unmarshal([]byte(s.src[start:s.pos]), &text); err != nil {
				s.problems.errorf(s.position(start), `write \\ for a backslash`, "%.40q is no JSON string", s.src[start:s.pos])
				return "", false
			}
			return text, true
		}
	}
	s.problems.errorf(s.position(start), "", "the string is not closed")
	return "", false
}

var (
	jsonNumber  = regexp.MustCompile(`^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$`)
	jsonBareEnd = ",]}\r\n"
)

// bare reads a value without quotes: a number, true, false or null up to the next delimiter, else text up to the end of
// the line.
func (s *scanner) bare(v value) value {
	rest := s.src[s.pos:]
	end := strings.IndexAny(rest, jsonBareEnd)
	if end < 0 {
		end = len(rest)
	}
	word := strings.TrimSpace(stripComment(rest[:end]))
	switch {
	case word == "true" || word == "false":
		v.shape = shapeBoolean
	case word == "null":
		v.shape = shapeNull
	case jsonNumber.MatchString(word):
		v.shape = shapeNumber
	default:
		line, _, _ := strings.Cut(rest, "\n")
		v.text = strings.TrimRight(stripComment(line), " \t\r,")
		s.pos += len(v.text)
		return v
	}
	v.text = word
	s.pos += len(word)
	return v
}
