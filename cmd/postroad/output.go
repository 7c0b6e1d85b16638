package main

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
	outputText = "text"
	outputJSON = "json"

	outputFlagName = "output"
)

// outputFlag is the value of --output: one of a fixed set of formats, the first being the default.
type outputFlag struct {
	format  string
	allowed []string
}

// newOutputFlag returns a flag value that accepts the given formats and starts as the first of them.
func newOutputFlag(allowed ...string) *outputFlag {
	return &outputFlag{format: allowed[0], allowed: allowed}
}

// String returns the chosen format.
func (f *outputFlag) String() string { return f.format }

// Type names the kind of value in help texts.
func (f *outputFlag) Type() string { return "format" }

// Set chooses a format, or says which there are.
func (f *outputFlag) Set(format string) error {
	if !slices.Contains(f.allowed, format) {
		return fmt.Errorf("%q is no output format of this command; use %s", format, strings.Join(f.allowed, ", "))
	}
	f.format = format
	return nil
}

// outputFormat returns the format asked for with --output.
func outputFormat(cmd *cobra.Command) string {
	return cmd.Flag(outputFlagName).Value.String()
}

// wantJSON reports whether the result is to be printed as JSON.
func wantJSON(cmd *cobra.Command) bool { return outputFormat(cmd) == outputJSON }

// writeJSON prints one result as indented JSON with a final newline.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
