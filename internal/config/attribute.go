package config

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// corrected are the attributes whose values Interconnect brings into range by itself.
var corrected = []string{"maxFrameSize", "maxSessions"}

// convert checks a value against the type of its attribute and returns it as the Go type of its kind. The value is nil
// if nothing was given. It reports whether the value can be used; if not, it has added an error.
func (b *builder) convert(a Attribute, set setting) (any, bool) {
	v := set.value
	if at, found := controlCharacter(setting{value: v}); found {
		b.problems.errorf(at, "", "%s holds a control character", set.name)
		return nil, false
	}
	if v.shape == shapeNull {
		if b.format == FormatYAML {
			b.problems.errorf(set.at, "leave it out or give it a value", "%s has no value", set.name)
		}
		return nil, b.format != FormatYAML
	}
	switch a.Type.Kind {
	case KindProperties, KindMap:
		return b.convertMap(a, v)
	case KindList:
		if v.shape != shapeList {
			return b.misfit(v, a, "a list")
		}
		return v.plain(), true
	}
	if !v.scalar() {
		return b.misfit(v, a, "one value")
	}
	switch a.Type.Kind {
	case KindInteger:
		return b.convertInteger(a, v)
	case KindBoolean:
		return b.convertBoolean(a, v)
	case KindEnum:
		return b.convertEnum(a, v)
	case KindPath:
		return b.path(v.text), true
	default:
		if path, ok := strings.CutPrefix(v.text, "file:"); ok && a.Has(Hidden) {
			return "file:" + b.path(path), true
		}
		return v.text, true
	}
}

// misfit adds an error about a value of the wrong form.
func (b *builder) misfit(v value, a Attribute, wanted string) (any, bool) {
	b.problems.errorf(v.at, "", "%s wants %s and got %s", a.Name, wanted, v.shape)
	return nil, false
}

func (b *builder) convertInteger(a Attribute, v value) (any, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(v.text))
	if err != nil {
		b.problems.errorf(v.at, "", "%s wants a whole number and got %.40q", a.Name, v.text)
		return nil, false
	}
	t := a.Type
	if !t.bounded() || t.Min <= n && n <= t.Max {
		return n, true
	}
	inRange := min(max(n, t.Min), t.Max)
	bounds := "from " + strconv.Itoa(t.Min) + " to " + strconv.Itoa(t.Max)
	if slices.Contains(corrected, a.Name) && b.format != FormatYAML {
		b.problems.warnf(v.at, bounds, "%s is %d; %d is used", a.Name, n, inRange)
		return inRange, true
	}
	b.problems.errorf(v.at, bounds, "%s is %d", a.Name, n)
	return nil, false
}

func (b *builder) convertBoolean(a Attribute, v value) (any, bool) {
	switch strings.ToLower(v.text) {
	case "yes", "true", "on":
		return true, true
	case "no", "false", "off":
		return false, true
	}
	b.problems.errorf(v.at, "yes, true, on, no, false or off", "%s is %.40q", a.Name, v.text)
	return nil, false
}

func (b *builder) convertEnum(a Attribute, v value) (any, bool) {
	tags := a.Type.Tags
	if slices.Contains(tags, v.text) {
		return v.text, true
	}
	if i, err := strconv.Atoi(v.text); err == nil && b.format != FormatYAML && 0 <= i && i < len(tags) {
		return tags[i], true // Interconnect takes the number of a value for the value
	}
	hint := didYouMean(v.text, tags)
	if hint == "" {
		hint = "one of " + strings.Join(tags, ", ")
	}
	b.problems.errorf(v.at, hint, "%s is %.40q", a.Name, v.text)
	return nil, false
}

// convertMap checks a map, and its keys where the schema names them.
func (b *builder) convertMap(a Attribute, v value) (any, bool) {
	if v.shape != shapeMap {
		return b.misfit(v, a, "a map")
	}
	ok := true
	for _, entry := range v.entries {
		if a.Type.Kind == KindProperties && strings.ContainsFunc(entry.name, func(r rune) bool { return r > 127 }) {
			b.problems.errorf(entry.at, "", "%q in %s is not ASCII", entry.name, a.Name)
			ok = false
		}
		if a.Type.Entries != "" {
			if entry.value.shape != shapeMap {
				b.problems.errorf(entry.value.at, "", "%s of %s is %s where a map is wanted", entry.name, a.Name, entry.value.shape)
				ok = false
				continue
			}
			b.checkRecord(a.Type.Entries, entry.value)
		}
	}
	if a.Type.Record != "" {
		b.nested = append(b.nested, b.record(mustType(a.Type.Record), section{name: a.Name, at: v.at, settings: v.entries}))
	}
	return v.plain(), ok
}

// checkRecord checks a map whose keys are the attributes of an entity type.
func (b *builder) checkRecord(entityType string, v value) {
	e := mustType(entityType)
	for _, entry := range v.entries {
		if a, ok := b.attribute(e, entry.name, entry.at); ok {
			b.convert(a, entry)
		}
	}
}

// controlCharacter returns the position of the first text at or below an entry that holds a character nobody wants in a
// configuration and YAML cannot hold: control characters except tab and line ends, and what is no character at all.
func controlCharacter(s setting) (Position, bool) {
	unwanted := func(c rune) bool {
		return unicode.Is(unicode.Cc, c) && !strings.ContainsRune("\t\n\r", c) || c == '\ufffe' || c == '\uffff'
	}
	if strings.ContainsFunc(s.name, unwanted) {
		return s.at, true
	}
	if strings.ContainsFunc(s.value.text, unwanted) {
		return s.value.at, true
	}
	for _, item := range s.value.items {
		if at, found := controlCharacter(setting{value: item}); found {
			return at, true
		}
	}
	for _, entry := range s.value.entries {
		if at, found := controlCharacter(entry); found {
			return at, true
		}
	}
	return Position{}, false
}
