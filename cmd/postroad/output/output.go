package output

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// Output formats of results. Every command knows text and json; some know more.
const (
	Text = "text"
	JSON = "json"

	FlagName = "output"
)

// Flag is the value of --output: one of a fixed set of formats, the first being the default.
type Flag struct {
	format  string
	allowed []string
}

// NewFlag returns a flag value that accepts the given formats and starts as the first of them.
func NewFlag(allowed ...string) *Flag {
	return &Flag{format: allowed[0], allowed: allowed}
}

// String returns the chosen format.
func (f *Flag) String() string { return f.format }

// Type names the kind of value in help texts.
func (f *Flag) Type() string { return "format" }

// Set chooses a format, or says which there are.
func (f *Flag) Set(format string) error {
	if !slices.Contains(f.allowed, format) {
		return fmt.Errorf("%q is no output format of this command; use %s", format, strings.Join(f.allowed, ", "))
	}
	f.format = format
	return nil
}

// Format returns the format asked for with --output.
func Format(cmd *cobra.Command) string {
	return cmd.Flag(FlagName).Value.String()
}

// WantJSON reports whether the result is to be printed as JSON.
func WantJSON(cmd *cobra.Command) bool { return Format(cmd) == JSON }

// WriteJSON prints one result as indented JSON with a final newline.
func WriteJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
