package process

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// limit is longer than anything here takes.
const limit = 20 * time.Second

// shell starts a script, and kills it when the test ends.
func shell(t *testing.T, script, ready string) *Process {
	t.Helper()
	p, err := Start(Options{Command: []string{"sh", "-c", script}, Ready: ready, Orphaned: syscall.SIGKILL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// ready waits until a process is.
func ready(t *testing.T, p *Process) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	return p.AwaitReady(ctx)
}

func TestAProcessIsReadyWhenItSaysSo(t *testing.T) {
	t.Parallel()
	p := shell(t, "echo begins; echo at your service >&2; exec sleep 1000", "at your service")
	if err := ready(t, p); err != nil || !p.Running() {
		t.Fatalf("running %v, error %v", p.Running(), err)
	}
	if got := p.Log(1000); got != "begins\nat your service" {
		t.Errorf("it has logged %q", got)
	}
	if got := p.Log(8); got != "service" {
		t.Errorf("the end of the log is %q", got)
	}
}

func TestAProcessThatEndsBeforeItIsReadySaysHow(t *testing.T) {
	t.Parallel()
	p := shell(t, "echo no way; exit 3", "at your service")
	if err := ready(t, p); !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("error %v", err)
	}
	if err := p.AwaitEnd(limit); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("error %v", err)
	}
	if err := p.Signal(syscall.SIGTERM); err == nil {
		t.Error("a process that has ended takes a signal")
	}
}

func TestASignalReachesWhatAProcessHasStarted(t *testing.T) {
	t.Parallel()
	p := shell(t, "sleep 1000 & echo started; wait", "started")
	if err := ready(t, p); err != nil {
		t.Fatal(err)
	}
	family := Family(p)
	if len(family) != 2 {
		t.Fatalf("the processes are %v, want two", family)
	}
	Stop(limit, p)
	for _, id := range family {
		if parent, there := Parents()[id]; there && parent == os.Getpid() {
			t.Errorf("process %d is still there", id)
		}
	}
}

func TestAProcessThatDoesNotEndIsKilled(t *testing.T) {
	t.Parallel()
	p := shell(t, "trap '' TERM; echo deaf; while :; do sleep 1000; done", "deaf")
	if err := ready(t, p); err != nil {
		t.Fatal(err)
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.AwaitEnd(10 * time.Millisecond); err == nil || !strings.Contains(err.Error(), "did not end within 10ms") {
		t.Errorf("error %v", err)
	}
	if p.Running() {
		t.Error("it runs")
	}
}

// TestASuspendedProcessGoesOn starts no child: a shell that is stopped between vfork and exec of one never counts as
// stopped.
func TestASuspendedProcessGoesOn(t *testing.T) {
	t.Parallel()
	p := shell(t, "echo ready; exec sleep 1000", "ready")
	if err := ready(t, p); err != nil {
		t.Fatal(err)
	}
	if err := p.Suspend(); err != nil {
		t.Fatal(err)
	}
	if err := p.Signal(syscall.SIGTERM); err != nil || !p.Running() {
		t.Fatalf("running %v, error %v", p.Running(), err)
	}
	if err := p.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := p.AwaitEnd(limit); err == nil || !strings.Contains(err.Error(), "signal: terminated") {
		t.Errorf("error %v", err)
	}
}

func TestAProgramThatIsNotThereIsNamed(t *testing.T) {
	t.Parallel()
	_, err := Start(Options{Command: []string{"/nonexistent/program", "run"}})
	if err == nil || !strings.Contains(err.Error(), "starting /nonexistent/program run: ") {
		t.Errorf("error %v", err)
	}
}
