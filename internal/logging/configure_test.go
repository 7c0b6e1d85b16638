package logging

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// The enable attribute reads as Interconnect reads it.
func TestParseEnable(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text    string
		want    string
		inherit bool
	}{
		{"info+", "info+", false},
		{"debug,error", "debug,error", false},
		{"trace+", "trace+", false},
		{"TRACE Notice;error:critical", "trace,notice,error,critical", false},
		{"warn+", "warning+", false},
		{"critical", "critical+", false},
		{"none", "none", false},
		{"", "none", false},
		{"none, info", "info", false},
		{"default", "none", true},
		{"d", "none", true},
	}
	for _, tt := range tests {
		set, inherit, err := ParseEnable(tt.text)
		if err != nil || set.String() != tt.want || inherit != tt.inherit {
			t.Errorf("%q: %v, inherit %v, %v, want %v, %v", tt.text, set, inherit, err, tt.want, tt.inherit)
		}
	}
	for _, bad := range []string{"loud", "info+,x", "+", "infos", "info++"} {
		_, _, err := ParseEnable(bad)
		if err == nil || !strings.Contains(err.Error(), "is not a log level, use none, trace, debug") {
			t.Errorf("%q: error %v", bad, err)
		}
	}
}

// Names of modules and levels are read in any case, and a wrong one is answered with the right ones.
func TestParseNames(t *testing.T) {
	t.Parallel()
	for _, m := range Modules() {
		if got, err := ParseModule(strings.ToLower(m.String())); err != nil || got != m {
			t.Errorf("%v: %v, %v", m, got, err)
		}
	}
	if _, err := ParseModule("SERVR"); err == nil || !strings.Contains(err.Error(), "ROUTER_CORE") {
		t.Errorf("error %v, want one that lists the modules", err)
	}
	for l := range levelCount {
		if got, err := ParseLevel(strings.ToUpper(l.String())); err != nil || got != l {
			t.Errorf("%v: %v, %v", l, got, err)
		}
	}
	for _, bad := range []string{"", "warn", "default"} {
		if _, err := ParseLevel(bad); err == nil {
			t.Errorf("%q is a level", bad)
		}
	}
}

// A module inherits what it does not set from DEFAULT, also what DEFAULT is changed to later, until it sets its own.
func TestInheritance(t *testing.T) {
	t.Parallel()
	no := false
	l, out := open(t, Options{Modules: map[Module]Settings{
		Default: {Enable: "warning+", IncludeTimestamp: &no}, Server: {Enable: "debug"},
	}})
	say := func(want string) {
		t.Helper()
		for _, m := range []Module{Server, Router} {
			l.Module(m).Debug("d")
			l.Module(m).Info("i")
			l.Module(m).Warning("w")
		}
		wantLine(t, out.take(), want)
	}
	change := func(m Module, s Settings) {
		t.Helper()
		if err := l.Configure(map[Module]Settings{m: s}); err != nil {
			t.Fatal(err)
		}
	}
	say("SERVER (debug) d\nROUTER (warning) w\n")
	change(Default, Settings{Enable: "info"})
	say("SERVER (debug) d\nROUTER (info) i\n")
	change(Server, Settings{Enable: "default"})
	say("SERVER (info) i\nROUTER (info) i\n")
	change(Router, Settings{Enable: "none"})
	say("SERVER (info) i\n")
	change(Default, Settings{Enable: "default"})
	say("SERVER (info) i\nSERVER (warning) w\n")
	if got := l.Settings(Router).Enable; got != "none" {
		t.Errorf("settings of ROUTER: enable %q, want none", got)
	}
	if err := l.Replace(map[Module]Settings{Default: {IncludeTimestamp: &no}}); err != nil {
		t.Fatal(err)
	}
	say("SERVER (info) i\nSERVER (warning) w\nROUTER (info) i\nROUTER (warning) w\n")
}

// Wrong settings are all reported at once, and then nothing has changed and no file stays open.
func TestConfigureErrors(t *testing.T) {
	t.Parallel()
	l, out := open(t, Options{})
	good := filepath.Join(t.TempDir(), "good.log")
	err := l.Configure(map[Module]Settings{
		Router: {Enable: "loud"}, Server: {OutputFile: "/nowhere/at/all.log"}, Agent: {OutputFile: good, Enable: "trace+"},
	})
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], `log ROUTER: enable "loud"`) ||
		!strings.HasPrefix(lines[1], "log SERVER: outputFile: open /nowhere/at/all.log") {
		t.Errorf("errors %q", lines)
	}
	l.Module(Agent).Trace("t")
	l.Module(Agent).Info("i")
	if got := out.take(); !strings.HasSuffix(got, "AGENT (info) i\n") || strings.Count(got, "\n") != 1 {
		t.Errorf("a failed change is in force: %q", got)
	}
	if len(l.sinks) != 1 {
		t.Errorf("%d outputs are open, want 1", len(l.sinks))
	}
	for _, o := range []Options{
		{TimestampFormat: "%Q"}, {TimestampFormat: "x%"}, {TimestampFormat: "a\nb"},
		{Modules: map[Module]Settings{Default: {Enable: "x"}}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}

// Modules write to files of their own; a shared file is opened once, a renamed one is opened again, and one that nobody
// uses any more is closed.
func TestFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.log"), filepath.Join(dir, "b.log")
	no := false
	l, out := open(t, Options{Modules: map[Module]Settings{
		Default: {IncludeTimestamp: &no}, Server: {OutputFile: a}, Router: {OutputFile: a}, Agent: {OutputFile: b},
	}})
	for _, m := range []Module{Server, Router, Agent, Policy} {
		l.Module(m).Info("1")
	}
	wantFile(t, a, "SERVER (info) 1\nROUTER (info) 1\n")
	wantFile(t, b, "AGENT (info) 1\n")
	wantLine(t, out.take(), "POLICY (info) 1\n")

	if err := os.Rename(b, b+".1"); err != nil {
		t.Fatal(err)
	}
	l.Module(Agent).Info("2")
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	l.Module(Agent).Info("3")
	wantFile(t, b+".1", "AGENT (info) 1\nAGENT (info) 2\n")
	wantFile(t, b, "AGENT (info) 3\n")

	if err := l.Configure(map[Module]Settings{Server: {OutputFile: b}, Router: {OutputFile: "stderr"}}); err != nil {
		t.Fatal(err)
	}
	l.Module(Server).Info("4")
	l.Module(Router).Info("4")
	wantFile(t, b, "AGENT (info) 3\nSERVER (info) 4\n")
	wantLine(t, out.take(), "ROUTER (info) 4\n")
	if l.sinks[a] != nil || len(l.sinks) != 2 {
		t.Errorf("%d outputs are open, want 2 without %s", len(l.sinks), a)
	}
}

func wantFile(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	wantLine(t, string(got), want)
}

// broken fails to write while it is set.
type broken struct {
	buffer
	fails bool
}

func (b *broken) Write(p []byte) (int, error) {
	if b.fails {
		return 0, errors.New("pipe is gone")
	}
	return b.buffer.Write(p)
}

// An output that fails loses lines, which is counted and said once to standard error, and nothing else stops.
func TestFailingOutput(t *testing.T) {
	t.Parallel()
	stdout := &broken{fails: true}
	l, out := open(t, Options{Stdout: stdout, Modules: map[Module]Settings{Server: {OutputFile: "stdout"}}})
	l.Module(Server).Info("1")
	l.Module(Server).Info("2")
	wantLine(t, out.take(), "cannot write log output to \"stdout\": pipe is gone\n")
	stdout.fails = false
	l.Module(Server).Info("3")
	if got := stdout.take(); !strings.HasSuffix(got, "SERVER (info) 3\n") || l.Lost() != 2 {
		t.Errorf("lost %d, then %q", l.Lost(), got)
	}
	if err := l.Configure(map[Module]Settings{Server: {OutputFile: "stderr"}}); err != nil || l.Lost() != 2 {
		t.Errorf("lost %d after the output was closed, %v", l.Lost(), err)
	}
}

// No line is lost or mixed with another while settings change under many goroutines.
func TestConcurrentConfigure(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := []string{filepath.Join(dir, "0"), filepath.Join(dir, "1"), filepath.Join(dir, "2")}
	no := false
	l, _ := open(t, Options{Modules: map[Module]Settings{Default: {IncludeTimestamp: &no, OutputFile: files[0]}}})
	const writers, each = 4, 200
	var wait sync.WaitGroup
	for range writers {
		wait.Go(func() {
			for range each {
				l.Module(Server).Info("line")
			}
		})
	}
	for i := range 100 {
		if err := l.Configure(map[Module]Settings{Default: {OutputFile: files[i%3]}}); err != nil {
			t.Fatal(err)
		}
	}
	wait.Wait()
	total := 0
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		n := strings.Count(string(text), "SERVER (info) line\n")
		if n*len("SERVER (info) line\n") != len(text) {
			t.Errorf("%s has something else", f)
		}
		total += n
	}
	if total != writers*each || l.Lost() != 0 {
		t.Errorf("%d lines, want %d; lost %d", total, writers*each, l.Lost())
	}
}

// After Close events are still counted and kept, and settings are fixed.
func TestClose(t *testing.T) {
	t.Parallel()
	l, out := open(t, Options{})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l.Module(Server).Info("late")
	if got := out.take(); got != "" || len(l.Recent(-1)) != 1 || l.Stats(Server)[LevelInfo] != 1 {
		t.Errorf("after Close: wrote %q, %d entries", got, len(l.Recent(-1)))
	}
	if err := l.Configure(nil); err == nil {
		t.Error("settings change after Close")
	}
}
