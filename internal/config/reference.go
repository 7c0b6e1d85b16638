package config

import (
	"fmt"
	"io"
	"strings"
)

// referenceHead is what docs/reference/configuration.md begins with; single quotes stand for backquotes.
const referenceHead = `<!-- Made from the schema in internal/config: go test ./internal/config -run TestReference -update -->

# Configuration

A router is configured by one file, in either of two languages:

- **YAML**: one key for each kind of entity, as in the headings below; 'router' and 'mesh' hold a map of attributes,
  all others a list of such maps. An unknown key is an error.
- **qdrouterd.conf**, the language of Interconnect (Qpid Dispatch 1.x): sections of 'attribute: value' lines, or its
  JSON form. Such a file starts a router as it always did; what has changed is reported as a warning.

'postroad check -c FILE' reports everything that is wrong with a file; 'postroad convert FILE' prints a
qdrouterd.conf as YAML.

In YAML a listener that other machines can reach has to authenticate its peers unless it says 'insecure: true';
relative paths are relative to the file. In a qdrouterd.conf such a listener is reported and works, and relative paths
are relative to the working directory.

Passwords may be given as 'env:NAME', 'file:PATH' or 'pass:TEXT'.

Marks: **required**; *secret*: never shown; *ours*: not in Interconnect; *not yet*: accepted, reported, without effect.
`

// WriteReference writes the reference of the configuration, in Markdown.
func WriteReference(w io.Writer) error {
	var b strings.Builder
	b.WriteString(strings.ReplaceAll(referenceHead, "'", "`"))
	for i := range supportedTypes {
		writeTypeReference(&b, &supportedTypes[i])
	}
	b.WriteString("\n# Accepted without effect\n\n" +
		"These sections of Interconnect are checked, reported as not supported yet, and ignored.\n")
	for i := range acceptedTypes {
		writeTypeReference(&b, &acceptedTypes[i])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeTypeReference writes the section of one entity type.
func writeTypeReference(b *strings.Builder, e *EntityType) {
	heading := e.label()
	if e.Key != "" && e.Key != e.Section {
		heading += ", in YAML: " + e.Key
	}
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n| attribute | type | default | meaning |\n|---|---|---|---|\n", heading, e.Doc)
	for _, a := range e.All() {
		if !a.ReadOnly() && (a.Name != "name" || !e.Singleton || e.Extension) {
			fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", a.Name, a.Type.describe(), a.describeDefault(), a.describe())
		}
	}
}

// describe names the type with its bounds.
func (t Type) describe() string {
	switch {
	case t.Kind == KindEnum:
		return strings.Join(t.Tags, ", ")
	case t.Kind == KindInteger && t.bounded():
		return fmt.Sprintf("integer from %d to %d", t.Min, t.Max)
	case t.Record != "":
		return "map, see " + t.Record
	case t.Entries != "":
		return "map of maps, see " + t.Entries
	default:
		return t.Kind.String()
	}
}

// describeDefault formats the default of the attribute.
func (a Attribute) describeDefault() string {
	switch a.Default {
	case nil:
		return ""
	case "":
		return `""`
	default:
		return fmt.Sprintf("`%v`", a.Default)
	}
}

// referenceMarks are the flags a reader of the reference should know of.
var referenceMarks = []struct {
	flag Flags
	mark string
}{
	{Required, "**required**"}, {Hidden, "*secret*"}, {Extension, "*ours*"}, {Deprecated, "*deprecated*"},
	{Later, "*not yet*"},
}

// describe joins the meaning and the marks of the attribute.
func (a Attribute) describe() string {
	var marks []string
	for _, m := range referenceMarks {
		if a.Has(m.flag) {
			marks = append(marks, m.mark)
		}
	}
	text := a.Doc
	if len(marks) > 0 {
		text += " " + strings.Join(marks, ", ")
	}
	if len(a.Aliases) > 0 {
		text += " Deprecated: `" + strings.Join(a.Aliases, "`, `") + "`."
	}
	return strings.ReplaceAll(text, "|", `\|`)
}
