package usersfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postroad/postroad/internal/amqp/sasl"
)

// write puts a file of users into a directory of its own.
func write(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users")
	rewrite(t, path, text, mode)
	return path
}

func rewrite(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// Reload takes new users in and forgets removed ones; a broken file leaves the users as they were.
func TestReload(t *testing.T) {
	t.Parallel()
	path := write(t, "alice:{PLAIN}one\n", 0o600)
	f, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if !f.Verify("alice", "one") || len(f.Warnings()) != 0 || f.Len() != 1 || f.Path() != path {
		t.Fatalf("the file was not read: %d users, warnings %q", f.Len(), f.Warnings())
	}
	before, _ := f.SCRAM(sasl.ScramSHA256, "nobody")

	rewrite(t, path, "bob:{PLAIN}two\nbroken\n", 0o600)
	if err := f.Reload(); err == nil || !strings.Contains(err.Error(), path+":2: ") {
		t.Errorf("error %v, want one that names line 2", err)
	}
	if !f.Verify("alice", "one") || f.Verify("bob", "two") {
		t.Error("a broken file changed the users")
	}

	rewrite(t, path, "bob:{PLAIN}two\n", 0o600)
	if err := f.Reload(); err != nil {
		t.Fatal(err)
	}
	if f.Verify("alice", "one") || !f.Verify("bob", "two") {
		t.Error("the new users are not in force")
	}
	if after, _ := f.SCRAM(sasl.ScramSHA256, "nobody"); string(after.Salt) != string(before.Salt) {
		t.Error("a reload tells an unknown user by his salt")
	}
}

// A file that everybody can read is warned of; one that everybody can write is refused.
func TestMode(t *testing.T) {
	t.Parallel()
	f, err := Load(write(t, "alice:{PLAIN}one\n", 0o644))
	if err != nil {
		t.Fatal(err)
	}
	if w := f.Warnings(); len(w) != 1 || !strings.Contains(w[0], "can be read by everybody") {
		t.Errorf("warnings %q", w)
	}
	if _, err := Load(write(t, "alice:{PLAIN}one\n", 0o602)); err == nil || !strings.Contains(err.Error(), "chmod o-w") {
		t.Errorf("error %v, want one about o-w", err)
	}
}

// A file that is absent, a directory or empty is named.
func TestOddFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := Load(filepath.Join(dir, "absent")); err == nil || !strings.Contains(err.Error(), "absent") {
		t.Errorf("error %v, want one that names the file", err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("error %v, want one about a directory", err)
	}
	f, err := Load(write(t, "# nobody yet\n", 0o600))
	if err != nil {
		t.Fatal(err)
	}
	if w := f.Warnings(); len(w) != 1 || !strings.Contains(w[0], "names no user") || len(f.Mechanisms()) != 0 {
		t.Errorf("warnings %q, mechanisms %q", w, f.Mechanisms())
	}
}
