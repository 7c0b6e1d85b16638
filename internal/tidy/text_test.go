package tidy

import (
	"bytes"
	"go/format"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// longestFile is the number of lines past which a file has eaten its package.
const longestFile = 1100

// TestFilesAreFormatted shows that every Go file is as gofmt leaves it.
func TestFilesAreFormatted(t *testing.T) {
	t.Parallel()
	for _, f := range goFiles(t) {
		formatted, err := format.Source(f.text)
		if err != nil {
			t.Fatalf("%s: %v", f.path, err)
		}
		if !bytes.Equal(formatted, f.text) {
			t.Errorf("%s is not formatted; run gofmt -w on it", f.path)
		}
	}
}

// TestFilesAreShort shows that no file of code is longer than a reader can hold in mind.
func TestFilesAreShort(t *testing.T) {
	t.Parallel()
	for _, f := range goFiles(t) {
		if n := bytes.Count(f.text, []byte("\n")); n > longestFile {
			t.Errorf("%s has %d lines, want at most %d; split it by concern", f.path, n, longestFile)
		}
	}
}

// TestPackagesAreDocumented shows that every package says what it is for, in one of its own files.
func TestPackagesAreDocumented(t *testing.T) {
	t.Parallel()
	documented := make(map[string]bool)
	for _, f := range goFiles(t) {
		if f.test {
			continue
		}
		if f.ast.Doc != nil && strings.TrimSpace(f.ast.Doc.Text()) != "" {
			documented[f.dir] = true
		} else if _, seen := documented[f.dir]; !seen {
			documented[f.dir] = false
		}
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package %s has no package comment; write one in %s/doc.go", dir, dir)
		}
	}
}

// The words are put together here, because this file is searched, too.
var (
	unfinished = regexp.MustCompile(`\b(` + strings.Join([]string{"TO" + "DO", "FIX" + "ME", "XX" + "X"}, "|") + `)\b`)
	ownMachine = regexp.MustCompile(`(^|[\s"'=(])/(home|root|Users|work)` + `/\w`)
)

// TestNothingUnfinishedOrPrivate shows that no file holds a note of unfinished work, or a path of the machine on which
// it was written.
func TestNothingUnfinishedOrPrivate(t *testing.T) {
	t.Parallel()
	for _, path := range allFiles(t) {
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
			continue
		}
		number := 0
		for line := range bytes.Lines(text) {
			number++
			if m := unfinished.Find(line); m != nil {
				t.Errorf("%s:%d: %s; finish it, or file an issue", path, number, m)
			}
			if m := ownMachine.Find(line); m != nil {
				t.Errorf("%s:%d: %s… is a path of somebody's machine", path, number, bytes.TrimSpace(m))
			}
		}
	}
}
