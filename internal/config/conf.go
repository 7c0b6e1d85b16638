package config

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// confParser reads the section syntax of a qdrouterd.conf:
//
//	# comment
//	section {
//	    attribute: value     # comment
//	    openProperties: {    a map is JSON; names need no quotes
//	        "key": "value"
//	    }
//	}
//
// Interconnect rewrites such a file line by line into JSON (management/config.py), so a value is the inside of a JSON
// string: \t, \u00e9 and \\ are escapes. Beyond what Interconnect accepts, a value may stand in double quotes, a map
// may begin and end anywhere, and a section may carry its full type name.
type confParser struct {
	scanner
	sections []section
}

var (
	confHeader  = regexp.MustCompile(`^([\w.-]+)[ \t]*\{$`)
	confOneLine = regexp.MustCompile(`^([\w.-]+)[ \t]*\{.`)
	confName    = regexp.MustCompile(`^("?)([$\w.-]+)("?)[ \t]*:`)
)

// hashAllowed are attributes whose values may contain '#', so that it begins no comment there.
var hashAllowed = []string{"pattern", "bindingKey", "hostname"}

// parseConf reads the section syntax.
func parseConf(file, src string) ([]section, Problems) {
	p := &confParser{scanner: scanner{file: file, src: src}}
	for p.pos < len(p.src) {
		p.topLevel()
	}
	return p.sections, p.problems
}

// topLevel reads one line outside of any section, and the section it begins.
func (p *confParser) topLevel() {
	at, line := p.position(p.pos), p.line()
	content := strings.TrimSpace(stripComment(line))
	switch header := confHeader.FindStringSubmatch(content); {
	case content == "":
	case header != nil:
		p.section(header[1], at)
	case content == "}":
		p.problems.errorf(at, "", "a closing brace without a section")
	case confOneLine.MatchString(content):
		p.problems.errorf(at, "write each attribute on a line of its own", "text after the opening brace of a section")
		if !strings.HasSuffix(content, "}") {
			p.skipToHeader()
		}
	default:
		p.problems.errorf(at, "name {", "%.40q begins no section", content)
		p.skipToHeader()
	}
}

// section reads the lines of a section up to its closing brace.
func (p *confParser) section(name string, at Position) {
	s := section{name: name, at: at}
	defer func() { p.sections = append(p.sections, s) }()
	for p.pos < len(p.src) {
		start := p.pos
		line := p.line()
		content := strings.TrimSpace(stripComment(line))
		indent := len(line) - len(strings.TrimLeft(line, " \t\r"))
		lineAt := p.position(start + indent)
		switch {
		case content == "":
		case content == "}":
			return
		case confHeader.MatchString(content):
			p.problems.errorf(lineAt, "close it with a } on a line of its own",
				"section %s of line %d is still open", name, at.Line)
			p.pos = start
			return
		default:
			if !p.attribute(&s, start, line) {
				p.skipToHeader()
				return
			}
		}
	}
	p.problems.errorf(at, "close it with a } on a line of its own", "section %s is not closed", name)
}

// attribute reads one attribute whose line begins at the offset start. It reports whether reading may go on after it.
func (p *confParser) attribute(s *section, start int, line string) bool {
	indent := len(line) - len(strings.TrimLeft(line, " \t\r"))
	at := p.position(start + indent)
	m := confName.FindStringSubmatch(line[indent:])
	if m == nil || m[1] != m[3] {
		p.problems.errorf(at, "name: value", "%.40q is no attribute", strings.TrimSpace(line))
		return true
	}
	name := camelCase(m[2])
	rest := line[indent+len(m[0]):]
	valueStart := start + indent + len(m[0]) + len(rest) - len(strings.TrimLeft(rest, " \t"))
	text := strings.TrimSpace(rest)
	v := value{at: p.position(valueStart)}
	switch {
	case slices.Contains(hashAllowed, name) && text != "" && text[0] != '"':
		v.text = p.unescape(v.at, strings.Fields(text)[0])
	case text == "" || text[0] == '#':
		p.problems.errorf(at, "leave the attribute out or give it a value", "%s has no value", name)
		return true
	case text[0] == '{' || text[0] == '"':
		p.pos = valueStart
		var ok bool
		if v, ok = p.value(0); !ok || !p.endOfLine() {
			return false
		}
	default:
		v.text = p.unescape(v.at, strings.TrimSpace(stripComment(text)))
	}
	s.settings = append(s.settings, setting{name, at, v})
	return true
}

// unescape resolves the escapes of a value that stands without quotes.
func (p *confParser) unescape(at Position, text string) string {
	if !strings.ContainsAny(text, `\"`) {
		return text
	}
	var s string
	if err := json.Unmarshal([]byte(`"`+text+`"`), &s); err != nil {
		p.problems.errorf(at, `write \\ for a backslash and \" for a quote`,
			"%.40q has a quote or escape that means nothing", text)
		return text
	}
	return s
}

// skipToHeader goes on reading at the next line that begins a section.
func (p *confParser) skipToHeader() {
	for p.pos < len(p.src) {
		start := p.pos
		if confHeader.MatchString(strings.TrimSpace(stripComment(p.line()))) {
			p.pos = start
			return
		}
	}
}

// stripComment removes what follows the first '#'.
func stripComment(line string) string {
	before, _, _ := strings.Cut(line, "#")
	return before
}

// camelCase turns sasl-config-dir, sasl_config_dir and sasl.config.dir into saslConfigDir, as Interconnect does.
func camelCase(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return r == '-' || r == '_' || r == '.' || r == ' ' })
	for i, w := range words {
		if i > 0 {
			words[i] = strings.ToUpper(w[:1]) + strings.ToLower(w[1:])
		}
	}
	return strings.Join(words, "")
}
