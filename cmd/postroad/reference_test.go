package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write docs/reference/cli.md anew")

// commandReferenceHead is what docs/reference/cli.md begins with.
const commandReferenceHead = `<!-- Made from the commands by "go test ./cmd/postroad -run TestCommandReference -update". -->

# Command line

Results are printed on standard output, everything else on standard error. Exit status: 0 success, 1 the work failed, 2
the command line was wrong. Every command knows --help, and --output (-o) with text or json where it prints a result.
"postroad completion bash" (or zsh, fish, powershell) prints a script that completes commands and flags.
`

// TestCommandReference shows that docs/reference/cli.md says what the commands' own help says.
func TestCommandReference(t *testing.T) {
	t.Parallel()
	path := filepath.Join(repository, "docs/reference/cli.md")
	want := commandReferenceHead
	for _, c := range newRootCommand().Commands() {
		want += commandReference(c)
	}
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is out of date; run this test with -update (-commands +file):\n%s", path, diff)
	}
}

// commandReference returns the section of a command and those below it, in Markdown.
func commandReference(c *cobra.Command) string {
	if c.Hidden {
		return ""
	}
	var b strings.Builder
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	fmt.Fprintf(&b, "\n## %s\n\n%s\n\n```\n%s\n```\n", c.CommandPath(), text, c.UseLine())
	if c.Example != "" {
		var examples []string
		for line := range strings.Lines(c.Example) {
			examples = append(examples, strings.TrimPrefix(line, "  "))
		}
		fmt.Fprintf(&b, "\nExamples:\n\n```\n%s\n```\n", strings.TrimSpace(strings.Join(examples, "")))
	}
	if flags := ownFlags(c); flags != "" {
		fmt.Fprintf(&b, "\nFlags:\n\n```\n%s```\n", flags)
	}
	for _, child := range c.Commands() {
		b.WriteString(commandReference(child))
	}
	return b.String()
}

// ownFlags returns what a command's help says of its own flags, but for --help.
func ownFlags(c *cobra.Command) string {
	var b strings.Builder
	for line := range strings.Lines(c.NonInheritedFlags().FlagUsages()) {
		if !strings.HasPrefix(line, "  -h, --help") {
			b.WriteString(strings.TrimRight(strings.TrimPrefix(line, "  "), " \n") + "\n")
		}
	}
	return b.String()
}
