package foreign

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeMessages writes messages in the notation of values.py to a file of the test's own, and returns its name.
func writeMessages(t *testing.T, messages []string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "messages.txt")
	if err := os.WriteFile(file, []byte(strings.Join(messages, "\n\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// quoted returns a text as strings are written in that notation.
func quoted(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("._/-", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// wantLine checks that there is one message, and that it has the line.
func wantLine(t *testing.T, messages []string, line string) {
	t.Helper()
	if len(messages) != 1 || !strings.Contains("\n"+messages[0]+"\n", "\n"+line+"\n") {
		t.Errorf("received %q, want one message with %q", messages, line)
	}
}
