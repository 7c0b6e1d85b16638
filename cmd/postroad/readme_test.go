package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postroad/postroad/internal/freeport"
)

// repository is the directory of go.mod, as seen from this package.
const repository = "../.."

// TestReadmeFirstMessage shows that the commands of the README's section "A first message" do what it says: with a
// port that is free on this machine in place of 5672.
func TestReadmeFirstMessage(t *testing.T) {
	t.Parallel()
	blocks := readmeBlocks(t, "A first message")
	if len(blocks) != 5 {
		t.Fatalf("%d blocks, want 5: build, configure, run, receive, send", len(blocks))
	}
	port, err := freeport.One()
	if err != nil {
		t.Fatal(err)
	}
	sh := newReadmeShell(t, port)
	if out, err := sh.command(blocks[1]).CombinedOutput(); err != nil {
		t.Fatalf("%s\n%s%v", blocks[1], out, err)
	}

	router := sh.command("exec " + blocks[2])
	log, err := router.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := router.Start(); err != nil {
		t.Fatal(err)
	}
	defer router.Process.Kill()
	var lines strings.Builder
	for s := bufio.NewScanner(log); !strings.Contains(lines.String(), "SERVER (notice) Operational, "); {
		if !s.Scan() {
			t.Fatalf("the router is not ready:\n%s", lines.String())
		}
		lines.WriteString(s.Text() + "\n")
	}

	var received bytes.Buffer
	receiver := sh.command("exec " + blocks[3])
	receiver.Stdout = &received
	if err := receiver.Start(); err != nil {
		t.Fatal(err)
	}
	defer receiver.Process.Kill()
	sent, err := sh.command(blocks[4]).CombinedOutput()
	if err != nil || !strings.Contains(string(sent), "1 accepted") {
		t.Errorf("%s%s%v", blocks[4], sent, err)
	}
	if err := receiver.Wait(); err != nil || received.String() != "hello, mesh\n" {
		t.Errorf("%s%q, %v", blocks[3], received.String(), err)
	}
	if err := router.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := router.Wait(); err != nil {
		t.Errorf("the router ends with %v, want exit status 0", err)
	}
}

// readmeBlocks returns the blocks of shell commands in a section of the README.
func readmeBlocks(t *testing.T, section string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, body, found := strings.Cut(string(text), "\n## "+section+"\n")
	if !found {
		t.Fatalf("README.md has no section %q", section)
	}
	body, _, _ = strings.Cut(body, "\n## ")
	var blocks []string
	for _, m := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(body, -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}

// readmeShell runs commands of the README in a folder of their own, where postroad is this test program and 5672
// another port.
type readmeShell struct {
	t      *testing.T
	folder string
	port   int
}

func newReadmeShell(t *testing.T, port int) *readmeShell {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &readmeShell{t: t, folder: t.TempDir(), port: port}
	if err := os.Symlink(self, filepath.Join(s.folder, "postroad")); err != nil {
		t.Fatal(err)
	}
	return s
}

// clientCommand matches the commands that connect to the router of the README unless told otherwise.
var clientCommand = regexp.MustCompile(`\bpostroad (send|receive|request|topology)\b`)

// command returns a block of commands, ready to be started. It is killed when it takes too long.
func (s *readmeShell) command(block string) *exec.Cmd {
	block = strings.ReplaceAll(block, "5672", fmt.Sprint(s.port))
	block = clientCommand.ReplaceAllString(block, fmt.Sprintf("$0 --url amqp://127.0.0.1:%d", s.port))
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	s.t.Cleanup(cancel)
	c := exec.CommandContext(ctx, "sh", "-ec", block)
	c.Dir = s.folder
	c.Env = append(os.Environ(), "PATH="+s.folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	c.WaitDelay = time.Second
	return c
}

// TestDocumentsPointToWhatExists shows that the links of the documents lead somewhere, and that Go files which they
// name exist.
func TestDocumentsPointToWhatExists(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	source := regexp.MustCompile("`((?:[a-z0-9]+/)+[a-z0-9_]+\\.go)`")
	for _, path := range documents(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), m[1])); err != nil {
				t.Errorf("%s: the link %s leads nowhere", path, m[1])
			}
		}
		for _, m := range source.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(repository, m[1])); err != nil {
				t.Errorf("%s: there is no file %s", path, m[1])
			}
		}
	}
}

// documents returns the README and everything below docs.
func documents(t *testing.T) []string {
	t.Helper()
	paths := []string{filepath.Join(repository, "README.md")}
	err := filepath.WalkDir(filepath.Join(repository, "docs"), func(path string, entry os.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".md" {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}
