package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/postroad/postroad/internal/freeport"
	"github.com/postroad/postroad/internal/process"
	"github.com/postroad/postroad/tls/tlstest"
)

// TestMain lets scripts run this test binary as the command postroad.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"postroad": func() { os.Exit(program()) }})
}

// TestScripts states the behaviour of the command line in transcripts, one file per command in testdata/script.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exitcode": exitcode, "freeports": freeports, "expand": expand, "waitline": waitline, "terminate": terminate,
			"killrouter": killrouter, "eventually": eventually,
			"certificates": func(ts *testscript.TestScript, _ bool, names []string) { certificates(t, ts, names) },
		}})
}

// exitcode runs a command that has to end with exactly the given status: `exitcode 2 postroad …`.
func exitcode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exitcode STATUS COMMAND [ARG…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%s: %v", args[1], err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// freeports chooses ports nobody listens on and puts them into variables of the environment: `freeports A B…`.
func freeports(ts *testscript.TestScript, _ bool, names []string) {
	ports, err := freeport.Several(len(names))
	ts.Check(err)
	for i, name := range names {
		ts.Setenv(name, strconv.Itoa(ports[i]))
	}
}

// certificates makes an authority, ca.pem, and certificates of it, NAME.pem and NAME.key: `certificates NAME…`.
func certificates(t *testing.T, ts *testscript.TestScript, names []string) {
	ca := tlstest.NewAuthority(t, "ca", nil)
	files := map[string]string{"ca.pem": ca.File}
	for _, name := range names {
		pair := ca.Issue(name, nil)
		files[name+".pem"], files[name+".key"] = pair.CertFile, pair.KeyFile
	}
	for name, from := range files {
		data, err := os.ReadFile(from)
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(name), data, 0o600))
	}
}

// expand replaces $NAME in files with the variables of the environment: `expand FILE…`.
func expand(ts *testscript.TestScript, _ bool, files []string) {
	for _, file := range files {
		path := ts.MkAbs(file)
		data, err := os.ReadFile(path)
		ts.Check(err)
		ts.Check(os.WriteFile(path, []byte(os.Expand(string(data), ts.Getenv)), 0o600))
	}
}

// waitline waits until a file contains a text: `waitline FILE TEXT`.
func waitline(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: waitline FILE TEXT")
	}
	path := ts.MkAbs(args[0])
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for {
		data, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			ts.Check(err)
		}
		if strings.Contains(string(data), args[1]) {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			ts.Fatalf("%s does not contain %q but\n%s", args[0], args[1], data)
		}
	}
}

// terminate sends SIGTERM to all commands in the background.
func terminate(ts *testscript.TestScript, _ bool, _ []string) {
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(syscall.SIGTERM))
	}
}

// killrouter kills one of the processes that the only command in the background has started.
func killrouter(ts *testscript.TestScript, _ bool, _ []string) {
	demo := ts.BackgroundCmds()[0].Process.Pid
	for child, parent := range process.Parents() {
		if parent == demo {
			ts.Check(syscall.Kill(child, syscall.SIGKILL))
			return
		}
	}
	ts.Fatalf("process %d has no children", demo)
}

// eventually repeats a command until it prints what is in a file: `eventually FILE COMMAND [ARG…]`.
func eventually(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: eventually FILE COMMAND [ARG…]")
	}
	want := ts.ReadFile(args[0])
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil && ts.ReadFile("stdout") == want {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			ts.Fatalf("%s (%v) prints\n%s", args[1], err, ts.ReadFile("stdout"))
		}
	}
}
