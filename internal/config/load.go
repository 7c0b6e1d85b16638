package config

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Load reads and checks the configuration file at path. The error says that the file could not be read at all. What is
// wrong with its content is in the problems; the configuration is nil if any of them is an error.
func Load(path string) (*Config, Problems, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }() // only read
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, nil, err
	}
	c, problems := Parse(path, data)
	return c, problems, nil
}

// Parse checks the content of a configuration file. The name of the file is used in messages, to resolve relative paths
// in YAML, and, by its extension (.yaml, .yml, .json, .conf), to tell the formats apart; a file with another extension
// is recognised by its content. The configuration is nil if any of the problems is an error.
func Parse(name string, data []byte) (*Config, Problems) {
	b := &builder{file: name, format: FormatOf(name, data)}
	at := Position{File: name}
	if len(data) > maxFileSize {
		b.problems.errorf(at, "", "the file is larger than %d octets", maxFileSize)
		return nil, b.problems
	}
	src := strings.TrimPrefix(string(data), "\ufeff")
	if i := invalidUTF8(src); i >= 0 {
		at.Line = strings.Count(src[:i], "\n") + 1
		b.problems.errorf(at, "save it as UTF-8", "the file is not UTF-8")
		return nil, b.problems
	}
	var sections []section
	switch b.format {
	case FormatYAML:
		sections, b.problems = parseYAML(name, []byte(src))
	case FormatConf:
		sections, b.problems = parseConf(name, src)
	case FormatJSON:
		sections, b.problems = parseJSON(name, src)
	}
	b.sections(sections)
	b.validate()
	b.problems.Sort()
	if b.problems.Refused() {
		return nil, b.problems
	}
	c := b.config()
	if c.Router.ID == "" {
		c.Router.ID, c.Router.GeneratedID = generateID(c.Router.Mode), true
	}
	return c, b.problems
}

var confLine = regexp.MustCompile(`(?m)^[ \t]*[\w.-]+[ \t]*\{[ \t]*(#.*)?\r?$`)

// FormatOf tells which format a file has.
func FormatOf(name string, data []byte) Format {
	first := ""
	for line := range strings.Lines(strings.TrimPrefix(string(data), "\ufeff")) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			first = line
			break
		}
	}
	list := strings.HasPrefix(first, "[")
	switch strings.ToLower(filepath.Ext(name)) {
	case ".yaml", ".yml":
		return FormatYAML
	case ".conf", ".json":
		if list {
			return FormatJSON
		}
		if first != "" && first[0] == '{' {
			return FormatYAML
		}
		return FormatConf
	}
	switch {
	case list:
		return FormatJSON
	case confLine.Match(data):
		return FormatConf
	default:
		return FormatYAML
	}
}

// invalidUTF8 returns the offset of the first octet that is not UTF-8, or -1.
func invalidUTF8(s string) int {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return i
			}
		}
	}
	return -1
}

// generateID makes up a router id: the mode and 15 random characters.
func generateID(mode Mode) string {
	prefix := map[Mode]string{ModeStandalone: "Standalone_", ModeInterior: "Interior_", ModeEdge: "Edge_"}[mode]
	return prefix + rand.Text()[:15]
}

// Secret returns the password that an attribute stands for: the content of an environment variable (env:NAME), the
// first line of a file (file:PATH), or the text itself, with or without pass: or literal: before it.
func Secret(attribute string) (string, error) {
	scheme, rest, found := strings.Cut(attribute, ":")
	if !found {
		return attribute, nil
	}
	switch scheme {
	case "env":
		name := strings.TrimSpace(rest)
		secret, ok := os.LookupEnv(name)
		if !ok {
			return "", fmt.Errorf("there is no environment variable %s to take a password from", name)
		}
		return secret, nil
	case "file":
		data, err := os.ReadFile(rest)
		if err != nil {
			return "", fmt.Errorf("no password: %w", err)
		}
		line, _, _ := strings.Cut(string(data), "\n")
		return strings.TrimSuffix(line, "\r"), nil
	case "pass", "literal":
		return rest, nil
	default:
		return attribute, nil
	}
}

// CheckFiles reports every file the configuration names that cannot be read.
func (c *Config) CheckFiles() Problems {
	var problems Problems
	check := func(at Position, attribute, path string) {
		if path == "" {
			return
		}
		f, err := os.Open(path)
		if err == nil {
			_ = f.Close() // only opened to see whether it can be
			return
		}
		var detail *os.PathError
		if errors.As(err, &detail) {
			err = detail.Err
		}
		problems.errorf(at, "", "%s: %s: %v", attribute, path, err)
	}
	check(c.Router.Position, "usersFile", c.Router.UsersFile)
	for _, p := range c.SSLProfiles {
		check(p.Position, "caCertFile", p.CACertFile)
		check(p.Position, "certFile", p.CertFile)
		check(p.Position, "privateKeyFile", p.PrivateKeyFile)
		check(p.Position, "passwordFile", p.PasswordFile)
		if path, ok := strings.CutPrefix(p.Password, "file:"); ok {
			check(p.Position, "password", path)
		}
	}
	if c.Gossip != nil {
		check(c.Gossip.Position, "keyFile", c.Gossip.KeyFile)
	}
	for _, conn := range c.Connectors {
		if path, ok := strings.CutPrefix(conn.SASLPassword, "file:"); ok {
			check(conn.Position, "saslPassword", path)
		}
	}
	return problems
}
